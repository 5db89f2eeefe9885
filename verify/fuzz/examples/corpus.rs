//! Makes seeds for the fuzz targets, and packs a corpus into the one file that is kept of it.
//!
//!     cargo run --example corpus -- seeds FOLDER        FOLDER/TARGET/… from the repository's test material
//!     cargo run --example corpus -- unpack FOLDER       FOLDER/TARGET/… from kept/TARGET.zip
//!     cargo run --example corpus -- pack FOLDER BYTES   kept/TARGET.zip from FOLDER/TARGET/…, for each target about
//!                                                       BYTES: small inputs, and some of all sizes

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use cms::cert::x509::der::Encode as _;
use cms::content_info::ContentInfo;
use cms::der::Decode as _;
use cms::signed_data::SignedData;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["seeds", folder] => seeds(Path::new(folder)),
        ["unpack", folder] => unpack(Path::new(folder)),
        ["pack", folder, bytes] => pack(Path::new(folder), bytes.parse()?),
        _ => Err("usage: corpus seeds FOLDER | unpack FOLDER | pack FOLDER BYTES".into()),
    }
}

/// Inputs by target; equal ones once.
struct Seeds<'a> {
    folder: &'a Path,
    count: BTreeMap<&'static str, usize>,
}

impl Seeds<'_> {
    fn add(&mut self, target: &'static str, bytes: &[u8]) -> Result<()> {
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder)?;
        // A name by content keeps equal seeds apart from different ones.
        let name = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        fs::write(folder.join(format!("seed-{name:016x}")), bytes)?;
        *self.count.entry(target).or_default() += 1;
        Ok(())
    }

    fn archive(&mut self, bytes: &[u8]) -> Result<()> {
        self.add("verifier", bytes)?;
        self.add("archive", bytes)?;
        let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes)) else { return Ok(()) };
        let mut parts = Vec::new();
        for index in 0..archive.len() {
            let Ok(mut file) = archive.by_index(index) else { continue };
            let name = String::from_utf8_lossy(file.name_raw()).into_owned();
            let mut content = Vec::new();
            if file.read_to_end(&mut content).is_err() || content.len() > 64 << 10 {
                continue;
            }
            parts.extend([0, 0xff, 0xfe, 0xff]);
            parts.extend(name.as_bytes());
            parts.push(0);
            parts.extend(&content);
            match name.to_uppercase().rsplit_once('.').map(|(_, extension)| extension) {
                Some("MF") => self.add("manifest", &content)?,
                Some("SF") => self.add("signature_file", &content)?,
                Some("RSA" | "DSA" | "EC") => self.block(&content)?,
                _ => {}
            }
        }
        self.add("parts", &parts)
    }

    fn block(&mut self, bytes: &[u8]) -> Result<()> {
        self.add("signature_block", bytes)?;
        for (signature, token) in tokens(bytes).unwrap_or_default() {
            self.add("signature_block", &token)?;
            let length = u16::try_from(signature.len())?.to_be_bytes();
            self.add("timestamp_token", &[&length[..], &signature, &token].concat())?;
        }
        Ok(())
    }

    fn keystore(&mut self, bytes: &[u8]) -> Result<()> {
        self.add(if bytes.starts_with(&[0xfe, 0xed]) { "jks" } else { "pkcs12" }, bytes)
    }
}

/// The timestamp tokens of a block, with the signatures they are for.
fn tokens(bytes: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let block: SignedData = ContentInfo::from_ber(bytes)?.content.decode_as()?;
    let mut tokens = Vec::new();
    for signer in block.signer_infos.0.iter() {
        for attribute in signer.unsigned_attrs.iter().flat_map(|attributes| attributes.iter()) {
            if attribute.oid.to_string() == "1.2.840.113549.1.9.16.2.14" {
                for token in attribute.values.iter() {
                    tokens.push((signer.signature.as_bytes().to_vec(), token.to_der()?));
                }
            }
        }
    }
    Ok(tokens)
}

fn seeds(folder: &Path) -> Result<()> {
    let mut seeds = Seeds { folder, count: BTreeMap::new() };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, bytes) in members(&root.join("fixtures/conformance/corpus.zip"))? {
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("jar") => seeds.archive(&bytes)?,
            Some("p12") => seeds.keystore(&bytes)?,
            _ => {}
        }
    }
    for (name, bytes) in members(&root.join("fixtures/conformance/expected-17.0.15.zip"))? {
        if name.ends_with(".args") {
            seeds.add("arguments", &bytes)?;
        }
    }
    for entry in fs::read_dir(root.join("verify/tests/data"))? {
        let path = entry?.path();
        if path.is_dir() {
            seeds.archive(&fs::read(path.join("case.jar"))?)?;
        } else if path.extension().is_some_and(|extension| extension == "p12" || extension == "jks") {
            seeds.keystore(&fs::read(path)?)?;
        }
    }
    for stock in ["fixtures/data/packages", "fixtures/stock"] {
        for path in files(&root.join(stock))? {
            let bytes = fs::read(&path)?;
            if bytes.starts_with(b"PK") && bytes.len() < 256 << 10 {
                seeds.archive(&bytes)?;
            }
        }
    }
    seeds.keystore(&fs::read(root.join("fixtures/data/agent-cacerts.jks"))?)?;
    for (target, count) in seeds.count {
        println!("{target}: {count}");
    }
    Ok(())
}

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kept")
}

fn unpack(folder: &Path) -> Result<()> {
    for path in files(&kept())? {
        let target = path.file_stem().ok_or("a file without a name")?;
        for (name, bytes) in members(&path)? {
            fs::create_dir_all(folder.join(target))?;
            fs::write(folder.join(target).join(name), bytes)?;
        }
    }
    Ok(())
}

fn pack(folder: &Path, limit: usize) -> Result<()> {
    fs::create_dir_all(kept())?;
    for entry in fs::read_dir(folder)? {
        let target = entry?.path();
        let mut inputs = Vec::new();
        for path in files(&target)? {
            inputs.push(fs::read(&path)?);
        }
        inputs.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
        inputs.dedup();
        let chosen = chosen(&inputs, limit);
        let mut packed = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default());
        for (number, input) in chosen.iter().enumerate() {
            packed.start_file(format!("{number:05}"), options)?;
            packed.write_all(input)?;
        }
        let count = chosen.len();
        let name = target.file_name().and_then(|name| name.to_str()).ok_or("a folder without a name")?;
        let bytes = packed.finish()?.into_inner();
        println!("{name}: {count} of {} inputs, {} bytes", inputs.len(), bytes.len());
        fs::write(kept().join(format!("{name}.zip")), bytes)?;
    }
    Ok(())
}

/// Half of the room for the smallest inputs, which are malformed early; half for others of all sizes.
fn chosen(inputs: &[Vec<u8>], limit: usize) -> Vec<&Vec<u8>> {
    let mut total = 0;
    let small = inputs.iter().take_while(|input| {
        total += input.len();
        total <= limit / 2
    });
    let mut chosen: Vec<&Vec<u8>> = small.collect();
    let rest = inputs.get(chosen.len()..).unwrap_or_default();
    let step = rest.iter().map(Vec::len).sum::<usize>().div_ceil(limit / 2).max(1);
    chosen.extend(rest.iter().rev().step_by(step));
    chosen
}

fn members(path: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut archive = zip::ZipArchive::new(fs::File::open(path)?)?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        members.push((String::from_utf8(file.name_raw().to_vec())?, bytes));
    }
    Ok(members)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
