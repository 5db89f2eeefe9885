//! Pieces of HTML. Every text from outside goes through [`Escaped`].

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use midmirror_verify::is_hidden_character;

/// A page that grows.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds markup; the arguments have to be numbers, markup of ours, or [`Escaped`].
    pub(super) fn push(&mut self, markup: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(markup);
    }

    /// Adds markup of ours as it is.
    pub(super) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// Adds markup to a page: `put!(page, "<p>{}</p>\n", Escaped(text))`.
macro_rules! put {
    ($page:expr, $($part:tt)*) => {
        $page.push(format_args!($($part)*))
    };
}
pub(super) use put;

/// Text that is safe between tags and inside quoted attributes.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        // Most texts need nothing.
        while let Some(at) =
            rest.find(|c: char| matches!(c, '<' | '>' | '&' | '"' | '\'') || is_hidden_character(c))
        {
            let (before, behind) = rest.split_at(at);
            f.write_str(before)?;
            let mut characters = behind.chars();
            match characters.next() {
                Some('<') => f.write_str("&lt;")?,
                Some('>') => f.write_str("&gt;")?,
                Some('&') => f.write_str("&amp;")?,
                Some('"') => f.write_str("&quot;")?,
                Some('\'') => f.write_str("&#39;")?,
                // What turns the direction of writing, or cannot be seen, could make a name read as another.
                Some(hidden) => write!(f, "{}", hidden.escape_unicode())?,
                None => {}
            }
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

/// Lines of text; only what begins a line is kept as it is.
pub(super) struct Lines<'a>(pub(super) &'a str);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.lines() {
            writeln!(f, "{}", Escaped(line))?;
        }
        Ok(())
    }
}

/// A day, with the exact time for programs.
pub(super) struct Day(pub(super) Timestamp);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at) = self;
        write!(f, "<time datetime=\"{at}\">{}</time>", at.strftime("%Y-%m-%d"))
    }
}

/// A time to the second.
pub(super) struct Time(pub(super) Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(at) = self;
        write!(f, "<time datetime=\"{at}\">{}</time>", at.strftime("%Y-%m-%d %H:%M:%S UTC"))
    }
}

/// A number of bytes, as people read it.
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tenths = self.0.saturating_mul(10);
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if tenths < 10_240 || unit == "GiB" {
                return match unit {
                    "B" => write!(f, "{} B", self.0),
                    _ => write!(f, "{}.{} {unit}", Grouped(tenths / 10), tenths % 10),
                };
            }
            tenths = tenths.saturating_add(512) / 1024;
        }
        Ok(())
    }
}

/// A number with commas.
pub(super) struct Grouped(pub(super) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// `1 package`, `2 packages`.
pub(super) struct Count<'a>(pub(super) usize, pub(super) &'a str);

impl fmt::Display for Count<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u64::try_from(self.0).unwrap_or(u64::MAX);
        write!(f, "{} {}{}", Grouped(number), self.1, if number == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_direction_marks_in_names_are_harmless() {
        let text =
            Escaped("O=<script>alert('1')</script> & \"x\" \u{202E}gnp\u{1b}[31m \u{200b}ü").to_string();
        assert!(!text.contains(['<', '>', '"', '\'', '\u{202E}', '\u{1b}', '\u{200b}']), "{text}");
        assert!(text.contains("&lt;script&gt;") && text.ends_with('ü'));
        assert_eq!(Lines("a\r\n<b>\u{1b}").to_string(), "a\n&lt;b&gt;\\u{1b}\n");
    }

    #[test]
    fn numbers_are_readable() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (155_545, "151.9 KiB"),
            (300_000_000, "286.1 MiB"),
            (u64::MAX, "1,717,986,918.4 GiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
        assert_eq!(Grouped(1_234_567).to_string(), "1,234,567");
        assert_eq!(Count(1, "package").to_string(), "1 package");
        assert_eq!(Count(10_000, "build").to_string(), "10,000 builds");
    }
}
