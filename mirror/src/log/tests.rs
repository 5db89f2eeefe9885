//! Logs on disk: growing, interrupted, damaged.

use std::path::{Path, PathBuf};

use aws_lc_rs::signature::Ed25519KeyPair;

use super::*;
use crate::store::durable::fault;

struct TestLog {
    folder: tempfile::TempDir,
    key: LogKey,
}

fn key(seed: u8) -> LogKey {
    LogKey::new("midmirror/test", Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap().into()).unwrap()
}

fn entries(from: u64, to: u64) -> Vec<Vec<u8>> {
    (from..to).map(|number| format!("entry {number}").into_bytes()).collect()
}

impl TestLog {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), key: key(1) }
    }

    /// A log that has grown in steps to these sizes.
    fn grown(sizes: &[u64]) -> Self {
        let log = Self::new();
        let mut writer = log.writer();
        for size in sizes {
            writer.append(&entries(writer.size(), *size)).unwrap();
        }
        log
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn writer(&self) -> LogWriter<'_> {
        LogWriter::open(&LogFolder::new(&self.root()), &self.key).unwrap()
    }

    fn reader(&self) -> LogFolder {
        LogFolder::new(&self.root())
    }

    fn checkpoint(&self) -> Checkpoint {
        self.reader().checkpoint(self.key.public()).unwrap().unwrap()
    }

    fn problems(&self) -> Vec<String> {
        check(&self.reader(), &self.checkpoint()).iter().map(ToString::to_string).collect()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.root().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn log_grows_in_any_steps_to_the_same_tree() {
    let steps = TestLog::grown(&[1, 2, 3, 255, 256, 257, 511, 600]);
    let once = TestLog::grown(&[600]);
    assert_eq!(steps.checkpoint(), once.checkpoint());
    assert_eq!(steps.problems(), Vec::<String>::new());
    assert_eq!(steps.reader().at(600).root().unwrap(), once.checkpoint().root);
    for index in [0, 1, 255, 256, 511, 512, 599] {
        let at = steps.reader();
        let at = at.at(600);
        assert_eq!(at.entry(index).unwrap(), format!("entry {index}").into_bytes());
        let proof = at.prove_inclusion(index).unwrap();
        let leaf = tree::leaf_hash(format!("entry {index}").as_bytes());
        assert!(tree::verify_inclusion(leaf, index, 600, &proof, &steps.checkpoint().root));
    }
    assert!(matches!(steps.reader().at(600).entry(600), Err(LogError::NoEntry { index: 600, size: 600 })));
    // Full files took the place of partial ones, those of the last tile stay for earlier checkpoints.
    let mut names: Vec<_> = files_below(&steps.root().join("tile"));
    names.sort();
    let expected = [
        "0/000",
        "0/001",
        "0/002.p/88",
        "1/000.p/1",
        "1/000.p/2",
        "entries/000",
        "entries/001",
        "entries/002.p/88",
    ];
    assert_eq!(names, expected);
}

fn files_below(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found
}

#[test]
fn log_of_three_levels_is_right() {
    let log = TestLog::grown(&[70_000]);
    assert_eq!(log.problems(), Vec::<String>::new());
    assert!(log.root().join("tile/2/000.p/1").exists() && log.root().join("tile/0/273.p/112").exists());
    let at = log.reader();
    let at = at.at(70_000);
    let proof = at.prove_consistency(65_537).unwrap();
    let old = at.root_of_first(65_537).unwrap();
    assert!(tree::verify_consistency((65_537, &old), (70_000, &log.checkpoint().root), &proof));
}

#[test]
fn earlier_checkpoint_is_proven_to_be_the_beginning() {
    let log = TestLog::grown(&[300]);
    let earlier = log.checkpoint();
    log.writer().append(&entries(300, 301)).unwrap();
    assert!(check_against(&log.reader(), &log.checkpoint(), &earlier).unwrap().is_none());
}

#[test]
fn cut_and_rewritten_logs_are_told_apart() {
    let earlier = TestLog::grown(&[300]).checkpoint();
    let cut = TestLog::grown(&[299]);
    let problem = check_against(&cut.reader(), &cut.checkpoint(), &earlier).unwrap().unwrap();
    assert_eq!(problem.to_string(), "the log was cut: it had 300 entries, now it has 299");
    let forked = TestLog::new();
    let mut others = entries(0, 310);
    others[7] = b"another".to_vec();
    forked.writer().append(&others).unwrap();
    let problem = check_against(&forked.reader(), &forked.checkpoint(), &earlier).unwrap().unwrap();
    assert!(matches!(problem, LogProblem::Forked { .. }), "{problem}");
    let other = Checkpoint { origin: "midmirror/other".to_owned(), ..earlier };
    let problem = check_against(&cut.reader(), &cut.checkpoint(), &other).unwrap().unwrap();
    assert!(matches!(problem, LogProblem::OtherLog { .. }), "{problem}");
}

#[test]
fn every_changed_file_is_named() {
    for (name, at, expected) in [
        ("tile/entries/000", 4, "entry 0 was changed"),
        ("tile/entries/001", 4, "entry 256 was changed"),
        ("tile/entries/002.p/88", 4, "entry 512 was changed"),
        ("tile/0/001", 32, "entry 257 was changed"),
        ("tile/1/000.p/2", 32, "tile 0 of level 1 was changed: hash 1"),
    ] {
        let log = TestLog::grown(&[600]);
        log.change(name, |bytes| bytes[at] ^= 1);
        let problems = log.problems();
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{name}: {problems:?}");
    }
}

#[test]
fn missing_and_shortened_files_are_named() {
    for name in ["tile/entries/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"] {
        let log = TestLog::grown(&[600]);
        std::fs::remove_file(log.root().join(name)).unwrap();
        let problems = log.problems();
        assert!(problems.iter().any(|problem| problem.contains(name)), "{name}: {problems:?}");
        let log = TestLog::grown(&[600]);
        log.change(name, |bytes| bytes.truncate(bytes.len() - 1));
        let problems = log.problems();
        assert!(problems.iter().any(|problem| problem.contains(name)), "{name}: {problems:?}");
    }
    let log = TestLog::grown(&[600]);
    log.change("tile/entries/000", |bytes| bytes.push(0));
    assert!(log.problems().iter().any(|problem| problem.contains("bytes follow")), "{:?}", log.problems());
}

#[test]
fn checkpoint_by_another_key_is_refused() {
    let log = TestLog::grown(&[3]);
    let foreign = key(2);
    assert!(matches!(
        LogWriter::open(&LogFolder::new(&log.root()), &foreign),
        Err(LogError::Checkpoint { .. })
    ));
    log.change("checkpoint", |bytes| bytes[16] ^= 1);
    assert!(matches!(log.reader().checkpoint(log.key.public()), Err(LogError::Checkpoint { .. })));
}

#[test]
fn nothing_is_added_to_a_damaged_log() {
    let log = TestLog::grown(&[300]);
    log.change("tile/0/000", |bytes| bytes[0] ^= 1);
    log.change("tile/1/000.p/1", |bytes| bytes[0] ^= 1);
    assert!(matches!(
        LogWriter::open(&LogFolder::new(&log.root()), &log.key),
        Err(LogError::Root { size: 300, .. })
    ));
}

#[test]
fn entry_that_is_too_long_changes_nothing() {
    let log = TestLog::grown(&[3]);
    let before = log.checkpoint();
    let mut writer = log.writer();
    let refused = writer.append(&[vec![0; 65_535], vec![0; 65_536]]);
    assert!(matches!(refused, Err(LogError::TooLong { length: 65_536 })), "{refused:?}");
    assert_eq!(log.checkpoint(), before);
    writer.append(&[vec![0; 65_535]]).unwrap();
    assert_eq!(log.reader().at(4).entry(3).unwrap().len(), 65_535);
}

#[test]
fn interrupted_writer_leaves_the_old_log_or_the_new_one() {
    let mut steps = 0;
    loop {
        let log = TestLog::grown(&[250]);
        let mut writer = log.writer();
        fault::stop_after(Some(steps));
        let appended = writer.append(&entries(250, 520));
        fault::stop_after(None);
        let is_done = appended.is_ok();
        let size = log.checkpoint().size;
        assert!(size == 250 && !is_done || size == 520, "{steps}: {size}");
        assert_eq!(log.problems(), Vec::<String>::new(), "{steps}");
        // The next writer goes on with other entries, and what was left over is in nobody's way.
        drop(writer);
        let mut others = entries(size, 521);
        if size == 250 {
            others[1] = b"other".to_vec();
        }
        log.writer().append(&others).unwrap();
        assert_eq!((log.checkpoint().size, log.problems()), (521, Vec::new()), "{steps}");
        if is_done {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 10, "only {steps} steps were interrupted");
}
