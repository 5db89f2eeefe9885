//! Differences that have a reason, by the classes of `fixtures/conformance/explained.tsv`.

use super::judge::{Difference, Outcome, masked};

/// One line of the table.
pub(crate) struct Class {
    pub(crate) name: String,
    /// The worst difference that it explains.
    worst: Difference,
    theirs: String,
    ours: String,
    /// Only where no signature counts for either, so that signatures are described and not judged.
    unsigned: bool,
}

impl Class {
    /// The worst difference that it explains.
    #[cfg(test)]
    pub(crate) fn worst(&self) -> Difference {
        self.worst
    }

    fn explains(&self, outcome: &Outcome, worst: Difference) -> bool {
        let (theirs, ours) = (masked(&outcome.theirs.text), masked(&outcome.ours.text));
        if self.worst == Difference::ExitCode {
            // Only what we refuse, or call worse than jarsigner does, for the reason that the text states.
            let is_safe = outcome.ours.exit_code != Some(0) || outcome.theirs.exit_code == Some(0);
            return is_safe && theirs.contains(&self.theirs) && ours.contains(&self.ours);
        }
        if self.unsigned && ![&theirs, &ours].iter().all(|text| text.contains("jar is unsigned.")) {
            return false;
        }
        // All lines that only one of the texts has.
        let only = |text: &str, other: &str, part: &str| {
            text.lines()
                .filter(|line| !other.lines().any(|known| known == *line))
                .all(|line| line.contains(part))
        };
        worst >= self.worst
            && only(&theirs, &ours, &self.theirs)
            && (self.unsigned || only(&ours, &theirs, &self.ours))
    }
}

/// Reads the table; the error names the line.
pub(crate) fn read(table: &str) -> Result<Vec<Class>, String> {
    let class = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, worst, theirs, ours, reason] = columns[..] else { return None };
        let (worst, unsigned) = match worst {
            "exit" => (Difference::ExitCode, false),
            "text" => (Difference::Sentence, false),
            "unsigned" => (Difference::Text, true),
            _ => return None,
        };
        // What we refuse we give a reason for; of texts both sides are known.
        let says_enough = !ours.is_empty() && (worst == Difference::ExitCode || !theirs.is_empty());
        (says_enough && !name.is_empty() && !reason.is_empty()).then(|| Class {
            name: name.to_owned(),
            worst,
            theirs: theirs.to_owned(),
            ours: ours.to_owned(),
            unsigned,
        })
    };
    table.lines().map(|line| class(line).ok_or_else(|| format!("malformed: {line}"))).collect()
}

/// The class that explains all differences of an outcome. What only one of us accepts is never explained if it is us.
pub(crate) fn explain<'a>(classes: &'a [Class], outcome: &Outcome) -> Option<&'a str> {
    let worst = *outcome.differences.iter().min()?;
    let fits = |class: &&Class| worst >= Difference::ExitCode && class.explains(outcome, worst);
    classes.iter().find(fits).map(|class| class.name.as_str())
}

/// The table, and beside it the reasons.
pub(crate) const TABLE: &str = include_str!("../../../fixtures/conformance/explained.tsv");
