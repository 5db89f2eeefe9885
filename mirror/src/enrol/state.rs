//! The state folder of an enrolled host.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::EnrolError;
use super::policy::HostPolicy;
use super::trust_file::TrustFile;
use crate::Sha256Digest;
use crate::agent::AgentHome;
use crate::store::durable::{self, FileMode};

/// A host that trusts one mirror.
#[derive(Debug, Clone)]
pub struct Enrolment {
    state_dir: PathBuf,
    trust: TrustFile,
    policy: HostPolicy,
}

/// Whether an enrolment with another root may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Another root is refused. The same root may come with another address, authority or policy.
    SameRootOnly,
    /// The operator said that the old mirror is to be forgotten.
    AnyRoot,
}

impl Enrolment {
    /// Enrols this host, or brings its enrolment up to date.
    ///
    /// `root_sha256` is the digest of the root as an operator read it from the mirror by another way.
    pub fn enrol(
        state_dir: &Path,
        trust: TrustFile,
        policy: HostPolicy,
        root_sha256: Option<Sha256Digest>,
        replace: Replace,
    ) -> Result<Self, EnrolError> {
        let found = trust.root_sha256();
        if let Some(expected) = root_sha256.filter(|expected| *expected != found) {
            return Err(EnrolError::RootDigest { expected, found });
        }
        check_truststore(&policy)?;
        make_private_folder(state_dir)?;
        let _lock = lock(state_dir)?;
        match read_trust(state_dir) {
            Ok(old) if old.root() != trust.root() && replace == Replace::SameRootOnly => {
                return Err(EnrolError::OtherRoot {
                    store_id: old.store_id().to_owned(),
                    enrolled: old.root_sha256(),
                    offered: found,
                });
            }
            Ok(_) | Err(EnrolError::NotEnrolled { .. }) => {}
            // What cannot be read cannot be compared; only an operator may decide to forget it.
            Err(EnrolError::TrustFile { .. }) if replace == Replace::AnyRoot => {}
            Err(error) => return Err(error),
        }
        durable::create_folders(&state_dir.join(CATALOG))
            .map_err(|source| EnrolError::Write { state_dir: state_dir.to_owned(), source })?;
        let write = |name: &str, bytes: &[u8]| {
            durable::replace(&state_dir.join(name), bytes, FileMode::Shared)
                .map_err(|source| EnrolError::Write { state_dir: state_dir.to_owned(), source })
        };
        let text =
            policy.to_text().map_err(|source| EnrolError::Policy { path: state_dir.join(POLICY), source })?;
        write(POLICY, text.as_bytes())?;
        let text = trust
            .to_json()
            .map_err(|source| EnrolError::TrustFile { path: state_dir.join(TRUST), source })?;
        // Last: its presence is what makes a host enrolled.
        write(TRUST, text.as_bytes())?;
        Ok(Self { state_dir: state_dir.to_owned(), trust, policy })
    }

    /// Loads the enrolment of this host.
    pub fn load(state_dir: &Path) -> Result<Self, EnrolError> {
        let trust = read_trust(state_dir)?;
        let path = state_dir.join(POLICY);
        let bytes = read_private(&path, SMALL)?;
        let policy = HostPolicy::parse(&bytes).map_err(|source| EnrolError::Policy { path, source })?;
        Ok(Self { state_dir: state_dir.to_owned(), trust, policy })
    }

    /// The trust file.
    pub fn trust(&self) -> &TrustFile {
        &self.trust
    }

    /// The policy of this host.
    pub fn policy(&self) -> &HostPolicy {
        &self.policy
    }

    /// The state folder.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The file with the catalog versions seen; another one for each enrolled root, so that an older mirror's versions
    /// never count against a newer one's. Its folder exists.
    pub fn catalog_state_file(&self) -> PathBuf {
        let root: String = self.trust.root_sha256().to_hex().chars().take(16).collect();
        self.state_dir.join(CATALOG).join(format!("{root}.json"))
    }

    /// The folder for private copies of packages.
    pub(crate) fn staging_dir(&self) -> PathBuf {
        self.state_dir.join("staging")
    }

    /// Refuses trust anchors that others could exchange; they decide about packages as the files in the state folder do.
    pub fn check_truststore(&self) -> Result<(), EnrolError> {
        check_truststore(&self.policy)
    }

    /// Refuses a state folder that the agent's user could change.
    pub fn check_outside(&self, agent: &AgentHome) -> Result<(), EnrolError> {
        let state_dir =
            fs::canonicalize(&self.state_dir).map_err(|source| io_error("open", &self.state_dir, source))?;
        if state_dir.starts_with(agent.path()) {
            return Err(EnrolError::InsideAgent { state_dir, agent: agent.path().to_owned() });
        }
        Ok(())
    }

