//! What the evidence of a store knows of bytes and signers from before.

use std::error::Error;

use jiff::Timestamp;
use serde::Deserialize;
use tracing::warn;

use super::evidence::{self, AdmissionName};
use super::{Admission, Store, StoreError};
use crate::Sha256Digest;
use crate::admit::{EarlierAdmission, History, Label, Purpose, SignerCertificate};
use crate::storage::below;

/// An admission whose folder is intact: every document that proves it is there and belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct ProvenAdmission {
    number: u64,
    judged_at: Timestamp,
}

impl ProvenAdmission {
    /// The number of the admission.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The moment as of which the bytes were judged; for an admission by proof the moment of that proof.
    pub(crate) fn judged_at(&self) -> Timestamp {
        self.judged_at
    }
}

impl Store {
    /// What this store knows of bytes and of signers from before.
    ///
    /// # Errors
    /// A folder of the evidence, or the record of an admission, cannot be read.
    pub fn history(&self, sha256: Sha256Digest) -> Result<History, StoreError> {
        let earlier = EarlierAdmission::in_store(self, sha256)?;
        Ok(History { earlier, signers: self.known_signers()?, purpose: Purpose::Keep })
    }

    /// The signer certificates of all packages admitted so far, each once, in the order they were first seen.
    pub(super) fn known_signers(&self) -> Result<Vec<SignerCertificate>, StoreError> {
        let mut known = Vec::new();
        for admission in self.admissions()? {
            remember(&mut known, admission.signers());
        }
        Ok(known)
    }

    /// The intact admissions of bytes whose signature was verified, oldest first. A damaged folder proves nothing; `check`
    /// names it.
    pub(crate) fn proven_admissions(
        &self,
        sha256: &Sha256Digest,
    ) -> Result<Vec<ProvenAdmission>, StoreError> {
        let mut proven = Vec::new();
        for name in evidence::list_of(self, sha256)? {
            let number = name.number;
            match self.prove(name) {
                Ok(found) => proven.extend(found),
                Err(error) => {
                    let error: &dyn Error = &error;
                    warn!(%sha256, number, error, "damaged evidence proves no admission");
                }
            }
        }
        Ok(proven)
    }

    fn prove(&self, name: AdmissionName) -> Result<Option<ProvenAdmission>, StoreError> {
        let admission: Admission = evidence::read(self, name)?;
        let key = below(&evidence::folder(&name.sha256, name.number), evidence::REPORT_FILE);
        let (bytes, path) = (evidence::read_object(self, &key)?, self.storage.place(&key));
        if admission.entry().report != Some(Sha256Digest::of(&bytes)) {
            return Err(StoreError::Misplaced {
                path,
                reason: "its digest is not the one in admission.json",
            });
        }
        let said: Said = serde_json::from_slice(&bytes)
            .map_err(|source| StoreError::Garbled { path: path.clone(), source })?;
        if said.sha256 != name.sha256 {
            return Err(StoreError::Misplaced { path, reason: "it is about another digest" });
        }
        let judged_at = match (&said.earlier_admission, &said.report) {
            (Some(then), _) => Some(then.proof.admitted_at),
            (None, report) => report.as_ref().map(|report| report.examined_at),
        };
        let verified = said.admitted && admission.entry().label == Label::Verified;
        Ok(judged_at.filter(|_| verified).map(|judged_at| ProvenAdmission { number: name.number, judged_at }))
    }
}

/// Adds the certificates that are not known yet.
pub(super) fn remember(known: &mut Vec<SignerCertificate>, signers: &[SignerCertificate]) {
    for signer in signers {
        if !known.iter().any(|known| known.sha256() == signer.sha256()) {
            known.push(signer.clone());
        }
    }
}

/// What a stored decision says, as far as it matters here.
#[derive(Deserialize)]
struct Said {
    sha256: Sha256Digest,
    admitted: bool,
    #[serde(default)]
    earlier_admission: Option<Then>,
    report: Option<Examined>,
}

#[derive(Deserialize)]
struct Then {
    proof: Proof,
}

#[derive(Deserialize)]
struct Proof {
    admitted_at: Timestamp,
}

#[derive(Deserialize)]
struct Examined {
    examined_at: Timestamp,
}
