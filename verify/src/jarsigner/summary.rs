//! The end of the text: result sentence, errors, warnings, notes.

use super::TextOptions;
use super::text::Text;
use crate::algorithm_policy::JAR_DISABLED;
use crate::compat::{CompatVerdict, Evaluation, notes};
use crate::report::Report;

/// Prints the end of the text.
pub(super) fn print(
    text: &mut Text<'_>,
    report: &Report,
    evaluation: &Evaluation,
    verdict: &CompatVerdict,
    options: &TextOptions,
) {
    text.push('\n');
    if !evaluation.any_signed {
        print_unsigned(text, evaluation, verdict, options);
        return;
    }
    let with_errors = options.strict && !verdict.errors().is_empty();
    text.push_str(if with_errors { "jar verified, with signer errors.\n" } else { "jar verified.\n" });
    if options.strict {
        print_block(text, "Error: ", verdict.errors().iter());
        print_block(text, "Warning: ", verdict.warnings().iter());
    } else {
        print_block(text, "Warning: ", verdict.errors().iter().chain(verdict.warnings()));
    }
    let complaints = !verdict.errors().is_empty() || !verdict.warnings().is_empty();
    if complaints && !(options.verbosity.is_some() && options.certs) {
        text.push_str("\nRe-run with the -verbose and -certs options for more details.\n");
    }
    if options.verbosity.is_some() {
        let notes = notes(evaluation, report.examined_at(), &options.compat.zone());
        print_block(text, "", notes.iter());
    }
}

fn print_unsigned(
    text: &mut Text<'_>,
    evaluation: &Evaluation,
    verdict: &CompatVerdict,
    options: &TextOptions,
) {
    if evaluation.disabled_algorithm && options.verbosity.is_none() {
        text.push_str("The jar will be treated as unsigned, because it is signed with a weak algorithm that is now disabled.\n\nRe-run jarsigner with the -verbose option for more details.\n");
        return;
    }
    text.push_str(verdict.result_sentence());
    text.push('\n');
    if evaluation.disabled_algorithm {
        text.push_str("\n  jdk.jar.disabledAlgorithms=");
        text.push_str(JAR_DISABLED);
        text.push('\n');
    }
}

/// Prints lines with an empty line and a title before them.
fn print_block<'a>(text: &mut Text<'_>, title: &str, lines: impl Iterator<Item = &'a String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    text.push('\n');
    if !title.is_empty() {
        text.push_str(title);
        text.push('\n');
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
}
