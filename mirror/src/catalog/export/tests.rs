//! Exports as the next one, a stopped one and somebody else's find them.

use super::super::testing::TestCatalog;
use super::*;
use crate::store::testing::at;

fn export(catalog: &TestCatalog, options: ExportOptions) -> Result<Exported, ExportError> {
    export_tuf(&catalog.test.store, &catalog.test.beside("export"), options, at(20))
}

fn packages(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.join(TARGETS_FOLDER)]);
    while let Some(folder) = folders.pop() {
        for name in names_in(&folder).unwrap() {
            let path = folder.join(name);
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

#[test]
fn export_is_a_whole_catalog_and_the_next_one_adds_what_is_new() {
    let catalog = TestCatalog::new(2);
    let folder = catalog.test.beside("export");
    let first = export(&catalog, ExportOptions::default()).unwrap();
    assert_eq!((first.packages, first.linked + first.copied, first.unlisted), (2, 2, 0));
    for file in packages(&folder) {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert_eq!(digest(&file).unwrap().to_hex(), name.split('.').next().unwrap());
    }
    assert_eq!(export(&catalog, ExportOptions::default()).unwrap().linked, 0);
    catalog.add(3);
    catalog.publish(at(12));
    let next = export(&catalog, ExportOptions::default()).unwrap();
    assert_eq!((next.packages, next.linked + next.copied), (3, 1));
    let root = catalog.root();
    let inputs = TrustInputs { root: &root, state: None, now: at(20), allow_expired: false };
    assert_eq!(trust_folder(&FolderSource::new(&folder), &inputs).unwrap().entries().len(), 3);
}

#[test]
fn changed_files_are_replaced_and_pruning_removes_only_what_is_not_listed() {
    let catalog = TestCatalog::new(1);
    let folder = catalog.test.beside("export");
    export(&catalog, ExportOptions { copy: true, ..ExportOptions::default() }).unwrap();
    let file = packages(&folder).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, vec![b'x'; bytes.len()]).unwrap();
    assert_eq!(export(&catalog, ExportOptions { copy: true, ..ExportOptions::default() }).unwrap().copied, 1);
    assert_eq!(std::fs::read(&file).unwrap(), bytes);

    let stray = file.with_file_name(format!("{}.old.zip", Sha256Digest::of(b"old")));
    let note = file.with_file_name("note.txt");
    std::fs::write(&stray, "old").unwrap();
    std::fs::write(&note, "mine").unwrap();
    assert_eq!(export(&catalog, ExportOptions::default()).unwrap().unlisted, 1);
    assert!(stray.exists());
    let pruned = export(&catalog, ExportOptions { prune: true, ..ExportOptions::default() }).unwrap();
    assert_eq!((pruned.removed, pruned.unlisted), (1, 0));
    assert!(!stray.exists() && note.exists() && file.exists());
}

#[test]
fn foreign_folders_and_newer_exports_are_left_alone() {
    let catalog = TestCatalog::new(1);
    let folder = catalog.test.beside("export");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("mine.txt"), "mine").unwrap();
    assert!(matches!(export(&catalog, ExportOptions::default()), Err(ExportError::Foreign { .. })));
    assert_eq!(names_in(&folder).unwrap(), ["mine.txt"]);
    std::fs::remove_file(folder.join("mine.txt")).unwrap();
    export(&catalog, ExportOptions::default()).unwrap();

    let other = TestCatalog::new(1);
    let into_ours = export_tuf(&other.test.store, &folder, ExportOptions::default(), at(20));
    assert!(matches!(into_ours, Err(ExportError::Foreign { .. })), "{into_ours:?}");

    let before = catalog.save();
    catalog.add(2);
    catalog.publish(at(12));
    export(&catalog, ExportOptions::default()).unwrap();
    catalog.put_back(&before);
    let older = export(&catalog, ExportOptions::default());
    assert!(matches!(older, Err(ExportError::WouldGoBackwards { exported: 2, stored: 1, .. })), "{older:?}");
    let inside = catalog.test.store.root_dir().join("export");
    let refused = export_tuf(&catalog.test.store, &inside, ExportOptions::default(), at(20));
    assert!(matches!(refused, Err(ExportError::InStore { .. })), "{refused:?}");
    assert!(!inside.exists());
}

#[test]
fn export_that_is_stopped_anywhere_is_never_taken_for_a_whole_one() {
    let catalog = TestCatalog::new(2);
    for steps in 0.. {
        let folder = catalog.test.beside(&format!("export-{steps}"));
        let run = || export_tuf(&catalog.test.store, &folder, ExportOptions::default(), at(20));
        durable::fault::stop_after(Some(steps));
        let outcome = run();
        durable::fault::stop_after(None);
        let whole = |folder: &Path| {
            let there = packages(folder);
            there.iter().filter(|file| has_digest(file.file_name().unwrap())).count() == 2
        };
        assert!(!folder.join(TIMESTAMP_FILE).exists() || whole(&folder), "{steps}");
        assert_eq!(run().unwrap().packages, 2, "{steps}");
        assert!(whole(&folder) && packages(&folder).len() == 2, "{steps}");
        if outcome.is_ok() {
            assert!(steps > 8, "{steps}");
            break;
        }
    }
}

#[test]
fn damaged_blob_is_not_exported() {
    let catalog = TestCatalog::new(1);
    let entry = catalog.trust(at(20)).unwrap().entries()[0].clone();
    let blob = catalog.test.store.blob_path(&entry.sha256);
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, b"other").unwrap();
    assert!(matches!(export(&catalog, ExportOptions::default()), Err(ExportError::Store { .. })));
    assert!(!catalog.test.beside("export").join(TIMESTAMP_FILE).exists());
}

#[test]
fn second_names_for_tough_are_made_and_pruned_on_request() {
    let catalog = TestCatalog::new(1);
    let tough = export(&catalog, ExportOptions { tough: true, ..ExportOptions::default() }).unwrap();
    assert_eq!((tough.packages, tough.linked + tough.copied, tough.unlisted), (1, 2, 0));
    let entry = catalog.trust(at(20)).unwrap().entries()[0].clone();
    let second = catalog.test.beside("export").join(format!("targets/{}.{}", entry.sha256, entry.path));
    assert_eq!(digest(&second).unwrap(), entry.sha256);
    let pruned = export(&catalog, ExportOptions { prune: true, ..ExportOptions::default() }).unwrap();
    assert_eq!((pruned.removed, second.exists()), (1, false));
}
