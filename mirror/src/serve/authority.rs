//! A private certificate authority for sites that have no PKI of their own.
//!
//! The authority may vouch only for the names it was made for (name constraints, RFC 5280, section 4.2.1.10), so that
//! its key, if it leaks, is worth nothing elsewhere. The key is needed again only to renew the server's certificate:
//! it belongs off the server. Its subject contains a part of its own key's digest: two authorities are never confused.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData as _,
};
use rustls_pki_types::ServerName;

use super::error::ServeError;
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

/// Makes a private authority and a server certificate for the given DNS names and IP addresses.
pub fn init_tls(
    names: &[String],
    now: jiff::Timestamp,
    lifetimes: &CertificateLifetimes,
) -> Result<TlsSet, ServeError> {
    check_names(names)?;
    let key = KeyPair::generate().map_err(failed("key of the authority"))?;
    let mut authority = authority_subject(&key);
    set_validity(&mut authority, now, lifetimes.authority);
    authority.name_constraints = Some(constraints(names));
    let certificate = authority.self_signed(&key).map_err(failed("certificate of the authority"))?;
    let ca_key_pem = key.serialize_pem();
    let (server_cert_pem, server_key_pem) = renew_server(&ca_key_pem, names, now, lifetimes)?;
    Ok(TlsSet { ca_pem: certificate.pem(), ca_key_pem, server_cert_pem, server_key_pem })
}

/// Makes a new server certificate and key under an authority that [`init_tls`] has made; both as PEM.
pub fn renew_server(
    ca_key_pem: &str,
    names: &[String],
    now: jiff::Timestamp,
    lifetimes: &CertificateLifetimes,
) -> Result<(String, String), ServeError> {
    let what = "certificate of the server";
    let ca_key = KeyPair::from_pem(ca_key_pem).map_err(failed("key of the authority"))?;
    let authority = authority_subject(&ca_key);
    let key = KeyPair::generate().map_err(failed("key of the server"))?;
    let mut server = CertificateParams::new(names.to_vec()).map_err(failed(what))?;
    set_validity(&mut server, now, lifetimes.server);
    server.distinguished_name = subject(names.first().map_or("midmirror", String::as_str));
    server.is_ca = IsCa::ExplicitNoCa;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let issuer = Issuer::from_params(&authority, ca_key);
    let certificate = server.signed_by(&key, &issuer).map_err(failed(what))?;
    Ok((certificate.pem(), key.serialize_pem()))
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
    use std::sync::Arc;

    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls_pki_types::pem::PemObject as _;
    use rustls_pki_types::{CertificateDer, UnixTime};

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
        let later = now + 390 * DAY;
        let (renewed, _) =
            renew_server(&set.ca_key_pem, &names(&["mirror.example"]), later, &lifetimes).unwrap();
        assert!(accepted(&set.ca_pem, &renewed, "mirror.example", 700));
        for foreign in ["install.service-now.com", "10.1.2.3"] {
            let (abused, _) = renew_server(&set.ca_key_pem, &names(&[foreign]), now, &lifetimes).unwrap();
            assert!(!accepted(&set.ca_pem, &abused, foreign, 1), "{foreign}");
        }
    }
}
