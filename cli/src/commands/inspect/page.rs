//! The text of `inspect`: headings, labelled lines, tables. Whatever goes through here is safe for a terminal.

use midmirror_verify::is_hidden_character;

/// Text that grows line by line. Control and direction characters are escaped, long lines end with their length.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// A line at the left margin, with an empty line before it.
    pub(super) fn heading(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.line(0, text);
    }

    /// A line of its own. `depth` counts steps of two blanks.
    pub(super) fn line(&mut self, depth: usize, text: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(shown(text, MAX_LINE).trim_end());
        self.text.push('\n');
    }

    /// A value with its label; all values of one depth begin in one column.
    pub(super) fn field(&mut self, depth: usize, label: &str, value: &str) {
        self.line(depth, &format!("{label:<LABEL$}{}", shown(value, MAX_LINE)));
    }

    /// Several values under one label, at most ten.
    pub(super) fn list<T: AsRef<str>>(&mut self, depth: usize, label: &str, values: &[T]) {
        for (index, value) in values.iter().take(MAX_LIST).enumerate() {
            self.field(depth, if index == 0 { label } else { "" }, value.as_ref());
        }
        if let Some(more @ 1..) = values.len().checked_sub(MAX_LIST) {
            self.field(depth, "", &format!("… and {more} more (--json has all)"));
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// A name inside a line: escaped and short.
pub(super) fn name(text: &str) -> String {
    shown(text, MAX_NAME)
}

/// Text that stays in its line, shows what it holds (CVE-2018-12020) and ends.
fn shown(text: &str, max: usize) -> String {
    let mut line = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(max) {
        if is_hidden_character(character) {
            line.extend(character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    if characters.next().is_some() {
        line.push_str(&format!("… ({} bytes)", text.len()));
    }
    line
}

const LABEL: usize = 12;
const MAX_NAME: usize = 160;
const MAX_LINE: usize = 400;
const MAX_LIST: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_line_or_hides() {
        let mut page = Page::default();
        page.field(1, "subject", "CN=a\nverdict  verified\u{1b}[2K\u{202e}\u{61c}");
        assert_eq!(page.text(), "  subject     CN=a\\u{a}verdict  verified\\u{1b}[2K\\u{202e}\\u{61c}\n");
    }

    #[test]
    fn long_texts_end_with_their_length() {
        assert_eq!(name(&"x".repeat(MAX_NAME)), "x".repeat(MAX_NAME));
        assert_eq!(name(&"é".repeat(MAX_NAME + 1)), format!("{}… (322 bytes)", "é".repeat(MAX_NAME)));
    }

    #[test]
    fn long_lists_end_with_a_count() {
        let mut page = Page::default();
        page.list(0, "names", &["a"; 12]);
        assert_eq!(page.text().lines().count(), 11);
        assert!(page.text().ends_with("… and 2 more (--json has all)\n"));
    }
}
