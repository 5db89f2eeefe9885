//! The pages, the API and the evidence of a real site, asked for with curl.

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use midmirror_fixtures::embedded;
use serde_json::{Value, json};

use crate::site::{Mirror, Run, Site, overwrite};
use crate::tool::{command, is_there, new_core, run};

/// A site with two builds, a file whose signature cannot be checked, and a withdrawn package.
pub(crate) fn furnished() -> Site {
    let site = Site::new();
    let deb = embedded::packages().iter().find(|package| package.path.ends_with(".deb")).unwrap();
    let name = deb.path.rsplit('/').next().unwrap();
    fs::write(site.path(name), deb.bytes).unwrap();
    let digest = crate::tool::sha256sum(&site.path(name));
    site.configure(&format!("[[policy.pin]]\nsha256 = \"{digest}\"\nreason = \"a test\"\n"));
    site.run(&["init"]).expect(0);
    site.run(&["sync", embedded::new_stamp()]).expect(0);
    site.run(&["sync", embedded::old_stamp()]).expect(0);
    site.run(&["import-file", name]).expect(0);
    let old =
        embedded::packages().iter().find(|package| package.path.contains(embedded::old_stamp())).unwrap();
    let reason = "vendor notice <b>PRB1</b>";
    site.run(&["withdraw", "--by", "Jane Operator", "--reason", reason, old.path]).expect(0);
    site
}

/// Status, content type and body.
struct Answer {
    status: u16,
    content_type: String,
    body: String,
}

fn get(site: &Site, mirror: &Mirror, path: &str) -> Answer {
    let answer: Run = command("curl", &site.path(""))
        .args([
            "-sS",
            "--globoff",
            "--path-as-is",
            "--cacert",
            "store.tls/ca.pem",
            "-w",
            "\n%{http_code} %{content_type}",
        ])
        .arg(format!("{}/{path}", mirror.url))
        .output()
        .unwrap()
        .into();
    let answer = answer.expect(0);
    let (body, end) = answer.stdout.rsplit_once('\n').unwrap();
    let (status, content_type) = end.split_once(' ').unwrap();
    Answer { status: status.parse().unwrap(), content_type: content_type.to_owned(), body: body.to_owned() }
}

fn json_of(site: &Site, mirror: &Mirror, path: &str) -> Value {
    let answer = get(site, mirror, path);
    assert_eq!(
        (answer.status, answer.content_type.as_str()),
        (200, "application/json"),
        "{path}: {}",
        answer.body
    );
    serde_json::from_str(&answer.body).unwrap()
}

