//! One archive, two judges: the JDK's `jarsigner` and this project's, and what admission makes of it.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use midmirror_fixtures::embedded;
use midmirror_fixtures::live_jarsigner::{Answer, LiveJarsigner};
use midmirror_fixtures::mutate::{Mutant, Mutator};
use midmirror_fixtures::signing::trust_store;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::policy::RULE_AGENT;
use midmirror_mirror::admit::{AdmissionInputs, AdmissionPolicy, judge_file};
use midmirror_verify::{Jdk, TrustStore, jarsigner};

type AnyError = Box<dyn std::error::Error>;

/// The sentence of an archive whose signatures hold.
pub(crate) const VERIFIED: &str = "jar verified.";
/// Rules of admission that ask for more than a good signature; set aside here, so that they hide nothing.
const OTHER_RULES: [&str; 1] = [RULE_AGENT];
/// A run of ours that takes longer has hung.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Both judges, with the same key store and the same archives.
pub(crate) struct Judges {
    live: LiveJarsigner,
    folder: PathBuf,
    mutator: Mutator,
    cacerts: Arc<TrustStore>,
    /// Also what the key store holds.
    all_anchors: TrustStore,
}

/// What came of one mutant.
pub(crate) struct Outcome {
    pub(crate) mutant: Mutant,
    pub(crate) arguments: Vec<String>,
    pub(crate) theirs: Answer,
    pub(crate) ours: Answer,
    pub(crate) admitted: bool,
    /// Every way in which the judges differ; none is good.
    pub(crate) differences: Vec<Difference>,
    /// What the machine of many runs said, where a machine of its own says something else and agrees with us.
    pub(crate) unconfirmed: Option<Answer>,
    pub(crate) their_time: Duration,
    pub(crate) our_time: Duration,
}

/// How the judges differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Difference {
    /// We say that the archive is good, jarsigner does not.
    WeAccept,
    /// Admission accepts what jarsigner does not.
    Admitted,
    /// Ours panicked or hung.
    NoAnswer,
    ExitCode,
    /// The sentence that states the result.
    Sentence,
    Text,
}

impl Judges {
    /// Starts `jarsigner`; `corpus` is the folder with `corpus.zip`, `folder` takes files.
    pub(crate) fn start(jdk: Option<&Path>, corpus: &Path, folder: &Path) -> Result<Self, AnyError> {
        let live = LiveJarsigner::start(jdk, folder, Duration::from_secs(60))?;
        let corpus = fs::read(corpus.join("corpus.zip"))?;
        let mutator = Mutator::new(&corpus)?;
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&corpus))?;
        for name in ["main", "named"] {
            let mut entry = archive.by_name(&format!("trust/{name}.p12"))?;
            std::io::copy(&mut entry, &mut fs::File::create(folder.join(format!("{name}.p12")))?)?;
        }
        let anchors = embedded::test_anchors_pem();
        let (signer, timestamps) = anchors.split_at(anchors.rfind("-----BEGIN").unwrap_or(0));
        let root = mutator.root_pem();
        let certificates = [("signer", signer), ("timestamps", timestamps), ("mutation", root.as_str())];
        let scratch = folder.join("import");
        fs::create_dir_all(&scratch)?;
        trust_store(&folder.join("main.p12"), "PKCS12", &certificates, &scratch)?;
        let cacerts = TrustStore::read("cacerts", &fs::read(live.cacerts())?, Some("changeit"))?;
        let mut all_anchors = cacerts.clone();
        all_anchors.add(&fs::read(folder.join("main.p12"))?, Some("changeit"))?;
        Ok(Self { live, folder: folder.to_owned(), mutator, cacerts: Arc::new(cacerts), all_anchors })
    }

    /// The version of the JDK.
    pub(crate) fn version(&self) -> &str {
        self.live.version()
    }

    /// Judges the mutant of this seed and index.
    pub(crate) fn judge(&mut self, seed: u64, index: u64) -> Result<Outcome, AnyError> {
        let mutant = self.mutator.mutant(seed, index);
        let file = self.folder.join("mutant.jar");
        fs::write(&file, &mutant.bytes)?;
        let arguments = self.arguments(index, &file);
        let Self { live, cacerts, all_anchors, .. } = self;
        let jdk = Jdk::of_version(live.version()).unwrap_or_default();
        // Both at the same time.
        let (theirs, our_side) = thread::scope(|scope| {
            let our_side = scope.spawn(|| {
                let (ours, time) = timed(|| our_answer(&arguments, cacerts, jdk));
                (
                    ours,
                    time,
                    is_admitted(&file, &mutant.bytes, all_anchors).map_err(|error| error.to_string()),
                )
            });
            (timed(|| live.run(&arguments)), our_side.join())
        });
        let (theirs, their_time) = theirs;
        let mut theirs = theirs?;
        let (ours, our_time, admitted) = our_side.map_err(|_| "admission panicked")?;
        let admitted = admitted?;
        let is_full = !index.is_multiple_of(8);
        let compare = |theirs: &Answer| differences(&ours, theirs, admitted && is_full);
        let mut differences = compare(&theirs);
        let mut unconfirmed = None;
        if !differences.is_empty() {
            // Nobody but a machine of its own is the judge.
            let suspected = std::mem::replace(&mut theirs, self.live.run_process(&arguments)?);
            differences = compare(&theirs);
            if differences.is_empty() {
                unconfirmed = Some(suspected);
                self.live.restart();
            }
        }
        Ok(Outcome {
            mutant,
            arguments,
            theirs,
            ours,
            admitted,
            differences,
            unconfirmed,
            their_time,
            our_time,
        })
    }

    /// Mostly everything; one in eight with other options.
    fn arguments(&self, index: u64, file: &Path) -> Vec<String> {
        let keystore =
            |name: &str| format!("-keystore {}.p12 -storepass changeit", self.folder.join(name).display());
        let main = keystore("main");
        let (options, aliases) = match (index % 8, index / 8 % 8) {
            (0, 0) => (format!("-verify {main}"), ""),
            (0, 1) => (format!("-verify -strict {main}"), ""),
            (0, 2) => ("-verify -verbose -certs -strict".to_owned(), ""),
            (0, 3) => (format!("-verify -verbose:summary -certs -strict {main}"), ""),
            (0, 4) => (format!("-verify -verbose:grouped -certs {main}"), ""),
            (0, 5) => (format!("-verify -verbose -strict {main}"), ""),
            (0, 6) => (format!("-verify -verbose -certs -strict {}", keystore("named")), "signer"),
            (0, _) => (format!("-verify -verbose -certs -strict {main}"), "mutation nobody"),
            _ => (format!("-verify -verbose -certs -strict {main}"), ""),
        };
        let line = format!("{options} {} {aliases}", file.display());
        line.split_whitespace().map(str::to_owned).collect()
    }
}

