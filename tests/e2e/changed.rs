//! Same name, new bytes: what a sync does when the vendor has replaced a file in place.

use std::sync::Arc;

use midmirror_fixtures::embedded::{self, EmbeddedPackage};
use midmirror_fixtures::upstream::{Content, Fault};
use serde_json::Value;

use crate::site::Site;

/// The package that changes.
pub(crate) fn package() -> &'static EmbeddedPackage {
    embedded::packages()
        .iter()
        .find(|package| package.path.contains("mid-core.") && package.path.contains(embedded::new_stamp()))
        .unwrap()
}

/// The same signed content in an archive with another time of its first entry, in both of its headers.
pub(crate) fn repacked(seconds: u8) -> Vec<u8> {
    let mut bytes = package().bytes.to_vec();
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let offset: [u8; 4] = bytes[end + 16..end + 20].try_into().unwrap();
    let directory = usize::try_from(u32::from_le_bytes(offset)).unwrap();
    // Its first entry is the one at the beginning of the file.
    assert_eq!(bytes[directory + 42..directory + 46], [0; 4]);
    assert!(bytes.starts_with(b"PK\x03\x04"));
    for at in [10, directory + 12] {
        bytes[at] = bytes[at] & 0xE0 | seconds;
    }
    assert_ne!(bytes, package().bytes);
    bytes
}

fn replace(site: &Site, bytes: Vec<u8>) {
    site.upstream().replace(package().path, Content::Shared(Arc::from(bytes)));
}

/// Digest and state of all that the changing name ever had.
fn history(site: &Site) -> Vec<(String, String)> {
    let list = site.run(&["list", "--history", "--json"]).expect(0);
    let names: Value = serde_json::from_str(&list.stdout).unwrap();
    let name = names.as_array().unwrap().iter().find(|name| name["path"] == package().path).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let digests = name["digests"].as_array().unwrap();
    digests.iter().map(|digest| (text(&digest["sha256"]), text(&digest["state"]))).collect()
}

/// The digest that the catalog has under the changing name.
fn published(site: &Site) -> String {
    let list = site.run(&["list", "--json"]).expect(0);
    let packages: Value = serde_json::from_str(&list.stdout).unwrap();
    let entry = packages.as_array().unwrap().iter().find(|entry| entry["path"] == package().path).unwrap();
    entry["sha256"].as_str().unwrap().to_owned()
}

/// How often the upstream was asked to send content.
fn fetches(site: &Site) -> usize {
    site.upstream().requests().iter().filter(|r| r.method == "GET" && r.status == 200).count()
}

#[test]
fn nothing_new_is_found_out_without_a_fetch() {
    let site = Site::new().synced();
    let (before, digest) = (fetches(&site), published(&site));
    site.run(&["sync", "--revalidate", embedded::new_stamp()]).expect(0).says("unchanged");
    assert_eq!((fetches(&site), published(&site)), (before, digest));
    let asked = site.upstream().requests().iter().filter(|r| r.method == "HEAD" && r.status == 304).count();
    assert_eq!(asked, 5);
}

#[test]
fn other_bytes_are_verified_and_held_until_somebody_accepts_them() {
    let site = Site::new().synced();
    let stamp = embedded::new_stamp();
    let name = package().file_name();
    let old = published(&site);
    replace(&site, repacked(1));
    // Without being asked to, a sync does not look.
    site.run(&["sync", stamp]).expect(0);
    let run = site.run(&["sync", "--revalidate", stamp]).expect(15).says("HELD").says(&old);
    let states = history(&site);
    let new = states[1].0.clone();
    assert_eq!(states, [(old.clone(), "published".to_owned()), (new.clone(), "held".to_owned())]);
    let run = run.says(&new).says("midmirror accept").says("1 held, 0 failed");
    assert!(run.stderr.contains("4 already there"), "{}", run.stderr);
    assert_eq!(published(&site), old);
    site.run(&["store", "check", "--full"]).expect(0);

    // Still held, and not fetched again.
    let before = fetches(&site);
    site.run(&["sync", "--revalidate", stamp]).expect(15).says(&new);
    assert_eq!((fetches(&site), history(&site).len()), (before, 2));

    site.run(&["accept", name, "--reason", "  "]).expect(2).says("--reason");
    site.run(&["accept", "mid-core.nothing.zip", "--reason", "x"]).expect(2).says("list --history");
    site.run(&["accept", name, "--reason", "release note 7"]).expect(0).says(&new);
    let log =
        site.run(&["log", "show", name]).expect(0).says("held ").says("accepted ").says("release note 7");
    assert_eq!(log.stdout.matches(&new).count(), 2, "{}", log.stdout);
    assert_eq!(published(&site), new);
    assert_eq!(
        history(&site),
        [(old.clone(), "superseded".to_owned()), (new.clone(), "published".to_owned())]
    );
    site.run(&["list", "--history"]).expect(0).says("release note 7").says("superseded");
    site.run(&["store", "check", "--full"]).expect(0);
    site.run(&["accept", name, "--reason", "again"]).expect(2).says("no bytes are held");
    site.run(&["sync", "--revalidate", stamp]).expect(0);

    // Both are kept, so that the way back is open.
    site.run(&["accept", name, "--sha256", &old, "--reason", "the new one was withdrawn"]).expect(0);
    assert_eq!(published(&site), old);
}

