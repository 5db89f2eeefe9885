//! Trust anchors: where they come from, and which certificates they are.
//!
//! Never taken from the package that is being verified. Every report names the set by its digest.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::anchor_description::AnchorDescription;
use crate::certificate::Certificate;
use crate::keystore::Keystore;

/// A set of trust anchors.
#[derive(Debug, Clone, Default)]
pub struct TrustStore {
    name: String,
    anchors: Vec<Anchor>,
    by_subject: HashMap<String, Vec<usize>>,
    skipped: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Anchor {
    pub(crate) certificate: Arc<Certificate>,
}

impl TrustStore {
    /// A set without anchors: nothing is trusted.
    pub fn empty(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Reads a truststore: PEM certificates, one DER certificate, or a Java keystore (JKS or PKCS12).
    ///
    /// `password` opens a Java keystore; without it integrity is not checked, as for `cacerts`.
    pub fn read(name: &str, bytes: &[u8], password: Option<&str>) -> Result<Self, TrustStoreError> {
        let mut store = Self::empty(name);
        store.add(bytes, password)?;
        if store.anchors.is_empty() {
            return Err(TrustStoreError::Empty { name: name.to_owned() });
        }
        Ok(store)
    }

    /// The set that comes with this program: roots for code signing and time stamping.
    pub fn bundled() -> Self {
        let mut store = Self::empty(BUNDLED_NAME);
        // A test shows that the file can be read and what is in it.
        let _ = store.add(BUNDLED_PEM, None);
        store
    }

    /// Adds the certificates of another file.
    pub fn add(&mut self, bytes: &[u8], password: Option<&str>) -> Result<(), TrustStoreError> {
        let malformed = |reason: String| TrustStoreError::Malformed { name: self.name.clone(), reason };
        if Keystore::is_keystore(bytes) {
            self.add_keystore(&Keystore::read(&self.name, bytes, password)?);
            return Ok(());
        }
        let certificates = if bytes.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) {
            read_pem(bytes).map_err(malformed)?
        } else if bytes.starts_with(&[0x30, 0x82]) && Certificate::parse(bytes).is_ok() {
            vec![bytes.to_vec()]
        } else {
            return Err(malformed("it is neither PEM nor DER nor a Java keystore (JKS, PKCS12)".to_owned()));
        };
        for der in certificates {
            match Certificate::parse(&der) {
                Ok(certificate) => self.insert(certificate),
                Err(error) => self.skipped.push(format!("a certificate: {error}")),
            }
        }
        Ok(())
    }

    /// Adds the trusted certificates of a keystore, and the self-signed ones of its private keys.
    pub fn add_keystore(&mut self, keystore: &Keystore) {
        for entry in keystore.anchors() {
            self.insert(entry.certificate.clone());
        }
        self.skipped.extend_from_slice(keystore.skipped());
    }

    /// Reads all files of a folder that end in `.pem`, `.crt`, `.cer` or `.der`, in the order of their names.
    ///
    /// # Errors
    ///
    /// If the folder or a file cannot be read, or a file holds no certificates.
    pub fn read_folder(name: &str, folder: &Path) -> Result<Self, TrustStoreError> {
        let unreadable = |path: &Path, source: io::Error| TrustStoreError::Unreadable {
            name: name.to_owned(),
            path: path.display().to_string(),
            source: Arc::new(source),
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
            let path = entry.map_err(|error| unreadable(folder, error))?.path();
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if ["pem", "crt", "cer", "der"].iter().any(|known| extension.eq_ignore_ascii_case(known)) {
                paths.push(path);
            }
        }
        paths.sort();
        let mut store = Self::empty(name);
        for path in paths {
            store.add(&std::fs::read(&path).map_err(|error| unreadable(&path, error))?, None)?;
        }
        if store.is_empty() {
            return Err(TrustStoreError::Empty { name: name.to_owned() });
        }
        Ok(store)
    }

    /// Adds the anchors of another set, and its name.
    #[must_use]
    pub fn join(mut self, other: &Self) -> Self {
        for anchor in &other.anchors {
            self.insert(anchor.certificate.clone());
        }
        self.skipped.extend_from_slice(&other.skipped);
        self.name = format!("{} + {}", self.name, other.name);
        self
    }