/// What a function returns, and how long it took.
fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (run(), start.elapsed())
}

fn our_answer(arguments: &[String], trust: &Arc<TrustStore>, jdk: Jdk) -> Answer {
    let (sender, receiver) = channel();
    let (arguments, trust) = (arguments.to_vec(), Arc::clone(trust));
    thread::spawn(move || {
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let environment = jarsigner::Environment::new(&trust, Timestamp::now());
            jarsigner::run(&arguments, &jarsigner::Environment { jdk, ..environment })
        }));
        // Nobody listens any more if it took too long.
        let _ = sender.send(answer.ok());
    });
    match receiver.recv_timeout(TIME_LIMIT) {
        Ok(Some(output)) => Answer { exit_code: Some(output.exit_code.into()), text: output.stdout },
        Ok(None) => Answer { exit_code: None, text: "panicked".to_owned() },
        Err(_) => Answer { exit_code: None, text: "hung".to_owned() },
    }
}

/// Whether this mirror would take it as a package of whoever signed it.
fn is_admitted(file: &Path, bytes: &[u8], anchors: &TrustStore) -> Result<bool, AnyError> {
    let judge = |organization: &str| {
        let policy = AdmissionPolicy { organization: organization.to_owned(), ..AdmissionPolicy::default() };
        let inputs = AdmissionInputs::new(anchors, &policy, Timestamp::now());
        judge_file(file, None, Sha256Digest::of(bytes), &inputs)
    };
    let mut decision = judge("nobody")?;
    let signers = decision.report().map(|report| report.signers());
    let own =
        signers.and_then(|signers| signers.first()?.organizations().first().map(|name| (*name).to_string()));
    if let Some(own) = own {
        decision = judge(&own)?;
    }
    Ok(decision.refusals().iter().all(|refusal| OTHER_RULES.contains(&refusal.rule)))
}

fn differences(ours: &Answer, theirs: &Answer, admitted: bool) -> Vec<Difference> {
    let good = |answer: &Answer| answer.exit_code == Some(0) && sentence(&answer.text) == VERIFIED;
    // 32 alone says that no certificate of the chain is in the key store, whatever hangs from it.
    let good_for_admission = good(theirs) || theirs.exit_code == Some(32);
    let checks = [
        (Difference::NoAnswer, ours.exit_code.is_none()),
        (Difference::WeAccept, good(ours) && !good(theirs)),
        (Difference::Admitted, admitted && !good_for_admission),
        (Difference::ExitCode, ours.exit_code != theirs.exit_code),
        (Difference::Sentence, sentence(&ours.text) != sentence(&theirs.text)),
        (Difference::Text, masked(&ours.text) != masked(&theirs.text)),
    ];
    checks.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect()
}

/// Whether ours prints the texts of this JDK.
pub(crate) fn is_reproduced(version: &str) -> bool {
    Jdk::of_version(version).is_some()
}

/// The line that says the result.
pub(crate) fn sentence(text: &str) -> &str {
    let starts = ["jar verified", "jar is unsigned", "The jar will be treated", "WARNING: ", "jarsigner"];
    let is_sentence = |line: &&str| starts.iter().any(|start| line.starts_with(start));
    text.lines().rfind(is_sentence).unwrap_or_else(|| text.lines().next().unwrap_or_default())
}

/// One error text contains the moment of the run.
pub(crate) fn masked(text: &str) -> String {
    let mut parts = text.split("params date: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "params date: " + part.split_once('Z').map_or("", |(_, rest)| rest))
}
