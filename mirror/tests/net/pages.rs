//! Pages and API of a mirror with many packages, asked over real connections.

use std::collections::BTreeSet;

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::Label;
use midmirror_mirror::catalog::CatalogEntry;
use midmirror_mirror::package::PackagePath;
use midmirror_mirror::withdraw::WithdrawnPackage;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::mirror::{Answer, CORE, Mirror, SIGNER, at, core_bytes, publish, put};

/// Builds of two families, each with one package of each of two kinds.
async fn many(builds: u32) -> Mirror {
    let mirror = Mirror::start().await;
    let mut entries = Vec::new();
    for number in 0..builds {
        let (hour, minute) = (number / 60, number % 60);
        let family = if number % 2 == 0 { "zurich-07-01-2025" } else { "yokohama-12-18-2024" };
        for kind in ["mid-core", "mid-upgrade"] {
            let stamp = format!("{family}__patch{number}-06-13-2026_06-19-2026_{hour:02}{minute:02}");
            let path = format!(
                "glide/distribution/builds/package/app-signed/{kind}/2026/06/19/{kind}.{stamp}.universal.universal.zip"
            );
            entries.push(entry(&path));
        }
    }
    mirror.catalog.lock().unwrap().entries = entries;
    publish(&mirror.store, "many");
    mirror
}

fn entry(path: &str) -> CatalogEntry {
    CatalogEntry {
        path: PackagePath::parse(path).unwrap(),
        sha256: Sha256Digest::of(path.as_bytes()),
        length: 300_000_000,
        label: Label::Verified,
        signer: Some(SIGNER.to_owned()),
        signed_at: Some(at(5)),
        admitted_at: at(10),
        first_admitted_at: None,
        by_earlier_admission: false,
        report: None,
    }
}

