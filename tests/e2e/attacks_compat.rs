//! What jarsigner says of each case: the table's word, our drop-in's, and that of the JDK on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use midmirror_fixtures::embedded;
use midmirror_fixtures::live_jarsigner::LiveJarsigner;
use midmirror_verify::{Jdk, TrustStore, jarsigner};

use crate::attacks_table::{JDK, SLOW, UNASKED};

/// Marks cases where we stop at a limit that the JDK does not have.
const LIMIT: &str = " (limit)";

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
    live: Option<Arc<Mutex<Live>>>,
    key_store: PathBuf,
    folder: tempfile::TempDir,
}

impl Jarsigners {
    pub(crate) fn new(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key_store = folder.path().join("anchors.jks");
        fs::write(&key_store, &world.key_store).unwrap();
        Self { live: Live::shared(), key_store, folder }
    }

    /// Says what is wrong: the verdict on the archive is not the one that is expected.
    pub(crate) fn objection(&mut self, id: &str, bytes: &[u8], expected: &str) -> Option<String> {
        let file = self.folder.path().join("case.zip");
        fs::write(&file, bytes).unwrap();
        self.objection_to(id, &file, expected)
    }

    fn objection_to(&mut self, id: &str, file: &Path, expected: &str) -> Option<String> {
        let line = ["-verify", "-verbose", "-certs", "-strict", "-storepass", "changeit", "-keystore"];
        let mut arguments = line.map(str::to_owned).to_vec();
        arguments.extend([&self.key_store, file].map(|path| path.display().to_string()));
        let ours = ours(&arguments, JDK);
        let (wanted, limited) = match expected.strip_suffix(LIMIT) {
            Some(theirs) => ("aborted 1 (limit)", Some(theirs)),
            None => (expected, None),
        };
        if ours != wanted {
            return Some(format!("{id}: the table says {expected:?}, our drop-in {ours:?}"));
        }
        if id == UNASKED || SLOW.contains(&id) && !asks_all() {
            return None;
        }
        // Another test may have failed meanwhile.
        let mut live = self.live.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let live = &mut live.jarsigner;
        let jdk = Jdk::of_version(live.version()).unwrap();
        let ours = match limited {
            Some(theirs) => theirs.to_owned(),
            None if jdk == JDK => ours,
            None => self::ours(&arguments, jdk),
        };
        let mut answer = live.run(&arguments).unwrap();
        if class(&answer.text, answer.exit_code) != ours {
            answer = live.run_process(&arguments).unwrap();
        }
        let theirs = class(&answer.text, answer.exit_code);
        (theirs != ours).then(|| {
            let end: Vec<&str> = answer.text.lines().rev().take(12).collect();
            format!("{id}: expected is {ours:?}, the live jarsigner of {jdk} {theirs:?}: {end:?}")
        })
    }
}

/// The JDK's own, one for all tests that run at the same time: it takes longer to start than to answer.
struct Live {
    jarsigner: LiveJarsigner,
    _folder: tempfile::TempDir,
}

impl Live {
    fn shared() -> Option<Arc<Mutex<Self>>> {
        static SHARED: Mutex<Weak<Mutex<Live>>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = shared.upgrade() {
            return Some(live);
        }
        let folder = tempfile::tempdir().unwrap();
        let time_limit = Duration::from_secs(if asks_all() { 1200 } else { 120 });
        let live = match LiveJarsigner::start(None, folder.path(), time_limit) {
            Ok(live) if Jdk::of_version(live.version()).is_some() => {
                Arc::new(Mutex::new(Self { jarsigner: live, _folder: folder }))
            }
            Ok(live) => return skip(&format!("the JDK is {}, which nobody has compared", live.version())),
            Err(error) => return skip(&format!("no jarsigner in one Java machine: {error}")),
        };
        *shared = Arc::downgrade(&live);
        Some(live)
    }
}

fn asks_all() -> bool {
    std::env::var_os("MIDMIRROR_ASK_ALL").is_some()
}

fn ours(arguments: &[String], jdk: Jdk) -> String {
    let trust = TrustStore::empty("none");
    let environment = jarsigner::Environment::new(&trust, Timestamp::now());
    let output = jarsigner::run(arguments, &jarsigner::Environment { jdk, ..environment });
    let class = class(&output.stdout, Some(output.exit_code.into()));
    if output.stdout.contains("limit exceeded: ") { class + LIMIT } else { class }
}

/// The class of the text and the exit code, in the table's words.
fn class(text: &str, exit_code: Option<i32>) -> String {
    let line = |wanted: &str| text.lines().any(|line| line == wanted);
    let class = if text
        .lines()
        .any(|line| line.starts_with("jarsigner: ") || line.starts_with("jarsigner error: "))
    {
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

fn skip<T>(reason: &str) -> Option<T> {
    assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
    None
}

#[test]
fn a_missing_file_is_an_error() {
    let (id, site) = ("J3-missing-file", crate::site::Site::new());
    let row = &crate::attacks_table::table()[id];
    let mut jarsigners = Jarsigners::new(&World::embedded());
    assert_eq!(jarsigners.objection_to(id, Path::new("/nonexistent/mid.zip"), row.compat), None);
    site.run(&["verify", "nonexistent.zip"]).expect(row.admission.0).says(row.admission.1);
}
