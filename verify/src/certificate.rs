//! X.509 certificates (RFC 5280), read as the JDK reads them; signed bytes as they stand in the input.
//!
//! Attacks considered here: two signature algorithms that differ (refused), a critical extension nobody understands
//! (kept, and refused wherever it matters), extensions twice (refused), a malformed critical extension (refused; a
//! malformed one that is not critical is passed over, as the JDK does).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::asn1::{self, Asn1Error, Reader, Value, tag};
use crate::asn1_time;
use crate::crypto::{Check, PublicKey, SignatureScheme};
use crate::distinguished_name::DistinguishedName;
use crate::extension_form;
use crate::limits;
use crate::policy_tree::Policies;

/// A parsed certificate.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    /// The signed part, byte for byte.
    pub(crate) tbs: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) issuer: DistinguishedName,
    pub(crate) subject: DistinguishedName,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) version: u8,
    pub(crate) key: PublicKey,
    pub(crate) signature_scheme: SignatureScheme,
    pub(crate) signature: Vec<u8>,
    pub(crate) basic_constraints: Option<(bool, Option<u8>)>,
    /// Bits in the order of RFC 5280 section 4.2.1.3, digitalSignature first.
    pub(crate) key_usage: Option<Vec<bool>>,
    pub(crate) extended_key_usage: Option<Vec<String>>,
    /// Bits of the Netscape certificate type extension.
    pub(crate) netscape_type: Option<Vec<bool>>,
    /// Critical extensions.
    pub(crate) critical: Vec<String>,
    /// Critical extensions that this program does not process.
    pub(crate) unknown_critical: Vec<String>,
    /// Critical extensions that a certification path does not process.
    pub(crate) path_critical: Vec<String>,
    pub(crate) subject_key_id: Option<Vec<u8>>,
    /// Key identifier of the issuer, and serial number of the issuer's certificate.
    pub(crate) authority_key_id: Option<Vec<u8>>,
    pub(crate) authority_serial: Option<Vec<u8>>,
    /// Whether a name constraints extension is present.
    pub(crate) has_name_constraints: bool,
    has_alternative_names: bool,
    /// What the policy extensions say.
    pub(crate) policies: Policies,
}

impl Certificate {
    /// Parses one certificate; bytes after it are an error.
    pub(crate) fn parse(der: &[u8]) -> Result<Arc<Self>, Asn1Error> {
        let mut outer = Reader::new(der);
        let whole = outer.expect(tag::SEQUENCE)?;
        let mut parts = whole.inside();
        let tbs = parts.expect(tag::SEQUENCE)?;
        let outer_algorithm = parts.expect(tag::SEQUENCE)?;
        let signature = parts.expect(tag::BIT_STRING)?;
        if !outer.is_empty() || !parts.is_empty() {
            return Err(Asn1Error("bytes after the certificate"));
        }

        let mut fields = tbs.inside();
        let version = match fields.optional(tag::CONTEXT_0)? {
            Some(explicit) => match explicit.inside().serial_number()? {
                // The JDK takes any; only version 3 has extensions.
                [number] if *number < 0x7f => number + 1,
                _ => return Err(Asn1Error("unknown certificate version")),
            },
            None => 1,
        };
        let serial = fields.serial_number()?;
        let inner_algorithm = fields.expect(tag::SEQUENCE)?;
        inner_algorithm.algorithm()?;
        if !same_algorithm(&inner_algorithm, &outer_algorithm)? {
            return Err(Asn1Error("the two signature algorithms of the certificate differ"));
        }
        let issuer = fields.expect(tag::SEQUENCE)?;
        let validity = fields.expect(tag::SEQUENCE)?.inside().all()?;
        let [not_before, not_after] = &validity[..] else {
            return Err(Asn1Error("a validity has two ends"));
        };
        let subject = fields.expect(tag::SEQUENCE)?;
        if version == 1 && subject.content.is_empty() {
            return Err(Asn1Error("the subject of a version 1 certificate is empty"));
        }
        let key = fields.expect(tag::SEQUENCE)?;
        if issuer.content.is_empty() {
            return Err(Asn1Error("the issuer is empty"));
        }
        let mut certificate = Self {
            der: der.to_vec(),
            tbs: tbs.raw.to_vec(),
            serial: serial.to_vec(),
            issuer: DistinguishedName::parse(issuer.raw)?,
            subject: DistinguishedName::parse(subject.raw)?,
            not_before: asn1_time::parse(not_before)?,
            not_after: asn1_time::parse(not_after)?,
            version,
            key: PublicKey::parse(key.raw)?,
            signature_scheme: SignatureScheme::of_certificate(&outer_algorithm)?,
            signature: bit_string(signature.content)?,
            basic_constraints: None,
            key_usage: None,
            extended_key_usage: None,
            netscape_type: None,
            critical: Vec::new(),
            unknown_critical: Vec::new(),
            path_critical: Vec::new(),
            subject_key_id: None,
            authority_key_id: None,
            authority_serial: None,
            has_name_constraints: false,
            has_alternative_names: false,
            policies: Policies::default(),
        };
        if version == 1 && !fields.is_empty() {
            return Err(Asn1Error("extra fields in a version 1 certificate"));
        }
        for tag in [ISSUER_UNIQUE_ID, SUBJECT_UNIQUE_ID] {
            // The JDK takes both forms for one.
            if fields.peek().is_some_and(|found| found & !CONSTRUCTED == tag) {
                bits(&fields.next()?)?;
            }
        }
        let is_short = fields.is_empty();
        if version != 3 && !is_short {
            return Err(Asn1Error("extensions in a certificate that is not of version 3"));
        }
        if let Some(extensions) = fields.optional(EXTENSIONS)? {
            certificate.take_extensions(&extensions)?;
        }
        // RFC 5280 section 4.2.1.6; the JDK asks for it only if anything follows the identifiers.
        let has_other_name =
            certificate.has_alternative_names && certificate.is_critical(SUBJECT_ALTERNATIVE_NAME);
        if subject.content.is_empty() && !is_short && !has_other_name {
            return Err(Asn1Error("the subject is empty, and there is no critical alternative name"));
        }
        Ok(Arc::new(certificate))
    }

