//! A withdrawn package: gone from the server at once, refused by everybody who knows the catalog, and back when that is
//! lifted.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use midmirror_fixtures::embedded;
use serde_json::Value;
use sha2::Digest as _;

use crate::site::{Mirror, Site, free_port};

const REASON: &str = "vendor notice of 2026-11-30";

/// The core package of the newer build.
fn core() -> &'static embedded::EmbeddedPackage {
    let is_core = |package: &&embedded::EmbeddedPackage| {
        package.path.contains("mid-core.") && package.path.contains(embedded::new_stamp())
    };
    embedded::packages().iter().find(is_core).unwrap()
}

fn digest(site: &Site) -> String {
    site.blob("mid-core.").file_name().unwrap().to_str().unwrap().to_owned()
}

fn name() -> &'static str {
    core().file_name()
}

/// The newest targets.json.
fn targets(site: &Site) -> Value {
    let folder = fs::read_dir(site.path("store/repository")).unwrap();
    let version = |path: &PathBuf| -> Option<u64> {
        path.file_name()?.to_str()?.strip_suffix(".targets.json")?.parse().ok()
    };
    let newest = folder.map(|entry| entry.unwrap().path()).filter(|path| version(path).is_some());
    let newest = newest.max_by_key(version).unwrap();
    serde_json::from_slice(&fs::read(newest).unwrap()).unwrap()
}

/// A mirror that also answers without TLS, and its address for that.
fn serve(site: &Site) -> (Mirror, String) {
    let plain = format!("127.0.0.1:{}", free_port());
    site.configure(&format!("[serve]\nplain_listen = {plain:?}\n"));
    (Mirror::start(site), plain)
}

fn get(address: &str, path: &str) -> (u16, String) {
    request(address, "GET", path, "")
}

