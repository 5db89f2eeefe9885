//! `midmirror plan`: which packages are asked for. Looks nothing up on any server.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use midmirror_mirror::package::{Buildstamp, PackageKind, PackageName, Platform, Tree};
use midmirror_mirror::plan::{PlanRequest, PlannedPackage, plan_log, plan_names, plan_stamp, plan_url};
use midmirror_mirror::store::Store;
use schemars::JsonSchema;
use serde::Serialize;
use url::Url;

use crate::arguments::{PlanArguments, Selection};
use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// Prints the plan.
pub(crate) fn run(context: &Context, arguments: &PlanArguments) -> anyhow::Result<Exit> {
    let planned = packages(&context.config, &arguments.selection)?;
    let admitted = admitted_paths(&context.config.store);
    if arguments.urls {
        for package in &planned {
            output::data(package.url().as_str());
        }
    } else if arguments.json {
        let rows: Vec<Row<'_>> = planned
            .iter()
            .map(|package| Row {
                path: package.path().as_str(),
                url: package.url().as_str(),
                kind: package.path().name().kind(),
                platform: package.path().name().platform(),
                may_be_absent: package.may_be_absent(),
                in_store: admitted.iter().any(|path| path == package.path().as_str()),
            })
            .collect();
        output::json(&rows)?;
    } else {
        for package in &planned {
            let state = match () {
                () if admitted.iter().any(|path| path == package.path().as_str()) => "in store",
                () if package.may_be_absent() => "if made",
                () => "to fetch",
            };
            output::data(format!("{state:<9} {}", package.url()));
        }
        output::note(output::count(planned.len(), "package"));
    }
    Ok(Exit::Done)
}

/// A package of `plan --json`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Row<'a> {
    path: &'a str,
    url: &'a str,
    kind: PackageKind,
    platform: Platform,
    may_be_absent: bool,
    in_store: bool,
}

/// Everything that a selection asks for, each package once.
pub(crate) fn packages(config: &Config, selection: &Selection) -> anyhow::Result<Vec<PlannedPackage>> {
    if selection.items.is_empty() && selection.logs.is_empty() {
        return Err(coded(
            Exit::Usage,
            "nothing to plan",
            "give a build stamp, package names, URLs, or --log FILE with an agent0.log.0",
        ));
    }
    let request = request(config, selection)?;
    let mut planned = Vec::new();
    for item in &selection.items {
        planned.extend(plan_item(item, &request)?);
    }
    for log in &selection.logs {
        planned.extend(plan_file(log, &request)?);
    }
    Ok(each_once(planned))
}

/// Leaves out what was planned before.
pub(crate) fn each_once(planned: Vec<PlannedPackage>) -> Vec<PlannedPackage> {
    let mut unique: Vec<PlannedPackage> = Vec::new();
    for package in planned {
        if !unique.iter().any(|known| known.path() == package.path()) {
            unique.push(package);
        }
    }
    unique
}

fn request(config: &Config, selection: &Selection) -> anyhow::Result<PlanRequest> {
    let base = Url::parse(&config.upstream.base_uri)
        .with_context(|| format!("upstream.base_uri {:?} is not a URL", config.upstream.base_uri))?;
    let platforms =
        if selection.platforms.is_empty() { &config.upstream.platforms } else { &selection.platforms };
    let mut request = PlanRequest::upgrade_set(base, platforms.clone());
    if !selection.kinds.is_empty() {
        request.kinds.clone_from(&selection.kinds);
    }
    if selection.unsigned_tree {
        request.tree = Tree::Unsigned;
    }
    Ok(request)
}

/// A URL, a package name, or else a build stamp.
fn plan_item(item: &str, request: &PlanRequest) -> anyhow::Result<Vec<PlannedPackage>> {
    let item = item.trim();
    if item.contains("://") {
        return Ok(vec![plan_url(item)?]);
    }
    if item.contains('.') {
        let name = PackageName::parse(item)?;
        return Ok(plan_names(&[name], request)?);
    }
    Ok(plan_stamp(&Buildstamp::from_input(item)?, request)?)
}

fn plan_file(log: &Path, request: &PlanRequest) -> anyhow::Result<Vec<PlannedPackage>> {
    let name = log.display();
    let mut bytes = Vec::new();
    let read = if log == Path::new("-") {
        std::io::stdin().lock().take(MAX_LOG).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(log).and_then(|file| file.take(MAX_LOG).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("failed to read the log {name}"))?;
    let plan = plan_log(&String::from_utf8_lossy(&bytes), request).with_context(|| format!("in {name}"))?;
    for unreadable in &plan.unreadable {
        output::note(format!("warning: {name}: not a package name: {}", printable(unreadable)));
    }
    if plan.packages.is_empty() {
        output::note(format!("{name}: the agent misses nothing"));
    }
    Ok(plan.packages)
}

/// Vendor paths in the catalog of the store, if there is a store; a plan needs none.
fn admitted_paths(store: &Path) -> Vec<String> {
    let Ok(store) = Store::open(store) else { return Vec::new() };
    let Ok(catalog) = super::list::catalog(&store) else { return Vec::new() };
    catalog.entries().iter().map(|entry| entry.path.to_string()).collect()
}

/// Bytes of a log; an agent rotates at a few MB.
const MAX_LOG: u64 = 64 << 20;
