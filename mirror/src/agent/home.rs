//! The agent's folder, checked once.
//!
//! ```text
//! agent/
//!   config.xml                        parameters
//!   logs/agent0.log.0                 newest log, agent0.log.1 the one before
//!   properties/glide.properties       mid.buildstamp
//!   jre/bin/java | java.exe
//!   package/meta/*.meta.properties    what is installed
//!   package/incoming/                 where packages wait for the next check
//! ```
//!
//! The agent's user owns all of it. What we stage as root must not be led elsewhere, so `package` and `package/incoming`
//! must be real folders; `stage` opens them once more without following links and works inside the open folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::AgentError;

/// An existing agent folder whose `package/incoming`, if it is there, is a real folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentHome {
    path: PathBuf,
    has_package: bool,
    has_incoming: bool,
}

impl AgentHome {
    /// Opens an agent folder, or the folder `agent` in the given one.
    ///
    /// # Errors
    /// Neither is an agent folder, or `package` or `package/incoming` is a link or no folder.
    pub fn open(path: &Path) -> Result<Self, AgentError> {
        let given = fs::canonicalize(path).map_err(|e| AgentError::io("open", path, e))?;
        let inner = given.join("agent");
        let home = if looks_like_agent(&given) {
            given
        } else if looks_like_agent(&inner) {
            fs::canonicalize(&inner).map_err(|e| AgentError::io("open", &inner, e))?
        } else {
            return Err(AgentError::NotAnAgent { path: path.to_owned() });
        };
        let has_package = is_real_folder(&home.join("package"))?;
        let has_incoming = has_package && is_real_folder(&home.join(INCOMING))?;
        Ok(Self { path: home, has_package, has_incoming })
    }

    /// The folder, without links in its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `package/incoming`, whether it exists or not.
    pub fn incoming(&self) -> PathBuf {
        self.path.join(INCOMING)
    }

    /// Whether `package` existed when the folder was opened.
    pub fn has_package(&self) -> bool {
        self.has_package
    }

    /// Whether `package/incoming` existed when the folder was opened.
    pub fn has_incoming(&self) -> bool {
        self.has_incoming
    }
}

fn looks_like_agent(path: &Path) -> bool {
    path.join("config.xml").is_file() || path.join("package").symlink_metadata().is_ok()
}

/// Whether a folder exists; a link or anything else in its place is an error.
fn is_real_folder(path: &Path) -> Result<bool, AgentError> {
    match path.symlink_metadata() {
        Ok(found) if found.is_symlink() => Err(AgentError::Link { path: path.to_owned() }),
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => Err(AgentError::NotAFolder { path: path.to_owned() }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(AgentError::io("open", path, e)),
    }
}

const INCOMING: &str = "package/incoming";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_folder_is_found_from_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(AgentHome::open(folder.path()), Err(AgentError::NotAnAgent { .. })));
        fs::create_dir_all(folder.path().join("agent/package/incoming")).unwrap();
        let from_parent = AgentHome::open(folder.path()).unwrap();
        assert_eq!(from_parent, AgentHome::open(&folder.path().join("agent")).unwrap());
        assert!(from_parent.has_package() && from_parent.has_incoming());
        assert!(AgentHome::open(&folder.path().join("none")).is_err());
    }

    #[test]
    fn config_alone_is_an_agent_without_incoming() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.xml"), "<parameters/>").unwrap();
        let home = AgentHome::open(folder.path()).unwrap();
        assert!(!home.has_package() && !home.has_incoming());
    }

    #[test]
    fn links_and_files_in_place_of_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let package = folder.path().join("package");
        std::os::unix::fs::symlink(elsewhere.path(), &package).unwrap();
        assert!(
            matches!(AgentHome::open(folder.path()), Err(AgentError::Link { path }) if path.ends_with("package"))
        );
        fs::remove_file(&package).unwrap();
        fs::create_dir(&package).unwrap();
        let incoming = package.join("incoming");
        std::os::unix::fs::symlink(elsewhere.path(), &incoming).unwrap();
        assert!(
            matches!(AgentHome::open(folder.path()), Err(AgentError::Link { path }) if path.ends_with("incoming"))
        );
        fs::remove_file(&incoming).unwrap();
        fs::write(&incoming, "").unwrap();
        assert!(matches!(AgentHome::open(folder.path()), Err(AgentError::NotAFolder { .. })));
    }
}
