//! The sentences of `jarsigner` (English), blanks at line ends included.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{CompatOptions, Evaluation};
use crate::jdk::Jdk;
use crate::report::Report;

/// The sentence for an archive in which something is signed.
pub(crate) fn verified(clean: bool) -> &'static str {
    if clean { "jar verified." } else { "jar verified, with signer errors." }
}

/// The sentence for an archive in which nothing is signed.
pub(crate) fn unsigned(evaluation: &Evaluation) -> &'static str {
    if evaluation.disabled_algorithm {
        "WARNING: The jar will be treated as unsigned, because it is signed with a weak algorithm that is now disabled by the security property:"
    } else if evaluation.has_signature {
        "WARNING: Signature is either not parsable or not verifiable, and the jar will be treated as unsigned. For more information, re-run jarsigner with debug enabled (-J-Djava.security.debug=jar)."
    } else {
        "jar is unsigned."
    }
}

/// Errors and warnings in the order of printing.
pub(super) fn errors_and_warnings(
    evaluation: &Evaluation,
    report: &Report,
    options: &CompatOptions,
) -> (Vec<String>, Vec<String>) {
    let now = report.examined_at();
    (errors(evaluation, now, options.jdk), warnings(evaluation, now, options))
}

fn errors(evaluation: &Evaluation, now: Timestamp, jdk: Jdk) -> Vec<String> {
    let usage = |name: &str| {
        format!(
            "This jar contains entries whose signer certificate's {name} extension doesn't allow code signing."
        )
    };
    let chain = |what: &str, reason: &Option<String>| {
        reason
            .as_ref()
            .map(|reason| format!("This jar contains entries whose {what} is invalid. Reason: {reason}"))
    };
    let text = |set: bool, text: &str| set.then(|| text.to_owned());
    let all = [
        evaluation.bad_key_usage.then(|| usage("KeyUsage")),
        evaluation.bad_extended_key_usage.then(|| usage("ExtendedKeyUsage")),
        evaluation.bad_netscape_type.then(|| usage("NetscapeCertType")),
        text(
            evaluation.unsigned_entry,
            "This jar contains unsigned entries which have not been integrity-checked. ",
        ),
        text(evaluation.expired, "This jar contains entries whose signer certificate has expired. "),
        text(
            evaluation.not_yet_valid,
            "This jar contains entries whose signer certificate is not yet valid. ",
        ),
        chain("certificate chain", &evaluation.chain_failure),
        chain("TSA certificate chain", &evaluation.timestamp_chain_failure),
        text(
            evaluation.not_signed_by_alias,
            "This jar contains signed entries which are not signed by the specified alias(es).",
        ),
        text(evaluation.alias_not_in_store && !jdk.rules().keystore_sentence_is_warning, NOT_IN_KEYSTORE),
        text(evaluation.self_signed, "This jar contains entries whose signer certificate is self-signed."),
        text(evaluation.expired_timestamp_counts(now), "The timestamp has expired."),
    ];
    all.into_iter().flatten().collect()
}

