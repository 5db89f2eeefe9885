//! The vendor's paths with `latest` in place of a build.

use std::process::Command;

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::Label;
use midmirror_mirror::fetch::{ClientConfig, Expectation, HttpClient, Roots};
use midmirror_mirror::serve::{AccessLogConfig, AccessLogFormat, ServeConfig};
use serde_json::Value;

use crate::mirror::{CORE, Mirror, core_bytes, publish, put};

const LATEST: &str =
    "glide/distribution/builds/package/app-signed/mid-core/latest/mid-core.universal.universal.zip";
/// Built later than [`CORE`], of an older family.
const NEWER: &str = "glide/distribution/builds/package/app-signed/mid-core/2026/06/19/\
    mid-core.yokohama-12-18-2024__patch12-hotfix2b-05-18-2026_06-19-2026_0219.universal.universal.zip";

/// A mirror with two builds of a package, of which the newer one was admitted first.
async fn mirror(adapt: impl FnOnce(&mut ServeConfig)) -> Mirror {
    let mirror = Mirror::start_with(|config| {
        config.latest = true;
        adapt(config);
    })
    .await;
    let newer = put(&mirror.store, NEWER, b"newer", Label::Verified);
    mirror.catalog.lock().unwrap().entries.insert(0, newer);
    publish(&mirror.store, "2");
    mirror
}

#[tokio::test]
async fn latest_is_not_here_unless_it_is_switched_on() {
    let mirror = Mirror::start().await;
    let answer = mirror.get(&format!("/{LATEST}")).await;
    assert_eq!((answer.status, answer.header("location")), (404, None));
    assert!(answer.text().contains("`latest = true` in [serve]"), "{}", answer.text());
    let api: Value = serde_json::from_slice(&mirror.get("/api/v1/latest").await.body).unwrap();
    assert_eq!(api["resolved"], false);
}

#[tokio::test]
async fn latest_leads_to_the_newest_build_and_to_the_one_before_when_that_is_withdrawn() {
    let mirror = mirror(|_| {}).await;
    let newest = format!("/{NEWER}");
    for (method, headers) in [
        ("GET", &[][..]),
        ("HEAD", &[]),
        ("GET", &[("Range", "bytes=5-9")]),
        ("GET", &[("If-None-Match", "*")]),
        ("GET", &[("If-Match", "\"other\"")]),
    ] {
        let answer = mirror.ask(method, &format!("/{LATEST}?x=1"), headers).await;
        let found = (answer.status, answer.header("location"), answer.header("cache-control"));
        assert_eq!(found, (302, Some(newest.as_str()), Some("no-cache")), "{method} {headers:?}");
        assert_eq!((answer.header("etag"), answer.header("last-modified")), (None, None));
    }
    let options = mirror.ask("OPTIONS", &format!("/{LATEST}"), &[]).await;
    assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    assert_eq!(mirror.ask("POST", &format!("/{LATEST}"), &[("Content-Length", "0")]).await.status, 405);
    let api: Value = serde_json::from_slice(&mirror.get("/api/v1/latest").await.body).unwrap();
    let core = api["latest"].as_array().unwrap().iter().find(|item| item["latest"] == LATEST).unwrap();
    assert_eq!((api["resolved"].as_bool(), core["path"].as_str()), (Some(true), Some(NEWER)));
    assert_eq!(core["sha256"], Sha256Digest::of(b"newer").to_hex());
    // Nothing of the other tree, of another platform, or under a TUF path.
    for none in [
        LATEST.replace("app-signed/", ""),
        LATEST.replace("universal.universal", "linux.x86-64"),
        LATEST.replace("mid-core", "mid-jre"),
    ] {
        let answer = mirror.get(&format!("/{none}")).await;
        assert_eq!((answer.status, answer.text().contains("nothing of this tree")), (404, true), "{none}");
    }
    assert_eq!(mirror.get(&format!("/repository/targets/{LATEST}")).await.status, 404);

    mirror.catalog.lock().unwrap().entries.remove(0);
    publish(&mirror.store, "3");
    let answer = mirror.get(&format!("/{LATEST}")).await;
    assert_eq!(answer.header("location"), Some(format!("/{CORE}").as_str()));
}

#[tokio::test]
async fn latest_stays_below_the_prefix_that_was_used() {
    let mirror = mirror(|config| config.prefix = Some("/midmirror".to_owned())).await;
    for prefix in ["", "/midmirror"] {
        let answer = mirror.get(&format!("{prefix}/{LATEST}")).await;
        assert_eq!(answer.header("location"), Some(format!("{prefix}/{NEWER}").as_str()));
    }
}

#[tokio::test]
async fn own_client_and_curl_follow_and_log_and_counters_name_the_package() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let log = AccessLogConfig { file: file.clone(), format: AccessLogFormat::Json };
    let mut mirror = mirror(|config| config.access_log = Some(log)).await;
    mirror.catalog.lock().unwrap().entries.remove(0);
    publish(&mirror.store, "3");
    let roots = Roots::Only { pem: mirror.tls.ca_pem.clone().into_bytes() };
    let client = HttpClient::new(ClientConfig { roots, ..ClientConfig::default() }).unwrap();
    let url = format!("https://localhost:{}/{LATEST}", mirror.address.port());
    let part = folder.path().join("own.part");
    let expectation = Expectation { sha256: Some(Sha256Digest::of(&core_bytes())), ..Expectation::default() };
    client.download(&url.parse().unwrap(), &part, &expectation, &|_| {}).await.unwrap();
    let mut downloads = 1;
    if curl(&mirror, folder.path(), &url).await {
        downloads += 1;
    }
    let name = CORE.rsplit_once('/').unwrap().1;
    let metrics = mirror.get("/metrics").await;
    let line = format!("midmirror_downloads_total{{package=\"{name}\"}} {downloads}");
    assert!(metrics.text().lines().any(|found| found == line), "{}", metrics.text());
    assert!(!metrics.text().contains("latest"));

    drop(mirror.stop.take());
    mirror.server.take().unwrap().wait().await;
    let lines = std::fs::read_to_string(&file).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found: Vec<(String, u64)> = lines
        .map(|line| (line["target"].as_str().unwrap().to_owned(), line["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(found[..2], [(format!("/{LATEST}"), 302), (format!("/{CORE}"), 200)]);
}

/// Downloads with curl, the second half by itself; false if there is no curl.
async fn curl(mirror: &Mirror, folder: &std::path::Path, url: &str) -> bool {
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, &mirror.tls.ca_pem).unwrap();
    let file = folder.join("curl.zip");
    std::fs::write(&file, &core_bytes()[..100_000]).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["-q", "-sSfL", "--noproxy", "*", "-C", "-", "-w", "%{http_code} %{num_redirects}"]);
    curl.arg("--cacert").arg(ca).arg("-o").arg(&file).arg(url);
    let output = match tokio::task::spawn_blocking(move || curl.output()).await.unwrap() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "no curl");
            eprintln!("skipped: no curl");
            return false;
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "206 1");
    assert!(std::fs::read(&file).unwrap() == core_bytes());
    true
}
