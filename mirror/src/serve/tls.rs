//! TLS for the listener: 1.2 and 1.3 (agents run Java 8 to 21), HTTP/1.1 and HTTP/2, resumption by tickets, and what
//! can be replaced while it runs.
//!
//! Attacks considered: a new certificate that does not fit its key (refused, the old pair stays), sessions of a certificate
//! that was replaced (its ticket keys go with it: such clients make a new handshake), client authorities
//! that were taken away (the same).

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate::CertificateFacts;
use super::client_crls::ClientLists;
use super::clients::{CertificateNeed, ClientCertificates, ShownCertificate};
use super::config::{TlsMaterial, TlsSettings};
use super::error::ServeError;
use super::peer::{ClientName, Peer};
use super::revocation::Series;
use super::site::Channel;

/// What is in use now; shared by listeners, requests and whoever replaces it.
pub(crate) struct TlsState {
    current: RwLock<Arc<Current>>,
}

/// One state of it.
pub(crate) struct Current {
    settings: TlsSettings,
    pub(crate) config: Arc<rustls::ServerConfig>,
    crls: Option<Series>,
    client_lists: ClientLists,
    /// Of the certificate in the chain that ends first; its beginning tells how long is long.
    begins: Timestamp,
    ends: Timestamp,
}

impl TlsState {
    pub(crate) fn new(settings: &TlsSettings) -> Result<Self, ServeError> {
        Ok(Self { current: RwLock::new(Arc::new(Current::new(settings)?)) })
    }

    pub(crate) fn current(&self) -> Arc<Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses other settings from now on, and says whether they are others; in case of an error the old ones stay.
    pub(crate) fn replace(&self, settings: &TlsSettings) -> Result<bool, ServeError> {
        if self.current().settings == *settings {
            return Ok(false);
        }
        let new = Arc::new(Current::new(settings)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }

    /// Whether a request may be answered, and the name of who asks; else what to say.
    pub(crate) fn admit(
        &self,
        peer: &Peer,
        path: &str,
        now: Timestamp,
    ) -> Result<Option<ClientName>, &'static str> {
        let current = self.current();
        let Some(clients) = &current.settings.clients else { return Ok(None) };
        let refusal = peer.certificate.as_deref().and_then(|shown| current.client_lists.refusal(shown, now));
        let name = peer.certificate.as_deref().filter(|_| refusal.is_none()).and_then(|shown| {
            let name = clients.admits(shown)?.to_owned();
            Some(ClientName { name, subject: shown.subject.clone() })
        });
        match name {
            None if clients.guards(path) => Err(match (&peer.certificate, peer.channel) {
                (Some(_), _) if refusal.is_some() => refusal.unwrap_or_default(),
                (Some(_), _) => "the name in the client certificate is not let in here",
                (None, Channel::Secure) => "a client certificate is needed for this",
                (None, Channel::Plain) => "a client certificate is needed for this; use the https address",
            }),
            name => Ok(name),
        }
    }

    /// Text for people about what ends soon.
    pub(crate) fn warning(&self, now: Timestamp) -> Option<String> {
        let current = self.current();
        current.warning(now).or_else(|| current.client_lists.warning(now))
    }

    /// Text for people about why no client with a certificate of some authority gets anything.
    pub(crate) fn problem(&self, now: Timestamp) -> Option<String> {
        self.current().client_lists.problem(now)
    }

    /// The lists of revoked client certificates by authority, and when they end.
    pub(crate) fn client_lists_end(&self) -> Vec<(String, Timestamp)> {
        self.current().client_lists.ends().map(|(authority, end)| (authority.to_owned(), end)).collect()
    }
}

impl Current {
    fn new(settings: &TlsSettings) -> Result<Self, ServeError> {
        let client_lists = settings.clients.as_ref().map(ClientLists::read).transpose()?.unwrap_or_default();
        let clients = settings.clients.as_ref().map(|clients| (clients, &client_lists));
        let (config, chain) = server_config(&settings.material, clients)?;
        let mut first: Option<(Timestamp, Timestamp)> = None;
        for certificate in &chain {
            // One with an odd serial number can be served all the same; only its end is not known.
            let Ok(facts) = CertificateFacts::read(certificate) else { continue };
            if first.is_none_or(|(_, ends)| facts.not_after < ends) {
                first = Some((facts.not_before, facts.not_after));
            }
        }
        let (begins, ends) = first.unwrap_or((Timestamp::MIN, Timestamp::MAX));
        let crls = settings.crls.as_deref().map(Series::read).transpose()?;
        Ok(Self { settings: settings.clone(), config, crls, client_lists, begins, ends })
    }

    pub(crate) fn asks_for_certificates(&self) -> bool {
        self.settings.clients.is_some()
    }

    /// When the first certificate of the chain ends.
    pub(crate) fn ends(&self) -> Timestamp {
        self.ends
    }

    /// The revocation list of the day, DER.
    pub(crate) fn crl(&self, now: Timestamp) -> Option<&[u8]> {
        self.crls.as_ref()?.current(now)
    }

    fn warning(&self, now: Timestamp) -> Option<String> {
        if self.ends <= now {
            return Some(format!("the certificate of this server has ended ({})", self.ends));
        }
        // A certificate of 90 days is renewed later than one of a year.
        let quarter = self.ends.duration_since(self.begins).unsigned_abs() / 4;
        let left = self.ends.duration_since(now).unsigned_abs();
        let days = left.as_secs() / DAY.as_secs();
        if left < WARN_BEFORE.min(quarter) {
            return Some(format!("the certificate of this server ends in {days} days ({})", self.ends));
        }
        let lists_end = self.crls.as_ref()?.end()?;
        (lists_end <= now.checked_add(DAY).unwrap_or(now)).then(|| {
            format!(
                "the revocation list of this server ends {lists_end}; clients that check it refuse it then"
            )
        })
    }
}

