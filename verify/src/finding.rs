//! Oddities of an archive: facts that no honest package has, whatever its signature says.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// A fact about the archive that admission judges. The text names the entry and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// Bytes before the first entry.
    LeadingBytes {
        /// How many.
        length: u64,
    },
    /// Bytes after the end record and its comment.
    TrailingBytes {
        /// How many.
        length: u64,
    },
    /// Bytes that belong to no entry.
    HiddenBytes {
        /// Where they start.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// More than one end record signature in the tail.
    SeveralEndRecords {
        /// How many.
        count: usize,
    },
    /// The end record speaks of several disks.
    MultiDisk,
    /// The archive has a comment.
    ArchiveComment {
        /// Its length in bytes.
        length: u64,
    },
    /// The end record announces another number of entries than the directory has.
    EntryCountDiffers {
        /// Announced.
        declared: u64,
        /// Found.
        found: u64,
    },
    /// Two entries share bytes.
    OverlappingEntries {
        /// The second of them.
        entry: String,
    },
    /// Local header and central directory differ.
    HeadersDisagree {
        /// The entry, as the central directory names it.
        entry: String,
        /// In what.
        field: HeaderField,
    },
    /// An entry that is stored, not compressed, and has a data descriptor: who reads the archive as a stream cannot know
    /// where the entry ends, and newer JDKs refuse it.
    StoredWithDescriptor {
        /// The entry.
        entry: String,
    },
    /// Extra fields that other programs read differently.
    ExtraField {
        /// The entry.
        entry: String,
        /// Why.
        reason: &'static str,
    },
    /// A name occurs twice.
    DuplicateName {
        /// The name.
        entry: String,
    },
    /// Two names are the same file on some file system.
    CollidingNames {
        /// The later name.
        entry: String,
        /// The earlier name.
        other: String,
    },
    /// A name that must not be unpacked.
    UnsafeName {
        /// The name.
        entry: String,
        /// Why.
        reason: &'static str,
    },
    /// A symbolic link.
    SymbolicLink {
        /// The entry.
        entry: String,
    },
    /// Neither file nor folder: a device, socket or pipe.
    SpecialFile {
        /// The entry.
        entry: String,
        /// Its Unix mode.
        mode: u32,
    },
    /// A setuid or setgid bit.
    SetuidMode {
        /// The entry.
        entry: String,
        /// Its Unix mode.
        mode: u32,
    },
    /// The content does not have the declared CRC-32.
    WrongCrc {
        /// The entry.
        entry: String,
    },
    /// The content is longer or shorter than declared.
    WrongSize {
        /// The entry.
        entry: String,
        /// Declared length.
        declared: u64,
    },
    /// The content cannot be read to its end.
    Unreadable {
        /// The entry.
        entry: String,
        /// The failure in the JDK's words.
        reason: String,
    },
    /// The compressed data is followed by bytes that belong to it but are not used.
    UnusedCompressedBytes {
        /// The entry.
        entry: String,
        /// How many.
        length: u64,
    },
    /// More than the limit would be unpacked.
    TooLarge {
        /// The entry, or the archive.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A timestamp token whose content type is not `id-ct-TSTInfo`; newer JDKs refuse it.
    TimestampWithoutTstInfo {
        /// The signature block.
        block: String,
    },
    /// A signature over bytes that could be signed attributes of another signature; newer JDKs refuse it.
    AmbiguousSignedContent {
        /// The signature block.
        block: String,
    },
    /// A digest counts for jarsigner although its algorithm is disabled, because its policy does not know the name `SHA`
    /// for SHA-1.
    DisabledDigest {
        /// The signature block or the first entry.
        what: String,
    },
    /// A second reader of the archive or of a signature block sees something else, or refuses it.
    ReadersDisagree {
        /// In what.
        what: String,
    },
}

/// A field that stands in both headers of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeaderField {
    /// The name.
    Name,
    /// The compression method.
    Method,
    /// The flags.
    Flags,
    /// The CRC-32.
    Crc32,
    /// One of the sizes.
    Size,
    /// The data descriptor is missing or wrong.
    DataDescriptor,
}

