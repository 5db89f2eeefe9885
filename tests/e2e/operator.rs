//! What operators run into: each test is named after something that once went wrong or was said badly.

use std::fs;
use std::net::TcpListener;

use midmirror_fixtures::embedded;

use crate::site::Site;

#[cfg(target_os = "linux")]
#[test]
fn a_list_onto_a_full_disk_does_not_end_0() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = site.command(&["list", "--json"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(13));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
}

#[test]
fn init_makes_no_new_keys_for_a_store_with_a_catalog() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    fs::remove_dir_all(site.path("store.keys")).unwrap();
    site.run(&["init"]).expect(2).says("backup");
    assert!(!site.path("store.keys").exists());
    site.run(&["sync", embedded::new_stamp()]).expect(2).says("backup");
}

#[test]
fn keys_of_another_store_end_2() {
    let (site, other) = (Site::new(), Site::new());
    site.run(&["init"]).expect(0);
    other.run(&["init"]).expect(0);
    fs::copy(other.path("store.keys/targets.pem"), site.path("store.keys/targets.pem")).unwrap();
    site.run(&["init"]).expect(2).says("another store");
}

#[test]
fn a_trust_file_never_goes_without_the_authority_that_is_configured() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.configure("[serve]\nca = \"nowhere.pem\"\n");
    site.run(&["trust", "--output", "trust.json"]).expect(2).says("nowhere.pem");
    assert!(!site.path("trust.json").exists());
}

#[test]
fn a_trust_file_does_not_name_the_private_authority_beside_another_certificate() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.run(&["serve", "--init-tls", "--host", "localhost"]).expect(0);
    let trust = site.run(&["trust"]).expect(0).says("root sha256");
    assert!(trust.stdout.contains("tls_ca_pem"));
    site.configure("[serve]\ncertificate = \"site.pem\"\nkey = \"site-key.pem\"\n");
    let trust = site.run(&["trust"]).expect(0);
    assert!(!trust.stdout.contains("tls_ca_pem"), "{}", trust.stdout);
}

#[test]
fn tls_material_is_refused_for_what_is_no_host_name_and_for_a_folder_in_use() {
    let site = Site::new();
    site.run(&["serve", "--init-tls", "--host", "https://mirror.example"]).expect(2).says("DNS name");
    assert!(!site.path("store.tls").exists());
    site.run(&["serve", "--init-tls", "--host", "localhost"]).expect(0);
    site.run(&["serve", "--init-tls", "--host", "localhost"]).expect(2).says("already");
}

#[test]
fn a_port_in_use_is_no_usage_error_and_a_wrong_key_is_named() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.run(&["serve", "--init-tls", "--host", "localhost"]).expect(0);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    site.run(&["serve", "--listen", &address]).expect(1).says("--listen");
    fs::write(site.path("store.tls/server-key.pem"), "garbage").unwrap();
    site.run(&["serve", "--listen", "127.0.0.1:0"]).expect(2).says("server-key.pem");
}

#[test]
fn a_followed_log_that_is_away_does_not_keep_the_rest_from_being_synced() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let stamp = embedded::new_stamp();
    site.configure(&format!("[[follow]]\nlog = \"share/agent0.log.0\"\n[[follow]]\nstamp = {stamp:?}\n"));
    site.run(&["sync"]).expect(9).says("share/agent0.log.0").says("5 stored");
}

#[test]
fn bad_enrolment_arguments_end_2() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.run(&["trust", "--url", "mirror.example", "--output", "trust.json"]).expect(2);
    site.run(&["trust", "--output", "trust.json"]).expect(0).says("--from");
    site.run(&["host", "enrol", "--trust", "trust.json", "--root-sha256", "abc"]).expect(2);
    site.run(&["host", "enrol", "--trust", "trust.json", "--organization", ""]).expect(2);
    fs::write(site.path("trust.json"), "{").unwrap();
    site.run(&["host", "enrol", "--trust", "trust.json"]).expect(2).says("trust.json");
}

#[test]
fn an_agent_without_list_and_a_wrong_address_end_2() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    for from in ["https://", "ftp://mirror.example/"] {
        site.run(&["host", "stage", &agent, "--from", from]).expect(2).says(from);
    }
    fs::remove_dir_all(site.path(&agent).join("logs")).unwrap();
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(2).says("--stamp");
    site.run(&["host", "stage", "midmirror.toml", "--from", "store"]).expect(2);
}

#[test]
fn a_garbled_memory_of_the_catalog_says_what_to_do() {
    let site = Site::new().synced();
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(0);
    let memory = fs::read_dir(site.path("state/catalog")).unwrap().next().unwrap().unwrap().path();
    fs::write(&memory, "garbage").unwrap();
    let other = site.agent("windows.x86-64");
    site.run(&["host", "stage", &other, "--from", "store"]).expect(5).says("backup");
    assert!(site.incoming(&other).is_empty());
}

