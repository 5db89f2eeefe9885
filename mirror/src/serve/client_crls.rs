//! Revocation lists for client certificates.
//!
//! The handshake has the TLS library check every certificate of a client's chain below the authority in `client_ca`: one that a
//! list names is refused, and so is one whose issuer has no list here (its status is unknown), or an expired one. Connections
//! that are open and sessions that are resumed were checked before a list came or ended: their requests are measured again
//! by issuer and serial number.
//!
//! Attacks considered: a certificate that was revoked after its connection was made (refused with the next request); an old list
//! that is held back from this server, so that what was revoked since passes for good (it ends, and an ended list vouches for
//! nobody unless that is configured); a list of somebody else (its signature has to be the issuer's); a list in parts or for
//! some reasons only (its extensions are honoured by the TLS library, indirect lists and deltas are refused when they are read).

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rustls_pki_types::CertificateRevocationListDer;
use x509_cert::crl::CertificateList;
use x509_cert::der::{Decode as _, Encode as _};

use super::certificate::timestamp;
use super::clients::{ClientCertificates, ShownCertificate};
use super::error::ServeError;
use super::revocation;

/// All lists that are in use.
#[derive(Debug, Default)]
pub(crate) struct ClientLists {
    /// The newest first: the TLS library takes the first that fits.
    lists: Vec<List>,
    /// Issuers and serial numbers, DER, of the newest list of each issuer.
    revoked: HashSet<(Vec<u8>, Vec<u8>)>,
    may_be_expired: bool,
}

#[derive(Debug)]
struct List {
    /// RFC 4514
    authority: String,
    issuer: Vec<u8>,
    begin: Timestamp,
    end: Option<Timestamp>,
    der: Vec<u8>,
}

/// An issuer, and the extension that says which of its certificates a list is for; DER.
type Part = (Vec<u8>, Vec<u8>);
type Serials = Vec<Vec<u8>>;

impl ClientLists {
    /// Reads the lists of some settings.
    pub(crate) fn read(clients: &ClientCertificates) -> Result<Self, ServeError> {
        let unreadable = |source| ServeError::RevocationList { source: Box::new(source) };
        let mut lists = Vec::new();
        let mut newest: HashMap<Part, (Timestamp, Serials)> = HashMap::new();
        for file in &clients.crls {
            for der in revocation::split(file)? {
                let list = <CertificateList>::from_der(&der).map_err(unreadable)?.tbs_cert_list;
                let issuer = list.issuer.to_der().map_err(unreadable)?;
                let begin = timestamp(list.this_update);
                let of = list.crl_extensions.unwrap_or_default();
                let part = of.iter().find(|extension| extension.extn_id == ISSUING_DISTRIBUTION_POINT);
                let part = part.map(|part| part.extn_value.as_bytes().to_vec()).unwrap_or_default();
                let revoked = list.revoked_certificates.unwrap_or_default();
                let serials = || revoked.iter().map(|one| one.serial_number.as_bytes().to_vec()).collect();
                let of_part = newest.entry((issuer.clone(), part)).or_insert_with(|| (begin, serials()));
                if of_part.0 < begin {
                    *of_part = (begin, serials());
                }
                let (authority, end) = (list.issuer.to_string(), list.next_update.map(timestamp));
                lists.push(List { authority, issuer, begin, end, der });
            }
        }
        lists.sort_by_key(|list| std::cmp::Reverse(list.begin));
        let mut revoked = HashSet::new();
        for ((issuer, _), (_, serials)) in newest {
            revoked.extend(serials.into_iter().map(|serial| (issuer.clone(), serial)));
        }
        Ok(Self { lists, revoked, may_be_expired: clients.crls_may_be_expired })
    }

    /// For the TLS library.
    pub(crate) fn ders(&self) -> impl Iterator<Item = CertificateRevocationListDer<'static>> {
        self.lists.iter().map(|list| list.der.clone().into())
    }

    /// Whether an expired list is as good as none.
    pub(crate) fn must_be_current(&self) -> bool {
        !self.may_be_expired
    }

    /// Why a client whose chain was good is not let in now.
    pub(crate) fn refusal(&self, shown: &ShownCertificate, now: Timestamp) -> Option<&'static str> {
        if self.revoked.contains(&(shown.issuer.clone(), shown.serial.clone())) {
            return Some("the client certificate was revoked");
        }
        let ended = |list: &List| list.issuer == shown.issuer && list.has_ended(now);
        (self.must_be_current() && self.in_use().any(ended))
            .then_some("the list of revoked client certificates has ended, so none can be let in")
    }

    /// Why no client of some authority is let in.
    pub(crate) fn problem(&self, now: Timestamp) -> Option<String> {
        self.ended(now).filter(|_| self.must_be_current()).map(|said| {
            format!("{said}; its clients are refused until there is a new one (serve.client_crl)")
        })
    }

    /// What will be wrong, or is, and has to be said.
    pub(crate) fn warning(&self, now: Timestamp) -> Option<String> {
        if let Some(said) = self.ended(now) {
            return Some(match self.may_be_expired {
                true => format!("{said}; what was revoked since is let in"),
                false => format!("{said}; its clients are refused"),
            });
        }
        let soon = self.in_use().find(|list| list.ends_soon(now))?;
        let end = soon.end?;
        Some(format!("the list of revoked client certificates of {} ends {end}", soon.authority))
    }

    /// The ends of the lists that count, with the names of their authorities.
    pub(crate) fn ends(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.in_use().filter_map(|list| Some((list.authority.as_str(), list.end?)))
    }

    /// Whether there is a list of an authority.
    pub(crate) fn has_list_of(&self, issuer: &[u8]) -> bool {
        self.lists.iter().any(|list| list.issuer == issuer)
    }

    fn ended(&self, now: Timestamp) -> Option<String> {
        let list = self.in_use().find(|list| list.has_ended(now))?;
        let end = list.end?;
        Some(format!("the list of revoked client certificates of {} has ended ({end})", list.authority))
    }

    /// The newest list of each issuer.
    fn in_use(&self) -> impl Iterator<Item = &List> {
        let is_first = |index: usize, issuer: &[u8]| {
            self.lists.iter().position(|list| list.issuer == issuer) == Some(index)
        };
        self.lists
            .iter()
            .enumerate()
            .filter(move |(index, list)| is_first(*index, &list.issuer))
            .map(|(_, list)| list)
    }
}

impl List {
    fn has_ended(&self, now: Timestamp) -> bool {
        self.end.is_some_and(|end| end <= now)
    }

    /// Whether less than a quarter of its time is left.
    fn ends_soon(&self, now: Timestamp) -> bool {
        self.end.is_some_and(|end| {
            let quarter = end.duration_since(self.begin).unsigned_abs() / 4;
            end.duration_since(now).unsigned_abs() < quarter
        })
    }
}

/// RFC 5280, section 5.2.5
const ISSUING_DISTRIBUTION_POINT: x509_cert::der::asn1::ObjectIdentifier =
    x509_cert::der::asn1::ObjectIdentifier::new_unwrap("2.5.29.28");
