//! Two lines on a terminal that are drawn again and again, each cut to the width of the terminal.
//!
//! The cursor always stands on the line below them, and no mode of the terminal is changed: who ends the program at any
//! moment finds the terminal as it was.

/// What stands on the terminal.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    /// Lengths of the lines, none if nothing is drawn.
    lines: Vec<usize>,
}

impl Drawing {
    /// Everything to be written at once to replace what was drawn before.
    pub(super) fn draw(&mut self, lines: [String; 2], width: usize) -> String {
        let mut text = self.clear(width);
        for line in &lines {
            text += line;
            text += "\r\n";
        }
        self.lines = lines.iter().map(String::len).collect();
        text
    }

    /// What takes the lines away; empty if there are none.
    pub(super) fn clear(&mut self, width: usize) -> String {
        // A terminal that was made narrower has broken the lines.
        let rows: usize = self.lines.drain(..).map(|length| length.div_ceil(width.max(1)).max(1)).sum();
        if rows == 0 { String::new() } else { format!("\x1b[{rows}A\r\x1b[J") }
    }
}

/// A name and what is to be said of it, most wanted first, in fewer columns than the terminal has: a terminal that is
/// full to its last column may begin the next line. The name is shortened in its middle, down to a few letters; then
/// the last words are left out.
pub(super) fn fit(name: &str, words: &[String], width: usize) -> String {
    let width = width.saturating_sub(1);
    let join = |count: usize| words.iter().take(count).map(String::as_str).collect::<Vec<_>>().join(", ");
    let count = (1..=words.len())
        .rev()
        .find(|count| NAME.min(name.len()) + ": ".len() + join(*count).len() <= width)
        .unwrap_or(1);
    let words = join(count);
    let line = match width.checked_sub(words.len() + ": ".len()) {
        Some(room) if room >= NAME.min(name.len()) && !name.is_empty() => {
            format!("{}: {words}", shorten(name, room))
        }
        _ => words,
    };
    line.chars().take(width).collect()
}

/// Vendor names begin with the kind and end with the platform; what is between counts least.
fn shorten(name: &str, room: usize) -> String {
    let length = name.chars().count();
    if length <= room {
        return name.to_owned();
    }
    let letters = room.saturating_sub(DOTS.len());
    let end = letters / 3;
    let begin: String = name.chars().take(letters - end).collect();
    let end: String = name.chars().skip(length - end).collect();
    format!("{begin}{DOTS}{end}")
}

const DOTS: &str = "...";
/// Columns that a name gets at least.
const NAME: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "mid-core.zurich-07-01-2025__patch7-hotfix1-06-18-2026_06-19-2026_0134.universal.universal.zip";

    fn words() -> Vec<String> {
        ["12 %", "4.2 MiB/s", "1 min 2 s left", "36.0 MiB of 300.0 MiB"].map(str::to_owned).to_vec()
    }

    #[test]
    fn lines_are_shorter_than_the_terminal_and_say_what_matters_most() {
        for (width, expected) in [
            (200, format!("{FILE}: 12 %, 4.2 MiB/s, 1 min 2 s left, 36.0 MiB of 300.0 MiB")),
            (
                80,
                "mid-core.zur...rsal.zip: 12 %, 4.2 MiB/s, 1 min 2 s left, 36.0 MiB of 300.0 MiB".to_owned(),
            ),
            (40, "mid-core.zurich...al.zip: 12 %, 4.2 MiB/s".to_owned()),
            (20, "12 %, 4.2 MiB/s".to_owned()),
            (10, "12 %".to_owned()),
            (3, "12".to_owned()),
        ] {
            let line = fit(FILE, &words(), width);
            assert!(line.len() < width, "{width}: {line}");
            if width > 40 || width < 20 {
                assert_eq!(line, expected, "{width}");
            }
        }
    }

    #[test]
    fn what_was_drawn_is_replaced_and_the_cursor_ends_below() {
        let mut drawing = Drawing::default();
        assert_eq!(drawing.clear(80), "");
        let lines = |text: &str| [text.to_owned(), "total".to_owned()];
        assert_eq!(drawing.draw(lines("one"), 80), "one\r\ntotal\r\n");
        assert_eq!(
            drawing.draw(lines(&"x".repeat(79)), 80),
            format!("\x1b[2A\r\x1b[J{}\r\ntotal\r\n", "x".repeat(79))
        );
        assert_eq!(drawing.clear(40), "\x1b[3A\r\x1b[J", "the terminal has broken the first line");
        assert_eq!(drawing.clear(40), "");
    }
}
