//! A private certificate authority for sites that have no PKI of their own, and a request for those that have one.
//!
//! The authority may vouch only for the names it was made for (name constraints, RFC 5280, section 4.2.1.10), so that
//! its key, if it leaks, is worth nothing elsewhere. The key is needed again only to renew the server's certificate:
//! it belongs off the server. Its subject contains a part of its own key's digest: two authorities are never confused.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CrlDistributionPoint, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
    PublicKeyData as _,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate::CertificateFacts;
use super::error::ServeError;
use super::revocation::{RevokedCertificate, Series, sign_series};
use crate::Sha256Digest;

/// What a new private authority and its first server certificate consist of, as PEM.
#[derive(Clone)]
pub struct TlsSet {
    /// The authority's certificate: agents and importers need it.
    pub ca_pem: String,
    /// The authority's key: to be kept off the server.
    pub ca_key_pem: String,
    /// The server's certificate.
    pub server_cert_pem: String,
    /// The server's key.
    pub server_key_pem: String,
    /// The revocation lists for the lifetime of the server's certificate, one after the other.
    pub crls_pem: String,
}

/// What is made for an authority that is there already, as PEM.
#[derive(Clone)]
pub struct RenewedServer {
    /// The server's new certificate.
    pub server_cert_pem: String,
    /// Its key, also new.
    pub server_key_pem: String,
    /// The revocation lists for its lifetime; they take the place of those before.
    pub crls_pem: String,
}

/// What a server's certificate is for.
#[derive(Debug, Clone, Default)]
pub struct ServerNames {
    /// DNS names and IP addresses.
    pub names: Vec<String>,
    /// The http address of the revocation list, which goes into the certificate.
    pub crl_url: Option<String>,
}

/// How long the certificates are valid.
#[derive(Debug, Clone)]
pub struct CertificateLifetimes {
    /// The authority.
    pub authority: Duration,
    /// The server's certificate; clients of today refuse more than 398 days from public authorities only, but what
    /// is renewed once a year gets practised.
    pub server: Duration,
}

impl Default for CertificateLifetimes {
    fn default() -> Self {
        Self { authority: 3650 * DAY, server: 397 * DAY }
    }
}

/// Makes a private authority and a server certificate for the given DNS names and IP addresses, without an address of
/// a revocation list.
pub fn init_tls(
    names: &[String],
    now: jiff::Timestamp,
    lifetimes: &CertificateLifetimes,
) -> Result<TlsSet, ServeError> {
    init_tls_for(&ServerNames { names: names.to_vec(), crl_url: None }, now, lifetimes)
}

/// Makes a private authority, a server certificate and the revocation lists for its lifetime.
///
/// # Errors
/// A name is neither a DNS name nor an address; the address of the list is not ASCII.
pub fn init_tls_for(
    server: &ServerNames,
    now: jiff::Timestamp,
    lifetimes: &CertificateLifetimes,
) -> Result<TlsSet, ServeError> {
    check_names(&server.names)?;
    let key = KeyPair::generate().map_err(failed("key of the authority"))?;
    let mut authority = authority_subject(&key);
    set_validity(&mut authority, now, lifetimes.authority);
    authority.name_constraints = Some(constraints(&server.names));
    let ca_pem = authority.self_signed(&key).map_err(failed("certificate of the authority"))?.pem();
    let ca_key_pem = key.serialize_pem();
    let made = renew_server(&ca_pem, &ca_key_pem, server, &[], now, lifetimes)?;
    let RenewedServer { server_cert_pem, server_key_pem, crls_pem } = made;
    Ok(TlsSet { ca_pem, ca_key_pem, server_cert_pem, server_key_pem, crls_pem })
}

