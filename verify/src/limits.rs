//! Bounds on what hostile input may cost.

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
    /// Signature blocks looked at. Against denial of service by many signatures; packages have one.
    pub signature_blocks: usize,
    /// SignerInfos of one block. As above.
    pub signer_infos: usize,
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
            signature_blocks: 64,
            signer_infos: 64,
            certificates: 256,
            entry_size: 64 << 30,
            total_size: 256 << 30,
        }
    }
}
