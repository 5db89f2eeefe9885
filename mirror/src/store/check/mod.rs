//! Checking a store: what is there, what should be there, and whether the bytes are still the same.

mod checker;
mod pace;
mod problem;
mod session;
mod text;

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use self::pace::Pace;
pub use self::problem::Problem;
pub use self::session::CheckSession;
use super::{Evidence, Store, StoreError};
use crate::catalog::TrustedCatalog;

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckDepth {
    /// Names, lengths, and the digests of the small files.
    #[default]
    Fast,
    /// Every byte of every package too.
    Full,
}

/// How to check.
#[derive(Debug, Default)]
pub struct CheckOptions<'a> {
    /// How closely to look.
    pub depth: CheckDepth,
    /// For a full check: how many bytes of packages to read in a second at most, on the average.
    pub bytes_per_second: Option<u64>,
    /// For a full check: what earlier runs have read is not read again.
    pub session: Option<&'a mut CheckSession>,
}

impl CheckOptions<'_> {
    /// As fast as it goes, and all of it.
    pub fn new(depth: CheckDepth) -> Self {
        Self { depth, ..Self::default() }
    }
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckProgress {
    /// Bytes of packages looked at.
    pub done: u64,
    /// Bytes of all packages.
    pub total: u64,
}

/// What a check has found: counts, and problems only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CheckReport {
    /// How closely was looked.
    pub depth: CheckDepth,
    /// Admissions with evidence.
    pub admissions: u64,
    /// Files with package bytes.
    pub blobs: u64,
    /// Their length together.
    pub bytes: u64,
    /// Files that an earlier run of this check had read, so that this one did not.
    pub read_before: u64,
    /// Packages in the catalog.
    pub catalogued: u64,
    /// What is wrong, in the order of the paths.
    pub problems: Vec<Problem>,
}

impl CheckReport {
    /// Whether nothing is wrong. Things that only wait for the next write do not count.
    pub fn is_sound(&self) -> bool {
        !self.problems.iter().any(Problem::is_damage)
    }
}

/// Compares blobs, evidence and catalog with each other. The caller has the catalog from `catalog::trust`; without one
/// it is not compared.
///
/// Only reads. An error means that no report could be made at all.
pub fn check(
    store: &Store,
    catalog: Option<&TrustedCatalog>,
    options: &mut CheckOptions<'_>,
    progress: &mut dyn FnMut(CheckProgress),
) -> Result<CheckReport, StoreError> {
    Ok(check_with_evidence(store, catalog, options, progress)?.0)
}

