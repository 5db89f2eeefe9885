//! The format of a store, and how stores of earlier formats get to the newest.
//!
//! | format | since | what is new |
//! | --- | --- | --- |
//! | 1 | 0.1 | |
//! | 2 | 0.2 | withdrawals, prunings and statements: a program that knows format 1 only would publish again what was withdrawn |
//!
//! Earlier formats are read as they are. The first writer brings the store to the newest format: each step is idempotent, and
//! the number in `midmirror-store.json` is replaced last, so that a step that was interrupted is done again. There is no way
//! back; programs that know only an earlier format refuse the store before they touch anything.

use super::durable::FileMode;
use super::{MARKER_FILE, Marker, Store, StoreError, to_json};

/// The format that is written.
pub(super) const NEWEST: u64 = 2;
/// The earliest that is read.
pub(super) const OLDEST: u64 = 1;

/// Brings a store from one format to the next.
type Step = fn(&Store) -> Result<(), StoreError>;

/// What leads from a format to the next one; the first is from [`OLDEST`].
const STEPS: [Step; 1] = [to_2];

/// Brings a store to the newest format; returns the one it had, if that was another.
pub(super) fn upgrade(store: &mut Store) -> Result<Option<u64>, StoreError> {
    let from = store.marker.format;
    for (format, step) in (OLDEST..).zip(STEPS).filter(|(format, _)| *format >= from) {
        step(store)?;
        let marker = Marker { format: format.saturating_add(1), ..store.marker.clone() };
        let json = to_json("the store's description", &marker)?;
        store.storage.replace(MARKER_FILE, &json, FileMode::Shared)?;
        store.marker = marker;
    }
    Ok((store.marker.format != from).then_some(from))
}

/// What is new are folders and files that appear when they are needed, so there is nothing to do; the statements that are
/// missing are made with the next publication.
#[expect(clippy::unnecessary_wraps, reason = "the form of a step")]
fn to_2(_store: &Store) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::durable::fault;
    use super::super::testing::{TestStore, at, path};
    use super::*;

    /// A store as the first version made it.
    fn of_format_1() -> TestStore {
        let test = TestStore::new();
        let mut writer = test.store.write().unwrap();
        test.commit(&mut writer, &path(1), b"package 1");
        drop(writer);
        let marker = test.store.root_dir().join(MARKER_FILE);
        let text = std::fs::read_to_string(&marker).unwrap();
        std::fs::write(marker, text.replace("\"format\": 2", "\"format\": 1")).unwrap();
        TestStore::of_another(test.keep())
    }

    #[test]
    fn every_format_has_a_step_to_the_next() {
        assert_eq!(OLDEST + u64::try_from(STEPS.len()).unwrap(), NEWEST);
    }

    #[test]
    fn earlier_format_is_read_as_it_is_and_the_first_writer_upgrades() {
        let test = of_format_1();
        assert_eq!(test.store.format(), 1);
        assert_eq!(test.store.admissions().unwrap().len(), 1);
        assert_eq!(Store::open(test.store.root_dir()).unwrap().format(), 1, "reading changes nothing");
        let mut writer = test.store.write().unwrap();
        assert_eq!((writer.store().format(), writer.upgraded_from()), (2, Some(1)));
        assert!(writer.find(&path(1)).unwrap().is_some());
        test.commit(&mut writer, &path(2), b"package 2");
        drop(writer);
        let opened = Store::open(test.store.root_dir()).unwrap();
        assert_eq!((opened.format(), opened.id()), (2, test.store.id()));
        assert_eq!(opened.write().unwrap().upgraded_from(), None);
    }

    #[test]
    fn interrupted_upgrade_is_done_again() {
        let mut stops = 0;
        loop {
            let test = of_format_1();
            fault::stop_after(Some(stops));
            let result = test.store.write().map(drop);
            fault::stop_after(None);
            let writer = test.store.write().unwrap();
            assert_eq!(writer.store().format(), 2, "after {stops} steps");
            assert_eq!(writer.store().created(), at(0));
            if result.is_ok() {
                break;
            }
            stops += 1;
        }
        assert!(stops >= 3, "only {stops} steps were counted");
    }
}
