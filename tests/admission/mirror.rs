//! A mirror and an agent in a temporary folder, for tests in which years pass: every step is given its moment.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use midmirror_fixtures::agent::{AgentSample, LogFormat};
use midmirror_fixtures::embedded;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::{
    AdmissionInputs, AdmissionPolicy, AdmitError, EarlierAdmission, History, RelaxedRule, verify_file,
};
use midmirror_mirror::agent::{AgentHome, inventory, wanted};
use midmirror_mirror::catalog::{
    FolderSource, Lifetimes, SigningKeys, TrustInputs, TrustedCatalog, trust_folder,
};
use midmirror_mirror::enrol::{Enrolment, HostPolicy, Replace, TrustFile};
use midmirror_mirror::package::{PackageName, PackagePath};
use midmirror_mirror::pipeline::{self, OnChange, Outcome, Site};
use midmirror_mirror::stage::{CheckFailure, Source, StageInputs, StageReport, stage};
use midmirror_mirror::store::Store;
use midmirror_verify::TrustStore;

/// A mirror in a temporary folder, whose clock is an argument.
pub(crate) struct Mirror {
    folder: tempfile::TempDir,
    pub(crate) store: Store,
    keys: SigningKeys,
    pub(crate) trust: TrustStore,
}

impl Mirror {
    pub(crate) fn new(moment: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("store"), at(moment)).unwrap();
        Self::with(folder, store)
    }

    pub(crate) fn with(folder: tempfile::TempDir, store: Store) -> Self {
        let keys = SigningKeys::create(&folder.path().join("keys")).unwrap();
        let trust = TrustStore::read("test", embedded::test_anchors_pem().as_bytes(), None).unwrap();
        let mirror = Self { folder, store, keys, trust };
        fs::write(mirror.package(), new_upgrade().bytes).unwrap();
        mirror
    }

    /// The same store with other keys, which is all the same for judging.
    pub(crate) fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(self.store.root_dir(), &folder.path().join("store"));
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self::with(folder, store)
    }

    pub(crate) fn package(&self) -> PathBuf {
        self.folder.path().join(new_upgrade().file_name())
    }

    pub(crate) fn run(
        &self,
        moment: &str,
        proof: Option<&TrustedCatalog>,
        files: &[(PathBuf, PackagePath)],
    ) -> Vec<Outcome> {
        let policy = AdmissionPolicy::default();
        let site = Site {
            store: &self.store,
            keys: &self.keys,
            lifetimes: &Lifetimes::ISOLATED,
            trust: &self.trust,
            timestamp_trust: None,
            agent_anchors: None,
            policy: &policy,
            proof,
            on_change: OnChange::Hold,
            max_package_bytes: 1 << 30,
            now: at(moment),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let report = runtime.block_on(pipeline::import(&site, files, &|_| {})).unwrap();
        report.items.into_iter().map(|item| item.outcome).collect()
    }

    pub(crate) fn publish(&self, moment: &str) {
        self.run(moment, None, &[]);
    }

    pub(crate) fn outcome(&self, moment: &str, proof: Option<&TrustedCatalog>) -> Outcome {
        let path = PackagePath::parse(new_upgrade().path).unwrap();
        self.run(moment, proof, &[(self.package(), path)]).remove(0)
    }

    /// Imports the package and returns the notices.
    pub(crate) fn import(&self, moment: &str, proof: Option<&TrustedCatalog>) -> Vec<String> {
        match self.outcome(moment, proof) {
            Outcome::Stored(stored) => {
                stored.notices().iter().map(|notice| format!("{}: {}", notice.rule, notice.text)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Imports the package, is refused, and returns why.
    pub(crate) fn refused(&self, moment: &str, proof: Option<&TrustedCatalog>) -> Vec<String> {
        match self.outcome(moment, proof) {
            Outcome::NotAdmitted(error) => reasons(&error),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn judge(&self, moment: &str, policy: &AdmissionPolicy, trust: &TrustStore) -> Vec<String> {
        let history = self.store.history(digest()).unwrap();
        let inputs = AdmissionInputs::new(trust, policy, at(moment));
        verify_file(&self.package(), &name(), digest(), &inputs, &history)
            .err()
            .as_ref()
            .map(reasons)
            .unwrap_or_default()
    }

    pub(crate) fn refused_by_judgement(&self, moment: &str) -> Vec<String> {
        // Signers are read from all records; a garbled one is reported by `check`, and here it must only prove nothing.
        let earlier = EarlierAdmission::in_store(&self.store, digest()).unwrap();
        let history = History { earlier, ..Default::default() };
        let policy = AdmissionPolicy::default();
        let inputs = AdmissionInputs::new(&self.trust, &policy, at(moment));
        verify_file(&self.package(), &name(), digest(), &inputs, &history)
            .err()
            .as_ref()
            .map(reasons)
            .unwrap_or_default()
    }

    pub(crate) fn evidence(&self, number: u64) -> PathBuf {
        self.store.evidence_dir(&digest()).join(format!("{number:08}"))
    }

    /// Changes a document of the first admission.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.evidence(1).join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        overwrite(&path, text.replace(from, to).as_bytes());
    }

    /// Changes the report and makes the record fit it, as somebody could who may write to the store.
    pub(crate) fn forge(&self, from: &str, to: &str) {
        let path = self.evidence(1).join("report.json");
        let before = Sha256Digest::of(&fs::read(&path).unwrap()).to_hex();
        self.edit("report.json", from, to);
        let after = Sha256Digest::of(&fs::read(&path).unwrap()).to_hex();
        self.edit("admission.json", &before, &after);
    }

    pub(crate) fn move_evidence(&self, digest_text: &str) {
        let from = self.evidence(1).parent().unwrap().to_owned();
        let to = self.store.evidence_dir(&digest_text.parse().unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        #[allow(clippy::disallowed_methods, reason = "the store is moved away, as an operator would")]
        fs::rename(from, to).unwrap();
    }

    pub(crate) fn catalog(&self, moment: &str) -> TrustedCatalog {
        let folder = self.store.repository_dir();
        let root = fs::read(folder.join("1.root.json")).unwrap();
        let inputs = TrustInputs { root: &root, state: None, now: at(moment), allow_expired: true };
        trust_folder(&FolderSource::new(folder), &inputs).unwrap()
    }

    /// Stages for an agent from this store, or from a plain folder with the package.
    pub(crate) fn stage(&self, moment: &str, relaxed: &[RelaxedRule], with_catalog: bool) -> StageReport {
        let (state, agent) = (self.folder.path().join("state"), self.folder.path().join("agent"));
        let root = fs::read(self.store.repository_dir().join("1.root.json")).unwrap();
        let trust = TrustFile::new(self.store.id(), &root, None, None, at(moment)).unwrap();
        let enrolment =
            Enrolment::enrol(&state, trust, HostPolicy::default(), None, Replace::SameRootOnly).unwrap();
        if !agent.exists() {
            let sample = AgentSample {
                platform: "linux.x86-64",
                log_format: LogFormat::Iso,
                instance_url: "https://example.service-now.com/".to_owned(),
                installed_stamp: embedded::old_stamp().to_owned(),
                assigned_stamp: embedded::new_stamp().to_owned(),
            };
            midmirror_fixtures::agent::write(&agent, &sample).unwrap();
        }
        let policy = AdmissionPolicy { relaxed: relaxed.to_vec(), ..AdmissionPolicy::default() };
        let home = AgentHome::open(&agent).unwrap();
        let wanted = wanted(&inventory(&home).unwrap()).unwrap();
        let plain = self.folder.path().join("plain");
        fs::create_dir_all(&plain).unwrap();
        fs::copy(self.package(), plain.join(new_upgrade().file_name())).unwrap();
        let from = if with_catalog { self.store.root_dir().to_owned() } else { plain };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let source = Source::folder(&from, &enrolment, at(moment)).await.unwrap();
            let verify = |file: &Path, name: &PackageName, sha256| {
                let inputs = AdmissionInputs::new(&self.trust, &policy, at(moment));
                let history = source.history(sha256);
                verify_file(file, name, sha256, &inputs, &history).map(drop).map_err(CheckFailure::from)
            };
            stage(&StageInputs {
                home: &home,
                wanted: &wanted,
                enrolment: &enrolment,
                source: &source,
                verify: &verify,
                progress: &|_, _| {},
            })
            .await
            .unwrap()
        })
    }

    pub(crate) fn staged(&self) -> usize {
        let incoming = self.folder.path().join("agent/package/incoming");
        fs::read_dir(incoming).unwrap().count()
    }
}

pub(crate) fn reasons(error: &AdmitError) -> Vec<String> {
    let AdmitError::Refused { decision, .. } = error else { panic!("{error:?}") };
    decision.refusals().iter().map(|refusal| format!("{}: {}", refusal.rule, refusal.text)).collect()
}

pub(crate) fn name() -> PackageName {
    PackageName::parse(new_upgrade().file_name()).unwrap()
}

pub(crate) fn digest() -> Sha256Digest {
    Sha256Digest::of(new_upgrade().bytes)
}

pub(crate) fn at(moment: &str) -> Timestamp {
    moment.parse().unwrap()
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn new_upgrade() -> &'static embedded::EmbeddedPackage {
    embedded::package(&format!("mid-upgrade.{}.universal.universal.zip", embedded::new_stamp())).unwrap()
}

/// Writes a read-only file anew.
fn overwrite(file: &Path, bytes: &[u8]) {
    fs::remove_file(file).unwrap();
    fs::write(file, bytes).unwrap();
}
