//! The second reader unpacks every generated case: it sees what ours sees, or there is a finding of another kind.

use std::fs;

use midmirror_verify::{Finding, Inputs, Jdk, Report, Source, TrustStore, examine};

use super::material::Corpus;

#[test]
fn comparing_contents_raises_no_false_alarm() {
    let corpus = Corpus::committed(Jdk::default());
    let trust = TrustStore::bundled();
    let mut unpacked = 0;
    for case in corpus.cases() {
        let file = corpus.folder().join("jars").join(format!("{}.jar", case.name));
        let source = Source::from_bytes(fs::read(file).unwrap());
        let inputs = Inputs { threads: 2, ..Inputs::new(&trust, corpus.recorded_at()) };
        let without = examine(&source, &inputs).unwrap();
        let with = examine(&source, &Inputs { compare_contents: true, ..inputs }).unwrap();
        let texts = |report: &Report| report.findings().iter().map(Finding::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&with), texts(&without), "{}", case.name);
        unpacked += with.entry_count();
    }
    assert!(unpacked > 1000, "{unpacked}");
}
