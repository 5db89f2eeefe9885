//! squid, tinyproxy and microsocks between the client and its upstream.

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::fetch::{
    ClientConfig, Expectation, FetchError, HttpClient, NoProxy, Proxies, ProxyProblem, RetryPolicy,
};
use url::Url;

use crate::fetch::{body, config};
use crate::program::Program;
use crate::upstream::{Reply, Upstream};

const WITH: Option<(&str, &str)> = Some(("anna", "secret"));

/// An upstream that breaks the first connection off and continues afterwards.
fn breaking_once() -> Upstream {
    let tag = &[("ETag", "\"one\"")];
    Upstream::start("127.0.0.1", |request, number| match (number, request.range_start()) {
        (0, _) => Reply::full(&body(), tag).cut(1_000_000),
        (_, Some(start)) => Reply::part(&body(), start, tag),
        (_, None) => Reply::full(&body(), tag),
    })
}

async fn download_through(proxies: Proxies) {
    let upstream = breaking_once();
    let folder = tempfile::tempdir().unwrap();
    let client = HttpClient::new(ClientConfig { proxies, ..config(&upstream) }).unwrap();
    let done = client
        .download(&upstream.url("p.zip"), &folder.path().join("p"), &Expectation::default(), &|_| {})
        .await
        .unwrap();
    assert_eq!(done.sha256, Sha256Digest::of(&body()));
    let requests = upstream.requests();
    assert_eq!(requests.iter().map(|r| r.range_start()).collect::<Vec<_>>(), [None, Some(2_000_000)]);
    assert!(requests.iter().all(|request| request.header("proxy-authorization").is_none()));
}

async fn problem(proxies: Proxies, url: &str) -> ProxyProblem {
    let upstream = breaking_once();
    let retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    let client = HttpClient::new(ClientConfig { proxies, retry, ..config(&upstream) }).unwrap();
    let url = if url.is_empty() { upstream.base.clone() } else { Url::parse(url).unwrap() };
    match client.get_small(&url, 10).await.unwrap_err() {
        FetchError::Proxy { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_go_through_squid() {
    let Some(open) = Program::squid(None).await else { return };
    download_through(Proxies::all(open.proxy(""))).await;
    open.log_with("CONNECT 127.0.0.1:").await;
    assert!(matches!(
        problem(Proxies::all(open.proxy("")), "https://forbidden.example/").await,
        ProxyProblem::Forbidden { status: 403, .. }
    ));
    assert!(matches!(
        problem(Proxies::all(open.proxy("")), "https://127.0.0.1:1/").await,
        ProxyProblem::CannotReach { status: 503, .. }
    ));
    let closed = Program::squid(WITH).await.unwrap();
    download_through(Proxies::all(closed.proxy("anna:secret@"))).await;
    assert!(closed.log_with("CONNECT 127.0.0.1:").await.contains(" anna "));
    assert_eq!(problem(Proxies::all(closed.proxy("")), "").await, ProxyProblem::CredentialsNeeded);
    let refused = problem(Proxies::all(closed.proxy("anna:wrong@")), "").await;
    assert_eq!(refused, ProxyProblem::CredentialsRefused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_http_goes_through_squid() {
    let Some(closed) = Program::squid(WITH).await else { return };
    let upstream = Upstream::start_plain(|_, _| Reply::full(b"found", &[]));
    let mut config =
        ClientConfig { proxies: Proxies::all(closed.proxy("anna:secret@")), ..config(&upstream) };
    config.plain_http_hosts = vec!["127.0.0.1".to_owned()];
    let found = HttpClient::new(config.clone()).unwrap().get_small(&upstream.base, 10).await.unwrap();
    assert_eq!(found.as_deref(), Some(&b"found"[..]));
    assert_eq!(upstream.requests()[0].header("proxy-authorization"), None);
    closed.log_with("GET http://127.0.0.1:").await;
    config.proxies = Proxies::all(closed.proxy(""));
    let error = HttpClient::new(config).unwrap().get_small(&upstream.base, 10).await.unwrap_err();
    assert!(matches!(error, FetchError::Proxy { problem: ProxyProblem::CredentialsNeeded, .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_go_through_tinyproxy() {
    let Some(open) = Program::tinyproxy(None).await else { return };
    download_through(Proxies::all(open.proxy(""))).await;
    assert!(matches!(
        problem(Proxies::all(open.proxy("")), "https://forbidden.example/").await,
        ProxyProblem::Forbidden { status: 403, .. }
    ));
    let closed = Program::tinyproxy(WITH).await.unwrap();
    download_through(Proxies::all(closed.proxy("anna:secret@"))).await;
    assert_eq!(problem(Proxies::all(closed.proxy("")), "").await, ProxyProblem::CredentialsNeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downloads_go_through_microsocks() {
    let Some(open) = Program::microsocks(None).await else { return };
    download_through(Proxies::all(open.proxy(""))).await;
    let closed = Program::microsocks(WITH).await.unwrap();
    download_through(Proxies::all(closed.proxy("anna:secret@"))).await;
    assert_eq!(problem(Proxies::all(closed.proxy("")), "").await, ProxyProblem::CredentialsNeeded);
    let refused = problem(Proxies::all(closed.proxy("anna:wrong@")), "").await;
    assert_eq!(refused, ProxyProblem::CredentialsRefused);
    let down = problem(Proxies::all(open.proxy("")), "https://127.0.0.1:1/").await;
    assert!(matches!(&down, ProxyProblem::Socks { answer } if answer.contains("refused")), "{down:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exceptions_do_not_go_through_the_proxy() {
    let Some(proxy) = Program::squid(None).await else { return };
    for except in ["*", "127.0.0.1", "127.0.0.0/8", "localhost,127.0.0.1"] {
        let except = NoProxy::parse(except).unwrap();
        download_through(Proxies { except, ..Proxies::all(proxy.proxy("")) }).await;
    }
    let with_port = NoProxy::parse("127.0.0.1:1").unwrap();
    download_through(Proxies { except: with_port, ..Proxies::all(proxy.proxy("")) }).await;
    let log = proxy.log_with("CONNECT").await;
    assert!(log.lines().filter(|line| line.contains("CONNECT")).count() <= 2, "{log}");
}
