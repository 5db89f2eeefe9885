//! Planning: from what an operator has (a build stamp, names, a MID log, a URL) to the packages to fetch.
//!
//! A plan is a pure function of its input and asks no server; names of releases are looked up in a list of known builds.

mod error;
mod from_log;
mod known;
mod request;
mod stats_page;
mod unpack;

use std::collections::HashSet;

use url::Url;

use crate::package::{Buildstamp, PackageName, PackagePath, split_url};

pub use error::PlanError;
pub use from_log::{LogPlan, plan_agent_log, plan_log};
pub use known::{KnownBuilds, Lookup};
pub use request::{DEFAULT_BASE, PlanRequest};
pub use stats_page::{MAX_PAGE_BYTES, StatsPage, StatsPageError};
pub use unpack::{UnpackError, read_text};

/// A package that is to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPackage {
    path: PackagePath,
    url: Url,
    may_be_absent: bool,
}

impl PlannedPackage {
    /// Plans a package below an upstream base URL, for instance `https://install.service-now.com`.
    ///
    /// The path of the base, if it has one, is kept as a prefix.
    pub fn below(base: &Url, path: PackagePath) -> Result<Self, url::ParseError> {
        let mut folder = base.clone();
        if !folder.path().ends_with('/') {
            folder.set_path(&format!("{}/", base.path()));
        }
        let url = folder.join(path.as_str())?;
        Ok(Self { path, url, may_be_absent: false })
    }

    /// Marks a package that the vendor does not make for every build.
    #[must_use]
    pub fn that_may_be_absent(self) -> Self {
        Self { may_be_absent: true, ..self }
    }

    /// The vendor path.
    pub fn path(&self) -> &PackagePath {
        &self.path
    }

    /// Where it is fetched from.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether "not found" is a normal answer for it, for instance the Java runtime of a patch.
    pub fn may_be_absent(&self) -> bool {
        self.may_be_absent
    }
}

/// Plans the packages of one build, in the order of the request's kinds and platforms, each once.
///
/// # Errors
/// The stamp is irregular (its folder cannot be derived), or the request asks for nothing.
pub fn plan_stamp(stamp: &Buildstamp, request: &PlanRequest) -> Result<Vec<PlannedPackage>, PlanError> {
    request.check()?;
    if stamp.fields().is_none() {
        return Err(PlanError::OpaqueStamp { stamp: stamp.to_string() });
    }
    let mut plan = Plan::default();
    for form in request.forms() {
        let name = PackageName::new(form.kind, stamp, form.platform, form.extension)
            .map_err(|source| PlanError::Name { name: stamp.to_string(), source })?;
        plan.add(request, path_of(&name, request)?, form.may_be_absent)?;
    }
    Ok(plan.packages)
}

/// Plans packages by their file names, in the given order, each once. Only the request's base and tree count.
pub fn plan_names(names: &[PackageName], request: &PlanRequest) -> Result<Vec<PlannedPackage>, PlanError> {
    request.check_base()?;
    let mut plan = Plan::default();
    for name in names {
        plan.add(request, path_of(name, request)?, false)?;
    }
    Ok(plan.packages)
}

/// Plans one package by its full URL; the only way for a build stamp of an unknown shape.
pub fn plan_url(text: &str) -> Result<PlannedPackage, PlanError> {
    let (base, path) =
        split_url(text).map_err(|source| PlanError::Name { name: error::clip(text), source })?;
    PlannedPackage::below(&base, path)
        .map_err(|source| PlanError::Base { base: error::clip(text), source: Some(source) })
}

/// Plans packages by their vendor paths, below the request's base, in the given order, each once.
pub fn plan_paths(paths: &[PackagePath], request: &PlanRequest) -> Result<Vec<PlannedPackage>, PlanError> {
    request.check_base()?;
    let mut plan = Plan::default();
    for path in paths {
        plan.add(request, path.clone(), false)?;
    }
    Ok(plan.packages)
}

/// Leaves out what was planned before; the first place of each package counts.
pub fn each_once(planned: Vec<PlannedPackage>) -> Vec<PlannedPackage> {
    let mut paths = HashSet::new();
    planned.into_iter().filter(|package| paths.insert(package.path.clone())).collect()
}

/// A growing plan without repetitions.
#[derive(Default)]
struct Plan {
    packages: Vec<PlannedPackage>,
    paths: HashSet<PackagePath>,
}

impl Plan {
    fn add(
        &mut self,
        request: &PlanRequest,
        path: PackagePath,
        may_be_absent: bool,
    ) -> Result<(), PlanError> {
        if !self.paths.insert(path.clone()) {
            return Ok(());
        }
        let planned = PlannedPackage::below(&request.base, path)
            .map_err(|source| PlanError::Base { base: request.base.to_string(), source: Some(source) })?;
        self.packages.push(PlannedPackage { may_be_absent, ..planned });
        Ok(())
    }
}

