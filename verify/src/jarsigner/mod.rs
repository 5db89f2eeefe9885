//! The drop-in for `jarsigner -verify`: its arguments, its text, its exit code.
//!
//! The text is that of a [`Jdk`] in English. Arguments of other commands (signing) are refused.

mod arguments;
mod java;
mod listing;
mod printf;
mod signature_list;
mod summary;
mod text;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::arguments::Arguments;
use self::text::Text;
use crate::compat::{CompatOptions, CompatVerdict, Evaluation};
use crate::examine::{Depth, Inputs, examine_to};
use crate::jdk::Jdk;
use crate::keystore::Keystore;
use crate::limits::Limits;
use crate::report::Report;
use crate::source::Source;
use crate::trust_store::{TrustStore, TrustStoreError};

pub use self::arguments::Verbosity;

/// What a run depends on besides its arguments.
#[derive(Debug, Clone)]
pub struct Environment<'a> {
    /// The trust anchors that count in any case, as `cacerts` does for the JDK.
    pub trust: &'a TrustStore,
    /// The same for timestamp authorities, if they are not the same. `-keystore` adds to these, too.
    pub timestamp_trust: Option<&'a TrustStore>,
    /// The moment that counts as now.
    pub at: Timestamp,
    /// The time zone of dates in the text.
    pub time_zone: TimeZone,
    /// Bounds on memory and work.
    pub limits: Limits,
    /// How many threads read entries; 0 means one per core.
    pub threads: usize,
    /// Environment variables, for `-storepass:env`.
    pub variables: BTreeMap<String, String>,
    /// The JDK whose `jarsigner` this is.
    pub jdk: Jdk,
}

impl<'a> Environment<'a> {
    /// The defaults: UTC, all cores, no variables, the default JDK.
    pub fn new(trust: &'a TrustStore, at: Timestamp) -> Self {
        Self {
            trust,
            timestamp_trust: None,
            at,
            time_zone: TimeZone::UTC,
            limits: Limits::default(),
            threads: 0,
            variables: BTreeMap::new(),
            jdk: Jdk::default(),
        }
    }
}

/// What a run prints and returns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code.
    pub exit_code: u8,
}

/// How much is printed.
#[derive(Debug, Clone, Default)]
pub struct TextOptions {
    /// The entries, as with `-verbose`.
    pub verbosity: Option<Verbosity>,
    /// The certificates, as with `-certs`.
    pub certs: bool,
    /// Errors apart from warnings, as with `-strict`.
    pub strict: bool,
    /// Keystore, aliases and time zone.
    pub compat: CompatOptions,
}

impl TextOptions {
    /// The options of `-verify -verbose -certs -strict`.
    pub fn full() -> Self {
        Self { verbosity: Some(Verbosity::All), certs: true, strict: true, compat: CompatOptions::default() }
    }
}

