//! TLS as clients see it: replacing certificates, resumption, client certificates, garbage on the port, the end of the server.

use std::sync::Arc;
use std::time::Duration;

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::hosts::known_hosts;
use midmirror_mirror::serve::{
    CertificateLifetimes, CertificateNeed, ClientCertificates, TlsMaterial, TlsSet, TlsSettings, init_tls,
};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, HandshakeKind};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::mirror::{Answer, CORE, Mirror, core_bytes, publish};

pub(crate) fn material(set: &TlsSet) -> TlsMaterial {
    TlsMaterial {
        cert_pem: set.server_cert_pem.clone().into_bytes(),
        key_pem: set.server_key_pem.clone().into_bytes(),
    }
}

pub(crate) fn new_set() -> TlsSet {
    init_tls(&["localhost".to_owned()], jiff::Timestamp::now(), &CertificateLifetimes::default()).unwrap()
}

/// A client that remembers sessions, of one version of TLS only, with or without a certificate.
pub(crate) fn client(
    authorities: &[&str],
    version: &'static rustls::SupportedProtocolVersion,
    identity: Option<&(Vec<CertificateDer<'static>>, String)>,
) -> Arc<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for pem in authorities {
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain.clone(), key).unwrap()
        }
    })
}

pub(crate) async fn connect(
    mirror: &Mirror,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(mirror.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    tokio_rustls::TlsConnector::from(config.clone()).connect(name, tcp).await
}

pub(crate) async fn ask(mut stream: TlsStream<TcpStream>, path: &str) -> std::io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(Answer::parse(&bytes))
}

/// One request; how the handshake went, and the answer.
async fn visit(mirror: &Mirror, config: &Arc<ClientConfig>) -> (HandshakeKind, Vec<CertificateDer<'static>>) {
    let stream = connect(mirror, config).await.unwrap();
    let (_, session) = stream.get_ref();
    let kind = session.handshake_kind().unwrap();
    let shown = session.peer_certificates().unwrap().iter().map(|c| c.clone().into_owned()).collect();
    assert_eq!(ask(stream, "/healthz").await.unwrap().text(), "ok\n");
    (kind, shown)
}

#[tokio::test]
async fn sessions_are_resumed_until_the_certificate_is_replaced() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mirror = Mirror::start().await;
        let new = new_set();
        let config = client(&[&mirror.tls.ca_pem, &new.ca_pem], version, None);
        let (first, before) = visit(&mirror, &config).await;
        assert!(matches!(first, HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest));
        assert_eq!(visit(&mirror, &config).await.0, HandshakeKind::Resumed, "{version:?}");

        let control = mirror.server.as_ref().unwrap().control();
        assert!(control.replace_tls(&material(&new).into()).unwrap());
        // A ticket of the old certificate is no way around the new one, and no failure.
        let (kind, after) = visit(&mirror, &config).await;
        assert_eq!((kind, after != before), (HandshakeKind::Full, true), "{version:?}");
        assert_eq!(visit(&mirror, &config).await.0, HandshakeKind::Resumed, "{version:?}");
        // The same files again change nothing.
        assert!(!control.replace_tls(&material(&new).into()).unwrap());
        assert_eq!(visit(&mirror, &config).await.0, HandshakeKind::Resumed, "{version:?}");
    }
}

#[tokio::test]
async fn download_goes_on_while_the_certificate_is_replaced() {
    let mirror = Mirror::start().await;
    let (mut stream, mut bytes) = mirror.begin_large(20_000_000, "Connection: close\r\n").await;
    assert!(mirror.server.as_ref().unwrap().control().replace_tls(&material(&new_set()).into()).unwrap());
    stream.read_to_end(&mut bytes).await.unwrap();
    assert!(Answer::parse(&bytes).body == vec![7; 20_000_000]);
}

#[tokio::test]
async fn bad_new_pair_is_refused_and_the_old_one_stays() {
    let mirror = Mirror::start().await;
    let control = mirror.server.as_ref().unwrap().control();
    let mut crossed = material(&new_set());
    crossed.key_pem = mirror.tls.server_key_pem.clone().into_bytes();
    assert!(control.replace_tls(&crossed.into()).is_err());
    assert_eq!(mirror.get("/healthz").await.text(), "ok\n");
}

