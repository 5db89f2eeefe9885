//! What is on the host: one reading of the agent's files, without changing anything.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::config::AgentConfig;
use super::error::AgentError;
use super::file::{read_tail, read_whole};
use super::home::AgentHome;
use super::log::{AgentLog, MAX_LOG_BYTES};
use super::properties::property;
use crate::package::{PackageKind, PackageName, Platform};

/// What one reading of an agent folder found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct AgentState {
    /// The agent folder.
    #[serde(serialize_with = "lossy")]
    pub home: PathBuf,
    /// Platform of the host; `None` if it cannot be told or the signs contradict each other.
    pub platform: Option<Platform>,
    /// `mid.buildstamp` of `glide.properties`, as written.
    pub buildstamp: Option<String>,
    /// What `config.xml` says.
    pub config: AgentConfig,
    /// What `package/meta` says is installed, sorted by name.
    pub installed: Vec<PackageName>,
    /// The package lists of the log.
    pub log: AgentLog,
    /// What waits in `package/incoming`, sorted by name.
    pub incoming: Vec<IncomingFile>,
    /// Bytes that are free for packages.
    pub free_bytes: u64,
    /// What an operator should know.
    pub notes: Vec<AgentNote>,
}

/// A file in `package/incoming`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IncomingFile {
    /// File name; bytes that are no text are replaced.
    pub name: String,
    /// The same as a package name, if it is one and the file is an ordinary one.
    pub package: Option<PackageName>,
    /// Length in bytes.
    pub length: u64,
    /// Whether it is an ordinary file.
    pub is_file: bool,
}

/// Something about an agent folder that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "note")]
#[non_exhaustive]
pub enum AgentNote {
    /// Something an agent normally has is not there.
    #[error("{path} is missing")]
    Missing {
        /// Path below the agent folder.
        path: String,
    },
    /// A file cannot be read.
    #[error("{path} is not used: {reason}")]
    Unusable {
        /// Path below the agent folder.
        path: String,
        /// Why, with its causes.
        reason: String,
    },
    /// The log holds no lists of packages.
    #[error(
        "the agent's log has no complete list of packages yet; the agent writes one at start and every hour"
    )]
    NoBlock,
    /// The newest lists are cut off.
    #[error("the newest package lists in the agent's log are cut off; the ones before are used")]
    NewerBlockCut,
    /// A package is installed and nobody is to get it any more.
    #[error(
        "{package} is installed and was withdrawn on {at}: {reason}; ask who runs the mirror, and plan another build"
    )]
    InstalledWithdrawn {
        /// The package.
        package: PackageName,
        /// When it was withdrawn.
        at: jiff::Timestamp,
        /// Why.
        reason: String,
    },
    /// A package waits in incoming and nobody is to get it any more.
    #[error(
        "{file} waits in package/incoming and was withdrawn on {at}: {reason}; remove it before the agent takes it"
    )]
    WaitingWithdrawn {
        /// The file.
        file: String,
        /// When it was withdrawn.
        at: jiff::Timestamp,
        /// Why.
        reason: String,
    },
    /// Signs for two platforms.
    #[error("it is unclear what platform this agent runs on: jre/bin says {files}, package/meta says {meta}")]
    PlatformUnclear {
        /// What the files in `jre/bin` say.
        files: Platform,
        /// What the installed Java package says.
        meta: Platform,
    },
}

/// Reads everything that is known of an agent.
///
/// # Errors
/// A folder or file is there but cannot be read at all; staging without knowing it could do harm. Files that are absent
/// or malformed become notes instead.
pub fn inventory(home: &AgentHome) -> Result<AgentState, AgentError> {
    let mut notes = Vec::new();
    for (path, there) in [("package", home.has_package()), ("package/incoming", home.has_incoming())] {
        if !there {
            notes.push(AgentNote::Missing { path: path.to_owned() });
        }
    }
    let config = read_config(home.path(), &mut notes)?;
    let installed = read_meta(home.path(), &mut notes)?;
    let log = read_log(home.path(), &mut notes)?;
    let platform = find_platform(home.path(), &installed, &mut notes);
    let buildstamp = read_whole(&home.path().join(GLIDE_PROPERTIES), MAX_SMALL_FILE)?
        .and_then(|bytes| property(&String::from_utf8_lossy(&bytes), "mid.buildstamp"))
        .map(|value| value.trim().to_owned())
        .filter(|value| !value.is_empty() && value.len() <= 200 && !value.contains(char::is_control));
    let incoming = if home.has_incoming() { list_incoming(&home.incoming())? } else { Vec::new() };
    let free_bytes = free_bytes(home)?;
    Ok(AgentState {
        home: home.path().to_owned(),
        platform,
        buildstamp,
        config,
        installed,
        log,
        incoming,
        free_bytes,
        notes,
    })
}

