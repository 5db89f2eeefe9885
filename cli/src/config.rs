//! The configuration file: one TOML file, unknown keys are errors.
//!
//! Paths in it are relative to the folder of the file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::policy::{DEFAULT_ORGANIZATION, is_relaxable};
use midmirror_mirror::admit::{AdmissionPolicy, PinnedDigest, RelaxedRule};
use midmirror_mirror::package::Platform;
use midmirror_verify::TrustStore;
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Folder of the store.
    pub store: PathBuf,
    /// Folder of the signing keys; `STORE.keys` beside the store when not given.
    pub keys: Option<PathBuf>,
    /// `connected` or `isolated`: how long signed metadata is valid.
    pub profile: Profile,
    /// Where packages come from.
    pub upstream: Upstream,
    /// What is accepted.
    pub policy: Policy,
    /// How the store is served.
    pub serve: Serve,
    /// What `midmirror sync` without arguments keeps up with.
    pub follow: Vec<Follow>,
}

/// How long signed metadata is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Profile {
    /// A timer signs again: timestamp 30 days, targets and snapshot 1 year, root 5 years.
    Connected,
    /// Nobody signs between deliveries: 2 years, root 10 years.
    Isolated,
}

/// Where packages come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Upstream {
    /// Base of all vendor URLs.
    pub base_uri: String,
    /// Certificates (PEM) that are trusted besides the system's, for instance a proxy's.
    pub ca_file: Option<PathBuf>,
    /// `http://[user:password@]host:port` of a proxy.
    pub proxy: Option<String>,
    /// Hosts that may be asked over plain HTTP; the signature decides all the same.
    pub plain_http_hosts: Vec<String>,
    /// Other hosts that the upstream may redirect to.
    pub redirect_hosts: Vec<String>,
    /// Largest package, in bytes.
    pub max_package_bytes: u64,
    /// Platforms that are planned when none is named.
    pub platforms: Vec<Platform>,
}

/// What is accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Policy {
    /// Organisation of the signer, compared exactly.
    pub organization: String,
    /// `bundled`, or files: PEM, JKS or PKCS12.
    pub truststore: Vec<String>,
    /// Pinned signer keys (SHA-256 of the SubjectPublicKeyInfo).
    pub signer_keys: Vec<Sha256Digest>,
    /// Trust anchors that a signer's chain may end in (SHA-256 of the certificate); empty: any of the truststore.
    pub anchors: Vec<Sha256Digest>,
    /// Rules relaxed for single digests.
    pub relax: Vec<RelaxedRule>,
    /// Files without JAR signature that are accepted by digest.
    pub pin: Vec<PinnedDigest>,
}

/// How the store is served.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Serve {
    /// HTTPS address.
    pub listen: String,
    /// Optional plain-HTTP address for vendor paths and catalog.
    pub plain_listen: Option<String>,
    /// Certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Private key, PEM.
    pub key: Option<PathBuf>,
    /// The CA that hosts need to trust, PEM; becomes part of trust files.
    pub ca: Option<PathBuf>,
    /// The address that hosts use, for instance `https://mirror.example:8443`.
    pub public_url: Option<String>,
}

/// One thing to keep up with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Follow {
    /// A build stamp.
    pub stamp: Option<String>,
    /// A file `agent0.log.0`, for instance on a share.
    pub log: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: PathBuf::from("/var/lib/midmirror/store"),
            keys: None,
            profile: Profile::Connected,
            upstream: Upstream::default(),
            policy: Policy::default(),
            serve: Serve::default(),
            follow: Vec::new(),
        }
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            base_uri: "https://install.service-now.com".to_owned(),
            ca_file: None,
            proxy: None,
            plain_http_hosts: Vec::new(),
            redirect_hosts: Vec::new(),
            max_package_bytes: 4 << 30,
            platforms: vec![Platform::LinuxX86_64, Platform::WindowsX86_64],
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            organization: DEFAULT_ORGANIZATION.to_owned(),
            truststore: vec!["bundled".to_owned()],
            signer_keys: Vec::new(),
            anchors: Vec::new(),
            relax: Vec::new(),
            pin: Vec::new(),
        }
    }
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            listen: "0.0.0.0:8443".to_owned(),
            plain_listen: None,
            certificate: None,
            key: None,
            ca: None,
            public_url: None,
        }
    }
}

