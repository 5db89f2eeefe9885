//! A store, an agent and a loopback server for the tests of staging.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::Sha256Digest;
use crate::agent::sample::{NEW, SampleAgent};
use crate::agent::{AgentHome, inventory, wanted};
use crate::catalog::{Lifetimes, SigningKeys, publish};
use crate::enrol::{Enrolment, HostPolicy, Replace, TrustFile};
use crate::package::{PackageName, PackagePath, Tree};
use crate::stage::{CheckFailure, Source, StageError, StageInputs, StageItem, StageReport, VerifyFn, stage};
use crate::store::testing::{TestStore, at};

pub(super) const CORE: &str = "mid-core.NEW.universal.universal";
pub(super) const UPGRADE: &str = "mid-upgrade.NEW.universal.universal";

/// A store, an agent that is assigned two packages of it, and the enrolment of its host.
pub(super) struct Site {
    pub(super) store: TestStore,
    pub(super) agent: SampleAgent,
    pub(super) enrolment: Enrolment,
}

impl Site {
    pub(super) fn new() -> Self {
        let store = TestStore::new();
        let keys = SigningKeys::create(&store.beside("keys")).unwrap();
        let mut writer = store.store.write().unwrap();
        for name in [CORE, UPGRADE] {
            let path = PackagePath::new(Tree::Signed, &package(name)).unwrap();
            store.commit(&mut writer, &path, &content(name));
        }
        publish(&mut writer, &keys, at(2), &Lifetimes::CONNECTED).unwrap();
        drop(writer);
        let root = fs::read(store.store.repository_dir().join("1.root.json")).unwrap();
        let trust = TrustFile::new(store.store.id(), &root, None, None, at(3)).unwrap();
        let state = store.beside("state");
        let enrolment =
            Enrolment::enrol(&state, trust, HostPolicy::default(), None, Replace::SameRootOnly).unwrap();
        let agent = SampleAgent::linux();
        agent.log(&[UPGRADE, CORE]);
        Self { store, agent, enrolment }
    }

    pub(super) async fn source(&self, folder: &Path) -> Source {
        Source::folder(folder, &self.enrolment, at(4)).await.unwrap()
    }

    pub(super) async fn stage_from(
        &self,
        source: &Source,
        verify: &VerifyFn<'_>,
    ) -> Result<StageReport, StageError> {
        let home = AgentHome::open(self.agent.path()).unwrap();
        let wanted = wanted(&inventory(&home).unwrap()).unwrap();
        let enrolment = &self.enrolment;
        let progress = &|_: &PackageName, _| {};
        stage(&StageInputs { home: &home, wanted: &wanted, enrolment, source, verify, progress }).await
    }

    /// Stages from the store with a check that only looks at the digest.
    pub(super) async fn stage(&self) -> StageReport {
        let source = self.source(self.store.store.root_dir()).await;
        self.stage_from(&source, &reads_the_copy).await.unwrap()
    }

    pub(super) fn incoming(&self) -> PathBuf {
        self.agent.path().join("package/incoming")
    }

    /// Name, content and identity of every file in incoming.
    pub(super) fn files(&self) -> BTreeMap<String, (Vec<u8>, u64, i64)> {
        let entry = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let name = entry.file_name().into_string().unwrap().replace(NEW, "NEW");
            (name, (fs::read(entry.path()).unwrap(), metadata.ino(), metadata.mtime_nsec()))
        };
        fs::read_dir(self.incoming()).unwrap().map(entry).collect()
    }

    pub(super) fn blob(&self, name: &str) -> PathBuf {
        self.store.store.blob_path(&Sha256Digest::of(&content(name)))
    }

    pub(super) fn private_copies(&self) -> usize {
        fs::read_dir(self.enrolment.staging_dir()).unwrap().count()
    }
}

pub(super) fn package(name: &str) -> PackageName {
    PackageName::parse(&format!("{}.zip", name.replace("NEW", NEW))).unwrap()
}

pub(super) fn content(name: &str) -> Vec<u8> {
    format!("bytes of {name}").repeat(1000).into_bytes()
}

pub(super) fn reads_the_copy(
    copy: &Path,
    name: &PackageName,
    sha256: Sha256Digest,
) -> Result<(), CheckFailure> {
    assert_eq!(Sha256Digest::of(&fs::read(copy).unwrap()), sha256, "{name}");
    Ok(())
}

pub(super) fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

pub(super) fn outcomes(report: &StageReport) -> Vec<String> {
    let text = |item: &StageItem| {
        let json = serde_json::to_value(item).unwrap();
        json.get("outcome").unwrap().as_str().unwrap().to_owned()
    };
    report.items.iter().map(text).collect()
}

pub(super) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Serves files by their exact path over plain HTTP on loopback until the test process ends.
pub(super) fn serve_files(files: BTreeMap<String, Vec<u8>>) -> String {
    use std::io::{BufRead as _, BufReader, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut request = String::new();
            reader.read_line(&mut request).unwrap();
            let mut header = String::new();
            while reader.read_line(&mut header).unwrap_or(0) > 2 {
                header.clear();
            }
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match files.get(path) {
                Some(body) => ("200 OK", body.as_slice()),
                None => ("404 Not Found", b"".as_slice()),
            };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    address
}
