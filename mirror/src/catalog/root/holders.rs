//! Who holds which key: `KEYS/holders.json`, a note of the operators for themselves. Nothing depends on it and nobody is sent it.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::KeyChangeError;
use super::proposal::read_limited;
use crate::store::durable::{self, FileMode};

/// Names by key id.
#[derive(Debug, Default)]
pub struct Holders(BTreeMap<String, String>);

impl Holders {
    /// Reads the note; an empty one if there is none.
    pub fn load(folder: &Path) -> Result<Self, KeyChangeError> {
        let malformed = |e: serde_json::Error| KeyChangeError::Malformed {
            what: "note of holders",
            reason: e.to_string(),
        };
        match read_limited(&folder.join(FILE)) {
            Ok(bytes) => {
                let holders = serde_json::from_slice(&bytes).map(Self).map_err(malformed);
                holders.map_err(KeyChangeError::in_file(&folder.join(FILE)))
            }
            Err(KeyChangeError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Who holds a key, if anybody has noted it.
    pub fn of(&self, id: &str) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }

    /// Notes who holds a key; an empty name removes the note.
    pub fn note(&mut self, id: &str, holder: &str, folder: &Path) -> Result<(), KeyChangeError> {
        match holder.trim() {
            "" => drop(self.0.remove(id)),
            name => drop(self.0.insert(id.to_owned(), name.chars().take(200).collect())),
        }
        let malformed = |e: serde_json::Error| KeyChangeError::Malformed {
            what: "note of holders",
            reason: e.to_string(),
        };
        let mut json = serde_json::to_vec_pretty(&self.0).map_err(malformed)?;
        json.push(b'\n');
        durable::replace(&folder.join(FILE), &json, FileMode::Secret)
            .map_err(|e| KeyChangeError::Catalog(e.into()))
    }
}

const FILE: &str = "holders.json";
