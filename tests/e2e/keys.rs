//! Keys, lifetimes and ceremonies, with the real program on one machine and on two.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use midmirror_fixtures::embedded;
use midmirror_mirror::catalog::{
    FolderSource, Profile, SigningKeys, TrustInputs, TrustedCatalog, publish, trust_folder,
};
use midmirror_mirror::store::Store;

use crate::site::{Run, Site};

/// The catalog as a client sees it that was enrolled with the first root metadata.
fn catalog(site: &Site) -> TrustedCatalog {
    let folder = site.path("store/repository");
    let root = fs::read(folder.join("1.root.json")).unwrap();
    let inputs = TrustInputs { root: &root, state: None, now: Timestamp::now(), allow_expired: false };
    trust_folder(&FolderSource::new(folder), &inputs).unwrap()
}

fn days_left(site: &Site) -> i64 {
    catalog(site).expires().duration_since(Timestamp::now()).as_hours() / 24
}

/// A store whose catalog was signed so many days ago.
fn signed_days_ago(site: &Site, days: i64, profile: Profile) {
    let then = Timestamp::now() - SignedDuration::from_hours(24 * days);
    let store = Store::create(&site.path("store"), then).unwrap();
    let keys = SigningKeys::create(&site.path("store.keys")).unwrap();
    publish(&mut store.write().unwrap(), &keys, then, &profile.lifetimes()).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn init_makes_three_root_keys_of_which_two_sign_and_says_where_they_belong() {
    let site = Site::new();
    site.run(&["init"]).expect(0).says("2 of 3 root keys").says("another holder");
    let keys = names(&site.path("store.keys"));
    assert_eq!(
        keys,
        [
            "root-1.pem",
            "root-2.pem",
            "root-3.pem",
            "snapshot.pem",
            "store.pem",
            "targets.pem",
            "timestamp.pem"
        ]
    );
    let root: serde_json::Value = serde_json::from_slice(catalog(&site).root_bytes()).unwrap();
    assert_eq!(root["signed"]["roles"]["root"]["threshold"], 2);
    let alone = Site::new();
    alone.run(&["init", "--root-keys", "1"]).expect(0).says("WARNING: there is ONE root key");
    assert!(alone.path("store.keys/root.pem").exists());
    Site::new().run(&["init", "--root-keys", "2", "--root-threshold", "3"]).expect(2).says("can never sign");
}

#[test]
fn profile_of_init_is_that_of_every_later_publication() {
    let site = Site::new();
    site.run(&["init", "--profile", "isolated"]).expect(0).says("profile  isolated");
    assert_eq!(days_left(&site), 729);
    site.run(&["sync", "--kind", "mid-core", embedded::new_stamp()]).expect(0);
    assert_eq!(catalog(&site).store().unwrap().profile, Profile::Isolated);
    assert_eq!(days_left(&site), 729);
    // Another one is taken up at once.
    site.run(&["init", "--profile", "connected"]).expect(0);
    assert_eq!(days_left(&site), 29);
    let configured = fs::read_to_string(site.path("midmirror.toml")).unwrap();
    fs::write(site.path("midmirror.toml"), format!("profile = \"share\"\n{configured}")).unwrap();
    site.run(&["init", "--profile", "isolated"]).expect(2).says("contradicts the configuration");
    site.run(&["init"]).expect(0).says("profile  share");
    assert_eq!(days_left(&site), 729);
}

#[test]
fn refresh_keeps_an_idle_site_valid_and_names_what_it_cannot_renew() {
    let site = Site::new();
    site.run(&["catalog", "refresh"]).expect(2).says("midmirror init");
    signed_days_ago(&site, 20, Profile::Connected);
    fs::remove_file(site.path("store.keys/root.pem")).unwrap();
    fs::remove_file(site.path("store.keys/targets.pem")).unwrap();
    site.run(&["catalog", "refresh"]).expect(0).says("renewed  timestamp\n");
    site.run(&["catalog", "refresh"]).expect(0).says("renewed  nothing");
    assert_eq!(days_left(&site), 29);
    site.run(&["log", "verify"]).expect(0);
    fs::remove_file(site.path("store.keys/store.pem")).unwrap();
    site.run(&["catalog", "refresh"]).expect(2).says("store.pem");
}

#[test]
fn refresh_ends_9_when_what_cannot_be_renewed_is_urgent() {
    let site = Site::new();
    signed_days_ago(&site, 320, Profile::Connected);
    fs::remove_file(site.path("store.keys/targets.pem")).unwrap();
    let refused = site.run(&["catalog", "refresh"]).expect(9);
    let refused = refused.says("renewed  snapshot, timestamp").says("URGENT   targets metadata");
    assert!(refused.stderr.contains("keys rotate"), "{}", refused.stderr);
    let isolated = Site::new();
    signed_days_ago(&isolated, 320, Profile::Isolated);
    isolated.run(&["catalog", "refresh"]).expect(0).says("renewed  nothing");
}

/// The key ids of a role in the newest root metadata.
fn ids(site: &Site, role: &str) -> Vec<String> {
    let root: serde_json::Value = serde_json::from_slice(catalog(site).root_bytes()).unwrap();
    let ids = root["signed"]["roles"][role]["keyids"].as_array().unwrap();
    ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Moves a file of the mirror's keys to a holder of his own, who has neither store nor configuration.
fn hand_over(site: &Site, name: &str, holder: &tempfile::TempDir) {
    let from = site.path("store.keys").join(name);
    fs::copy(&from, holder.path().join(name)).unwrap();
    fs::remove_file(from).unwrap();
}

/// The program on a holder's machine.
fn holder_runs(holder: &tempfile::TempDir, arguments: &[&str]) -> Run {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_midmirror"));
    command.current_dir(holder.path()).args(arguments).stdin(std::process::Stdio::null());
    for variable in
        ["MIDMIRROR_CONFIG", "MIDMIRROR_STORE", "MIDMIRROR_KEY_PASSPHRASE", "CREDENTIALS_DIRECTORY"]
    {
        command.env_remove(variable);
    }
    command.output().unwrap().into()
}

fn line<'a>(run: &'a Run, label: &str) -> &'a str {
    let found = run.stdout.lines().find_map(|line| line.strip_prefix(label));
    found.unwrap_or_else(|| panic!("no {label:?} in {}", run.stdout)).trim()
}

