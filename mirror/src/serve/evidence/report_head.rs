//! The beginning of a stored report: verdicts, what will change, signers. The list of entries, which has most of the
//! length, comes last and is not read.

use std::fmt;
use std::io::Read;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What is shown of a report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    pub(crate) organization: Option<String>,
    pub(crate) compat: Option<Jarsigner>,
    pub(crate) agent: Option<Agent>,
    pub(crate) changes: Vec<Change>,
    pub(crate) relaxed: Vec<Said>,
    pub(crate) notices: Vec<Said>,
    pub(crate) examined_at: Option<Timestamp>,
    pub(crate) anchors: Option<Anchors>,
    pub(crate) entries: Option<u64>,
    pub(crate) findings: usize,
    pub(crate) signers: Vec<Signer>,
}

/// What `jarsigner -verify -strict` concludes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Jarsigner {
    /// The JDK whose jarsigner it is: its feature release.
    pub(crate) jdk: u32,
    /// Its exit code with `-strict`.
    pub(crate) exit_code: u8,
    /// The sentence that it ends with.
    pub(crate) result: String,
    /// Its errors.
    pub(crate) errors: Vec<String>,
    /// Its warnings.
    pub(crate) warnings: Vec<String>,
}

/// What the MID Server's own verifier concludes.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Agent {
    /// Whether it accepts the package.
    pub(crate) accepted: bool,
    /// Why it does not.
    pub(crate) reason: Option<String>,
}

/// A moment from which a verdict is another one if nothing but time goes by.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Change {
    /// From when on.
    pub(crate) at: Timestamp,
    /// What jarsigner says from then on.
    pub(crate) jarsigner: Forecast,
    /// What the MID Server says from then on.
    pub(crate) agent: Agent,
    /// Why.
    pub(crate) because: String,
}

/// What `jarsigner -verify -strict` will conclude.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Forecast {
    /// Its exit code.
    pub(crate) exit_code: u8,
    /// The sentence that it will end with.
    pub(crate) sentence: String,
}

/// A rule and a text.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Said {
    pub(crate) rule: String,
    pub(crate) text: String,
    pub(crate) reason: Option<String>,
}

/// Which trust anchors were used.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Anchors {
    pub(crate) sha256: String,
    pub(crate) anchors: usize,
}

/// Who signed, as recorded at the admission.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Signer {
    /// The digest algorithm of the signature.
    pub(crate) digest_algorithm: String,
    /// The signature algorithm.
    pub(crate) signature_algorithm: String,
    /// How many entries are signed.
    pub(crate) entries: u64,
    #[serde(flatten)]
    pub(crate) chain: Chain,
    /// The timestamp, if there is one.
    pub(crate) timestamp: Option<Stamp>,
}

/// A timestamp (RFC 3161).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Stamp {
    /// Its time.
    pub(crate) gen_time: Timestamp,
    /// The digest algorithm of what is stamped.
    pub(crate) imprint_algorithm: String,
    /// The signature algorithm.
    pub(crate) signature_algorithm: String,
    #[serde(flatten)]
    pub(crate) chain: Chain,
}

/// A chain of certificates and what it ends in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Chain {
    /// The certificates as offered by the signature, the signer's first.
    #[serde(rename = "chain")]
    pub(crate) certificates: Vec<Certificate>,
    /// The outcome of validating it.
    pub(crate) validation: Validation,
}

/// The outcome of validating a chain.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Validation {
    /// As of when it was judged.
    pub(crate) at: Timestamp,
    /// The trust anchor that it ends in.
    pub(crate) anchor: Option<Anchor>,
}

/// A trust anchor.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Anchor {
    /// Its subject.
    pub(crate) subject: String,
    /// SHA-256 of the certificate, in hexadecimal.
    pub(crate) sha256: String,
}

/// A certificate.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Certificate {
    /// Its subject.
    pub(crate) subject: String,
    /// Its issuer.
    pub(crate) issuer: String,
    /// Its serial number, in hexadecimal.
    pub(crate) serial: String,
    /// SHA-256 of the certificate, in hexadecimal.
    pub(crate) sha256: String,
    /// From when on it is valid.
    pub(crate) not_before: Timestamp,
    /// Until when it is valid.
    pub(crate) not_after: Timestamp,
}

