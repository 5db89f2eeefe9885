//! `SHA256SUMS` in a store, verified by `minisign`, `signify` and `sha256sum`.

use std::fs;

use crate::site::{Site, flip_byte, overwrite};
use crate::tool::{is_there, run};

/// Verifies the list in the folder `store` of the site.
const VERIFIERS: [(&str, &str); 2] = [
    ("minisign", "minisign -V -p midmirror.pub -m SHA256SUMS"),
    ("signify-openbsd", "signify-openbsd -V -p midmirror.pub -x SHA256SUMS.minisig -m SHA256SUMS"),
];

#[test]
fn list_is_verified_and_a_change_of_it_is_not() {
    let site = Site::new().synced();
    let store = site.path("store");
    for (program, verify) in VERIFIERS {
        if !is_there(program) {
            continue;
        }
        run(&store, verify).expect(0);
        let list = fs::read(store.join("SHA256SUMS")).unwrap();
        flip_byte(&store.join("SHA256SUMS"));
        assert_ne!(run(&store, verify).code, 0, "{program}");
        overwrite(&store.join("SHA256SUMS"), &list);
        run(&store, verify).expect(0);
    }
}

#[test]
fn list_follows_the_catalog_and_finds_damage_by_itself() {
    if !is_there("sha256sum") {
        return;
    }
    let site = Site::new().synced();
    let store = site.path("store");
    let check = "sha256sum --check --strict --ignore-missing SHA256SUMS";
    let before = run(&store, check).expect(0).stdout;
    assert_eq!(before.matches(": OK").count(), 5, "{before}");
    site.run(&["sync", midmirror_fixtures::embedded::old_stamp()]).expect(0);
    let after = run(&store, check).expect(0).stdout;
    assert_eq!(after.matches(": OK").count(), 10, "{after}");

    // The same list for a folder in the vendor's layout.
    let core = crate::tool::new_core();
    let copy = site.path("copy").join(core.path);
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    fs::write(&copy, core.bytes).unwrap();
    fs::copy(store.join("SHA256SUMS"), site.path("copy/SHA256SUMS")).unwrap();
    run(&site.path("copy"), check).expect(0).says(core.path);

    flip_byte(&site.blob("mid-core."));
    run(&store, check).expect(1).says("FAILED");
    // A list that was lost or is an old one is written again by the next publication, signature included.
    fs::remove_file(store.join("SHA256SUMS")).unwrap();
    fs::write(store.join("SHA256SUMS.minisig"), "old").unwrap();
    site.run(&["init"]).expect(0);
    let verified = || {
        for (program, verify) in VERIFIERS {
            if is_there(program) {
                run(&store, verify).expect(0);
            }
        }
    };
    verified();
    for name in ["SHA256SUMS.minisig", "midmirror.pub"] {
        fs::remove_file(store.join(name)).unwrap();
        site.run(&["init"]).expect(0);
        verified();
    }
}
