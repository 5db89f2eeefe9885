//! `midmirror plan`: which packages are asked for. Only `--instance` asks a server, and only for its page `stats.do`.

mod inputs;
mod instance;
mod instructions;
mod logs;
mod sources;

use std::collections::HashMap;
use std::path::Path;

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::catalog::CatalogEntry;
use midmirror_mirror::package::{PackageKind, PackagePath, Platform, Tree};
use midmirror_mirror::plan::PlannedPackage;
use midmirror_mirror::store::Store;
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::PlanArguments;
use crate::context::Context;
use crate::exit::Exit;
use crate::output;

pub(crate) use sources::packages;

/// Prints the plan.
pub(crate) fn run(context: &Context, arguments: &PlanArguments) -> anyhow::Result<Exit> {
    let planned = packages(context, &arguments.selection)?;
    let admitted = Admitted::read(&context.config.store);
    if arguments.urls {
        for package in &planned {
            output::data(package.url().as_str());
        }
    } else if arguments.json {
        let rows: Vec<Row<'_>> = planned.iter().map(|package| Row::new(package, &admitted)).collect();
        output::json(&rows)?;
    } else if arguments.instructions {
        output::raw(instructions::page(&planned, &admitted).as_bytes());
    } else {
        for package in &planned {
            output::data(line(package, &admitted));
        }
        output::note(output::count(planned.len(), "package"));
    }
    Ok(Exit::Done)
}

/// `to fetch  URL`, and behind the URL what is special about it.
fn line(package: &PlannedPackage, admitted: &Admitted) -> String {
    let entry = admitted.entry(package.path());
    let state = match entry {
        Some(_) => "in store",
        None if package.may_be_absent() => "if made",
        None => "to fetch",
    };
    let size = entry.map(|entry| format!("  {}", output::size(entry.length))).unwrap_or_default();
    let tree = if package.path().tree() == Tree::Unsigned { "  UNSIGNED TREE" } else { "" };
    format!("{state:<9} {}{size}{tree}", package.url())
}

/// A package of `plan --json`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Row<'a> {
    path: &'a str,
    url: &'a str,
    /// The build stamp, as it is in the name.
    stamp: &'a str,
    /// Whether the stamp is not of the vendor's usual form, so that the address could not be derived from it.
    irregular_stamp: bool,
    kind: PackageKind,
    platform: Platform,
    /// Whether it is in the vendor's tree of JAR-signed packages.
    signed_tree: bool,
    may_be_absent: bool,
    in_store: bool,
    /// Length in bytes, known of packages in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    /// Digest, known of packages in the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<Sha256Digest>,
}

impl<'a> Row<'a> {
    fn new(package: &'a PlannedPackage, admitted: &Admitted) -> Self {
        let (path, entry) = (package.path(), admitted.entry(package.path()));
        Self {
            path: path.as_str(),
            url: package.url().as_str(),
            stamp: path.name().stamp().as_str(),
            irregular_stamp: path.name().stamp().fields().is_none(),
            kind: path.name().kind(),
            platform: path.name().platform(),
            signed_tree: path.tree() == Tree::Signed,
            may_be_absent: package.may_be_absent(),
            in_store: entry.is_some(),
            length: entry.map(|entry| entry.length),
            sha256: entry.map(|entry| entry.sha256),
        }
    }
}

/// What the catalog of the store holds; nothing if there is no store, since a plan needs none.
#[derive(Default)]
struct Admitted {
    entries: HashMap<PackagePath, CatalogEntry>,
}

impl Admitted {
    fn read(store: &Path) -> Self {
        let Ok(store) = Store::open(store) else { return Self::default() };
        let Ok(catalog) = super::list::catalog(&store) else { return Self::default() };
        let entries = catalog.entries().iter().map(|entry| (entry.path.clone(), entry.clone()));
        Self { entries: entries.collect() }
    }

    fn entry(&self, path: &PackagePath) -> Option<&CatalogEntry> {
        self.entries.get(path)
    }
}
