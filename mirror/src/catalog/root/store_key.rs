//! Another key for the store: it signs the log and the list of digests from then on.
//!
//! The signed catalog names the key, so whoever trusts the catalog takes the new one up by itself. The log keeps its name
//! and its entries, and tells of the change; a checkpoint that was kept from before is still compared, by the key that the
//! log says came before. Order: key file, log, catalog. After a crash the next publication finishes it, or the change is begun
//! again if the log was not reached.

use jiff::Timestamp;

use super::error::KeyChangeError;
use crate::catalog::journal::Journal;
use crate::catalog::publish::{Publisher, log_key};
use crate::catalog::{
    CatalogError, Event, Lifetimes, Publication, Role, SigningKeys, StoreIdentity, publish,
};
use crate::log::{LogError, NoteKey};
use crate::store::StoreWriter;

/// Publishes a catalog that names the store key in `keys`, and lets the log go on with it. The key before it need not be
/// here.
///
/// # Errors
/// It is the key that the catalog names already, the keys of the catalog are missing, or files cannot be written.
pub fn change_store_key(
    writer: &mut StoreWriter,
    keys: &SigningKeys,
    reason: &str,
    now: Timestamp,
    lifetimes: &Lifetimes,
) -> Result<Publication, KeyChangeError> {
    let store = writer.store();
    let publisher = Publisher::new(store, keys, now, lifetimes)?;
    for role in [Role::Targets, Role::Snapshot, Role::Timestamp] {
        publisher.check_keys(role)?;
    }
    let catalog = publisher.current()?.ok_or(CatalogError::NoCatalog)?;
    let before = catalog.store().ok_or(CatalogError::NoLogKey)?;
    let after = StoreIdentity { key: *keys.store_or_error()?.public(), ..before.clone() };
    if before.key == after.key {
        return Err(KeyChangeError::NoChange);
    }
    let log_key = log_key(&after, keys)?;
    let old =
        NoteKey::new(&before.log_name(), before.key).map_err(|e| CatalogError::from(LogError::from(e)))?;
    let mut journal = Journal::open_after(store, &log_key, &old)?;
    journal.store_key_changed(&Event::store_key_changed(now, before.key, after.key, reason))?;
    tracing::warn!(reason, "the key of the store was changed");
    Ok(publish(writer, keys, now, lifetimes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::check_log;
    use crate::catalog::testing::TestCatalog;
    use crate::store::durable::fault;
    use crate::store::testing::at;

    #[test]
    fn log_goes_on_with_another_key_and_old_checkpoints_are_still_compared() {
        let catalog = TestCatalog::new(2);
        let kept = catalog.test.store.log().signed_checkpoint().unwrap().unwrap();
        // Lost, not only replaced.
        std::fs::remove_file(catalog.test.beside("keys").join("store.pem")).unwrap();
        let keys = SigningKeys::complete(&catalog.test.beside("keys"), None).unwrap();
        let mut writer = catalog.test.store.write().unwrap();
        change_store_key(&mut writer, &keys, "lost", at(20), &Lifetimes::CONNECTED).unwrap();
        let again = change_store_key(&mut writer, &keys, "lost", at(20), &Lifetimes::CONNECTED);
        assert!(matches!(again, Err(KeyChangeError::NoChange)), "{again:?}");
        drop(writer);
        let trusted = catalog.trust_remembering(at(30)).unwrap();
        assert_eq!(&trusted.store().unwrap().key, keys.store().unwrap().public());
        let report = check_log(&catalog.test.store, &trusted, Some(&kept)).unwrap();
        assert_eq!(report.faults, []);
        assert_eq!(report.checkpoint.unwrap().size, 5);
        // A checkpoint of a stranger is none of this log.
        let other = TestCatalog::new(1);
        let foreign = other.test.store.log().signed_checkpoint().unwrap().unwrap();
        let refused = check_log(&catalog.test.store, &trusted, Some(&foreign));
        assert!(matches!(refused, Err(CatalogError::EarlierCheckpoint { .. })), "{refused:?}");
        // Daily work goes on.
        catalog.add(3);
        let mut writer = catalog.test.store.write().unwrap();
        publish(&mut writer, &keys, at(40), &Lifetimes::CONNECTED).unwrap();
        let trusted = catalog.trust_remembering(at(50)).unwrap();
        assert_eq!(check_log(&catalog.test.store, &trusted, Some(&kept)).unwrap().faults, []);
    }

    #[test]
    fn change_that_was_stopped_anywhere_is_finished() {
        for stop in 0.. {
            let catalog = TestCatalog::new(1);
            std::fs::remove_file(catalog.test.beside("keys").join("store.pem")).unwrap();
            let keys = SigningKeys::complete(&catalog.test.beside("keys"), None).unwrap();
            let mut writer = catalog.test.store.write().unwrap();
            fault::stop_after(Some(stop));
            let stopped = change_store_key(&mut writer, &keys, "drill", at(20), &Lifetimes::CONNECTED);
            fault::stop_after(None);
            catalog.trust_remembering(at(21)).unwrap_or_else(|e| panic!("step {stop}: {e}"));
            if publish(&mut writer, &keys, at(22), &Lifetimes::CONNECTED).is_err() {
                change_store_key(&mut writer, &keys, "drill", at(23), &Lifetimes::CONNECTED).unwrap();
            }
            let trusted = catalog.trust_remembering(at(30)).unwrap();
            assert_eq!(&trusted.store().unwrap().key, keys.store().unwrap().public());
            assert_eq!(check_log(&catalog.test.store, &trusted, None).unwrap().faults, [], "step {stop}");
            if stopped.is_ok() {
                assert!(stop > 8, "{stop}");
                return;
            }
        }
    }
}