#[test]
fn other_bytes_are_published_where_the_configuration_says_so() {
    let site = Site::new().synced();
    let old = published(&site);
    let text = std::fs::read_to_string(site.path("midmirror.toml")).unwrap();
    let text = text.replace("[policy]", "on_change = \"publish\"\n[policy]");
    std::fs::write(site.path("midmirror.toml"), text).unwrap();
    replace(&site, repacked(2));
    site.run(&["sync", "--revalidate", embedded::new_stamp()]).expect(0).says("1 stored");
    assert_ne!(published(&site), old);
    assert_eq!(history(&site)[0], (old, "superseded".to_owned()));
}

#[test]
fn the_configured_interval_looks_by_itself_and_only_when_it_is_over() {
    let site = Site::new().synced();
    let text = std::fs::read_to_string(site.path("midmirror.toml")).unwrap();
    let text = text.replace("[policy]", "revalidate_hours = 1\n[policy]");
    std::fs::write(site.path("midmirror.toml"), text).unwrap();
    replace(&site, repacked(3));
    site.run(&["sync", embedded::new_stamp()]).expect(0).says("5 already there");
    let memory = site.path("store/index/upstream-v1.json");
    let mut known: Value = serde_json::from_slice(&std::fs::read(&memory).unwrap()).unwrap();
    for known in known.as_object_mut().unwrap().values_mut() {
        known["asked_at"] = "2020-01-01T00:00:00Z".into();
    }
    std::fs::write(&memory, known.to_string()).unwrap();
    site.run(&["sync", embedded::new_stamp()]).expect(15);
}

#[test]
fn damaged_new_bytes_do_not_move_the_catalog_and_are_judged_again_each_time() {
    let site = Site::new().synced();
    let old = published(&site);
    let mut bytes = package().bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    replace(&site, bytes);
    for _ in 0..2 {
        site.run(&["sync", "--revalidate", embedded::new_stamp()]).expect(9).says("REFUSED").says("next:");
        assert_eq!(published(&site), old);
        assert_eq!(history(&site).len(), 1);
    }
}

#[test]
fn what_the_upstream_has_taken_away_stays_published() {
    let site = Site::new().synced();
    site.upstream().set_faults(package().file_name(), Fault::NotFound, None);
    site.run(&["sync", "--revalidate", embedded::new_stamp()]).expect(0).says("no longer has it");
    published(&site);
}

#[test]
fn bytes_that_are_the_old_ones_under_a_new_validator_change_nothing() {
    let site = Site::new().synced();
    let before = site.run(&["list"]).expect(0).stderr;
    // What the upstream said is forgotten, so that nothing can be compared.
    std::fs::remove_file(site.path("store/index/upstream-v1.json")).unwrap();
    replace(&site, repacked(4));
    replace(&site, package().bytes.to_vec());
    site.run(&["sync", "--revalidate", embedded::new_stamp()]).expect(0);
    assert_eq!(site.run(&["list"]).expect(0).stderr, before);
}

#[test]
fn other_bytes_brought_by_hand_are_held_as_well() {
    let site = Site::new().synced();
    let old = published(&site);
    std::fs::write(site.path(package().file_name()), repacked(5)).unwrap();
    site.run(&["import-file", package().file_name()]).expect(15).says("HELD");
    assert_eq!(published(&site), old);
}

#[test]
fn withdrawn_bytes_cannot_be_accepted_and_others_take_their_place() {
    let site = Site::new().synced();
    let (stamp, name) = (embedded::new_stamp(), package().file_name());
    let old = published(&site);
    replace(&site, repacked(1));
    site.run(&["sync", "--revalidate", stamp]).expect(15);
    let held = history(&site).into_iter().find(|(_, state)| state == "held").unwrap().0;
    site.run(&["withdraw", &held, "--reason", "not from the vendor"]).expect(0);
    assert_eq!(published(&site), old);
    site.run(&["accept", name, "--reason", "please"]).expect(4).says("[withdrawn]");

    // What is published is withdrawn as well. The upstream has others by now, and these need nobody's decision.
    site.run(&["withdraw", name, "--reason", "vendor notice"]).expect(0);
    site.run(&["sync", "--revalidate", stamp]).expect(9).says("[withdrawn]");
    replace(&site, repacked(2));
    site.run(&["sync", "--revalidate", stamp]).expect(0).says("1 stored");
    assert!(![old, held].contains(&published(&site)));
    let states: Vec<String> = history(&site).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["withdrawn", "withdrawn", "published"]);
}
