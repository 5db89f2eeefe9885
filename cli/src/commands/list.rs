//! `midmirror list`: what the catalog holds.

use anyhow::Context as _;
use jiff::Timestamp;
use midmirror_mirror::catalog::{FolderSource, TrustInputs, TrustedCatalog, trust_folder};
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

/// Says in time that hosts will soon refuse the catalog. A sync renews it when half of its life is over, so this is seen
/// only where nobody has synced for long.
pub(crate) fn warn_of_expiry(catalog: &TrustedCatalog) {
    if let Some(warning) = expiry_warning(catalog.expires(), context::now()) {
        output::note(warning);
    }
}

fn expiry_warning(expires: Timestamp, now: Timestamp) -> Option<String> {
    let hours = expires.duration_since(now).as_hours();
    match hours {
        ..=0 => Some(
            "warning: the catalog has expired; hosts refuse it until `midmirror sync` signs it anew"
                .to_owned(),
        ),
        1..=336 => Some(format!(
            "warning: the catalog expires in {} days; `midmirror sync` on the mirror signs it anew",
            hours / 24
        )),
        _ => None,
    }
}

/// Reads the store's own catalog, with all checks but the memory of earlier versions.
pub(crate) fn catalog(store: &Store) -> anyhow::Result<TrustedCatalog> {
    let folder = store.repository_dir();
    let first_root = folder.join("1.root.json");
    let root = match std::fs::read(&first_root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(coded(
            Exit::CatalogNotTrusted,
            format!("the store has no catalog ({} is not there)", first_root.display()),
            "midmirror init makes the first one",
        )),
        other => other.with_context(|| format!("failed to read {}", first_root.display())),
    }?;
    let inputs = TrustInputs { root: &root, state: None, now: context::now(), allow_expired: true };
    Ok(trust_folder(&FolderSource::new(folder), &inputs)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fourteen_days_before_the_end_a_warning_is_given() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let end = at("2026-12-25T00:00:00Z");
        assert_eq!(expiry_warning(end, at("2026-12-10T00:00:00Z")), None);
        assert!(expiry_warning(end, at("2026-12-15T00:00:00Z")).unwrap().contains("in 10 days"));
        assert!(expiry_warning(end, at("2026-12-25T00:00:01Z")).unwrap().contains("has expired"));
    }
}