    /// Keeps other importers out as long as the returned file lives.
    pub(crate) fn lock(&self) -> Result<File, EnrolError> {
        lock(&self.state_dir)
    }
}

fn read_trust(state_dir: &Path) -> Result<TrustFile, EnrolError> {
    let path = state_dir.join(TRUST);
    match path.symlink_metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(EnrolError::NotEnrolled { state_dir: state_dir.to_owned() });
        }
        Err(source) => return Err(io_error("open", &path, source)),
        Ok(_) => {}
    }
    refuse_shared(state_dir, &fs::metadata(state_dir).map_err(|e| io_error("open", state_dir, e))?)?;
    let bytes = read_private(&path, SMALL)?;
    TrustFile::parse(&bytes).map_err(|source| EnrolError::TrustFile { path, source })
}

/// Reads a file that only its owner may change.
pub(super) fn read_private(path: &Path, limit: u64) -> Result<Vec<u8>, EnrolError> {
    let file = File::open(path).map_err(|e| io_error("open", path, e))?;
    refuse_shared(path, &file.metadata().map_err(|e| io_error("open", path, e))?)?;
    let mut bytes = Vec::new();
    // One more byte than allowed, so that the parser sees that it is too long.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| io_error("read", path, e))?;
    Ok(bytes)
}

/// Looks at each file or folder and at the folder it is in, where it could be replaced. A group may write: that of an
/// anchor file is often the owner's own.
fn check_truststore(policy: &HostPolicy) -> Result<(), EnrolError> {
    for path in policy.truststore().iter().filter_map(|source| source.path()) {
        for path in [Some(path), path.parent()].into_iter().flatten() {
            let metadata = fs::metadata(path).map_err(|e| io_error("open", path, e))?;
            let mode = metadata.permissions().mode() & 0o7777;
            // In a sticky folder such as /tmp nobody can replace another's file.
            let sticky = metadata.is_dir() && mode & 0o1000 != 0;
            if mode & 0o002 != 0 && !sticky {
                return Err(EnrolError::Writable { path: path.to_owned(), mode: mode & 0o777 });
            }
            refuse_foreign(path, &metadata)?;
        }
    }
    Ok(())
}

fn refuse_shared(path: &Path, metadata: &fs::Metadata) -> Result<(), EnrolError> {
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(EnrolError::Writable { path: path.to_owned(), mode });
    }
    refuse_foreign(path, metadata)
}

fn refuse_foreign(path: &Path, metadata: &fs::Metadata) -> Result<(), EnrolError> {
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(EnrolError::Foreign { path: path.to_owned(), owner });
    }
    Ok(())
}

/// Makes the state folder for its owner only; one that is there is checked.
fn make_private_folder(path: &Path) -> Result<(), EnrolError> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        durable::create_folders(parent)
            .map_err(|source| EnrolError::Write { state_dir: path.to_owned(), source })?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io_error("make the folder", path, source));
        }
        _ => {}
    }
    refuse_shared(path, &fs::metadata(path).map_err(|e| io_error("open", path, e))?)
}

fn lock(state_dir: &Path) -> Result<File, EnrolError> {
    let path = state_dir.join("lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| io_error("open", &path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(EnrolError::Busy { state_dir: state_dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path, source)),
    }
}

fn io_error(operation: &'static str, path: &Path, source: io::Error) -> EnrolError {
    EnrolError::Io { operation, path: path.to_owned(), source }
}

