//! What has to be staged on a host: what the instance assigned, or a build an operator names, without what is installed.
//!
//! Every ZIP found in `package/incoming` may be unpacked over the agent, so only the kinds an upgrade is made of, and
//! only for this host's platform, ever get there.

use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use super::inventory::AgentState;
use super::log::is_idle_updater;
use crate::package::{Buildstamp, PackageKind, PackageName, PackagePathError, Platform};

/// What a host needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Wanted {
    packages: Vec<WantedPackage>,
    refused: Vec<RefusedName>,
    unreadable: Vec<String>,
}

/// A package that a host needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WantedPackage {
    /// Its name.
    pub name: PackageName,
    /// Whether a file of this name is in `package/incoming` already. Whether it is the right one is for `stage` to find out.
    pub in_incoming: bool,
    /// Whether the build may come without it, like the Java runtime of a patch.
    pub may_be_absent: bool,
}

/// A package that is named for the host and must not get there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RefusedName {
    /// Its name.
    pub name: PackageName,
    /// Why it must not get there.
    pub reason: NotForHost,
}

/// Why a package must not get into this host's `package/incoming`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Error)]
#[serde(rename_all = "kebab-case", tag = "rule")]
#[non_exhaustive]
pub enum NotForHost {
    /// For another platform.
    #[error("it is for {package}, this host is {host}")]
    OtherPlatform {
        /// Platform of the package.
        package: Platform,
        /// Platform of the host.
        host: Platform,
    },
    /// For one platform, and the host's is not known.
    #[error("it is for {package}, and this host's platform is not known")]
    HostUnknown {
        /// Platform of the package.
        package: Platform,
    },
    /// Not something an upgrade is made of.
    #[error("an agent does not upgrade from a package of this kind")]
    Kind,
}

/// It cannot be said what a host needs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WantedError {
    /// The log has no lists.
    #[error(
        "the log of this agent names no packages (no complete block with Installed, Assigned, Missing); wait for its hourly check, or give a build stamp"
    )]
    NoBlock,
    /// The Java package cannot be chosen.
    #[error(
        "the platform of this host is not known, so its Java package cannot be chosen; give the platform"
    )]
    PlatformUnknown,
    /// The build stamp makes no package name.
    #[error("no package name can be made from build stamp {stamp:?}")]
    Name {
        /// The stamp.
        stamp: String,
        /// Why.
        source: PackagePathError,
    },
}

/// What the instance assigned to this agent, by the newest block of its log, and is not installed.
pub fn wanted(state: &AgentState) -> Result<Wanted, WantedError> {
    let block = state.log.block().ok_or(WantedError::NoBlock)?;
    // The block may be an hour old, so package/meta is asked again; and Downloaded is only a list of names.
    let outstanding = block.outstanding();
    let mut wanted = Wanted { unreadable: outstanding.unreadable, ..Wanted::default() };
    for name in &outstanding.names {
        wanted.add(state, name, false);
    }
    wanted.drop_idle_updaters(state);
    Ok(wanted)
}

/// What an upgrade to a named build needs and is not installed. The instance must assign that build, too, or the agent
/// will not use it.
pub fn wanted_for_build(state: &AgentState, stamp: &Buildstamp) -> Result<Wanted, WantedError> {
    let host = state.platform.ok_or(WantedError::PlatformUnknown)?;
    let mut wanted = Wanted::default();
    for (kind, platform, may_be_absent) in [
        (PackageKind::MidUpgrade, Platform::Universal, false),
        (PackageKind::MidCore, Platform::Universal, false),
        (PackageKind::MidJre, host, true),
    ] {
        let name = PackageName::new(kind, stamp, platform, ".zip")
            .map_err(|source| WantedError::Name { stamp: stamp.to_string(), source })?;
        wanted.add(state, &name, may_be_absent);
    }
    wanted.drop_idle_updaters(state);
    Ok(wanted)
}

/// The names that `package/incoming` still lacks.
pub fn needed(state: &AgentState) -> Result<Vec<PackageName>, WantedError> {
    let wanted = wanted(state)?;
    Ok(wanted.packages.into_iter().filter(|w| !w.in_incoming).map(|w| w.name).collect())
}

/// Whether a package may get into the `package/incoming` of a host.
pub fn fits_host(name: &PackageName, host: Option<Platform>) -> Result<(), NotForHost> {
    let upgrades = matches!(
        name.kind(),
        PackageKind::Mid | PackageKind::MidCore | PackageKind::MidJre | PackageKind::MidUpgrade
    );
    let package = name.platform();
    if !upgrades || !name.is_jar_signed() || package == Platform::PreUpgradeCheck {
        return Err(NotForHost::Kind);
    }
    match host {
        Some(host) if package.fits(host) => Ok(()),
        None if package == Platform::Universal => Ok(()),
        Some(host) => Err(NotForHost::OtherPlatform { package, host }),
        None => Err(NotForHost::HostUnknown { package }),
    }
}

impl Wanted {
    /// What has to be in `package/incoming`, in the order of the agent's list.
    pub fn packages(&self) -> &[WantedPackage] {
        &self.packages
    }

    /// What is named for the host and must not get there.
    pub fn refused(&self) -> &[RefusedName] {
        &self.refused
    }

