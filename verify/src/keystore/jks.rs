//! Java keystores of type JKS: the trusted certificates in them.
//!
//! Format (big endian): magic, version 1 or 2, count, entries (tag 1 private key, 2 certificate; alias; date; data),
//! SHA-1 over password, a fixed phrase and everything before it.

use sha1::Digest as _;

use super::RawEntry;

/// The first four bytes.
pub(super) const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// Reads trusted certificates, and the first certificate of each private key, with their aliases.
pub(super) fn read(bytes: &[u8], password: Option<&str>) -> Result<Vec<RawEntry>, String> {
    let (body, seal) = bytes.split_at_checked(bytes.len().saturating_sub(20)).ok_or("it is too short")?;
    if let Some(password) = password {
        let mut hasher = sha1::Sha1::new();
        for unit in password.encode_utf16() {
            hasher.update(unit.to_be_bytes());
        }
        hasher.update(b"Mighty Aphrodite");
        hasher.update(body);
        if hasher.finalize().as_slice() != seal {
            return Err("Keystore was tampered with, or password was incorrect".to_owned());
        }
    }
    let mut input = Input { rest: body.get(4..).unwrap_or_default() };
    let version = input.u32()?;
    if !(1..=2).contains(&version) {
        return Err(format!("version {version} of the JKS format is unknown"));
    }
    let count = input.u32()?;
    let mut certificates = Vec::new();
    for _ in 0..count {
        let kind = input.u32()?;
        let alias = input.text()?;
        input.take(8)?;
        match kind {
            1 => {
                let length = input.u32()?;
                input.take(usize::try_from(length).map_err(|_| "a key is too long")?)?;
                let chain = input.u32()?;
                for position in 0..chain {
                    let der = input.certificate(version)?;
                    if position == 0 {
                        certificates.push(RawEntry { alias: alias.clone(), trusted: false, der });
                    }
                }
            }
            2 => certificates.push(RawEntry { alias, trusted: true, der: input.certificate(version)? }),
            other => return Err(format!("entry kind {other} is unknown")),
        }
    }
    Ok(certificates)
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or("it ends in the middle of an entry")?;
        self.rest = rest;
        Ok(head)
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(self.take(4)?.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.take(2)?.iter().fold(0, |value, byte| value << 8 | usize::from(*byte));
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn certificate(&mut self, version: u32) -> Result<Vec<u8>, String> {
        if version == 2 {
            let kind = self.text()?;
            if kind != "X.509" {
                return Err(format!("certificate type {kind:?} is unknown"));
            }
        }
        let length = self.u32()?;
        Ok(self.take(usize::try_from(length).map_err(|_| "a certificate is too long")?)?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_keystores_are_refused() {
        let mut store = MAGIC.to_vec();
        store.extend([0, 0, 0, 2, 0, 0, 0, 1]);
        store.extend([0; 20]);
        assert!(read(&store, None).err().unwrap().contains("ends in the middle"));
        assert!(read(&store, Some("changeit")).err().unwrap().contains("password"));
        assert!(read(&MAGIC, None).is_err());
        // Four thousand million entries, keys and certificates of as many bytes: nothing is set aside for them.
        let huge = [0xff; 4];
        let entry = [&[0, 0, 0, 1, 0, 0], [0; 8].as_slice(), &huge].concat();
        let store = [&MAGIC, [0, 0, 0, 2].as_slice(), &huge, &entry, &[0; 20]].concat();
        assert!(read(&store, None).err().unwrap().contains("ends in the middle"));
    }
}
