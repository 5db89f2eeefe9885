//! The catalog, the log and the list of digests.

use jiff::Timestamp;

use super::AuditInputs;
use super::record::AuditRecord;
use super::report::{Catalog, CatalogRole, Fault, Log, NotChecked, count};
use crate::Sha256Digest;
use crate::attest::sums;
use crate::catalog::{
    FolderSource, LogEntry, Role, TrustInputs, TrustedCatalog, list_of_sums, log_of, open_earlier,
    read_events, trust_folder,
};
use crate::log::{Checkpoint, LogFolder, NoteKey, check_against};

/// Verifies the catalog from the trusted root on.
pub(super) fn audit_catalog(inputs: &AuditInputs<'_>) -> (Catalog, Option<TrustedCatalog>) {
    // An expired one is verified all the same, and reported as expired.
    let trust = TrustInputs { root: inputs.root, state: None, now: inputs.now, allow_expired: true };
    let result = trust_folder(&FolderSource::of(inputs.store), &trust);
    let mut catalog = Catalog {
        trusted: false,
        reason: result.as_ref().err().map(reason),
        trusted_root: Sha256Digest::of(inputs.root),
        root_is_own: inputs.root_is_own,
        newest_root: None,
        packages: 0,
        roles: Vec::new(),
    };
    let Ok(trusted) = result else { return (catalog, None) };
    describe(&mut catalog, &trusted, inputs.now);
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

/// Compares the log with the checkpoint of the last audit, and reads its entries. What is wrong with the log itself is among
/// the faults already.
pub(super) fn audit_log(
    inputs: &AuditInputs<'_>,
    catalog: Option<&TrustedCatalog>,
    faults: &mut Vec<Fault>,
    not_checked: &mut Vec<NotChecked>,
) -> (Log, Vec<LogEntry>) {
    let mut log = Log { origin: None, entries: 0, root: None, grown_from: None, problems: Vec::new() };
    let mut cannot = |reason: &str| {
        not_checked
            .push(NotChecked { what: "the log and the statements".to_owned(), reason: reason.to_owned() });
    };
    let Some(catalog) = catalog else {
        cannot("its key is in the catalog, which is not trusted");
        return (log, Vec::new());
    };
    let Ok((folder, key)) = log_of(inputs.store, catalog) else {
        cannot("the store is of an early version and has none");
        return (log, Vec::new());
    };
    log.origin = Some(key.name().to_owned());
    let checkpoint = match folder.checkpoint(&key) {
        Ok(Some(checkpoint)) => checkpoint,
        // Told by the check of the store.
        Ok(None) | Err(_) => return (log, Vec::new()),
    };
    log.entries = checkpoint.size;
    log.root = Some(checkpoint.root);
    compare_with_earlier(inputs.previous, (&folder, &checkpoint, &key), &mut log, not_checked);
    let events = read_events(inputs.store, catalog).unwrap_or_else(|error| {
        faults.push(Fault { text: format!("the log: {}", reason(&error)), damage: true });
        Vec::new()
    });
    (log, events)
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
            reason: "there is no checkpoint of an earlier audit; this one leaves one for the next".to_owned(),
        }),
        Some(earlier) => match open_earlier(earlier.as_bytes(), folder, checkpoint, key) {
            Err(error) => log.problems.push(format!(
                "the checkpoint of the last audit is not signed with the key that the catalog names: {error}"
            )),
            Ok(earlier) => match check_against(folder, checkpoint, &earlier) {
                Ok(None) => log.grown_from = Some(earlier.size),
                Ok(Some(problem)) => log.problems.push(problem.to_string()),
                Err(error) => log.problems.push(reason(&error)),
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
    let read = |name: &str| {
        let bytes = store.storage().read(name, LONGEST_LIST).ok().flatten();
        bytes.and_then(|bytes| String::from_utf8(bytes).ok())
    };
    let mut tell = |text: String, damage| faults.push(Fault { text, damage });
    match (read(sums::SUMS_FILE), read(sums::SIGNATURE_FILE)) {
        (Some(list), Some(signature)) => {
            if !sums::verify(&list, &signature, &identity.key) {
                tell(format!("{} is not signed with the key of the store", sums::SUMS_FILE), true);
            } else if list != list_of_sums(store, catalog.entries()) {
                // Signed by the store, so an older or a newer one: a publication was interrupted.
                tell(
                    format!(
                        "{} is not that of this catalog; the next publication writes it",
                        sums::SUMS_FILE
                    ),
                    false,
                );
            }
        }
        _ => tell(format!("{} is not there; the next publication writes it", sums::SUMS_FILE), false),
    }
}

/// 200 bytes for each of the two names of a package.
const LONGEST_LIST: u64 = 256 << 20;

/// An error and its causes in one line.
pub(super) fn reason(error: &(impl std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