#[test]
fn a_damaged_timestamp_can_be_mended_as_the_hint_says() {
    let site = Site::new().synced();
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(0);
    let timestamp = site.path("store/repository/timestamp.json");
    fs::write(&timestamp, "").unwrap();
    site.run(&["list"]).expect(5);
    site.run(&["store", "check"]).expect(11).says("move it away and run midmirror init");
    fs::remove_file(&timestamp).unwrap();
    site.run(&["init"]).expect(0);
    site.run(&["store", "check"]).expect(0);
    let other = site.agent("windows.x86-64");
    site.run(&["host", "stage", &other, "--from", "store"]).expect(0);
}

#[test]
fn status_says_what_is_missing_even_if_the_enrolment_cannot_be_used() {
    let site = Site::new();
    let agent = site.agent("linux.x86-64");
    fs::create_dir(site.path("state")).unwrap();
    fs::write(site.path("state/trust.json"), "garbage").unwrap();
    site.run(&["host", "status", &agent]).expect(2).says("enrolled    unknown").says("missing     mid-core.");
}

#[test]
fn the_demo_in_a_folder_in_use_ends_2() {
    let site = Site::new();
    site.run(&["demo", "--keep", "."]).expect(2).says("new or empty folder");
    assert!(site.path("midmirror.toml").exists());
}

#[test]
fn a_file_that_is_not_there_and_a_url_without_tls_end_2() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let name = format!("mid-core.{}.universal.universal.zip", embedded::new_stamp());
    site.run(&["import-file", &name]).expect(2).says(&name);
    site.run(&["import-file", "renamed.zip"]).expect(2).says("--as-path");
    let plan = site.run(&["plan", "--urls", "--kind", "mid-core", embedded::new_stamp()]).expect(0);
    let url = plan.stdout.lines().next().unwrap().replace("https://", "http://");
    site.run(&["fetch", &url]).expect(2).says("only https");
}

#[test]
fn a_host_that_the_upstream_redirects_to_can_be_allowed() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let text = fs::read_to_string(site.path("midmirror.toml")).unwrap();
    let text = text.replace("[upstream]\n", "[upstream]\nredirect_hosts = [\"127.0.0.1\"]\n");
    let upstream = site.upstream();
    let stamp = embedded::new_stamp();
    let sync = ["sync", "--kind", "mid-core", stamp];
    let core =
        embedded::packages().iter().find(|p| p.path.contains("mid-core.") && p.path.contains(stamp)).unwrap();
    let target = format!("{}/{}", upstream.base_url().replace("localhost", "127.0.0.1"), core.path);
    let redirect = || midmirror_fixtures::upstream::Fault::Redirect { to: target.clone() };
    upstream.set_faults("mid-core.", redirect(), Some(1));
    site.run(&sync).expect(8).says("redirect to this host");
    fs::write(site.path("midmirror.toml"), text).unwrap();
    upstream.set_faults("mid-core.", redirect(), Some(1));
    site.run(&sync).expect(0);
}

#[test]
fn damaged_bytes_and_evidence_can_be_mended_as_the_hints_say() {
    let site = Site::new().synced();
    let stamp = embedded::new_stamp();
    let blob = site.blob("mid-core.");
    crate::site::flip_byte(&blob);
    site.run(&["store", "check", "--full"]).expect(11).says("--repair");
    fs::remove_file(&blob).unwrap();
    site.run(&["sync", stamp]).expect(0).says("1 stored");
    site.run(&["store", "check", "--full"]).expect(0);

    let digest = blob.file_name().unwrap().to_str().unwrap();
    let evidence = site.path("store/evidence").join(&digest[..2]).join(digest);
    let admissions = fs::read_dir(&evidence).unwrap().map(|entry| entry.unwrap().path());
    for admission in admissions.filter(|path| path.is_dir()) {
        crate::site::overwrite(&admission.join("admission.json"), b"garbage");
    }
    site.run(&["sync", stamp]).expect(11).says("numbered folder");
    fs::remove_dir_all(&evidence).unwrap();
    site.run(&["sync", stamp]).expect(0).says("1 stored");
    site.run(&["store", "check", "--full"]).expect(0).says("admitted again as admission");
}

#[test]
fn verify_does_not_wait_for_pipes_and_devices() {
    let site = Site::new();
    site.run(&["verify", "."]).expect(2).says("regular file");
    #[cfg(unix)]
    site.run(&["verify", "/dev/zero"]).expect(2).says("regular file");
}

#[cfg(unix)]
#[test]
fn nobody_else_can_change_the_store_whatever_the_umask_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    let program = env!("CARGO_BIN_EXE_midmirror");
    let script = format!("umask 000; exec {program} --config midmirror.toml init");
    let mut shell = std::process::Command::new("sh");
    let ended = shell.args(["-c", &script]).current_dir(site.path("")).status().unwrap();
    assert!(ended.success());
    let mut folders = vec![site.path("store")];
    let mut seen = 0;
    while let Some(path) = folders.pop() {
        let metadata = path.symlink_metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o002, 0, "{}", path.display());
        seen += 1;
        if metadata.is_dir() {
            folders.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(seen > 8, "{seen}");
}
