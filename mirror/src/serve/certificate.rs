//! What the server needs to know of a certificate: names, lifetime, serial number (RFC 5280).
//!
//! Nothing is trusted here: chains and signatures are checked by the TLS library before.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A certificate as far as it is of interest here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateFacts {
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// DNS names and addresses of the subjectAltName extension, in their order.
    pub(crate) names: Vec<SubjectName>,
    pub(crate) common_name: Option<String>,
    /// The name of the subject, DER.
    pub(crate) subject_der: Vec<u8>,
    /// RFC 4514, cut to what fits into a record.
    pub(crate) subject: String,
    /// The name of the issuer, DER.
    pub(crate) issuer: Vec<u8>,
    /// The content of the INTEGER.
    pub(crate) serial: Vec<u8>,
    /// The DER of the key.
    pub(crate) key: Vec<u8>,
}

/// A name that a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SubjectName {
    Dns(String),
    Address(IpAddr),
}

/// The certificate cannot be read.
pub(crate) type Unreadable = x509_cert::der::Error;

impl CertificateFacts {
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Result<Self, Unreadable> {
        let certificate = Certificate::from_der(certificate)?;
        let tbs = certificate.tbs_certificate();
        let names = match tbs.get_extension::<SubjectAltName>()? {
            Some((_, names)) => names.0.iter().filter_map(subject_name).collect(),
            None => Vec::new(),
        };
        let common_name = tbs.subject().common_name().ok().flatten();
        Ok(Self {
            not_before: timestamp(tbs.validity().not_before),
            not_after: timestamp(tbs.validity().not_after),
            names,
            common_name: common_name.map(|name| name.value().into_owned()),
            subject_der: tbs.subject().to_der()?,
            subject: tbs.subject().to_string().chars().take(LONGEST_SUBJECT).collect(),
            issuer: tbs.issuer().to_der()?,
            serial: tbs.serial_number().as_bytes().to_vec(),
            key: tbs.subject_public_key_info().to_der()?,
        })
    }

    /// The names as they are written on the command line.
    pub(crate) fn host_names(&self) -> Vec<String> {
        let text = |name: &SubjectName| match name {
            SubjectName::Dns(name) => name.clone(),
            SubjectName::Address(address) => address.to_string(),
        };
        self.names.iter().map(text).collect()
    }
}

fn subject_name(name: &GeneralName) -> Option<SubjectName> {
    match name {
        GeneralName::DnsName(name) => Some(SubjectName::Dns(name.as_str().to_owned())),
        GeneralName::IpAddress(bytes) => {
            let address = <[u8; 4]>::try_from(bytes.as_bytes())
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(bytes.as_bytes()).map(IpAddr::from));
            Some(SubjectName::Address(address.ok()?))
        }
        _ => None,
    }
}

/// A time of a certificate or revocation list; both forms of it are after 1950 and before 10000.
pub(crate) fn timestamp(time: x509_cert::time::Time) -> Timestamp {
    let seconds = Duration::as_secs(&time.to_unix_duration());
    i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(Timestamp::MAX)
}

const LONGEST_SUBJECT: usize = 500;
