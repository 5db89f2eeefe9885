//! What the demo shows, in order.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use midmirror_fixtures::agent::{self, AgentSample, LogFormat};
use midmirror_fixtures::embedded;

use crate::exit::Exit;
use crate::output;

use super::workplace::{Workplace, free_port};

/// Runs all parts; an error means that the demo itself could not go on.
pub(super) fn run(place: &mut Workplace) -> anyhow::Result<()> {
    let upstream_port = free_port()?;
    let mirror_port = free_port()?;
    prepare(place, upstream_port, mirror_port)?;
    connected_site(place, upstream_port)?;
    hosts(place, mirror_port)?;
    tampered_upstream(place, upstream_port)?;
    tampered_store(place)?;
    tampered_catalog(place)?;
    recovered(place)
}

const LINUX: &str = "agent-linux";
const WINDOWS: &str = "agent-windows";
const STATE: &str = "host-state";

fn prepare(place: &mut Workplace, upstream_port: u16, mirror_port: u16) -> anyhow::Result<()> {
    let folder = place.folder().to_owned();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).with_context(|| format!("failed to write {name}"))
    };
    write("test-anchors.pem", embedded::test_anchors_pem())?;
    write(
        "midmirror.toml",
        &format!(
            "# Written by `midmirror demo`. The packages are signed by a TEST authority, never trusted by default.\n\
             store = \"store\"\n\n[upstream]\nbase_uri = \"https://localhost:{upstream_port}\"\n\
             ca_file = \"upstream-ca.pem\"\n\n[policy]\ntruststore = [\"test-anchors.pem\"]\n\n\
             [serve]\nlisten = \"127.0.0.1:{mirror_port}\"\npublic_url = \"https://localhost:{mirror_port}\"\n"
        ),
    )?;
    for (name, platform, log_format) in
        [(LINUX, "linux.x86-64", LogFormat::Iso), (WINDOWS, "windows.x86-64", LogFormat::Classic)]
    {
        let sample = AgentSample {
            platform,
            log_format,
            instance_url: "https://example.service-now.com/".to_owned(),
            installed_stamp: embedded::old_stamp().to_owned(),
            assigned_stamp: embedded::new_stamp().to_owned(),
        };
        agent::write(&folder.join(name), &sample).with_context(|| format!("failed to write {name}"))?;
    }
    Ok(())
}

fn connected_site(place: &mut Workplace, upstream_port: u16) -> anyhow::Result<()> {
    place.heading("A stand-in for the vendor's host, on loopback, with test packages");
    start_upstream(place, upstream_port, &[])?;
    place.heading("The connected site: store, plan, fetch, verify, admit, publish");
    place.run(&["init"], Exit::Done, "a store and its signed catalog are created")?;
    place.run(&["plan", embedded::new_stamp()], Exit::Done, "a build stamp becomes a package set")?;
    let log = format!("{LINUX}/logs/agent0.log.0");
    place.run(&["plan", "--log", &log], Exit::Done, "an agent's log becomes a package set")?;
    place.run(
        &["sync", embedded::new_stamp()],
        Exit::Done,
        "packages are fetched, verified, admitted, published",
    )?;
    place.run(&["sync", "--log", &log], Exit::Done, "a second run finds everything in place")?;
    place.run(&["list"], Exit::Done, "the catalog names signer, timestamp and digest of each package")?;
    Ok(())
}

fn start_upstream(place: &mut Workplace, port: u16, more: &[&str]) -> anyhow::Result<()> {
    let listen = format!("127.0.0.1:{port}");
    let mut arguments = vec!["demo-upstream", "--listen", &listen, "--ca-out", "upstream-ca.pem"];
    arguments.extend(more);
    // The authority is made anew with each start: that of an earlier one must not be taken for it.
    let ca = place.folder().join("upstream-ca.pem");
    if ca.exists() {
        std::fs::remove_file(&ca).with_context(|| format!("failed to remove {}", ca.display()))?;
    }
    place.start("upstream", &arguments, port)?;
    place.wait_for(&ca)
}

fn hosts(place: &mut Workplace, port: u16) -> anyhow::Result<()> {
    place.heading("Serving over HTTPS under the vendor's own paths");
    place.run(
        &["serve", "--init-tls", "--host", "localhost", "--host", "127.0.0.1"],
        Exit::Done,
        "a private CA and a server certificate are made",
    )?;
    place.start("mirror", &["serve"], port)?;
    place.mirror_url = format!("https://localhost:{port}");
    output::data(format!("  the mirror answers on {}", place.mirror_url));
    place.run(&["trust", "--output", "trust.json"], Exit::Done, "the mirror writes its trust file")?;

    place.heading("The MID host: enrol once, then stage what the agent misses");
    place.run(
        &["host", "stage", LINUX, "--state", STATE],
        Exit::NotEnrolled,
        "a host that is not enrolled trusts nobody",
    )?;
    place.run(
        &["host", "enrol", "--trust", "trust.json", "--truststore", "test-anchors.pem", "--state", STATE],
        Exit::Done,
        "the host is enrolled by the trust file",
    )?;
    place.run(&["host", "status", LINUX, "--state", STATE], Exit::Done, "the agent's state is read")?;
    place.run(
        &["host", "stage", LINUX, "--state", STATE],
        Exit::Done,
        "missing packages are verified and staged into package/incoming",
    )?;
    place.run(&["host", "stage", LINUX, "--state", STATE], Exit::Done, "a second run changes nothing")?;
    let staged = zips_in(&place.folder().join(LINUX).join("package/incoming"))?;
    place.note("packages arrived in agent-linux/package/incoming", !staged.is_empty());
    for name in staged {
        let file = format!("{LINUX}/package/incoming/{name}");
        place.run(&["verify", &file], Exit::Done, &format!("verified once more in incoming: {name}"))?;
    }
    Ok(())
}

