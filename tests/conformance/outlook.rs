//! What is said of times to come, against what is said when they have come: every generated case.

use std::fs;

use jiff::{SignedDuration, Timestamp};
use midmirror_verify::{
    AgentRequirements, AgentVerdict, CompatOptions, CompatVerdict, Inputs, Jdk, Outlook, Report, Source,
    TrustStore, examine,
};

use super::material::{Case, Corpus};

/// Exit code and sentence of jarsigner, and whether and why not the MID Server's own verifier accepts.
type Verdicts = (u8, String, bool, Option<String>);

#[test]
fn verdicts_change_when_it_is_foreseen_and_at_no_other_time() {
    let corpus = Corpus::committed(Jdk::default());
    let mut problems = Vec::new();
    let mut changes = 0;
    for case in corpus.cases() {
        let subject = Subject::of(&corpus, case);
        // Before the one date of the algorithm policy, and after all of them.
        for from in [at("2018-06-01T00:00:00Z"), corpus.recorded_at()] {
            changes += subject.compare(from, &mut problems);
        }
    }
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
    assert!(changes > 400, "only {changes} changes were compared");
}

struct Subject {
    name: String,
    source: Source,
    trust: TrustStore,
    requirements: AgentRequirements,
}

impl Subject {
    fn of(corpus: &Corpus, case: &Case) -> Self {
        let mut trust = TrustStore::bundled();
        if let Some(name) = &case.trust
            && let Ok(bytes) = fs::read(corpus.folder().join("trust").join(format!("{name}.p12")))
        {
            trust.add(&bytes, Some("changeit")).unwrap();
        }
        let file = corpus.folder().join("jars").join(format!("{}.jar", case.name));
        let mut subject = Self {
            name: case.name.clone(),
            source: Source::from_bytes(fs::read(file).unwrap()),
            trust,
            requirements: AgentRequirements::default(),
        };
        let report = subject.examine(corpus.recorded_at());
        let own = report.signers().first().and_then(|signer| signer.organizations().first().cloned());
        subject.requirements.organization = own.unwrap_or_else(|| "nobody".to_owned());
        subject
    }

    fn examine(&self, at: Timestamp) -> Report {
        examine(&self.source, &Inputs::new(&self.trust, at)).unwrap()
    }

    fn verdicts(&self, at: Timestamp) -> Verdicts {
        self.verdicts_of(&self.examine(at))
    }

    fn verdicts_of(&self, report: &Report) -> Verdicts {
        let compat = CompatVerdict::of(report, &CompatOptions::default());
        let agent = AgentVerdict::of(report, &self.requirements);
        let reason = agent.reason().map(str::to_owned);
        (compat.exit_code(), compat.result_sentence().to_owned(), agent.accepted(), reason)
    }

    /// Compares what is foreseen with what happens: a second before and after each change, and between changes.
    fn compare(&self, from: Timestamp, problems: &mut Vec<String>) -> usize {
        let report = self.examine(from);
        let outlook = Outlook::of(&report, &CompatOptions::default(), &self.requirements);
        let mut current = self.verdicts_of(&report);
        let mut expect = |at: Timestamp, expected: &Verdicts| {
            let found = self.verdicts(at);
            let again = self.verdicts_of(&report.at(at).unwrap());
            if found != *expected || again != *expected {
                let name = &self.name;
                problems.push(format!(
                    "{name} from {from} at {at}: {found:?}, judged again {again:?}, expected {expected:?}"
                ));
            }
        };
        let second = SignedDuration::from_secs(1);
        let mut last = from;
        for change in outlook.changes() {
            assert!(!change.because().is_empty(), "{}: {change:?}", self.name);
            for at in grid(last, change.at()) {
                expect(at, &current);
            }
            if change.at() - second >= from {
                expect(change.at() - second, &current);
            }
            let agent = (change.agent_accepts(), change.agent_reason().map(str::to_owned));
            let jarsigner = change.jarsigner();
            current = (jarsigner.exit_code(), jarsigner.sentence().to_owned(), agent.0, agent.1);
            expect(change.at(), &current);
            expect(change.at() + second, &current);
            last = change.at();
        }
        for at in grid(last, at("2099-12-31T00:00:00Z")) {
            expect(at, &current);
        }
        assert!(report.at(from - second).is_none());
        outlook.changes().len()
    }
}

/// Three moments between two others.
fn grid(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Timestamp> {
    let step = from.duration_until(to) / 4;
    (1..4).map(move |steps| from + step * steps)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}
