//! Where the text goes.

use std::fmt;
use std::io::{self, Write};

/// A text that is written while it is made: the listing of a large archive has a hundred megabytes.
///
/// A failure is kept until the end, and nothing is written after it.
pub(super) struct Text<'a> {
    sink: &'a mut dyn Write,
    buffer: Vec<u8>,
    failure: Option<io::Error>,
}

impl<'a> Text<'a> {
    pub(super) fn new(sink: &'a mut dyn Write) -> Self {
        Self { sink, buffer: Vec::with_capacity(BUFFER), failure: None }
    }

    /// Adds text.
    pub(super) fn push_str(&mut self, text: &str) {
        if self.buffer.len() + text.len() > BUFFER {
            self.flush();
        }
        self.buffer.extend_from_slice(text.as_bytes());
    }

    /// Adds one character.
    pub(super) fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }

    /// Writes what is left, and says whether all could be written.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush();
        match self.failure {
            Some(failure) => Err(failure),
            None => self.sink.flush(),
        }
    }

    fn flush(&mut self) {
        if self.failure.is_none()
            && let Err(failure) = self.sink.write_all(&self.buffer)
        {
            self.failure = Some(failure);
        }
        self.buffer.clear();
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

const BUFFER: usize = 64 * 1024;
