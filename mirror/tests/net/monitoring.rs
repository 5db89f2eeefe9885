//! What the server tells of itself: metrics, health, access log.

use std::time::{Duration, Instant};

use midmirror_mirror::serve::{AccessLogConfig, AccessLogFormat, ScrubConfig};

use crate::mirror::{CORE, Mirror, core_bytes};

/// The value of a line of the metrics.
fn value(metrics: &str, name: &str) -> Option<f64> {
    let rest = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    rest.parse().ok()
}

/// Asks until something is so.
async fn until(mirror: &Mirror, path: &str, what: impl Fn(&str) -> bool) -> String {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let text = mirror.get(path).await.text().to_owned();
        if what(&text) {
            return text;
        }
        assert!(Instant::now() < patience, "{path} still says {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn metrics_count_requests_bytes_downloads_and_handshakes() {
    let mirror = Mirror::start().await;
    mirror.get(&format!("/{CORE}")).await;
    mirror.ask("GET", &format!("/{CORE}"), &[("Range", "bytes=0-99")]).await;
    mirror.get("/nothing").await;
    mirror.ask("BREW", "/", &[]).await;
    let answer = mirror.get("/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let text = until(&mirror, "/metrics", |text| {
        value(text, "midmirror_http_sent_bytes_total").is_some_and(|bytes| bytes >= 300_100.0)
    })
    .await;
    let name = CORE.rsplit_once('/').unwrap().1;
    for (line, expected) in [
        ("midmirror_http_requests_total{method=\"GET\",status=\"200\"}".to_owned(), 2.0),
        ("midmirror_http_requests_total{method=\"GET\",status=\"206\"}".to_owned(), 1.0),
        ("midmirror_http_requests_total{method=\"GET\",status=\"404\"}".to_owned(), 1.0),
        ("midmirror_http_requests_total{method=\"Other\",status=\"405\"}".to_owned(), 1.0),
        (format!("midmirror_downloads_total{{package=\"{name}\"}}"), 1.0),
        ("midmirror_catalog_packages".to_owned(), 2.0),
        ("midmirror_problem".to_owned(), 0.0),
        ("midmirror_bad_files".to_owned(), 0.0),
        ("midmirror_connections".to_owned(), 1.0),
    ] {
        // The requests for the metrics themselves are GET with 200 as well.
        let found = value(&text, &line);
        assert!(found.is_some_and(|found| found >= expected), "{line} is {found:?}, expected {expected}");
    }
    assert!(value(&text, "midmirror_tls_handshakes_total{outcome=\"done\"}").unwrap() >= 5.0);
    assert!(value(&text, "midmirror_catalog_published_timestamp_seconds").unwrap() > 1.7e9);
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn scrub_finds_a_bad_file_before_anybody_asks_for_it() {
    let mirror = Mirror::start_with(|config| {
        config.scrub = ScrubConfig { bytes_per_second: u64::MAX, every: Duration::from_millis(100) };
    })
    .await;
    assert_eq!(mirror.get("/healthz").await.status, 200);
    assert_eq!(mirror.get("/readyz").await.text(), "ready\n");
    let blob = mirror.blob(&core_bytes());
    let mut changed = core_bytes();
    changed[150_000] ^= 1;
    std::fs::write(&blob, &changed).unwrap();
    let said = until(&mirror, "/healthz", |text| text != "ok\n").await;
    assert!(said.contains("has been changed") && said.contains("store check --full --repair"), "{said}");
    let metrics = mirror.get("/metrics").await;
    assert_eq!(value(metrics.text(), "midmirror_bad_files"), Some(1.0));
    assert_eq!(value(metrics.text(), "midmirror_problem"), Some(1.0));
    let answer = mirror.get(&format!("/{CORE}")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, None));
    std::fs::write(&blob, core_bytes()).unwrap();
    until(&mirror, "/healthz", |text| text == "ok\n").await;
    assert_eq!(mirror.get(&format!("/{CORE}")).await.status, 200);
}

