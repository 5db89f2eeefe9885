//! Client certificates: who may ask for what.
//!
//! Two gates. The handshake checks the chain: a certificate that the authority has not issued, or has revoked (`client_crls`), ends
//! the connection there.
//! A request is then measured by the name in the certificate; without a name that is allowed it gets 403. So the list can be
//! changed without ending connections, and a name that is taken off the list is refused with the next request, also on
//! connections that are open and sessions that are resumed.
//!
//! Attacks considered: a certificate of the right authority for another purpose (the TLS library wants the purpose client
//! authentication, or none stated), wildcard and look-alike names (compared as they are, ASCII case aside), names with
//! control characters that pose as other lines of a log (not taken as names), packages without TLS
//! (the plain listener has none when certificates are asked for).

use super::certificate::{CertificateFacts, SubjectName};
use crate::package::PackagePath;

/// Which client certificates are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The authorities that issue them, PEM.
    pub authorities_pem: Vec<u8>,
    /// Files with their revocation lists: PEM with one or more, or one in DER. Empty: nothing is known to be revoked. Otherwise
    /// there has to be a list of every authority in a client's chain.
    pub crls: Vec<Vec<u8>>,
    /// Whether a list that has ended goes on counting; else it is as good as none, and its clients are refused.
    pub crls_may_be_expired: bool,
    /// The names that are let in: DNS names of the subjectAltName, or the common name of a certificate without any. Empty: every
    /// name that the authorities vouch for.
    pub names: Vec<String>,
    /// What they are needed for.
    pub needed_for: CertificateNeed,
}

/// What a client certificate is needed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateNeed {
    /// The bytes of packages, under the vendor's paths and the TUF ones. Page, list, signed catalog, log and health are for
    /// everybody.
    #[default]
    Packages,
    /// Everything but the revocation list. A client without certificate does not even complete the handshake.
    All,
}

/// The certificate that a client has shown, and whose chain is good.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ShownCertificate {
    names: Vec<String>,
    /// DER
    pub(crate) issuer: Vec<u8>,
    /// The content of the INTEGER.
    pub(crate) serial: Vec<u8>,
    /// RFC 4514
    pub(crate) subject: String,
}

impl ShownCertificate {
    pub(crate) fn read(certificate: &rustls_pki_types::CertificateDer<'_>) -> Self {
        let Ok(facts) = CertificateFacts::read(certificate) else {
            return Self {
                names: Vec::new(),
                issuer: Vec::new(),
                serial: Vec::new(),
                subject: String::new(),
            };
        };
        let mut names: Vec<String> = Vec::new();
        let mut has_dns_name = false;
        for name in facts.names {
            if let SubjectName::Dns(name) = name {
                has_dns_name = true;
                names.push(name);
            }
        }
        // RFC 6125, section 6.4.4: the common name counts only where there is no DNS name.
        if !has_dns_name {
            names.extend(facts.common_name);
        }
        names.retain(|name| is_plain(name));
        Self { names, issuer: facts.issuer, serial: facts.serial, subject: facts.subject }
    }
}

/// Something that can be written into logs and lists as it is.
fn is_plain(name: &str) -> bool {
    (1..=253).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
}

impl ClientCertificates {
    /// Whether a path is for clients with a certificate only.
    pub(crate) fn guards(&self, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        match self.needed_for {
            CertificateNeed::All => path != super::revocation::PATH,
            CertificateNeed::Packages => {
                path.starts_with(PackagePath::PREFIX) || path.starts_with("repository/targets/")
            }
        }
    }

    /// The name under which a client is let in.
    pub(crate) fn admits<'a>(&self, shown: &'a ShownCertificate) -> Option<&'a str> {
        let listed =
            |name: &&String| self.names.is_empty() || self.names.iter().any(|n| n.eq_ignore_ascii_case(name));
        shown.names.iter().find(listed).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &[&str], common_name: &str) -> ShownCertificate {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, common_name);
        let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        ShownCertificate::read(certificate.der())
    }

    fn asking(names: &[&str], needed_for: CertificateNeed) -> ClientCertificates {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        ClientCertificates {
            authorities_pem: Vec::new(),
            crls: Vec::new(),
            crls_may_be_expired: false,
            names,
            needed_for,
        }
    }

    #[test]
    fn only_exact_names_are_let_in_and_the_common_name_counts_only_alone() {
        let asked = asking(&["mid-01.example"], CertificateNeed::Packages);
        for (names, common_name, admitted) in [
            (vec!["mid-01.example"], "", Some("mid-01.example")),
            (vec!["other.example", "MID-01.example"], "", Some("MID-01.example")),
            (vec![], "mid-01.example", Some("mid-01.example")),
            (vec!["other.example"], "mid-01.example", None),
            (vec!["10.0.0.1"], "mid-01.example", Some("mid-01.example")),
            (vec!["*.example"], "", None),
            (vec!["mid-01.example.evil"], "", None),
            (vec![], "mid-01.example ", None),
            (vec![], "", None),
        ] {
            let shown = shown(&names, common_name);
            assert_eq!(asked.admits(&shown), admitted, "{names:?} {common_name:?}");
        }
    }

    #[test]
    fn without_a_list_every_plain_name_is_let_in() {
        let asked = asking(&[], CertificateNeed::Packages);
        assert_eq!(asked.admits(&shown(&[], "mid-02")), Some("mid-02"));
        for odd in ["", "a b", "a\nb", "a\u{1b}[31m", "m\u{ef}d"] {
            assert_eq!(asked.admits(&shown(&[], odd)), None, "{odd:?}");
        }
        let broken = ShownCertificate::read(&vec![0x30, 0x80].into());
        assert_eq!(asked.admits(&broken), None);
    }

    #[test]
    fn packages_are_guarded_under_all_their_paths() {
        let (some, all) = (asking(&[], CertificateNeed::Packages), asking(&[], CertificateNeed::All));
        for path in [
            "/glide/distribution/builds/package/x",
            "/repository/targets/x",
            "glide/distribution/builds/package/",
        ] {
            assert!(some.guards(path) && all.guards(path), "{path}");
        }
        for path in ["/", "/healthz", "/repository/timestamp.json", "/log/checkpoint"] {
            assert!(!some.guards(path) && all.guards(path), "{path}");
        }
        assert!(!some.guards("/tls/ca.crl") && !all.guards("/tls/ca.crl"));
    }
}