/// The schema of what an operation answers.
fn validator(description: &Value, path: &str, status: &str) -> Validator {
    let content = &description["paths"][path]["get"]["responses"][status]["content"];
    let schema = content.as_object().unwrap().values().next().unwrap()["schema"].clone();
    let schema = json!({ "allOf": [schema], "components": description["components"] });
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

#[track_caller]
fn expect_valid(validator: &Validator, answer: &Value, what: &str) {
    let errors: Vec<String> = validator.iter_errors(answer).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?}\n{answer:#}");
}

#[test]
fn every_answer_of_the_api_fits_its_description() {
    if !is_there("curl") {
        return;
    }
    let site = furnished();
    let mirror = Mirror::start(&site);
    let description = json_of(&site, &mirror, "api/v1/openapi.json");
    assert_eq!(description["openapi"], "3.1.0");
    let packages = json_of(&site, &mirror, "api/v1/packages");
    let total = packages["total"].as_u64().unwrap();
    assert!(total > 8, "{packages:#}");
    let mut checked = 0;
    let mut check = |path: &str, address: &str| {
        expect_valid(&validator(&description, path, "200"), &json_of(&site, &mirror, address), address);
        checked += 1;
    };
    for path in description["paths"].as_object().unwrap().keys().filter(|path| !path.contains('{')) {
        check(path, &format!("api/v1{path}"));
    }
    check("/packages", "api/v1/packages?q=mid-core&label=verified&limit=1&page=2");
    check("/builds", "api/v1/builds?q=mid-jre&page=9");
    for package in packages["packages"].as_array().unwrap() {
        check("/packages/{sha256}", &format!("api/v1/packages/{}", package["sha256"].as_str().unwrap()));
    }
    for stamp in [embedded::new_stamp(), embedded::old_stamp()] {
        check("/builds/{stamp}", &format!("api/v1/builds/{stamp}"));
    }
    assert!(checked > 20, "{checked}");
    let problem = validator(&description, "/packages", "400");
    for (address, status) in [
        ("packages?kind=x", 400),
        ("packages?colour=red", 400),
        ("packages?page=1&page=2", 400),
        ("health?x", 400),
        ("nothing", 404),
        ("", 404),
        ("packages/../../../healthz", 404),
        (&format!("packages/{}", "0".repeat(64)), 404),
        ("builds/zurich", 404),
        (&format!("packages?q={}", "x".repeat(5000)), 400),
        (&format!("packages/{}", "x".repeat(5000)), 414),
    ] {
        let answer = get(&site, &mirror, &format!("api/v1/{address}"));
        assert_eq!(
            (answer.status, answer.content_type.as_str()),
            (status, "application/problem+json"),
            "{address}"
        );
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        expect_valid(&problem, &body, address);
        assert_eq!(body["status"], status);
    }

    // A schema that fits everything would prove nothing.
    let mut wrong = packages["packages"][0].clone();
    wrong["label"] = "fine".into();
    let wrong = json!({ "packages": [wrong], "total": 1, "page": 1, "pages": 1, "limit": 1 });
    assert!(!validator(&description, "/packages", "200").is_valid(&wrong));
}

/// The admission of the newer core package, as the API tells it.
fn detail(site: &Site, mirror: &Mirror) -> (String, Value) {
    let core = site.blob(new_core().path).file_name().unwrap().to_string_lossy().into_owned();
    let detail = json_of(site, mirror, &format!("api/v1/packages/{core}"));
    (core, detail["packages"][0].clone())
}

#[test]
fn evidence_of_published_packages_is_served_and_says_what_the_page_says() {
    if !is_there("curl") {
        return;
    }
    let site = furnished();
    let mirror = Mirror::start(&site);
    let (core, detail) = detail(&site, &mirror);
    let report = &detail["report"];
    assert_eq!(report["jarsigner"]["result"], "jar verified.");
    assert_eq!(report["agent"]["accepted"], true);
    assert_eq!(report["changes"][0]["at"], report["holds_until"]);
    let admission = &detail["admission"];
    let number = admission["number"].as_u64().unwrap();
    let index = admission["log"]["index"].as_u64().unwrap();
    let documents = admission["documents"].as_array().unwrap();
    assert_eq!(documents.len(), 7, "{documents:#?}");
    let folder = site.path("store/evidence").join(&core[..2]).join(&core);
    for document in documents {
        let (name, path) = (document["name"].as_str().unwrap(), document["path"].as_str().unwrap());
        let answer = get(&site, &mirror, path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.content_type.starts_with("text/html"), "{path}");
        let stored = match name {
            "statement.dsse.json" => folder.join(format!("{number:08}.{name}")),
            _ => folder.join(format!("{number:08}")).join(name),
        };
        if let Ok(stored) = fs::read_to_string(stored) {
            assert!(answer.body == stored, "{path} is not what is stored");
        }
    }
    let origin = json_of(&site, &mirror, &format!("evidence/{core}/{number}/origin.json"));
    assert_eq!((origin["from"].as_str(), &origin["url"]), (Some("other-server"), &Value::Null));

    // The proof is the one that the program makes, which python checks in `log.rs`.
    let proof = get(&site, &mirror, &format!("evidence/{core}/{number}/log.tlog-proof")).body;
    assert_eq!(proof, site.run(&["log", "prove", new_core().path]).expect(0).stdout);
    assert!(proof.contains(&format!("index {index}\n")), "{proof}");

    let page = get(&site, &mirror, &format!("package/{core}")).body;
    for said in
        ["jar verified.", "accepts it", &format!("number {number} of this store"), "CN=midmirror TEST Root"]
    {
        assert!(page.contains(said), "{said}");
    }
    let until = report["holds_until"].as_str().unwrap();
    assert!(page.contains(&format!("<time datetime=\"{until}\">")), "{until}");
    let home = get(&site, &mirror, "").body;
    assert!(home.contains(&format!("<time datetime=\"{until}\">{}</time>", &until[..10])));
    assert!(home.contains("vendor notice &lt;b&gt;PRB1&lt;/b&gt;") && home.contains("signature not checked"));

    // Nothing of persons, of other servers, or of this machine's folders.
    let upstream = site.upstream().base_url();
    let place = site.path("").to_string_lossy().into_owned();
    for path in [
        "",
        &format!("package/{core}"),
        "api/v1/packages",
        &format!("api/v1/packages/{core}"),
        "api/v1/withdrawn",
    ] {
        let body = get(&site, &mirror, path).body;
        for secret in ["Jane Operator", upstream.trim_end_matches('/'), place.trim_end_matches('/')] {
            assert!(!body.contains(secret), "{secret} in {path}");
        }
    }
}

#[test]
fn evidence_of_nothing_else_is_served() {
    if !is_there("curl") {
        return;
    }
    let site = furnished();
    let mirror = Mirror::start(&site);
    let (core, detail) = detail(&site, &mirror);
    let number = detail["admission"]["number"].as_u64().unwrap();
    let good = format!("evidence/{core}/{number}/report.json");
    assert_eq!(get(&site, &mirror, &good).status, 200);
    let withdrawn =
        json_of(&site, &mirror, "api/v1/withdrawn")["withdrawn"][0]["sha256"].as_str().unwrap().to_owned();
    let padded = format!("{number:08}");
    for path in [
        format!("evidence/{core}/{number}/fetch.json"),
        format!("evidence/{core}/{padded}/report.json"),
        format!("evidence/{core}/{}/report.json", number + 1),
        format!("evidence/{core}/{number}/../{number}/report.json"),
        format!("evidence/{core}/{number}/report.json/"),
        format!("evidence/{}/{number}/report.json", core.to_uppercase()),
        format!("evidence/{}/{core}/{padded}/report.json", &core[..2]),
        format!("package/{withdrawn}"),
        format!("api/v1/packages/{withdrawn}"),
    ] {
        assert_eq!(get(&site, &mirror, &path).status, 404, "{path}");
    }
    for number in 1..20 {
        let path = format!("evidence/{withdrawn}/{number}/report.json");
        assert_eq!(get(&site, &mirror, &path).status, 404, "{path}");
    }

    // A report that was changed is neither served nor shown; the rest is.
    let file = site.path("store/evidence").join(&core[..2]).join(&core).join(&padded).join("report.json");
    let changed = fs::read_to_string(&file).unwrap().replace("jar verified.", "jar verified!");
    overwrite(&file, changed.as_bytes());
    assert_eq!(get(&site, &mirror, &good).status, 503);
    let page = get(&site, &mirror, &format!("package/{core}"));
    assert!(page.status == 200 && !page.body.contains("jar verified!"), "{}", page.body);
    assert!(page.body.contains("The report of it cannot be shown here"));
    let detail = json_of(&site, &mirror, &format!("api/v1/packages/{core}"));
    assert_eq!(detail["packages"][0]["report"], Value::Null);
}

/// Schemathesis of the given interpreter; none if it has none.
fn has_schemathesis(python: &Path) -> bool {
    let probe = command(python, Path::new(".")).args(["-c", "import schemathesis"]).output();
    let there = probe.is_ok_and(|output| output.status.success());
    if !there {
        crate::tool::skip("no python with the package schemathesis (MIDMIRROR_PYTHON names one)");
    }
    there
}

#[test]
fn schemathesis_finds_no_failure() {
    let python = std::env::var_os("MIDMIRROR_PYTHON").unwrap_or_else(|| "python3".into());
    if !has_schemathesis(Path::new(&python)) {
        return;
    }
    let site = furnished();
    let mirror = Mirror::start(&site);
    let base = format!("{}/api/v1", mirror.url);
    let tested: Run = command(&python, &site.path(""))
        .args(["-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"])
        .arg(format!("{base}/openapi.json"))
        .args(["--url", &base, "--tls-verify", "store.tls/ca.pem", "--checks", "all"])
        .args(["--max-examples", "25", "--seed", "1", "--no-color"])
        .output()
        .unwrap()
        .into();
    tested.expect(0).says("No issues found");
    // The server has survived it.
    assert_eq!(
        run(&site.path(""), &format!("curl -sf --cacert store.tls/ca.pem {}/healthz", mirror.url)).code,
        0
    );
}