#[tokio::test]
async fn certificate_that_ends_soon_is_told_where_monitoring_looks() {
    let lifetimes =
        CertificateLifetimes { server: Duration::from_secs(3600), ..CertificateLifetimes::default() };
    let begun = jiff::Timestamp::now() - Duration::from_secs(3000);
    let set = init_tls(&["localhost".to_owned()], begun, &lifetimes).unwrap();
    let short = material(&set);
    let mut mirror = Mirror::start_with(|config| config.tls = short.into()).await;
    mirror.tls = set;
    let health = mirror.get("/healthz").await;
    assert_eq!(health.status, 200);
    assert!(health.text().starts_with("ok\nwarning: the certificate of this server ends in 0 days ("));
    let control = mirror.server.as_ref().unwrap().control();
    let end = control.certificate_end();
    assert!(control.certificate_warning(end).unwrap().contains("has ended"));
    let line = format!("midmirror_certificate_expires_timestamp_seconds {}", end.as_second());
    let metrics = mirror.get("/metrics").await;
    assert!(metrics.text().lines().any(|found| found == line), "{line}: {}", metrics.text());
}

#[tokio::test]
async fn server_whose_catalog_hangs_is_not_called_alive() {
    let mirror = Mirror::start().await;
    let control = mirror.server.as_ref().unwrap().control();
    assert!(control.is_alive(Duration::from_secs(10)).await);
    let (catalog, (release, released), (held, is_held)) =
        (mirror.catalog.clone(), std::sync::mpsc::channel::<()>(), std::sync::mpsc::channel());
    let hanging = std::thread::spawn(move || {
        let _catalog = catalog.lock().unwrap();
        held.send(()).unwrap();
        let _until_dropped = released.recv();
    });
    is_held.recv().unwrap();
    publish(&mirror.store, "2");
    assert!(!control.is_alive(Duration::from_millis(200)).await);
    drop(release);
    hanging.join().unwrap();
    assert!(control.is_alive(Duration::from_secs(10)).await);
}

/// An authority for clients, and what it issues.
pub(crate) struct ClientAuthority {
    pub(crate) pem: String,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

impl ClientAuthority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, name: &str) -> (Vec<CertificateDer<'static>>, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("{name} of the fleet"));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], key.serialize_pem())
    }
}

pub(crate) fn asking(authority: &ClientAuthority, needed_for: CertificateNeed) -> ClientCertificates {
    ClientCertificates {
        authorities_pem: authority.pem.clone().into_bytes(),
        crls: Vec::new(),
        crls_may_be_expired: false,
        names: vec!["mid-01.example".to_owned()],
        needed_for,
    }
}