fn tampered_upstream(place: &mut Workplace, port: u16) -> anyhow::Result<()> {
    place.heading("A tampered package: the upstream changes one byte of mid-core");
    place.stop("upstream");
    start_upstream(place, port, &["--tamper", "/mid-core."])?;
    place.run(
        &["sync", "--kind", "mid-core", embedded::old_stamp()],
        Exit::RefusedByVerification,
        "a tampered package is refused and not published",
    )?;
    place.stop("upstream");
    Ok(())
}

fn tampered_store(place: &mut Workplace) -> anyhow::Result<()> {
    place.heading("A tampered store file: one byte of the stored mid-core is changed");
    let list = place.run(&["list", "--json"], Exit::Done, "the catalog is listed as JSON")?;
    let digest = digest_of(&list, "/mid-core.")?;
    let head = digest.get(..2).unwrap_or_default();
    let blob = place.folder().join("store/blobs/sha256").join(head).join(&digest);
    let original = flip_byte(&blob)?;
    place.run(&["store", "check", "--full"], Exit::StoreDamaged, "store check names the damaged file")?;
    place.run(
        &["host", "stage", WINDOWS, "--state", STATE],
        Exit::SomeFailed,
        "the damaged file is neither served nor staged",
    )?;
    let core = zips_in(&place.folder().join(WINDOWS).join("package/incoming"))?
        .into_iter()
        .any(|name| name.starts_with("mid-core."));
    place.note("no mid-core arrived in agent-windows/package/incoming", !core);
    overwrite(&blob, &original)
}

fn tampered_catalog(place: &mut Workplace) -> anyhow::Result<()> {
    place.heading("A tampered catalog: one byte of timestamp.json is changed");
    let file = place.folder().join("store/repository/timestamp.json");
    let original = flip_byte(&file)?;
    place.run(
        &["host", "stage", WINDOWS, "--state", STATE],
        Exit::CatalogNotTrusted,
        "a tampered catalog is not trusted, nothing is staged",
    )?;
    overwrite(&file, &original)
}

fn recovered(place: &mut Workplace) -> anyhow::Result<()> {
    place.heading("With the true bytes back, the Windows agent gets its packages, and only its own JRE");
    place.run(&["store", "check", "--full"], Exit::Done, "the store is sound again")?;
    place.run(&["host", "stage", WINDOWS, "--state", STATE], Exit::Done, "the Windows agent is served")?;
    let staged = zips_in(&place.folder().join(WINDOWS).join("package/incoming"))?;
    let right = staged.iter().any(|name| name.starts_with("mid-jre.") && name.contains("windows"))
        && !staged.iter().any(|name| name.contains("linux"));
    place.note("only the Windows JRE was staged there", right);
    Ok(())
}

fn zips_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let failed = || format!("failed to list {}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(failed)? {
        let name = entry.with_context(failed)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".zip") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The digest of the first package whose path contains a text, in the output of `list --json`.
fn digest_of(list: &str, path_contains: &str) -> anyhow::Result<String> {
    let packages: serde_json::Value = serde_json::from_str(list).context("failed to read the listing")?;
    packages
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| {
            package
                .get("path")
                .and_then(|path| path.as_str())
                .is_some_and(|path| path.contains(path_contains))
        })
        .and_then(|package| package.get("sha256")?.as_str().map(str::to_owned))
        .ok_or_else(|| anyhow!("no package {path_contains} in the catalog"))
}

/// Changes one byte in the middle; returns the bytes as they were.
fn flip_byte(file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    let original = std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
    let mut damaged = original.clone();
    let middle = damaged.len() / 2;
    if let Some(byte) = damaged.get_mut(middle) {
        *byte ^= 1;
    }
    output::data(format!("\n  (byte {middle} of {} is changed)", file.display()));
    overwrite(file, &damaged)?;
    Ok(original)
}

/// Writes into a file of the store, which is read-only for a reason.
fn overwrite(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let failed = || format!("failed to change {}", file.display());
    let before = std::fs::metadata(file).with_context(failed)?.permissions();
    let mut writable = before.clone();
    #[expect(
        clippy::permissions_set_readonly_false,
        reason = "the demo damages a read-only file on purpose"
    )]
    writable.set_readonly(false);
    std::fs::set_permissions(file, writable).with_context(failed)?;
    std::fs::write(file, bytes).with_context(failed)?;
    std::fs::set_permissions(file, before).with_context(failed)
}
