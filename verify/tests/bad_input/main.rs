//! Bad input: what it may cost, large shapes, and changes byte by byte.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of test functions")]

mod changes;
mod limits;
mod names;
mod raw_zip;
mod shapes;

use std::fs;
use std::path::Path;

use midmirror_verify::{
    CompatOptions, CompatVerdict, Finding, Inputs, Limits, Report, Source, TrustStore, examine,
};
use raw_zip::RawZip;

fn data(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

fn examined(source: &Source, limits: Limits) -> Report {
    let trust = TrustStore::read("recorded", &data("anchors.pem"), None).unwrap();
    let inputs =
        Inputs { limits, threads: 1, ..Inputs::new(&trust, "2026-11-25T12:00:00Z".parse().unwrap()) };
    examine(source, &inputs).unwrap()
}

fn report(bytes: Vec<u8>) -> Report {
    examined(&Source::from_bytes(bytes), Limits::default())
}

/// Whether `jarsigner -strict` would end 0 and say "jar verified.".
fn is_verified(report: &Report) -> bool {
    let verdict = CompatVerdict::of(report, &CompatOptions::default());
    verdict.outcome() == midmirror_verify::Outcome::Verified && verdict.exit_code() == 0
}

fn rules(report: &Report) -> Vec<&'static str> {
    report.findings().iter().map(Finding::rule).collect()
}

fn abort(report: &Report) -> String {
    report.abort().map(ToString::to_string).unwrap_or_default()
}

/// Names and contents of the recorded package in the vendor's shape: manifest, signature file, block, three files.
fn vendor_parts() -> Vec<(String, Vec<u8>)> {
    raw_zip::parts(&data("vendor-shape/case.jar"))
}

fn packed(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = RawZip::default();
    for (name, content) in parts {
        zip.add(name, content);
    }
    zip.finish()
}
