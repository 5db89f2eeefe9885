//! Connections: TLS with explicit roots and provider, over whatever [`Dial`] opens, one time limit over all of it.
//!
//! HTTP/1.1 only: nothing is multiplexed here, and one TCP connection for each large file is simplest to limit.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tower_service::Service;

use super::config::{ClientConfig, ClientIdentity, Roots};
use super::dial::{Dial, Line};
use super::error::{Cause, FetchError};
use super::proxy::Proxies;
use super::proxy_error::{ProxyError, ProxyProblem};

/// Opens connections for the HTTP client.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Dial>,
    proxies: Arc<Proxies>,
    limit: Duration,
}

impl Connector {
    pub(crate) fn new(config: &ClientConfig, user_agent: &HeaderValue) -> Result<Self, FetchError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let to_server = tls_config(&config.roots, config.identity.as_ref())?;
        // Who the proxy is has nothing to do with whom the server lets in.
        let to_proxy = tls_config(&config.roots, None)?;
        // `https_or_http`: which host may be asked over http is decided, per request, in `client`.
        let builder = |tls| HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let proxies = Arc::new(config.proxies.clone());
        let to_proxy = builder(to_proxy).wrap_connector(tcp.clone());
        let dial = Dial::new(tcp, to_proxy, Arc::clone(&proxies), user_agent.clone());
        Ok(Self { https: builder(to_server).wrap_connector(dial), proxies, limit: config.connect_timeout })
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Line>;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let proxy = self.proxies.for_uri(&destination).cloned();
        let connecting = self.https.call(destination);
        let limit = self.limit;
        Box::pin(async move {
            match (tokio::time::timeout(limit, connecting).await, proxy) {
                (Ok(result), _) => result,
                (Err(_elapsed), Some(proxy)) => {
                    let problem = ProxyProblem::Silent { seconds: limit.as_secs() };
                    Err(ProxyError::new(&proxy, problem, None).into())
                }
                (Err(_elapsed), None) => Err(timed_out("no connection", limit).into()),
            }
        })
    }
}

/// Makes the error for silence that lasted too long.
pub(crate) fn timed_out(what: &str, limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} within {} s", limit.as_secs_f32()))
}

fn tls_config(roots: &Roots, identity: Option<&ClientIdentity>) -> Result<rustls::ClientConfig, FetchError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Configuration { setting: "TLS", problem: error.to_string() })?
        .with_root_certificates(root_store(roots)?);
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let unusable = |problem| FetchError::Configuration { setting: "client certificate and key", problem };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&identity.cert_pem).collect();
    let chain = chain.map_err(|error| unusable(error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable("there is no certificate in it".to_owned()));
    }
    let key =
        PrivateKeyDer::from_pem_slice(&identity.key_pem).map_err(|error| unusable(error.to_string()))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| unusable(error.to_string()))
}

fn root_store(roots: &Roots) -> Result<RootCertStore, FetchError> {
    let mut store = RootCertStore::empty();
    let pem = match roots {
        Roots::System { extra_pem } => {
            // A machine without any is no error as long as the configuration names some.
            let system = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(system.certs);
            extra_pem
        }
        Roots::Only { pem } => pem,
    };
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| unusable_roots(error.to_string()))?;
        store.add(certificate).map_err(|error| unusable_roots(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(unusable_roots("no certificate authority was found".to_owned()));
    }
    Ok(store)
}

fn unusable_roots(problem: String) -> FetchError {
    FetchError::Configuration { setting: "certificate authorities (ca_file)", problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_certificate_and_key_must_be_readable_and_belong_together() {
        let one = rcgen::generate_simple_self_signed(["mid-01.example".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let roots = Roots::Only { pem: one.cert.pem().into_bytes() };
        let problem = |cert: &str, key: &str| {
            let identity = ClientIdentity { cert_pem: cert.into(), key_pem: key.into() };
            assert!(!format!("{identity:?}").contains("PRIVATE"));
            tls_config(&roots, Some(&identity)).err().map(|error| error.to_string())
        };
        let (cert, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        assert_eq!(problem(&cert, &key), None);
        for (cert, key) in [(&cert, &other), (&key, &key), (&cert, &cert), (&String::new(), &key)] {
            let problem = problem(cert, key).unwrap();
            assert!(problem.contains("client certificate and key"), "{problem}");
        }
    }

    #[test]
    fn roots_must_be_there_and_readable() {
        let config =
            |pem: &[u8]| ClientConfig { roots: Roots::Only { pem: pem.to_vec() }, ..Default::default() };
        let agent = HeaderValue::from_static("test");
        assert!(Connector::new(&config(b""), &agent).is_err());
        assert!(
            Connector::new(
                &config(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                &agent
            )
            .is_err()
        );
    }
}
