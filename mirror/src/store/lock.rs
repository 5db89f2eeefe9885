//! One writer at a time, also across processes. The system drops the lock when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::StoreError;

/// The held lock; dropping it lets the next writer in.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock or says who has it. Never waits. Also tells whether the last holder ended without dropping it.
    pub(super) fn take(store: &Path, path: &Path) -> Result<(Self, bool), StoreError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(StoreError::file("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Busy { path: store.to_owned(), holder: read_holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(StoreError::file("lock", path)(source)),
        }
        let last_holder_died = file.metadata().map_err(StoreError::file("look at", path))?.len() > 0;
        // Only for messages and for knowing of a crash; the lock itself does not depend on it.
        let holder = format!("process {} on host {}\n", std::process::id(), host_name());
        file.set_len(0)
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(StoreError::file("write", path))?;
        Ok((Self { file }, last_holder_died))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Best effort: a name left behind makes the next writer sync more than it had to.
        drop(self.file.set_len(0));
        // Closing would not do while a process that another thread has just begun to start holds the file too.
        drop(self.file.unlock());
    }
}

fn read_holder(file: &mut File) -> String {
    let mut text = String::new();
    // On Windows a locked file cannot be read; the holder then stays unknown.
    let read = file.take(200).read_to_string(&mut text);
    match (read, text.trim()) {
        (Ok(_), holder) if !holder.is_empty() => holder.chars().filter(|c| !c.is_control()).collect(),
        _ => "another process".to_owned(),
    }
}

#[cfg(unix)]
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host_name() -> String {
    "unknown".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_writer_is_told_who_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let (first, died) = Lock::take(folder.path(), &path).unwrap();
        assert!(!died);
        let Err(StoreError::Busy { holder, .. }) = Lock::take(folder.path(), &path) else {
            panic!("not busy")
        };
        assert!(holder.contains(&std::process::id().to_string()), "{holder}");
        drop(first);
        assert!(!Lock::take(folder.path(), &path).unwrap().1);
        std::fs::write(&path, "process 1 on host dead").unwrap();
        assert!(Lock::take(folder.path(), &path).unwrap().1);
    }
}