/// Makes a new server certificate, key and revocation lists under an authority that [`init_tls`] has made.
///
/// Nothing outlives the authority. What is revoked stays on the lists for good.
///
/// # Errors
/// The key is not that of the authority, or the authority cannot vouch for a name: it is bound to those it was made for.
pub fn renew_server(
    ca_pem: &str,
    ca_key_pem: &str,
    server: &ServerNames,
    revoked: &[RevokedCertificate],
    now: jiff::Timestamp,
    lifetimes: &CertificateLifetimes,
) -> Result<RenewedServer, ServeError> {
    let what = "certificate of the server";
    check_names(&server.names)?;
    let authority_pem = |source| ServeError::Pem { what: "certificate of the authority", source };
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(authority_pem)?;
    let facts = CertificateFacts::read(&ca).map_err(|error| ServeError::Certificate {
        what: "certificate of the server under this authority",
        source: Box::new(error),
    })?;
    let ca_key = KeyPair::from_pem(ca_key_pem).map_err(failed("key of the authority"))?;
    if facts.key != ca_key.subject_public_key_info() {
        return Err(ServeError::OtherAuthority);
    }
    let key = KeyPair::generate().map_err(failed("key of the server"))?;
    let mut params = CertificateParams::new(server.names.clone()).map_err(failed(what))?;
    if facts.not_after <= now {
        return Err(ServeError::AuthorityEnded { ended: facts.not_after });
    }
    let left = facts.not_after.duration_since(now).unsigned_abs();
    set_validity(&mut params, now, lifetimes.server.min(left));
    params.distinguished_name = subject(server.names.first().map_or("midmirror", String::as_str));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.crl_distribution_points =
        server.crl_url.iter().map(|url| CrlDistributionPoint { uris: vec![url.clone()] }).collect();
    let authority = authority_subject(&ca_key);
    let issuer = Issuer::from_params(&authority, ca_key);
    let certificate = params.signed_by(&key, &issuer).map_err(failed(what))?;
    check_vouched(ca, certificate.der(), &server.names, now)?;
    let until = now.checked_add(lifetimes.server.min(left)).unwrap_or(facts.not_after);
    let lists = sign_series(&issuer, revoked, now, until).map_err(failed("revocation list"))?;
    let crls_pem = lists.iter().map(|der| pem_of("X509 CRL", der)).collect();
    Ok(RenewedServer { server_cert_pem: certificate.pem(), server_key_pem: key.serialize_pem(), crls_pem })
}

/// Makes a key and a certificate signing request (PKCS #10) for the site's own PKI; both as PEM, the request first.
///
/// # Errors
/// A name is neither a DNS name nor an address.
pub fn signing_request(names: &[String]) -> Result<(String, String), ServeError> {
    let what = "certificate signing request";
    check_names(names)?;
    let key = KeyPair::generate().map_err(failed("key of the server"))?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(failed(what))?;
    params.distinguished_name = subject(names.first().map_or("midmirror", String::as_str));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let request = params.serialize_request(&key).map_err(failed(what))?;
    Ok((request.pem().map_err(failed(what))?, key.serialize_pem()))
}

/// What a server certificate is for, as [`renew_server`] wants it.
///
/// # Errors
/// The certificate cannot be read.
pub fn names_of(server_cert_pem: &[u8]) -> Result<Vec<String>, ServeError> {
    Ok(read_server(server_cert_pem)?.host_names())
}

/// An entry for the revocation lists: this certificate is not to be trusted from a moment on.
///
/// # Errors
/// The certificate cannot be read.
pub fn revoke(server_cert_pem: &[u8], since: jiff::Timestamp) -> Result<RevokedCertificate, ServeError> {
    Ok(RevokedCertificate { serial: read_server(server_cert_pem)?.serial, since })
}

/// What revocation lists name, for those that take their place.
///
/// # Errors
/// They cannot be read.
pub fn revoked_in(crls_pem: &[u8]) -> Result<Vec<RevokedCertificate>, ServeError> {
    Ok(Series::read(crls_pem)?.revoked().to_vec())
}

fn read_server(pem: &[u8]) -> Result<CertificateFacts, ServeError> {
    let what = "certificate";
    let der = CertificateDer::from_pem_slice(pem).map_err(|source| ServeError::Pem { what, source })?;
    CertificateFacts::read(&der).map_err(|source| ServeError::Unreadable { source: Box::new(source) })
}

