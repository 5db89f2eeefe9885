//! Proxies that do what they should, and proxies that do not: each failure names the proxy and what to do.

use std::time::Duration;

use midmirror_mirror::fetch::{
    ClientConfig, FetchError, HttpClient, NoProxy, Proxies, Proxy, ProxyProblem, RetryPolicy,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::fetch::config;
use crate::upstream::{Reply, Upstream};

const CREDENTIALS: &str = "Basic YW5uYTpzZWNyZXQ=";

fn proxied(upstream: &Upstream, proxy: &str) -> ClientConfig {
    let retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    ClientConfig { proxies: Proxies::all(Proxy::parse(proxy).unwrap()), retry, ..config(upstream) }
}

fn address(upstream: &Upstream) -> String {
    format!("127.0.0.1:{}", upstream.base.port().unwrap())
}

async fn failure(proxy: &Upstream, credentials: &str) -> FetchError {
    let mut config = proxied(proxy, &format!("http://{credentials}{}", address(proxy)));
    config.connect_timeout = Duration::from_millis(400);
    let url = Url::parse("https://install.example/p.zip").unwrap();
    HttpClient::new(config).unwrap().get_small(&url, 10).await.unwrap_err()
}

/// Joins two connections; what a proxy does after CONNECT.
async fn tunnel_to(mut client: TcpStream, destination: String) {
    let mut upstream = TcpStream::connect(destination).await.unwrap();
    client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n").await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
}

/// A proxy that connects everybody to one destination; the returned text is the head of the first request.
async fn connecting_proxy(destination: String) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        tunnel_to(client, destination).await;
        String::from_utf8(head).unwrap()
    });
    (port, task)
}

#[tokio::test]
async fn tunnel_carries_our_tls_and_credentials_go_to_the_proxy_only() {
    let upstream = Upstream::start("127.0.0.1", |_, _| Reply::full(b"found", &[]));
    let (port, proxy) = connecting_proxy(address(&upstream)).await;
    let config = proxied(&upstream, &format!("http://anna:secret@127.0.0.1:{port}"));
    let client = HttpClient::new(config).unwrap();
    let found = client.get_small(&upstream.base, 10).await.unwrap();
    assert_eq!(found.as_deref(), Some(&b"found"[..]));
    drop(client);
    let head = proxy.await.unwrap().to_ascii_lowercase();
    assert!(head.starts_with(&format!("connect {} http/1.1\r\n", address(&upstream))), "{head}");
    assert!(head.contains(&format!("proxy-authorization: {}", CREDENTIALS.to_ascii_lowercase())), "{head}");
    assert_eq!(upstream.requests()[0].header("proxy-authorization"), None);
}