async fn json(mirror: &Mirror, path: &str) -> Value {
    let answer = mirror.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Links to pages of packages.
fn packages_on(answer: &Answer) -> BTreeSet<String> {
    let links = answer.text().split("href=\"package/").skip(1);
    links.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn pages_of_a_long_list_cover_it_once_and_links_lead_from_one_to_the_next() {
    let mirror = many(50).await;
    let mut seen = BTreeSet::new();
    let mut next = Some("/".to_owned());
    let mut pages = 0;
    while let Some(path) = next {
        let answer = mirror.get(&path).await;
        let found = packages_on(&answer);
        assert!(found.len() <= 40 && found.is_disjoint(&seen), "{path}");
        seen.extend(found);
        pages += 1;
        let links = answer.text().split("<a href=\"./").skip(1);
        let link =
            links.map(|rest| rest.split_once('"').unwrap()).find(|(_, rest)| rest.starts_with(">Next page"));
        next = link.map(|(link, _)| format!("/{}", link.split('#').next().unwrap().replace("&amp;", "&")));
    }
    assert_eq!((pages, seen.len()), (3, 100));

    let filtered = mirror.get("/?family=zurich&kind=mid-core&page=2").await;
    assert_eq!(packages_on(&filtered).len(), 5);
    assert!(filtered.text().contains("25 of 100 packages found, in 25 builds."));
    assert!(filtered.text().contains("href=\"./?family=zurich&amp;kind=mid-core#packages\">Previous page"));
    assert!(filtered.text().contains("<option value=\"zurich\" selected>Zurich</option>"));
    // Behind the last page is the last page.
    assert_eq!(packages_on(&mirror.get("/?page=1000").await).len(), 20);
    assert_eq!(packages_on(&mirror.get("/?q=yokohama+patch+49+mid-core").await).len(), 1);
    assert!(mirror.get("/?q=nonsense").await.text().contains("None of the 100 packages fits."));
}

#[tokio::test]
async fn lists_of_the_api_are_paged_and_filtered_the_same_way() {
    let mirror = many(50).await;
    let mut seen = BTreeSet::new();
    for page in 1..=4 {
        let list = json(&mirror, &format!("/api/v1/packages?limit=30&page={page}")).await;
        assert_eq!((&list["total"], &list["pages"]), (&100.into(), &4.into()));
        let packages = list["packages"].as_array().unwrap();
        seen.extend(packages.iter().map(|package| package["path"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen.len(), 100);
    assert_eq!(json(&mirror, "/api/v1/packages?limit=30&page=5").await["packages"], Value::Array(Vec::new()));
    assert_eq!(json(&mirror, "/api/v1/packages?family=yokohama&kind=mid-core").await["total"], 25);
    let builds = json(&mirror, "/api/v1/builds?family=zurich&q=mid-core&limit=1").await;
    assert_eq!((&builds["total"], &builds["builds"][0]["packages"]), (&25.into(), &1.into()));
    // The newest family and build first.
    assert_eq!(builds["builds"][0]["title"], "Zurich patch 48");
    let stamp = builds["builds"][0]["stamp"].as_str().unwrap();
    assert_eq!(
        json(&mirror, &format!("/api/v1/builds/{stamp}")).await["packages"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn what_is_searched_and_what_others_wrote_is_escaped_and_nothing_but_our_own_style_may_run() {
    let mirror = Mirror::start().await;
    mirror.catalog.lock().unwrap().withdrawn = vec![WithdrawnPackage {
        sha256: Sha256Digest::of(b"gone"),
        paths: vec![PackagePath::parse(&CORE.replace("hotfix2", "hotfix1")).unwrap()],
        at: at(20),
        reason: "<script>alert(1)</script> \u{202e}evil".to_owned(),
    }];
    publish(&mirror.store, "withdrawn");
    let digest = Sha256Digest::of(&core_bytes());
    let search =
        "/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&build=%22onfocus=alert(1)&family=%3Cb%3E&label=%27";
    for path in ["/", search, &format!("/package/{digest}")] {
        let answer = mirror.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'")
        );
        assert!(!policy.contains("unsafe") && !policy.contains("script"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        let text = answer.text();
        for evil in ["<script", "<b>", "style=\"", "\"onfocus", "\u{202e}", "http://"] {
            assert!(!text.contains(evil), "{evil} in {path}");
        }
    }
    let home = mirror.get("/").await;
    assert!(home.text().contains("&lt;script&gt;alert(1)&lt;/script&gt; \\u{202e}evil"));
    let found = mirror.get(search).await;
    assert!(found.text().contains("value=\"&quot;&gt;&lt;script&gt;"));
    assert!(found.text().contains("family has to be 1 to 50 small letters; everything is shown."));
    let api = mirror.get("/api/v1/withdrawn").await;
    assert!(api.header("content-security-policy").unwrap().contains("sandbox"));
    let list: Value = serde_json::from_slice(&api.body).unwrap();
    assert_eq!(list["withdrawn"][0]["reason"], "<script>alert(1)</script> \u{202e}evil");
}

#[tokio::test]
async fn answers_have_tags_and_errors_are_problems() {
    let mirror = Mirror::start().await;
    let digest = Sha256Digest::of(&core_bytes());
    for path in [
        "/",
        "/style.css",
        "/icon.svg",
        "/api/v1/packages",
        "/api/v1/openapi.json",
        &format!("/package/{digest}"),
    ] {
        let answer = mirror.get(path).await;
        let tag = answer.header("etag").unwrap().to_owned();
        let again = mirror.ask("GET", path, &[("If-None-Match", &tag)]).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert!(mirror.ask("HEAD", path, &[]).await.body.is_empty(), "{path}");
        assert_eq!(mirror.ask("POST", path, &[("Content-Length", "0")]).await.status, 405, "{path}");
    }
    for (method, path, headers, status) in [
        ("GET", "/api/v1/packages?x=1", None, 400),
        ("GET", "/api/v1/none", None, 404),
        ("DELETE", "/api/v1/packages", None, 405),
        ("GET", "/api/v1/catalog", Some(("If-Match", "\"other\"")), 412),
        ("GET", "/api/v1/catalog", Some(("Range", "bytes=999999-")), 416),
    ] {
        let headers: Vec<_> = headers.into_iter().collect();
        let answer = mirror.ask(method, path, &headers).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        assert_eq!(answer.header("content-length").unwrap(), answer.body.len().to_string(), "{path}");
        let problem: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem["status"], status, "{path}");
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{path}");
    }
    assert_eq!(
        mirror.ask("DELETE", "/api/v1/packages", &[]).await.header("allow"),
        Some("GET, HEAD, OPTIONS")
    );
    assert_eq!(mirror.ask("OPTIONS", "/api/v1/packages", &[]).await.status, 204);
}

#[tokio::test]
async fn problem_names_the_parameter_its_value_and_what_is_allowed() {
    let mirror = Mirror::start().await;
    let parameter = async |query: &str| {
        let answer = mirror.get(&format!("/api/v1/packages?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        serde_json::from_slice::<Value>(&answer.body).unwrap()["parameter"].take()
    };
    let kind = parameter("kind=%3Cb%3E%0Amid").await;
    assert_eq!((&kind["name"], &kind["value"]), (&"kind".into(), &"\\u{3c}b\\u{3e}\\u{a}mid".into()));
    assert!(kind["allowed"].as_array().unwrap().contains(&"mid-core".into()), "{kind}");
    let unknown = parameter("colour=red").await;
    assert_eq!((&unknown["name"], &unknown["value"]), (&"colour".into(), &"red".into()));
    assert!(unknown["allowed"].as_array().unwrap().contains(&"platform".into()), "{unknown}");
    let limit = parameter("limit=1001").await;
    assert_eq!((&limit["value"], &limit["expected"]), (&"1001".into(), &"a number from 1 to 1000".into()));
    assert_eq!(parameter("page=1&page=2").await["value"], "2");
    let long = parameter(&format!("family={}", "%F4%8F%BF%BF".repeat(300))).await;
    assert!(long["value"].as_str().unwrap().len() < 1100);
    assert_eq!(parameter(&format!("q={}", "x".repeat(5000))).await, Value::Null);
}

#[tokio::test]
async fn state_of_the_server_is_the_same_on_page_and_api_and_told_in_time() {
    let mirror = Mirror::start().await;
    assert_eq!(json(&mirror, "/api/v1/health").await["status"], "good");
    assert!(!mirror.get("/").await.text().contains("class=\"note"));
    mirror.catalog.lock().unwrap().expires = at(-1_000_000_000);
    publish(&mirror.store, "2");
    let health = json(&mirror, "/api/v1/health").await;
    assert_eq!(health["status"], "failing");
    let problem = health["problem"].as_str().unwrap();
    assert!(problem.contains("has expired"), "{problem}");
    assert!(mirror.get("/").await.text().contains(problem));
    // Nothing is said of hosts, and nothing of it is on the plain listener.
    let digest = Sha256Digest::of(&core_bytes());
    let package = format!("package/{digest}");
    for path in ["", "style.css", "icon.svg", "api/v1/health", "api/v1/openapi.json", &package] {
        let mut stream = TcpStream::connect(mirror.plain.unwrap()).await.unwrap();
        let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(Answer::read(stream).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn damaged_package_is_told_without_a_place_on_the_machine() {
    let mirror = Mirror::start().await;
    let blob = mirror.blob(&core_bytes());
    let digest = Sha256Digest::of(&core_bytes());
    let place = mirror.store.root_dir().to_str().unwrap().to_owned();
    let mut changed = core_bytes();
    changed[7] ^= 1;
    for (damage, said) in [
        (&b"damaged"[..], "has 7 bytes, the catalog says 300000"),
        (&changed, "has been changed: its SHA-256 is"),
        (b"", "cannot be read"),
    ] {
        std::fs::remove_file(&blob).unwrap();
        if !damage.is_empty() {
            std::fs::write(&blob, damage).unwrap();
        }
        let refused = mirror.get(&format!("/{CORE}")).await;
        assert_eq!(refused.status, 503);
        assert!(!refused.text().contains(&place));
        assert_eq!(json(&mirror, "/api/v1/health").await["status"], "failing");
        for path in ["/", "/healthz", "/api/v1/health"] {
            let answer = mirror.get(path).await;
            let text = answer.text();
            assert!(text.contains(&format!("{CORE} (sha256 {digest}) {said}")), "{path}: {text}");
            assert!(text.contains("1 of the stored packages") && !text.contains(&place), "{path}: {text}");
        }
        std::fs::write(&blob, core_bytes()).unwrap();
        assert_eq!(mirror.get(&format!("/{CORE}")).await.status, 200);
        assert_eq!(mirror.get("/healthz").await.text(), "ok\n");
    }
}

#[tokio::test]
async fn digest_of_what_was_withdrawn_tells_why() {
    let mirror = Mirror::start().await;
    let sha256 = Sha256Digest::of(b"gone");
    mirror.catalog.lock().unwrap().withdrawn =
        vec![WithdrawnPackage { sha256, paths: Vec::new(), at: at(20), reason: "upgrade loops".to_owned() }];
    publish(&mirror.store, "withdrawn");
    let answer = mirror.get(&format!("/package/{sha256}")).await;
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("withdrawn from this mirror") && answer.text().contains("upgrade loops"));
}

#[tokio::test]
async fn bytes_under_two_paths_have_one_page() {
    let mirror = Mirror::start().await;
    let twin = CORE.replace("app-signed/", "");
    let entry = put(&mirror.store, &twin, &core_bytes(), Label::Verified);
    mirror.catalog.lock().unwrap().entries.push(entry);
    publish(&mirror.store, "2");
    let digest = Sha256Digest::of(&core_bytes());
    let page = mirror.get(&format!("/package/{digest}")).await;
    assert!(page.text().contains("Also published as") && page.text().contains(&twin));
    let detail = json(&mirror, &format!("/api/v1/packages/{digest}")).await;
    let packages = detail["packages"].as_array().unwrap();
    assert_eq!(packages.len(), 2);
    // There is no evidence in this store, and that is said.
    assert_eq!((&packages[0]["admission"], &packages[0]["report"]), (&Value::Null, &Value::Null));
    assert!(page.text().contains("There is no evidence of this admission"));
    assert_eq!(mirror.get(&format!("/evidence/{digest}/1/report.json")).await.status, 404);
}
