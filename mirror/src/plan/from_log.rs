//! Planning from an agent's own log: what the instance assigned to it and it does not have yet.

use super::error::PlanError;
use super::{Plan, PlanRequest, PlannedPackage, path_of};
use crate::agent::{AgentLog, LogTime};
use crate::package::{PackageKind, PackageName, Platform};

/// A plan made from a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlan {
    /// What to fetch; empty if the agent has everything.
    pub packages: Vec<PlannedPackage>,
    /// When the agent wrote the lists.
    pub time: Option<LogTime>,
    /// Names in the lists that cannot be read, as printed.
    pub unreadable: Vec<String>,
    /// Names whose folder is unknown because their build stamp is irregular and the log has no address for them.
    pub without_address: Vec<PackageName>,
    /// Whether a newer block of lists follows that is cut off.
    pub newer_block_cut: bool,
}

/// Plans from the text of an `agent0.log.0`.
///
/// The log says which packages and platforms; of the request only base, tree and whether `mid-upgrade` is among the
/// kinds count. If it is, the probe of the pre-upgrade check is planned too: the agent downloads it without listing it.
pub fn plan_log(text: &str, request: &PlanRequest) -> Result<LogPlan, PlanError> {
    let log = AgentLog::parse(text).map_err(|source| PlanError::Log { source })?;
    plan_agent_log(&log, request)
}

/// Plans from a log that was read already.
pub fn plan_agent_log(log: &AgentLog, request: &PlanRequest) -> Result<LogPlan, PlanError> {
    request.check_base()?;
    let block = log.block().ok_or(PlanError::NoBlock)?;
    let wanted = block.to_get();
    let mut plan = Plan::default();
    let mut without_address = Vec::new();
    for name in &wanted.names {
        // An address in the log is the truth, even for stamps of an unknown shape.
        if let Some(path) = log.downloads().iter().rev().find(|path| path.name() == name) {
            plan.add(request, path.clone(), false)?;
        } else if name.stamp().fields().is_none() {
            without_address.push(name.clone());
        } else {
            plan.add(request, path_of(name, request)?, false)?;
        }
    }
    if request.kinds.contains(&PackageKind::MidUpgrade) {
        add_probes(&wanted.names, log, request, &mut plan)?;
    }
    Ok(LogPlan {
        packages: plan.packages,
        time: block.time,
        unreadable: wanted.unreadable,
        without_address,
        newer_block_cut: log.newer_block_cut(),
    })
}

fn add_probes(
    wanted: &[PackageName],
    log: &AgentLog,
    request: &PlanRequest,
    plan: &mut Plan,
) -> Result<(), PlanError> {
    for upgrade in wanted.iter().filter(|name| name.kind() == PackageKind::MidUpgrade) {
        let stamp = upgrade.stamp();
        let is_probe =
            |name: &PackageName| name.platform() == Platform::PreUpgradeCheck && name.stamp() == stamp;
        if wanted.iter().any(is_probe) {
            continue;
        }
        let path = match log.downloads().iter().rev().find(|path| is_probe(path.name())) {
            Some(path) => path.clone(),
            None if stamp.fields().is_none() => continue,
            None => {
                let name =
                    PackageName::new(PackageKind::MidUpgrade, stamp, Platform::PreUpgradeCheck, ".zip")
                        .map_err(|source| PlanError::Name { name: stamp.to_string(), source })?;
                path_of(&name, request)?
            }
        };
        plan.add(request, path, true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::DEFAULT_BASE;

    const B: &str = "paris-06-24-2020__patch2-10-01-2020_10-20-2020_1602";

    fn request() -> PlanRequest {
        PlanRequest::upgrade_set(DEFAULT_BASE.parse().unwrap(), Vec::new())
    }

    fn names(plan: &LogPlan) -> Vec<String> {
        plan.packages.iter().map(|p| p.path().name().as_str().replace(B, "B")).collect()
    }

    #[test]
    fn log_names_packages_and_the_probe_is_added() {
        let text = format!(
            "Current packages:\n Installed: []\n Assigned: [x]\n Missing: [mid-core.{B}.universal.universal.zip, mid-upgrade.{B}.universal.universal.zip, mid-jre.{B}.windows.x86-64.zip, bad name]\n"
        );
        let plan = plan_log(&text, &request()).unwrap();
        assert_eq!(
            names(&plan),
            [
                "mid-core.B.universal.universal.zip",
                "mid-upgrade.B.universal.universal.zip",
                "mid-jre.B.windows.x86-64.zip",
                "mid-upgrade.B.preUpgradeCheck.zip",
            ]
        );
        assert_eq!(plan.unreadable, ["bad name"]);
        assert!(plan.packages.last().unwrap().may_be_absent());
        let mut request = request();
        request.kinds = vec![PackageKind::MidCore];
        assert_eq!(names(&plan_log(&text, &request).unwrap()).len(), 3);
    }

    #[test]
    fn irregular_stamp_is_planned_if_the_log_has_its_address() {
        let name = "mid-upgrade.trackdiscocopper-10-09-2020_10-14-2021_2200.universal.universal.zip";
        let lists = format!("Current packages:\n Installed: []\n Assigned: []\n Missing: [{name}]\n");
        let plan = plan_log(&lists, &request()).unwrap();
        assert!(plan.packages.is_empty());
        assert_eq!(plan.without_address.first().unwrap().as_str(), name);
        let address = format!("glide/distribution/builds/package/app-signed/mid-upgrade/2021/10/14/{name}");
        let text = format!("{lists}Downloading package to {name} from https://elsewhere.example/{address}\n");
        let plan = plan_log(&text, &request()).unwrap();
        assert_eq!(plan.packages.first().unwrap().url().as_str(), format!("{DEFAULT_BASE}{address}"));
    }

    #[test]
    fn log_without_lists_is_an_error_and_settled_log_an_empty_plan() {
        assert_eq!(plan_log("nothing here", &request()), Err(PlanError::NoBlock));
        let settled = "Current packages:\n Installed: [] Assigned: [] Missing: []";
        assert!(plan_log(settled, &request()).unwrap().packages.is_empty());
    }
}
