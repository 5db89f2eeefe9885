//! How a connection comes about: directly, through an HTTP proxy, or through a SOCKS proxy.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::causes::find_cause;
use super::error::Cause;
use super::proxy::{Kind, Proxies, Proxy, port_of};
use super::proxy_error::{ProxyError, ProxyProblem};

/// Opens connections, directly or through the proxy that is meant for a destination.
#[derive(Clone)]
pub(crate) struct Dial {
    tcp: HttpConnector,
    /// Opens the connection to a proxy, with TLS if its URL says so.
    to_proxy: HttpsConnector<HttpConnector>,
    proxies: Arc<Proxies>,
    user_agent: HeaderValue,
}

type ProxyStream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Dial {
    pub(crate) fn new(
        tcp: HttpConnector,
        to_proxy: HttpsConnector<HttpConnector>,
        proxies: Arc<Proxies>,
        user_agent: HeaderValue,
    ) -> Self {
        Self { tcp, to_proxy, proxies, user_agent }
    }

    async fn open(mut self, destination: Uri) -> Result<Line, Cause> {
        let Some(proxy) = self.proxies.for_uri(&destination).cloned() else {
            let tcp = self.tcp.call(destination).await?;
            return Ok(Line { stream: MaybeHttpsStream::Http(tcp), is_forwarding: false });
        };
        let failed = |problem, source| Cause::from(ProxyError::new(&proxy, problem, source));
        let address = proxy.destination()?;
        if proxy.kind() == Kind::Socks5 {
            let stream = self.through_socks(&proxy, address, destination).await?;
            return Ok(Line { stream, is_forwarding: false });
        }
        let stream = self.to_proxy.call(address).await.map_err(|source| {
            let is_untrusted = find_cause::<rustls::Error>(source.as_ref()).is_some();
            let problem = if is_untrusted { ProxyProblem::Untrusted } else { ProxyProblem::Unreachable };
            failed(problem, Some(source))
        })?;
        // CONNECT to port 80 is forbidden by most proxies; plain http is theirs to forward.
        if destination.scheme_str() == Some("http") {
            return Ok(Line { stream, is_forwarding: true });
        }
        let stream = self.connect_through(&proxy, stream, &destination).await?;
        Ok(Line { stream, is_forwarding: false })
    }

    /// Asks a proxy to CONNECT (RFC 9110, 9.3.6).
    async fn connect_through(
        &self,
        proxy: &Proxy,
        stream: ProxyStream,
        destination: &Uri,
    ) -> Result<ProxyStream, Cause> {
        let failed = |problem, source| Cause::from(ProxyError::new(proxy, problem, source));
        let host = destination.host().unwrap_or_default();
        let target = format!("{host}:{}", port_of(destination));
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = target.parse()?;
        request.headers_mut().insert(HOST, HeaderValue::try_from(&target)?);
        request.headers_mut().insert(USER_AGENT, self.user_agent.clone());
        if let Some(basic) = proxy.basic() {
            request.headers_mut().insert(PROXY_AUTHORIZATION, basic);
        }
        let lost = |error: hyper::Error| {
            let problem = if error.is_parse() { ProxyProblem::NotHttp } else { ProxyProblem::Closed };
            failed(problem, Some(error.into()))
        };
        let handshake = hyper::client::conn::http1::Builder::new().max_headers(100).handshake(stream);
        let (mut sender, connection) = handshake.await.map_err(lost)?;
        tokio::spawn(connection.with_upgrades());
        let response = sender.send_request(request).await.map_err(lost)?;
        if !response.status().is_success() {
            return Err(failed(refusal(response.status(), response.headers(), proxy, &target), None));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(lost)?;
        match upgraded.downcast::<ProxyStream>() {
            // TLS begins with our hello: bytes that came before it are not the upstream's.
            Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io),
            _ => Err(failed(ProxyProblem::NotHttp, None)),
        }
    }

    async fn through_socks(
        &self,
        proxy: &Proxy,
        address: Uri,
        destination: Uri,
    ) -> Result<ProxyStream, Cause> {
        let with_port = format!("//{}:{}", destination.host().unwrap_or_default(), port_of(&destination));
        let scheme = destination.scheme_str().unwrap_or("https");
        let destination = format!("{scheme}:{with_port}/").parse::<Uri>()?;
        // SOCKS 5 proxies resolve names themselves; nothing about the destination is looked up here.
        let mut socks = SocksV5::new(address, self.tcp.clone());
        if let Some((user, password)) = proxy.credentials() {
            socks = socks.with_auth(user.to_owned(), password.to_owned());
        }
        match socks.call(destination).await {
            Ok(stream) => Ok(MaybeHttpsStream::Http(stream)),
            Err(error) => {
                // The error type is not public; its text is all there is.
                let text = error.to_string();
                let problem = ProxyProblem::of_socks(&text, proxy.has_credentials());
                Err(ProxyError::new(proxy, problem, Some(io::Error::other(text).into())).into())
            }
        }
    }
}

/// What a proxy's answer to a request means. Also for requests over plain http that it forwards.
pub(crate) fn refusal(status: StatusCode, headers: &HeaderMap, proxy: &Proxy, target: &str) -> ProxyProblem {
    let target = target.to_owned();
    match status.as_u16() {
        407 => {
            let offered = headers.get_all(PROXY_AUTHENTICATE).iter();
            let mut schemes: Vec<String> = offered
                .filter_map(|value| value.to_str().ok()?.split([' ', ',']).next())
                .map(|scheme| scheme.chars().filter(|c| c.is_ascii_graphic()).take(20).collect())
                .collect();
            schemes.truncate(8);
            let can_basic =
                schemes.is_empty() || schemes.iter().any(|name| name.eq_ignore_ascii_case("basic"));
            match (can_basic, proxy.has_credentials()) {
                (false, _) => ProxyProblem::OtherAuthentication { offered: schemes.join(", ") },
                (true, true) => ProxyProblem::CredentialsRefused,
                (true, false) => ProxyProblem::CredentialsNeeded,
            }
        }
        502..=504 => ProxyProblem::CannotReach { target, status: status.as_u16() },
        other => ProxyProblem::Forbidden { target, status: other },
    }
}

impl Service<Uri> for Dial {
    type Response = Line;
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<Line, Cause>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        // A connector for TCP is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        Box::pin(self.clone().open(destination))
    }
}

/// An open connection below the upstream's TLS.
pub(crate) struct Line {
    stream: ProxyStream,
    /// A proxy takes the requests themselves, so they name the whole URL.
    is_forwarding: bool,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.is_forwarding)
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