/// Reads the client certificate of a connection.
pub(crate) fn shown(session: &rustls::ServerConnection) -> Option<Arc<ShownCertificate>> {
    Some(Arc::new(ShownCertificate::read(session.peer_certificates()?.first()?)))
}

type Chain = Vec<CertificateDer<'static>>;

/// Reads certificate and key and checks that they belong together.
fn server_config(
    material: &TlsMaterial,
    clients: Option<(&ClientCertificates, &ClientLists)>,
) -> Result<(Arc<rustls::ServerConfig>, Chain), ServeError> {
    let chain = certificates(&material.cert_pem, "certificate")?;
    let key = PrivateKeyDer::from_pem_slice(&material.key_pem)
        .map_err(|source| ServeError::Pem { what: "key", source })?;
    let unusable = |source| ServeError::Tls { source };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some((clients, lists)) => builder.with_client_cert_verifier(verifier(clients, lists, provider)?),
    };
    let mut config = builder.with_single_cert(chain.clone(), key).map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // One is enough to come back with (RFC 8446, section 4.6.1); each takes its time in every handshake.
    config.send_tls13_tickets = 1;
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(unusable)?;
    Ok((Arc::new(config), chain))
}

/// What checks the chains of client certificates.
fn verifier(
    clients: &ClientCertificates,
    lists: &ClientLists,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, ServeError> {
    let bad = |source| ServeError::ClientAuthorities { source };
    let mut roots = rustls::RootCertStore::empty();
    for authority in certificates(&clients.authorities_pem, "client authorities")? {
        let subject = CertificateFacts::read(&authority).map(|facts| (facts.subject_der, facts.subject));
        roots.add(authority).map_err(|error| bad(Box::new(error)))?;
        if let Ok((der, subject)) = subject
            && !clients.crls.is_empty()
            && !lists.has_list_of(&der)
        {
            tracing::warn!(
                authority = subject,
                "no revocation list of this client authority: what it has issued itself is refused"
            );
        }
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).with_crls(lists.ders());
    let verifier = match lists.must_be_current() {
        true => verifier.enforce_revocation_expiration(),
        false => verifier,
    };
    let verifier = match clients.needed_for {
        CertificateNeed::Packages => verifier.allow_unauthenticated(),
        CertificateNeed::All => verifier,
    };
    verifier.build().map_err(|error| bad(Box::new(error)))
}

/// Whether a handshake failed because the client's certificate is not taken.
pub(crate) fn is_refused_certificate(error: &std::io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidCertificate(_)))
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Chain, ServeError> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| ServeError::Pem { what, source })?;
    if found.is_empty() {
        return Err(ServeError::Pem { what, source: rustls_pki_types::pem::Error::NoItemsFound });
    }
    Ok(found)
}

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Or a quarter of the certificate's lifetime, if that is less.
const WARN_BEFORE: Duration = Duration::from_secs(30 * DAY.as_secs());

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(cert_pem: &str, key_pem: &str) -> TlsSettings {
        TlsMaterial { cert_pem: cert_pem.as_bytes().to_vec(), key_pem: key_pem.as_bytes().to_vec() }.into()
    }

    #[test]
    fn key_must_belong_to_the_certificate_and_a_bad_pair_leaves_the_old_one() {
        let one = rcgen::generate_simple_self_signed(["mirror.example".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["mirror.example".to_owned()]).unwrap();
        let good = settings(&one.cert.pem(), &one.signing_key.serialize_pem());
        let state = TlsState::new(&good).unwrap();
        let before = state.current();
        let bad = settings(&one.cert.pem(), &other.signing_key.serialize_pem());
        assert!(matches!(state.replace(&bad), Err(ServeError::Tls { .. })));
        let swapped = settings(&one.signing_key.serialize_pem(), "");
        assert!(matches!(state.replace(&swapped), Err(ServeError::Pem { what: "certificate", .. })));
        let mut lists = good.clone();
        lists.crls = Some(b"garbage".to_vec());
        assert!(matches!(state.replace(&lists), Err(ServeError::Pem { what: "revocation list", .. })));
        assert!(Arc::ptr_eq(&before, &state.current()));
        // The same again keeps sessions; others do not.
        assert!(!state.replace(&good).unwrap());
        assert!(Arc::ptr_eq(&before, &state.current()));
        assert!(state.replace(&settings(&other.cert.pem(), &other.signing_key.serialize_pem())).unwrap());
        assert!(!Arc::ptr_eq(&before, &state.current()));
        assert!(!format!("{good:?}").contains("PRIVATE"));
    }

    #[test]
    fn warning_comes_thirty_days_or_a_quarter_of_the_lifetime_ahead() {
        for (lifetime, warned) in [(397, 30), (40, 10)] {
            let now = Timestamp::from_second(1_782_000_000).unwrap();
            let lifetimes = super::super::CertificateLifetimes {
                server: DAY * lifetime,
                ..super::super::CertificateLifetimes::default()
            };
            let set = super::super::init_tls(&["mirror.example".to_owned()], now, &lifetimes).unwrap();
            let state = TlsState::new(&settings(&set.server_cert_pem, &set.server_key_pem)).unwrap();
            let at = |days_left: u32| now + DAY * (lifetime - days_left);
            assert_eq!(state.warning(at(warned + 1)), None);
            assert!(state.warning(at(warned - 1)).unwrap().contains("ends in"));
            assert!(state.warning(at(0) + DAY).unwrap().contains("has ended"));
        }
    }
}
