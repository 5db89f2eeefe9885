//! Files of a plan: read whole, up to a limit, unpacked if they are gzip; `-` is standard input.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use midmirror_mirror::plan::read_text;

/// Reads a file or standard input as text; what is no UTF-8 is replaced, which no name or stamp survives.
pub(super) fn read(file: &Path, what: &str, limit: u64) -> anyhow::Result<String> {
    let name = file.display();
    let failed = || format!("failed to read the {what} {name}");
    let bytes = if is_standard_input(file) {
        read_text(std::io::stdin().lock(), limit)
    } else {
        read_text(File::open(file).with_context(failed)?, limit)
    };
    Ok(String::from_utf8_lossy(&bytes.with_context(failed)?).into_owned())
}

pub(super) fn is_standard_input(file: &Path) -> bool {
    file == Path::new("-")
}