fn read_config(home: &Path, notes: &mut Vec<AgentNote>) -> Result<AgentConfig, AgentError> {
    let Some(bytes) = read_whole(&home.join(CONFIG), MAX_SMALL_FILE)? else {
        notes.push(AgentNote::Missing { path: CONFIG.to_owned() });
        return Ok(AgentConfig::default());
    };
    Ok(AgentConfig::parse(&bytes).unwrap_or_else(|error| {
        notes.push(unusable(CONFIG, &error));
        AgentConfig::default()
    }))
}

/// Reads `package.filename` of every `package/meta/*.meta.properties`.
fn read_meta(home: &Path, notes: &mut Vec<AgentNote>) -> Result<Vec<PackageName>, AgentError> {
    let folder = home.join(META);
    let mut installed = Vec::new();
    for (name, _) in entries(&folder)?.unwrap_or_else(|| {
        notes.push(AgentNote::Missing { path: META.to_owned() });
        Vec::new()
    }) {
        if !name.ends_with(".meta.properties") {
            continue;
        }
        let shown = format!("{META}/{}", name.escape_debug());
        let Some(bytes) = read_whole(&folder.join(&name), MAX_SMALL_FILE)? else { continue };
        let Some(value) = property(&String::from_utf8_lossy(&bytes), "package.filename") else {
            notes.push(AgentNote::Unusable { path: shown, reason: "no package.filename in it".to_owned() });
            continue;
        };
        match PackageName::parse(value.trim()) {
            Ok(package) if !installed.contains(&package) => installed.push(package),
            Ok(_) => {}
            Err(error) => notes.push(unusable(&shown, &error)),
        }
    }
    Ok(installed)
}

/// Reads the newest log and, right after a rotation, the one before.
fn read_log(home: &Path, notes: &mut Vec<AgentNote>) -> Result<AgentLog, AgentError> {
    let limit = u64::try_from(MAX_LOG_BYTES).unwrap_or(u64::MAX);
    let mut newest = AgentLog::default();
    for path in LOGS {
        let path = home.join(path);
        let Some(bytes) = read_tail(&path, limit)? else { continue };
        let log = AgentLog::parse_bytes(&bytes).map_err(|source| AgentError::Log { path, source })?;
        newest = log.after(newest);
        if newest.block().is_some() {
            break;
        }
    }
    if newest.block().is_none() {
        notes.push(AgentNote::NoBlock);
    } else if newest.newer_block_cut() {
        notes.push(AgentNote::NewerBlockCut);
    }
    Ok(newest)
}

/// The Java runtime decides: the files of all platforms' wrappers are in every agent.
fn find_platform(home: &Path, installed: &[PackageName], notes: &mut Vec<AgentNote>) -> Option<Platform> {
    let bin = home.join("jre/bin");
    let files = match (bin.join("java").is_file(), bin.join("java.exe").is_file()) {
        (true, false) => Some(Platform::LinuxX86_64),
        (false, true) => Some(Platform::WindowsX86_64),
        _ => None,
    };
    let java = installed.iter().find(|name| name.kind() == PackageKind::MidJre);
    match (files, java.map(PackageName::platform)) {
        (Some(files), Some(meta)) if !same_system(files, meta) => {
            notes.push(AgentNote::PlatformUnclear { files, meta });
            None
        }
        (_, Some(meta)) => Some(meta),
        (files, None) => files,
    }
}

/// Whether two platforms differ at most in the word size, which files in `jre/bin` do not tell.
fn same_system(one: Platform, other: Platform) -> bool {
    let system = |platform: Platform| platform.as_str().split('.').next();
    system(one) == system(other)
}

fn list_incoming(folder: &Path) -> Result<Vec<IncomingFile>, AgentError> {
    let files = entries(folder)?.unwrap_or_default().into_iter().map(|(name, metadata)| {
        let is_file = metadata.is_file();
        let package = if is_file { PackageName::parse(&name).ok() } else { None };
        IncomingFile { name, package, length: metadata.len(), is_file }
    });
    Ok(files.collect())
}

