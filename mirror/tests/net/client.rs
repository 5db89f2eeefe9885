//! Whom the client asks and whom it believes.

use midmirror_mirror::fetch::{FetchError, HttpClient, Refusal, Roots, TlsProblem};

use crate::fetch::{client, config};
use crate::upstream::{Reply, Upstream};

#[tokio::test]
async fn tls_problems_are_told_apart() {
    let upstream = Upstream::start("mirror.example", |_, _| Reply::full(b"x", &[]));
    let error = client(&upstream).get_small(&upstream.base, 10).await.unwrap_err();
    assert!(matches!(&error, FetchError::Tls { problem: TlsProblem::NameMismatch { .. }, .. }), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");

    let other = Upstream::start("127.0.0.1", |_, _| Reply::full(b"x", &[]));
    let mut config = config(&upstream);
    config.roots = Roots::Only { pem: other.ca_pem.clone() };
    let error = HttpClient::new(config).unwrap().get_small(&upstream.base, 10).await.unwrap_err();
    assert!(matches!(&error, FetchError::Tls { problem: TlsProblem::UnknownIssuer, .. }), "{error:?}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let speaker = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut tcp, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = std::io::Read::read_to_end(&mut tcp, &mut Vec::new());
    });
    let error = client(&upstream).get_small(&url, 10).await.unwrap_err();
    speaker.join().unwrap();
    assert!(matches!(&error, FetchError::Tls { problem: TlsProblem::Handshake, .. }), "{error:?}");
}

#[tokio::test]
async fn redirects_are_followed_inside_the_rules_only() {
    let upstream = Upstream::start("127.0.0.1", |request, _| match request.target.as_str() {
        "/moved" => Reply::head("302 Found", &[("Location", "/here")]),
        "/here" => Reply::full(b"found", &[]),
        "/circle" => Reply::head("301 Moved", &[("Location", "/circle")]),
        "/down" => Reply::head("302 Found", &[("Location", "http://127.0.0.1/here")]),
        "/away" => Reply::head("307 Away", &[("Location", "https://localhost/here")]),
        _ => Reply::head("302 Found", &[]),
    });
    let client = client(&upstream);
    assert_eq!(client.get_small(&upstream.url("moved"), 10).await.unwrap().as_deref(), Some(&b"found"[..]));
    for (path, expected) in [("down", Refusal::Downgrade), ("away", Refusal::Host)] {
        match client.get_small(&upstream.url(path), 10).await {
            Err(FetchError::Refused { refusal, .. }) => assert_eq!(refusal, expected),
            other => panic!("{path}: {other:?}"),
        }
    }
    for path in ["circle", "nowhere"] {
        let error = client.get_small(&upstream.url(path), 10).await.unwrap_err();
        assert!(matches!(error, FetchError::Response { .. }), "{path}: {error:?}");
    }
    assert_eq!(upstream.requests().iter().filter(|request| request.target == "/circle").count(), 6);
}

#[tokio::test]
async fn plain_http_needs_permission() {
    let upstream = Upstream::start_plain(|_, _| Reply::full(b"found", &[]));
    let error = client(&upstream).get_small(&upstream.base, 10).await.unwrap_err();
    assert!(matches!(error, FetchError::Refused { refusal: Refusal::PlainHttp, .. }), "{error:?}");
    assert!(upstream.requests().is_empty());
    let mut config = config(&upstream);
    config.plain_http_hosts = vec!["127.0.0.1".to_owned()];
    let found = HttpClient::new(config).unwrap().get_small(&upstream.base, 10).await.unwrap();
    assert_eq!(found.as_deref(), Some(&b"found"[..]));
}

#[tokio::test]
async fn small_documents_are_bounded_and_may_be_missing() {
    let upstream = Upstream::start("127.0.0.1", |request, _| match request.target.as_str() {
        "/small" => Reply::full(b"0123456789", &[]),
        _ => Reply::head("404 Not Found", &[("Content-Length", "0")]),
    });
    let client = client(&upstream);
    assert_eq!(client.get_small(&upstream.url("small"), 10).await.unwrap().unwrap().len(), 10);
    assert!(matches!(
        client.get_small(&upstream.url("small"), 9).await,
        Err(FetchError::TooLarge { limit: 9, .. })
    ));
    assert_eq!(client.get_small(&upstream.url("missing"), 9).await.unwrap(), None);
}
