//! Admission never accepts what some `jarsigner` rejects, whichever of the recorded JDKs that is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::policy::{
    RULE_AGENT, RULE_AUTHORITY_EXPIRED, RULE_CODE_SIGNING, RULE_JARSIGNER,
};
use midmirror_mirror::admit::{AdmissionInputs, AdmissionPolicy, Decision, judge_file};
use midmirror_verify::{Jdk, TrustStore};

use super::material::{Case, Corpus, RUNS, answers_with_own_roots};

const VERIFIED: &str = "jar verified.";
const STRICT_RUNS: [&str; 2] = ["strict", "full"];
const READERS: &str = "readers-disagree";

#[test]
fn whatever_is_admitted_every_jarsigner_verifies_strictly() {
    let corpus = Corpus::committed(Jdk::default());
    let recorded = Answers::read();
    let mut admitted = BTreeSet::new();
    let mut acceptable = BTreeSet::new();
    let mut problems = Vec::new();
    for case in asked_about_the_archive(&corpus) {
        let decision = judge_as_own_organization(&corpus, case);
        if decision.is_admitted() {
            admitted.insert(case.name.as_str());
        }
        let answers = || Jdk::ALL.into_iter().flat_map(|jdk| STRICT_RUNS.map(|run| (jdk, run)));
        let verifies = |(jdk, run)| recorded.get(&case.name, run, jdk) == (0, VERIFIED);
        let by_jarsigner = decision.refusals().iter().find(|refusal| refusal.rule == RULE_JARSIGNER);
        // A key store makes the difference there: without, being self-signed is a fault.
        if let Some(refusal) = by_jarsigner
            && answers().all(verifies)
            && case.name != "cert-self-signed-trusted"
        {
            problems.push(format!("{}: every JDK verifies it, but: {}", case.name, refusal.text));
        }
        // Most cases have no timestamp, which only the MID Server's verifier demands, and some signers do not name code
        // signing, as it and the policy demand, or need proof of earlier admission: these rules must not hide the rest.
        let beyond_jarsigner = [RULE_AGENT, RULE_CODE_SIGNING, RULE_AUTHORITY_EXPIRED];
        if decision.refusals().iter().any(|refusal| !beyond_jarsigner.contains(&refusal.rule)) {
            continue;
        }
        acceptable.insert(case.name.as_str());
        for (jdk, run) in answers() {
            let (exit_code, sentence) = recorded.get(&case.name, run, jdk);
            if exit_code != 0 || sentence != VERIFIED {
                problems.push(format!("{}.{run}: JDK {jdk} ends {exit_code}: {sentence}", case.name));
            }
        }
    }
    eprintln!("{} cases are admitted: {admitted:?}", admitted.len());
    eprintln!("{} would be if the MID Server's verifier agreed: {acceptable:?}", acceptable.len());
    assert!(
        problems.is_empty(),
        "we admit, some jarsigner rejects, or the other way round:\n{}",
        problems.join("\n")
    );
    assert!(acceptable.is_superset(&admitted));
    // `ts-future` is refused on purpose: its timestamp lies after the moment of judgement.
    assert!(!acceptable.contains("ts-future"));
    assert!(admitted.len() >= 9, "only {} cases are admitted: {admitted:?}", admitted.len());
    assert!(acceptable.len() >= 120, "only {} cases are acceptable: {acceptable:?}", acceptable.len());
}

#[test]
fn what_only_newer_jdks_reject_has_a_rule_of_its_own() {
    let corpus = Corpus::committed(Jdk::default());
    let answers = Answers::read();
    let mut rules = BTreeMap::new();
    for case in asked_about_the_archive(&corpus) {
        let rejects = |jdk| STRICT_RUNS.iter().any(|run| answers.get(&case.name, run, jdk).0 != 0);
        if !rejects(Jdk::V17_0_15) && Jdk::ALL.into_iter().any(rejects) {
            let decision = judge_as_own_organization(&corpus, case);
            let newer = |text: &str| text.contains("(JDK 17.0.21") || text.contains("(JDK 25)");
            let by_jarsigner = decision.refusals().iter().find(|refusal| refusal.rule == RULE_JARSIGNER);
            assert!(
                by_jarsigner.is_some_and(|refusal| newer(&refusal.text)),
                "{}: {by_jarsigner:?}",
                case.name
            );
            let named = decision.refusals().iter().map(|refusal| refusal.rule);
            let own: BTreeSet<_> =
                named.filter(|rule| ![RULE_AGENT, RULE_JARSIGNER, READERS].contains(rule)).collect();
            rules.insert(case.name.as_str(), own);
        }
    }
    let expected = BTreeMap::from([
        ("ts-wrong-content-type", ["timestamp-content-type"].into()),
        ("zip-bad-crc", ["wrong-crc"].into()),
        ("zip-bad-crc-deflated", ["wrong-crc"].into()),
        ("zip-count-high", ["entry-count"].into()),
        ("zip-stored-descriptor", ["stored-with-descriptor"].into()),
    ]);
    assert_eq!(rules, expected);
}

/// Exit code and result sentence by case, run and JDK.
struct Answers(BTreeMap<(String, String, Jdk), (u8, String)>);

impl Answers {
    fn read() -> Self {
        let mut answers = BTreeMap::new();
        for corpus in Jdk::ALL.map(Corpus::committed) {
            for (case, run) in corpus.cases().iter().flat_map(|case| RUNS.map(|run| (case, run))) {
                let answer = corpus.run(&case.name, run);
                let verified = answer.stdout.lines().any(|line| line == VERIFIED);
                let sentence = if verified { VERIFIED } else { "not verified" }.to_owned();
                let key = (case.name.clone(), run.to_owned(), corpus.jdk());
                answers.insert(key, (answer.exit_code, sentence));
            }
        }
        for answer in answers_with_own_roots() {
            answers.insert((answer.case, answer.run, answer.jdk), (answer.exit_code, answer.sentence));
        }
        Self(answers)
    }

    /// What a JDK says that trusts the case's authorities. With `-keystore`, exit code 32 alone says that no certificate
    /// of the signature stands in that key store, which is another question: then the answer counts that the JDK gave
    /// with the same authorities as its own, without a key store.
    fn get(&self, case: &str, run: &str, jdk: Jdk) -> (u8, &str) {
        let find = |run: &str| self.0.get(&(case.to_owned(), run.to_owned(), jdk));
        let with_keystore = find(run).unwrap_or_else(|| panic!("no answer of {jdk} to {case}.{run}"));
        let own = find(&format!("{run}-own-roots")).filter(|_| with_keystore.0 == 32);
        let (exit_code, sentence) = own.unwrap_or(with_keystore);
        (*exit_code, sentence)
    }
}

/// With an alias or an option, a case asks for more than whether the archive is good.
fn asked_about_the_archive(corpus: &Corpus) -> impl Iterator<Item = &Case> {
    corpus.cases().iter().filter(|case| case.extra.is_empty())
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
        let inputs = AdmissionInputs::new(&trust, &policy, corpus.recorded_at());
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