#[test]
fn root_ceremony_of_three_holders_replaces_lost_online_keys_and_enrolled_hosts_go_on() {
    let site = Site::new().synced();
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(0);
    let holders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    for (holder, name) in holders.iter().zip(["root-1.pem", "root-2.pem", "root-3.pem"]) {
        hand_over(&site, name, holder);
    }
    for lost in ["timestamp.pem", "targets.pem"] {
        fs::remove_file(site.path("store.keys").join(lost)).unwrap();
    }
    site.run(&["sync", embedded::old_stamp()]).expect(2).says("keys rotate");
    site.run(&["keys", "finish"]).expect(2).says("no change of keys is under way");
    let before = ids(&site, "timestamp");
    site.run(&["keys", "holder", &ids(&site, "root")[0][..8], "Ada, safe in Bern"]).expect(0);
    site.run(&["keys", "holder", "00000000", "nobody"]).expect(2).says("keys status");
    site.run(&["keys", "status"])
        .expect(0)
        .says("elsewhere, held by Ada, safe in Bern")
        .says("NOT ENOUGH ARE HERE");

    let proposed = site.run(&["keys", "rotate", "timestamp", "--reason", "lost disk"]).expect(0);
    assert!(proposed.says("missing  version 2 has 0 of 2").stdout.contains("new key  "));
    let both = site.run(&["keys", "rotate", "targets", "--reason", "lost disk too"]).expect(0);
    assert!(both.says("nothing is published yet").stderr.contains("together with the change"));
    site.run(&["keys", "finish"]).expect(2).says("export-unsigned");
    let exported = site.run(&["keys", "export-unsigned", "--output", "next.json"]).expect(0);
    let digest = line(&exported, "digest").to_owned();
    assert_eq!(ids(&site, "timestamp"), before, "nothing is published before it is signed");

    for (holder, key) in holders.iter().zip(["root-1.pem", "root-2.pem"]) {
        fs::copy(site.path("next.json"), holder.path().join("next.json")).unwrap();
        let sign = ["keys", "sign", "next.json", "--key", key, "--output", "signed.json"];
        holder_runs(holder, &sign).expect(2).says("--digest");
        let wrong = [&sign[..], &["--digest", "0123456789abcdef"]].concat();
        holder_runs(holder, &wrong).expect(5).says("nothing was signed");
        let signed = holder_runs(holder, &[&sign[..], &["--digest", &digest]].concat()).expect(0);
        signed.says("targets: gets").says("lost disk; lost disk too").says("root: 2 of 3: ");
        holder_runs(holder, &[&sign[..], &["--digest", &digest]].concat()).expect(2).says("there already");
    }
    let signatures = holders.each_ref().map(|holder| holder.path().join("signed.json").display().to_string());
    site.run(&["keys", "import-signature", &signatures[0]]).expect(0).says("has 1 of 2");
    site.run(&["keys", "status"]).expect(0).says("a change of keys is under way").says("elsewhere");
    let done = site.run(&["keys", "import-signature", &signatures[1]]).expect(0);
    done.says("root metadata version 3 is published").says("renewed  targets, snapshot, timestamp");
    assert_ne!(ids(&site, "timestamp"), before);
    assert!(!site.path("store.keys/next-root.json").exists());

    site.run(&["sync", embedded::old_stamp()]).expect(0);
    site.run(&["log", "verify"]).expect(0);
    site.run(&["log", "show"]).expect(0).says("lost disk; lost disk too").says("targets: gets");
    site.run(&["keys", "status"]).expect(0).says("until 3");
    let other = site.agent("windows.x86-64");
    site.run(&["host", "stage", &other, "--from", "store"]).expect(0);
}