    fn insert(&mut self, certificate: Arc<Certificate>) {
        if self.contains(&certificate) {
            return;
        }
        let slot = self.anchors.len();
        self.by_subject.entry(certificate.subject.canonical().to_owned()).or_default().push(slot);
        self.anchors.push(Anchor { certificate });
    }

    /// The name of the set, for reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many anchors there are.
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// Certificates that could not be parsed, with the reason.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// SHA-256 over the sorted SHA-256 digests of all anchors: the same anchors give the same digest, whatever
    /// file they came from.
    pub fn digest(&self) -> String {
        use sha2::Digest as _;
        let mut digests: Vec<String> =
            self.anchors.iter().map(|anchor| anchor.certificate.sha256()).collect();
        digests.sort();
        hex::encode(sha2::Sha256::digest(digests.join("\n").as_bytes()))
    }

    /// All anchors as PEM, with their subjects as comments.
    pub fn to_pem(&self) -> String {
        use base64::Engine as _;
        let mut pem = String::new();
        for anchor in &self.anchors {
            let base64 = base64::engine::general_purpose::STANDARD.encode(&anchor.certificate.der);
            pem.push_str("# ");
            pem.extend(anchor.certificate.subject.to_java_string().chars().filter(|c| !c.is_control()));
            pem.push_str("\n-----BEGIN CERTIFICATE-----\n");
            let mut rest = base64.as_str();
            while !rest.is_empty() {
                let (line, more) = rest.split_at(rest.len().min(64));
                pem.push_str(line);
                pem.push('\n');
                rest = more;
            }
            pem.push_str("-----END CERTIFICATE-----\n");
        }
        pem
    }

    /// What the anchors are, in the order of the source.
    pub fn anchors(&self) -> impl Iterator<Item = AnchorDescription> {
        self.anchors.iter().map(|anchor| AnchorDescription::of(&anchor.certificate))
    }

    /// Whether the very certificate is an anchor.
    pub(crate) fn contains(&self, certificate: &Certificate) -> bool {
        self.with_subject(certificate.subject.canonical())
            .any(|anchor| anchor.certificate.der == certificate.der)
    }

    /// Whether an anchor has the same subject and key.
    pub(crate) fn contains_key(&self, certificate: &Certificate) -> bool {
        self.with_subject(certificate.subject.canonical())
            .any(|anchor| anchor.certificate.key.is_same(&certificate.key))
    }

    /// All certificates of the set.
    #[cfg(test)]
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.anchors.iter().map(|anchor| &anchor.certificate)
    }

    /// Anchors with a subject.
    pub(crate) fn with_subject(&self, canonical: &str) -> impl Iterator<Item = &Anchor> {
        self.by_subject.get(canonical).into_iter().flatten().filter_map(|slot| self.anchors.get(*slot))
    }
}

/// A truststore that cannot be used.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum TrustStoreError {
    /// A file or folder cannot be read.
    #[error("truststore {name}: failed to read {path}")]
    Unreadable {
        /// Name of the set.
        name: String,
        /// The file or folder.
        path: String,
        /// The failure.
        source: Arc<io::Error>,
    },
    /// The bytes have no known form, or are damaged.
    #[error("truststore {name} cannot be read: {reason}")]
    Malformed {
        /// Name of the set.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no certificate in it.
    #[error("truststore {name} holds no certificate")]
    Empty {
        /// Name of the set.
        name: String,
    },
}

fn read_pem(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    use base64::Engine as _;
    let text = std::str::from_utf8(bytes).map_err(|_| "the PEM text is not UTF-8".to_owned())?;
    let mut certificates = Vec::new();
    let mut current: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        match (&mut current, line) {
            (None, "-----BEGIN CERTIFICATE-----" | "-----BEGIN TRUSTED CERTIFICATE-----") => {
                current = Some(String::new());
            }
            (Some(base64), "-----END CERTIFICATE-----" | "-----END TRUSTED CERTIFICATE-----") => {
                let der = base64::engine::general_purpose::STANDARD
                    .decode(base64.as_bytes())
                    .map_err(|_| format!("the certificate that ends in line {} is not Base64", number + 1))?;
                certificates.push(der);
                current = None;
            }
            (Some(base64), line) => base64.push_str(line),
            (None, _) => {}
        }
    }
    if current.is_some() {
        return Err("the last certificate has no END line".to_owned());
    }
    Ok(certificates)
}

