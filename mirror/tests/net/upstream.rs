//! A small HTTPS server that does exactly what a test tells it, right or wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use url::Url;

use crate::certificates::Identity;

/// What the server received.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first byte of `Range: bytes=N-`.
    pub(crate) fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }

    /// Both ends of `Range: bytes=N-M`; without the second it is a large number.
    pub(crate) fn range(&self) -> Option<(usize, usize)> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().unwrap(), if last.is_empty() { usize::MAX } else { last.parse().unwrap() }))
    }
}

/// What the server does with one request: sends these bytes, then what its ending says.
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Closes in order.
    Close,
    /// Keeps the connection open and says nothing.
    Silence,
    /// Closes TCP without TLS's close_notify.
    Drop,
    /// Resets the TCP connection.
    Reset,
    /// Closes in order, but sends what follows the first empty line (or everything) byte by byte.
    Drip,
}

impl Reply {
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), ending: Ending::Close }
    }

    pub(crate) fn head(status: &str, headers: &[(&str, &str)]) -> Self {
        let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        Self::raw(text + "\r\n")
    }

    pub(crate) fn full(body: &[u8], headers: &[(&str, &str)]) -> Self {
        let length = body.len().to_string();
        let mut all = vec![("Content-Length", length.as_str())];
        all.extend_from_slice(headers);
        Self::head("200 OK", &all).and(body)
    }

    pub(crate) fn part(body: &[u8], start: usize, headers: &[(&str, &str)]) -> Self {
        let range = format!("bytes {start}-{}/{}", body.len() - 1, body.len());
        let length = (body.len() - start).to_string();
        let mut all = vec![("Content-Length", length.as_str()), ("Content-Range", range.as_str())];
        all.extend_from_slice(headers);
        Self::head("206 Partial Content", &all).and(&body[start..])
    }

    /// The bytes from one end to the other, both included, or to the end of the body.
    pub(crate) fn range(body: &[u8], (first, last): (usize, usize), headers: &[(&str, &str)]) -> Self {
        let last = last.min(body.len() - 1);
        let range = format!("bytes {first}-{last}/{}", body.len());
        let length = (last + 1 - first).to_string();
        let mut all = vec![("Content-Length", length.as_str()), ("Content-Range", range.as_str())];
        all.extend_from_slice(headers);
        Self::head("206 Partial Content", &all).and(&body[first..=last])
    }

    pub(crate) fn and(mut self, more: &[u8]) -> Self {
        self.bytes.extend_from_slice(more);
        self
    }

    /// Cuts the reply so many bytes before its end.
    pub(crate) fn cut(mut self, missing: usize) -> Self {
        self.bytes.truncate(self.bytes.len() - missing);
        self
    }

    pub(crate) fn then_silence(mut self) -> Self {
        self.ending = Ending::Silence;
        self
    }

    pub(crate) fn then_drop(mut self) -> Self {
        self.ending = Ending::Drop;
        self
    }

    pub(crate) fn then_reset(mut self) -> Self {
        self.ending = Ending::Reset;
        self
    }

    pub(crate) fn dripping(mut self) -> Self {
        self.ending = Ending::Drip;
        self
    }
}

/// A running server.
pub(crate) struct Upstream {
    pub(crate) base: Url,
    pub(crate) ca_pem: Vec<u8>,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    /// Starts a server whose certificate has one name; the handler gets the request and its number.
    pub(crate) fn start(
        name: &str,
        handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = tls_config(vec![certified.cert.der().clone()], key);
        Self::run("https", Some(config), certified.cert.pem().into_bytes(), handler)
    }

    /// Starts a server with a certificate of somebody's authority.
    pub(crate) fn start_with(
        identity: Identity,
        handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::run("https", Some(tls_config(identity.chain, identity.key)), Vec::new(), handler)
    }

    pub(crate) fn start_plain(handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let certified = rcgen::generate_simple_self_signed(["unused.example".to_owned()]).unwrap();
        Self::run("http", None, certified.cert.pem().into_bytes(), handler)
    }

    fn run(
        scheme: &str,
        tls: Option<Arc<rustls::ServerConfig>>,
        ca_pem: Vec<u8>,
        handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let base =
            Url::parse(&format!("{scheme}://127.0.0.1:{}/", listener.local_addr().unwrap().port())).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, handler) = (requests.clone(), Arc::new(handler));
        let counter = Arc::new(AtomicUsize::new(0));
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = connections.clone();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                tcp.set_nodelay(true).unwrap();
                let (seen, handler, counter) = (seen.clone(), handler.clone(), counter.clone());
                let tls = tls.clone();
                tokio::spawn(async move {
                    let answer = |request: Request| {
                        let reply = handler(&request, counter.fetch_add(1, Ordering::SeqCst));
                        seen.lock().unwrap().push(request);
                        reply
                    };
                    match tls {
                        None => exchange(tcp, answer).await,
                        Some(config) => {
                            if let Ok(stream) = TlsAcceptor::from(config).accept(tcp).await {
                                exchange(stream, answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self { base, ca_pem, requests, connections }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn tls_config(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Arc<rustls::ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// The TCP connection below a stream.
trait OverTcp: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl OverTcp for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl OverTcp for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

async fn exchange<S: OverTcp>(mut stream: S, answer: impl FnOnce(Request) -> Reply) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).await.is_err() {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let request = Request {
        method: first.next().unwrap().to_owned(),
        target: first.next().unwrap().to_owned(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
    };
    let reply = answer(request);
    let head = reply.bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    let (at_once, dripping) = match reply.ending {
        Ending::Drip => reply.bytes.split_at(head),
        _ => (&reply.bytes[..], &[][..]),
    };
    let _ = stream.write_all(at_once).await;
    let _ = stream.flush().await;
    for byte in dripping {
        if stream.write_all(&[*byte]).await.and(stream.flush().await).is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    match reply.ending {
        Ending::Close | Ending::Drip => {
            let _ = stream.shutdown().await;
        }
        Ending::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
        Ending::Drop => {}
        Ending::Reset => {
            // What the client has not read yet is lost as well.
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.tcp().set_zero_linger().unwrap();
        }
    }
}
