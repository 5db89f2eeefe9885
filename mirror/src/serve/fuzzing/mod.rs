//! The fuzz targets of the server: each takes any bytes and asserts what must hold, beyond the absence of panics.
//!
//! Here and not in `mirror/fuzz`, because they look at private parts, and because the ordinary tests replay the kept inputs
//! through them. Compiled for tests, and where cargo-fuzz sets `cfg(fuzzing)`; no part of the public interface.
//!
//! The mirror has two packages whose bytes are all beyond ASCII, so no text can be taken for them, and files with a secret
//! that no request may bring out.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a fuzz target asserts")]

mod answers;
mod connection;
mod oracle;
#[cfg(test)]
mod replay;
mod request;

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::runtime::Runtime;

use super::desk::Desk;
use super::peer::Peer;
use super::site::{Channel, Site};
use super::tls::TlsState;
use super::view::{LoadedCatalog, Published, ServedStore};
use super::{CertificateLifetimes, TlsMaterial, TlsSettings, init_tls};
use crate::Sha256Digest;
use crate::admit::Label;
use crate::catalog::CatalogEntry;
use crate::package::PackagePath;
use crate::store::Store;

/// A mirror without sockets.
pub struct Mirror {
    site: Arc<Site>,
    peer: Arc<Peer>,
    packages: Vec<Package>,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

/// A package as the catalog has it.
struct Package {
    path: &'static str,
    sha256: Sha256Digest,
    bytes: Vec<u8>,
}

impl Mirror {
    /// Makes the store in a temporary folder.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the store");
        let store = Store::create(&folder.path().join("store"), clock()).expect("a new store");
        let packages: Vec<Package> =
            [(CORE, 300), (DEB, 70_000)].map(|(path, length)| package(path, length)).into();
        let entries = packages.iter().map(|package| {
            let blob = store.blob_path(&package.sha256);
            std::fs::create_dir_all(blob.parent().expect("it has a folder")).expect("a folder for blobs");
            std::fs::write(&blob, &package.bytes).expect("a blob");
            CatalogEntry {
                path: PackagePath::parse(package.path).expect("a vendor path"),
                sha256: package.sha256,
                length: u64::try_from(package.bytes.len()).expect("a length"),
                label: Label::SignatureNotChecked,
                signer: None,
                signed_at: None,
                admitted_at: clock(),
                first_admitted_at: None,
                by_earlier_admission: false,
                report: None,
            }
        });
        let catalog =
            LoadedCatalog { entries: entries.collect(), expires: Timestamp::MAX, ..LoadedCatalog::default() };
        let repository = store.repository_dir();
        for (name, text) in [("timestamp.json", "1"), ("1.root.json", "{}"), ("secret.pem", SECRET)] {
            std::fs::write(repository.join(name), text).expect("a file of the catalog");
        }
        // As long as a package, under no name of the catalog.
        let other = Sha256Digest::of(SECRET.as_bytes());
        std::fs::create_dir_all(store.blob_path(&other).parent().expect("a folder"))
            .expect("a folder for blobs");
        std::fs::write(store.blob_path(&other), SECRET).expect("a blob");
        let served = ServedStore::loading(&store, clock, move || Ok(catalog.clone()));
        let tls = init_tls(&["localhost".to_owned()], clock(), &CertificateLifetimes::default())
            .expect("certificates");
        let material = TlsMaterial {
            cert_pem: tls.server_cert_pem.clone().into_bytes(),
            key_pem: tls.server_key_pem.clone().into_bytes(),
        };
        let tls = Arc::new(TlsState::new(&TlsSettings::from(material)).expect("a configuration of TLS"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let published = runtime.block_on(Published::load(Arc::new(served))).expect("a catalog");
        let desk = Desk::new(published.store().store(), None, true);
        let site = Arc::new(Site::new(Arc::new(published), true, None, tls, desk));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let peer = Arc::new(Peer::new(address, Channel::Secure, None));
        Self { site, peer, packages, runtime, _folder: folder }
    }

    /// Puts in what no fuzzer finds by itself: paths and digests of packages.
    fn filled_in(&self, bytes: &[u8]) -> Vec<u8> {
        let mut filled = Vec::with_capacity(bytes.len() + 256);
        for byte in bytes {
            match byte {
                0xf1 => filled.extend(CORE.as_bytes()),
                0xf2 => filled.extend(DEB.as_bytes()),
                0xf3 => filled.extend(self.packages[0].sha256.to_hex().as_bytes()),
                0xf4 => filled.extend(b"repository/targets/"),
                other => filled.push(*other),
            }
        }
        filled
    }
}

fn package(path: &'static str, length: u32) -> Package {
    let noise = |n: u32| 0x80 | u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap_or_default();
    let bytes: Vec<u8> = (length..2 * length).map(noise).collect();
    Package { path, sha256: Sha256Digest::of(&bytes), bytes }
}

fn clock() -> Timestamp {
    Timestamp::from_second(1_782_000_000).unwrap_or(Timestamp::UNIX_EPOCH)
}

const CORE: &str = "glide/distribution/builds/package/app-signed/mid-core/2026/06/19/\
    mid-core.zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-19-2026_0134.universal.universal.zip";
const DEB: &str = "glide/distribution/builds/package/mid-linux-installer/2026/06/19/\
    mid-linux-installer.zurich-07-01-2025__patch7b-hotfix2-06-18-2026_06-19-2026_0134.linux.x86-64.deb";
/// Must never be seen outside.
const SECRET: &str = "this is known to nobody";
