//! Checkpoints (C2SP tlog-checkpoint): how large a log is and what its root hash is, as a signed note.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::note::{NoteError, NoteKey};
use crate::Sha256Digest;

/// The state of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log it is; ours are named `midmirror/` and the store's id.
    pub origin: String,
    /// How many entries it has.
    pub size: u64,
    /// The root hash of the tree of its entries.
    pub root: Sha256Digest,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root.as_bytes()))
    }

    /// Opens a signed checkpoint. It has to be of the log that the key is for: of that name.
    pub fn open(note: &[u8], key: &NoteKey) -> Result<Self, NoteError> {
        let checkpoint = Self::from_text(key.open(note)?)?;
        if checkpoint.origin != key.name() {
            return Err(NoteError::Malformed("the checkpoint is of another log"));
        }
        Ok(checkpoint)
    }

    /// Reads the text. Lines that follow the third are not ours, and are passed over as the specification wants.
    fn from_text(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(NoteError::Malformed("a checkpoint has three lines"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(NoteError::Malformed("a checkpoint has no empty lines"));
        }
        let number = size.parse().ok().filter(|number: &u64| number.to_string() == size);
        let size = number.ok_or(NoteError::Malformed("the size of a checkpoint is not a number"))?;
        let root = BASE64.decode(root).ok().and_then(|root| root.try_into().ok());
        let root = root.ok_or(NoteError::Malformed("the root of a checkpoint is not a SHA-256 hash"))?;
        Ok(Self { origin: origin.to_owned(), size, root: Sha256Digest::from_bytes(root) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_the_specification_is_read_and_written() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::from_text(text).unwrap();
        assert_eq!(checkpoint.size, 20_852_163);
        assert_eq!(checkpoint.to_text(), text);
        assert_eq!(Checkpoint::from_text(&format!("{text}more\n")), Ok(checkpoint));
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for bad in [
            String::new(),
            format!("\n1\n{root}\n"),
            format!("a\n01\n{root}\n"),
            format!("a\n-1\n{root}\n"),
            format!("a\n+1\n{root}\n"),
            format!("a\n18446744073709551616\n{root}\n"),
            format!("a\n1\n{}\n", &root[4..]),
            format!("a\n1\n{root}\n\nmore\n"),
            "a\n1\n".to_owned(),
        ] {
            assert!(Checkpoint::from_text(&bad).is_err(), "{bad:?}");
        }
    }
}