/// The authority's name constraints are for the clients to check; better they are not the first to do so.
fn check_vouched(
    ca: CertificateDer<'static>,
    server: &CertificateDer<'_>,
    names: &[String],
    now: jiff::Timestamp,
) -> Result<(), ServeError> {
    let failed = |name: &String| {
        let name = name.clone();
        move |source: rustls::Error| ServeError::NotVouched { name, source }
    };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca).map_err(|source| ServeError::Tls { source })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| ServeError::Tls { source: rustls::Error::General(error.to_string()) })?;
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    for name in names {
        let server_name =
            ServerName::try_from(name.clone()).map_err(|_| ServeError::HostName { name: name.clone() })?;
        verifier.verify_server_cert(server, &[], &server_name, &[], time).map_err(failed(name))?;
    }
    Ok(())
}

fn pem_of(label: &str, der: &[u8]) -> String {
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

/// A URL or an address with a port would make a certificate that no client accepts.
fn check_names(names: &[String]) -> Result<(), ServeError> {
    match names.iter().find(|name| ServerName::try_from(name.as_str()).is_err()) {
        Some(name) => Err(ServeError::HostName { name: name.clone() }),
        None => Ok(()),
    }
}

/// Everything of the authority that follows from its key.
fn authority_subject(key: &KeyPair) -> CertificateParams {
    let id: String = Sha256Digest::of(&key.subject_public_key_info()).to_hex().chars().take(12).collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(&format!("midmirror private authority {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Only these names; and no address at all if none is among them.
fn constraints(names: &[String]) -> NameConstraints {
    let mut permitted_subtrees = Vec::new();
    let mut addresses = false;
    for name in names {
        permitted_subtrees.push(match name.parse::<IpAddr>() {
            Ok(address) => {
                addresses = true;
                let bits = if address.is_ipv4() { 32 } else { 128 };
                GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits))
            }
            Err(_not_an_address) => GeneralSubtree::DnsName(name.clone()),
        });
    }
    let excluded_subtrees = if addresses {
        Vec::new()
    } else {
        vec![
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([0; 4], 0)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix([0; 16], 0)),
        ]
    };
    NameConstraints { permitted_subtrees, excluded_subtrees }
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name.chars().take(64).collect::<String>());
    name
}

/// From an hour ago, because clocks in isolated networks differ.
fn set_validity(params: &mut CertificateParams, now: jiff::Timestamp, lifetime: Duration) {
    let now = SystemTime::from(now);
    params.not_before = now.checked_sub(Duration::from_secs(3600)).unwrap_or(now).into();
    params.not_after = now.checked_add(lifetime).unwrap_or(now).into();
}