impl Head {
    /// Reads it.
    pub(super) fn read(reader: impl Read) -> Result<Self, serde_json::Error> {
        let mut reading = Reading { head: Self::default(), is_enough: false };
        let mut json = serde_json::Deserializer::from_reader(reader.take(LONGEST_HEAD));
        match (DocumentSeed(&mut reading).deserialize(&mut json), reading.is_enough) {
            (Ok(()), _) | (Err(_), true) => Ok(reading.head),
            (Err(error), false) => Err(error),
        }
    }

    /// The first moment from which one of the two verdicts is a refusal.
    pub(crate) fn end_of_verdict(&self) -> Option<Timestamp> {
        self.changes.iter().find(|change| change.is_refusal()).map(|change| change.at)
    }
}

impl Change {
    /// Whether jarsigner or the MID Server refuses from then on.
    pub(crate) fn is_refusal(&self) -> bool {
        self.jarsigner.exit_code != 0 || !self.agent.accepted
    }
}

struct Reading {
    head: Head,
    is_enough: bool,
}

/// The document: verdicts, then the report.
struct DocumentSeed<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for DocumentSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for DocumentSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stored report")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        #[derive(Deserialize)]
        struct Outlook {
            changes: Vec<Change>,
        }
        while let Some(key) = map.next_key::<String>()? {
            let head = &mut self.0.head;
            match key.as_str() {
                "organization" => head.organization = map.next_value()?,
                "compat" => head.compat = map.next_value()?,
                "agent" => head.agent = map.next_value()?,
                "outlook" => {
                    let outlook: Option<Outlook> = map.next_value()?;
                    head.changes = outlook.map(|outlook| outlook.changes).unwrap_or_default();
                }
                "relaxed" => head.relaxed = bounded(&mut map)?,
                "notices" => head.notices = bounded(&mut map)?,
                "report" => map.next_value_seed(ReportSeed(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The facts; null for files that carry no JAR signature.
struct ReportSeed<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for ReportSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ReportSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the facts of a report, or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let head = &mut self.0.head;
            match key.as_str() {
                "examined_at" => head.examined_at = map.next_value()?,
                "trust_store" => head.anchors = map.next_value()?,
                "entry_count" => head.entries = map.next_value()?,
                "findings" => head.findings = map.next_value::<Vec<IgnoredAny>>()?.len(),
                "signers" => head.signers = bounded(&mut map)?,
                // Nothing follows but these, of which there can be 50,000.
                "entries" => {
                    self.0.is_enough = true;
                    return Err(A::Error::custom("enough"));
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The first things of a list.
fn bounded<'de, A: MapAccess<'de>, T: DeserializeOwned>(map: &mut A) -> Result<Vec<T>, A::Error> {
    let mut list: Vec<T> = map.next_value()?;
    list.truncate(MOST);
    Ok(list)
}

/// What comes before the entries has some 20 KB.
const LONGEST_HEAD: u64 = 4 << 20;
/// Signers, notices and rules that are shown.
const MOST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{"schema": "midmirror-report-1", "organization": "ServiceNow Inc.", "relaxed": [],
        "compat": {"jdk": 17, "exit_code": 0, "result": "jar verified.", "errors": [], "warnings": ["w"], "x": 1},
        "agent": {"accepted": true, "reason": null},
        "outlook": {"changes": [
            {"at": "2028-01-01T00:00:00Z", "jarsigner": {"exit_code": 0, "sentence": "jar verified."},
             "agent": {"accepted": true, "reason": null}, "because": "a"},
            {"at": "2031-01-01T00:00:00Z", "jarsigner": {"exit_code": 0, "sentence": "jar verified."},
             "agent": {"accepted": false, "reason": "expired"}, "because": "b"}], "known_until": null},
        "report": {"examined_at": "2026-01-01T00:00:00Z", "entry_count": 3, "findings": [{}, {}], "signers": [],
            "entries": [ "#;

    #[test]
    fn entries_are_not_read_and_may_be_cut() {
        let head = Head::read(format!("{REPORT} this is not even JSON").as_bytes()).unwrap();
        assert_eq!(head.compat.as_ref().unwrap().result, "jar verified.");
        assert_eq!(head.end_of_verdict().unwrap().to_string(), "2031-01-01T00:00:00Z");
        assert_eq!((head.entries, head.findings), (Some(3), 2));
    }

    #[test]
    fn what_is_broken_before_them_is_an_error() {
        for end in [10, 200, 600] {
            assert!(Head::read(&REPORT.as_bytes()[..end]).is_err(), "{end}");
        }
        let unsigned = r#"{"compat": null, "agent": null, "outlook": null, "report": null}"#;
        assert!(Head::read(unsigned.as_bytes()).unwrap().compat.is_none());
    }
}