#[test]
fn change_that_cannot_be_proposed_leaves_no_key_behind() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let before = names(&site.path("store.keys"));
    site.run(&["keys", "rotate", "root", "--reason", "drill"]).expect(2).says("--old ID");
    site.run(&["keys", "rotate", "root", "--old", "00000000", "--reason", "drill"]).expect(2);
    site.run(&["keys", "rotate", "timestamp", "--reason", " "]).expect(2).says("--reason is empty");
    assert_eq!(names(&site.path("store.keys")), before);
}

#[test]
fn what_is_said_to_be_signed_stays_signed() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let holders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    for (holder, name) in holders.iter().zip(["root-1.pem", "root-2.pem", "root-3.pem"]) {
        hand_over(&site, name, holder);
    }
    site.run(&["keys", "renew-root"]).expect(0).says("has 0 of 2");
    let exported = site.run(&["keys", "export-unsigned", "--output", "next.json"]).expect(0);
    let digest = line(&exported, "digest").to_owned();
    let sign = |key: &str, output: &str| {
        let next = site.path("next.json").display().to_string();
        let sign =
            ["keys", "sign", &next, "--key", key, "--key", key, "--output", output, "--digest", &digest];
        holder_runs(&holders[0], &sign)
    };
    assert_eq!(sign("root-1.pem", "s.json").expect(0).stdout.matches("signed   ").count(), 1);
    sign("root-9.pem", "t.json").expect(2).says("root-9.pem is not there").says("--key");
    // The second file is none: the first one counts all the same, and the message names the second.
    let (signed, proposal) = (holders[0].path().join("s.json"), site.path("next.json"));
    let (signed, proposal) = (signed.display().to_string(), proposal.display().to_string());
    let import = site.run(&["keys", "import-signature", &signed, &proposal]).expect(2);
    import.says(&format!("{proposal} cannot be used")).says("is not a signature file");
    site.run(&["keys", "status"]).expect(0).says("1 signature missing");
    // As `keys finish` says, and it keeps what the keys here have signed, although they are not enough.
    site.run(&["keys", "discard"]).expect(0);
    site.run(&["keys", "renew-root"]).expect(0);
    fs::copy(holders[1].path().join("root-2.pem"), site.path("store.keys/root-2.pem")).unwrap();
    site.run(&["keys", "finish"]).expect(2).says("signed   ").says("has 1 of 2");
    fs::remove_file(site.path("store.keys/root-2.pem")).unwrap();
    site.run(&["keys", "status"]).expect(0).says("1 signature missing");
}