#[tokio::test]
async fn plain_http_is_forwarded_with_the_whole_url() {
    let proxy = Upstream::start_plain(|request, _| match request.header("proxy-authorization") {
        Some(CREDENTIALS) => Reply::full(b"found", &[]),
        _ => Reply::head("407 Proxy Authentication Required", &[("Content-Length", "0")]),
    });
    let mut config = proxied(&proxy, &format!("http://anna:secret@{}", address(&proxy)));
    config.plain_http_hosts = vec!["install.example".to_owned()];
    let url = Url::parse("http://install.example/p.zip").unwrap();
    let found = HttpClient::new(config.clone()).unwrap().get_small(&url, 10).await.unwrap();
    assert_eq!(found.as_deref(), Some(&b"found"[..]));
    assert_eq!(proxy.requests()[0].target, "http://install.example/p.zip");
    config.proxies = Proxies::all(Proxy::parse(&address(&proxy)).unwrap());
    let error = HttpClient::new(config).unwrap().get_small(&url, 10).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::Proxy { problem: ProxyProblem::CredentialsNeeded, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn exceptions_are_asked_directly_and_without_the_proxys_credentials() {
    let upstream = Upstream::start("127.0.0.1", |_, _| Reply::full(b"found", &[]));
    let mut config = proxied(&upstream, "http://anna:secret@127.0.0.1:1");
    config.proxies.except = NoProxy::parse("127.0.0.0/8").unwrap();
    let found = HttpClient::new(config).unwrap().get_small(&upstream.base, 10).await.unwrap();
    assert_eq!(found.as_deref(), Some(&b"found"[..]));
    assert_eq!(upstream.requests()[0].header("proxy-authorization"), None);
}

#[tokio::test]
async fn every_failure_of_a_proxy_has_its_name_and_a_way_out() {
    type Case = (&'static str, &'static str, fn() -> Reply, fn(&ProxyProblem) -> bool, &'static str);
    let basic: fn() -> Reply = || {
        Reply::raw("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n")
    };
    let cases: [Case; 10] = [
        ("407", "", basic, |p| matches!(p, ProxyProblem::CredentialsNeeded), "user name and password"),
        ("407", "a:secret@", basic, |p| matches!(p, ProxyProblem::CredentialsRefused), "correct them"),
        (
            "only NTLM",
            "a:secret@",
            || {
                Reply::raw(
                    "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\
                     Content-Length: 0\r\n\r\n",
                )
            },
            |p| matches!(p, ProxyProblem::OtherAuthentication { offered } if offered == "NTLM, Negotiate"),
            "cntlm",
        ),
        (
            "403",
            "",
            || Reply::head("403 Forbidden", &[("Content-Length", "0")]),
            |p| matches!(p, ProxyProblem::Forbidden { status: 403, .. }),
            "install.example:443",
        ),
        (
            "502",
            "",
            || Reply::head("502 Bad Gateway", &[("Content-Length", "0")]),
            |p| matches!(p, ProxyProblem::CannotReach { status: 502, .. }),
            "install.example:443",
        ),
        ("closes", "", || Reply::raw(""), |p| matches!(p, ProxyProblem::Closed), "another protocol"),
        (
            "hangs",
            "",
            || Reply::raw("").then_silence(),
            |p| matches!(p, ProxyProblem::Silent { .. }),
            "no connection came about",
        ),
        (
            "hangs after half an answer",
            "",
            || Reply::raw("HTTP/1.1 200 OK\r\n").then_silence(),
            |p| matches!(p, ProxyProblem::Silent { .. }),
            "no connection came about",
        ),
        ("garbage", "", || Reply::raw("SSH-2.0-x\r\n\r\n"), |p| matches!(p, ProxyProblem::NotHttp), "HTTP"),
        (
            "bytes before our TLS",
            "",
            || Reply::raw("HTTP/1.1 200 OK\r\n\r\nhello").then_silence(),
            |p| matches!(p, ProxyProblem::NotHttp | ProxyProblem::Silent { .. }),
            "",
        ),
    ];
    for (name, credentials, reply, check, text) in cases {
        let proxy = Upstream::start_plain(move |_, _| reply());
        let error = failure(&proxy, credentials).await;
        let FetchError::Proxy { proxy: named, problem, .. } = &error else { panic!("{name}: {error:?}") };
        assert!(check(problem), "{name}: {error:?}");
        assert_eq!(*named, format!("http://{}", address(&proxy)), "{name}");
        let shown = error.to_string();
        assert!(shown.contains(text) && shown.contains(named.as_str()), "{name}: {shown}");
        assert!(!format!("{error:?} {error}").contains("secret"), "{name}: {error:?}");
        assert!(error.is_unreachable(), "{name}");
    }
}

#[tokio::test]
async fn proxy_that_is_not_there_is_named() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let upstream = Upstream::start("127.0.0.1", |_, _| Reply::full(b"found", &[]));
    for scheme in ["http", "https", "socks5h"] {
        let config = proxied(&upstream, &format!("{scheme}://{gone}"));
        let error = HttpClient::new(config).unwrap().get_small(&upstream.base, 10).await.unwrap_err();
        let problem = match &error {
            FetchError::Proxy { problem, .. } => problem,
            other => panic!("{scheme}: {other:?}"),
        };
        assert_eq!(*problem, ProxyProblem::Unreachable, "{scheme}: {error:?}");
        assert!(error.to_string().contains(&gone.to_string()), "{error}");
    }
}

#[tokio::test]
async fn temporary_failures_of_a_proxy_are_tried_again_and_others_are_not() {
    for (status, tries) in [("502 Bad Gateway", 3), ("503 Busy", 3), ("403 Forbidden", 1), ("407 No", 1)] {
        let proxy = Upstream::start_plain(move |_, _| Reply::head(status, &[("Content-Length", "0")]));
        let mut config = config(&proxy);
        config.proxies = Proxies::all(Proxy::parse(&address(&proxy)).unwrap());
        let url = Url::parse("https://install.example/").unwrap();
        HttpClient::new(config).unwrap().get_small(&url, 10).await.unwrap_err();
        assert_eq!(proxy.requests().len(), tries, "{status}");
    }
}

#[tokio::test]
async fn proxy_may_be_reached_over_tls_and_must_show_a_good_certificate() {
    let proxy = Upstream::start("127.0.0.1", |_, _| Reply::head("403 Forbidden", &[("Content-Length", "0")]));
    let url = Url::parse("https://install.example/").unwrap();
    let config = proxied(&proxy, &format!("https://{}", address(&proxy)));
    let error = HttpClient::new(config).unwrap().get_small(&url, 10).await.unwrap_err();
    assert!(
        matches!(&error, FetchError::Proxy { problem: ProxyProblem::Forbidden { status: 403, .. }, .. }),
        "{error:?}"
    );
    let other = Upstream::start("127.0.0.1", |_, _| Reply::full(b"", &[]));
    let config = proxied(&other, &format!("https://{}", address(&proxy)));
    let error = HttpClient::new(config).unwrap().get_small(&url, 10).await.unwrap_err();
    assert!(matches!(&error, FetchError::Proxy { problem: ProxyProblem::Untrusted, .. }), "{error:?}");
}

/// A SOCKS 5 proxy that says what it was asked for and connects to one destination (RFC 1928).
async fn socks_proxy(destination: String) -> (u16, tokio::task::JoinHandle<(u8, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        client.read_exact(&mut [0; 3]).await.unwrap();
        client.write_all(&[5, 0]).await.unwrap();
        let mut head = [0; 5];
        client.read_exact(&mut head).await.unwrap();
        let mut name = vec![0; usize::from(head[4]) + 2];
        client.read_exact(&mut name).await.unwrap();
        client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await.unwrap();
        let mut upstream = TcpStream::connect(destination).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
        name.truncate(name.len() - 2);
        (head[3], String::from_utf8(name).unwrap())
    });
    (port, task)
}

#[tokio::test]
async fn names_are_resolved_by_the_proxy() {
    let upstream = Upstream::start("install.example", |_, _| Reply::full(b"found", &[]));
    for scheme in ["socks5", "socks5h"] {
        let (port, proxy) = socks_proxy(address(&upstream)).await;
        let client = HttpClient::new(proxied(&upstream, &format!("{scheme}://127.0.0.1:{port}"))).unwrap();
        let url = Url::parse("https://install.example/p.zip").unwrap();
        assert_eq!(client.get_small(&url, 10).await.unwrap().as_deref(), Some(&b"found"[..]));
        drop(client);
        const DOMAIN_NAME: u8 = 3;
        assert_eq!(proxy.await.unwrap(), (DOMAIN_NAME, "install.example".to_owned()), "{scheme}");
    }
}
