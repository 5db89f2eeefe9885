//! `midmirror jarsigner …`: the drop-in, also when the binary is invoked under that name.

use std::process::ExitCode;

use midmirror_verify::jarsigner::{Environment, run_to};

use crate::config::read_trust_store;
use crate::{context, output};

/// Runs with jarsigner's own arguments, texts and exit codes.
///
/// Trust anchors are those of `MIDMIRROR_TRUSTSTORE`, else the bundled ones; `-keystore` adds to them.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let source = std::env::var("MIDMIRROR_TRUSTSTORE").unwrap_or_else(|_| "bundled".to_owned());
    let trust = read_trust_store(&[source])?;
    let environment = Environment {
        time_zone: jiff::tz::TimeZone::system(),
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        ..Environment::new(&trust, context::now())
    };
    let exit_code = run_to(arguments, &environment, &mut output::TextWriter, &mut std::io::stderr())?;
    Ok(ExitCode::from(exit_code))
}
