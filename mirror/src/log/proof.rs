//! The proof that an entry is in the log, as a file that can be checked without the log (C2SP tlog-proof).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::checkpoint::Checkpoint;
use super::error::LogError;
use super::folder::LogFolder;
use super::note::NoteKey;

impl LogFolder {
    /// The proof for an entry at the current size, with the signed checkpoint in it; usually kept in a file
    /// `NAME.tlog-proof`. Whoever has it, the entry and the key of the log needs nothing else.
    ///
    /// # Errors
    /// There is no such entry, or the log is damaged.
    pub fn proof_file(&self, index: u64, key: &NoteKey) -> Result<String, LogError> {
        let none = LogError::NoEntry { index, size: 0 };
        let Some(note) = self.signed_checkpoint()? else { return Err(none) };
        let checkpoint = Checkpoint::open(&note, key)
            .map_err(|source| LogError::Checkpoint { path: self.path("checkpoint"), source })?;
        let hashes = self.at(checkpoint.size).prove_inclusion(index)?;
        let mut text = format!("c2sp.org/tlog-proof@v1\nindex {index}\n");
        for hash in hashes {
            text.push_str(&BASE64.encode(hash.as_bytes()));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&note));
        Ok(text)
    }
}
