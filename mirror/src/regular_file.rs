//! Opening files in places where somebody else may have put something.
//!
//! Attacks considered: a named pipe in place of a file (opening it would wait for a writer for ever: it is opened without
//! waiting), also one that is put there between a look and the opening (what was opened is looked at, not the name); a device that
//! never ends, a folder, a socket (nothing but a regular file is read); a link, where links are not wanted.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Whether a link is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    Followed,
    Refused,
}

/// Opens a regular file for reading.
///
/// # Errors
/// `NotFound` if there is nothing; `InvalidInput` if it is something else; what the system says.
pub(crate) fn open(path: &Path, links: Links) -> io::Result<File> {
    let not_a_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file");
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let flags = if links == Links::Refused { flags | OFlags::NOFOLLOW } else { flags };
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // A socket, or a device that nobody drives.
        Err(rustix::io::Errno::NXIO | rustix::io::Errno::NODEV) => return Err(not_a_file()),
        Err(rustix::io::Errno::LOOP) if links == Links::Refused => return Err(not_a_file()),
        Err(error) => return Err(error.into()),
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    pub(crate) fn make_pipe(path: &Path) {
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }

    /// What some work gives, unless it waits for ever.
    pub(crate) fn without_waiting<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(work()));
        told.recv_timeout(Duration::from_secs(20)).expect("it waits for a writer")
    }

    #[test]
    fn only_regular_files_are_opened_and_a_pipe_does_not_make_us_wait() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "x").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        make_pipe(&at("pipe"));
        std::os::unix::fs::symlink(at("pipe"), at("link-to-pipe")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let found = |name: &str, links| {
            let path = at(name);
            without_waiting(move || open(&path, links)).map(|_| ()).map_err(|error| error.kind())
        };
        let other = Err(io::ErrorKind::InvalidInput);
        for (name, followed, refused) in [
            ("file", Ok(()), Ok(())),
            ("link", Ok(()), other),
            ("pipe", other, other),
            ("link-to-pipe", other, other),
            ("socket", other, other),
            (".", other, other),
            ("none", Err(io::ErrorKind::NotFound), Err(io::ErrorKind::NotFound)),
            ("file/x", Err(io::ErrorKind::NotADirectory), Err(io::ErrorKind::NotADirectory)),
        ] {
            assert_eq!(found(name, Links::Followed), followed, "{name}");
            assert_eq!(found(name, Links::Refused), refused, "{name}");
        }
        assert_eq!(
            open(Path::new("/dev/zero"), Links::Followed).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