#[tokio::test]
async fn packages_are_for_listed_client_certificates_and_recorded_under_their_names() {
    let (authority, foreign) = (ClientAuthority::new("clients"), ClientAuthority::new("others"));
    let records = tempfile::tempdir().unwrap();
    let mirror = Mirror::start_with(|config| {
        config.tls.clients = Some(asking(&authority, CertificateNeed::Packages));
        config.records = Some(records.path().to_owned());
        config.prefix = Some("/m".to_owned());
    })
    .await;
    let (listed, other) = (authority.issue("mid-01.example"), authority.issue("mid-02.example"));
    let package = format!("/{CORE}");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let ca = mirror.tls.ca_pem.as_str();
        let get = async |identity, path: &str| {
            let config = client(&[ca], version, identity);
            let first = ask(connect(&mirror, &config).await?, path).await?;
            // A resumed session has the same name.
            assert_eq!(ask(connect(&mirror, &config).await?, path).await?.status, first.status);
            Ok::<_, std::io::Error>(first)
        };
        assert!(get(Some(&listed), &package).await.unwrap().body == core_bytes());
        let refused = get(Some(&other), &package).await.unwrap();
        assert_eq!((refused.status, refused.text().contains("not let in")), (403, true));
        let without = get(None, &package).await.unwrap();
        assert_eq!((without.status, without.text().contains("is needed")), (403, true));
        // Nor by the prefix.
        assert_eq!(get(None, &format!("/m{package}")).await.unwrap().status, 403);
        assert_eq!(get(Some(&listed), &format!("/m{package}")).await.unwrap().status, 200);
        for open in ["/healthz", "/", "/repository/timestamp.json"] {
            assert_eq!(get(None, open).await.unwrap().status, 200, "{open}");
        }
        // An authority that is not ours does not get past the handshake.
        let stranger = foreign.issue("mid-01.example");
        assert!(get(Some(&stranger), "/healthz").await.is_err());
    }
    // No way around by the plain listener.
    let mut plain = TcpStream::connect(mirror.plain.unwrap()).await.unwrap();
    plain
        .write_all(format!("GET {package} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    assert_eq!(Answer::read(plain).await.status, 403);
    // Taken off the list, without ending the connection.
    let config = client(&[&mirror.tls.ca_pem], &rustls::version::TLS13, Some(&listed));
    let mut open = connect(&mirror, &config).await.unwrap();
    let request = format!("HEAD {package} HTTP/1.1\r\nHost: a\r\n\r\n");
    open.write_all(request.as_bytes()).await.unwrap();
    let mut head = vec![0; 4096];
    let read = open.read(&mut head).await.unwrap();
    assert!(head[..read].starts_with(b"HTTP/1.1 200"));
    let mut clients = asking(&authority, CertificateNeed::Packages);
    clients.names = vec!["mid-09.example".to_owned()];
    let mut settings = TlsSettings::from(material(&mirror.tls));
    settings.clients = Some(clients);
    mirror.server.as_ref().unwrap().control().replace_tls(&settings).unwrap();
    assert_eq!(ask(open, &package).await.unwrap().status, 403);

    drop(mirror);
    let digest = Sha256Digest::of(&core_bytes());
    let patience = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let known = known_hosts(records.path(), &[digest]).unwrap().hosts;
        if let [host] = known.as_slice() {
            assert_eq!(host.host, "mid-01.example");
            assert_eq!(host.certificate.as_deref(), Some("CN=mid-01.example of the fleet"));
            break;
        }
        assert!(known.is_empty() && std::time::Instant::now() < patience, "{known:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn with_certificates_for_all_the_handshake_fails_without_one() {
    let authority = ClientAuthority::new("clients");
    let mirror = Mirror::start_with(|config| {
        config.tls.clients = Some(asking(&authority, CertificateNeed::All));
    })
    .await;
    let ca = mirror.tls.ca_pem.as_str();
    let (listed, other) = (authority.issue("mid-01.example"), authority.issue("mid-02.example"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let get = async |identity| {
            ask(connect(&mirror, &client(&[ca], version, identity)).await?, "/healthz").await
        };
        assert_eq!(get(Some(&listed)).await.unwrap().status, 200);
        assert_eq!(get(Some(&other)).await.unwrap().status, 403);
        assert!(get(None).await.is_err());
    }
}

#[tokio::test]
async fn http_on_the_https_port_is_told_so_and_garbage_is_closed() {
    let mirror = Mirror::start().await;
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "OPTIONS"] {
        let mut tcp = TcpStream::connect(mirror.address).await.unwrap();
        tcp.write_all(request.as_bytes()).await.unwrap();
        let answer = Answer::read(tcp).await;
        assert_eq!(
            (answer.status, answer.text()),
            (400, "this port speaks HTTPS; use an https:// address\n")
        );
    }
    // A request with more behind it than is read gets its answer all the same.
    let mut tcp = TcpStream::connect(mirror.address).await.unwrap();
    tcp.write_all(&[&b"POST / HTTP/1.1\r\n\r\n"[..], &[b'x'; 30_000]].concat()).await.unwrap();
    assert_eq!(Answer::read(tcp).await.status, 400);

    let ssl2_hello = [&[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10][..], &[7; 37]].concat();
    let huge_record = [&[22, 3, 1, 0xff, 0xff][..], &[1; 4096]].concat();
    let mut state = 1_u32;
    let mut random = |length: usize| -> Vec<u8> {
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::try_from(state >> 24).unwrap()
        };
        std::iter::repeat_with(next).take(length).collect()
    };
    let mut all =
        vec![ssl2_hello, huge_record, vec![22, 3, 1, 0, 0], vec![21, 3, 1, 0, 2, 2, 40], vec![0; 100]];
    all.extend((0..40).map(|n| random(1 + n * 37)));
    for mut garbage in all {
        if garbage[0].is_ascii_uppercase() {
            garbage[0] = 0xff;
        }
        let mut tcp = TcpStream::connect(mirror.address).await.unwrap();
        tcp.write_all(&garbage).await.unwrap();
        tcp.shutdown().await.unwrap();
        let mut said = Vec::new();
        // Reset or closed; nothing but a TLS alert comes.
        let _ = tcp.read_to_end(&mut said).await;
        assert!(said.is_empty() || said[0] == 21, "{garbage:?}: {said:?}");
    }
    assert_eq!(mirror.get("/healthz").await.text(), "ok\n");
}

#[tokio::test]
async fn end_of_the_server_is_said_to_idle_connections_of_both_versions() {
    let mut mirror = Mirror::start().await;
    let mut old = mirror.connect(&[b"http/1.1"]).await;
    old.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut bytes = vec![0; 4096];
    let read = old.read(&mut bytes).await.unwrap();
    assert!(bytes[..read].starts_with(b"HTTP/1.1 200"));
    let mut new = mirror.connect(&[b"h2"]).await;
    new.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let control = mirror.server.as_ref().unwrap().control();
    assert!(control.is_alive(Duration::from_secs(10)).await);
    drop(mirror.stop.take());
    let server = tokio::spawn(mirror.server.take().unwrap().wait());
    // Closed, not left to wait.
    bytes.clear();
    old.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes.is_empty());
    let mut received = Vec::new();
    let mut answered = false;
    while new.read_buf(&mut received).await.is_ok_and(|read| read > 0) {
        let ping = frames(&received).into_iter().find(|(kind, payload)| *kind == 6 && payload.len() == 8);
        if let Some((_, payload)) = ping.filter(|_| !answered) {
            // RFC 9113, section 6.8: with the answer the server knows that its GOAWAY has arrived.
            answered = true;
            assert!(frames(&received).iter().any(|(kind, _)| *kind == 7), "no GOAWAY: {received:?}");
            let _ = new.write_all(&[&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &payload].concat()).await;
        }
    }
    assert!(answered, "{received:?}");
    tokio::time::timeout(Duration::from_secs(20), server).await.unwrap().unwrap();
    assert!(TcpStream::connect(mirror.address).await.is_err(), "still listening");
    assert!(!control.is_alive(Duration::from_millis(100)).await);
}

