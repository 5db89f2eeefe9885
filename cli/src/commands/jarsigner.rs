//! `midmirror jarsigner …`: the drop-in, also when the binary is invoked under that name.

use std::path::PathBuf;
use std::process::ExitCode;

use midmirror_verify::jarsigner::{Environment, run_to};
use midmirror_verify::{Jdk, UnknownJdk};

use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::{output, trust_sources};

/// Runs with jarsigner's own arguments, texts and exit codes.
///
/// Trust anchors are those of `MIDMIRROR_TRUSTSTORE`, else the configured ones, else the bundled ones; `-keystore` adds to
/// them. `MIDMIRROR_JDK` names the JDK.
pub(crate) fn run(config: Option<PathBuf>, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let trust = match std::env::var("MIDMIRROR_TRUSTSTORE") {
        Ok(source) => {
            let password = std::env::var("MIDMIRROR_TRUSTSTORE_PASSWORD").ok();
            trust_sources::read(&[source], password.as_deref())?
        }
        Err(_) => {
            // Like the JDK, the drop-in has one set, for signers and timestamp authorities.
            let anchors = Context::load(config, None, true)?.config.anchors()?;
            match &anchors.timestamps {
                Some(timestamps) => anchors.signers.join(timestamps),
                None => anchors.signers,
            }
        }
    };
    let jdk = match std::env::var("MIDMIRROR_JDK") {
        Ok(name) => name.parse().map_err(|error: UnknownJdk| {
            coded(Exit::Usage, format!("MIDMIRROR_JDK: {error}"), "set it to one of these, or not at all")
        })?,
        Err(_) => Jdk::default(),
    };
    let environment = Environment {
        time_zone: jiff::tz::TimeZone::system(),
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        jdk,
        ..Environment::new(&trust, context::now())
    };
    let exit_code = run_to(arguments, &environment, &mut output::TextWriter, &mut std::io::stderr())?;
    Ok(ExitCode::from(exit_code))
}