impl Finding {
    /// The name of the rule, as configuration and reports use it.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::LeadingBytes { .. } => "leading-bytes",
            Self::TrailingBytes { .. } => "trailing-bytes",
            Self::HiddenBytes { .. } => "hidden-bytes",
            Self::SeveralEndRecords { .. } => "several-end-records",
            Self::MultiDisk => "multi-disk",
            Self::ArchiveComment { .. } => "archive-comment",
            Self::EntryCountDiffers { .. } => "entry-count",
            Self::OverlappingEntries { .. } => "overlapping-entries",
            Self::HeadersDisagree { .. } => "headers-disagree",
            Self::StoredWithDescriptor { .. } => "stored-with-descriptor",
            Self::ExtraField { .. } => "extra-field",
            Self::DuplicateName { .. } => "duplicate-name",
            Self::CollidingNames { .. } => "colliding-names",
            Self::UnsafeName { .. } => "unsafe-name",
            Self::SymbolicLink { .. } => "symbolic-link",
            Self::SpecialFile { .. } => "special-file",
            Self::SetuidMode { .. } => "setuid-mode",
            Self::WrongCrc { .. } => "wrong-crc",
            Self::WrongSize { .. } => "wrong-size",
            Self::Unreadable { .. } => "unreadable",
            Self::UnusedCompressedBytes { .. } => "unused-compressed-bytes",
            Self::TooLarge { .. } => "too-large",
            Self::TimestampWithoutTstInfo { .. } => "timestamp-content-type",
            Self::AmbiguousSignedContent { .. } => "ambiguous-signed-content",
            Self::DisabledDigest { .. } => "disabled-digest",
            Self::ReadersDisagree { .. } => "readers-disagree",
        }
    }

    /// What such an oddity means to whoever finds it, in one sentence.
    pub fn meaning(&self) -> &'static str {
        match self {
            Self::LeadingBytes { .. } => {
                "another format, for instance a program, can stand in front of an archive"
            }
            Self::TrailingBytes { .. } => "no signature covers them, and another format can hide there",
            Self::HiddenBytes { .. } => {
                "no signature covers them, and readers that stream may find other entries there"
            }
            Self::SeveralEndRecords { .. } => {
                "different programs may read different archives from this one file"
            }
            Self::MultiDisk => "no package is split; programs differ in what they make of it",
            Self::ArchiveComment { .. } => "harmless in itself; no signature covers it",
            Self::EntryCountDiffers { .. } => "some programs read only as many entries as announced",
            Self::OverlappingEntries { .. } => {
                "a way to build archives that unpack to far more than they seem to hold"
            }
            Self::HeadersDisagree { .. } => "programs that stream take one, the others take the other",
            Self::StoredWithDescriptor { .. } => {
                "who reads the archive as a stream cannot know where the entry ends"
            }
            Self::ExtraField { .. } => {
                "some programs unpack by it: to another name, with another mode, as a link"
            }
            Self::DuplicateName { .. } => "one of them may be checked and the other unpacked",
            Self::CollidingNames { .. } => "unpacked on such a file system, the later replaces the earlier",
            Self::UnsafeName { .. } => "unpacked without care, it lands outside the folder or hides its name",
            Self::SymbolicLink { .. } => "unpacked, it redirects what is written through it",
            Self::SpecialFile { .. } => "no package needs devices, sockets or pipes",
            Self::SetuidMode { .. } => "unpacked as it is, the program runs with its owner's rights",
            Self::WrongCrc { .. } => "the bytes were changed or damaged after packing",
            Self::WrongSize { .. } => "the bytes were changed or damaged after packing, or it is a bomb",
            Self::Unreadable { .. } => "the data is damaged, or it is no deflate stream",
            Self::UnusedCompressedBytes { .. } => "no signature covers them",
            Self::TooLarge { .. } => "beyond what is looked at; it may be a bomb",
            Self::TimestampWithoutTstInfo { .. } => "newer JDKs refuse the timestamp",
            Self::AmbiguousSignedContent { .. } => "newer JDKs refuse the signature",
            Self::DisabledDigest { .. } => "other content can be made to fit a digest of such an algorithm",
            Self::ReadersDisagree { .. } => "different programs may see different packages in this one file",
        }
    }

    /// Whether the finding alone forbids admission. An archive comment is only worth a notice.
    pub fn is_hazard(&self) -> bool {
        !matches!(self, Self::ArchiveComment { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeadingBytes { length } => write!(f, "{length} bytes stand before the first entry"),
            Self::TrailingBytes { length } => write!(f, "{length} bytes follow the end of the archive"),
            Self::HiddenBytes { offset, length } => {
                write!(f, "{length} bytes at offset {offset} belong to no entry")
            }
            Self::SeveralEndRecords { count } => write!(f, "the archive has {count} end records"),
            Self::MultiDisk => write!(f, "the end record speaks of several disks"),
            Self::ArchiveComment { length } => write!(f, "the archive has a comment of {length} bytes"),
            Self::EntryCountDiffers { declared, found } => {
                write!(f, "the end record announces {declared} entries, the directory has {found}")
            }
            Self::OverlappingEntries { entry } => {
                write!(f, "entry {entry:?} shares bytes with another entry")
            }
            Self::HeadersDisagree { entry, field } => {
                let field = match field {
                    HeaderField::Name => "the name",
                    HeaderField::Method => "the compression method",
                    HeaderField::Flags => "the flags",
                    HeaderField::Crc32 => "the CRC-32",
                    HeaderField::Size => "the size",
                    HeaderField::DataDescriptor => "the data descriptor",
                };
                write!(f, "entry {entry:?}: local header and central directory differ in {field}")
            }
            Self::StoredWithDescriptor { entry } => {
                write!(f, "entry {entry:?} is stored with a data descriptor, which newer JDKs refuse")
            }
            Self::ExtraField { entry, reason } => write!(f, "entry {entry:?}: {reason}"),
            Self::DuplicateName { entry } => write!(f, "entry {entry:?} occurs more than once"),
            Self::CollidingNames { entry, other } => {
                write!(f, "entries {entry:?} and {other:?} collide on some file systems")
            }
            Self::UnsafeName { entry, reason } => write!(f, "entry name {entry:?} is unsafe: {reason}"),
            Self::SymbolicLink { entry } => write!(f, "entry {entry:?} is a symbolic link"),
            Self::SpecialFile { entry, mode } => {
                write!(f, "entry {entry:?} is a special file (mode {mode:o})")
            }
            Self::SetuidMode { entry, mode } => {
                write!(f, "entry {entry:?} has a setuid or setgid bit (mode {mode:o})")
            }
            Self::WrongCrc { entry } => {
                write!(f, "entry {entry:?}: the content does not have the declared CRC-32")
            }
            Self::WrongSize { entry, declared } => {
                write!(f, "entry {entry:?}: the content does not have the declared {declared} bytes")
            }
            Self::Unreadable { entry, reason } => write!(f, "entry {entry:?} cannot be read: {reason}"),
            Self::UnusedCompressedBytes { entry, length } => {
                write!(f, "entry {entry:?}: {length} bytes of the compressed data are not used")
            }
            Self::TooLarge { what, limit } => write!(f, "{what} unpacks to more than {limit} bytes"),
            Self::TimestampWithoutTstInfo { block } => {
                write!(f, "the timestamp in {block:?} is no RFC 3161 token by its content type")
            }
            Self::AmbiguousSignedContent { block } => {
                write!(f, "the content signed by {block:?} could be signed attributes of another signature")
            }
            Self::DisabledDigest { what } => {
                write!(
                    f,
                    "{what} has a digest by an algorithm that is disabled, under a name that escapes jarsigner"
                )
            }
            Self::ReadersDisagree { what } => write!(f, "two independent readers disagree: {what}"),
        }
    }
}