#[test]
fn new_holder_of_a_root_key_sends_its_public_half_only() {
    let site = Site::new();
    site.run(&["init", "--root-keys", "1"]).expect(0);
    site.run(&["keys", "status"]).expect(0).says("there is ONE root key");
    let holder = tempfile::tempdir().unwrap();
    holder_runs(&holder, &["keys", "new", "root-b.pem", "--algorithm", "ecdsa-p256"])
        .expect(0)
        .says("ECDSA P-256");
    holder_runs(&holder, &["keys", "new", "root-b.pem"]).expect(2).says("holds keys already");
    fs::copy(holder.path().join("root-b.pem.pub"), site.path("root-b.pub")).unwrap();
    site.run(&["keys", "add-root", "root-b.pub", "--reason", "second holder"])
        .expect(0)
        .says("version 2 is published");
    site.run(&["keys", "add-root", "root-b.pub", "--reason", "again"]).expect(2).says("already");
    site.run(&["keys", "threshold", "root", "3", "--reason", "too many"]).expect(2).says("add a key first");
    // Raising the threshold needs the new key too: it shows that it is there.
    let raised = site.run(&["keys", "threshold", "root", "2", "--reason", "two of two"]).expect(0);
    raised.says("missing  version 3 has 1 of 2");
    let exported = site.run(&["keys", "export-unsigned", "--output", "next.json"]).expect(0);
    fs::copy(site.path("next.json"), holder.path().join("next.json")).unwrap();
    let digest = line(&exported, "digest");
    let sign = ["keys", "sign", "next.json", "--key", "root-b.pem", "--output", "s.json", "--digest", digest];
    holder_runs(&holder, &sign).expect(0);
    let signatures = holder.path().join("s.json").display().to_string();
    site.run(&["keys", "import-signature", &signatures]).expect(0).says("version 3 is published");
    site.run(&["keys", "import-signature", &signatures]).expect(2).says("under way");
    site.run(&["keys", "remove-root", "00000000", "--reason", "x"]).expect(2).says("keys status");
    site.run(&["keys", "renew-root"]).expect(0).says("the same keys");
    site.run(&["keys", "discard"]).expect(0).says("given up");
    site.run(&["keys", "discard"]).expect(2);
    assert_eq!(catalog(&site).versions().root, 3);
}

#[test]
fn stolen_online_keys_are_replaced_at_once_where_the_root_keys_are() {
    let site = Site::new().synced();
    for role in ["timestamp", "snapshot", "targets"] {
        let old = ids(&site, role);
        let done = site.run(&["keys", "rotate", role, "--reason", "stolen"]).expect(0);
        done.says("of no effect any more: destroy it").says("renewed  ");
        assert_ne!(ids(&site, role), old);
    }
    let status = site.run(&["keys", "status", "--json"]).expect(0);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(status["history"].as_array().unwrap().len(), 9);
    assert_eq!(status["roles"][0]["threshold"], 2);
    site.run(&["keys", "status"]).expect(0).says("no effect").says("all root keys are here");
    site.run(&["store", "check"]).expect(0);
}

