//! A file that is another one each time it is looked at (CWE-367): what gets into the store is what was verified.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use midmirror_mirror::Sha256Digest;

use crate::attacks::{EVIL, SH, new_upgrade};
use crate::attacks_archive::Zip;
use crate::attacks_table::table;
use crate::site::Site;

/// Good and evil in turn, as fast as the disk allows, while the file is imported again and again.
fn import_while(id: &str, exchange: fn(&Path, &Path)) {
    assert!(table().contains_key(id), "{id} is not in ATTACKS.md");
    let site = Site::new();
    site.run(&["init"]).expect(0);
    let good = new_upgrade().bytes;
    let mut evil = Zip::read(good);
    evil.entry(SH).replace(EVIL);
    // Of the same length, so that no size gives it away.
    let mut evil = evil.write();
    assert!(evil.len() <= good.len() + 200);
    evil.resize(evil.len().max(good.len()), 0);
    let name = new_upgrade().file_name();
    let file = site.path(name);
    let sources = [("good.zip", good), ("evil.zip", &evil)].map(|(name, bytes)| {
        fs::write(site.path(name), bytes).unwrap();
        site.path(name)
    });
    let (stop, turns) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut admitted = 0;
    std::thread::scope(|scope| {
        fs::copy(&sources[0], &file).unwrap();
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let turn = turns.fetch_add(1, Ordering::SeqCst);
                exchange(&sources[turn % 2], &file);
            }
        });
        for _ in 0..12 {
            let status = site
                .command(&["import-file", name])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            admitted += usize::from(status.success());
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(turns.load(Ordering::SeqCst) > 24, "{id}: the file was hardly ever replaced");
    let list = site.run(&["list", "--json"]).expect(0).stdout;
    let packages: serde_json::Value = serde_json::from_str(&list).unwrap();
    for package in packages.as_array().unwrap() {
        let digest = package["sha256"].as_str().unwrap();
        assert_eq!(digest, Sha256Digest::of(good).to_hex(), "{id}: something else was admitted");
        let kept = fs::read(site.blob(name)).unwrap();
        assert!(kept == good, "{id}: what is kept is not what was verified");
    }
    site.run(&["store", "check", "--full"]).expect(0);
    // Undisturbed, it goes in.
    fs::write(&file, good).unwrap();
    site.run(&["import-file", name]).expect(0);
    eprintln!("{id}: {admitted} of 12 imports admitted in {} turns", turns.load(Ordering::SeqCst));
}

#[test]
fn a_file_replaced_while_it_is_imported() {
    import_while("J22-replaced-by-another-file", |source, file| {
        let next = file.with_extension("next");
        fs::copy(source, &next).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the attacker's, not ours")]
        fs::rename(&next, file).unwrap();
    });
}

#[test]
fn a_file_overwritten_while_it_is_imported() {
    import_while("J22-overwritten-in-place", |source, file| {
        fs::write(file, fs::read(source).unwrap()).unwrap()
    });
}

#[cfg(unix)]
#[test]
fn a_link_turned_while_it_is_imported() {
    import_while("J22-link-turned", |source, file| {
        let next = file.with_extension("next");
        std::os::unix::fs::symlink(source, &next).unwrap();
        #[expect(clippy::disallowed_methods, reason = "the attacker's, not ours")]
        fs::rename(&next, file).unwrap();
    });
}
