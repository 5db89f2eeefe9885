//! Keys, lifetimes and ceremonies, with the real program on one machine and on two.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use midmirror_mirror::catalog::{
    FolderSource, Profile, SigningKeys, TrustInputs, TrustedCatalog, publish, trust_folder,
};
use midmirror_mirror::store::Store;

use crate::site::Site;

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
    site.run(&["sync", "--kind", "mid-core", midmirror_fixtures::embedded::new_stamp()]).expect(0);
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
