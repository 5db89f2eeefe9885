//! Bounds on what hostile input may cost.
//!
//! Where the JDK has no such bound, reaching one ends the examination with an error that begins with
//! "limit exceeded": passing over what is beyond it could accept what `jarsigner` rejects.

/// Bounds on memory and work. The defaults fit every known MID Server package with a wide margin.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of the central directory. Against a directory that fills memory: 256 MiB hold over a million
    /// entries; the largest known package has fewer than 10,000.
    pub central_directory: u64,
    /// Entries of the archive. Each costs some hundred bytes of memory.
    pub entries: usize,
    /// Bytes of the manifest, of one signature file and of one signature block, unpacked. The JDK's own default
    /// of `jdk.jar.maxSignatureFileSize`.
    pub signature_file: u64,
    /// Bytes of all signature files and blocks together, unpacked: they are in memory at the same time.
    pub signature_files: u64,
    /// Bytes of signature files and of the manifest that checking signatures reads, parses or digests. Against one huge
    /// signature file under many blocks, one huge manifest under many digests. Three signers with everything as large
    /// as [`Limits::signature_file`] allows stay below it.
    pub signature_work: u64,
    /// Signature blocks looked at. Against denial of service by many signatures; packages have one.
    pub signature_blocks: usize,
    /// SignerInfos of one block. As above.
    pub signer_infos: usize,
    /// Signatures of SignerInfos that are checked, with those of timestamps, in the whole archive. The same block counts
    /// again for each signature file of its name.
    pub signature_checks: usize,
    /// Certificates of one block.
    pub certificates: usize,
    /// Bytes that one entry may unpack to.
    pub entry_size: u64,
    /// Bytes that all entries may unpack to.
    pub total_size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            central_directory: 256 << 20,
            entries: 2_000_000,
            signature_file: 16_000_000,
            signature_files: 64_000_000,
            signature_work: 320_000_000,
            signature_blocks: 64,
            signer_infos: 64,
            signature_checks: 128,
            certificates: 64,
            entry_size: 64 << 30,
            total_size: 256 << 30,
        }
    }
}

/// How every error that names a limit begins.
const EXCEEDED: &str = "limit exceeded: ";

/// The reason for refusing what is beyond a limit.
pub(crate) fn exceeded(what: impl std::fmt::Display) -> String {
    format!("{EXCEEDED}{what}")
}

/// Whether a reason is that of a limit; somewhere in it, because errors get wrapped.
pub(crate) fn is_exceeded(reason: &str) -> bool {
    reason.contains(EXCEEDED)
}

/// Sections of a manifest or signature file. Each costs some hundred bytes of memory. With one SHA-1 digest a section
/// takes 54 bytes, so [`Limits::signature_file`] leaves room for less than 300,000 honest ones.
pub(crate) const SECTIONS: usize = 300_000;
/// Headers of a manifest or signature file, in all its sections. As above; two digests for each entry are rare.
pub(crate) const HEADERS: usize = 600_000;
/// Values in one ASN.1 container. Each costs twenty times its least length.
pub(crate) const ASN1_VALUES: usize = 65_536;
/// Counter-signatures of counter-signatures. Each is read by a call within a call.
pub(crate) const COUNTER_SIGNATURES: usize = 16;
/// The error for more than [`COUNTER_SIGNATURES`].
pub(crate) const TOO_MANY_COUNTER_SIGNATURES: &str =
    "limit exceeded: more than 16 counter-signatures in a row";
/// The error for more than [`ASN1_VALUES`].
pub(crate) const TOO_MANY_VALUES: &str = "limit exceeded: more than 65536 values in one ASN.1 container";
/// Bytes of an encoded distinguished name; those of real certificates have less than 1,000. Its attributes cost twenty
/// times their length, and a listing repeats the name for every entry.
pub(crate) const NAME: usize = 8192;
/// The error for more than [`NAME`].
pub(crate) const NAME_TOO_LONG: &str = "limit exceeded: a distinguished name of more than 8192 bytes";
/// Bits of a BIT STRING of flags that are looked at; X.509 defines nine for key usage.
pub(crate) const FLAGS: usize = 1024;
/// SignerInfos of a timestamp token; RFC 3161 section 2.4.1 allows one.
pub(crate) const TOKEN_SIGNER_INFOS: usize = 4;
/// Bits of the prime of a DSA key; FIPS 186-4 section 4.2 goes up to 3072. Checking takes time with its third power.
pub(crate) const DSA_PRIME: u64 = 4096;
/// Values of one SET that the second reader is shown: it sorts sets, and takes time with their square.
pub(crate) const SORTED_SET: usize = 512;
/// End records in an archive that the second reader is shown: it reads a directory for each.
pub(crate) const END_RECORDS: usize = 16;
/// Rounds of key derivation in one PKCS12 keystore, all parts together; the JDK's own limit for each part.
pub(crate) const KEYSTORE_ITERATIONS: u32 = 5_000_000;
/// Steps of the search for a certification path, each with one signature check or more for every anchor of the name.
pub(crate) const PATH_STEPS: usize = 200;
