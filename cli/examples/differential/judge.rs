//! One archive, two judges: the JDK's `jarsigner` and this project's, and what admission makes of it.

use std::collections::BTreeMap;
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
const VERIFIED: &str = "jar verified.";
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
        let start = Instant::now();
        let mut theirs = self.live.run(&arguments)?;
        let their_time = start.elapsed();
        let start = Instant::now();
        let ours = self.ours(&arguments);
        let our_time = start.elapsed();
        let is_full = !index.is_multiple_of(8);
        let admitted = self.is_admitted(&file, &mutant.bytes)?;
        let compare = |theirs: &Answer| differences(&ours, theirs, admitted && is_full);
        if !compare(&theirs).is_empty() {
            // Nobody but a machine of its own is the judge.
            theirs = self.live.run_process(&arguments)?;
        }
        let differences = compare(&theirs);
        Ok(Outcome { mutant, arguments, theirs, ours, admitted, differences, their_time, our_time })
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

    fn ours(&self, arguments: &[String]) -> Answer {
        let (sender, receiver) = channel();
        let (arguments, trust) = (arguments.to_vec(), Arc::clone(&self.cacerts));
        let jdk = Jdk::of_version(self.version()).unwrap_or_default();
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
    fn is_admitted(&self, file: &Path, bytes: &[u8]) -> Result<bool, AnyError> {
        let judge = |organization: &str| {
            let policy =
                AdmissionPolicy { organization: organization.to_owned(), ..AdmissionPolicy::default() };
            let inputs = AdmissionInputs::new(&self.all_anchors, &policy, Timestamp::now());
            judge_file(file, None, Sha256Digest::of(bytes), &inputs)
        };
        let mut decision = judge("nobody")?;
        let signers = decision.report().map(|report| report.signers());
        let own = signers
            .and_then(|signers| signers.first()?.organizations().first().map(|name| (*name).to_string()));
        if let Some(own) = own {
            decision = judge(&own)?;
        }
        Ok(decision.refusals().iter().all(|refusal| OTHER_RULES.contains(&refusal.rule)))
    }
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
fn masked(text: &str) -> String {
    let mut parts = text.split("params date: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "params date: " + part.split_once('Z').map_or("", |(_, rest)| rest))
}

/// Counts of everything that is reported.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) mutants: u64,
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// How many there were, and how many of them jarsigner verified with exit code 0.
    pub(crate) kinds: BTreeMap<&'static str, (u64, u64)>,
    pub(crate) differences: BTreeMap<Difference, u64>,
    pub(crate) verified: u64,
    pub(crate) admitted: u64,
    pub(crate) their_time: Duration,
    pub(crate) our_time: Duration,
}

impl Counts {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        let sentence = sentence(&outcome.theirs.text);
        // Of an exception only its class: the rest names entries.
        let class: Vec<&str> = sentence.splitn(3, ": ").take(2).collect();
        let class = if sentence.starts_with("jarsigner") { class.join(": ") } else { sentence.to_owned() };
        let exit = outcome.theirs.exit_code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.mutants += 1;
        *self.outcomes.entry(format!("{exit:>4}  {class}")).or_default() += 1;
        let verified = sentence.starts_with(VERIFIED.trim_end_matches('.'));
        let verified = verified && outcome.theirs.exit_code == Some(0);
        self.verified += u64::from(verified);
        self.admitted += u64::from(outcome.admitted);
        let mut kinds = outcome.mutant.kinds.clone();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let counts = self.kinds.entry(kind).or_default();
            counts.0 += 1;
            counts.1 += u64::from(verified);
        }
        for difference in &outcome.differences {
            *self.differences.entry(*difference).or_default() += 1;
        }
        self.their_time += outcome.their_time;
        self.our_time += outcome.our_time;
    }
}
