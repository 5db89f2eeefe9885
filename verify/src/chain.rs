//! Certificate path validation (RFC 5280 section 6) with the JDK's choices for signed JARs.
//!
//! Attacks considered here: a chain built by names only ("Fake ID"): every signature is checked; unrelated or
//! repeated certificates in the block: the search is bounded; an end entity that acts as an authority: CA flag,
//! keyCertSign and path length; a certificate for another purpose.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::algorithm_policy::{Strength, path_key, path_scheme};
use crate::certificate::{
    Certificate, EKU_CODE_SIGNING, EKU_TIME_STAMPING, KU_DIGITAL_SIGNATURE, KU_KEY_CERT_SIGN, Validity,
};
use crate::crypto::Check;
use crate::digest_algorithm::DigestAlgorithm;
use crate::jdk::Jdk;
use crate::limits;
use crate::policy_tree::PolicyTree;
use crate::trust_store::TrustStore;

/// What the end entity certificate is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    CodeSigning,
    TimeStamping,
}

/// Why a path is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChainFailure {
    pub(crate) kind: ChainFailureKind,
    pub(crate) reason: String,
    /// The text of newer JDKs, where it is another one.
    #[serde(skip)]
    pub(crate) newer_reason: Option<String>,
}

impl ChainFailure {
    /// What the JDK says when it shall ask for revocation and has nobody to ask.
    pub(crate) fn no_revocation_source() -> Self {
        other("Certificate does not specify OCSP responder")
    }

    /// The class of the failure.
    pub fn kind(&self) -> ChainFailureKind {
        self.kind
    }

    /// The text that the `jarsigner` of a JDK prints.
    pub(crate) fn reason_of(&self, jdk: Jdk) -> &str {
        let newer = self.newer_reason.as_deref().filter(|_| jdk.rules().names_certificate_of_weak_path);
        newer.unwrap_or(&self.reason)
    }

    /// The text that jarsigner of JDK 17 prints.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Classes of failures that jarsigner treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChainFailureKind {
    /// No path to a trust anchor.
    NoPath,
    /// A certificate had expired.
    Expired,
    /// A certificate was not yet valid.
    NotYetValid,
    /// The leaf may not be used for the purpose.
    EndEntity,
    /// Anything else: a wrong signature, a certificate that is no authority, a weak algorithm.
    Other,
}

/// Validates the offered chain at a moment; returns the path from the leaf to its anchor.
///
/// `at` judges validity; `algorithms_at` judges algorithms with an end date (the moment of signing, or now).
pub(crate) fn validate(
    chain: &[Arc<Certificate>],
    trust: &TrustStore,
    purpose: Purpose,
    at: Timestamp,
    algorithms_at: Timestamp,
) -> Result<Vec<Arc<Certificate>>, ChainFailure> {
    let context = Context { trust, at, algorithms_at };
    let Some(leaf) = chain.first() else { return Err(no_path()) };
    if trust.contains(leaf) {
        return Ok(vec![leaf.clone()]);
    }
    let path = context.find_path(chain)?;
    check_end_entity(leaf, purpose)?;
    Ok(path)
}

struct Context<'a> {
    trust: &'a TrustStore,
    at: Timestamp,
    algorithms_at: Timestamp,
}