fn path_of(name: &PackageName, request: &PlanRequest) -> Result<PackagePath, PlanError> {
    if name.stamp().fields().is_none() {
        return Err(PlanError::OpaqueStamp { stamp: name.stamp().to_string() });
    }
    PackagePath::new(request.tree, name).map_err(|source| PlanError::Name { name: name.to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{PackageKind, Platform, Tree};

    const STAMP: &str = "zurich-07-01-2025__patch9-hotfix3-06-13-2026_06-19-2026_0859";

    fn request(platforms: &[Platform]) -> PlanRequest {
        PlanRequest::upgrade_set(Url::parse("https://mirror.example/x").unwrap(), platforms.to_vec())
    }

    fn names(plan: &[PlannedPackage]) -> Vec<String> {
        plan.iter().map(|p| p.path().name().as_str().replace(STAMP, "S")).collect()
    }

    #[test]
    fn upgrade_set_of_both_platforms() {
        let stamp = Buildstamp::parse(STAMP).unwrap();
        let both = [Platform::LinuxX86_64, Platform::WindowsX86_64];
        let plan = plan_stamp(&stamp, &request(&both)).unwrap();
        assert_eq!(
            names(&plan),
            [
                "mid-upgrade.S.universal.universal.zip",
                "mid-upgrade.S.preUpgradeCheck.zip",
                "mid-core.S.universal.universal.zip",
                "mid-jre.S.linux.x86-64.zip",
                "mid-jre.S.windows.x86-64.zip",
            ]
        );
        assert_eq!(
            plan.first().unwrap().url().as_str(),
            format!(
                "https://mirror.example/x/glide/distribution/builds/package/app-signed/mid-upgrade/2026/06/19/mid-upgrade.{STAMP}.universal.universal.zip"
            )
        );
        let absent: Vec<bool> = plan.iter().map(PlannedPackage::may_be_absent).collect();
        assert_eq!(absent, [false, true, false, true, true]);
        // Repeated platforms and kinds change nothing.
        let mut twice = request(&[Platform::LinuxX86_64, Platform::WindowsX86_64, Platform::LinuxX86_64]);
        twice.kinds.extend([PackageKind::MidCore]);
        assert_eq!(plan_stamp(&stamp, &twice).unwrap(), plan);
    }

    #[test]
    fn installers_and_recipes_belong_to_one_platform() {
        let stamp = Buildstamp::parse(STAMP).unwrap();
        let mut request = request(&[Platform::LinuxX86_64]);
        request.kinds = PackageKind::ALL.to_vec();
        request.tree = Tree::Unsigned;
        let plan = names(&plan_stamp(&stamp, &request).unwrap());
        assert_eq!(
            plan,
            [
                "mid.S.linux.x86-64.zip",
                "mid-core.S.universal.universal.zip",
                "mid-jre.S.linux.x86-64.zip",
                "mid-upgrade.S.universal.universal.zip",
                "mid-upgrade.S.preUpgradeCheck.zip",
                "mid-linux-installer.S.linux.x86-64.deb",
                "mid-linux-installer.S.linux.x86-64-deb.zip",
                "mid-linux-installer.S.linux.x86-64.rpm",
                "mid-linux-installer.S.linux.x86-64-rpm.zip",
                "mid-linux-container-recipe.S.linux.x86-64.zip",
            ]
        );
        request.kinds = vec![PackageKind::MidWindowsInstaller];
        assert!(matches!(plan_stamp(&stamp, &request), Err(PlanError::Nothing)));
    }

    #[test]
    fn irregular_stamp_needs_a_url() {
        let stamp = Buildstamp::parse("trackdiscocopper-10-09-2020_10-14-2021_2200").unwrap();
        let error = plan_stamp(&stamp, &request(&[Platform::LinuxX86_64])).unwrap_err();
        assert!(matches!(error, PlanError::OpaqueStamp { .. }));
        assert!(error.to_string().contains("give the full URL"), "{error}");
        let url = "https://install.service-now.com/glide/distribution/builds/package/mid/2021/10/14/mid.trackdiscocopper-10-09-2020_10-14-2021_2200.linux.x86-64.zip";
        assert_eq!(plan_url(url).unwrap().url().as_str(), url);
    }

    #[test]
    fn bases_that_are_no_web_address_are_refused() {
        let stamp = Buildstamp::parse(STAMP).unwrap();
        for bad in ["file:///x", "https://u:p@h.example/", "https://h.example/?a", "data:x"] {
            let request = PlanRequest::upgrade_set(Url::parse(bad).unwrap(), vec![Platform::LinuxX86_64]);
            let error = plan_stamp(&stamp, &request).unwrap_err();
            assert!(matches!(error, PlanError::Base { .. }), "{bad}: {error}");
            assert!(!error.to_string().contains("u:p"));
        }
        assert!(matches!(plan_stamp(&stamp, &request(&[])), Err(PlanError::NoPlatform { .. })));
    }
}
