//! The server, asked over real connections.

use std::time::Duration;

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::Label;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::mirror::{Answer, CORE, DEB, Mirror, at, core_bytes, publish, put};

fn core_etag() -> String {
    format!("\"sha256-{}\"", Sha256Digest::of(&core_bytes()))
}

#[tokio::test]
async fn package_is_served_with_all_that_is_known_of_it() {
    let mirror = Mirror::start().await;
    let answer = mirror.get(&format!("/{CORE}")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, core_bytes());
    assert_eq!(answer.header("etag"), Some(core_etag().as_str()));
    assert_eq!(answer.header("content-length"), Some("300000"));
    assert_eq!(answer.header("content-type"), Some("application/zip"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.header("last-modified"), Some("Sun, 21 Jun 2026 00:00:10 GMT"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let digest = answer.header("repr-digest").unwrap();
    let digest = digest.strip_prefix("sha-256=:").unwrap().strip_suffix(':').unwrap();
    let digest = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, digest).unwrap();
    assert_eq!(digest, Sha256Digest::of(&core_bytes()).as_bytes());
    assert!(answer.header("date").is_some());
    assert!(answer.header("content-encoding").is_none());
    let deb = mirror.get(&format!("/{DEB}")).await;
    assert_eq!(
        (deb.status, deb.header("content-type")),
        (200, Some("application/vnd.debian.binary-package"))
    );
}

#[tokio::test]
async fn host_is_needed_once_and_heads_are_bounded() {
    let mirror = Mirror::start().await;
    for (head, status) in [
        ("GET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        ("GET /healthz HTTP/1.0\r\n", 200),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("NONSENSE\r\n", 400),
    ] {
        let mut stream = mirror.connect(&[b"http/1.1"]).await;
        stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let answer = Answer::read(stream).await;
        // A request with both framings may be answered once, but the connection must not be used on.
        if head.contains("chunked") {
            assert!(matches!(answer.status, 200 | 400), "{head:?}");
        } else {
            assert_eq!(answer.status, status, "{head:?}");
        }
    }
    let mut stream = mirror.connect(&[b"http/1.1"]).await;
    let endless = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let _ = stream.write_all(endless.as_bytes()).await;
    assert_eq!(Answer::read(stream).await.status, 431);
}

#[tokio::test]
async fn page_and_list_show_the_packages_and_escape_names() {
    let mirror = Mirror::start().await;
    let page = mirror.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let text = page.text();
    assert!(text.contains("<pre class=\"command\">https://localhost</pre>"));
    assert!(text.contains(&format!("<a href=\"{CORE}\" download>")));
    assert!(text.contains("signature not checked"));
    assert!(text.contains("CN=&lt;b&gt;&quot;Evil&quot; &amp; Sons") && !text.contains("<b>"));
    let list = mirror.get("/api/v1/packages").await;
    let list: serde_json::Value = serde_json::from_slice(&list.body).unwrap();
    let packages = list["packages"].as_array().unwrap();
    assert_eq!(packages.len(), 2);
    assert_eq!(packages[0]["path"], CORE);
    assert_eq!(packages[0]["label"], "verified");
    assert_eq!(packages[0]["kind"], "mid-core");
    assert_eq!(packages[0]["length"], 300_000);
    assert_eq!(packages[1]["platform"], "linux.x86-64");
}

#[tokio::test]
async fn changed_or_shortened_blob_is_never_served() {
    let mirror = Mirror::start().await;
    let (core, deb) = (format!("/{CORE}"), format!("/{DEB}"));
    let blob = mirror.blob(&core_bytes());
    assert_eq!(mirror.get(&core).await.status, 200);
    let mut changed = core_bytes();
    changed[150_000] ^= 1;
    tokio::time::sleep(Duration::from_millis(20)).await;
    std::fs::write(&blob, &changed).unwrap();
    for method in ["GET", "HEAD", "GET"] {
        let answer = mirror.ask(method, &core, &[("Range", "bytes=0-9")]).await;
        assert_eq!(answer.status, 503, "{method}");
        assert!(answer.body.len() < 100 && !answer.body.starts_with(&changed[..10]));
    }
    std::fs::write(&blob, &changed[..299_999]).unwrap();
    assert_eq!(mirror.get(&core).await.status, 503);
    std::fs::write(&blob, core_bytes()).unwrap();
    assert_eq!(mirror.get(&core).await.status, 200);
    std::fs::remove_file(mirror.blob(b"not a real package")).unwrap();
    assert_eq!(mirror.get(&deb).await.status, 503);
    assert_eq!(mirror.get(&core).await.status, 200);
}

#[tokio::test]
async fn publication_shows_at_once_and_a_spoilt_catalog_leaves_the_last_good_one() {
    let mirror = Mirror::start().await;
    let path = CORE.replace("hotfix2", "hotfix3");
    assert_eq!(mirror.get(&format!("/{path}")).await.status, 404);
    let new = put(&mirror.store, &path, b"new package", Label::Verified);
    mirror.catalog.lock().unwrap().entries.push(new);
    assert_eq!(mirror.get(&format!("/{path}")).await.status, 404, "not published yet");
    publish(&mirror.store, "2");
    assert_eq!(mirror.get(&format!("/{path}")).await.body, b"new package");

    mirror.catalog.lock().unwrap().entries.clear();
    publish(&mirror.store, "3");
    assert_eq!(mirror.get(&format!("/{path}")).await.status, 200);
    let health = mirror.get("/healthz").await;
    assert_eq!(health.status, 503);
    assert!(health.text().contains("catalog"), "{}", health.text());
    assert!(mirror.get("/").await.text().contains("role=\"status\""));
}

#[tokio::test]
async fn expired_catalog_is_told_by_health_and_packages_are_still_served() {
    let mirror = Mirror::start().await;
    assert_eq!(mirror.get("/healthz").await.status, 200);
    mirror.catalog.lock().unwrap().expires = at(-1_000_000_000);
    publish(&mirror.store, "2");
    assert_eq!(mirror.get("/healthz").await.status, 503);
    assert_eq!(mirror.get(&format!("/{CORE}")).await.status, 200);
}

#[tokio::test]
async fn plain_listener_has_packages_and_catalog_only() {
    let mirror = Mirror::start().await;
    for (path, status) in
        [(CORE, 200), ("repository/1.root.json", 200), ("", 404), ("healthz", 404), ("api/v1/packages", 404)]
    {
        let mut stream = TcpStream::connect(mirror.plain.unwrap()).await.unwrap();
        let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(Answer::read(stream).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn http2_sends_the_same_bytes() {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let mirror = Mirror::start().await;
    let stream = mirror.connect(&[b"h2"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (range, status, expected) in
        [(None, 200, &core_bytes()[..]), (Some("bytes=100000-200000"), 206, &core_bytes()[100_000..200_001])]
    {
        let mut request = http::Request::get(format!("https://localhost/{CORE}"));
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let response =
            sender.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), status);
        assert!(response.into_body().collect().await.unwrap().to_bytes() == expected);
    }
}

#[tokio::test]
async fn everything_is_below_the_prefix_as_well() {
    let mirror = Mirror::start_with(|config| config.prefix = Some("/midmirror".to_owned())).await;
    let range = [("Range", "bytes=5-9")];
    for path in
        [format!("/{CORE}"), format!("/midmirror/{CORE}"), format!("/midmirror/repository/targets/{CORE}")]
    {
        let answer = mirror.ask("GET", &path, &range).await;
        assert_eq!((answer.status, answer.body.as_slice()), (206, &core_bytes()[5..=9]), "{path}");
    }
    for (path, status) in [
        ("/midmirror/", 200),
        ("/midmirror/?q=mid-core", 200),
        ("/midmirror/style.css", 200),
        ("/midmirror/healthz", 200),
        ("/midmirror/api/v1/packages", 200),
        ("/midmirror/repository/1.root.json", 200),
        ("/midmirror/nothing", 404),
        ("/midmirror/midmirror/", 404),
        ("/other/", 404),
    ] {
        assert_eq!(mirror.get(path).await.status, status, "{path}");
    }
    let bare = mirror.get("/midmirror").await;
    assert_eq!((bare.status, bare.header("location")), (308, Some("/midmirror/")));
    // Links of the page lead to places below the prefix.
    let page = mirror.get("/midmirror/").await;
    let links = page.text().split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let links: Vec<&str> = links.filter(|link| !link.starts_with('#')).collect();
    assert!(links.len() > 5, "{links:?}");
    for link in links {
        // As a browser does (RFC 3986, section 5.2.4).
        let link = link.strip_prefix("./").unwrap_or(link);
        assert!(!link.starts_with('/') && !link.contains("://"), "{link}");
        assert_eq!(mirror.get(&format!("/midmirror/{link}")).await.status, 200, "{link}");
    }
}
