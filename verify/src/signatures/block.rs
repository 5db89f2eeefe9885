//! One signature block with its signature file: are the signatures right, and does the file fit the manifest.

use jiff::Timestamp;

use super::covered::Addition;
use super::digests::{Digests, strip_suffix_ignoring_case};
use super::{SignatureFile, Signer, Stage, algorithms_at};
use crate::algorithm_policy::{Strength, jar_digest, jar_digest_name, jar_key, jar_scheme};
use crate::asn1::{Reader, tag};
use crate::crypto::Check;
use crate::hash_order::hash_order;
use crate::java_error::JavaError;
use crate::limits::{exceeded, is_exceeded};
use crate::manifest::{Attributes, Manifest, RawSections};
use crate::signature_names::plain_name;
use crate::signed_data::{SignedData, SignerInfo};
use crate::timestamp::{self, TokenFailure};

/// Why a block does not count.
pub(super) enum Failure {
    Ignored(String),
    /// A value is no Base64: an exception that makes the JDK give up on all signatures.
    GivenUp(String),
    Refused(JavaError),
}

impl From<JavaError> for Failure {
    fn from(error: JavaError) -> Self {
        Self::Refused(error)
    }
}

fn ignored<T>(reason: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Ignored(reason.into()))
}

impl Stage<'_> {
    /// Checks the block in the JDK's order; on success its signers vouch for the names in the file.
    pub(super) fn try_process(
        &mut self,
        name: &str,
        key: &str,
        block: &SignedData,
        file: &SignatureFile,
    ) -> Result<(), Failure> {
        if block.mixes_lengths {
            return Err(JavaError::security(format!(
                "cannot verify signature block file {key}: indefinite lengths inside definite ones"
            ))
            .into());
        }
        self.found.contested.surrogates |= block.has_surrogates;
        if block.has_surrogates && self.rules.refuses_surrogates {
            return ignored("a name has characters that a BMPString cannot have");
        }
        // 1. The signature file must be one (JAR File Specification, "Signature Validation").
        let file = match file {
            Ok(file) => file,
            Err(error) => return ignored(format!("the signature file cannot be parsed: {error}")),
        };
        if !file.main().value("Signature-Version").is_some_and(|version| version.eq_ignore_ascii_case("1.0"))
        {
            return ignored("the signature file does not have Signature-Version 1.0");
        }
        // 2. The block must hold a right signature over it.
        let bytes = file.bytes();
        self.budget(block, bytes)?;
        let mut infos = Vec::new();
        for info in &block.signer_infos {
            match block.check(info, bytes) {
                Check::Right => infos.push(info),
                Check::Wrong => {}
                Check::Unjudged(reason) => return ignored(reason),
            }
        }
        if infos.is_empty() {
            return Err(JavaError::security(format!("cannot verify signature block file {key}")).into());
        }
        // 3. Signers with their timestamps; a bad timestamp spoils the block.
        let mut signers = Vec::new();
        for info in infos {
            signers.push(self.signer(name, block, info, bytes)?);
        }
        // 4. No disabled algorithm anywhere.
        let at = algorithms_at(&signers, self.now);
        for signer in &signers {
            check_algorithms(signer, at)?;
        }
        // 5. The signature file must fit the manifest: as a whole, or section by section.
        self.escape.set(false);
        let whole = self.covers_whole_manifest(file, at)?;
        if !whole && !self.covers_main_attributes(file, at)? {
            return Err(
                JavaError::security("Invalid signature file digest for Manifest main attributes").into()
            );
        }
        let mut sections = Vec::new();
        let mut end = Ok(());
        if !whole {
            for (slot, name) in hash_order(file.names().collect(), |(_, name)| name) {
                match self.covers_section(&name, &file.attributes(slot), at) {
                    Ok(true) => sections.push(slot),
                    Ok(false) => {}
                    // The JDK stops here, and keeps what it has.
                    Err(Failure::Ignored(reason)) if !is_exceeded(&reason) => {
                        end = ignored(reason);
                        break;
                    }
                    Err(failure) => return Err(failure),
                }
            }
            sections.sort_unstable();
        }
        if self.escape.get() {
            self.found.escaping.push(name.to_owned());
        }
        // 6. From here on the signers vouch for these names, and always for the manifest.
        let mut signers = Addition::of(signers.into_iter().map(|signer| self.intern(signer)).collect());
        if whole {
            self.found.covered.add_file(file, &mut signers);
        }
        for (slot, name) in file.names().filter(|_| !whole) {
            if sections.binary_search(&slot).is_ok() {
                self.found.covered.add(plain_name(&name), &mut signers);
            }
        }
        end?;
        if let Some(name) = &self.found.manifest_name {
            self.found.covered.add(name, &mut signers);
        }
        Ok(())
    }

    /// Takes what a block and its signature file cost out of the budgets.
    fn budget(&self, block: &SignedData, bytes: &[u8]) -> Result<(), Failure> {
        let stamped = block.signer_infos.iter().filter(|info| info.timestamp_token.is_some()).count();
        let checks = block.signer_infos.len() + stamped;
        let what = format_args!("more than {} signatures to be checked", self.limits.signature_checks);
        let left = self.checks.get().checked_sub(checks).ok_or_else(|| Failure::Ignored(exceeded(what)))?;
        self.checks.set(left);
        self.spend(length(bytes), 1 + block.signer_infos.len()).map_err(Failure::Ignored)
    }

    fn signer(
        &mut self,
        name: &str,
        block: &SignedData,
        info: &SignerInfo,
        bytes: &[u8],
    ) -> Result<Signer, Failure> {
        let timestamp = match &info.timestamp_token {
            Some(token) => match timestamp::verify(token, &info.signature, self.limits) {
                Ok(token) => {
                    self.found.contested.token_type |= !token.is_tst_info;
                    if !token.is_tst_info && self.rules.insists_on_tst_info {
                        return ignored("the content type of the timestamp token is not id-ct-TSTInfo");
                    }
                    self.found.contested.ambiguous_content |= token.is_direct;
                    if token.is_direct && self.rules.refuses_ambiguous_content {
                        return ignored("the timestamp token has no signed attributes");
                    }
                    Some(token)
                }
                Err(TokenFailure::Ignored(reason)) => return ignored(reason),
                Err(TokenFailure::NoContent) => return Err(JavaError::no_input().into()),
                Err(TokenFailure::NoValue) => return Err(JavaError::no_first_value().into()),
            },
            None => None,
        };
        // A direct signature over what could be signed attributes may have been made for something else.
        let is_data = block.content_type == ID_DATA;
        if info.is_direct() && (!is_data || block.content.is_none() && is_der_set(bytes)) {
            self.found.contested.ambiguous_content = true;
            if self.rules.refuses_ambiguous_content {
                return ignored("the content of the signature could be signed attributes");
            }
        }
        let scheme = match &info.scheme {
            Ok(scheme) => scheme.clone(),
            Err(reason) => return ignored(reason.clone()),
        };
        Ok(Signer {
            block: name.to_owned(),
            chain: block.chain_of(info),
            digest: info
                .digest
                .map_or_else(|| info.digest_oid.clone(), |digest| digest.jca_name().to_owned()),
            scheme,
            signed_attributes: !info.is_direct(),
            timestamp,
            ambiguous_content: info.is_direct() && (bytes.first() == Some(&tag::SET) || !is_data),
        })
    }

    fn intern(&mut self, signer: Signer) -> usize {
        match self.found.signers.iter().position(|known| known.is_same(&signer)) {
            Some(index) => index,
            None => {
                self.found.signers.push(signer);
                self.found.signers.len() - 1
            }
        }
    }

    fn manifest(&self) -> Result<&Manifest, Failure> {
        self.found.manifest.as_ref().ok_or_else(|| Failure::Ignored("there is no manifest".to_owned()))
    }

    /// Whether a digest of the whole manifest is right.
    fn covers_whole_manifest(&self, file: &Manifest, at: Timestamp) -> Result<bool, Failure> {
        let bytes = self.manifest()?.bytes();
        let main = file.main();
        let stated =
            |(name, _): &(&str, &str)| strip_suffix_ignoring_case(name, "-Digest-Manifest").is_some();
        self.spend(length(bytes), main.iter().filter(stated).count()).map_err(Failure::Ignored)?;
        let mut digests = Digests::new(&main, "-Digest-Manifest", at);
        let right =
            digests.any(|digest, expected| digest.matches(&[bytes], expected)).map_err(Failure::GivenUp)?;
        self.note_escape(&digests);
        if digests.only_disabled() {
            return ignored("the signature file has digests of the manifest by disabled algorithms only");
        }
        Ok(right)
    }

    /// Whether the digests of the manifest's main section, if there are any, are right.
    fn covers_main_attributes(&self, file: &Manifest, at: Timestamp) -> Result<bool, Failure> {
        let manifest = self.manifest()?;
        let main = self.sections(manifest).main(manifest);
        let stated = file.main();
        let mut digests = Digests::new(&stated, "-Digest-Manifest-Main-Attributes", at);
        let wrong = digests
            .any(|digest, expected| !main.is_some_and(|main| digest.matches(&[main], expected)))
            .map_err(Failure::GivenUp)?;
        self.note_escape(&digests);
        if digests.only_disabled() || digests.only_unknown() {
            return ignored("the signature file has no usable digest of the main attributes");
        }
        if main.is_none() && wrong {
            return ignored("the manifest has no main section that ends");
        }
        Ok(!wrong)
    }

    fn note_escape(&self, digests: &Digests<'_>) {
        self.escape.set(self.escape.get() || digests.escape());
    }

    fn sections(&self, manifest: &Manifest) -> &RawSections {
        self.sections.get_or_init(|| RawSections::cut(manifest))
    }

    /// Whether the digests of one manifest section are right; `false` if there is none to compare.
    fn covers_section(
        &self,
        name: &str,
        attributes: &Attributes<'_>,
        at: Timestamp,
    ) -> Result<bool, Failure> {
        let manifest = self.manifest()?;
        let sections = self.sections(manifest);
        let (Some(with_blank), Some(without_blank)) =
            (sections.named(manifest, name, true), sections.named(manifest, name, false))
        else {
            return Err(
                JavaError::security(format!("no manifest section for signature file entry {name}")).into()
            );
        };
        let cost = with_blank.iter().map(|part| length(part)).fold(0, u64::saturating_add);
        self.spend(cost, attributes.iter().count().saturating_mul(2)).map_err(Failure::Ignored)?;
        let mut right = false;
        let mut digests = Digests::new(attributes, "-Digest", at);
        while let Some(next) = digests.next() {
            let (spelled, digest, expected) = next.map_err(Failure::GivenUp)?;
            if !digest.matches(&with_blank, &expected) && !digest.matches(&without_blank, &expected) {
                return Err(JavaError::security(format!(
                    "invalid {spelled} signature file digest for {name}"
                ))
                .into());
            }
            right = true;
        }
        self.note_escape(&digests);
        if digests.only_disabled() {
            return ignored(format!("the signature file has digests of {name} by disabled algorithms only"));
        }
        Ok(right)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The algorithms and keys of a signer and its timestamp under `jdk.jar.disabledAlgorithms`.
fn check_algorithms(signer: &Signer, at: Timestamp) -> Result<(), Failure> {
    let disabled = |what: String| ignored(format!("{what} is disabled"));
    let mut schemes = vec![&signer.scheme];
    let mut leaves = vec![signer.chain.first()];
    if jar_digest_name(&signer.digest, at) == Strength::Disabled {
        return disabled(signer.digest.clone());
    }
    if let Some(token) = &signer.timestamp {
        schemes.push(&token.scheme);
        leaves.push(token.chain.first());
        for digest in [Some(token.imprint), token.digest].into_iter().flatten() {
            if jar_digest(digest, at) == Strength::Disabled {
                return disabled(digest.jca_name().to_owned());
            }
        }
    }
    for scheme in schemes {
        if jar_scheme(scheme, at) == Strength::Disabled {
            return disabled(scheme.name());
        }
    }
    for leaf in leaves.into_iter().flatten() {
        let key = &leaf.key.kind;
        if jar_key(key) == Strength::Disabled {
            return disabled(format!("a {} key of {} bits", key.algorithm(), key.bits().unwrap_or(0)));
        }
    }
    Ok(())
}

/// Whether bytes are one DER SET from the first to the last.
fn is_der_set(bytes: &[u8]) -> bool {
    Reader::new(bytes).expect(tag::SET).is_ok_and(|set| set.raw.len() == bytes.len())
}

/// Content type of plain data (RFC 5652 section 4).
const ID_DATA: &str = "1.2.840.113549.1.7.1";
