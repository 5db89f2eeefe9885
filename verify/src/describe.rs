//! Signature files and blocks as they describe themselves, for listings. Nothing here is evidence.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use crate::algorithm_policy::{Strength, jar_digest_name, jar_key};
use crate::archive::Archive;
use crate::crypto::{KeyKind, PssParameters, SignatureScheme};
use crate::java_error::JavaError;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::places::Places;
use crate::report::{AlgorithmReport, BlockDescription, KeyReport, SignatureFileReport, TokenReport};
use crate::signature_names::{has_signature_extension, is_signature_related, plain_name};
use crate::signatures::{Covered, DescribedFile, Signatures, stated_digest_name};
use crate::signed_data::{SignedData, SignerInfo};
use crate::signer_attributes::NO_VALUE;
use crate::source::Source;
use crate::timestamp;

/// Describes all files that a listing looks at: those directly in `META-INF/` with an extension in capitals. `signers`
/// are those of each entry.
pub(crate) fn describe(
    source: &Source,
    archive: &Archive,
    signatures: &Signatures,
    places: &Places,
    signers: &[Arc<[usize]>],
    limits: &Limits,
    now: Timestamp,
) -> io::Result<Vec<SignatureFileReport>> {
    let signed = SignedNames { archive, places, signers, names: OnceCell::new() };
    let mut found = Vec::new();
    let mut files = Vec::new();
    for (index, entry) in archive.entries.iter().enumerate() {
        if found.len() >= limits.signature_blocks {
            break;
        }
        if !is_signature_related(&entry.name) || !has_signature_extension(&entry.name) {
            continue;
        }
        let file = entry.name.rsplit_once('/').map_or(entry.name.as_str(), |(_, file)| file);
        let base = file.rsplit_once('.').map_or(file, |(base, _)| base);
        let slot = index_of(&mut found, base);
        let Some(report) = found.get_mut(slot) else { continue };
        let is_file = file.ends_with(".SF");
        let described = signatures.described.iter().find(|described| described.index == index);
        if let Some(described) = described.filter(|_| is_file) {
            report.nonexistent = signed.missing(&signatures.covered, described);
            describe_digest(report, &entry.name, described.digest.clone());
            files.push(report.base.clone());
            continue;
        }
        // Of a stored block the JDK reads what is stored, whatever the declared size.
        // A block in first place is looked up by its name.
        let found_at =
            if index == 0 && !is_file { archive.index_of(&entry.name).unwrap_or(0) } else { index };
        let Some(found_entry) = archive.entries.get(found_at) else { continue };
        let stored = !is_file && found_entry.method == 0;
        let declared = if stored { found_entry.compressed_size } else { found_entry.size };
        // It makes room for all of it first. How much it can have depends on the machine: the safe side is little.
        let largest = if stored { limits.signature_file } else { LARGEST_ARRAY };
        if !is_file && declared > largest {
            report.breaks_off = Some(JavaError::out_of_memory());
            continue;
        }
        // With a verifier it gets as many bytes as declared, which is an error for a block; without one it gets all.
        if !is_file && declared > entry.size && !signed.is_empty() {
            unparsable(report, &entry.name);
            continue;
        }
        let to_the_end = stored || is_file && signed.is_empty();
        let bytes = archive.read_in_place(source, found_at, to_the_end, limits)?;
        let is_short =
            |bytes: &[u8]| index > 0 && u64::try_from(bytes.len()).is_ok_and(|length| length < declared);
        match bytes {
            Ok(bytes) if is_file => {
                describe_file(report, &entry.name, bytes, &signed);
                files.push(report.base.clone());
            }
            Ok(bytes) if is_short(&bytes) => unparsable(report, &entry.name),
            Ok(bytes) => describe_block(report, &entry.name, &bytes, limits),
            Err(_) => unparsable(report, &entry.name),
        }
    }
    for report in &mut found {
        judge(report, now);
    }
    // Those with a signature file in the order of these files.
    found.sort_by_cached_key(|report| {
        files.iter().position(|base| *base == report.base).unwrap_or(usize::MAX)
    });
    Ok(found)
}

/// The largest array of bytes that Java can have.
const LARGEST_ARRAY: u64 = 0x7fff_fffd;

/// The names of signed entries.
struct SignedNames<'a> {
    archive: &'a Archive,
    places: &'a Places,
    signers: &'a [Arc<[usize]>],
    names: OnceCell<HashSet<&'a str>>,
}

impl<'a> SignedNames<'a> {
    /// The signed entries with their names.
    fn all(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let entries = self.archive.entries.iter().zip(self.signers).enumerate();
        entries
            .filter(|(_, (_, signers))| !signers.is_empty())
            .map(|(index, (entry, _))| (index, entry.name.as_str()))
    }

    fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    fn contains(&self, name: &str) -> bool {
        self.names.get_or_init(|| self.all().map(|(_, name)| name).collect()).contains(name)
    }

    /// The names in a signature file for which there is no signed entry.
    fn missing(&self, covered: &Covered, file: &DescribedFile) -> Vec<String> {
        // These names have neither `./` nor `/` in front.
        let plain = self.all().filter(|(_, name)| plain_name(name) == *name).map(|(index, _)| index);
        let there = self.places.met(plain, usize::try_from(file.names).unwrap_or(0));
        let missing = (0..file.names).zip(there).filter(|(_, there)| !there);
        missing.map(|(number, _)| covered.name(number).to_owned()).collect()
    }
}

