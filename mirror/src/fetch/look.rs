//! Asking what the upstream has under a URL without fetching it.

use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use super::FetchRecord;
use super::client::HttpClient;
use super::download::ProgressFn;
use super::error::FetchError;
use super::place::announced;
use super::quarantine::validators_in;
use super::retry::Backoff;
use super::validator::Validators;

/// What an upstream said of a file: enough to notice later that it has another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    validators: Validators,
    /// Length in bytes, if it was announced.
    pub(crate) length: Option<u64>,
}

impl Seen {
    /// What a fetch has learnt. A file that was brought by hand has a length and nothing else.
    pub(crate) fn of_record(record: &FetchRecord, length: u64) -> Self {
        Self { validators: validators_in(&record.headers), length: Some(length) }
    }

    fn of_headers(headers: &HeaderMap) -> Self {
        Self { validators: Validators::of(headers), length: announced(headers) }
    }

    /// Whether a later answer speaks of the same file. Without a validator on both sides nobody can tell.
    fn is_same(&self, now: &Self) -> bool {
        let comparable = |ours: &Option<String>, theirs: &Option<String>| ours.is_some() && theirs.is_some();
        let lengths_agree = match (self.length, now.length) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        let told = comparable(&self.validators.etag, &now.validators.etag)
            || comparable(&self.validators.last_modified, &now.validators.last_modified);
        told && lengths_agree && self.validators.agree_with(&now.validators)
    }
}

/// What the upstream has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// What was known.
    Same,
    /// Something else, or it cannot be told without fetching it.
    Other(Seen),
    /// Nothing any more.
    Gone,
}

impl HttpClient {
    /// Asks with HEAD, and where that is refused with a GET whose body is not read.
    pub(crate) async fn look(
        &self,
        url: &Url,
        known: &Seen,
        observer: &ProgressFn<'_>,
    ) -> Result<Look, FetchError> {
        let condition = known.validators.if_changed().unwrap_or_default();
        let deadline = self.deadline();
        let mut backoff = Backoff::new(&self.config().retry);
        let mut method = Method::HEAD;
        loop {
            let failure = match self.request(&method, url, &condition, &deadline).await {
                Ok(answer) if answer.status() == StatusCode::NOT_MODIFIED => return Ok(Look::Same),
                Ok(answer) => match answer.failure() {
                    None => {
                        let now = Seen::of_headers(answer.headers());
                        return Ok(if known.is_same(&now) { Look::Same } else { Look::Other(now) });
                    }
                    Some(failure) if matches!(failure.error, FetchError::NotFound { .. }) => {
                        return Ok(Look::Gone);
                    }
                    Some(failure) if !failure.error.is_transient() && method == Method::HEAD => {
                        method = Method::GET;
                        continue;
                    }
                    Some(failure) => failure,
                },
                Err(error) => error.into(),
            };
            self.pause(failure, &mut backoff, &deadline, observer).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(etag: Option<&str>, date: Option<&str>, length: Option<u64>) -> Seen {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Seen { validators: Validators { etag: owned(etag), last_modified: owned(date) }, length }
    }

    #[test]
    fn only_an_equal_validator_shows_that_a_file_is_the_same() {
        let known = seen(Some("\"a\""), Some("Mon"), Some(5));
        assert!(known.is_same(&known));
        assert!(known.is_same(&seen(Some("\"a\""), None, None)));
        assert!(known.is_same(&seen(None, Some("Mon"), Some(5))));
        assert!(!known.is_same(&seen(Some("\"b\""), Some("Mon"), Some(5))));
        assert!(!known.is_same(&seen(Some("\"a\""), Some("Tue"), Some(5))));
        assert!(!known.is_same(&seen(Some("\"a\""), Some("Mon"), Some(6))));
        assert!(!known.is_same(&seen(None, None, Some(5))), "a length alone proves nothing");
        assert!(!seen(None, None, Some(5)).is_same(&known));
    }
}
