//! Little-endian fields at checked positions.

use serde::Serialize;

/// The 16-bit field at `at`.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// The 32-bit field at `at`.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// The 64-bit field at `at`.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// What is wrong with extra fields: something that some programs unpack by, or no fields at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum StrangeExtra {
    OtherName,
    OtherMode,
    NotWellFormed,
}

impl StrangeExtra {
    /// The reason as findings give it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::OtherName => "an extra field gives another name",
            Self::OtherMode => "an extra field gives another mode or a link",
            Self::NotWellFormed => "the extra fields are not well formed",
        }
    }
}

/// What is wrong with extra fields.
pub(super) fn strange_extra(extra: &[u8]) -> Option<StrangeExtra> {
    let mut at = 0usize;
    while let (Some(id), Some(size)) = (u16_at(extra, at), u16_at(extra, at.checked_add(2)?)) {
        match (id, size) {
            (0x7075, _) => return Some(StrangeExtra::OtherName),
            (0x756e, _) | (0x000d, 13..) => return Some(StrangeExtra::OtherMode),
            _ => {}
        }
        at = at.checked_add(4)?.checked_add(usize::from(size))?;
    }
    match extra.get(at..) {
        // Fewer zeros than a field's head are padding.
        Some(rest) if rest.len() < 4 && rest.iter().all(|byte| *byte == 0) => None,
        _ => Some(StrangeExtra::NotWellFormed),
    }
}

/// The data of the first extra field block with the given header id (APPNOTE 4.5).
pub(crate) fn extra_field(extra: &[u8], id: u16) -> Option<&[u8]> {
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