/// The index of the report of a base name; added if there is none yet.
fn index_of(found: &mut Vec<SignatureFileReport>, base: &str) -> usize {
    found.iter().position(|report| report.base == base).unwrap_or_else(|| {
        found.push(SignatureFileReport { base: base.to_owned(), ..SignatureFileReport::default() });
        found.len() - 1
    })
}

fn unparsable(report: &mut SignatureFileReport, name: &str) {
    report.unparsable.get_or_insert_with(|| name.to_owned());
}

fn describe_file(report: &mut SignatureFileReport, name: &str, bytes: Vec<u8>, signed: &SignedNames<'_>) {
    let Ok(file) = Manifest::parse(bytes) else { return unparsable(report, name) };
    let nonexistent = file.names().map(|(_, name)| name).filter(|name| !signed.contains(name));
    report.nonexistent = nonexistent.map(Cow::into_owned).collect();
    describe_digest(report, name, stated_digest_name(&file.main()));
}

fn describe_digest(report: &mut SignatureFileReport, name: &str, digest: Option<String>) {
    match digest {
        Some(digest) => report.digest = Some(algorithm(&digest, Strength::Fine)),
        None => unparsable(report, name),
    }
}

fn describe_block(report: &mut SignatureFileReport, name: &str, bytes: &[u8], limits: &Limits) {
    report.block = Some(name.to_owned());
    let block = match SignedData::parse(bytes, limits) {
        Ok(block) => block,
        Err(error) => {
            report.breaks_off = (error == NO_VALUE).then(JavaError::no_first_value);
            return unparsable(report, name);
        }
    };
    report.block_parses = true;
    let signer = block.signer_infos.first().filter(|signer| !signer.has_contradictory_parameters());
    let Some(signer) = signer.filter(|signer| block.certificate_of(signer).is_some()) else { return };
    let token = signer.timestamp_token.as_deref();
    report.has_token = token.is_some_and(|token| SignedData::parse(token, limits).is_ok());
    report.description = description(&block, signer, limits);
}

fn description(block: &SignedData, signer: &SignerInfo, limits: &Limits) -> Option<BlockDescription> {
    let certificate = block.certificate_of(signer)?;
    let timestamp = match &signer.timestamp_token {
        Some(token) => {
            let token = timestamp::describe(token, limits)?;
            Some(TokenReport {
                subject: token.subject,
                gen_time: token.gen_time,
                digest: algorithm(&token.imprint_name, Strength::Fine),
                signature: scheme_report(&token.scheme, &token.signature_name),
                key: key_report(&token.key),
            })
        }
        None => None,
    };
    Some(BlockDescription {
        subject: certificate.subject.to_java_string(),
        signature: scheme_report(&signer.scheme.clone().ok(), &signer.signature_name()),
        key: key_report(&certificate.key.kind),
        timestamp,
    })
}

fn algorithm(name: &str, strength: Strength) -> AlgorithmReport {
    AlgorithmReport { parameters: None, name: name.to_owned(), strength }
}

fn scheme_report(scheme: &Option<SignatureScheme>, name: &str) -> AlgorithmReport {
    let mut report = algorithm(name, Strength::Fine);
    if let Some(scheme) = scheme {
        report.name = scheme.name();
        if let SignatureScheme::RsaPss(parameters) = scheme {
            report.parameters = Some(Box::new(algorithm(&full_name(parameters), Strength::Fine)));
        }
    }
    report
}

/// RSASSA-PSS with its parameters as newer JDKs print it.
fn full_name(parameters: &PssParameters) -> String {
    let PssParameters { digest, mask_digest, salt_length } = parameters;
    format!(
        "RSASSA-PSS using PSSParameterSpec[hashAlgorithm={}, maskGenAlgorithm=MGF1ParameterSpec[hashAlgorithm={}], saltLength={salt_length}, trailerField=1]",
        digest.jca_name(),
        mask_digest.jca_name()
    )
}

fn key_report(key: &KeyKind) -> KeyReport {
    KeyReport::of(key, jar_key(key))
}

/// Judges the algorithms at the time of the timestamp, or now.
fn judge(report: &mut SignatureFileReport, now: Timestamp) {
    let timestamp = report.description.as_ref().and_then(|description| description.timestamp.as_ref());
    let at = timestamp.map_or(now, |timestamp| timestamp.gen_time);
    if let Some(digest) = &mut report.digest {
        digest.strength = jar_digest_name(&digest.name, at);
    }
    let Some(description) = &mut report.description else { return };
    judge_signature(&mut description.signature, at);
    if let Some(timestamp) = &mut description.timestamp {
        timestamp.digest.strength = jar_digest_name(&timestamp.digest.name, at);
        judge_signature(&mut timestamp.signature, at);
    }
}

/// Judges a signature algorithm, and parameters that are not fine.
fn judge_signature(signature: &mut AlgorithmReport, at: Timestamp) {
    signature.strength = signature_strength(&signature.name, at);
    signature.parameters.take_if(|parameters| {
        let digests = parameters.name.split("hashAlgorithm=").skip(1);
        let strengths = digests.filter_map(|rest| Some(jar_digest_name(rest.split([',', ']']).next()?, at)));
        parameters.strength = strengths.max().unwrap_or(Strength::Fine);
        parameters.strength == Strength::Fine
    });
}

/// Judges a composed name such as `SHA1withRSA` by its digest.
fn signature_strength(name: &str, at: Timestamp) -> Strength {
    let parts = name.split("with").filter(|part| *part != name);
    parts.map(|part| jar_digest_name(part, at)).max().unwrap_or(Strength::Fine)
}
