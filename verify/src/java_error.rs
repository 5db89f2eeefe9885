//! Failures in the words of the JDK, which scripts look for.

use std::fmt;
use std::str::Utf8Error;

use schemars::JsonSchema;
use serde::Serialize;

/// An exception as `jarsigner` prints it: class and message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JavaError {
    /// The exception class, for instance `java.util.zip.ZipException`.
    pub class: &'static str,
    /// The message.
    pub message: String,
}

impl JavaError {
    /// A malformed ZIP archive.
    pub(crate) fn zip(message: impl Into<String>) -> Self {
        Self { class: "java.util.zip.ZipException", message: message.into() }
    }

    /// A failed signature or digest.
    pub(crate) fn security(message: impl Into<String>) -> Self {
        Self { class: "java.lang.SecurityException", message: message.into() }
    }

    /// Whether it is a failed signature or digest.
    pub(crate) fn is_security(&self) -> bool {
        self.class == "java.lang.SecurityException"
    }

    /// Anything that could not be read or parsed.
    pub(crate) fn io(message: impl Into<String>) -> Self {
        Self { class: "java.io.IOException", message: message.into() }
    }

    /// The first of no values.
    pub(crate) fn no_first_value() -> Self {
        let class = "java.lang.ArrayIndexOutOfBoundsException";
        Self { class, message: "Index 0 out of bounds for length 0".to_owned() }
    }

    /// An array that is larger than the JDK can have.
    pub(crate) fn out_of_memory() -> Self {
        let class = "java.lang.OutOfMemoryError";
        Self { class, message: "Requested array size exceeds VM limit".to_owned() }
    }

    /// A digest of nothing.
    pub(crate) fn no_input() -> Self {
        let class = "java.lang.NullPointerException";
        Self { class, message: "Cannot read the array length because \"input\" is null".to_owned() }
    }

    /// A value that cannot be decoded.
    pub(crate) fn illegal_argument(message: impl Into<String>) -> Self {
        Self { class: "java.lang.IllegalArgumentException", message: message.into() }
    }

    /// Bytes that are not UTF-8, which begin `start` bytes into what is decoded.
    pub(crate) fn malformed_utf8(bytes: &[u8], error: &Utf8Error, start: usize) -> Self {
        let at = error.valid_up_to();
        let rest = bytes.get(at..).unwrap_or_default();
        // Java names the length that the first byte announces, as long as that many are there.
        let announced = match rest.first() {
            Some(0xC2..=0xDF) => 2,
            Some(0xE0..=0xEF) => 3,
            Some(0xF0..=0xF7) => 4,
            _ => 1,
        };
        let length = if rest.len() < announced { 1 } else { announced };
        Self::illegal_argument(format!("malformed input off : {}, length : {length}", start + at))
    }

    /// A stream that ended too early.
    pub(crate) fn end_of_file(message: impl Into<String>) -> Self {
        Self { class: "java.io.EOFException", message: message.into() }
    }
}

impl fmt::Display for JavaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.as_str() {
            "" => f.write_str(self.class),
            message => write!(f, "{}: {message}", self.class),
        }
    }
}