impl Context<'_> {
    /// Uses the chain as offered if it is in order, and cuts it at the first certificate that is trusted or has the
    /// subject and key of an anchor; otherwise searches among the offered certificates.
    fn find_path(&self, chain: &[Arc<Certificate>]) -> Result<Vec<Arc<Certificate>>, ChainFailure> {
        let mut previous: Option<&Arc<Certificate>> = None;
        for (position, certificate) in chain.iter().enumerate() {
            if let Some(previous) = previous {
                if !certificate.subject.matches(&previous.issuer) {
                    return self.search(chain);
                }
                if self.trust.contains(certificate) || self.trust.contains_key(certificate) {
                    return self.check_with_anchors(chain.get(..position).unwrap_or_default());
                }
            }
            previous = Some(certificate);
        }
        let Some(last) = previous else { return Err(no_path()) };
        if self.trust.with_subject(last.issuer.canonical()).next().is_some() {
            return self.check_with_anchors(chain);
        }
        self.search(chain)
    }

    /// Tries every anchor whose subject is the last issuer, and whose key identifier does not contradict.
    fn check_with_anchors(&self, path: &[Arc<Certificate>]) -> Result<Vec<Arc<Certificate>>, ChainFailure> {
        let Some(last) = path.last() else { return Err(no_path()) };
        let mut failure = other("Path does not chain with any of the trust anchors");
        for anchor in self.trust.with_subject(last.issuer.canonical()) {
            if !last.may_be_issued_by(&anchor.certificate) {
                continue;
            }
            match self.check_path(path, &anchor.certificate) {
                Ok(()) => {
                    let mut whole = path.to_vec();
                    whole.push(anchor.certificate.clone());
                    return Ok(whole);
                }
                Err(found) => failure = found,
            }
        }
        Err(failure)
    }

    /// Depth-first search for a valid path among the offered certificates.
    fn search(&self, offered: &[Arc<Certificate>]) -> Result<Vec<Arc<Certificate>>, ChainFailure> {
        let Some(leaf) = offered.first() else { return Err(no_path()) };
        let mut budget = limits::PATH_STEPS;
        let path = self.extend(&mut vec![leaf.clone()], offered, &mut budget);
        path.ok_or_else(|| if budget == 0 { endless_search() } else { no_path() })
    }

    fn extend(
        &self,
        path: &mut Vec<Arc<Certificate>>,
        offered: &[Arc<Certificate>],
        budget: &mut usize,
    ) -> Option<Vec<Arc<Certificate>>> {
        *budget = budget.checked_sub(1)?;
        if let Ok(whole) = self.check_with_anchors(path) {
            return Some(whole);
        }
        if path.len() >= MAX_PATH {
            return None;
        }
        let issuer = path.last()?.issuer.clone();
        for candidate in offered {
            if !candidate.subject.matches(&issuer) || path.iter().any(|used| used.der == candidate.der) {
                continue;
            }
            path.push(candidate.clone());
            if let Some(whole) = self.extend(path, offered, budget) {
                return Some(whole);
            }
            path.pop();
        }
        None
    }

    /// Checks a path from its anchor down to the leaf (RFC 5280 section 6.1).
    fn check_path(&self, path: &[Arc<Certificate>], anchor: &Arc<Certificate>) -> Result<(), ChainFailure> {
        // The anchor itself must be an authority; its dates and its own signature do not matter.
        if anchor.version >= 3 && anchor.basic_constraints.is_some_and(|(authority, _)| !authority) {
            return Err(other("basic constraints check failed: this is not a CA certificate"));
        }
        if !anchor.may_use(&[KU_KEY_CERT_SIGN]) {
            return Err(other("CA key usage check failed: keyCertSign bit is not set"));
        }
        let mut issuer = anchor;
        let mut remaining: Option<usize> =
            anchor.basic_constraints.and_then(|(_, length)| length).map(usize::from);
        let mut policies = PolicyTree::new(path.len());
        for (position, certificate) in path.iter().enumerate().rev() {
            self.check_algorithms(certificate, issuer)?;
            let is_leaf = position == 0;
            if !is_leaf {
                check_authority(certificate, &mut remaining)?;
            }
            policies.process(certificate, is_leaf).map_err(other)?;
            match certificate.validity_at(self.at) {
                Validity::Valid => {}
                Validity::Expired => return Err(failure(ChainFailureKind::Expired, "validity check failed")),
                Validity::NotYet => {
                    return Err(failure(ChainFailureKind::NotYetValid, "validity check failed"));
                }
            }
            if !certificate.issuer.matches(&issuer.subject) {
                return Err(other("subject/issuer name chaining check failed"));
            }
            if issuer.key.check(&certificate.signature_scheme, &certificate.tbs, &certificate.signature)
                != Check::Right
            {
                return Err(other("signature check failed"));
            }
            if !certificate.path_critical.is_empty() {
                return Err(other("unrecognized critical extension(s)"));
            }
            if certificate.has_name_constraints && !is_leaf {
                return Err(other("name constraints are not evaluated, not verified"));
            }
            issuer = certificate;
        }
        Ok(())
    }

    fn check_algorithms(&self, certificate: &Certificate, issuer: &Certificate) -> Result<(), ChainFailure> {
        // Without any of these bits the JDK finds no purpose to judge algorithms for.
        if !certificate.may_use(&[0, 1, 2, 3, 4, 5, 6]) {
            return Err(other("incorrect KeyUsage extension bits"));
        }
        let scheme = &certificate.signature_scheme;
        if path_scheme(scheme, self.algorithms_at) == Strength::Disabled {
            if scheme.digest() == Some(DigestAlgorithm::Sha1) {
                let at = Timestamp::from_millisecond(self.algorithms_at.as_millisecond())
                    .unwrap_or(self.algorithms_at);
                return Err(other(&format!(
                    "denyAfter constraint check failed: SHA1 used with Constraint date: 2019-01-01; params date: {at} used with certificate: {}",
                    certificate.subject.to_java_string()
                )));
            }
            let mut failure = other(&format!(
                "Algorithm constraints check failed on signature algorithm: {}",
                scheme.name()
            ));
            failure.newer_reason = scheme.digest().map(|digest| {
                let subject = certificate.subject.to_java_string();
                format!(
                    "Algorithm constraints check failed on disabled algorithm: {} used with certificate: {subject}",
                    digest.jca_name()
                )
            });
            return Err(failure);
        }
        for key in [&issuer.key.kind, &certificate.key.kind] {
            if path_key(key) == Strength::Disabled {
                return Err(other(&format!(
                    "Algorithm constraints check failed on keysize limits: {} {} bit key",
                    key.algorithm(),
                    key.bits().unwrap_or(0)
                )));
            }
        }
        Ok(())
    }
}

