//! Lines, headers and names of manifests and signature files, read as the JDK reads them.

use std::borrow::Cow;

use crate::java_error::JavaError;
use crate::java_text;

/// Lines with their ends, at most 512 bytes long.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    number: usize,
}

impl<'a> Lines<'a> {
    /// Starts at a position.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, number: 0 }
    }

    /// The position of the next line.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The next line without its end. A last line without end does not exist for the JDK.
    fn next(&mut self, too_long: &str) -> Result<Option<&'a [u8]>, JavaError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let window = rest.get(..MAX_LINE).unwrap_or(rest);
        let Some(end) = memchr::memchr2(b'\n', b'\r', window) else {
            self.at = self.bytes.len();
            if window.len() < MAX_LINE {
                return Ok(None);
            }
            self.number += 1;
            return Err(JavaError::io(format!("{too_long} (line {})", self.number)));
        };
        let both = window.get(end) == Some(&b'\r') && window.get(end + 1) == Some(&b'\n');
        self.at += end + 1 + usize::from(both);
        self.number += 1;
        Ok(window.get(..end))
    }

    /// Whether the next line continues this one.
    fn continues(&self) -> bool {
        self.bytes.get(self.at) == Some(&b' ')
    }

    fn error(&self, message: &str) -> JavaError {
        JavaError::io(format!("{message} (line {})", self.number))
    }

    /// Reads headers up to an empty line or the end.
    pub(super) fn read_headers(
        &mut self,
        mut header: impl FnMut(&'a str, Cow<'a, [u8]>),
    ) -> Result<(), JavaError> {
        let mut pending: Option<(&'a [u8], Cow<'a, [u8]>)> = None;
        let mut seen_header = false;
        while let Some(line) = self.next("line too long")? {
            if line.is_empty() {
                break;
            }
            let (name, value) = if let Some(more) = line.strip_prefix(b" ") {
                if !seen_header {
                    return Err(self.error("misplaced continuation line"));
                }
                let Some((name, mut value)) = pending.take() else {
                    return Err(self.error("misplaced continuation line"));
                };
                value.to_mut().extend_from_slice(more);
                (name, value)
            } else {
                let (name, value) = split_header(line).ok_or_else(|| self.error("invalid header field"))?;
                seen_header = true;
                (name, Cow::Borrowed(value))
            };
            if self.continues() {
                pending = Some((name, value));
                continue;
            }
            let Some(name) = header_name(name) else {
                let name = java_text::utf8(name);
                return Err(self.error(&format!("invalid header field name: {name}")));
            };
            header(name, value);
        }
        Ok(())
    }

    /// Reads the `Name: ` line that starts a section, with its continuations.
    pub(super) fn read_name(&mut self) -> Result<Option<Cow<'a, str>>, JavaError> {
        let mut value: Option<Cow<'a, [u8]>> = None;
        while let Some(line) = self.next("manifest line too long")? {
            let joined = match value.take() {
                None if line.is_empty() => continue,
                None => {
                    let name = line
                        .split_at_checked(6)
                        .filter(|(head, _)| head.eq_ignore_ascii_case(b"Name: "))
                        .ok_or_else(|| self.error("invalid manifest format"))?;
                    Cow::Borrowed(name.1)
                }
                Some(mut joined) => {
                    joined.to_mut().extend_from_slice(line.get(1..).unwrap_or_default());
                    joined
                }
            };
            if self.continues() {
                value = Some(joined);
                continue;
            }
            return Ok(Some(text(joined)));
        }
        Ok(None)
    }
}

/// Bytes as text; what is not UTF-8 becomes U+FFFD, as in Java.
pub(super) fn text(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        // Checking alone is many times faster than looking for something to replace.
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(java_text::utf8(bytes)),
        },
        Cow::Owned(bytes) => Cow::Owned(java_text::utf8(&bytes)),
    }
}

fn split_header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let value = line.get(colon + 1..)?.strip_prefix(b" ")?;
    Some((line.get(..colon)?, value))
}

fn header_name(name: &[u8]) -> Option<&str> {
    let allowed = (1..=70).contains(&name.len())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    std::str::from_utf8(name).ok().filter(|_| allowed)
}

const MAX_LINE: usize = 512;
