//! The file a mirror writes and a host is enrolled with.
//!
//! ```json
//! {"format": 1, "store_id": "…", "created": "2026-11-23T12:00:00Z", "url": "https://mirror.example:8443/",
//!  "root": "{ the exact text of 1.root.json }", "tls_ca_pem": "-----BEGIN CERTIFICATE-----…"}
//! ```
//!
//! It holds no secret. It must reach the host unchanged: whoever changes it on the way becomes the mirror. Enrolment can
//! compare the digest of the root with one that an operator read elsewhere.
//!
//! | attack | defence |
//! | --- | --- |
//! | unknown fields that a later version would obey | refused, as are other formats |
//! | endless file | [`TrustFile::MAX_BYTES`] |
//! | address with credentials, file URL | refused |
//! | a private key pasted beside the certificate | refused, so that it does not get spread |

use std::path::Path;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use url::Url;

use super::error::TrustFileError;
use crate::Sha256Digest;
use crate::store::durable::{self, FileMode};

/// What a host has to know of a mirror to trust its catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustFile {
    format: u64,
    store_id: String,
    created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<Url>,
    /// The text of the root metadata, byte for byte: signatures and digests are over exactly this.
    root: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls_ca_pem: Option<String>,
}

impl TrustFile {
    /// The largest trust file that is read.
    pub const MAX_BYTES: usize = 1024 * 1024;

    /// Makes a trust file.
    ///
    /// `root` is the TUF root metadata, byte for byte; `tls_ca_pem` the authority that vouches for the mirror's TLS
    /// certificate, if the system's authorities do not; `url` the address of the mirror, if it has one.
    pub fn new(
        store_id: &str,
        root: &[u8],
        tls_ca_pem: Option<String>,
        url: Option<&str>,
        created: Timestamp,
    ) -> Result<Self, TrustFileError> {
        let root = std::str::from_utf8(root)
            .map_err(|_| TrustFileError::Root { problem: "not UTF-8 text" })?
            .to_owned();
        let url = url.map(Url::parse).transpose().map_err(|_| TrustFileError::Url)?;
        let store_id = store_id.to_owned();
        Self { format: FORMAT, store_id, created, url, root, tls_ca_pem }.checked()
    }

    /// Parses the bytes of a trust file.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustFileError> {
        #[derive(Deserialize)]
        struct FormatOnly {
            format: u64,
        }
        if bytes.len() > Self::MAX_BYTES {
            return Err(TrustFileError::TooLarge { length: bytes.len(), limit: Self::MAX_BYTES });
        }
        let form = |source| TrustFileError::Form { source };
        let FormatOnly { format } = serde_json::from_slice(bytes).map_err(form)?;
        if format != FORMAT {
            return Err(TrustFileError::Format { format });
        }
        serde_json::from_slice::<Self>(bytes).map_err(form)?.checked()
    }

    /// The text of the file.
    pub fn to_json(&self) -> Result<String, TrustFileError> {
        let mut text =
            serde_json::to_string_pretty(self).map_err(|source| TrustFileError::Form { source })?;
        text.push('\n');
        Ok(text)
    }

    /// Writes the file, replacing an older one.
    pub fn write(&self, path: &Path) -> Result<(), TrustFileError> {
        durable::replace(path, self.to_json()?.as_bytes(), FileMode::Shared)
            .map_err(|source| TrustFileError::Write { source })
    }

    /// The id of the store.
    pub fn store_id(&self) -> &str {
        &self.store_id
    }

    /// When the file was made.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// The address of the mirror, if it has one.
    pub fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }

    /// The exact bytes of the TUF root metadata.
    pub fn root(&self) -> &[u8] {
        self.root.as_bytes()
    }

    /// Digest of the root metadata, for comparing by eye.
    pub fn root_sha256(&self) -> Sha256Digest {
        Sha256Digest::of(self.root())
    }

    /// The certificate authority of the mirror's TLS certificate; `None` if the system's authorities vouch for it.
    pub fn tls_ca_pem(&self) -> Option<&str> {
        self.tls_ca_pem.as_deref()
    }

    fn checked(self) -> Result<Self, TrustFileError> {
        let id = &self.store_id;
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(TrustFileError::StoreId);
        }
        check_root(&self.root)?;
        if let Some(url) = &self.url {
            check_url(url)?;
        }
        if let Some(pem) = &self.tls_ca_pem {
            check_tls_ca(pem)?;
        }
        let length = self.to_json()?.len();
        if length > Self::MAX_BYTES {
            return Err(TrustFileError::TooLarge { length, limit: Self::MAX_BYTES });
        }
        Ok(self)
    }
}

