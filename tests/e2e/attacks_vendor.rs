//! A vendor whose keys we have, for attacks that need a true signature, and what others could do with keys of their own.

use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};

use crate::attacks::{MANIFEST, RSA, SF};
use crate::attacks_archive::{Entry, Zip};
use crate::attacks_compat::World;
use crate::attacks_forge::{DATA, Info, Stamp, key_store, manifest, signature_file, signed_data};
use crate::attacks_keys::{Hash, Party, Purpose, Shape};

/// The vendor, its authorities, and the timestamp authority.
pub(crate) struct Vendor {
    pub(crate) root: Party,
    pub(crate) authority: Party,
    pub(crate) signer: Party,
    pub(crate) stamp_root: Party,
    pub(crate) stamper: Party,
}

/// The same one for all tests of this run.
pub(crate) fn vendor() -> &'static Vendor {
    static VENDOR: OnceLock<Vendor> = OnceLock::new();
    VENDOR.get_or_init(|| {
        let (root, stamp_root) = (Party::root("TEST Forge Root"), Party::root("TEST Forge Timestamp Root"));
        let authority = root.issue(Shape::new("TEST Forge CA", Purpose::Authority));
        let signer = authority.issue(Shape::new("TEST Forge Signer", Purpose::CodeSigning));
        let stamper = stamp_root.issue(Shape::new("TEST Forge Timestamps", Purpose::TimeStamping));
        Vendor { root, authority, signer, stamp_root, stamper }
    })
}

impl Vendor {
    /// Where its two roots are trusted.
    pub(crate) fn world(&self) -> World {
        let roots = [&self.root, &self.stamp_root];
        World { anchors_pem: roots.map(Party::pem).concat(), key_store: key_store(&roots) }
    }

    /// The certificates of a block: signer, authority, root.
    pub(crate) fn certificates(&self) -> [&[u8]; 3] {
        [&self.signer.der, &self.authority.der, &self.root.der]
    }

    /// An ordinary timestamp, an hour old.
    pub(crate) fn stamp(&self) -> Stamp<'_> {
        let at = Timestamp::now() - SignedDuration::from_hours(1);
        let certificates = vec![self.stamper.der.as_slice(), &self.stamp_root.der];
        Stamp { stamper: &self.stamper, certificates, hash: Hash::Sha256, at }
    }

    /// An ordinary block over a signature file.
    pub(crate) fn block(&self, file: &[u8]) -> Vec<u8> {
        let stamp = self.stamp();
        let info = Info { token: Some(&|over| stamp.write(over)), ..Info::new(&self.signer, file) };
        self.block_of(info)
    }

    /// An ordinary block with this SignerInfo.
    pub(crate) fn block_of(&self, info: Info<'_>) -> Vec<u8> {
        signed_data(&DATA, None, &self.certificates(), &[info.write()])
    }

    /// An ordinary package of these files.
    pub(crate) fn sign(&self, files: Zip) -> Zip {
        signed(files, &[Hash::Sha256], &[Hash::Sha256], |file| self.block(file))
    }
}

/// Puts manifest, signature file and block in front of the files.
pub(crate) fn signed(
    files: Zip,
    manifest_hashes: &[Hash],
    file_hashes: &[Hash],
    block: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Zip {
    let named: Vec<_> = files
        .entries
        .iter()
        .filter(|entry| !entry.central.name.ends_with(b"/"))
        .map(|entry| (entry.central.name.clone(), entry.content()))
        .collect();
    with_signature(files, &manifest(&named, manifest_hashes), file_hashes, block)
}

/// The same with any manifest.
pub(crate) fn with_signature(
    mut zip: Zip,
    manifest: &[u8],
    file_hashes: &[Hash],
    block: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Zip {
    let file = signature_file(manifest, file_hashes);
    let block = block(&file);
    let made = [(MANIFEST, manifest), (SF, &file), (RSA, &block)]
        .map(|(name, content)| Entry::deflated(name, content));
    zip.entries.splice(0..0, made);
    zip
}

/// Two files.
pub(crate) fn files() -> Zip {
    let mut zip = Zip::default();
    zip.entries.push(Entry::deflated("agent/start.sh", b"#!/bin/sh\necho start\n"));
    zip.entries.push(Entry::deflated("agent/stop.sh", b"#!/bin/sh\necho stop\n"));
    zip
}
