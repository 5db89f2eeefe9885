//! What is wrong with what is exported: a folder of damaged evidence is of use too, and says so.

use std::collections::BTreeMap;

use super::ExportInputs;
use crate::Sha256Digest;
use crate::catalog::{LogEntry, check_statement, store_keys};
use crate::store::STATEMENT_NAME;

/// Compares the files of the evidence with what the record, the log and the statement say of them.
///
/// `events` are the entries of the log; none if it is not there or not what was signed.
pub(super) fn faults(
    inputs: &ExportInputs<'_>,
    found: &BTreeMap<String, Sha256Digest>,
    events: Option<&[LogEntry]>,
) -> Vec<String> {
    let admission = inputs.admission;
    let mut faults = Vec::new();
    if events.is_none() && inputs.catalog.store().is_some() {
        faults.push("the log is not there or not what was signed".to_owned());
    }
    let told = events.unwrap_or_default().iter().filter_map(|(_, event)| event.as_ref().ok());
    let logged =
        told.filter(|event| event.admission() == Some(admission.number())).find_map(|event| event.evidence());
    let differs = |(file, digest): &(&String, &Sha256Digest)| found.get(*file) != Some(*digest);
    for (file, _) in logged.into_iter().flatten().filter(differs) {
        faults.push(format!("{file} is not the one that the log tells of, or not there"));
    }
    if faults.is_empty() && found.get("report.json") != admission.entry().report.as_ref() {
        faults.push("report.json is not the one that the record of the admission names".to_owned());
    }
    let keys = store_keys(inputs.catalog, events.unwrap_or_default());
    if let Err(fault) = check_statement(inputs.store, &keys, admission, found)
        && (faults.is_empty() || !fault.is_of_evidence())
        && !keys.is_empty()
    {
        faults.push(format!("{STATEMENT_NAME}: {fault}"));
    }
    faults
}
