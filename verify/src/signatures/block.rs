//! One signature block with its signature file: are the signatures right, and does the file fit the manifest.

use jiff::Timestamp;

use super::digests::Digests;
use super::{Signer, Stage, algorithms_at};
use crate::algorithm_policy::{Strength, jar_digest, jar_digest_name, jar_key, jar_scheme};
use crate::asn1::tag;
use crate::crypto::Check;
use crate::hash_order::hash_order;
use crate::java_error::JavaError;
use crate::manifest::{Attributes, Manifest};
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
        bytes: &[u8],
    ) -> Result<(), Failure> {
        if block.mixes_lengths {
            return Err(JavaError::security(format!(
                "cannot verify signature block file {key}: indefinite lengths inside definite ones"
            ))
            .into());
        }
        // 1. The signature file must be one (JAR File Specification, "Signature Validation").
        let file = match Manifest::parse(bytes) {
            Ok(file) => file,
            Err(error) => return ignored(format!("the signature file cannot be parsed: {error}")),
        };
        if !file.main().value("Signature-Version").is_some_and(|version| version.eq_ignore_ascii_case("1.0"))
        {
            return ignored("the signature file does not have Signature-Version 1.0");
        }
        // 2. The block must hold a right signature over it.
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
        let whole = self.covers_whole_manifest(&file, at)?;
        if !whole && !self.covers_main_attributes(&file, at)? {
            return Err(
                JavaError::security("Invalid signature file digest for Manifest main attributes").into()
            );
        }
        let mut names = Vec::new();
        for (name, attributes) in hash_order(file.sections().collect(), |(name, _)| name) {
            if whole || self.covers_section(name, attributes, at)? {
                let plain = name.strip_prefix("./").unwrap_or(name);
                names.push(plain.strip_prefix('/').unwrap_or(plain).to_owned());
            }
        }
        // 6. From here on the signers vouch for these names, and always for the manifest.
        names.extend(self.found.manifest_name.clone());
        let indices: Vec<usize> = signers.into_iter().map(|signer| self.intern(signer)).collect();
        for name in names {
            let known = self.found.covered.entry(name).or_default();
            for index in &indices {
                if !known.contains(index) {
                    known.push(*index);
                }
            }
        }
        Ok(())
    }

    fn signer(
        &self,
        name: &str,
        block: &SignedData,
        info: &SignerInfo,
        bytes: &[u8],
    ) -> Result<Signer, Failure> {
        let timestamp = match &info.timestamp_token {
            Some(token) => match timestamp::verify(token, &info.signature, self.limits) {
                Ok(token) => Some(token),
                Err(TokenFailure::Ignored(reason)) => return ignored(reason),
                Err(TokenFailure::NoValue) => return Err(JavaError::no_first_value().into()),
            },
            None => None,
        };
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
            ambiguous_content: info.is_direct() && bytes.first() == Some(&tag::SET),
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

    /// Whether a digest of the whole manifest is right.
    fn covers_whole_manifest(&self, file: &Manifest, at: Timestamp) -> Result<bool, Failure> {
        let mut digests = Digests::new(file.main(), "-Digest-Manifest", at);
        let right = digests
            .any(|digest, expected| digest.matches(&[&self.bytes], expected))
            .map_err(Failure::GivenUp)?;
        if digests.only_disabled() {
            return ignored("the signature file has digests of the manifest by disabled algorithms only");
        }
        Ok(right)
    }

    /// Whether the digests of the manifest's main section, if there are any, are right.
    fn covers_main_attributes(&self, file: &Manifest, at: Timestamp) -> Result<bool, Failure> {
        let main = self.sections.main(&self.bytes);
        let mut digests = Digests::new(file.main(), "-Digest-Manifest-Main-Attributes", at);
        let wrong = digests
            .any(|digest, expected| !main.is_some_and(|main| digest.matches(&[main], expected)))
            .map_err(Failure::GivenUp)?;
        if digests.only_disabled() || digests.only_unknown() {
            return ignored("the signature file has no usable digest of the main attributes");
        }
        if main.is_none() && wrong {
            return ignored("the manifest has no main section that ends");
        }
        Ok(!wrong)
    }

    /// Whether the digests of one manifest section are right; `false` if there is none to compare.
    fn covers_section(&self, name: &str, attributes: &Attributes, at: Timestamp) -> Result<bool, Failure> {
        let (Some(with_blank), Some(without_blank)) =
            (self.sections.named(&self.bytes, name, true), self.sections.named(&self.bytes, name, false))
        else {
            return Err(
                JavaError::security(format!("no manifest section for signature file entry {name}")).into()
            );
        };
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
        if digests.only_disabled() {
            return ignored(format!("the signature file has digests of {name} by disabled algorithms only"));
        }
        Ok(right)
    }
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
