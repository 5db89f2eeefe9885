//! The files with TLS material: which ones, reading them, and noticing that they have changed.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use midmirror_mirror::serve::{CertificateNeed, ClientCertificates, TlsMaterial, TlsSettings};

use crate::config::Config;
use crate::exit::Exit;
use crate::failure::coded;

/// What the server's TLS is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    /// Named in the configuration, or else served if it is there.
    crl: (PathBuf, bool),
    client_ca: Option<PathBuf>,
    client_crl: Vec<PathBuf>,
    client_crl_may_be_expired: bool,
    client_names: Vec<String>,
    client_needed_for: CertificateNeed,
}

/// What tells one state of the files from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State(Vec<Option<(SystemTime, u64, u64)>>);

impl TlsFiles {
    /// The configured ones, or those of `--init-tls`.
    pub(super) fn of(config: &Config) -> Self {
        let (folder, serve) = (tls_folder(config), &config.serve);
        let own_certificate = serve.certificate.is_some();
        Self {
            certificate: serve.certificate.clone().unwrap_or_else(|| folder.join(CERTIFICATE)),
            key: serve.key.clone().unwrap_or_else(|| folder.join(KEY)),
            crl: match &serve.crl {
                Some(file) => (file.clone(), true),
                // The list of the private authority has nothing to do with a certificate from elsewhere.
                None if own_certificate => (PathBuf::new(), false),
                None => (folder.join(CRL), false),
            },
            client_ca: serve.client_ca.clone(),
            client_crl: serve.client_crl.clone(),
            client_crl_may_be_expired: serve.client_crl_may_be_expired,
            client_names: serve.client_names.clone(),
            client_needed_for: serve.client_needed_for,
        }
    }

    /// Reads all of them.
    pub(super) fn read(&self) -> anyhow::Result<TlsSettings> {
        let material = TlsMaterial { cert_pem: read(&self.certificate)?, key_pem: read(&self.key)? };
        let (crl, must_exist) = &self.crl;
        let crls = if *must_exist || crl.is_file() { Some(read(crl)?) } else { None };
        let clients = self.client_ca.as_deref().map(|file| {
            Ok::<_, anyhow::Error>(ClientCertificates {
                authorities_pem: read(file)?,
                crls: self.client_crl.iter().map(|file| read(file)).collect::<Result<_, _>>()?,
                crls_may_be_expired: self.client_crl_may_be_expired,
                names: self.client_names.clone(),
                needed_for: self.client_needed_for,
            })
        });
        Ok(TlsSettings { material, crls, clients: clients.transpose()? })
    }

    /// How the files are now. A file that is not there is a state as well.
    pub(super) fn state(&self) -> State {
        let files = [Some(&self.certificate), Some(&self.key), Some(&self.crl.0), self.client_ca.as_ref()];
        let files = files.into_iter().flatten().chain(&self.client_crl);
        State(files.map(|file| state_of(file)).collect())
    }
}

impl fmt::Display for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {}", self.certificate.display(), self.key.display())
    }
}

fn state_of(file: &Path) -> Option<(SystemTime, u64, u64)> {
    let metadata = std::fs::metadata(file).ok()?;
    let changed = metadata.modified().ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        // A change of owner or mode can make a file readable; it shows in the ctime only.
        let ctime = metadata.ctime().unsigned_abs().wrapping_mul(1_000_000_000);
        let ctime = ctime.wrapping_add(metadata.ctime_nsec().unsigned_abs());
        Some((changed, metadata.len(), ctime ^ metadata.ino().rotate_left(32)))
    }
    #[cfg(not(unix))]
    Some((changed, metadata.len(), 0))
}

pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(coded(
                Exit::Usage,
                format!("{} is not there", path.display()),
                "name serve.certificate and serve.key, or make them: midmirror serve --init-tls --host NAME",
            ));
        }
        other => other.with_context(|| format!("failed to read {}", path.display()))?,
    };
    let mut bytes = Vec::new();
    file.take(LARGEST)
        .read_to_end(&mut bytes)
        .with_context(|| format!("failed to read {}", path.display()))?;
    Ok(bytes)
}

/// The certificate authority that `--init-tls` makes.
pub(crate) fn private_ca_file(config: &Config) -> PathBuf {
    tls_folder(config).join(CA)
}

pub(super) fn tls_folder(config: &Config) -> PathBuf {
    config.beside_store(".tls")
}

pub(super) const CA: &str = "ca.pem";
pub(super) const CA_KEY: &str = "ca-key.pem";
pub(super) const CERTIFICATE: &str = "server.pem";
pub(super) const KEY: &str = "server-key.pem";
pub(super) const REQUEST: &str = "server.csr.pem";
pub(super) const CRL: &str = "crl.pem";

/// A large authority's revocation list has some megabytes.
const LARGEST: u64 = 64 << 20;
