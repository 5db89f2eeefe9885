//! How far something is that reads many bytes: one line on a terminal, now and then a line elsewhere.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use crate::output::{self, size};

/// Shows how far it is; the line on a terminal goes away when it is dropped.
pub(crate) struct ByteProgress {
    verb: &'static str,
    is_shown: bool,
    is_terminal: bool,
    begun: Instant,
    last: Instant,
    drawn: bool,
}

impl ByteProgress {
    pub(crate) fn new(verb: &'static str, is_shown: bool) -> Self {
        let now = Instant::now();
        Self { verb, is_shown, is_terminal: output::is_terminal(), begun: now, last: now, drawn: false }
    }

    /// So many of all bytes are done.
    pub(crate) fn show(&mut self, done: u64, total: u64) {
        let every = if self.is_terminal { Duration::from_millis(200) } else { Duration::from_secs(5) };
        let now = Instant::now();
        if !self.is_shown || now.duration_since(self.last) < every || total == 0 {
            return;
        }
        self.last = now;
        let line = line(self.verb, done, total, now.duration_since(self.begun));
        if self.is_terminal {
            self.drawn = true;
            let _closed = write!(io::stderr().lock(), "\r\x1b[K{line}");
        } else {
            output::note(line);
        }
    }
}

impl Drop for ByteProgress {
    fn drop(&mut self) {
        if self.drawn {
            let _closed = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn line(verb: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let percent = u128::from(done) * 100 / u128::from(total.max(1));
    let mut line = format!("{verb} {} of {}, {percent} %", size(done), size(total));
    let milliseconds = elapsed.as_millis();
    if milliseconds >= 1000 {
        let rate = u64::try_from(u128::from(done) * 1000 / milliseconds).unwrap_or(u64::MAX);
        line += &format!(", {}/s", size(rate));
        if rate > 0 {
            let left = total.saturating_sub(done).div_ceil(rate);
            line += &format!(", {}:{:02} left", left / 60, left % 60);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_tells_how_much_how_fast_and_how_long() {
        let told = line("checked", 30 << 20, 120 << 20, Duration::from_secs(3));
        assert_eq!(told, "checked 30.0 MiB of 120.0 MiB, 25 %, 10.0 MiB/s, 0:09 left");
        assert_eq!(line("checked", 1, 2, Duration::from_millis(10)), "checked 1 bytes of 2 bytes, 50 %");
    }
}