/// Does the same, and hands on the evidence that was read.
pub(crate) fn check_with_evidence(
    store: &Store,
    catalog: Option<&TrustedCatalog>,
    options: &mut CheckOptions<'_>,
    progress: &mut dyn FnMut(CheckProgress),
) -> Result<(CheckReport, Evidence), StoreError> {
    let depth = options.depth;
    let mut checker = checker::Checker::new(store);
    let evidence = checker.check_evidence()?;
    checker.check_catalog(&evidence.admissions, catalog);
    let (blobs, bytes, read_before) = checker.check_blobs(options, progress)?;
    if let Some(catalog) = catalog {
        checker.check_log(catalog, &evidence);
    }
    let mut problems = checker.into_problems();
    problems.sort();
    let report = CheckReport {
        depth,
        admissions: count(evidence.admissions.len()),
        blobs,
        bytes,
        read_before,
        catalogued: catalog.map_or(0, |catalog| count(catalog.entries().len())),
        problems,
    };
    Ok((report, evidence))
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::Sha256Digest;
    use crate::catalog::testing::TestCatalog;
    use crate::store::testing::{at, path};

    fn run(catalog: &TestCatalog, depth: CheckDepth) -> CheckReport {
        let trusted = catalog.trust(at(20)).unwrap();
        let mut options = CheckOptions::new(depth);
        check(&catalog.test.store, Some(&trusted), &mut options, &mut |_| {}).unwrap()
    }

    fn blob(catalog: &TestCatalog, number: u32) -> PathBuf {
        catalog.test.store.blob_path(&Sha256Digest::of(format!("package {number}").as_bytes()))
    }

    fn overwrite(path: &PathBuf, bytes: &[u8]) {
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn sound_store_has_no_problems() {
        let catalog = TestCatalog::new(3);
        let report = run(&catalog, CheckDepth::Full);
        assert_eq!((report.admissions, report.blobs, report.bytes, report.catalogued), (3, 3, 27, 3));
        assert_eq!(report.problems, []);
        assert!(report.is_sound());
    }

    #[test]
    fn progress_ends_at_the_whole() {
        let catalog = TestCatalog::new(3);
        for depth in [CheckDepth::Fast, CheckDepth::Full] {
            let mut seen = Vec::new();
            let mut options = CheckOptions::new(depth);
            check(&catalog.test.store, None, &mut options, &mut |progress| seen.push(progress)).unwrap();
            assert!(seen.is_sorted_by_key(|progress| progress.done));
            assert_eq!(seen.last(), Some(&CheckProgress { done: 27, total: 27 }));
        }
    }

    #[test]
    fn interrupted_full_check_goes_on_where_it_stopped() {
        let catalog = TestCatalog::new(3);
        let file = catalog.test.beside("check.json");
        let mut session = CheckSession::open(&file, &catalog.test.store, at(20)).unwrap();
        session.found_good(Sha256Digest::of(b"package 1"), 9).unwrap();
        session.found_good(Sha256Digest::of(b"package 2"), 8).unwrap();
        session.save().unwrap();
        // Not read again, so not noticed; the other two are read: one is not as long as it was.
        overwrite(&blob(&catalog, 1), b"package X");
        let run = |second: i64| {
            let mut session = CheckSession::open(&file, &catalog.test.store, at(second)).unwrap();
            let mut options = CheckOptions {
                depth: CheckDepth::Full,
                session: Some(&mut session),
                ..CheckOptions::default()
            };
            let report = check(&catalog.test.store, None, &mut options, &mut |_| {}).unwrap();
            (report.read_before, report.problems.len())
        };
        assert_eq!(run(30), (1, 0));
        assert_eq!(run(40), (3, 0), "what was read is remembered");
        assert_eq!(run(20 + 31 * 24 * 3600), (0, 1), "a check of long ago is not gone on with");
        CheckSession::open(&file, &catalog.test.store, at(50)).unwrap().end().unwrap();
        assert!(!file.exists());
        std::fs::write(&file, "{}").unwrap();
        assert!(matches!(
            CheckSession::open(&file, &catalog.test.store, at(50)),
            Err(StoreError::Garbled { .. })
        ));
    }

    #[test]
    fn changed_byte_is_found_by_the_full_check_only() {
        let catalog = TestCatalog::new(2);
        overwrite(&blob(&catalog, 1), b"package X");
        assert!(run(&catalog, CheckDepth::Fast).is_sound());
        let found = Sha256Digest::of(b"package X");
        let expected = Problem::WrongDigest { path: blob(&catalog, 1), found };
        assert_eq!(run(&catalog, CheckDepth::Full).problems, [expected]);
    }

    #[test]
    fn missing_and_shortened_blobs_are_found_at_once() {
        let catalog = TestCatalog::new(2);
        std::fs::remove_file(blob(&catalog, 1)).unwrap();
        overwrite(&blob(&catalog, 2), b"pack");
        let report = run(&catalog, CheckDepth::Fast);
        assert_eq!(
            report.problems,
            [
                Problem::MissingBlob { sha256: Sha256Digest::of(b"package 1") },
                Problem::WrongLength { path: blob(&catalog, 2), expected: 9, found: 4 },
            ]
        );
        assert!(!report.is_sound());
    }

    #[test]
    fn changed_and_missing_evidence_is_found() {
        let catalog = TestCatalog::new(2);
        let folders: Vec<PathBuf> = catalog
            .test
            .store
            .admissions()
            .unwrap()
            .iter()
            .map(|a| catalog.test.store.admission_dir(a))
            .collect();
        overwrite(&folders[0].join("report.json"), b"{}");
        std::fs::remove_file(folders[1].join("jarsigner.txt")).unwrap();
        let mut problems = run(&catalog, CheckDepth::Fast).problems;
        let Problem::WrongEvidence { path, .. } = problems.pop().unwrap() else { panic!("{problems:?}") };
        assert_eq!(path, folders[0].join("report.json"));
        assert_eq!(problems, [Problem::MissingEvidence { path: folders[1].join("jarsigner.txt") }]);
        overwrite(&folders[1].join("admission.json"), b"{}");
        let problems = run(&catalog, CheckDepth::Fast).problems;
        assert!(problems.iter().any(|p| matches!(p, Problem::NotAdmitted { .. })), "{problems:?}");
    }

    #[test]
    fn unknown_files_are_named_everywhere_and_are_no_damage() {
        let catalog = TestCatalog::new(1);
        let store = &catalog.test.store;
        let shard = blob(&catalog, 1).parent().unwrap().to_owned();
        let evidence = store.admission_dir(&store.admissions().unwrap()[0]);
        let mut strays = vec![
            store.root_dir().join("blobs/sha256/xy"),
            shard.join("readme.txt"),
            shard.join("f".repeat(64)),
            evidence.join("note.txt"),
            evidence.parent().unwrap().join("1"),
        ];
        for stray in &strays {
            std::fs::write(stray, b"stray").unwrap();
        }
        let report = run(&catalog, CheckDepth::Full);
        strays.sort();
        let expected: Vec<Problem> = strays.into_iter().map(|path| Problem::Unknown { path }).collect();
        assert_eq!(report.problems, expected);
        assert!(report.is_sound());
    }

    #[test]
    fn what_waits_for_publication_is_named() {
        let catalog = TestCatalog::new(1);
        catalog.add(2);
        let report = run(&catalog, CheckDepth::Fast);
        let sha256 = Sha256Digest::of(b"package 2");
        let [published, log] = report.problems.as_slice() else { panic!("{:?}", report.problems) };
        assert_eq!(*published, Problem::NotPublished { package: path(2).to_string(), sha256 });
        assert!(
            matches!(log, Problem::Log { damage: false, reason } if reason.contains("admission 2")),
            "{log}"
        );
        assert!(report.is_sound());
    }

    #[test]
    fn report_is_stable_json() {
        let catalog = TestCatalog::new(1);
        std::fs::remove_file(blob(&catalog, 1)).unwrap();
        let json = serde_json::to_value(run(&catalog, CheckDepth::Fast)).unwrap();
        let digest = Sha256Digest::of(b"package 1").to_hex();
        assert_eq!(json["problems"][0], serde_json::json!({"problem": "missing-blob", "sha256": digest}));
        assert_eq!(json["depth"], "fast");
    }
}
