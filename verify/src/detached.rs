//! The parts of a JAR signature as files that other programs verify: what was signed, by whom, and when that was stamped.

use std::io;

use crate::archive::{Archive, ContentReader};
use crate::limits::Limits;
use crate::signature_names::{has_meta_inf_prefix, is_block};
use crate::signed_data::SignedData;
use crate::source::Source;

/// A signature block and the file that it signs. Nothing of it is verified here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachedSignature {
    /// The name of the block's entry, for instance `META-INF/VENDOR.RSA`.
    pub block_name: String,
    /// The block: CMS SignedData (RFC 5652) without content.
    pub block: Vec<u8>,
    /// The signature file: the content.
    pub signature_file: Vec<u8>,
    /// The signature value of the first signer, which the timestamp was made for.
    pub signature: Option<Vec<u8>>,
    /// The timestamp token of the first signer (RFC 3161).
    pub timestamp_token: Option<Vec<u8>>,
}

/// Reads the signature blocks of an archive that have a signature file. An archive that cannot be read has none.
///
/// # Errors
///
/// Only if the bytes cannot be read from their source.
pub fn detached_signatures(source: &Source, limits: &Limits) -> io::Result<Vec<DetachedSignature>> {
    let Ok(archive) = Archive::open(source, limits)? else { return Ok(Vec::new()) };
    let mut reader = ContentReader::default();
    let mut found = Vec::new();
    for (index, entry) in archive.entries.iter().enumerate() {
        let name = &entry.name;
        if !(has_meta_inf_prefix(name) && is_block(name)) || entry.size > limits.signature_file {
            continue;
        }
        let Some((base, _)) = name.rsplit_once('.') else { continue };
        let is_file = |other: &str| other.eq_ignore_ascii_case(&format!("{base}.SF"));
        let file = archive
            .entries
            .iter()
            .position(|other| is_file(&other.name) && other.size <= limits.signature_file);
        let Some(file) = file else { continue };
        let (Ok(block), Ok(signature_file)) =
            (reader.read_whole(source, &archive, index)?, reader.read_whole(source, &archive, file)?)
        else {
            continue;
        };
        let signer = SignedData::parse(&block, limits).ok().and_then(|signed| {
            let signer = signed.signer_infos.first()?;
            Some((signer.signature.clone(), signer.timestamp_token.clone()))
        });
        let (signature, timestamp_token) = signer.map_or((None, None), |(value, token)| (Some(value), token));
        found.push(DetachedSignature {
            block_name: name.clone(),
            block,
            signature_file,
            signature,
            timestamp_token,
        });
    }
    Ok(found)
}