    /// Entries of the agent's lists that are no package names.
    pub fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// Drops the updaters of builds that are installed: they are never listed as installed themselves.
    fn drop_idle_updaters(&mut self, state: &AgentState) {
        let others: Vec<Buildstamp> = self
            .packages
            .iter()
            .filter(|wanted| wanted.name.kind() != PackageKind::MidUpgrade)
            .map(|wanted| wanted.name.stamp().clone())
            .collect();
        self.packages.retain(|wanted| {
            others.contains(wanted.name.stamp()) || !is_idle_updater(&wanted.name, &state.installed)
        });
    }

    fn add(&mut self, state: &AgentState, name: &PackageName, may_be_absent: bool) {
        if state.installed.contains(name) {
            return;
        }
        match fits_host(name, state.platform) {
            Ok(()) => {
                let in_incoming = state.incoming.iter().any(|file| file.package.as_ref() == Some(name));
                self.packages.push(WantedPackage { name: name.clone(), in_incoming, may_be_absent });
            }
            Err(reason) => self.refused.push(RefusedName { name: name.clone(), reason }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::sample::{NEW, OLD, SampleAgent};
    use crate::agent::{AgentHome, inventory};

    fn state(agent: &SampleAgent) -> AgentState {
        inventory(&AgentHome::open(agent.path()).unwrap()).unwrap()
    }

    fn names(names: impl IntoIterator<Item = PackageName>) -> Vec<String> {
        names.into_iter().map(|name| name.as_str().replace(NEW, "NEW").replace(OLD, "OLD")).collect()
    }

    #[test]
    fn assigned_without_installed_and_incoming_is_needed() {
        let agent = SampleAgent::windows();
        agent.log(&[
            "mid-upgrade.NEW.universal.universal",
            "mid-core.NEW.universal.universal",
            "mid-jre.OLD.windows.x86-64",
        ]);
        assert_eq!(
            names(needed(&state(&agent)).unwrap()),
            ["mid-upgrade.NEW.universal.universal.zip", "mid-core.NEW.universal.universal.zip"]
        );
        agent.incoming(&format!("mid-core.{NEW}.universal.universal.zip"), b"x");
        agent.incoming(&format!("mid-upgrade.{NEW}.universal.universal.zip.part"), b"x");
        assert_eq!(names(needed(&state(&agent)).unwrap()), ["mid-upgrade.NEW.universal.universal.zip"]);
        let wanted = wanted(&state(&agent)).unwrap();
        assert_eq!(wanted.packages().len(), 2);
        assert!(wanted.packages().iter().any(|w| w.in_incoming && w.name.kind() == PackageKind::MidCore));
    }

    #[test]
    fn other_platforms_and_other_kinds_never_get_to_a_host() {
        let agent = SampleAgent::windows();
        agent.log(&[
            "mid-jre.NEW.linux.x86-64",
            "mid-jre.NEW.windows.x86-64",
            "mid-upgrade.NEW.preUpgradeCheck",
            "mid-linux-container-recipe.NEW.linux.x86-64",
        ]);
        let mut state = state(&agent);
        let found = wanted(&state).unwrap();
        let reasons: Vec<_> = found.refused().iter().map(|refused| refused.reason).collect();
        let host = Platform::WindowsX86_64;
        let package = Platform::LinuxX86_64;
        assert_eq!(
            reasons,
            [NotForHost::OtherPlatform { package, host }, NotForHost::Kind, NotForHost::Kind]
        );
        assert_eq!(names(needed(&state).unwrap()), ["mid-jre.NEW.windows.x86-64.zip"]);
        state.platform = None;
        assert!(needed(&state).unwrap().is_empty());
        assert_eq!(wanted_for_build(&state, &NEW.parse().unwrap()), Err(WantedError::PlatformUnknown));
    }

    #[test]
    fn build_can_be_named_when_the_log_names_nothing() {
        let agent = SampleAgent::linux();
        let state = state(&agent);
        assert_eq!(needed(&state), Err(WantedError::NoBlock));
        let wanted = wanted_for_build(&state, &NEW.parse().unwrap()).unwrap();
        assert_eq!(
            names(wanted.packages().iter().map(|w| w.name.clone())),
            [
                "mid-upgrade.NEW.universal.universal.zip",
                "mid-core.NEW.universal.universal.zip",
                "mid-jre.NEW.linux.x86-64.zip"
            ]
        );
        assert_eq!(
            wanted.packages().iter().map(|w| w.may_be_absent).collect::<Vec<_>>(),
            [false, false, true]
        );
        let settled = wanted_for_build(&state, &OLD.parse().unwrap()).unwrap();
        assert_eq!(settled, Wanted::default(), "the updater alone upgrades nothing");
    }

    #[test]
    fn updater_is_wanted_only_with_something_to_upgrade() {
        let agent = SampleAgent::linux();
        agent.log(&["mid-upgrade.OLD.universal.universal", "mid-core.OLD.universal.universal"]);
        assert_eq!(needed(&state(&agent)).unwrap(), [], "the log is older than the upgrade");
        std::fs::remove_file(agent.path().join("package/meta/mid-jre.meta.properties")).unwrap();
        agent.log(&["mid-upgrade.OLD.universal.universal", "mid-jre.OLD.linux.x86-64"]);
        assert_eq!(needed(&state(&agent)).unwrap().len(), 2);
    }

    #[test]
    fn unreadable_names_are_passed_on() {
        let agent = SampleAgent::linux();
        agent.log(&["mid-jre.newyork-06-26-2019__patch0-hotfix2-07-10-2019_07-16-2019_1636 .windows.x86-64"]);
        let found = wanted(&state(&agent)).unwrap();
        assert!(found.packages().is_empty());
        assert_eq!(found.unreadable().len(), 1);
    }
}
