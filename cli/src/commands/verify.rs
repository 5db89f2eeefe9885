//! `midmirror verify FILE`: would this mirror admit the package, and why (not).

use std::process::ExitCode;

use anyhow::Context as _;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::{AdmissionInputs, Decision, History, RefusalClass, judge_file_with_history};
use midmirror_mirror::package::PackageName;
use midmirror_mirror::withdraw;
use midmirror_verify::{Change, Outlook};

use crate::arguments::{ExitCodeKind, VerifyArguments, VerifyFormat};
use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// Verifies one file.
pub(crate) fn run(context: &Context, arguments: &VerifyArguments) -> anyhow::Result<ExitCode> {
    let anchors = arguments.sources.anchors(&context.config)?;
    let mut policy = context.config.admission_policy();
    if let Some(organization) = &arguments.organization {
        policy.organization.clone_from(organization);
    }
    if let Ok(store) = context.store() {
        policy.withdrawn = withdraw::listed(&store)?;
    }
    let at = arguments.at.unwrap_or_else(context::now);
    let file = &arguments.file;
    let failed = || format!("failed to read {}", file.display());
    // A pipe would wait for its writer, a device never ends.
    if !std::fs::metadata(file).with_context(failed)?.is_file() {
        return Err(coded(
            Exit::Usage,
            format!("{} is not a regular file", file.display()),
            "name one package",
        ));
    }
    let sha256 = Sha256Digest::of_file(file).with_context(failed)?;
    // A file with the vendor's name must also be what its name says.
    let name = file.file_name().and_then(|name| PackageName::parse(&name.to_string_lossy()).ok());
    let inputs = AdmissionInputs {
        timestamp_trust: anchors.timestamps.as_ref(),
        agent_anchors: anchors.agent.as_ref(),
        ..AdmissionInputs::new(&anchors.signers, &policy, at)
    };
    let history = history(context, sha256);
    let mut decision =
        judge_file_with_history(file, name.as_ref(), sha256, &inputs, &history).with_context(failed)?;
    decision.show_jdk(arguments.jdk);
    match arguments.format {
        VerifyFormat::Json => decision.write_json(&mut output::DataWriter::buffered())?,
        VerifyFormat::Jarsigner => decision.write_jarsigner_text(&mut output::TextWriter)?,
        VerifyFormat::Human => human(&decision, &file.display().to_string(), &inputs),
    }
    Ok(match arguments.exit_code {
        ExitCodeKind::Jarsigner => {
            ExitCode::from(decision.compat().map_or(Exit::Failed.code(), |compat| compat.exit_code()))
        }
        ExitCodeKind::Midmirror => exit_of(&decision).into(),
    })
}

/// What the store knows of the file from before; nothing where there is no store.
fn history(context: &Context, sha256: Sha256Digest) -> History {
    let known = match context.store() {
        Ok(store) => store.history(sha256),
        Err(_) => return History::default(),
    };
    known.unwrap_or_else(|error| {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "the store's evidence cannot be read; nothing is known of earlier admissions");
        History::default()
    })
}

/// The exit that a decision asks for.
pub(crate) fn exit_of(decision: &Decision) -> Exit {
    match decision.class() {
        None => Exit::Done,
        Some(RefusalClass::Verification) => Exit::RefusedByVerification,
        Some(RefusalClass::Policy) => Exit::RefusedByPolicy,
    }
}

/// The changes to come, a line each.
fn until(outlook: &Outlook) -> Vec<String> {
    let change = |change: &Change| {
        format!(
            "{}: then {:?} (-strict exit {}), MID Server: {}, because {}",
            change.at(),
            change.jarsigner().sentence().trim(),
            change.jarsigner().exit_code(),
            change.agent_reason().unwrap_or("accepted"),
            change.because()
        )
    };
    match outlook.changes() {
        [] => vec!["for ever: no date of a certificate or algorithm changes these verdicts".to_owned()],
        changes => changes.iter().map(change).collect(),
    }
}

fn human(decision: &Decision, file: &str, inputs: &AdmissionInputs<'_>) {
    let line = |label: &str, text: &str| {
        output::data(format!("  {label:<12}{}", printable(text).replace('\n', "\\n")))
    };
    output::data(printable(file));
    line("sha256", &decision.sha256().to_hex());
    if let Some(report) = decision.report() {
        line("entries", &format!("{}, {} unpacked", report.entry_count(), output::size(report.total_size())));
        for signer in report.signers() {
            line("signer", signer.subject());
            if let Some(timestamp) = signer.timestamp() {
                line("timestamp", &format!("{} by {}", timestamp.gen_time(), timestamp.authority_subject()));
            } else {
                line("timestamp", "none");
            }
        }
        line("anchors", &format!("{} (sha256 {})", report.trust_store_name(), report.trust_store_digest()));
        if let Some(set) = report.timestamp_trust_store() {
            line("", &format!("timestamps: {} (sha256 {})", set.name(), set.sha256()));
        }
    }
    if let Some(compat) = decision.compat() {
        line(
            "jarsigner",
            &format!(
                "{} (JDK {}, -strict exit {})",
                compat.result_sentence().trim(),
                compat.jdk(),
                compat.exit_code()
            ),
        );
        for warning in compat.warnings() {
            line("", warning.trim());
        }
    }
    if let Some(agent) = decision.agent() {
        line("MID Server", agent.reason().unwrap_or("accepted"));
        match (agent.anchors(), agent.anchors_error()) {
            (Some(set), _) if inputs.agent_anchors.is_some() => {
                line("", &format!("anchors: {} (sha256 {})", set.name(), set.sha256()));
            }
            (_, Some(error)) => line("", error),
            _ => {}
        }
    }
    if let Some(outlook) = decision.outlook() {
        for text in until(outlook) {
            line("until", &text);
        }
    }
    for (rule, reason) in decision.relaxations() {
        line("relaxed", &format!("{rule}: {reason}"));
    }
    for notice in decision.notices() {
        line("notice", &format!("{} [{}]", notice.text, notice.rule));
    }
    for refusal in decision.refusals() {
        line("refused", &format!("{} [{}]", refusal.text, refusal.rule));
    }
    line("verdict", if decision.is_admitted() { decision.label().as_str() } else { "REFUSED" });
}
