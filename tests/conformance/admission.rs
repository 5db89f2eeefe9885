//! Admission never accepts what some `jarsigner` rejects, whichever of the recorded JDKs that is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::policy::RULE_AGENT;
use midmirror_mirror::admit::{AdmissionInputs, AdmissionPolicy, Decision, judge_file};
use midmirror_verify::TrustStore;

use super::material::{Case, Corpus, answers_of_other_jdks};

const VERIFIED: &str = "jar verified.";
const OTHER_JDKS: [&str; 2] = ["17.0.21.1", "25.0.3"];

#[test]
fn whatever_is_admitted_every_jarsigner_verifies_strictly() {
    let corpus = Corpus::committed();
    let others: BTreeMap<_, _> = answers_of_other_jdks()
        .into_iter()
        .filter(|answer| answer.run == "strict")
        .map(|answer| ((answer.case.clone(), answer.jdk.clone()), answer))
        .collect();
    let mut admitted = BTreeSet::new();
    let mut acceptable = BTreeSet::new();
    let mut problems = Vec::new();
    // A case with an alias or an option asks for more than whether the archive is good.
    for case in corpus.cases().iter().filter(|case| case.extra.is_empty()) {
        let decision = judge_as_own_organization(&corpus, case);
        if decision.is_admitted() {
            admitted.insert(case.name.as_str());
        }
        // Most cases have no timestamp, which only the MID Server's verifier demands: its rule must not hide the rest.
        if decision.refusals().iter().any(|refusal| refusal.rule != RULE_AGENT) {
            continue;
        }
        acceptable.insert(case.name.as_str());
        let reference = corpus.run(&case.name, "strict");
        let verified = reference.stdout.lines().any(|line| line == VERIFIED);
        if reference.exit_code != 0 || !verified {
            problems.push(format!("{}: JDK 17.0.15 ends {}", case.name, reference.exit_code));
        }
        for jdk in OTHER_JDKS {
            let answer = &others[&(case.name.clone(), jdk.to_owned())];
            if answer.exit_code != 0 || answer.sentence != VERIFIED {
                problems
                    .push(format!("{}: JDK {jdk} ends {}: {}", case.name, answer.exit_code, answer.sentence));
            }
        }
    }
    eprintln!("{} cases are admitted: {admitted:?}", admitted.len());
    eprintln!("{} would be if the MID Server's verifier agreed: {acceptable:?}", acceptable.len());
    assert!(problems.is_empty(), "we admit, some jarsigner rejects:\n{}", problems.join("\n"));
    assert!(acceptable.is_superset(&admitted));
    assert!(admitted.len() >= 10, "only {} cases are admitted: {admitted:?}", admitted.len());
    assert!(acceptable.len() > 80, "only {} cases are acceptable: {acceptable:?}", acceptable.len());
}

/// As admission judges, with a policy for the organisation that signed: only signature and structure decide.
fn judge_as_own_organization(corpus: &Corpus, case: &Case) -> Decision {
    let file = corpus.folder().join("jars").join(format!("{}.jar", case.name));
    let digest = Sha256Digest::of(&fs::read(&file).unwrap());
    // Like jarsigner: the roots that come with the program, and those of the key store.
    let mut trust = TrustStore::bundled();
    if let Some(name) = &case.trust
        && let Ok(bytes) = fs::read(corpus.folder().join("trust").join(format!("{name}.p12")))
    {
        trust.add(&bytes, Some("changeit")).unwrap();
    }
    let judge = |organization: &str| {
        let policy = AdmissionPolicy { organization: organization.to_owned(), ..AdmissionPolicy::default() };
        let inputs = AdmissionInputs { trust: &trust, policy: &policy, at: corpus.recorded_at() };
        judge_file(&file, None, digest, &inputs).unwrap()
    };
    let decision = judge("nobody");
    let own = decision
        .report()
        .and_then(|report| report.signers().first())
        .and_then(|signer| signer.organizations().first());
    match own {
        Some(organization) => judge(organization),
        None => decision,
    }
}

#[test]
fn the_table_of_other_jdks_is_complete() {
    let corpus = Corpus::committed();
    let answers = answers_of_other_jdks();
    let rows: BTreeSet<_> = answers.iter().map(|answer| (&answer.case, &answer.run, &answer.jdk)).collect();
    assert_eq!(rows.len(), answers.len(), "a row stands twice");
    assert_eq!(rows.len(), corpus.cases().len() * super::material::RUNS.len() * OTHER_JDKS.len());
    assert!(corpus.cases().iter().all(|case| answers.iter().any(|answer| answer.case == case.name)));
}