/// Status and body of a request with more headers.
fn request(address: &str, method: &str, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("{method} /{path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Asks until the server, which looks at the store once a second, gives this status; returns the body.
fn until(address: &str, path: &str, status: u16) -> String {
    let started = Instant::now();
    loop {
        let (found, body) = get(address, path);
        if found == status {
            return body;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{found} instead of {status}: {body}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn withdrawn_package_is_gone_at_once_named_in_the_catalog_and_comes_back_when_that_is_lifted() {
    let site = Site::new().synced();
    let (digest, core) = (digest(&site), core());
    let (_mirror, plain) = serve(&site);
    assert_eq!(get(&plain, core.path).0, 200);
    // As clients made with tough ask.
    assert_eq!(get(&plain, &format!("repository/targets/{digest}.{}", core.path)).0, 200);
    let other = "0".repeat(64);
    assert_eq!(get(&plain, &format!("repository/targets/{other}.{}", core.path)).0, 404);
    site.run(&["withdraw", name(), "--reason", REASON, "--by", "J. Doe"])
        .expect(0)
        .says(&digest)
        .says("version 3");

    let text = until(&plain, core.path, 404);
    assert!(text.contains(REASON) && text.contains(&digest), "{text}");
    let (folder, file) = core.path.rsplit_once('/').unwrap();
    let target = format!("repository/targets/{folder}/{digest}.{file}");
    assert!(get(&plain, &target).1.contains(REASON));
    let target = format!("repository/targets/{digest}.{}", core.path);
    assert!(get(&plain, &target).1.contains(REASON));

    let signed = &targets(&site)["signed"];
    assert!(signed["targets"].get(core.path).is_none());
    let withdrawn = &signed["midmirror"]["withdrawn"][0];
    assert_eq!(withdrawn["sha256"], *digest);
    assert_eq!(withdrawn["paths"][0], core.path);
    assert_eq!(withdrawn["reason"], REASON);
    assert!(!signed.to_string().contains("J. Doe"), "names of people stay here");
    let sums = fs::read_to_string(site.path("store/SHA256SUMS")).unwrap();
    assert!(!sums.contains(&digest));

    site.run(&["list", "--history"]).expect(0).says("WITHDRAWN").says(REASON);
    site.run(&["log", "show", name()]).expect(0).says("WITHDRAWN").says("(by J. Doe)");
    site.run(&["log", "verify"]).expect(0);
    site.run(&["store", "check", "--full"]).expect(0);

    // Once more changes nothing.
    site.run(&["withdraw", &digest, "--reason", "again"])
        .expect(0)
        .says("withdrawn already")
        .says("version 3");
    site.run(&["withdraw", "--lift", name(), "--reason", "it was another file"]).expect(0).says("version 4");
    until(&plain, core.path, 200);
    assert!(targets(&site)["signed"]["midmirror"].get("withdrawn").is_none());
    site.run(&["log", "show", name()]).expect(0).says("lifted").says("it was another file");
    site.run(&["withdraw", "--lift", &digest, "--reason", "x"]).expect(0).says("was lifted already");
    site.run(&["store", "check"]).expect(0);
}

#[test]
fn this_mirror_refuses_withdrawn_bytes_in_every_way() {
    let site = Site::new().synced();
    let digest = digest(&site);
    site.run(&["withdraw", name(), "--reason", REASON]).expect(0);
    site.run(&["sync", "--kind", "mid-core", embedded::new_stamp()])
        .expect(4)
        .says("[withdrawn]")
        .says("--lift");
    site.run(&["sync", "--dry-run", "--kind", "mid-core", embedded::new_stamp()]).expect(4).says("WITHDRAWN");
    let revalidate = ["sync", "--revalidate", "--kind", "mid-core", embedded::new_stamp()];
    site.run(&revalidate).expect(4).says(REASON);
    let url = format!("{}/{}", site.upstream().base_url(), core().path);
    site.run(&["fetch", &url]).expect(4).says("[withdrawn]");
    fs::write(site.path(name()), core().bytes).unwrap();
    site.run(&["import-file", name()]).expect(4).says("[withdrawn]");
    site.run(&["verify", name()]).expect(4).says("[withdrawn]");
    // Under another path the bytes are the same.
    let other = core().path.replace("app-signed/", "");
    site.run(&["import-file", name(), "--as-path", &other]).expect(4).says("[withdrawn]");
    site.run(&["accept", name(), "--reason", "please", "--sha256", &digest]).expect(2);
    assert!(targets(&site)["signed"]["targets"].get(core().path).is_none());
    // No rule can be relaxed for them.
    site.configure(&format!(
        "[[policy.relax]]\nrule = \"withdrawn\"\nsha256 = \"{digest}\"\nreason = \"x\"\n"
    ));
    site.run(&["list"]).expect(2).says("cannot be relaxed");
}

#[test]
fn withdrawal_of_bytes_that_were_never_seen_keeps_them_out() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let digest = hex::encode(sha2::Sha256::digest(core().bytes));
    site.run(&["withdraw", &digest, "--reason", REASON]).expect(0).says("never had these bytes");
    site.run(&["sync", embedded::new_stamp()]).expect(9).says("[withdrawn]");
    site.run(&["withdraw", "mid-none.zip", "--reason", REASON]).expect(2).says("--history");
    site.run(&["withdraw", &digest, "--reason", "a\u{1b}[2Jb"]).expect(2).says("visible characters");
}

#[test]
fn another_mirror_that_trusts_this_one_refuses_what_it_withdrew() {
    let site = Site::new().synced();
    let digest = digest(&site);
    site.run(&["withdraw", name(), "--reason", REASON]).expect(0);
    site.run(&["trust", "--url", "https://localhost:1", "--output", "trust.json"]).expect(0);

    let other = Site::new().synced();
    let jre = embedded::packages().iter().find(|package| package.path.contains("mid-jre.")).unwrap();
    fs::write(other.path(jre.file_name()), jre.bytes).unwrap();
    let (store, trust) = (site.path("store"), site.path("trust.json"));
    let (store, trust) = (store.to_str().unwrap(), trust.to_str().unwrap());
    let import = ["import-file", jre.file_name(), "--proof", store, "--trust", trust];
    other.run(&import).expect(0);
    assert!(targets(&other)["signed"]["targets"].get(core().path).is_none());
    assert_eq!(targets(&other)["signed"]["midmirror"]["withdrawn"][0]["sha256"], *digest);
    other.run(&["list", "--history"]).expect(0).says("WITHDRAWN").says(REASON);
    let log: Value = serde_json::from_str(&other.run(&["log", "show", "--json"]).expect(0).stdout).unwrap();
    let event = log.as_array().unwrap().iter().find(|event| event["event"] == "withdrawn").unwrap();
    assert!(event["learned_from"].is_string(), "{event}");
    other.run(&["sync", "--kind", "mid-core", embedded::new_stamp()]).expect(4);
    // A decision here is not undone by the other mirror's list.
    other.run(&["withdraw", "--lift", &digest, "--reason", "ours is good"]).expect(0);
    other.run(&import).expect(0);
    assert!(targets(&other)["signed"]["targets"].get(core().path).is_some());
}

#[test]
fn hosts_refuse_what_the_catalog_withdrew_and_say_what_they_have_of_it() {
    let site = Site::new().synced();
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(0);
    site.run(&["host", "status", &agent]).expect(0);
    site.run(&["withdraw", name(), "--reason", REASON]).expect(0);

    // It waits in incoming, and the agent would install it.
    site.run(&["host", "stage", &agent, "--from", "store"])
        .expect(9)
        .says(REASON)
        .says("remove ")
        .says(name());
    site.run(&["host", "status", &agent])
        .expect(0)
        .says("was withdrawn on")
        .says("before the agent takes it");
    // A host that has nothing yet.
    let fresh = site.agent("windows.x86-64");
    site.run(&["host", "stage", &fresh, "--from", "store"]).expect(9).says("REFUSED").says("withdrawn");
    assert!(!site.incoming(&fresh).contains(&name().to_owned()));
    // Without a catalog what it said before counts.
    fs::create_dir(site.path("usb")).unwrap();
    for package in embedded::packages().iter().filter(|package| package.path.contains(embedded::new_stamp()))
    {
        fs::write(site.path("usb").join(package.file_name()), package.bytes).unwrap();
    }
    site.run(&["host", "stage", &fresh, "--from", "usb"]).expect(9).says("REFUSED").says(REASON);
    assert!(!site.incoming(&fresh).contains(&name().to_owned()));

    site.run(&["withdraw", "--lift", name(), "--reason", "mistake"]).expect(0);
    site.run(&["host", "stage", &fresh, "--from", "store"]).expect(0);
    assert!(site.incoming(&fresh).contains(&name().to_owned()));
}

#[test]
fn lost_record_stops_publishing_instead_of_lifting_the_withdrawal() {
    let site = Site::new().synced();
    site.run(&["withdraw", name(), "--reason", REASON]).expect(0);
    let record = site.path("store/withdrawals/00000001.json");
    let kept = fs::read(&record).unwrap();
    fs::remove_file(&record).unwrap();
    site.run(&["sync", embedded::old_stamp()]).expect(11).says("STORE/withdrawals");
    site.run(&["log", "verify"]).expect(11).says("withdrawal 1");
    assert!(targets(&site)["signed"]["targets"].get(core().path).is_none());
    fs::write(&record, "garbage").unwrap();
    site.run(&["withdraw", name(), "--reason", REASON]).expect(11).says("garbled");
    fs::write(&record, &kept).unwrap();
    site.run(&["sync", embedded::old_stamp()]).expect(0);
    site.run(&["store", "check"]).expect(0);
}

#[test]
fn withdrawal_does_not_wait_for_a_run_that_writes() {
    let site = Site::new().synced();
    let (_mirror, plain) = serve(&site);
    let lock = fs::File::options().write(true).open(site.path("store/lock")).unwrap();
    lock.try_lock().unwrap();
    site.run(&["withdraw", name(), "--reason", REASON])
        .expect(12)
        .says("recorded")
        .says("repeat this command");
    assert!(until(&plain, core().path, 404).contains(REASON), "the server follows the record");
    drop(lock);
    assert!(targets(&site)["signed"]["targets"].get(core().path).is_some(), "not yet published");
    // As the hint says: repeated, by the same name.
    site.run(&["withdraw", name(), "--reason", REASON]).expect(0).says("was withdrawn already");
    assert!(targets(&site)["signed"]["targets"].get(core().path).is_none());
    // Nor does it wait for the keys.
    let is_jre = |p: &&embedded::EmbeddedPackage| {
        p.path.contains("mid-jre.") && p.path.contains(embedded::new_stamp())
    };
    let jre = embedded::packages().iter().find(is_jre).unwrap().file_name();
    let key = site.path("store.keys/targets.pem");
    let kept = fs::read(&key).unwrap();
    fs::write(&key, "garbage").unwrap();
    site.run(&["withdraw", jre, "--reason", REASON])
        .expect(2)
        .says(" is withdrawn, ")
        .says("which hosts have it")
        .says("is recorded")
        .says("targets.pem");
    site.run(&["withdraw", jre, "--reason", REASON]).expect(2).says("was withdrawn already");
    fs::write(&key, kept).unwrap();
    site.run(&["list", "--history"]).expect(0).says("WITHDRAWN");
    site.run(&["sync", embedded::old_stamp()]).expect(0);
    assert_eq!(targets(&site)["signed"]["midmirror"]["withdrawn"].as_array().unwrap().len(), 2);
    site.run(&["withdraw", jre, "--lift", "--reason", "x"]).expect(0).says("no longer withdrawn");
    site.run(&["withdraw", jre, "--lift", "--reason", "x"]).expect(0).says("was lifted already");
}

#[test]
fn hosts_that_downloaded_a_package_are_known_and_named_when_it_is_withdrawn() {
    let site = Site::new().synced();
    let digest = digest(&site);
    site.run(&["who-has", &digest]).expect(2).says("serve.records");
    let plain = format!("127.0.0.1:{}", free_port());
    site.configure(&format!("[serve]\nplain_listen = {plain:?}\nrecords = \"records\"\n"));
    let mirror = Mirror::start(&site);
    site.run(&["who-has", &digest]).expect(0).says("0 hosts known to have it");

    // The head alone, a beginning, and what is not there are no downloads.
    assert_eq!(request(&plain, "HEAD", core().path, "").0, 200);
    assert_eq!(request(&plain, "GET", core().path, "Range: bytes=0-99\r\n").0, 206);
    assert_eq!(get(&plain, "glide/none").0, 404);
    let has =
        || serde_json::from_str::<Value>(&site.run(&["who-has", name(), "--json"]).expect(0).stdout).unwrap();
    assert_eq!(has(), serde_json::json!([]));
    // The end of it, then all of it: once a day is enough.
    assert_eq!(request(&plain, "GET", core().path, "Range: bytes=-100\r\n").0, 206);
    let (folder, file) = core().path.rsplit_once('/').unwrap();
    assert_eq!(get(&plain, &format!("repository/targets/{folder}/{digest}.{file}")).0, 200);
    let started = Instant::now();
    while has() == serde_json::json!([]) {
        assert!(started.elapsed() < Duration::from_secs(20), "nothing was recorded");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(mirror);
    let records = has();
    assert_eq!(records.as_array().unwrap().len(), 1, "{records}");
    assert_eq!(records[0]["host"], "127.0.0.1");
    assert_eq!(records[0]["kind"], "downloaded");
    assert_eq!(records[0]["path"], core().path);

    site.run(&["withdraw", name(), "--reason", REASON])
        .expect(0)
        .says("127.0.0.1       downloaded")
        .says("1 host known to have it");
    site.run(&["who-has", &digest]).expect(0).says("127.0.0.1");
    site.run(&["who-has", "mid-none.zip"]).expect(2).says("--history");
}

#[test]
fn folder_for_records_that_cannot_be_written_is_said_at_the_start() {
    let site = Site::new().synced();
    site.run(&["serve", "--init-tls", "--host", "localhost"]).expect(0);
    fs::write(site.path("file"), "").unwrap();
    site.configure("[serve]\nlisten = \"127.0.0.1:0\"\nrecords = \"file/records\"\n");
    site.run(&["serve"]).expect(13).says("records of downloads").says("serve.records");
}

#[test]
fn latest_leads_to_the_older_build_when_the_newer_one_is_withdrawn() {
    let site = Site::new().synced();
    site.run(&["sync", "--kind", "mid-core", embedded::old_stamp()]).expect(0);
    let plain = format!("127.0.0.1:{}", free_port());
    let serve = |more: &str| {
        site.configure(&format!("[serve]\nplain_listen = {plain:?}\nprefix = \"/m\"\n{more}"));
        Mirror::start(&site)
    };
    let latest = "m/glide/distribution/builds/package/app-signed/mid-core/latest/\
        mid-core.universal.universal.zip";
    let off = serve("");
    let (status, said) = get(&plain, latest);
    assert_eq!((status, said.contains("`latest = true` in [serve]")), (404, true), "{said}");
    drop(off);
    let _mirror = serve("latest = true\n");
    assert_eq!(get(&plain, latest), (302, format!("{}\n", name())));
    site.run(&["withdraw", name(), "--reason", REASON]).expect(0);
    let older = |package: &&embedded::EmbeddedPackage| {
        package.path.contains("/app-signed/mid-core/") && package.path.contains(embedded::old_stamp())
    };
    let older = embedded::packages().iter().find(older).unwrap();
    let started = Instant::now();
    while get(&plain, latest).1 != format!("{}\n", older.file_name()) {
        assert!(started.elapsed() < Duration::from_secs(20), "{latest} does not move");
        std::thread::sleep(Duration::from_millis(50));
    }
}
