//! The sample agents of the test material are read as an operator would read them.

use std::path::{Path, PathBuf};

use midmirror_mirror::agent::{AgentError, AgentHome, AgentState, LogTime, inventory, needed, wanted};
use midmirror_mirror::package::{PackageName, Platform};
use midmirror_mirror::plan::{PlanRequest, plan_agent_log};

const ASSIGNED: &str = "australia-02-11-2026__patch3-hotfix1-06-18-2026_06-19-2026_0938";

fn agent(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/agents").join(name)
}

fn state(name: &str) -> Result<AgentState, AgentError> {
    inventory(&AgentHome::open(&agent(name))?)
}

fn names<'a>(names: impl IntoIterator<Item = &'a PackageName>) -> Vec<String> {
    names.into_iter().map(|name| name.as_str().replace(ASSIGNED, "NEW")).collect()
}

#[test]
fn sample_agents_need_the_assigned_build_for_their_platform() {
    for (name, platform) in [("linux", Platform::LinuxX86_64), ("windows", Platform::WindowsX86_64)] {
        let state = state(name).unwrap();
        assert_eq!(state.platform, Some(platform));
        assert_eq!(state.installed.len(), 2, "{:?}", state.installed);
        assert!(
            state.config.name.is_some() && state.config.instance_url.is_some() && state.buildstamp.is_some()
        );
        assert_eq!(
            names(&needed(&state).unwrap()),
            [
                "mid-upgrade.NEW.universal.universal.zip".to_owned(),
                "mid-core.NEW.universal.universal.zip".to_owned(),
                format!("mid-jre.NEW.{platform}.zip"),
            ]
        );
        assert_eq!(wanted(&state).unwrap().refused(), []);
    }
}

#[test]
fn sample_logs_of_both_formats_plan_the_probe_too() {
    for name in ["linux", "windows"] {
        let state = state(name).unwrap();
        let request = PlanRequest::upgrade_set("https://mirror.example/".parse().unwrap(), Vec::new());
        let plan = plan_agent_log(&state.log, &request).unwrap();
        assert!(matches!(plan.time, Some(LogTime::Exact(_))) == (name == "linux"), "{:?}", plan.time);
        let planned = names(plan.packages.iter().map(|planned| planned.path().name()));
        assert_eq!(planned.len(), 4);
        assert_eq!(planned.last().unwrap(), "mid-upgrade.NEW.preUpgradeCheck.zip");
    }
}

#[test]
fn no_secret_of_a_sample_agent_is_shown() {
    for name in ["linux", "windows"] {
        let config = std::fs::read_to_string(agent(name).join("config.xml")).unwrap();
        let secrets: Vec<&str> = config
            .lines()
            .filter(|line| line.contains("password") && line.contains("secure"))
            .filter_map(|line| line.split("value=\"").nth(1)?.split('"').next())
            .filter(|value| !value.is_empty())
            .collect();
        assert!(!secrets.is_empty(), "the sample has a password");
        let state = state(name).unwrap();
        let shown = format!("{state:?} {}", serde_json::to_string(&state).unwrap());
        assert!(secrets.iter().all(|secret| !shown.contains(secret)));
    }
}