fn failed(what: &'static str) -> impl FnOnce(rcgen::Error) -> ServeError {
    move |error| ServeError::Certificate { what, source: Box::new(error) }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(ca_pem: &str, server_pem: &str, name: &str, days: u32) -> bool {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let certificate = CertificateDer::from_pem_slice(server_pem.as_bytes()).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let time = UnixTime::since_unix_epoch(1000 * DAY + days * DAY);
        verifier.verify_server_cert(&certificate, &[], &name, &[], time).is_ok()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn certificate_is_for_its_names_and_its_time_only() {
        let now = jiff::Timestamp::from_second(1000 * 24 * 3600).unwrap();
        let lifetimes = CertificateLifetimes::default();
        let set = init_tls(&names(&["mirror.example", "10.1.2.3", "::1"]), now, &lifetimes).unwrap();
        for (name, days, expected) in [
            ("mirror.example", 0, true),
            ("mirror.example", 396, true),
            ("mirror.example", 398, false),
            ("10.1.2.3", 1, true),
            ("::1", 1, true),
            ("10.1.2.4", 1, false),
            ("other.example", 1, false),
        ] {
            assert_eq!(accepted(&set.ca_pem, &set.server_cert_pem, name, days), expected, "{name} {days}");
        }
    }

    #[test]
    fn no_certificate_for_what_is_not_a_host_name() {
        let now = jiff::Timestamp::from_second(1000 * 24 * 3600).unwrap();
        for odd in ["bad host!", "https://mirror.example", "mirror.example:8443", "", "[::1]"] {
            let refused = init_tls(&names(&["mirror.example", odd]), now, &CertificateLifetimes::default());
            assert!(matches!(refused, Err(ServeError::HostName { name }) if name == odd), "{odd}");
        }
    }

    #[test]
    fn authority_can_renew_but_vouches_for_nothing_else() {
        let now = jiff::Timestamp::from_second(1000 * 24 * 3600).unwrap();
        let lifetimes = CertificateLifetimes::default();
        let set = init_tls(&names(&["mirror.example"]), now, &lifetimes).unwrap();
        let renew = |name: &str, now| {
            let server = ServerNames { names: names(&[name]), crl_url: None };
            renew_server(&set.ca_pem, &set.ca_key_pem, &server, &[], now, &lifetimes)
        };
        let renewed = renew("mirror.example", now + 390 * DAY).unwrap();
        assert!(accepted(&set.ca_pem, &renewed.server_cert_pem, "mirror.example", 700));
        // Not longer than the authority itself, and not after it.
        let last = renew("mirror.example", now + 3600 * DAY).unwrap();
        assert!(accepted(&set.ca_pem, &last.server_cert_pem, "mirror.example", 3649));
        assert!(!accepted(&set.ca_pem, &last.server_cert_pem, "mirror.example", 3651));
        assert!(matches!(renew("mirror.example", now + 3651 * DAY), Err(ServeError::AuthorityEnded { .. })));
        for foreign in ["install.service-now.com", "10.1.2.3"] {
            let refused = renew(foreign, now);
            assert!(matches!(refused, Err(ServeError::NotVouched { name, .. }) if name == foreign));
        }
        let other = init_tls(&names(&["mirror.example"]), now, &lifetimes).unwrap();
        let server = ServerNames { names: names(&["mirror.example"]), crl_url: None };
        let refused = renew_server(&set.ca_pem, &other.ca_key_pem, &server, &[], now, &lifetimes);
        assert!(matches!(refused, Err(ServeError::OtherAuthority)));
    }

    #[test]
    fn revoked_certificates_stay_on_later_lists_and_names_are_read_back() {
        let now = jiff::Timestamp::from_second(1000 * 24 * 3600).unwrap();
        let lifetimes = CertificateLifetimes::default();
        let server = ServerNames {
            names: names(&["mirror.example", "10.1.2.3", "2001:db8::1"]),
            crl_url: Some("http://mirror.example:8080/tls/ca.crl".to_owned()),
        };
        let set = init_tls_for(&server, now, &lifetimes).unwrap();
        assert_eq!(names_of(set.server_cert_pem.as_bytes()).unwrap(), server.names);
        assert_eq!(revoked_in(set.crls_pem.as_bytes()).unwrap(), []);
        let revoked = revoke(set.server_cert_pem.as_bytes(), now).unwrap();
        let (ca, key) = (&set.ca_pem, &set.ca_key_pem);
        let renewed =
            renew_server(ca, key, &server, std::slice::from_ref(&revoked), now, &lifetimes).unwrap();
        assert_eq!(revoked_in(renewed.crls_pem.as_bytes()).unwrap(), [revoked]);
    }

    #[test]
    fn request_asks_for_the_names_and_fits_its_key() {
        let (request, key) = signing_request(&names(&["mirror.example", "10.1.2.3"])).unwrap();
        assert!(request.starts_with("-----BEGIN CERTIFICATE REQUEST-----"), "{request}");
        assert!(KeyPair::from_pem(&key).is_ok());
        let refused = signing_request(&names(&["mirror.example:8443"]));
        assert!(matches!(refused, Err(ServeError::HostName { .. })));
    }
}
