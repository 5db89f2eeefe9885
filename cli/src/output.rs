//! Everything that is printed. stdout carries data, stderr the rest.

use std::io::{self, IsTerminal as _, Write};
use std::sync::OnceLock;

/// Prints one line of data.
pub(crate) fn data(line: impl AsRef<str>) {
    raw(line.as_ref().as_bytes());
    raw(b"\n");
}

/// Prints data as it is.
pub(crate) fn raw(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // A reader that went away (`| head`) is no failure of ours.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            LOST_DATA.get_or_init(|| error);
        }
        _ => {}
    }
}

/// Standard output for text that quotes a package: as it is, but harmless on a terminal. What cannot be written is for
/// [`lost_data`].
pub(crate) struct TextWriter;

impl Write for TextWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if io::stdout().is_terminal() {
            raw(printable(&String::from_utf8_lossy(bytes)).as_bytes());
        } else {
            raw(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard output for data that is made part by part. What cannot be written is for [`lost_data`].
pub(crate) struct DataWriter;

impl DataWriter {
    /// With a buffer, for those who write a few bytes at a time.
    pub(crate) fn buffered() -> io::BufWriter<Self> {
        io::BufWriter::with_capacity(64 * 1024, Self)
    }
}

impl Write for DataWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        raw(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why data could not be printed, for instance onto a full disk. Asked once at the end: a listing that is cut must not
/// pass for a whole one.
pub(crate) fn lost_data() -> Option<&'static io::Error> {
    LOST_DATA.get()
}

/// The first failure of standard output, of which there is one per process.
static LOST_DATA: OnceLock<io::Error> = OnceLock::new();

/// Prints a value as pretty JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    data(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a line for people.
pub(crate) fn note(line: impl AsRef<str>) {
    let mut err = io::stderr().lock();
    let _closed_pipe = writeln!(err, "{}", line.as_ref());
}

/// Prints an error with its causes and what to do next.
pub(crate) fn failure(error: &anyhow::Error, hint: Option<&str>) {
    note(format!("error: {}", printable(&error.to_string())));
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if text != last {
            note(format!("caused by: {}", printable(&text)));
        }
        last = text;
    }
    if let Some(hint) = hint {
        note(format!("hint: {hint}"));
    }
}

/// Replaces characters that could fake or hide output: control and direction characters (CVE-2018-12020).
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => character.to_string(),
            character if midmirror_verify::is_hidden_character(character) => {
                character.escape_unicode().to_string()
            }
            character => character.to_string(),
        })
        .collect()
}

/// Whether progress may be drawn.
pub(crate) fn is_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Columns of the terminal behind stderr.
pub(crate) fn terminal_width() -> usize {
    #[cfg(unix)]
    let columns = rustix::termios::tcgetwinsize(io::stderr()).map(|size| size.ws_col).unwrap_or_default();
    #[cfg(not(unix))]
    let columns = 0;
    // A terminal that does not know says 0.
    if columns == 0 { 80 } else { columns.into() }
}

/// A number with its noun.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {noun}s"),
    }
}

/// Bytes as people read them.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, factor) in UNITS {
        if bytes >= factor {
            let tenths = u128::from(bytes) * 10 / u128::from(factor);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}c\nd"), "a\\u{1b}[2Jb\\u{202e}c\nd");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!([count(0, "package"), count(1, "package")], ["0 packages", "1 package"]);
    }

    #[test]
    fn sizes_have_one_decimal() {
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(500_000_000), "476.8 MiB");
    }
}