/// Types and payloads; RFC 9113, section 4.1.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let (payload, rest) = rest.split_at(length.min(rest.len()));
        frames.push((*kind, payload.to_vec()));
        bytes = rest;
    }
    frames
}

#[tokio::test]
async fn revocation_list_is_served_with_and_without_tls() {
    let server = midmirror_mirror::serve::ServerNames {
        names: vec!["localhost".to_owned()],
        crl_url: Some("http://localhost:1/tls/ca.crl".to_owned()),
    };
    let now = jiff::Timestamp::now();
    let set = midmirror_mirror::serve::init_tls_for(&server, now, &CertificateLifetimes::default()).unwrap();
    let lists = set.crls_pem.clone().into_bytes();
    let mirror = Mirror::start_with(|config| config.tls.crls = Some(lists)).await;
    let secure = mirror.get("/tls/ca.crl").await;
    assert_eq!((secure.status, secure.header("content-type")), (200, Some("application/pkix-crl")));
    assert_eq!(secure.body[0], 0x30);
    let mut plain = TcpStream::connect(mirror.plain.unwrap()).await.unwrap();
    plain.write_all(b"GET /tls/ca.crl HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    assert_eq!(Answer::read(plain).await.body, secure.body);
    assert_eq!(Mirror::start().await.get("/tls/ca.crl").await.status, 404);
}
