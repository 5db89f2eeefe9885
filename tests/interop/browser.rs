//! Chromium: the pages in a real browser, looked at by axe-core, without script and with the keyboard.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::pages::furnished;
use crate::site::Mirror;
use crate::tool::{command, is_there, skip};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/interop/browser.mjs");

/// The folder whose `node_modules` has puppeteer-core and axe-core, which `MIDMIRROR_BROWSER` names.
fn tools() -> Option<PathBuf> {
    if !is_there("node") || !is_there("chromium") {
        return None;
    }
    let folder = std::env::var_os("MIDMIRROR_BROWSER").map(PathBuf::from);
    let is_complete = |folder: &PathBuf| {
        ["puppeteer-core", "axe-core"].iter().all(|name| folder.join("node_modules").join(name).is_dir())
    };
    let folder = folder.filter(is_complete);
    if folder.is_none() {
        skip("no puppeteer-core and axe-core (MIDMIRROR_BROWSER names the folder of their node_modules)");
    }
    folder
}

/// Where a program is.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[test]
fn pages_have_no_findings_no_messages_and_no_dead_links() {
    let Some(tools) = tools() else { return };
    let site = furnished();
    let mirror = Mirror::start(&site);
    // With MIDMIRROR_PICTURES the pictures are kept, to be looked at.
    let pictures =
        std::env::var_os("MIDMIRROR_PICTURES").map_or_else(|| site.path("pictures"), PathBuf::from);
    fs::create_dir_all(&pictures).unwrap();
    let output = command("node", &site.path(""))
        .arg(SCRIPT)
        .arg(program("chromium").unwrap())
        .arg(&mirror.url)
        .arg(&pictures)
        .env("MIDMIRROR_BROWSER", tools)
        .env("NODE_EXTRA_CA_CERTS", site.path("store.tls/ca.pem"))
        .output()
        .unwrap();
    let run: crate::site::Run = output.into();
    let run = run.expect(0);
    let said: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(said["problems"], Value::Array(Vec::new()), "{said:#}");
    assert!(said["visited"].as_array().unwrap().len() >= 10, "{said:#}");
    assert!(said["links"].as_u64().unwrap() > 60, "{said:#}");
}
