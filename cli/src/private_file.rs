//! Files with secrets, which nobody else may read or change.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;

use crate::exit::Exit;
use crate::failure::coded;

/// Reads a file of at most so many bytes; `what` names it in messages.
pub(crate) fn read(what: &str, file: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    let failed = || format!("failed to read the {what} {}", file.display());
    let opened = File::open(file).with_context(failed)?;
    refuse_open_mode(what, file, &opened)?;
    let mut bytes = Vec::new();
    opened.take(limit).read_to_end(&mut bytes).with_context(failed)?;
    Ok(bytes)
}

/// Refuses a file that others may read or change; the group may read it.
#[cfg(unix)]
pub(crate) fn refuse_open_mode(what: &str, file: &Path, opened: &File) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = opened.metadata().with_context(|| format!("failed to look at the {what}"))?;
    if metadata.permissions().mode() & 0o037 != 0 {
        return Err(coded(
            Exit::Usage,
            format!("the {what} {} may be read or changed by others", file.display()),
            "chmod 600 FILE, and take another secret if anybody may have read it",
        ));
    }
    Ok(())
}

/// There are no such modes.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fails on Unix")]
pub(crate) fn refuse_open_mode(_what: &str, _file: &Path, _opened: &File) -> anyhow::Result<()> {
    Ok(())
}