    fn take_extensions(&mut self, extensions: &Value<'_>) -> Result<(), Asn1Error> {
        let mut seen = BTreeSet::new();
        for extension in extensions.inside().expect(tag::SEQUENCE)?.inside().all()? {
            if !matches!(extension.tag, tag::SEQUENCE | tag::SET) {
                return Err(Asn1Error("extension expected"));
            }
            let mut parts = extension.inside();
            let oid = parts.next()?.oid()?;
            let critical = match parts.optional(tag::BOOLEAN)? {
                Some(flag) => boolean(&flag)?,
                None => false,
            };
            let value = asn1::octets(&parts.next()?)?;
            if seen.contains(&oid) {
                return Err(Asn1Error("an extension occurs twice"));
            }
            if let Err(error) = self.take_extension(&oid, &value)
                && critical
            {
                return Err(error);
            }
            if critical {
                self.critical.push(oid.clone());
            }
            if critical && !KNOWN_EXTENSIONS.contains(&oid.as_str()) {
                self.unknown_critical.push(oid.clone());
            }
            if critical && !PATH_EXTENSIONS.contains(&oid.as_str()) {
                self.path_critical.push(oid.clone());
            }
            seen.insert(oid);
        }
        Ok(())
    }

    fn take_extension(&mut self, oid: &str, value: &[u8]) -> Result<(), Asn1Error> {
        let mut reader = Reader::new(value);
        extension_form::check(oid, value)?;
        if KNOWN_EXTENSIONS.contains(&oid) && oid != NAME_CONSTRAINTS && extension_form::must_end(oid) {
            let mut whole = Reader::new(value);
            whole.next()?;
            if !whole.is_empty() {
                return Err(Asn1Error("an extension has more than its value"));
            }
        }
        match oid {
            "2.5.29.19" => self.basic_constraints = Some(basic_constraints(&reader.expect(tag::SEQUENCE)?)?),
            "2.5.29.15" => {
                // The JDK unwraps it once more.
                if reader.peek() == Some(tag::OCTET_STRING) {
                    reader = reader.next()?.inside();
                }
                self.key_usage = Some(bits(&reader.expect(tag::BIT_STRING)?)?);
            }
            "2.5.29.37" => {
                let purposes = reader.expect(tag::SEQUENCE)?.inside().all()?;
                self.extended_key_usage =
                    Some(purposes.iter().map(Value::oid).collect::<Result<Vec<_>, _>>()?);
            }
            "2.16.840.1.113730.1.1" => self.netscape_type = Some(bits(&reader.expect(tag::BIT_STRING)?)?),
            "2.5.29.14" => self.subject_key_id = Some(reader.expect(tag::OCTET_STRING)?.content.to_vec()),
            "2.5.29.35" => {
                let fields = reader.expect(tag::SEQUENCE)?.inside().all()?;
                extension_form::authority_key_id(&fields)?;
                let field =
                    |tag| fields.iter().find(|field| field.tag == tag).map(|field| field.content.to_vec());
                self.authority_key_id = field(AUTHORITY_KEY_ID);
                self.authority_serial = field(AUTHORITY_SERIAL);
            }
            NAME_CONSTRAINTS => self.has_name_constraints = true,
            SUBJECT_ALTERNATIVE_NAME => {
                extension_form::general_names(&reader.next()?)?;
                self.has_alternative_names = true;
            }
            _ => self.policies.take_extension(oid, value)?,
        }
        Ok(())
    }

