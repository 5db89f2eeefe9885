//! User name and password for a host (RFC 7617). They never stand in a URL, a log line or an error.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use thiserror::Error;

/// User name and password of an account on a host.
#[derive(Clone)]
pub struct BasicCredentials {
    header: HeaderValue,
}

/// The text is no `user:password`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the first line is not user:password")]
pub struct CredentialsError;

impl BasicCredentials {
    /// Reads the first line of a file, `user:password`; the password may contain colons.
    pub fn parse(text: &str) -> Result<Self, CredentialsError> {
        let line = text.lines().next().unwrap_or_default();
        let is_pair = line.split_once(':').is_some_and(|(user, _)| !user.is_empty());
        if !is_pair || line.len() > 1000 || line.chars().any(char::is_control) {
            return Err(CredentialsError);
        }
        let value = format!("Basic {}", STANDARD.encode(line));
        let mut header = HeaderValue::try_from(value).map_err(|_invalid| CredentialsError)?;
        header.set_sensitive(true);
        Ok(Self { header })
    }

    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BasicCredentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_and_never_shown() {
        let credentials = BasicCredentials::parse("Aladdin:open sesame\nmore").unwrap();
        // The example of RFC 7617, section 2.
        assert_eq!(credentials.header(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{credentials:?} {:?}", credentials.header()), "BasicCredentials Sensitive");
        for bad in ["", "secret", ":secret", "us\ter:secret"] {
            let error = BasicCredentials::parse(bad).unwrap_err();
            assert!(!error.to_string().contains("secret"));
        }
    }
}
