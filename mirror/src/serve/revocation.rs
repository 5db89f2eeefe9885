//! The revocation list of the private authority, which renews itself without the authority's key.
//!
//! The key is needed to sign a list, and belongs off the server. A list that ends only with the certificate would be kept by
//! clients for a year. A second key for lists (indirect lists, RFC 5280, section 5) would lie on the server, and whoever
//! breaks in could sign lists for as long as the authority lives. So a whole series is signed when the certificate is: each
//! list is valid for two weeks, a new one begins every week, and the last one ends after the certificate. The server
//! gives out the one of the day, by its clock.
//!
//! Attacks considered: whoever takes the server's key may also take the lists that are still to come, which say that nothing
//! is revoked, and give them out in the server's place until they end (as with any list until its end): the new
//! authority certificate, not the list, is the answer to a server that was broken into; the list is the answer to a key
//! that got away alone (from a backup, by mail).

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevocationReason, RevokedCertParams,
    SerialNumber,
};
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject as _;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode as _;

use super::certificate::timestamp;
use super::error::ServeError;

/// Where the list is served, without the first slash.
pub(crate) const PATH: &str = "tls/ca.crl";

/// A certificate that is not to be trusted any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// The content of its serial number.
    pub serial: Vec<u8>,
    /// Since when.
    pub since: Timestamp,
}

/// Signs the lists for a time; DER, oldest first.
pub(super) fn sign_series(
    issuer: &Issuer<'_, KeyPair>,
    revoked: &[RevokedCertificate],
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<Vec<u8>>, rcgen::Error> {
    let mut lists = Vec::new();
    let mut begin = now.checked_sub(Duration::from_secs(3600)).unwrap_or(now);
    for index in 0..MOST_LISTS {
        let end = begin.checked_add(VALID).unwrap_or(Timestamp::MAX);
        let list = CertificateRevocationListParams {
            this_update: std::time::SystemTime::from(begin).into(),
            next_update: std::time::SystemTime::from(end).into(),
            crl_number: number(now, index),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        lists.push(list.signed_by(issuer)?.der().to_vec());
        if begin >= until {
            break;
        }
        begin = begin.checked_add(EVERY).unwrap_or(Timestamp::MAX);
    }
    Ok(lists)
}

/// RFC 5280, section 5.2.3: it grows within a series, and from each series to the next.
fn number(made: Timestamp, index: u64) -> SerialNumber {
    let made = u64::try_from(made.as_second()).unwrap_or_default();
    SerialNumber::from(made.saturating_mul(MOST_LISTS).saturating_add(index))
}

fn entry(revoked: &RevokedCertificate) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: SerialNumber::from_slice(&revoked.serial),
        revocation_time: std::time::SystemTime::from(revoked.since).into(),
        reason_code: Some(RevocationReason::KeyCompromise),
        invalidity_date: None,
    }
}

/// The lists of a file, of which one is served at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    lists: Vec<List>,
}

#[derive(Debug, Clone)]
struct List {
    begin: Timestamp,
    end: Option<Timestamp>,
    der: Vec<u8>,
    revoked: Vec<RevokedCertificate>,
}

impl Series {
    /// Reads PEM with one or more lists, or one list in DER.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ServeError> {
        let unreadable = |source| ServeError::RevocationList { source };
        let mut lists = Vec::new();
        for der in split(bytes)? {
            let list = <CertificateList>::from_der(&der).map_err(|e| unreadable(Box::new(e)))?;
            let list = list.tbs_cert_list;
            let revoked = list.revoked_certificates.unwrap_or_default();
            lists.push(List {
                begin: timestamp(list.this_update),
                end: list.next_update.map(timestamp),
                revoked: revoked
                    .iter()
                    .map(|one| RevokedCertificate {
                        serial: one.serial_number.as_bytes().to_vec(),
                        since: timestamp(one.revocation_date),
                    })
                    .collect(),
                der,
            });
        }
        lists.sort_by_key(|list| list.begin);
        Ok(Self { lists })
    }

    /// The newest list that has begun a day ago, so that clients whose clock is slow find it valid; else the first one.
    pub(crate) fn current(&self, now: Timestamp) -> Option<&[u8]> {
        let begun = now.checked_sub(SLOW_CLOCKS).unwrap_or(now);
        let list = self.lists.iter().rev().find(|list| list.begin <= begun).or_else(|| self.lists.first())?;
        Some(&list.der)
    }

    /// When the last one ends.
    pub(crate) fn end(&self) -> Option<Timestamp> {
        self.lists.iter().filter_map(|list| list.end).max()
    }

    /// What the newest one names.
    pub(crate) fn revoked(&self) -> &[RevokedCertificate] {
        self.lists.last().map(|list| list.revoked.as_slice()).unwrap_or_default()
    }
}

/// The lists of a file in DER: PEM with one or more, or one in DER.
pub(super) fn split(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ServeError> {
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.to_vec()]);
    }
    let lists: Result<Vec<Vec<u8>>, _> = CertificateRevocationListDer::pem_slice_iter(bytes)
        .map(|list| list.map(|list| list.to_vec()))
        .collect();
    let lists = lists.and_then(|lists| match lists.is_empty() {
        true => Err(rustls_pki_types::pem::Error::NoItemsFound),
        false => Ok(lists),
    });
    lists.map_err(|source| ServeError::Pem { what: "revocation list", source })
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long one list is valid: clients may keep it so long.
const VALID: Duration = Duration::from_secs(14 * DAY.as_secs());
const EVERY: Duration = Duration::from_secs(7 * DAY.as_secs());
const SLOW_CLOCKS: Duration = DAY;
/// Some 19 years.
const MOST_LISTS: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: u64) -> Timestamp {
        Timestamp::from_second(1_782_000_000).unwrap() + DAY * u32::try_from(days).unwrap()
    }

    fn series(revoked: &[RevokedCertificate], until: u64) -> Series {
        let key = KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.key_usages = vec![rcgen::KeyUsagePurpose::CrlSign];
        let lists = sign_series(&Issuer::from_params(&params, key), revoked, at(0), at(until)).unwrap();
        let mut pem = String::new();
        for der in lists {
            let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
            pem += &format!("-----BEGIN X509 CRL-----\n{text}\n-----END X509 CRL-----\n");
        }
        Series::read(pem.as_bytes()).unwrap()
    }

    #[test]
    fn on_every_day_a_list_is_served_that_is_valid_a_day_before_and_five_days_after() {
        let series = series(&[], 397);
        for day in 0..397 {
            let der = series.current(at(day)).unwrap();
            let list = series.lists.iter().find(|list| list.der == der).unwrap();
            assert!(day == 0 || list.begin <= at(day - 1), "{day}");
            assert!(list.end.unwrap() >= at(day + 5), "{day}");
        }
        assert!(series.end().unwrap() >= at(397));
    }

    #[test]
    fn revoked_serials_are_read_back_and_numbers_grow() {
        let revoked = [RevokedCertificate { serial: vec![0x7f, 1, 2], since: at(3) }];
        let series = series(&revoked, 30);
        assert_eq!(series.revoked(), revoked);
        assert!(number(at(0), 999).as_ref() < number(at(1), 0).as_ref());
        assert!(number(at(0), 1).as_ref() > number(at(0), 0).as_ref());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in [
            &b""[..],
            b"garbage",
            &[0x30, 0x03, 1, 2, 3],
            b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
        ] {
            assert!(Series::read(bad).is_err(), "{bad:?}");
        }
        let one = series(&[], 1).lists.remove(0).der;
        assert_eq!(Series::read(&one).unwrap().current(at(0)), Some(one.as_slice()));
    }
}
