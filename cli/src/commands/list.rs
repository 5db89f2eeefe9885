//! `midmirror list`: what the catalog holds.

use midmirror_mirror::catalog::{
    FolderSource, RoleEnd, TrustInputs, TrustedCatalog, first_root, trust_folder,
};
use midmirror_mirror::store::Store;

use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// Prints the catalog, newest build last.
pub(crate) fn run(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let catalog = catalog(&context.store()?)?;
    let mut entries: Vec<_> = catalog.entries().iter().collect();
    entries.sort_by(|a, b| (a.path.date(), a.path.as_str()).cmp(&(b.path.date(), b.path.as_str())));
    if json {
        output::json(&entries)?;
        return Ok(Exit::Done);
    }
    for entry in &entries {
        let signed = entry.signed_at.map(|at| format!(", signed {at}")).unwrap_or_default();
        output::data(entry.path.name().as_str());
        output::data(format!("  {}{signed}", entry.label.as_str()));
        if let Some(signer) = &entry.signer {
            output::data(format!("  by {}", printable(signer)));
        }
        output::data(format!("  {}, sha256 {}", output::size(entry.length), entry.sha256));
        if entry.by_earlier_admission {
            let first = entry.first_admitted_at.unwrap_or(entry.admitted_at);
            output::data(format!(
                "  its timestamp has expired; kept because it was admitted at {first}, see its report"
            ));
        }
    }
    let versions = catalog.versions();
    output::note(format!(
        "{}; catalog version {}, valid until {}",
        output::count(entries.len(), "package"),
        versions.targets,
        catalog.expires()
    ));
    warn_of_expiry(&catalog);
    Ok(Exit::Done)
}

/// Says in time that hosts will soon refuse the catalog.
pub(crate) fn warn_of_expiry(catalog: &TrustedCatalog) {
    if let Some(warning) = RoleEnd::worst_text(&catalog.ends(), context::now()) {
        output::note(warning);
    }
}

/// Reads the store's own catalog, with all checks but the memory of earlier versions.
pub(crate) fn catalog(store: &Store) -> anyhow::Result<TrustedCatalog> {
    let root = first_root(store)?.ok_or_else(|| {
        coded(
            Exit::CatalogNotTrusted,
            format!("the store has no catalog ({} has no 1.root.json)", store.repository_dir().display()),
            "midmirror init makes the first one",
        )
    })?;
    let inputs = TrustInputs { root: &root, state: None, now: context::now(), allow_expired: true };
    Ok(trust_folder(&FolderSource::of(store), &inputs)?)
}
