//! `midmirror store check --repair`.

use std::collections::BTreeSet;

use midmirror_mirror::catalog::publish;
use midmirror_mirror::plan::{PlannedPackage, plan_url};
use midmirror_mirror::store::{CheckReport, Repair, Store};

use crate::arguments::ProgressArguments;
use crate::commands::{list, sync};
use crate::context::{self, Context};
use crate::output;

/// Repairs what a check has found, as far as that is possible, and fetches what is missing.
pub(super) fn run(context: &Context, store: &Store, report: &CheckReport) -> anyhow::Result<()> {
    let mut writer = store.write()?;
    let repair = writer.repair(report)?;
    tell(&repair);
    writer.note_repair(&repair, context::now());
    // Finishes what a killed run had left, and tells the log.
    let published = context
        .signing_keys()
        .and_then(|keys| Ok(publish(&mut writer, &keys, context::now(), &context.lifetimes(store))?));
    drop(writer);
    if let Err(error) = published {
        output::failure(
            &error.context("the catalog could not be published"),
            Some("bad bytes were set aside all the same; midmirror init publishes when this is settled"),
        );
    }
    fetch_missing(context, store, &repair)
}

fn tell(repair: &Repair) {
    for aside in &repair.set_aside {
        output::note(format!(
            "set aside: bytes that were to have sha256 {} are in {}",
            aside.sha256, aside.place
        ));
    }
    if repair.removed > 0 {
        let removed = usize::try_from(repair.removed).unwrap_or(usize::MAX);
        output::note(format!("removed: {} of interrupted writers", output::count(removed, "leftover")));
    }
    output::note("the index was built again from the evidence");
}

/// Fetches the published packages whose bytes are missing; other bytes than before are held, as in any sync.
fn fetch_missing(context: &Context, store: &Store, repair: &Repair) -> anyhow::Result<()> {
    if repair.missing.is_empty() {
        return Ok(());
    }
    let missing: BTreeSet<_> = repair.missing.iter().collect();
    let catalog = list::catalog(store)?;
    let packages: Vec<_> = catalog.entries().iter().filter(|entry| missing.contains(&entry.sha256)).collect();
    if context.is_offline() {
        for entry in &packages {
            output::note(format!("missing: bring {} and run midmirror import-file", entry.path.name()));
        }
        return Ok(());
    }
    let base = context.config.upstream.base_uri.trim_end_matches('/');
    let planned: Vec<PlannedPackage> =
        packages.iter().map(|entry| plan_url(&format!("{base}/{}", entry.path))).collect::<Result<_, _>>()?;
    sync::fetch_again(context, &planned, &ProgressArguments::default())?;
    Ok(())
}
