//! tuf-js: the TUF client of the npm world, started from our root, against our HTTPS server.

use std::fs;
use std::path::PathBuf;

use crate::site::{Mirror, Run, Site, flip_byte};
use crate::tool::{Files, command, is_there, new_core, skip};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/tuf_js.mjs");
const ROOT: &str = "store/repository/1.root.json";

/// The folder whose `node_modules` has tuf-js, which `MIDMIRROR_TUF_JS` names.
fn tuf_js() -> Option<PathBuf> {
    if !is_there("node") {
        return None;
    }
    let folder = std::env::var_os("MIDMIRROR_TUF_JS").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.join("node_modules/tuf-js/package.json").is_file());
    if folder.is_none() {
        skip("no tuf-js (MIDMIRROR_TUF_JS names the folder of its node_modules)");
    }
    folder
}

/// Refreshes and downloads the core package of the newer build; `state` is what the client remembers.
fn update(tuf_js: &PathBuf, site: &Site, mirror: &Mirror, state: &str) -> Run {
    let metadata = format!("{}/repository", mirror.url);
    let targets = format!("{}/repository/targets", mirror.url);
    command("node", &site.path(""))
        .args([SCRIPT, ROOT, &metadata, &targets, state, new_core().path])
        .env("MIDMIRROR_TUF_JS", tuf_js)
        .env("NODE_EXTRA_CA_CERTS", "store.tls/ca.pem")
        .output()
        .unwrap()
        .into()
}

#[test]
fn target_is_downloaded_from_our_root_on_and_the_client_follows() {
    let Some(tuf_js) = tuf_js() else { return };
    let site = Site::new().synced();
    let mirror = Mirror::start(&site);
    let digest = site.blob(new_core().path).file_name().unwrap().to_string_lossy().into_owned();
    update(&tuf_js, &site, &mirror, "client").expect(0).says(&digest).says("\"targets\": 2");
    site.run(&["sync", midmirror_fixtures::embedded::old_stamp()]).expect(0);
    update(&tuf_js, &site, &mirror, "client").expect(0).says(&digest).says("\"targets\": 3");
    // Another site's root does not vouch for this catalog.
    let other = Site::with_packages(Vec::new());
    other.run(&["init"]).expect(0);
    fs::create_dir_all(site.path("stranger/metadata")).unwrap();
    fs::copy(other.path(ROOT), site.path("stranger/metadata/root.json")).unwrap();
    update(&tuf_js, &site, &mirror, "stranger").expect(1).says("error: ");
}

#[test]
fn rolled_back_timestamp_is_refused() {
    let Some(tuf_js) = tuf_js() else { return };
    let site = Site::new().synced();
    let mirror = Mirror::start(&site);
    let timestamp = site.path("store/repository/timestamp.json");
    let old = fs::read(&timestamp).unwrap();
    site.run(&["sync", midmirror_fixtures::embedded::old_stamp()]).expect(0);
    update(&tuf_js, &site, &mirror, "client").expect(0);
    fs::write(&timestamp, old).unwrap();
    update(&tuf_js, &site, &mirror, "client")
        .expect(1)
        .says("BadVersionError")
        .says("is less than current version");
}

#[test]
fn export_is_verified_as_plain_files_and_a_tampered_target_is_refused() {
    let Some(tuf_js) = tuf_js() else { return };
    let site = Site::new().synced();
    site.run(&["store", "export-tuf", "export", "--copy"]).expect(0);
    let Some(files) = Files::serve(&site.path("export")) else { return };
    let run = |state: &str| -> Run {
        let targets = format!("{}/targets", files.url);
        command("node", &site.path(""))
            .args([SCRIPT, ROOT, &files.url, &targets, state, new_core().path])
            .env("MIDMIRROR_TUF_JS", &tuf_js)
            .output()
            .unwrap()
            .into()
    };
    run("client").expect(0);
    let folder = site.path("export/targets").join(new_core().path);
    let package = fs::read_dir(folder.parent().unwrap()).unwrap().next().unwrap().unwrap().path();
    flip_byte(&package);
    run("other").expect(1).says("Expected hash");
    site.run(&["store", "export-tuf", "export", "--copy"]).expect(0).says("1 copied");
    run("other").expect(0);
}