/// Looks at the shape only; `catalog::trust` checks signatures, keys and expiry.
fn check_root(text: &str) -> Result<(), TrustFileError> {
    let problem = |problem| TrustFileError::Root { problem };
    let root: serde_json::Value = serde_json::from_str(text).map_err(|_| problem("not JSON"))?;
    let signed = root.get("signed").ok_or_else(|| problem("nothing signed in it"))?;
    if signed.get("_type").and_then(serde_json::Value::as_str) != Some("root") {
        return Err(problem("another kind of metadata"));
    }
    if root.get("signatures").and_then(serde_json::Value::as_array).is_none_or(Vec::is_empty) {
        return Err(problem("no signatures"));
    }
    Ok(())
}

fn check_url(url: &Url) -> Result<(), TrustFileError> {
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain && matches!(url.scheme(), "http" | "https") { Ok(()) } else { Err(TrustFileError::Url) }
}

fn check_tls_ca(pem: &str) -> Result<(), TrustFileError> {
    if pem.contains("PRIVATE KEY") {
        return Err(TrustFileError::TlsCa { problem: "it holds a private key" });
    }
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        certificate.map_err(|_| TrustFileError::TlsCa { problem: "it is not well-formed PEM" })?;
        count += 1;
    }
    if count == 0 {
        return Err(TrustFileError::TlsCa { problem: "no certificate in it" });
    }
    Ok(())
}

const FORMAT: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "{\"signed\": {\"_type\": \"root\"},\n \"signatures\": [{}]}";

    fn make(id: &str, root: &str, pem: Option<&str>, url: Option<&str>) -> Result<TrustFile, TrustFileError> {
        TrustFile::new(id, root.as_bytes(), pem.map(str::to_owned), url, Timestamp::UNIX_EPOCH)
    }

    fn trust_file() -> TrustFile {
        make("a1-b2", ROOT, None, None).unwrap()
    }

    #[test]
    fn trust_file_round_trips_with_the_exact_root() {
        let pem = rcgen::generate_simple_self_signed(["ca".to_owned()]).unwrap().cert.pem();
        let file = make("a1-b2", ROOT, Some(&pem), Some("https://mirror.example:8443/")).unwrap();
        let again = TrustFile::parse(file.to_json().unwrap().as_bytes()).unwrap();
        assert_eq!(again, file);
        assert_eq!(again.root(), ROOT.as_bytes());
        assert_eq!(again.root_sha256(), Sha256Digest::of(ROOT.as_bytes()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust.json");
        file.write(&path).unwrap();
        trust_file().write(&path).unwrap();
        assert_eq!(TrustFile::parse(&std::fs::read(&path).unwrap()).unwrap(), trust_file());
    }

    #[test]
    fn unknown_fields_and_formats_are_refused() {
        let text = trust_file().to_json().unwrap();
        let more = text.replace("\"format\": 1,", "\"format\": 1, \"insecure\": true,");
        assert!(matches!(TrustFile::parse(more.as_bytes()), Err(TrustFileError::Form { .. })));
        let newer = text.replace("\"format\": 1,", "\"format\": 2, \"other\": true,");
        assert!(matches!(TrustFile::parse(newer.as_bytes()), Err(TrustFileError::Format { format: 2 })));
        let long = vec![b' '; TrustFile::MAX_BYTES + 1];
        assert!(matches!(TrustFile::parse(&long), Err(TrustFileError::TooLarge { .. })));
    }

    #[test]
    fn wrong_parts_are_refused() {
        assert!(matches!(make("../x", ROOT, None, None), Err(TrustFileError::StoreId)));
        for root in [
            "",
            "{}",
            "{\"signed\":{\"_type\":\"targets\"},\"signatures\":[{}]}",
            "{\"signed\":{\"_type\":\"root\"},\"signatures\":[]}",
        ] {
            assert!(matches!(make("a", root, None, None), Err(TrustFileError::Root { .. })), "{root}");
        }
        for url in ["file:///x", "https://u:p@h/", "https://h/?q", "x"] {
            assert!(matches!(make("a", ROOT, None, Some(url)), Err(TrustFileError::Url)), "{url}");
        }
        for pem in ["", "x", "-----BEGIN PRIVATE KEY-----"] {
            assert!(matches!(make("a", ROOT, Some(pem), None), Err(TrustFileError::TlsCa { .. })), "{pem}");
        }
    }

    proptest::proptest! {
        #[test]
        fn garbage_never_panics(text in "\\PC{0,200}") {
            let _ = TrustFile::parse(text.as_bytes());
        }
    }
}