#[test]
fn encrypted_keys_sign_with_their_passphrase_only() {
    let site = Site::new();
    fs::write(site.path("passphrase"), "correct horse\n").unwrap();
    let file = ["--passphrase-file", "passphrase"];
    site.run(&["init", "--encrypt-keys"]).expect(2).says("--passphrase-file");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        site.run(&[&file[..], &["init", "--encrypt-keys"]].concat()).expect(2).says("chmod 600");
        fs::set_permissions(site.path("passphrase"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    site.run(&[&file[..], &["init", "--encrypt-keys"]].concat()).expect(0);
    let key = fs::read_to_string(site.path("store.keys/targets.pem")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    let sync = ["sync", "--kind", "mid-core", embedded::new_stamp()];
    site.run(&sync).expect(2).says("is encrypted").says("MIDMIRROR_KEY_PASSPHRASE");
    let by_variable = |text: &str, arguments: &[&str]| -> Run {
        site.command(arguments).env("MIDMIRROR_KEY_PASSPHRASE", text).output().unwrap().into()
    };
    by_variable("battery staple", &sync).expect(2).says("does not open");
    by_variable("correct horse", &sync).expect(0);
    // As systemd hands it over.
    fs::create_dir(site.path("credentials")).unwrap();
    fs::copy(site.path("passphrase"), site.path("credentials/midmirror-key-passphrase")).unwrap();
    let refresh: Run = site
        .command(&["catalog", "refresh"])
        .env("CREDENTIALS_DIRECTORY", site.path("credentials"))
        .output()
        .unwrap()
        .into();
    refresh.expect(0);
    site.run(&["keys", "status"]).expect(0).says("locked").says("NOT ENOUGH");
    // A key that comes later is encrypted as well, under the passphrase of the others and no other one.
    let before = names(&site.path("store.keys"));
    let rotate = ["keys", "rotate", "timestamp", "--reason", "drill"];
    by_variable("battery staple", &rotate).expect(2).says("does not open");
    assert_eq!(names(&site.path("store.keys")), before);
    by_variable("correct horse", &rotate).expect(0);
    let names = names(&site.path("store.keys"));
    let new = names.iter().find(|name| name.starts_with("timestamp-")).unwrap();
    let new = format!("store.keys/{new}");
    assert!(fs::read_to_string(site.path(&new)).unwrap().contains("ENCRYPTED"));
    site.run(&["keys", "decrypt", &new]).expect(2).says("is encrypted");
    by_variable("correct horse", &["keys", "decrypt", &new]).expect(0);
    assert!(!fs::read_to_string(site.path(&new)).unwrap().contains("ENCRYPTED"));
    by_variable("correct horse", &["keys", "encrypt"]).expect(0).says("encrypted  ");
    by_variable("correct horse", &["keys", "encrypt"]).expect(0).says("all of them");
}

#[test]
fn warnings_of_an_end_that_comes_nearer_are_given_everywhere() {
    let site = Site::new();
    signed_days_ago(&site, 20, Profile::Connected);
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    let soon = "the timestamp metadata expires within 14 days";
    for command in [&["list"][..], &["store", "check"], &["keys", "status"]] {
        site.run(command).expect(0).says(soon).says("midmirror catalog refresh");
    }
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(9).says(soon);
    site.run(&["host", "status", &agent]).expect(0).says("as seen last valid until").says(soon);
    let mirror = crate::site::Mirror::start(&site);
    let page = std::process::Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--cacert"])
        .arg(site.path("store.tls/ca.pem"))
        .arg(&mirror.url)
        .output();
    match page {
        Ok(page) => assert!(String::from_utf8_lossy(&page.stdout).contains(soon), "{page:?}"),
        Err(_) => assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "no curl"),
    }
    drop(mirror);
    site.run(&["catalog", "refresh"]).expect(0);
    let list = site.run(&["list"]).expect(0);
    assert!(!list.stderr.contains("expires within"), "{}", list.stderr);
}

#[test]
fn expired_catalog_stops_a_host_unless_somebody_says_why_it_may_be_used_for_some_days() {
    let site = Site::new();
    signed_days_ago(&site, 40, Profile::Connected);
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    let stage = ["host", "stage", &agent, "--from", "store"];
    site.run(&stage).expect(6).says("--accept-stale-until");
    let with = |until: &str, reason: &str| {
        site.run(&[&stage[..], &["--json", "--accept-stale-until", until, "--reason", reason]].concat())
    };
    let day = |days: i64| (Timestamp::now() + SignedDuration::from_hours(24 * days)).to_string();
    with(&day(31), "repair").expect(2).says("30 days at most");
    with(&day(-1), "repair").expect(2).says("in the past");
    with(&day(5), " ").expect(2).says("a reason is needed");
    with("soon", "repair").expect(2).says("2026-12-31");
    site.run(&[&stage[..], &["--accept-stale-until", &day(5)]].concat()).expect(2);
    let used =
        with(&day(5)[..10], "mirror is being repaired").expect(9).says("an expired catalog is accepted");
    let report: serde_json::Value = serde_json::from_str(&used.stdout).unwrap();
    assert_eq!(report["accepted_stale"]["reason"], "mirror is being repaired");
    assert_eq!(report["accepted_stale"]["roles"], serde_json::json!(["timestamp"]));
    // Other keys are not made good by it.
    let other = Site::new();
    other.run(&["init"]).expect(0);
    fs::copy(other.path("store/repository/timestamp.json"), site.path("store/repository/timestamp.json"))
        .unwrap();
    with(&day(5), "repair").expect(5);
}

#[test]
fn lost_key_of_the_store_is_replaced_and_the_log_goes_on() {
    let site = Site::new().synced();
    let checkpoint = site.run(&["log", "checkpoint"]).expect(0).stdout;
    fs::write(site.path("checkpoint"), checkpoint).unwrap();
    fs::remove_file(site.path("store.keys/store.pem")).unwrap();
    site.run(&["sync", embedded::old_stamp()]).expect(2).says("store.pem").says("keys rotate-store");
    site.run(&["keys", "rotate-store", "--reason", " "]).expect(2);
    site.run(&["keys", "rotate-store", "--reason", "lost disk"]).expect(0).says("store key");
    site.run(&["sync", embedded::old_stamp()]).expect(0);
    site.run(&["log", "verify", "--against", "checkpoint"])
        .expect(0)
        .says("grown from the earlier checkpoint");
    site.run(&["log", "show"]).expect(0).says("another key of the store: lost disk");
    site.run(&["store", "check"]).expect(0);
    // Stolen, not lost: the same.
    site.run(&["keys", "rotate-store", "--reason", "stolen"]).expect(0);
    site.run(&["log", "verify", "--against", "checkpoint"]).expect(0);
}
