//! What the server shows of the log: its signed state, and where in it an admission is told of.
//!
//! Attacks considered: a log that was cut or rewritten (the checkpoint has to be signed by the key in the signed catalog,
//! proofs are made from the tiles that are there now; who kept an older checkpoint finds out, see `log`), or changed with what
//! it records (an entry counts only if its hash leads to the root that was signed).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use crate::Sha256Digest;
use crate::catalog::StoreIdentity;
use crate::log::{Checkpoint, LogError, LogFolder, NoteKey, tree};

/// The log of a store.
pub(crate) struct LogState {
    log: LogFolder,
    seen: Mutex<Seen>,
}

/// The places of admissions, as far as the log was read.
#[derive(Default)]
struct Seen {
    size: u64,
    places: HashMap<u64, u64>,
}

impl LogState {
    pub(crate) fn new(log: LogFolder) -> Self {
        Self { log, seen: Mutex::default() }
    }

    /// The state as the store has signed it; none if there is no log or its signature does not hold. Reads a file.
    pub(crate) fn checkpoint(&self, identity: &StoreIdentity) -> Option<Checkpoint> {
        match self.log.checkpoint(&key(identity)?) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                tracing::warn!(error = %error, "the checkpoint of the log cannot be used");
                None
            }
        }
    }

    /// The place of the entry that tells of an admission, beginning with 0. Reads what was added to the log since the
    /// last time: 10,000 entries take some 50 ms.
    pub(crate) fn place(&self, admission: u64, size: u64) -> Option<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.size > size {
            *seen = Seen::default();
        }
        if seen.size < size
            && let Err(error) = self.read_on(&mut seen, size)
        {
            tracing::warn!(error = %error, "the log cannot be read");
        }
        seen.places.get(&admission).copied()
    }

    /// The digests of the documents of an admission of some bytes, as the log records them; none if it does not tell of it, or
    /// if the entry is not in the log that was signed. Reads a bundle and some tiles.
    pub(crate) fn evidence(
        &self,
        admission: u64,
        sha256: &Sha256Digest,
        identity: &StoreIdentity,
    ) -> Option<BTreeMap<String, Sha256Digest>> {
        let checkpoint = self.checkpoint(identity)?;
        let place = self.place(admission, checkpoint.size)?;
        let vouched = match self.signed_entry(place, &checkpoint) {
            Ok(entry) => entry.and_then(|entry| serde_json::from_slice::<Vouched>(&entry).ok()),
            Err(error) => {
                tracing::warn!(error = %error, "the log cannot be read");
                None
            }
        };
        let vouched = vouched.filter(|told| told.number == admission && told.sha256 == *sha256);
        if vouched.is_none() {
            // Where it was found may have been spoilt, and be put right.
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::default();
        }
        vouched.map(|told| told.evidence)
    }

    /// An entry, if it is in the tree whose root was signed.
    fn signed_entry(&self, place: u64, checkpoint: &Checkpoint) -> Result<Option<Vec<u8>>, LogError> {
        let at = self.log.at(checkpoint.size);
        let entry = at.entry(place)?;
        let proof = at.prove_inclusion(place)?;
        let leaf = tree::leaf_hash(&entry);
        let is_in = tree::verify_inclusion(leaf, place, checkpoint.size, &proof, &checkpoint.root);
        Ok(is_in.then_some(entry))
    }

    /// The proof that an entry is in the log (C2SP tlog-proof).
    pub(crate) fn proof(&self, place: u64, identity: &StoreIdentity) -> Option<String> {
        let proof = self.log.proof_file(place, &key(identity)?);
        proof.inspect_err(|error| tracing::warn!(error = %error, "no proof could be made")).ok()
    }

    fn read_on(&self, seen: &mut Seen, size: u64) -> Result<(), LogError> {
        let at = self.log.at(size);
        while seen.size < size {
            let bundle = seen.size / BUNDLE;
            let first = bundle * BUNDLE;
            let entries = at.bundle(bundle)?;
            for (place, entry) in (first..).zip(&entries) {
                if let Ok(Told { event: "admitted" | "accepted", number: Some(number) }) =
                    serde_json::from_slice(entry)
                {
                    seen.places.insert(number, place);
                }
            }
            seen.size = size.min(first + BUNDLE);
        }
        Ok(())
    }
}

/// The part of an entry that says of which admission it is.
#[derive(Deserialize)]
struct Told<'a> {
    event: &'a str,
    number: Option<u64>,
}

/// What an entry says of the documents of an admission.
#[derive(Deserialize)]
struct Vouched {
    number: u64,
    sha256: Sha256Digest,
    evidence: BTreeMap<String, Sha256Digest>,
}

fn key(identity: &StoreIdentity) -> Option<NoteKey> {
    NoteKey::new(&identity.log_name(), identity.key).ok()
}

/// Entries in a bundle (C2SP tlog-tiles).
const BUNDLE: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::testing::TestCatalog;
    use crate::store::testing::at;

    #[test]
    fn places_of_admissions_are_found_and_follow_the_log() {
        let catalog = TestCatalog::new(1);
        let store = crate::store::Store::open(catalog.folder().parent().unwrap()).unwrap();
        let identity = catalog.trust(at(20)).unwrap().store().cloned().unwrap();
        let log = LogState::new(store.log());
        let before = log.checkpoint(&identity).unwrap();
        assert_eq!(log.place(2, before.size), None);
        let first = log.place(1, before.size).unwrap();
        let proof = log.proof(first, &identity).unwrap();
        assert!(proof.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {first}\n")), "{proof}");
        catalog.add(2);
        catalog.publish(at(30));
        let after = log.checkpoint(&identity).unwrap();
        let second = log.place(2, after.size).unwrap();
        assert!(second >= before.size && second < after.size);
        assert_eq!(log.place(1, after.size), Some(first));

        let digest = Sha256Digest::of(b"package 2");
        let recorded = log.evidence(2, &digest, &identity).unwrap();
        let files: Vec<&str> = recorded.keys().map(String::as_str).collect();
        let all = [
            "admission.json",
            "anchors.pem",
            "fetch.json",
            "jarsigner.txt",
            "report.json",
            "statement.dsse.json",
        ];
        assert_eq!(files, all);
        assert!(log.evidence(1, &digest, &identity).is_none(), "other bytes");
        assert!(log.evidence(9, &digest, &identity).is_none());
        // An entry that was changed is not the one that was signed.
        let bundle = catalog.folder().parent().unwrap().join("log/tile/entries/000.p");
        let bundle = bundle.join(after.size.to_string());
        let text = std::fs::read(&bundle).unwrap();
        let changed = replaced(&text, recorded["jarsigner.txt"].to_hex().as_bytes());
        assert_ne!(changed, text);
        std::fs::remove_file(&bundle).unwrap();
        std::fs::write(&bundle, &changed).unwrap();
        assert!(log.evidence(2, &digest, &identity).is_none());
        std::fs::write(&bundle, &text).unwrap();
        assert_eq!(log.evidence(2, &digest, &identity).unwrap(), recorded);

        let stranger = StoreIdentity { key: [7; 32], ..identity };
        assert!(log.checkpoint(&stranger).is_none());
    }

    /// The bytes with zeros in place of a text.
    fn replaced(bytes: &[u8], text: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        while let Some(at) = bytes.windows(text.len()).position(|window| window == text) {
            bytes[at..at + text.len()].fill(b'0');
        }
        bytes
    }
}
