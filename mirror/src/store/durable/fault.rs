//! Failing or stopping at any operation on files, for the tests of crash safety. Does nothing in a program that is shipped.
//!
//! Unit tests stop the operations of their own thread ([`stop_after`]). With the feature `fault-injection`, which only the tests
//! of the programs turn on, `MIDMIRROR_FAULT` says what a whole process does:
//!
//! | value | the process |
//! | --- | --- |
//! | `count:FILE` | writes each operation to a file as a line, and does it |
//! | `stop:N` | ends at once, before the operation N; the first is 1 |
//! | `fail:N` | finds that the operation N fails (EIO) |
//! | `full:N` | finds the disk full (ENOSPC) from the operation N on |
//! | `read-only:N` | finds the file system read-only (EROFS) from the operation N on |

#[cfg(any(test, not(feature = "fault-injection")))]
use std::path::Path;

#[cfg(any(test, not(feature = "fault-injection")))]
use super::DurableError;

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A file is made.
    Create,
    /// Bytes are written to it.
    Write,
    /// They are made durable.
    Sync,
    /// The mode of a file is changed.
    Mode,
    /// A file or folder gets its name.
    Rename,
    /// The names in a folder are made durable.
    SyncFolder,
    /// A folder is made.
    MakeFolder,
    /// A file or folder is removed.
    Remove,
}

#[cfg(all(feature = "fault-injection", not(test)))]
impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "make",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Mode => "set the mode of",
            Self::Rename => "rename a file to",
            Self::SyncFolder => "sync the folder",
            Self::MakeFolder => "make the folder",
            Self::Remove => "remove",
        }
    }
}

#[cfg(not(any(test, feature = "fault-injection")))]
#[expect(clippy::unnecessary_wraps, reason = "fails in tests")]
pub(crate) fn step(_next: Operation, _path: &Path) -> Result<(), DurableError> {
    Ok(())
}

/// Whether nothing more is done, so that nothing is tidied up either.
#[cfg(not(test))]
pub(super) fn is_stopped() -> bool {
    false
}

#[cfg(test)]
thread_local! {
    static STEPS_LEFT: std::cell::Cell<Option<usize>> = const { std::cell::Cell::new(None) };
}

/// Lets `steps` more steps of this thread pass and fails all others; `None` lets all pass.
#[cfg(test)]
pub(crate) fn stop_after(steps: Option<usize>) {
    STEPS_LEFT.set(steps);
}

#[cfg(test)]
pub(super) fn is_stopped() -> bool {
    STEPS_LEFT.get() == Some(0)
}

#[cfg(test)]
pub(crate) fn step(next: Operation, path: &Path) -> Result<(), DurableError> {
    match STEPS_LEFT.get() {
        None => Ok(()),
        Some(0) => {
            let source = std::io::Error::other(format!("stopped by the test before {next:?}"));
            Err(DurableError::new("go on with", path, source))
        }
        Some(left) => {
            STEPS_LEFT.set(Some(left - 1));
            Ok(())
        }
    }
}

#[cfg(all(feature = "fault-injection", not(test)))]
pub(crate) use whole_process::step;

#[cfg(all(feature = "fault-injection", not(test)))]
mod whole_process {
    use std::io::{self, Write as _};
    use std::path::Path;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::super::DurableError;
    use super::Operation;

    enum Plan {
        Nothing,
        Count(std::fs::File),
        Stop(u64),
        Fail(u64),
        Full(u64),
        ReadOnly(u64),
    }

    static PLAN: LazyLock<Plan> = LazyLock::new(|| {
        let value = std::env::var("MIDMIRROR_FAULT").unwrap_or_default();
        let (kind, argument) = value.split_once(':').unwrap_or_default();
        let number = argument.parse();
        match (kind, number) {
            ("stop", Ok(number)) => Plan::Stop(number),
            ("fail", Ok(number)) => Plan::Fail(number),
            ("full", Ok(number)) => Plan::Full(number),
            ("read-only", Ok(number)) => Plan::ReadOnly(number),
            ("count", _) => match std::fs::OpenOptions::new().append(true).create(true).open(argument) {
                Ok(file) => Plan::Count(file),
                Err(_) => Plan::Nothing,
            },
            _ => Plan::Nothing,
        }
    });
    static DONE: AtomicU64 = AtomicU64::new(0);

    pub(crate) fn step(next: Operation, path: &Path) -> Result<(), DurableError> {
        let number = DONE.fetch_add(1, Ordering::SeqCst) + 1;
        let takes_space = matches!(next, Operation::Create | Operation::Write | Operation::MakeFolder);
        let error = match &*PLAN {
            Plan::Count(file) => {
                let mut file = file;
                drop(writeln!(file, "{next:?} {}", path.display()));
                return Ok(());
            }
            Plan::Stop(at) if number >= *at => std::process::abort(),
            Plan::Fail(at) if number == *at => EIO,
            Plan::Full(from) if number >= *from && takes_space => ENOSPC,
            Plan::ReadOnly(from) if number >= *from => EROFS,
            _ => return Ok(()),
        };
        Err(DurableError::new(next.as_str(), path, io::Error::from_raw_os_error(error)))
    }

    // Of Linux; the tests that use them run nowhere else.
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    const EROFS: i32 = 30;
}