impl fmt::Display for TrustStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} anchors, sha256 {})", self.name, self.len(), self.digest())
    }
}

/// The name of the bundled set; changes with its content.
const BUNDLED_NAME: &str = "bundled 2026-11-25";
pub(crate) const BUNDLED_PEM: &[u8] = include_bytes!("../anchors/bundled.pem");
const PEM_BEGIN: &[u8] = b"-----BEGIN ";

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 and the beginning of the subject.
    const BUNDLED: [(&str, &str); 13] = [
        ("552f7bdcf1a7af9e6ce672017f4f12abf77240c78e761ac203d1d9d20ac89988", "CN=DigiCert Trusted Root G4,"),
        (
            "3e9099b5015e8f486c00bcea9d111ee721faba355a89bcf1df69561e3dc6325c",
            "CN=DigiCert Assured ID Root CA,",
        ),
        (
            "7d05ebb682339f8c9451ee094eebfefa7953a114edb2f44949452fab7d2fc185",
            "CN=DigiCert Assured ID Root G2,",
        ),
        (
            "7e37cb8b4c47090cab36551ba6f45db840680fba166a952db100717f43053fc2",
            "CN=DigiCert Assured ID Root G3,",
        ),
        ("4348a0e9444c78cb265e058d5e8944b4d84f9662bd26db257f8934a443c70161", "CN=DigiCert Global Root CA,"),
        ("cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f", "CN=DigiCert Global Root G2,"),
        ("31ad6648f8104138c738f39ea4320133393e3a18cc02296ef97c2ac9ef6731d0", "CN=DigiCert Global Root G3,"),
        (
            "7431e5f4c3c1ce4690774f0b61e05440883ba9a01ed00ba6abd7806ed3b118cf",
            "CN=DigiCert High Assurance EV Root CA,",
        ),
        (
            "73c176434f1bc6d5adf45b0e76e727287c8de57616c1e6e6141a2b2cbc7d8e4c",
            "CN=Entrust Root Certification Authority,",
        ),
        (
            "43df5774b03e7fef5fe40d931a7bedf1bb2e6b42738c4e6d3841103d3aa7f339",
            "CN=Entrust Root Certification Authority - G2,",
        ),
        (
            "02ed0eb28c14da45165c566791700d6451d7fb56f0b2ab1d3b8eb070e56edff5",
            "CN=Entrust Root Certification Authority - EC1,",
        ),
        (
            "2399561127a57125de8cefea610ddf2fa078b5c8067f4e828290bfb860e84b3c",
            "CN=VeriSign Universal Root Certification Authority,",
        ),
        (
            "9acfab7e43c8d880d06b262a94deeee4b4659989c3d0caf19baf6405e41ab7df",
            "CN=VeriSign Class 3 Public Primary Certification Authority - G5,",
        ),
    ];

    #[test]
    fn bundled_anchors_are_the_listed_ones() {
        let store = TrustStore::bundled();
        assert!(store.skipped().is_empty());
        let found: Vec<String> = store.anchors.iter().map(|anchor| anchor.certificate.sha256()).collect();
        let listed: Vec<&str> = BUNDLED.iter().map(|(digest, _)| *digest).collect();
        assert_eq!(found, listed);
        for (anchor, (_, subject)) in store.anchors.iter().zip(BUNDLED) {
            let found = anchor.certificate.subject.to_java_string();
            assert!(found.starts_with(subject), "{found}");
        }
        assert!(store.name().starts_with("bundled 20"));
    }

    #[test]
    fn a_set_written_as_pem_is_the_same_set() {
        let store = TrustStore::bundled();
        let again = TrustStore::read("again", store.to_pem().as_bytes(), None).unwrap();
        assert_eq!(again.digest(), store.digest());
    }

    #[test]
    fn files_without_certificates_are_refused() {
        assert!(matches!(TrustStore::read("x", b"hello", None), Err(TrustStoreError::Malformed { .. })));
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(matches!(TrustStore::read("x", cut, None), Err(TrustStoreError::Malformed { .. })));
    }
}
