//! What is printed of every case of the corpus keeps to the JSON Schemas.

use std::path::Path;
use std::process::Command;

use jsonschema::Validator;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::{AdmissionInputs, AdmissionPolicy, judge_file};
use midmirror_verify::{Jdk, TrustStore};
use serde_json::Value;

use super::material::Corpus;

fn validator(name: &str) -> Validator {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schema/{name}.json"));
    let schema: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn errors(validator: &Validator, document: &Value) -> Vec<String> {
    validator
        .iter_errors(document)
        .take(3)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn report(corpus: &Corpus, file: &Path) -> Value {
    let (trust, policy) = (TrustStore::bundled(), AdmissionPolicy::default());
    let inputs = AdmissionInputs::new(&trust, &policy, corpus.recorded_at());
    let sha256 = Sha256Digest::of_file(file).unwrap();
    let decision = judge_file(file, None, sha256, &inputs).unwrap();
    serde_json::from_slice(&decision.to_json().unwrap()).unwrap()
}

fn inspection(file: &Path) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_midmirror"));
    let output = command.args(["inspect", "--json"]).arg(file).output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn reports_and_inspections_of_all_cases_keep_to_their_schemas() {
    let corpus = Corpus::committed(Jdk::default());
    let (reports, inspections) = (validator("report-1"), validator("inspection-1"));
    let mut problems = Vec::new();
    let mut kinds = std::collections::BTreeSet::new();
    for case in corpus.cases() {
        let file = corpus.folder().join("jars").join(format!("{}.jar", case.name));
        let report = report(&corpus, &file);
        for error in errors(&reports, &report) {
            problems.push(format!("{}: report{error}", case.name));
        }
        let (code, inspection) = inspection(&file);
        for error in errors(&inspections, &inspection) {
            problems.push(format!("{}: inspection{error}", case.name));
        }
        let unreadable = !inspection["contents"]["container"]["unreadable"].is_null();
        if code != Some(if unreadable { 14 } else { 0 }) {
            problems.push(format!("{}: inspect ends {code:?}", case.name));
        }
        for finding in report["report"]["findings"].as_array().unwrap() {
            kinds.insert(finding["finding"].to_string());
        }
    }
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    assert!(kinds.len() >= 10, "too few kinds of findings to mean anything: {kinds:?}");
}

#[test]
fn a_report_with_a_field_under_another_name_does_not_keep_to_the_schema() {
    let corpus = Corpus::committed(Jdk::default());
    let reports = validator("report-1");
    let signed = |case: &&super::material::Case| {
        let file = corpus.folder().join("jars").join(format!("{}.jar", case.name));
        report(&corpus, &file)["report"]["signers"][0]["timestamp"]["gen_time"].is_string()
    };
    let case = corpus.cases().iter().find(signed).unwrap();
    let document = report(&corpus, &corpus.folder().join("jars").join(format!("{}.jar", case.name)));
    assert_eq!(errors(&reports, &document), Vec::<String>::new());
    let mut paths = Vec::new();
    all_fields(&document, String::new(), &mut paths);
    assert!(paths.len() > 60, "{paths:?}");
    for path in paths {
        let mut renamed = document.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = renamed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        let value = parent.remove(name).unwrap();
        parent.insert(format!("{name}_"), value);
        assert!(!reports.is_valid(&renamed), "{path} may be renamed");
    }
}

/// Pointers to all fields; of a list, only those of its first item.
fn all_fields(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                paths.push(format!("{path}/{name}"));
                all_fields(value, format!("{path}/{name}"), paths);
            }
        }
        Value::Array(items) => {
            if let Some(first) = items.first() {
                all_fields(first, format!("{path}/0"), paths);
            }
        }
        _ => {}
    }
}