    /// Whether the key identifiers of this certificate allow `issuer` to have issued it; silence allows it.
    pub(crate) fn may_be_issued_by(&self, issuer: &Self) -> bool {
        let agree = |wanted: &Option<Vec<u8>>, found: Option<&Vec<u8>>| match (wanted, found) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => true,
        };
        agree(&self.authority_key_id, issuer.subject_key_id.as_ref())
            && agree(&self.authority_serial, (issuer.version > 2).then_some(&issuer.serial))
    }

    fn is_critical(&self, oid: &str) -> bool {
        self.critical.iter().any(|known| known == oid)
    }

    /// Whether issuer and subject are the same name.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject.matches(&self.issuer)
    }

    /// Whether the certificate is signed with its own key.
    pub(crate) fn is_self_signed(&self) -> bool {
        self.is_self_issued()
            && self.key.check(&self.signature_scheme, &self.tbs, &self.signature) == Check::Right
    }

    /// Whether `at` lies in the validity, ends included.
    pub(crate) fn validity_at(&self, at: Timestamp) -> Validity {
        if at < self.not_before {
            Validity::NotYet
        } else if at > self.not_after {
            Validity::Expired
        } else {
            Validity::Valid
        }
    }

    /// Whether the key usage, if stated, has one of the bits.
    pub(crate) fn may_use(&self, bits: &[usize]) -> bool {
        self.key_usage
            .as_ref()
            .is_none_or(|usage| bits.iter().any(|bit| usage.get(*bit).copied().unwrap_or(false)))
    }

    /// Whether the extended key usage, if stated, has the purpose or "any".
    pub(crate) fn may_serve(&self, purpose: &str) -> bool {
        self.extended_key_usage
            .as_ref()
            .is_none_or(|usages| usages.iter().any(|usage| usage == purpose || usage == EKU_ANY))
    }

    /// Whether the Netscape certificate type, if stated, allows object signing.
    pub(crate) fn netscape_allows_object_signing(&self) -> bool {
        self.netscape_type.as_ref().is_none_or(|bits| bits.get(NETSCAPE_OBJECT_SIGNING) == Some(&true))
    }

    /// SHA-256 of the certificate.
    pub(crate) fn sha256(&self) -> String {
        use sha2::Digest as _;
        hex::encode(sha2::Sha256::digest(&self.der))
    }
}

/// Where a moment lies relative to a certificate's validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validity {
    NotYet,
    Valid,
    Expired,
}

/// Whether two algorithm identifiers are equal; absent parameters and NULL are the same.
pub(crate) fn same_algorithm(one: &Value<'_>, other: &Value<'_>) -> Result<bool, Asn1Error> {
    let parts = |value: &Value<'_>| -> Result<(Vec<u8>, Vec<u8>), Asn1Error> {
        let mut parts = value.inside();
        let oid = parts.expect(tag::OID)?.content.to_vec();
        let parameters = if parts.is_empty() { None } else { Some(parts.next()?) };
        let parameters = parameters.filter(|value| value.tag != tag::NULL).map(|value| value.raw.to_vec());
        Ok((oid, parameters.unwrap_or_default()))
    };
    Ok(parts(one)? == parts(other)?)
}

fn boolean(value: &Value<'_>) -> Result<bool, Asn1Error> {
    match value.content {
        [byte] => Ok(*byte != 0),
        _ => Err(Asn1Error("malformed BOOLEAN")),
    }
}

/// CA flag and path length; an absent path length is no limit.
fn basic_constraints(value: &Value<'_>) -> Result<(bool, Option<u8>), Asn1Error> {
    let mut fields = value.inside();
    let Some(flag) = fields.optional(tag::BOOLEAN)? else { return Ok((false, None)) };
    let authority = boolean(&flag)?;
    if fields.is_empty() {
        return Ok((authority, None));
    }
    match fields.expect(tag::INTEGER)?.content {
        [length] if *length < 0x80 => Ok((authority, Some(*length))),
        [first, ..] if *first < 0x80 => Ok((authority, None)),
        _ => Err(Asn1Error("malformed path length")),
    }
}