fn warnings(evaluation: &Evaluation, now: Timestamp, options: &CompatOptions) -> Vec<String> {
    let (rules, zone) = (options.jdk.rules(), &options.zone());
    let mut warnings = Vec::new();
    if rules.keystore_sentence_is_warning && evaluation.last_not_in_store {
        warnings.push(NOT_IN_KEYSTORE.to_owned());
    }
    for (name, what) in [
        (&evaluation.legacy_digest, "digest algorithm"),
        (&evaluation.legacy_signature, "signature algorithm"),
        (&evaluation.legacy_timestamp_digest, "timestamp digest algorithm"),
    ] {
        if let Some(name) = name {
            warnings.push(format!(
                "The {name} {what} is considered a security risk. This algorithm will be disabled in a future update."
            ));
        }
    }
    if let Some(key) = &evaluation.legacy_key
        && rules.names_key_algorithms
    {
        warnings.push(format!(
            "The {} signing key is considered a security risk. It will be disabled in a future update.",
            key.full_name()
        ));
    } else if let Some(key) = &evaluation.legacy_key {
        warnings.push(format!(
            "The {} signing key has a keysize of {} which is considered a security risk. This key size will be disabled in a future update.",
            key.algorithm(),
            key.bits().unwrap_or(0)
        ));
    }
    warnings.extend(timestamp_warnings(evaluation, now, zone));
    if let (false, Some(end)) = (evaluation.any_timestamp, evaluation.signer_end) {
        let consequence = format!(
            "Without a {}timestamp, users may not be able to validate this jar after any of the signer certificates expire (as early as {}).",
            if evaluation.token_present { "valid " } else { "" },
            day(end, zone)
        );
        if evaluation.token_present {
            warnings.push(format!(
                "This jar contains signatures that include an invalid timestamp. {consequence}\nRerun jarsigner with -J-Djava.security.debug=jar for more information."
            ));
        } else {
            warnings
                .push(format!("This jar contains signatures that do not include a timestamp. {consequence}"));
        }
    }
    if evaluation.nonexistent {
        warnings.push("This jar contains signed entries for files that do not exist. See the -verbose output for more details.".to_owned());
    }
    if evaluation.posix_attributes {
        warnings.push("POSIX file permission and/or symlink attributes detected. These attributes are ignored when signing and are not protected by the signature.".to_owned());
    }
    warnings
}

fn timestamp_warnings(evaluation: &Evaluation, now: Timestamp, zone: &TimeZone) -> Vec<String> {
    let mut warnings = Vec::new();
    let until = |end: Timestamp| {
        format!("However, the JAR will be valid until the signer certificate expires on {}.", day(end, zone))
    };
    let (signer_end, timestamp_end) = (evaluation.signer_end, evaluation.timestamp_end);
    if let (true, Some(end), Some(signer_end)) = (evaluation.timestamp_expired, timestamp_end, signer_end)
        && !evaluation.expired_timestamp_counts(now)
    {
        warnings.push(format!("The timestamp expired on {}. {}", day(end, zone), until(signer_end)));
    }
    if evaluation.expiring {
        warnings.push(
            "This jar contains entries whose signer certificate will expire within six months. ".to_owned(),
        );
    }
    if let (true, Some(end)) = (evaluation.timestamp_expiring, timestamp_end) {
        let first = format!("The timestamp will expire within one year on {}.", day(end, zone));
        warnings.push(match signer_end {
            Some(signer_end) if signer_end > end => format!("{first} {}", until(signer_end)),
            _ => first,
        });
    }
    warnings
}

/// Notes on expiry, which only the verbose text has.
pub(crate) fn notes(evaluation: &Evaluation, now: Timestamp, zone: &TimeZone) -> Vec<String> {
    let mut notes = Vec::new();
    let lives = evaluation.signer_lives(now);
    if let Some(end) = evaluation.signer_end
        && !evaluation.expiring
        && !evaluation.expired
        && lives
    {
        notes.push(format!("The signer certificate will expire on {}.", day(end, zone)));
    }
    if let Some(end) = evaluation.timestamp_end
        && evaluation.any_timestamp
        && !evaluation.timestamp_expiring
        && !evaluation.expired_timestamp_counts(now)
    {
        if lives {
            notes.push(format!("The timestamp will expire on {}.", day(end, zone)));
        } else if let Some(signer_end) = evaluation.signer_end {
            notes.push(format!(
                "The signer certificate expired on {}. However, the JAR will be valid until the timestamp expires on {}.",
                day(signer_end, zone),
                day(end, zone)
            ));
        }
    }
    notes
}

const NOT_IN_KEYSTORE: &str =
    "This jar contains signed entries that are not signed by alias in this keystore.";

/// A date as `YYYY-MM-DD`.
fn day(at: Timestamp, zone: &TimeZone) -> String {
    if at == Timestamp::MAX {
        // A certificate without an end, see `asn1_time`.
        return "9999-12-31".to_owned();
    }
    at.to_zoned(zone.clone()).date().to_string()
}
