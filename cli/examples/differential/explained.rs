//! Differences that have a reason, by the classes of `fixtures/conformance/explained.tsv`.

use super::judge::{Difference, Outcome};

/// One line of the table.
pub(crate) struct Class {
    pub(crate) name: String,
    /// The worst difference that it explains.
    worst: Difference,
    theirs: String,
    ours: String,
}

impl Class {
    /// The worst difference that it explains.
    #[cfg(test)]
    pub(crate) fn worst(&self) -> Difference {
        self.worst
    }
}

/// Reads the table; the error names the line.
pub(crate) fn read(table: &str) -> Result<Vec<Class>, String> {
    let class = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, worst, theirs, ours, reason] = columns[..] else { return None };
        let worst = match worst {
            "exit" => Difference::ExitCode,
            "text" => Difference::Sentence,
            _ => return None,
        };
        let says_something = !theirs.is_empty() || !ours.is_empty();
        (says_something && !name.is_empty() && !reason.is_empty()).then(|| Class {
            name: name.to_owned(),
            worst,
            theirs: theirs.to_owned(),
            ours: ours.to_owned(),
        })
    };
    table.lines().map(|line| class(line).ok_or_else(|| format!("malformed: {line}"))).collect()
}

/// The class that explains all differences of an outcome. What only one of us accepts is never explained if it is us.
pub(crate) fn explain<'a>(classes: &'a [Class], outcome: &Outcome) -> Option<&'a str> {
    let worst = *outcome.differences.iter().min()?;
    let fits = |class: &&Class| {
        worst >= class.worst
            && outcome.theirs.text.contains(&class.theirs)
            && outcome.ours.text.contains(&class.ours)
    };
    classes.iter().find(fits).map(|class| class.name.as_str())
}

/// The table, and beside it the reasons.
pub(crate) const TABLE: &str = include_str!("../../../fixtures/conformance/explained.tsv");
