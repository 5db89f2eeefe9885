//! Prints the report of an archive as JSON. The truststore is that of `MIDMIRROR_TRUSTSTORE`, or the bundled one.

use std::path::Path;

use midmirror_verify::{Inputs, Source, TrustStore, examine};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let trust = match std::env::var_os("MIDMIRROR_TRUSTSTORE") {
        Some(path) => TrustStore::read("MIDMIRROR_TRUSTSTORE", &std::fs::read(path)?, None)?,
        None => TrustStore::bundled(),
    };
    let path = std::env::args_os().nth(1).ok_or("usage: report FILE")?;
    let report = examine(&Source::open(Path::new(&path))?, &Inputs::new(&trust, jiff::Timestamp::now()))?;
    serde_json::to_writer_pretty(std::io::stdout().lock(), &report)?;
    Ok(())
}
