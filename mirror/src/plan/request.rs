//! What an operator asks for.

use url::Url;

use super::error::PlanError;
use crate::package::{PackageKind, Platform, Tree};

/// The vendor's server: the default of the instance property `mid.install_server.base_uri` (KB1546609).
pub const DEFAULT_BASE: &str = "https://install.service-now.com/";

/// Which packages are wanted, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRequest {
    /// What the vendor path is appended to, for instance [`DEFAULT_BASE`].
    pub base: Url,
    /// The hosts' platforms; universal packages need none.
    pub platforms: Vec<Platform>,
    /// The kinds, in the order in which they are to be planned.
    pub kinds: Vec<PackageKind>,
    /// The vendor's tree; [`Tree::Signed`] for all builds since Paris.
    pub tree: Tree,
}

/// One file of a kind.
pub(super) struct Form {
    pub(super) kind: PackageKind,
    pub(super) platform: Platform,
    pub(super) extension: &'static str,
    pub(super) may_be_absent: bool,
}

impl PlanRequest {
    /// What an upgrade needs: updater with its pre-upgrade check, application, and the Java runtime of each platform.
    pub fn upgrade_set(base: Url, platforms: Vec<Platform>) -> Self {
        let kinds = vec![PackageKind::MidUpgrade, PackageKind::MidCore, PackageKind::MidJre];
        Self { base, platforms, kinds, tree: Tree::Signed }
    }

    pub(super) fn check(&self) -> Result<(), PlanError> {
        self.check_base()?;
        if self.platforms.is_empty()
            && let Some(&kind) = self.kinds.iter().find(|kind| per_platform(**kind))
        {
            return Err(PlanError::NoPlatform { kind });
        }
        if self.forms().is_empty() { Err(PlanError::Nothing) } else { Ok(()) }
    }

    pub(super) fn check_base(&self) -> Result<(), PlanError> {
        let base = &self.base;
        let web = matches!(base.scheme(), "http" | "https");
        let anonymous = base.username().is_empty() && base.password().is_none();
        if web && anonymous && base.query().is_none() && base.fragment().is_none() {
            return Ok(());
        }
        let shown = format!("{}://{}{}", base.scheme(), base.host_str().unwrap_or_default(), base.path());
        Err(PlanError::Base { base: shown, source: None })
    }

    /// The files of all wanted kinds and platforms.
    pub(super) fn forms(&self) -> Vec<Form> {
        self.kinds.iter().flat_map(|kind| self.forms_of(*kind)).collect()
    }

    /// Kinds, platforms and extensions as the vendor makes them; "may be absent" where he does not always.
    fn forms_of(&self, kind: PackageKind) -> Vec<Form> {
        let form = |platform, extension, may_be_absent| Form { kind, platform, extension, may_be_absent };
        let only = |platform: Platform, forms: Vec<Form>| {
            if self.platforms.contains(&platform) { forms } else { Vec::new() }
        };
        let each = |may_be_absent| {
            let hosts = self.platforms.iter().filter(|p| is_host(**p));
            hosts.map(|platform| form(*platform, ".zip", may_be_absent)).collect()
        };
        match kind {
            PackageKind::Mid => each(false),
            PackageKind::MidCore => vec![form(Platform::Universal, ".zip", false)],
            // Mostly only made for a new family.
            PackageKind::MidJre => each(true),
            PackageKind::MidUpgrade => vec![
                form(Platform::Universal, ".zip", false),
                // KB0565184 prints another spelling as well, which no public address confirms.
                form(Platform::PreUpgradeCheck, ".zip", true),
            ],
            PackageKind::MidLinuxInstaller => only(
                Platform::LinuxX86_64,
                vec![
                    form(Platform::LinuxX86_64, ".deb", false),
                    form(Platform::LinuxX86_64, "-deb.zip", true),
                    form(Platform::LinuxX86_64, ".rpm", true),
                    form(Platform::LinuxX86_64, "-rpm.zip", true),
                ],
            ),
            PackageKind::MidWindowsInstaller => {
                only(Platform::WindowsX86_64, vec![form(Platform::WindowsX86_64, ".msi", false)])
            }
            PackageKind::MidLinuxContainerRecipe => {
                only(Platform::LinuxX86_64, vec![form(Platform::LinuxX86_64, ".zip", false)])
            }
            PackageKind::MidWindowsContainerRecipe => {
                only(Platform::WindowsX86_64, vec![form(Platform::WindowsX86_64, ".zip", true)])
            }
        }
    }
}

/// Whether a kind exists once per platform.
fn per_platform(kind: PackageKind) -> bool {
    !matches!(kind, PackageKind::MidCore | PackageKind::MidUpgrade)
}

/// Whether a platform word names a kind of host.
fn is_host(platform: Platform) -> bool {
    !matches!(platform, Platform::Universal | Platform::PreUpgradeCheck)
}