/// The bits of a BIT STRING, first bit first.
fn bits(value: &Value<'_>) -> Result<Vec<bool>, Asn1Error> {
    let (unused, bytes) = value.content.split_first().ok_or(Asn1Error("malformed BIT STRING"))?;
    let count = (bytes.len() * 8).checked_sub(usize::from(*unused)).filter(|_| *unused < 8);
    let count = count.ok_or(Asn1Error("malformed BIT STRING"))?;
    let all = bytes.iter().flat_map(|byte| (0..8).rev().map(move |shift| byte >> shift & 1 == 1));
    Ok(all.take(count.min(limits::FLAGS)).collect())
}

/// The bytes of a BIT STRING without unused bits.
pub(crate) fn bit_string(content: &[u8]) -> Result<Vec<u8>, Asn1Error> {
    match content.split_first() {
        Some((0, bytes)) => Ok(bytes.to_vec()),
        _ => Err(Asn1Error("bit string with unused bits")),
    }
}

/// Purpose codeSigning.
pub(crate) const EKU_CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
/// Purpose timeStamping.
pub(crate) const EKU_TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
/// Any purpose.
pub(crate) const EKU_ANY: &str = "2.5.29.37.0";
/// An extension that counts even if it cannot be read.
const NAME_CONSTRAINTS: &str = "2.5.29.30";
/// Position of object signing.
const NETSCAPE_OBJECT_SIGNING: usize = 3;
/// Position of digitalSignature.
pub(crate) const KU_DIGITAL_SIGNATURE: usize = 0;
/// Position of nonRepudiation.
pub(crate) const KU_NON_REPUDIATION: usize = 1;
/// Position of keyCertSign.
pub(crate) const KU_KEY_CERT_SIGN: usize = 5;

/// Extensions the JDK knows: they may be critical.
const KNOWN_EXTENSIONS: [&str; 24] = [
    "2.5.29.14",
    "2.5.29.15",
    "2.5.29.16",
    "2.5.29.17",
    "2.5.29.18",
    "2.5.29.19",
    "2.5.29.20",
    "2.5.29.21",
    "2.5.29.27",
    "2.5.29.28",
    "2.5.29.29",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.32",
    "2.5.29.33",
    "2.5.29.35",
    "2.5.29.36",
    "2.5.29.37",
    "2.5.29.46",
    "2.5.29.54",
    "2.16.840.1.113730.1.1",
    "1.3.6.1.5.5.7.1.1",
    "1.3.6.1.5.5.7.1.11",
    "1.3.6.1.5.5.7.48.1.5",
];

/// Extensions that the validation of a path processes: key usages, names, constraints, policies.
const PATH_EXTENSIONS: [&str; 9] = [
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.32",
    "2.5.29.33",
    "2.5.29.36",
    "2.5.29.37",
    "2.5.29.54",
];
const SUBJECT_ALTERNATIVE_NAME: &str = "2.5.29.17";
const CONSTRUCTED: u8 = 0x20;
const ISSUER_UNIQUE_ID: u8 = 0x81;
const SUBJECT_UNIQUE_ID: u8 = 0x82;
const EXTENSIONS: u8 = 0xa3;
const AUTHORITY_KEY_ID: u8 = 0x80;
const AUTHORITY_SERIAL: u8 = 0x82;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::archive::Archive;
    use crate::limits::Limits;
    use crate::signed_data::SignedData;
    use crate::source::Source;

    #[test]
    fn extensions_need_version_3() {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vendor-shape/case.jar");
        let (source, limits) = (Source::open(&case).unwrap(), Limits::default());
        let archive = Archive::open(&source, &limits).unwrap().unwrap();
        let block = archive.read_small(&source, 2, &limits).unwrap().unwrap();
        let block = SignedData::parse(&block, &limits).unwrap();
        let mut der = block.certificates[0].der.clone();
        let at = der.windows(5).position(|window| window == [0xa0, 3, 2, 1, 2]).unwrap();
        assert!(Certificate::parse(&der).is_ok());
        for version in [0, 1, 3] {
            der[at + 4] = version;
            assert!(Certificate::parse(&der).is_err(), "{version}");
        }
    }
}
