//! The clients. Of a download they count the TLS records and do not decrypt them: that would cost more than the server's
//! share, and it is the server that is measured. Whether the bytes are right is asked once for each load.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use midmirror_mirror::Sha256Digest;
use rustls::ClientConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::Outcome;
use crate::site::vendor_path;

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) name: &'static str,
    /// From this byte on.
    pub(crate) first: usize,
    /// Bytes of the file.
    pub(crate) whole: usize,
}

impl Wanted {
    pub(crate) fn length(&self) -> usize {
        self.whole - self.first
    }

    fn head(&self, more: &str) -> String {
        let range = match self.first {
            0 => String::new(),
            first => format!("Range: bytes={first}-\r\n"),
        };
        let path = vendor_path(self.name);
        format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\n{range}{more}\r\n")
    }

    fn status(&self) -> &'static [u8] {
        if self.first == 0 { b"HTTP/1.1 200" } else { b"HTTP/1.1 206" }
    }
}

pub(crate) fn client_config(folder: &Path) -> Outcome<Arc<ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&fs::read(folder.join("ca.pem"))?)?)?;
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.suite() == rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

pub(crate) async fn connect(port: u16, config: &Arc<ClientConfig>) -> Outcome<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost")?;
    Ok(tokio_rustls::TlsConnector::from(config.clone()).connect(name, tcp).await?)
}

/// Asks over a connection of its own, and counts the bytes of the answer; the time it took.
pub(crate) async fn download(port: u16, config: &Arc<ClientConfig>, wanted: Wanted) -> Outcome<f64> {
    let begin = Instant::now();
    let mut stream = connect(port, config).await?;
    stream.write_all(wanted.head("Connection: close\r\n").as_bytes()).await?;
    // Nothing was read yet since the handshake: what comes now are whole records.
    let (mut tcp, _session) = stream.into_inner();
    let (mut buffer, mut begun, mut left, mut plain) = (vec![0; 64 * 1024], Vec::new(), 0_usize, 0_usize);
    loop {
        let read = tcp.read(&mut buffer).await?;
        let mut bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        while !bytes.is_empty() {
            let body = left.min(bytes.len());
            bytes = bytes.get(body..).unwrap_or_default();
            left -= body;
            while let ([first, rest @ ..], true) = (bytes, left == 0) {
                begun.push(*first);
                bytes = rest;
                if let [_, _, _, high, low] = *begun {
                    left = usize::from(u16::from_be_bytes([high, low]));
                    // RFC 8446, section 5.2: a byte for the type and 16 of the tag.
                    plain += left.saturating_sub(17);
                    begun.clear();
                }
            }
        }
    }
    // With them come the head of the answer, two tickets and the word of the end.
    let more = plain.checked_sub(wanted.length()).ok_or("cut")?;
    if more > 4096 { Err("too much".into()) } else { Ok(begin.elapsed().as_secs_f64()) }
}

/// Asks and reads to the last byte; over a connection that stays open. What was received, if that is wanted.
pub(crate) async fn request(
    stream: &mut TlsStream<TcpStream>,
    wanted: Wanted,
    mut sink: Option<&mut Vec<u8>>,
) -> Outcome<()> {
    stream.write_all(wanted.head("").as_bytes()).await?;
    let mut buffer = vec![0; 64 * 1024];
    let mut have = 0;
    let begun = loop {
        let space = buffer.get_mut(have..).filter(|space| !space.is_empty()).ok_or("a long head")?;
        let read = stream.read(space).await?;
        if read == 0 {
            return Err("closed".into());
        }
        have += read;
        let known = buffer.get(..have).unwrap_or_default();
        if let Some(end) = known.windows(4).position(|window| window == b"\r\n\r\n") {
            if !known.starts_with(wanted.status()) {
                return Err("another status".into());
            }
            break known.get(end + 4..).unwrap_or_default();
        }
    };
    let mut left = wanted.length().checked_sub(begun.len()).ok_or("too much")?;
    if let Some(sink) = &mut sink {
        sink.extend_from_slice(begun);
    }
    while left > 0 {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err("cut".into());
        }
        left = left.checked_sub(read).ok_or("too much")?;
        if let Some(sink) = &mut sink {
            sink.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
    }
    Ok(())
}

/// Whether the bytes are those of the file.
pub(crate) async fn check(folder: &Path, port: u16, wanted: Wanted) -> Outcome<()> {
    let file = fs::read(folder.join("www").join(vendor_path(wanted.name)))?;
    let mut received = Vec::new();
    let mut stream = connect(port, &client_config(folder)?).await?;
    request(&mut stream, wanted, Some(&mut received)).await?;
    let right = file.get(wanted.first..).ok_or("a short file")?;
    if Sha256Digest::of(&received) == Sha256Digest::of(right) { Ok(()) } else { Err("other bytes".into()) }
}

/// Small requests one after the other over some connections, until told to stop: their times.
pub(crate) async fn small_requests(
    port: u16,
    config: &Arc<ClientConfig>,
    wanted: Wanted,
    for_time: Duration,
) -> Outcome<Vec<f64>> {
    let end = Instant::now() + for_time;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let config = config.clone();
        clients.spawn(async move {
            let mut times = Vec::new();
            let mut stream = connect(port, &config).await?;
            while Instant::now() < end {
                let begin = Instant::now();
                request(&mut stream, wanted, None).await?;
                times.push(begin.elapsed().as_secs_f64());
                // Somebody who asks now and then, not as fast as it goes.
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Outcome::Ok(times)
        });
    }
    let mut all = Vec::new();
    while let Some(times) = clients.join_next().await {
        all.extend(times??);
    }
    Ok(all)
}
