//! What a run comes to, as a text that can be quoted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::judge::{Difference, Outcome, VERIFIED, masked, sentence};

/// Counts of everything that is reported.
#[derive(Default)]
pub(crate) struct Summary<'a> {
    mutants: u64,
    /// By exit code and sentence of jarsigner.
    verdicts: BTreeMap<(Option<i32>, String), u64>,
    /// How many there were, and how many of them jarsigner verified with exit code 0.
    kinds: BTreeMap<&'static str, (u64, u64)>,
    verified: u64,
    admitted: u64,
    equal_exit_codes: u64,
    equal_texts: u64,
    accepted_by_us_only: u64,
    unconfirmed: u64,
    explained: BTreeMap<&'a str, u64>,
    unexplained: BTreeMap<Difference, u64>,
    their_time: Duration,
    our_time: Duration,
}

impl<'a> Summary<'a> {
    /// Adds an outcome with the class that explains it, if one does.
    pub(crate) fn add(&mut self, outcome: &Outcome, class: Option<&'a str>) {
        let sentence = sentence(&outcome.theirs.text);
        // Of an exception only its class: the rest names entries.
        let text: Vec<&str> = sentence.splitn(3, ": ").take(2).collect();
        let text = if sentence.starts_with("jarsigner") { text.join(": ") } else { sentence.to_owned() };
        *self.verdicts.entry((outcome.theirs.exit_code, text)).or_default() += 1;
        let verified = sentence == VERIFIED && outcome.theirs.exit_code == Some(0);
        self.mutants += 1;
        self.verified += u64::from(verified);
        self.admitted += u64::from(outcome.admitted);
        self.equal_exit_codes += u64::from(outcome.ours.exit_code == outcome.theirs.exit_code);
        self.equal_texts += u64::from(masked(&outcome.ours.text) == masked(&outcome.theirs.text));
        let accepts = [Difference::WeAccept, Difference::Admitted];
        self.accepted_by_us_only +=
            u64::from(outcome.differences.iter().any(|difference| accepts.contains(difference)));
        self.unconfirmed += u64::from(outcome.unconfirmed.is_some());
        let mut kinds = outcome.mutant.kinds.clone();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let counts = self.kinds.entry(kind).or_default();
            counts.0 += 1;
            counts.1 += u64::from(verified);
        }
        match (class, outcome.differences.iter().min()) {
            (Some(class), _) => *self.explained.entry(class).or_default() += 1,
            (None, Some(worst)) => *self.unexplained.entry(*worst).or_default() += 1,
            (None, None) => {}
        }
        self.their_time += outcome.their_time;
        self.our_time += outcome.our_time;
    }

    /// How many differences no class explains.
    pub(crate) fn unexplained(&self) -> u64 {
        self.unexplained.values().sum()
    }

    fn share(&self, count: u64) -> String {
        let tenths = count * 1000 / self.mutants.max(1);
        format!("{count} ({}.{} %)", tenths / 10, tenths % 10)
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  made verified  change")?;
        for (kind, (made, verified)) in &self.kinds {
            writeln!(f, "{made:>6} {verified:>8}  {kind}")?;
        }
        writeln!(f, "\n count exit  what jarsigner says")?;
        let mut verdicts: Vec<_> = self.verdicts.iter().collect();
        verdicts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for ((exit, text), count) in verdicts {
            let exit = exit.map_or_else(|| "none".to_owned(), |code| code.to_string());
            writeln!(f, "{count:>6} {exit:>4}  {text}")?;
        }
        writeln!(f, "\nmutants: {}", self.mutants)?;
        writeln!(f, "verified by jarsigner with exit code 0: {}", self.share(self.verified))?;
        writeln!(f, "admissible: {}", self.admitted)?;
        writeln!(f, "equal exit codes: {}", self.share(self.equal_exit_codes))?;
        writeln!(f, "equal texts: {}", self.share(self.equal_texts))?;
        for (class, count) in &self.explained {
            writeln!(f, "explained: {count} by {class}")?;
        }
        writeln!(f, "unexplained: {} {:?}", self.unexplained(), self.unexplained)?;
        writeln!(f, "accepted by us and not by jarsigner: {}", self.accepted_by_us_only)?;
        writeln!(f, "differences that a fresh process did not confirm: {}", self.unconfirmed)?;
        let count = f64::from(u32::try_from(self.mutants.max(1)).unwrap_or(u32::MAX));
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0 / count;
        let (theirs, ours) = (milliseconds(self.their_time), milliseconds(self.our_time));
        writeln!(f, "time: jarsigner {theirs:.1} ms, midmirror {ours:.1} ms a file, at the same time")
    }
}