/// The text that `jarsigner -verify` prints for a report.
pub fn text(report: &Report, options: &TextOptions) -> String {
    let mut text = Vec::new();
    let _never_fails = write_text(report, options, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// Writes the text that `jarsigner -verify` prints for a report.
///
/// # Errors
///
/// Only if `output` fails.
pub fn write_text(report: &Report, options: &TextOptions, output: &mut dyn Write) -> io::Result<()> {
    let mut text = Text::new(output);
    let _printed_as_well = print(&mut text, report, options, &Ok);
    text.finish()
}

/// Whether `jarsigner` would break off while printing that text: what it says about certificates it takes for a format, so
/// a per cent sign in a name can end the run with exit code 1 whatever the verdict.
pub fn breaks_off(report: &Report, options: &TextOptions) -> bool {
    let report = report.as_read_by(options.compat.jdk);
    let Some(verbosity) = options.verbosity else { return false };
    if report.abort().is_some() || !report.has_manifest() {
        return false;
    }
    let evaluation = Evaluation::of(report, &options.compat);
    listing::breaks_off(report, &evaluation, verbosity, options, &|certificates| {
        printf::format(&certificates)
    })
}

/// How the text about certificates gets printed: the output, or the output so far and the exception.
type Print<'a> = &'a dyn Fn(String) -> Result<String, (String, String)>;

/// An exception ended the run; its message is printed.
struct BrokenOff;

/// Prints the text.
fn print(
    text: &mut Text<'_>,
    report: &Report,
    options: &TextOptions,
    certificates: Print<'_>,
) -> Result<CompatVerdict, BrokenOff> {
    let jdk = options.compat.jdk;
    let report = report.as_read_by(jdk);
    let exception = |text: &mut Text<'_>, error: &dyn std::fmt::Display| {
        text.push_str(&format!("{}{error}\n", jdk.rules().error_prefix));
        Err(BrokenOff)
    };
    if let Some(error) = report.abort() {
        return exception(text, error);
    }
    let evaluation = Evaluation::of(report, &options.compat);
    let verdict = CompatVerdict::from_evaluation(report, &options.compat, &evaluation);
    if let Some(verbosity) = options.verbosity
        && let Err(error) = listing::print(text, report, &evaluation, verbosity, options, certificates)
    {
        return exception(text, &error);
    }
    if !report.has_manifest() {
        text.push_str("\nno manifest.\n");
    }
    if options.verbosity.is_some() {
        signature_list::print(text, report, jdk);
    }
    text.push('\n');
    if let Some(error) = report.cross_check(jdk).and_then(|found| found.abort.as_ref()) {
        return exception(text, error);
    }
    summary::print(text, report, &evaluation, &verdict, options);
    Ok(verdict)
}

/// Runs `jarsigner` with these arguments (without the program's name).
pub fn run(args: &[String], environment: &Environment<'_>) -> Output {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let exit_code = run_to(args, environment, &mut stdout, &mut stderr).unwrap_or(1);
    let text = |bytes| String::from_utf8(bytes).unwrap_or_default();
    Output { stdout: text(stdout), stderr: text(stderr), exit_code }
}

/// Runs `jarsigner`, and writes what it prints while it comes: a listing of many entries is larger than all the rest.
///
/// # Errors
///
/// Only if `stdout` or `stderr` fail.
pub fn run_to(
    args: &[String],
    environment: &Environment<'_>,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> io::Result<u8> {
    let arguments = match Arguments::parse(args) {
        Ok(arguments) => arguments,
        Err(error) => {
            writeln!(stderr, "{error}")?;
            stdout.write_all(b"\nPlease type jarsigner --help for usage\n")?;
            return Ok(1);
        }
    };
    let (report, options) = match examined(&arguments, environment) {
        Ok(examined) => examined,
        Err(line) => {
            writeln!(stdout, "{line}")?;
            return Ok(1);
        }
    };
    let mut text = Text::new(stdout);
    let printed = print(&mut text, &report, &options, &|certificates| printf::format(&certificates));
    text.finish()?;
    Ok(match printed {
        Ok(verdict) if arguments.strict => verdict.exit_code(),
        Ok(verdict) => verdict.exit_code_plain(),
        Err(BrokenOff) => 1,
    })
}

/// Examines the file; the error is the line that is printed.
fn examined(arguments: &Arguments, environment: &Environment<'_>) -> Result<(Report, TextOptions), String> {
    let prefix = environment.jdk.rules().error_prefix;
    let mut trust = environment.trust.clone();
    let mut timestamp_trust = environment.timestamp_trust.cloned();
    let keystore = load_keystore(arguments, environment)?;
    if let Some(keystore) = &keystore {
        std::iter::once(&mut trust).chain(&mut timestamp_trust).for_each(|set| set.add_keystore(keystore));
    }
    let source = Source::open(Path::new(&arguments.file))
        .map_err(|error| format!("{prefix}{}", java::open_failure(&arguments.file, &error)))?;
    let inputs = Inputs {
        limits: environment.limits.clone(),
        threads: environment.threads,
        timestamp_trust: timestamp_trust.as_ref(),
        ..Inputs::new(&trust, environment.at)
    };
    let mut report = examine_to(&source, &inputs, Depth::Jarsigner(environment.jdk))
        .map_err(|error| format!("{prefix}{}", java::read_failure(&error)))?;
    if arguments.revocation {
        report.fail_revocation();
    }
    let options = TextOptions {
        verbosity: arguments.verbosity,
        certs: arguments.certs,
        strict: arguments.strict,
        compat: CompatOptions {
            jdk: environment.jdk,
            keystore,
            aliases: arguments.aliases.clone(),
            time_zone: Some(environment.time_zone.clone()),
        },
    };
    Ok((report, options))
}

/// Loads the keystore of `-keystore`; the error is the line that is printed.
fn load_keystore(arguments: &Arguments, environment: &Environment<'_>) -> Result<Option<Keystore>, String> {
    let Some(name) = &arguments.keystore else { return Ok(None) };
    let class = environment.jdk.rules().keystore_exception;
    let load_failed = |reason: &str| format!("jarsigner error: {class}keystore load: {reason}");
    let path = std::path::absolute(name.strip_prefix("file:").unwrap_or(name))
        .map_err(|error| load_failed(&java::file_failure(name, &error)))?;
    let shown = path.display().to_string();
    let read = |path: &Path| -> io::Result<Vec<u8>> { std::fs::read(path) };
    let bytes = read(&path).map_err(|error| load_failed(&java::file_failure(&shown, &error)))?;
    let password = match &arguments.password {
        Some(password) => Some(password.resolve(environment).map_err(|reason| load_failed(&reason))?),
        None => None,
    };
    Keystore::read(&shown, &bytes, password.as_deref()).map(Some).map_err(|error| match error {
        TrustStoreError::Malformed { reason, .. } => load_failed(&reason),
        other => load_failed(&other.to_string()),
    })
}

/// The file and the aliases in arguments that can be obeyed, for the fuzz targets.
#[cfg(any(test, fuzzing))]
pub(crate) fn parsed_arguments(args: &[String]) -> Option<(String, Vec<String>)> {
    Arguments::parse(args).ok().map(|arguments| (arguments.file, arguments.aliases))
}
