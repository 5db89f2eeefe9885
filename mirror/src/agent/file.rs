//! Reading files of a folder that another user may change while we read.
//!
//! | attack | defence |
//! | --- | --- |
//! | a link to a secret file, read by us with more rights | the last step of a path is never followed |
//! | a named pipe that never answers, a device | opened without blocking, only ordinary files are read |
//! | endless file | read up to a limit |

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::error::AgentError;

/// Reads a whole file; `None` if there is none.
pub(super) fn read_whole(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, AgentError> {
    let Some((file, length)) = open_regular(path)? else { return Ok(None) };
    if length > limit {
        return Err(AgentError::TooLarge { path: path.to_owned(), length, limit });
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(|e| AgentError::io("read", path, e))?;
    Ok(Some(bytes))
}

/// Reads the last `limit` bytes of a file, from the beginning of a line on; `None` if there is none.
pub(super) fn read_tail(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, AgentError> {
    let Some((mut file, length)) = open_regular(path)? else { return Ok(None) };
    let skipped = length.saturating_sub(limit);
    file.seek(SeekFrom::Start(skipped)).map_err(|e| AgentError::io("read", path, e))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(|e| AgentError::io("read", path, e))?;
    if skipped > 0 {
        let line = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |end| end + 1);
        bytes.drain(..line);
    }
    Ok(Some(bytes))
}

/// Opens an ordinary file for reading and tells its length; `None` if there is none.
pub(super) fn open_regular(path: &Path) -> Result<Option<(File, u64)>, AgentError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(AgentError::NotAFile { path: path.to_owned() }),
        Err(source) => return Err(AgentError::io("open", path, source)),
    };
    let metadata = file.metadata().map_err(|e| AgentError::io("open", path, e))?;
    if !metadata.is_file() {
        return Err(AgentError::NotAFile { path: path.to_owned() });
    }
    Ok(Some((file, metadata.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ordinary_files_within_the_limit_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "first\nsecond\n").unwrap();
        assert_eq!(read_whole(&file, 13).unwrap().unwrap(), b"first\nsecond\n");
        assert!(matches!(read_whole(&file, 12), Err(AgentError::TooLarge { length: 13, .. })));
        assert_eq!(read_tail(&file, 9).unwrap().unwrap(), b"second\n");
        assert_eq!(read_tail(&file, 3).unwrap().unwrap(), b"");
        assert!(read_whole(&folder.path().join("none"), 9).unwrap().is_none());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(matches!(read_whole(&link, 99), Err(AgentError::NotAFile { .. })));
        assert!(matches!(read_whole(folder.path(), 99), Err(AgentError::NotAFile { .. })));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert!(matches!(read_tail(&pipe, 99), Err(AgentError::NotAFile { .. })));
    }
}
