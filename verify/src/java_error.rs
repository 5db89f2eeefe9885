//! Failures in the words of the JDK, which scripts look for.

use std::fmt;

use serde::Serialize;

/// An exception as `jarsigner` prints it: class and message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

    /// Anything that could not be read or parsed.
    pub(crate) fn io(message: impl Into<String>) -> Self {
        Self { class: "java.io.IOException", message: message.into() }
    }

    /// The first of no values.
    pub(crate) fn no_first_value() -> Self {
        let class = "java.lang.ArrayIndexOutOfBoundsException";
        Self { class, message: "Index 0 out of bounds for length 0".to_owned() }
    }

    /// A value that cannot be decoded.
    pub(crate) fn illegal_argument(message: impl Into<String>) -> Self {
        Self { class: "java.lang.IllegalArgumentException", message: message.into() }
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
