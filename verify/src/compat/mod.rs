//! What `jarsigner -verify` of a JDK concludes from a report: outcome, exit codes, errors and warnings.
//!
//! The conclusion depends on nothing but the report and the options.

mod evaluation;
mod messages;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use crate::jdk::Jdk;
use crate::keystore::Keystore;
use crate::report::Report;

pub(crate) use evaluation::{EntryFlags, Evaluation, ONE_YEAR, SIX_MONTHS, SignerFlags, ends_within};
pub(crate) use messages::notes;

/// Options of `jarsigner -verify` that change what it concludes.
#[derive(Debug, Clone, Default)]
pub struct CompatOptions {
    /// The JDK whose `jarsigner` concludes.
    pub jdk: Jdk,
    /// The keystore given with `-keystore`.
    pub keystore: Option<Keystore>,
    /// The aliases given after the file.
    pub aliases: Vec<String>,
    /// The time zone of dates in messages; without, UTC.
    pub time_zone: Option<TimeZone>,
}

impl CompatOptions {
    pub(crate) fn zone(&self) -> TimeZone {
        self.time_zone.clone().unwrap_or(TimeZone::UTC)
    }
}

/// The class of the conclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Something is signed, and there is no complaint.
    Verified,
    /// Something is signed, but there are errors: unsigned entries, an invalid chain, an expired certificate.
    VerifiedWithSignerErrors,
    /// There is no signature.
    Unsigned,
    /// There is a signature, but it does not count.
    TreatedAsUnsigned,
    /// The archive cannot be read, or a signature or digest is wrong.
    Aborted,
}

/// What `jarsigner` concludes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CompatVerdict {
    /// The feature release of the JDK.
    jdk: u32,
    profile: Jdk,
    outcome: Outcome,
    exit_code: u8,
    exit_code_plain: u8,
    result: String,
    errors: Vec<String>,
    warnings: Vec<String>,
    inconsistencies: usize,
}

impl CompatVerdict {
    /// Draws the conclusion.
    pub fn of(report: &Report, options: &CompatOptions) -> Self {
        let report = report.as_read_by(options.jdk);
        Self::from_evaluation(report, options, &Evaluation::of(report, options))
    }

    /// Draws the conclusion from a report in the eyes of the JDK, which has been evaluated.
    pub(crate) fn from_evaluation(report: &Report, options: &CompatOptions, evaluation: &Evaluation) -> Self {
        let jdk = options.jdk;
        let second_pass = report.cross_check(jdk);
        let mut verdict = Self {
            jdk: jdk.feature_release(),
            profile: jdk,
            outcome: Outcome::Aborted,
            exit_code: 1,
            exit_code_plain: 1,
            result: String::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            inconsistencies: second_pass.map_or(0, |found| found.inconsistencies.len()),
        };
        if let Some(error) = report.abort().or_else(|| second_pass?.abort.as_ref()) {
            verdict.result = format!("{}{error}", jdk.rules().error_prefix);
            return verdict;
        }
        verdict.exit_code_plain = 0;
        verdict.exit_code = evaluation.exit_code(report.examined_at());
        if evaluation.any_signed {
            (verdict.errors, verdict.warnings) = messages::errors_and_warnings(evaluation, report, options);
            let clean = verdict.errors.is_empty();
            verdict.outcome = if clean { Outcome::Verified } else { Outcome::VerifiedWithSignerErrors };
            verdict.result = messages::verified(clean).to_owned();
        } else {
            let signature = evaluation.has_signature || evaluation.disabled_algorithm;
            verdict.outcome = if signature { Outcome::TreatedAsUnsigned } else { Outcome::Unsigned };
            verdict.result = messages::unsigned(evaluation).to_owned();
        }
        verdict
    }

    /// The class of the conclusion.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The exit code with `-strict`.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// The exit code without `-strict`.
    pub fn exit_code_plain(&self) -> u8 {
        self.exit_code_plain
    }

    /// The errors in the order of printing.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// The warnings in the order of printing.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The sentence that `-verify -verbose -strict` prints, for instance `jar verified.`
    pub fn result_sentence(&self) -> &str {
        &self.result
    }

    /// The JDK whose behaviour this is.
    pub fn jdk(&self) -> Jdk {
        self.profile
    }

    /// In how many points the archive read as a stream differs from the archive read by its directory. They are listed,
    /// and change no exit code.
    pub fn inconsistencies(&self) -> usize {
        self.inconsistencies
    }
}
