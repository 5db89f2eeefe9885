//! A small HTTPS server that does exactly what a test tells it, right or wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

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
}

/// What the server does with one request: sends these bytes, then closes or stays silent.
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) silence: bool,
}

impl Reply {
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), silence: false }
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
        self.silence = true;
        self
    }
}

/// A running server.
pub(crate) struct Upstream {
    pub(crate) base: Url,
    pub(crate) ca_pem: Vec<u8>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Upstream {
    /// Starts a server whose certificate has one name; the handler gets the request and its number.
    pub(crate) fn start(
        name: &str,
        handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        Self::run("https", Some(Arc::new(config)), certified.cert.pem().into_bytes(), handler)
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
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
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
        Self { base, ca_pem, requests }
    }

    pub(crate) fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, answer: impl FnOnce(Request) -> Reply) {
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
    let _ = stream.write_all(&reply.bytes).await;
    let _ = stream.flush().await;
    if reply.silence {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let _ = stream.shutdown().await;
}