/// Trust file and policy.
const SMALL: u64 = 1 << 20;
const CATALOG: &str = "catalog";
const TRUST: &str = "trust.json";
const POLICY: &str = "policy.toml";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrol::HostTruststore;

    fn trust(root: &str) -> TrustFile {
        let root = format!("{{\"signed\":{{\"_type\":\"root\",\"x\":\"{root}\"}},\"signatures\":[{{}}]}}");
        TrustFile::new("store-1", root.as_bytes(), None, None, jiff::Timestamp::UNIX_EPOCH).unwrap()
    }

    fn enrol(state: &Path, root: &str, replace: Replace) -> Result<Enrolment, EnrolError> {
        Enrolment::enrol(state, trust(root), HostPolicy::default(), None, replace)
    }

    #[test]
    fn host_is_not_enrolled_until_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("var/state");
        let error = Enrolment::load(&state).unwrap_err();
        assert!(error.to_string().starts_with("this host is not enrolled"), "{error}");
        enrol(&state, "a", Replace::SameRootOnly).unwrap();
        let loaded = Enrolment::load(&state).unwrap();
        assert_eq!(loaded.trust(), &trust("a"));
        assert_eq!(loaded.policy(), &HostPolicy::default());
    }

    #[test]
    fn another_root_is_refused_unless_the_operator_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let first = enrol(&state, "a", Replace::SameRootOnly).unwrap();
        let error = enrol(&state, "b", Replace::SameRootOnly).unwrap_err();
        assert!(matches!(error, EnrolError::OtherRoot { .. }), "{error}");
        assert_eq!(Enrolment::load(&state).unwrap().trust(), &trust("a"));
        // The same root with another address is an update.
        let root = trust("a").root().to_vec();
        let url = Some("https://new.example/");
        let moved = TrustFile::new("store-1", &root, None, url, jiff::Timestamp::UNIX_EPOCH).unwrap();
        Enrolment::enrol(&state, moved.clone(), HostPolicy::default(), None, Replace::SameRootOnly).unwrap();
        assert_eq!(Enrolment::load(&state).unwrap().trust(), &moved);
        let second = enrol(&state, "b", Replace::AnyRoot).unwrap();
        assert_ne!(first.catalog_state_file(), second.catalog_state_file());
    }

    #[test]
    fn stated_digest_must_be_that_of_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let attempt = |digest| {
            Enrolment::enrol(&state, trust("a"), HostPolicy::default(), Some(digest), Replace::SameRootOnly)
        };
        assert!(matches!(attempt(Sha256Digest::of(b"x")), Err(EnrolError::RootDigest { .. })));
        assert!(matches!(Enrolment::load(&state), Err(EnrolError::NotEnrolled { .. })));
        attempt(trust("a").root_sha256()).unwrap();
    }

    #[test]
    fn state_that_others_may_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        enrol(&state, "a", Replace::SameRootOnly).unwrap();
        for (path, good, bad) in [
            (state.clone(), 0o700, 0o777),
            (state.join(TRUST), 0o644, 0o664),
            (state.join(POLICY), 0o644, 0o646),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bad)).unwrap();
            assert!(matches!(Enrolment::load(&state), Err(EnrolError::Writable { .. })), "{path:?}");
            fs::set_permissions(&path, fs::Permissions::from_mode(good)).unwrap();
        }
        Enrolment::load(&state).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(state.join(TRUST), Some(4711), None).unwrap();
            assert!(matches!(Enrolment::load(&state), Err(EnrolError::Foreign { owner: 4711, .. })));
        }
    }

    #[test]
    fn trust_anchors_that_others_may_exchange_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (state, anchors) = (folder.path().join("state"), folder.path().join("own/anchors.pem"));
        fs::create_dir(folder.path().join("own")).unwrap();
        fs::write(&anchors, "anchors").unwrap();
        let policy = || HostPolicy::new("Org", vec![HostTruststore::File(anchors.clone())]).unwrap();
        let attempt = || Enrolment::enrol(&state, trust("a"), policy(), None, Replace::SameRootOnly);
        let enrolment = attempt().unwrap();
        for (path, good, bad) in
            [(anchors.as_path(), 0o644, 0o646), (anchors.parent().unwrap(), 0o755, 0o777)]
        {
            fs::set_permissions(path, fs::Permissions::from_mode(bad)).unwrap();
            assert!(matches!(attempt(), Err(EnrolError::Writable { .. })), "{path:?}");
            assert!(matches!(enrolment.check_truststore(), Err(EnrolError::Writable { .. })), "{path:?}");
            fs::set_permissions(path, fs::Permissions::from_mode(good)).unwrap();
        }
        enrolment.check_truststore().unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&anchors, Some(4711), None).unwrap();
            let refused = enrolment.check_truststore();
            assert!(matches!(refused, Err(EnrolError::Foreign { owner: 4711, .. })), "{refused:?}");
        }
    }

    #[test]
    fn damaged_trust_file_is_not_an_absent_one() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        enrol(&state, "a", Replace::SameRootOnly).unwrap();
        fs::write(state.join(TRUST), "{").unwrap();
        assert!(matches!(Enrolment::load(&state), Err(EnrolError::TrustFile { .. })));
        assert!(enrol(&state, "b", Replace::SameRootOnly).is_err());
        enrol(&state, "b", Replace::AnyRoot).unwrap();
    }

    #[test]
    fn state_inside_the_agent_and_second_importers_are_refused() {
        let agent = crate::agent::sample::SampleAgent::linux();
        let home = AgentHome::open(agent.path()).unwrap();
        let inside = enrol(&agent.path().join("work/state"), "a", Replace::SameRootOnly).unwrap();
        assert!(matches!(inside.check_outside(&home), Err(EnrolError::InsideAgent { .. })));
        let folder = tempfile::tempdir().unwrap();
        let outside = enrol(&folder.path().join("state"), "a", Replace::SameRootOnly).unwrap();
        outside.check_outside(&home).unwrap();
        let _lock = outside.lock().unwrap();
        assert!(matches!(outside.lock(), Err(EnrolError::Busy { .. })));
    }
}