#[tokio::test]
async fn long_requests_do_not_make_long_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let config = AccessLogConfig { file: file.clone(), format: AccessLogFormat::Json };
    let mut mirror = Mirror::start_with(|serve| serve.access_log = Some(config)).await;
    let long = "A".repeat(6000);
    mirror.ask(&long, "/", &[]).await;
    mirror.ask("GET", &format!("/{long}\u{fc}"), &[]).await;
    mirror.ask("GET", &format!("/?q={long}"), &[("User-Agent", &long)]).await;
    drop(mirror.stop.take());
    mirror.server.take().unwrap().wait().await;
    let lines = std::fs::read_to_string(&file).unwrap();
    let lengths: Vec<usize> = lines.lines().map(str::len).collect();
    assert!(lengths.len() == 3 && lengths.iter().all(|length| *length < 3000), "{lengths:?}");
}

#[tokio::test]
async fn access_log_has_a_line_for_each_request_with_the_id_that_the_client_got() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let config = AccessLogConfig { file: file.clone(), format: AccessLogFormat::Json };
    let mut mirror = Mirror::start_with(|serve| serve.access_log = Some(config)).await;
    let answer = mirror
        .ask("GET", &format!("/{CORE}?x=1"), &[("Range", "bytes=5-9"), ("User-Agent", "a \"b\"")])
        .await;
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert_ne!(mirror.get("/").await.header("x-request-id"), Some(id.as_str()));
    drop(mirror.stop.take());
    mirror.server.take().unwrap().wait().await;
    let lines = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [first, second] = lines.as_slice() else { panic!("{lines:?}") };
    for (name, expected) in [
        ("id", serde_json::json!(id)),
        ("peer", "127.0.0.1".into()),
        ("method", "GET".into()),
        ("target", format!("/{CORE}?x=1").into()),
        ("version", "HTTP/1.1".into()),
        ("tls", true.into()),
        ("status", 206.into()),
        ("sent", 5.into()),
        ("length", 5.into()),
        ("range", "bytes=5-9".into()),
        ("user_agent", "a \"b\"".into()),
    ] {
        assert_eq!(first[name], expected, "{name}");
    }
    assert_eq!((&second["status"], &second["user_agent"]), (&200.into(), &serde_json::Value::Null));
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_requests_and_no_more() {
    let mirror = Mirror::start_with(|config| config.limits.connections_per_address = 2).await;
    let held = [mirror.connect(&[b"http/1.1"]).await, mirror.connect(&[b"http/1.1"]).await];
    assert_eq!(mirror.get("/healthz").await.status, 503);
    drop(held);
    let mirror = Mirror::start_with(|config| config.limits.requests_per_second_per_address = 1).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let answer = mirror.get("/healthz").await;
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        statuses.push(answer.status);
    }
    assert!(statuses.starts_with(&[200]) && statuses.contains(&429), "{statuses:?}");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(mirror.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn too_many_and_too_often_are_problems_for_programs_and_text_for_others() {
    let form = |answer: &crate::mirror::Answer, status: u16, path: &str| {
        assert_eq!(answer.status, status, "{path}");
        let is_api = path.contains("/api/");
        let expected = if is_api { "application/problem+json" } else { "text/plain; charset=utf-8" };
        assert_eq!(answer.header("content-type"), Some(expected), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert!(answer.header("retry-after").is_some(), "{path}");
        if is_api {
            let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!((&problem["status"], problem["detail"].is_string()), (&status.into(), true));
        }
    };
    let paths = ["/api/v1/packages", "/m/api/v1/none", "/api/v2/x", "/healthz", &format!("/{CORE}"), "/m/"];
    let mirror = Mirror::start_with(|config| {
        config.limits.connections_per_address = 1;
        config.prefix = Some("/m".to_owned());
    })
    .await;
    let held = mirror.connect(&[b"http/1.1"]).await;
    for path in paths {
        form(&mirror.get(path).await, 503, path);
    }
    assert!(mirror.ask("HEAD", "/api/v1/packages", &[]).await.body.is_empty());
    drop(held);
    let mirror = Mirror::start_with(|config| {
        config.limits.requests_per_second_per_address = 1;
        config.prefix = Some("/m".to_owned());
    })
    .await;
    for path in paths {
        let patience = Instant::now() + Duration::from_secs(20);
        let mut answer = mirror.get(path).await;
        while answer.status != 429 {
            assert!(Instant::now() < patience);
            answer = mirror.get(path).await;
        }
        form(&answer, 429, path);
    }
}
