//! Logging to stderr.

use tracing_subscriber::EnvFilter;

/// Sets logging up once. The level comes from `MIDMIRROR_LOG`; the default shows warnings and errors.
pub(crate) fn init(json: bool, default_level: &str) {
    let filter = match std::env::var(VARIABLE).map(EnvFilter::try_new) {
        Ok(Ok(filter)) => filter,
        Ok(Err(error)) => {
            crate::output::note(format!("warning: {VARIABLE} is not used: {error}"));
            EnvFilter::new(default_level)
        }
        Err(_not_set) => EnvFilter::new(default_level),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call (tests) keeps the first setting.
    let _already_set = if json {
        builder.json().try_init()
    } else {
        builder.with_ansi(crate::output::is_terminal()).try_init()
    };
}

const VARIABLE: &str = "MIDMIRROR_LOG";
