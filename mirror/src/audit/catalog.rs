//! The catalog, the log and the list of digests.

use jiff::Timestamp;

use super::AuditInputs;
use super::record::AuditRecord;
use super::report::{Catalog, CatalogRole, Fault, Log, NotChecked, count};
use crate::Sha256Digest;
use crate::attest::sums;
use crate::catalog::{
    FolderSource, LogEntry, Role, TrustInputs, TrustedCatalog, first_root, list_of_sums, log_of,
    open_earlier, read_entries, trust_folder,
};
use crate::error_text;
use crate::log::{Checkpoint, LogFolder, LogProblem, NoteKey, check, check_against};

/// Verifies the catalog from the trusted root on.
pub(super) fn audit_catalog(inputs: &AuditInputs<'_>) -> (Catalog, Option<TrustedCatalog>) {
    let own = match inputs.root {
        Some(_) => Ok(None),
        None => first_root(inputs.store),
    };
    let root = inputs.root.or_else(|| own.as_ref().ok()?.as_deref());
    let mut catalog = Catalog::not_trusted(root.unwrap_or_default(), inputs.root.is_none());
    let Some(root) = root else {
        catalog.reason = Some(match own {
            Err(error) => error_text(&error),
            Ok(_) => "1.root.json is not in its folder, so there is nothing that it could be verified with"
                .to_owned(),
        });
        return (catalog, None);
    };
    // An expired one is verified all the same, and reported as expired.
    let trust = TrustInputs { root, state: None, now: inputs.basis.now, allow_expired: true };
    let trusted = match trust_folder(&FolderSource::of(inputs.store), &trust) {
        Ok(trusted) => trusted,
        Err(error) => {
            catalog.reason = Some(error_text(&error));
            return (catalog, None);
        }
    };
    describe(&mut catalog, &trusted, inputs.basis.now);
    if trusted.store().is_some_and(|identity| identity.id != inputs.store.id()) {
        catalog.trusted = false;
        catalog.reason = Some("it is the catalog of another store".to_owned());
    }
    (catalog, Some(trusted))
}

/// What there is to say of a catalog that was verified.
pub(super) fn describe(catalog: &mut Catalog, trusted: &TrustedCatalog, now: Timestamp) {
    catalog.trusted = true;
    catalog.newest_root = Some(Sha256Digest::of(trusted.root_bytes()));
    catalog.packages = count(trusted.entries().len());
    let versions = trusted.versions();
    for role in Role::ALL {
        let version = match role {
            Role::Root => versions.root,
            Role::Targets => versions.targets,
            Role::Snapshot => versions.snapshot,
            Role::Timestamp => versions.timestamp,
        };
        let expires = trusted.expiry(role);
        catalog.roles.push(CatalogRole { role: role.to_string(), version, expires, expired: expires <= now });
    }
}

/// Compares the log with the checkpoint of the last audit, and reads its entries; none if it is not what was signed. What is wrong
/// with the log itself is told by the check of the store.
pub(super) fn audit_log(
    inputs: &AuditInputs<'_>,
    catalog: Option<&TrustedCatalog>,
    not_checked: &mut Vec<NotChecked>,
) -> (Log, Option<Vec<LogEntry>>) {
    let mut log = Log::default();
    let mut cannot = |reason: &str| {
        not_checked
            .push(NotChecked { what: "the log and the statements".to_owned(), reason: reason.to_owned() });
    };
    let Some(catalog) = catalog else {
        cannot("its key is in the catalog, which is not trusted");
        return (log, None);
    };
    let Ok((folder, key)) = log_of(inputs.store, catalog) else {
        cannot("the store is of an early version and has none");
        return (log, None);
    };
    log.origin = Some(key.name().to_owned());
    let Ok(Some(checkpoint)) = folder.checkpoint(&key) else {
        not_checked.push(changes_unknown());
        return (log, None);
    };
    let (_, events) = read_log(&folder, &checkpoint, &mut log, not_checked);
    compare_with_earlier(inputs.basis.previous, (&folder, &checkpoint, &key), &mut log, not_checked);
    (log, events)
}

/// Checks every entry and tile of a log, and reads the entries if all of them are what was signed.
pub(super) fn read_log(
    folder: &LogFolder,
    checkpoint: &Checkpoint,
    log: &mut Log,
    not_checked: &mut Vec<NotChecked>,
) -> (Vec<LogProblem>, Option<Vec<LogEntry>>) {
    log.entries = checkpoint.size;
    log.root = Some(checkpoint.root);
    let problems = check(folder, checkpoint);
    let events = if problems.is_empty() { read_entries(folder, checkpoint.size).ok() } else { None };
    log.sound = events.is_some();
    if !log.sound {
        not_checked.push(changes_unknown());
    }
    (problems, events)
}

/// What forged entries would tell is not repeated.
pub(super) fn changes_unknown() -> NotChecked {
    NotChecked {
        what: "what changed since the last audit, and who approved it".to_owned(),
        reason: "the log tells it, and is not there or not what was signed".to_owned(),
    }
}

/// Whether a log has grown from the one that the last audit saw.
pub(super) fn compare_with_earlier(
    previous: Option<&AuditRecord>,
    (folder, checkpoint, key): (&LogFolder, &Checkpoint, &NoteKey),
    log: &mut Log,
    not_checked: &mut Vec<NotChecked>,
) {
    match previous.and_then(|previous| previous.checkpoint.as_deref()) {
        None => not_checked.push(NotChecked {
            what: "whether the log was rewritten as a whole".to_owned(),
            reason: "there is no checkpoint of an earlier audit to compare with".to_owned(),
        }),
        Some(earlier) => match open_earlier(earlier.as_bytes(), folder, checkpoint, key) {
            Err(error) => log.problems.push(format!(
                "the checkpoint of the last audit is not signed with the key that the catalog names: {error}"
            )),
            Ok(earlier) => match check_against(folder, checkpoint, &earlier) {
                Ok(None) => log.grown_from = Some(earlier.size),
                Ok(Some(problem)) => log.problems.push(problem.to_string()),
                Err(error) => log.problems.push(error_text(&error)),
            },
        },
    }
}

/// The lowest rung: the signed list has what the catalog has.
pub(super) fn audit_sums(
    inputs: &AuditInputs<'_>,
    catalog: Option<&TrustedCatalog>,
    faults: &mut Vec<Fault>,
) {
    let Some((catalog, identity)) = catalog.and_then(|catalog| Some((catalog, catalog.store()?))) else {
        return;
    };
    let store = inputs.store;
    let read = |name: &str| match store.storage().read(name, LONGEST_LIST) {
        Ok(Some(bytes)) => match String::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(_) => Err((format!("{name} is no text"), true)),
        },
        // A publication was interrupted.
        Ok(None) => Err((format!("{name} is not there; the next publication writes it"), false)),
        Err(error) => Err((error_text(&error), true)),
    };
    let compared = read(sums::SUMS_FILE).and_then(|list| {
        let signature = read(sums::SIGNATURE_FILE)?;
        if !sums::verify(&list, &signature, &identity.key) {
            return Err((format!("{} is not signed with the key of the store", sums::SUMS_FILE), true));
        }
        if list != list_of_sums(store, catalog.entries()) {
            // Signed by the store, so an older or a newer one: a publication was interrupted.
            let text =
                format!("{} is not that of this catalog; the next publication writes it", sums::SUMS_FILE);
            return Err((text, false));
        }
        Ok(())
    });
    faults.extend(compared.err().map(|(text, damage)| Fault { text, damage }));
}

/// 200 bytes for each of the two names of a package.
const LONGEST_LIST: u64 = 256 << 20;