/// CA flag, path length and key usage of an intermediate certificate (RFC 5280 section 6.1.4).
fn check_authority(certificate: &Certificate, remaining: &mut Option<usize>) -> Result<(), ChainFailure> {
    if !certificate.may_use(&[KU_KEY_CERT_SIGN]) {
        return Err(other("CA key usage check failed: keyCertSign bit is not set"));
    }
    let Some((true, limit)) = certificate.basic_constraints else {
        return Err(other("basic constraints check failed: this is not a CA certificate"));
    };
    if !certificate.is_self_issued() {
        match remaining {
            Some(0) => {
                return Err(other(
                    "basic constraints check failed: pathLenConstraint violated - this cert must be the last cert in the certification path",
                ));
            }
            Some(left) => *left -= 1,
            None => {}
        }
    }
    if let Some(limit) = limit.map(usize::from) {
        *remaining = Some(remaining.map_or(limit, |left| left.min(limit)));
    }
    Ok(())
}

/// Whether the leaf may be used for the purpose.
fn check_end_entity(leaf: &Certificate, purpose: Purpose) -> Result<(), ChainFailure> {
    let refuse = |reason: &str| Err(failure(ChainFailureKind::EndEntity, reason));
    match purpose {
        Purpose::CodeSigning => {
            if !leaf.may_use(&[KU_DIGITAL_SIGNATURE]) {
                return refuse("KeyUsage does not allow digital signatures");
            }
            if !leaf.may_serve(EKU_CODE_SIGNING) {
                return refuse("Extended key usage does not permit use for code signing");
            }
            if !leaf.netscape_allows_object_signing() {
                return refuse("Netscape cert type does not permit use for code signing");
            }
        }
        Purpose::TimeStamping => {
            if !leaf.may_use(&[KU_DIGITAL_SIGNATURE]) {
                return refuse("KeyUsage does not allow digital signatures");
            }
            if leaf.extended_key_usage.is_none() {
                return refuse(
                    "Certificate does not contain an extended key usage extension required for a TSA server",
                );
            }
            if !leaf.may_serve(EKU_TIME_STAMPING) {
                return refuse("Extended key usage does not permit use for TSA server");
            }
        }
    }
    Ok(())
}

fn no_path() -> ChainFailure {
    failure(
        ChainFailureKind::NoPath,
        "PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: unable to find valid certification path to requested target",
    )
}

/// A crafted block of many certificates with equal names would otherwise take for ever.
fn endless_search() -> ChainFailure {
    let what = format_args!("no certification path within {} steps", limits::PATH_STEPS);
    failure(ChainFailureKind::NoPath, &limits::exceeded(what))
}

fn other(reason: &str) -> ChainFailure {
    failure(ChainFailureKind::Other, reason)
}

fn failure(kind: ChainFailureKind, reason: &str) -> ChainFailure {
    ChainFailure { kind, reason: reason.to_owned(), newer_reason: None }
}

/// Longest path that is searched for; the JDK's default is five certificates between leaf and anchor.
const MAX_PATH: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maze_of_cross_certificates_ends_at_a_named_limit() {
        // Sixty certificates that all may have issued each other.
        let pem = include_str!("../tests/data/anchors.pem");
        let trust = TrustStore::read("recorded", pem.as_bytes(), None).unwrap();
        let subjects: Vec<_> =
            trust.certificates().take(2).map(|certificate| certificate.subject.clone()).collect();
        let maze: Vec<Arc<Certificate>> = (0..60u8)
            .map(|number| {
                let model = trust.certificates().next().unwrap();
                let mut certificate = Certificate::parse(&model.der).unwrap();
                let own = Arc::get_mut(&mut certificate).unwrap();
                let side = usize::from(number % 2);
                own.subject = subjects[side].clone();
                own.issuer = subjects[1 - side].clone();
                own.der.push(number);
                certificate
            })
            .collect();
        let at = "2026-11-25T12:00:00Z".parse().unwrap();
        let failure = validate(&maze, &TrustStore::empty("none"), Purpose::CodeSigning, at, at).unwrap_err();
        assert_eq!(failure.kind(), ChainFailureKind::NoPath);
        assert_eq!(failure.reason(), "limit exceeded: no certification path within 200 steps");
        let failure =
            validate(&maze[..3], &TrustStore::empty("none"), Purpose::CodeSigning, at, at).unwrap_err();
        assert_eq!(failure, no_path());
    }
}
