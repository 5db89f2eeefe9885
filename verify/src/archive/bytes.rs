//! Little-endian fields at checked positions.

/// The 16-bit field at `at`.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// The 32-bit field at `at`.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// The 64-bit field at `at`.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// The data of the first extra field block with the given header id (APPNOTE 4.5).
pub(super) fn extra_field(extra: &[u8], id: u16) -> Option<&[u8]> {
    let mut at = 0usize;
    while let (Some(found), Some(size)) = (u16_at(extra, at), u16_at(extra, at.checked_add(2)?)) {
        let start = at.checked_add(4)?;
        let end = start.checked_add(usize::from(size))?;
        let data = extra.get(start..end)?;
        if found == id {
            return Some(data);
        }
        at = end;
    }
    None
}
