//! Trust anchors: where they come from, and which certificates they are.
//!
//! Never taken from the package that is being verified. Every report names the set by its digest.

mod jks;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::certificate::Certificate;

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
    /// Name of the keystore entry.
    pub(crate) alias: Option<String>,
}

impl TrustStore {
    /// A set without anchors: nothing is trusted.
    pub fn empty(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Reads a truststore: PEM certificates, one DER certificate, or a Java keystore (JKS).
    ///
    /// `password` checks the integrity of a Java keystore; without it the check is skipped, as for `cacerts`.
    pub fn read(name: &str, bytes: &[u8], password: Option<&str>) -> Result<Self, TrustStoreError> {
        let mut store = Self::empty(name);
        store.add(bytes, password)?;
        if store.anchors.is_empty() {
            return Err(TrustStoreError::Empty { name: name.to_owned() });
        }
        Ok(store)
    }

    /// Adds the certificates of another file.
    pub fn add(&mut self, bytes: &[u8], password: Option<&str>) -> Result<(), TrustStoreError> {
        let malformed = |reason: String| TrustStoreError::Malformed { name: self.name.clone(), reason };
        let certificates: Vec<(Option<String>, Vec<u8>)> = if bytes.starts_with(&jks::MAGIC) {
            jks::read(bytes, password).map_err(malformed)?
        } else if bytes.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) {
            read_pem(bytes).map_err(malformed)?.into_iter().map(|der| (None, der)).collect()
        } else if bytes.starts_with(&[0x30, 0x82]) && Certificate::parse(bytes).is_ok() {
            vec![(None, bytes.to_vec())]
        } else {
            return Err(malformed("it is neither PEM nor DER nor a Java keystore (JKS)".to_owned()));
        };
        for (alias, der) in certificates {
            match Certificate::parse(&der) {
                Ok(certificate) => self.insert(certificate, alias),
                Err(error) => {
                    let what = alias.unwrap_or_else(|| "a certificate".to_owned());
                    self.skipped.push(format!("{what}: {error}"));
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, certificate: Arc<Certificate>, alias: Option<String>) {
        if self.anchors.iter().any(|anchor| anchor.certificate.der == certificate.der) {
            return;
        }
        let slot = self.anchors.len();
        self.by_subject.entry(certificate.subject.canonical().to_owned()).or_default().push(slot);
        self.anchors.push(Anchor { certificate, alias });
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
        let mut digests: Vec<String> = self.anchors.iter().map(|anchor| anchor.certificate.sha256()).collect();
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

    /// Whether the very certificate is an anchor.
    pub(crate) fn contains(&self, certificate: &Certificate) -> bool {
        self.with_subject(certificate.subject.canonical()).any(|anchor| anchor.certificate.der == certificate.der)
    }

    /// Whether an anchor has the same subject and key.
    pub(crate) fn contains_key(&self, certificate: &Certificate) -> bool {
        self.with_subject(certificate.subject.canonical())
            .any(|anchor| anchor.certificate.key.spki == certificate.key.spki)
    }

    /// Anchors with a subject.
    pub(crate) fn with_subject(&self, canonical: &str) -> impl Iterator<Item = &Anchor> {
        self.by_subject
            .get(canonical)
            .into_iter()
            .flatten()
            .filter_map(|slot| self.anchors.get(*slot))
    }
}

/// A truststore that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrustStoreError {
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

const PEM_BEGIN: &[u8] = b"-----BEGIN ";