impl Config {
    /// Reads a file; a missing file is an error, since it was named.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("failed to read the configuration {}", path.display()))?;
        let config: Self = toml::from_str(&text)
            .map_err(|error| anyhow!("{}: {}", path.display(), error.to_string().trim_end()))?;
        let folder = std::path::absolute(path)
            .with_context(|| format!("failed to find the folder of {}", path.display()))?
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default();
        let config = config.resolve(&folder);
        config.check().with_context(|| format!("in {}", path.display()))?;
        Ok(config)
    }

    /// The folder of the signing keys.
    pub(crate) fn keys_dir(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| self.beside_store(".keys"))
    }

    /// A folder beside the store, whose name is the store's with a suffix.
    pub(crate) fn beside_store(&self, suffix: &str) -> PathBuf {
        let mut name = self.store.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        self.store.with_file_name(name)
    }

    /// The admission policy.
    pub(crate) fn admission_policy(&self) -> AdmissionPolicy {
        AdmissionPolicy {
            organization: self.policy.organization.clone(),
            signer_keys: self.policy.signer_keys.clone(),
            anchors: self.policy.anchors.clone(),
            relaxed: self.policy.relax.clone(),
            pinned: self.policy.pin.clone(),
            ..AdmissionPolicy::default()
        }
    }

    /// The trust anchors.
    pub(crate) fn trust_store(&self) -> anyhow::Result<TrustStore> {
        read_trust_store(&self.policy.truststore)
    }

    fn resolve(mut self, folder: &Path) -> Self {
        let join = |path: &mut PathBuf| *path = folder.join(&*path);
        join(&mut self.store);
        let optional = [
            &mut self.keys,
            &mut self.upstream.ca_file,
            &mut self.serve.certificate,
            &mut self.serve.key,
            &mut self.serve.ca,
        ];
        optional.into_iter().flatten().for_each(join);
        for follow in &mut self.follow {
            if let Some(log) = &mut follow.log {
                join(log);
            }
        }
        for source in &mut self.policy.truststore {
            if source != BUNDLED {
                let path = folder.join(source.strip_prefix(JDK_PREFIX).unwrap_or(source));
                *source = path.to_string_lossy().into_owned();
            }
        }
        self
    }

    fn check(&self) -> anyhow::Result<()> {
        for relaxed in &self.policy.relax {
            if !is_relaxable(&relaxed.rule) {
                bail!("policy.relax: the rule {:?} cannot be relaxed", relaxed.rule);
            }
            if relaxed.reason.trim().is_empty() {
                bail!("policy.relax: the relaxation of {:?} needs a reason", relaxed.rule);
            }
        }
        if self.policy.truststore.is_empty() {
            bail!(
                "policy.truststore: name at least one source, or leave the key out for the bundled anchors"
            );
        }
        for follow in &self.follow {
            if follow.stamp.is_some() == follow.log.is_some() {
                bail!("[[follow]]: each table has either stamp or log");
            }
        }
        if self.serve.certificate.is_some() != self.serve.key.is_some() {
            bail!("serve.certificate and serve.key belong together");
        }
        Ok(())
    }
}

/// Reads trust anchors from `bundled`, files (PEM, JKS, PKCS12) and folders of PEM files.
pub(crate) fn read_trust_store(sources: &[String]) -> anyhow::Result<TrustStore> {
    let mut store: Option<TrustStore> = None;
    for source in sources {
        if source == BUNDLED {
            let bundled = TrustStore::bundled();
            match &mut store {
                None => store = Some(bundled),
                Some(store) => store.add(bundled.to_pem().as_bytes(), None)?,
            }
            continue;
        }
        let path = source.strip_prefix(JDK_PREFIX).unwrap_or(source);
        for file in trust_files(Path::new(path))? {
            let bytes = std::fs::read(&file)
                .with_context(|| format!("failed to read the truststore {}", file.display()))?;
            match &mut store {
                None => store = Some(TrustStore::read(path, &bytes, None)?),
                Some(store) => store.add(&bytes, None)?,
            }
        }
    }
    store.ok_or_else(|| anyhow!("no trust anchors in {}", sources.join(", ")))
}

fn trust_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let listing = std::fs::read_dir(path)
        .with_context(|| format!("failed to list the truststore folder {}", path.display()))?;
    for entry in listing {
        let file = entry.with_context(|| format!("failed to list {}", path.display()))?.path();
        let is_pem = file.extension().is_some_and(|extension| extension == "pem" || extension == "crt");
        if is_pem && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

pub(crate) const BUNDLED: &str = "bundled";
pub(crate) const JDK_PREFIX: &str = "jdk:";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("midmirror.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path)
    }

    #[test]
    fn unknown_keys_are_errors_that_name_the_line() {
        let error = parse("store = \"s\"\n[serve]\nlisen = \"x\"\n").unwrap_err().to_string();
        assert!(error.contains("lisen") && error.contains("line 3"), "{error}");
    }

    #[test]
    fn relative_paths_start_at_the_file_and_keys_lie_beside_the_store() {
        let config = parse("store = \"store\"\n").unwrap();
        assert!(config.store.is_absolute());
        assert_eq!(config.keys_dir().file_name().unwrap(), "store.keys");
    }

    #[test]
    fn firm_rules_cannot_be_relaxed() {
        let digest = "0".repeat(64);
        let text = |rule: &str, reason: &str| {
            format!("[[policy.relax]]\nrule = {rule:?}\nsha256 = {digest:?}\nreason = {reason:?}\n")
        };
        assert!(parse(&text("jarsigner", "because")).is_err());
        assert!(parse(&text("trailing-bytes", " ")).is_err());
        assert!(parse(&text("trailing-bytes", "vendor pads")).is_ok());
    }

    #[test]
    fn the_shipped_configuration_shows_the_defaults() {
        let shipped = include_str!("../../deploy/midmirror.toml");
        let mut defaults = String::new();
        let mut count = 0;
        let mut is_example = false;
        for line in shipped.lines() {
            // An example ends with its paragraph when it is a table, and otherwise with its line.
            is_example = line.starts_with('#') && is_example || line.starts_with("#[[");
            let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
            match setting {
                Some(setting) if !is_example && !line.contains("# example") => {
                    defaults += setting;
                    count += 1;
                }
                _ => defaults += line,
            }
            defaults.push('\n');
        }
        assert!(count >= 9, "{count}");
        let mut config = parse(&defaults).unwrap();
        assert_eq!(config.keys.take(), Some(Config::default().keys_dir()));
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }
}
