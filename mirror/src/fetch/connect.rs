//! Connections: TLS with explicit roots and provider, an optional CONNECT proxy, one time limit over all of it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tower_service::Service;

use super::config::{ClientConfig, Proxy, Roots};
use super::error::{Cause, FetchError};

/// Opens connections for the HTTP client.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Dial>,
    limit: Duration,
}

impl Connector {
    pub(crate) fn new(config: &ClientConfig) -> Result<Self, FetchError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let dial = match &config.proxy {
            None => Dial::Direct(tcp),
            Some(proxy) => Dial::Proxied(tunnel(proxy, tcp)?),
        };
        // `https_or_http`: which host may be asked over http is decided, per request, in `client`.
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(&config.roots)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(dial);
        Ok(Self { https, limit: config.connect_timeout })
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let connecting = self.https.call(destination);
        let limit = self.limit;
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(result) => result,
                Err(_elapsed) => Err(timed_out("no connection", limit).into()),
            }
        })
    }
}

/// Makes the error for silence that lasted too long.
pub(crate) fn timed_out(what: &str, limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} within {} s", limit.as_secs_f32()))
}

/// How the TCP connection comes about.
#[derive(Clone)]
enum Dial {
    Direct(HttpConnector),
    Proxied(Tunnel<HttpConnector>),
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cause>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        match self {
            Self::Direct(tcp) => tcp.poll_ready(context).map_err(Into::into),
            Self::Proxied(tunnel) => tunnel.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        match self {
            Self::Direct(tcp) => {
                let connecting = tcp.call(destination);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            Self::Proxied(tunnel) => {
                let connecting = tunnel.call(destination);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
        }
    }
}

fn tunnel(proxy: &Proxy, tcp: HttpConnector) -> Result<Tunnel<HttpConnector>, FetchError> {
    let unusable =
        |problem: &str| FetchError::Configuration { setting: "proxy", problem: problem.to_owned() };
    if proxy.url.scheme() != "http" {
        return Err(unusable("its URL must begin with http://"));
    }
    if !proxy.url.username().is_empty() || proxy.url.password().is_some() {
        return Err(unusable("name and password must not be part of the URL"));
    }
    let destination = proxy.url.as_str().parse::<Uri>().map_err(|_| unusable("its URL has no host"))?;
    let tunnel = Tunnel::new(destination, tcp);
    let Some((user, password)) = &proxy.credentials else { return Ok(tunnel) };
    if user.contains(':') {
        return Err(unusable("a user name must not contain a colon (RFC 7617)"));
    }
    let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let header = HeaderValue::try_from(basic).map_err(|_| unusable("name or password cannot be sent"))?;
    Ok(tunnel.with_auth(header))
}

fn tls_config(roots: &Roots) -> Result<rustls::ClientConfig, FetchError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Configuration { setting: "TLS", problem: error.to_string() })?
        .with_root_certificates(root_store(roots)?)
        .with_no_client_auth();
    Ok(config)
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
    use url::Url;

    use super::*;

    #[test]
    fn roots_must_be_there_and_readable() {
        let config =
            |pem: &[u8]| ClientConfig { roots: Roots::Only { pem: pem.to_vec() }, ..Default::default() };
        assert!(Connector::new(&config(b"")).is_err());
        assert!(
            Connector::new(&config(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
                .is_err()
        );
    }

    #[test]
    fn proxy_settings_are_checked() {
        let proxy = |url: &str, user: &str| Proxy {
            url: Url::parse(url).unwrap(),
            credentials: Some((user.to_owned(), "secret".to_owned())),
        };
        for (url, user, good) in [
            ("http://proxy.example:3128", "anna", true),
            ("https://proxy.example:3128", "anna", false),
            ("http://anna:secret@proxy.example:3128", "anna", false),
            ("http://proxy.example:3128", "an:na", false),
        ] {
            assert_eq!(tunnel(&proxy(url, user), HttpConnector::new()).is_ok(), good, "{url} {user}");
        }
        assert!(!format!("{:?}", proxy("http://proxy.example", "anna")).contains("secret"));
    }
}
