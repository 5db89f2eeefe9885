//! Real signed files that nobody on this project made, all the way from the upstream into an agent.
//!
//! The files are not part of the repository. `MIDMIRROR_REAL_FILES` names a folder that holds them, at any depth; any
//! copy with the right digest will do. Only organisation and anchors of the policy differ from the ordinary case.

use std::fs;
use std::path::{Path, PathBuf};

use midmirror_fixtures::upstream::Content;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::package::{PackageName, PackagePath, Tree};

use crate::site::{Mirror, Site};

/// An Eclipse bundle with signer and timestamp of DigiCert.
const JUNIT: (&str, &str) = ("62f9c996", "Eclipse.org Foundation, Inc.");
/// A Microsoft driver whose timestamp chain ends in the VeriSign Universal Root.
const MSSQL: (&str, &str) = ("4ac8c4bb", "Microsoft Corporation");

#[test]
fn a_real_eclipse_bundle_reaches_the_agent() {
    travels(JUNIT);
}

#[test]
fn a_real_microsoft_driver_reaches_the_agent() {
    travels(MSSQL);
}

fn travels((digest, organization): (&str, &str)) {
    let Some(file) = find(digest) else {
        eprintln!("skipped: MIDMIRROR_REAL_FILES names no folder with a file of digest {digest}…");
        return;
    };
    // A build that is older than the signatures: nothing is signed before it is built.
    let stamp = "london-06-27-2018__patch0-07-11-2018_07-14-2018_1223";
    let names = ["mid-core", "mid-upgrade"].map(|kind| format!("{kind}.{stamp}.universal.universal.zip"));
    let jre = format!("mid-jre.{stamp}.linux.x86-64.zip");
    let packages = names
        .iter()
        .chain([&jre])
        .map(|name| {
            let path = PackagePath::new(Tree::Signed, &PackageName::parse(name).unwrap()).unwrap();
            (path.to_string(), Content::File(file.clone()))
        })
        .collect();
    let site = Site::with_packages(packages);
    let text = fs::read_to_string(site.path("midmirror.toml")).unwrap();
    // Another organisation is refused, whatever the signature is worth.
    let bundled = text.replace("\"anchors.pem\"", "\"bundled\"");
    fs::write(site.path("midmirror.toml"), &bundled).unwrap();
    site.run(&["init"]).expect(0);
    site.run(&["sync", "--kind", "mid-core", stamp]).expect(4).says("[organization]");
    let policy = format!("[policy]\norganization = {organization:?}\n");
    fs::write(site.path("midmirror.toml"), bundled.replace("[policy]\n", &policy)).unwrap();
    site.run(&["sync", stamp]).expect(0).says("verified");
    let mirror = Mirror::start(&site);
    site.run(&["trust", "--url", &mirror.url, "--output", "trust.json"]).expect(0);
    site.run(&["host", "enrol", "--trust", "trust.json", "--organization", organization]).expect(0);
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--stamp", stamp]).expect(0).says("staged");
    let incoming = site.incoming(&agent);
    assert_eq!(incoming.len(), 3, "{incoming:?}");
    for name in incoming {
        let staged = site.path(&agent).join("package/incoming").join(name);
        assert_eq!(Sha256Digest::of_file(&staged).unwrap(), Sha256Digest::of_file(&file).unwrap());
    }
}

/// The file whose digest begins like this.
fn find(digest: &str) -> Option<PathBuf> {
    let mut folders = vec![PathBuf::from(std::env::var_os("MIDMIRROR_REAL_FILES")?)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).ok()? {
            let path = entry.ok()?.path();
            if path.is_dir() {
                folders.push(path);
            } else if has_digest(&path, digest) {
                return Some(path);
            }
        }
    }
    None
}

fn has_digest(path: &Path, digest: &str) -> bool {
    path.extension().is_some_and(|extension| extension == "jar")
        && Sha256Digest::of_file(path).is_ok_and(|found| found.to_hex().starts_with(digest))
}