/// Lists a folder by name; `None` if there is none. Links are not followed.
fn entries(folder: &Path) -> Result<Option<Vec<(String, std::fs::Metadata)>>, AgentError> {
    let failed = |e| AgentError::io("list", folder, e);
    let listing = match std::fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut found = Vec::new();
    for entry in listing.take(MAX_ENTRIES) {
        let entry = entry.map_err(failed)?;
        match entry.metadata() {
            Ok(metadata) => found.push((entry.file_name().to_string_lossy().into_owned(), metadata)),
            // The agent works in the same folder; what is gone meanwhile is gone.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed(e)),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Some(found))
}

fn free_bytes(home: &AgentHome) -> Result<u64, AgentError> {
    let place = if home.has_incoming() { home.incoming() } else { home.path().to_owned() };
    let space =
        rustix::fs::statvfs(&place).map_err(|e| AgentError::io("ask for the free space of", &place, e))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// A folder name that is not UTF-8 must not keep the whole state from being shown.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

fn unusable(path: &str, error: &dyn std::error::Error) -> AgentNote {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason.push_str(": ");
        reason.push_str(&error.to_string());
        cause = error.source();
    }
    AgentNote::Unusable { path: path.to_owned(), reason }
}

const CONFIG: &str = "config.xml";
const META: &str = "package/meta";
const GLIDE_PROPERTIES: &str = "properties/glide.properties";
const LOGS: [&str; 2] = ["logs/agent0.log.0", "logs/agent0.log.1"];

/// config.xml of a heavily commented agent has some 30 KB.
const MAX_SMALL_FILE: u64 = 4 * 1024 * 1024;

/// More files than any agent has in one of these folders.
const MAX_ENTRIES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::sample::{NEW, OLD, SampleAgent};

    fn read(agent: &SampleAgent) -> AgentState {
        inventory(&AgentHome::open(agent.path()).unwrap()).unwrap()
    }

    #[test]
    fn sample_agents_are_read() {
        for (agent, platform) in
            [(SampleAgent::linux(), Platform::LinuxX86_64), (SampleAgent::windows(), Platform::WindowsX86_64)]
        {
            agent.log(&["mid-core.NEW.universal.universal"]);
            agent.incoming("notes.txt", b"four");
            let state = read(&agent);
            assert_eq!(state.platform, Some(platform));
            assert_eq!(state.installed.len(), 2);
            assert_eq!(state.buildstamp.as_deref(), Some("10-20-2020_1602"));
            assert_eq!(state.config.name.as_deref(), Some("mid-01"));
            assert!(state.log.block().is_some());
            assert_eq!(state.incoming.first().unwrap().length, 4);
            assert!(state.free_bytes > 0);
            assert_eq!(state.notes, []);
            assert!(!serde_json::to_string(&state).unwrap().contains("hunter2"));
        }
    }

    #[test]
    fn what_is_absent_or_malformed_is_noted() {
        let agent = SampleAgent::linux();
        agent.write("config.xml", b"<parameters");
        agent.write("package/meta/mid-core.meta.properties", b"package.filename=../x.zip\n");
        agent.write("package/meta/other.meta.properties", b"a=b");
        std::fs::remove_dir(agent.path().join("package/incoming")).unwrap();
        let notes: Vec<String> = read(&agent).notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes.first().unwrap(), "package/incoming is missing");
        assert!(notes.get(1).unwrap().starts_with("config.xml is not used: config.xml is not well-formed: "));
        assert!(notes.get(2).unwrap().starts_with("package/meta/mid-core.meta.properties is not used: "));
        assert!(notes.get(3).unwrap().ends_with("no package.filename in it"));
        assert!(notes.get(4).unwrap().contains("no complete list"));
    }

    #[test]
    fn contradicting_signs_of_the_platform_leave_it_unknown() {
        let agent = SampleAgent::linux();
        let java = format!("package.filename=mid-jre.{OLD}.windows.x86-64.zip");
        agent.write("package/meta/mid-jre.meta.properties", java.as_bytes());
        let state = read(&agent);
        assert_eq!(state.platform, None);
        assert!(state.notes.iter().any(|note| matches!(note, AgentNote::PlatformUnclear { .. })));
        std::fs::remove_file(agent.path().join("package/meta/mid-jre.meta.properties")).unwrap();
        assert_eq!(read(&agent).platform, Some(Platform::LinuxX86_64));
    }

    #[test]
    fn log_before_the_rotation_is_used_if_the_newest_has_no_lists() {
        let agent = SampleAgent::linux();
        agent.log(&["mid-core.NEW.universal.universal"]);
        std::fs::copy(agent.path().join("logs/agent0.log.0"), agent.path().join("logs/agent0.log.1"))
            .unwrap();
        agent
            .write("logs/agent0.log.0", format!("Current packages:\n Installed: [mid-core.{NEW}").as_bytes());
        let state = read(&agent);
        assert!(state.log.block().is_some());
        assert!(!state.log.newer_block_cut(), "a head alone is no block");
    }

    #[test]
    fn a_linked_config_is_an_error() {
        let agent = SampleAgent::linux();
        std::fs::remove_file(agent.path().join("config.xml")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", agent.path().join("config.xml")).unwrap();
        let home = AgentHome::open(agent.path()).unwrap();
        assert!(matches!(inventory(&home), Err(AgentError::NotAFile { .. })));
    }

    #[test]
    fn folder_whose_name_is_not_utf8_is_shown_as_json() {
        use std::os::unix::ffi::OsStrExt as _;
        let agent = SampleAgent::linux();
        let mut state = read(&agent);
        state.home = std::ffi::OsStr::from_bytes(b"/mid/\xff/agent").into();
        assert!(serde_json::to_string(&state).unwrap().contains("/mid/\u{fffd}/agent"));
    }
}
