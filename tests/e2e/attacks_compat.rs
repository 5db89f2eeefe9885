//! What jarsigner says of each case: the table's word, our drop-in's, and that of the JDK on this machine.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use midmirror_fixtures::embedded;
use midmirror_fixtures::live_jarsigner::LiveJarsigner;
use midmirror_verify::{Jdk, TrustStore, jarsigner};

use crate::attacks_table::{JDK, UNASKED};

/// Who is trusted.
pub(crate) struct World {
    pub(crate) anchors_pem: String,
    /// The same as a JKS file.
    pub(crate) key_store: Vec<u8>,
}

impl World {
    /// In which the shipped packages are good.
    pub(crate) fn embedded() -> Self {
        let key_store = embedded::agent_cacerts().to_vec();
        Self { anchors_pem: embedded::test_anchors_pem().to_owned(), key_store }
    }
}

/// Asks both.
pub(crate) struct Jarsigners {
    live: Option<LiveJarsigner>,
    key_store: PathBuf,
    folder: tempfile::TempDir,
}

impl Jarsigners {
    pub(crate) fn new(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key_store = folder.path().join("anchors.jks");
        fs::write(&key_store, &world.key_store).unwrap();
        let live = match LiveJarsigner::start(None, folder.path(), Duration::from_secs(60)) {
            Ok(live) if Jdk::of_version(live.version()).is_some() => Some(live),
            Ok(live) => skip(&format!("the JDK is {}, which nobody has compared", live.version())),
            Err(error) => skip(&format!("no jarsigner in one Java machine: {error}")),
        };
        Self { live, key_store, folder }
    }

    /// Says what is wrong: the verdict on the archive is not the one that is expected.
    pub(crate) fn objection(&mut self, id: &str, bytes: &[u8], expected: &str) -> Option<String> {
        let file = self.folder.path().join("case.zip");
        fs::write(&file, bytes).unwrap();
        let line = ["-verify", "-verbose", "-certs", "-strict", "-storepass", "changeit", "-keystore"];
        let mut arguments = line.map(str::to_owned).to_vec();
        arguments.extend([&self.key_store, &file].map(|path| path.display().to_string()));
        let ours = ours(&arguments, JDK);
        if ours != expected {
            return Some(format!("{id}: the table says {expected:?}, our drop-in {ours:?}"));
        }
        let live = self.live.as_mut().filter(|_| !UNASKED.contains(&id))?;
        let jdk = Jdk::of_version(live.version()).unwrap();
        let ours = if jdk == JDK { ours } else { self::ours(&arguments, jdk) };
        let mut answer = live.run(&arguments).unwrap();
        if class(&answer.text, answer.exit_code) != ours {
            answer = live.run_process(&arguments).unwrap();
        }
        let theirs = class(&answer.text, answer.exit_code);
        (theirs != ours).then(|| {
            let end: Vec<&str> = answer.text.lines().rev().take(12).collect();
            format!("{id}: our drop-in says {ours:?}, the live jarsigner of {jdk} {theirs:?}: {end:?}")
        })
    }
}

fn ours(arguments: &[String], jdk: Jdk) -> String {
    let trust = TrustStore::empty("none");
    let environment = jarsigner::Environment::new(&trust, Timestamp::now());
    let output = jarsigner::run(arguments, &jarsigner::Environment { jdk, ..environment });
    class(&output.stdout, Some(output.exit_code.into()))
}

/// The class of the text and the exit code, in the table's words.
fn class(text: &str, exit_code: Option<i32>) -> String {
    let line = |wanted: &str| text.lines().any(|line| line == wanted);
    let class = if text.lines().any(|line| line.starts_with("jarsigner: ") || line.starts_with("jarsigner error: ")) {
        "aborted"
    } else if line("jar verified.") {
        "verified"
    } else if line("jar verified, with signer errors.") {
        "signer errors"
    } else if line("no manifest.") && line("jar is unsigned.") {
        "no manifest"
    } else if line("jar is unsigned.") {
        "unsigned"
    } else if text.contains("weak algorithm that is now disabled") {
        "disabled"
    } else if text.contains("not parsable or not verifiable") || text.contains("parsable or verifiable") {
        "not parsable"
    } else {
        return format!("nothing known: {:?}", text.lines().last());
    };
    format!("{class} {}", exit_code.map_or("none".to_owned(), |code| code.to_string()))
}

fn skip(reason: &str) -> Option<LiveJarsigner> {
    assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
    None
}
