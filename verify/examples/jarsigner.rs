//! `jarsigner -verify` by this library, to compare it with the real one: same arguments, text and exit code.
//!
//! The truststore named by `MIDMIRROR_TRUSTSTORE` (for instance the `cacerts` of a JDK) takes the place of the JDK's.

use std::process::ExitCode;

use midmirror_verify::{TrustStore, jarsigner};

fn main() -> std::io::Result<ExitCode> {
    let trust = match std::env::var_os("MIDMIRROR_TRUSTSTORE") {
        Some(path) => TrustStore::read("MIDMIRROR_TRUSTSTORE", &std::fs::read(path)?, None)
            .map_err(std::io::Error::other)?,
        None => TrustStore::bundled(),
    };
    let args: Vec<String> = std::env::args().skip(1).collect();
    let environment = jarsigner::Environment::new(&trust, jiff::Timestamp::now());
    let exit_code =
        jarsigner::run_to(&args, &environment, &mut std::io::stdout().lock(), &mut std::io::stderr())?;
    Ok(ExitCode::from(exit_code))
}
