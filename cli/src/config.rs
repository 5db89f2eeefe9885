//! The configuration file: one TOML file, unknown keys are errors.
//!
//! Paths in it are relative to the folder of the file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::admit::policy::{DEFAULT_ORGANIZATION, is_relaxable};
use midmirror_mirror::admit::{AdmissionPolicy, PinnedDigest, RelaxedRule};
use midmirror_mirror::catalog::Profile;
use midmirror_mirror::serve::{AccessLogFormat, CertificateNeed};
use serde::Deserialize;

use crate::arguments::MAX_EVERY;
use crate::trust_sources::{self, Anchors, BUNDLED, JDK_PREFIX};
use crate::upstream::Upstream;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Folder of the store.
    pub store: PathBuf,
    /// Folder of the signing keys; `STORE.keys` beside the store when not given.
    pub keys: Option<PathBuf>,
    /// How long signed metadata is valid; what the catalog says when not given.
    pub profile: Option<Profile>,
    /// Forbids every access to an upstream.
    pub offline: bool,
    /// Where packages come from.
    pub upstream: Upstream,
    /// What is accepted.
    pub policy: Policy,
    /// How the store is served.
    pub serve: Serve,
    /// What `midmirror sync` without arguments keeps up with.
    pub follow: Vec<Follow>,
    /// How it is repeated.
    pub watch: Watch,
    /// What `midmirror store prune` keeps.
    pub retention: Retention,
}

/// What `midmirror store prune` keeps.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retention {
    /// Builds of each release family.
    pub builds_per_family: u32,
    /// Days for which bytes stay that the catalog does not name.
    pub unpublished_days: u32,
    /// Build stamps, package names, vendor paths and digests that stay.
    pub pinned: Vec<String>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { builds_per_family: 5, unpublished_days: 90, pinned: Vec::new() }
    }
}

/// What is accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Policy {
    /// Organisation of the signer, compared exactly.
    pub organization: String,
    /// `bundled`, files (PEM, JKS or PKCS12), folders of PEM files, or `jdk:PATH`.
    pub truststore: Vec<String>,
    /// The same for timestamp authorities; empty if it is the one set.
    pub timestamp_truststore: Vec<String>,
    /// Opens keystores among them and checks their integrity.
    pub truststore_password: Option<String>,
    /// What the MID Server trusts: its `cacerts`, or the folder of the agent.
    pub agent_cacerts: Option<PathBuf>,
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
    /// Folder for records of what hosts have downloaded; none without it.
    pub records: Option<PathBuf>,
    /// File with one line per request; without it requests are told in the program's own log.
    pub access_log: Option<PathBuf>,
    /// How its lines look.
    pub access_log_format: AccessLogFormat,
    /// Whether what is asked for and not there is fetched, verified and admitted.
    pub fetch_on_miss: bool,
    /// How fast stored packages are read again while nothing asks for them; 0 for not at all.
    pub scrub_mib_per_second: u32,
    /// From the beginning of one round of that to the beginning of the next.
    pub scrub_every_hours: u32,
    /// Connections at a time.
    pub connections: u32,
    /// Connections of one address at a time; 0 for no limit.
    pub connections_per_address: u32,
    /// Requests of one address per second; 0 for no limit.
    pub requests_per_second_per_address: u32,
    /// Certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Private key, PEM.
    pub key: Option<PathBuf>,
    /// The CA that hosts need to trust, PEM; becomes part of trust files.
    pub ca: Option<PathBuf>,
    /// Revocation list that is served as `/tls/ca.crl`: PEM with one or more, or DER.
    pub crl: Option<PathBuf>,
    /// Authorities of client certificates, PEM; none are asked for without it.
    pub client_ca: Option<PathBuf>,
    /// Revocation lists of these authorities, PEM or DER.
    pub client_crl: Vec<PathBuf>,
    /// Whether one that has ended goes on counting; else its clients are refused.
    pub client_crl_may_be_expired: bool,
    /// Names in client certificates that are let in; all that the authorities vouch for if empty.
    pub client_names: Vec<String>,
    /// What client certificates are needed for.
    pub client_needed_for: CertificateNeed,
    /// The address that hosts use, for instance `https://mirror.example:8443`.
    pub public_url: Option<String>,
    /// A path below which everything is answered as well.
    pub prefix: Option<String>,
    /// Whether the vendor's paths with `latest` lead to the newest package in the catalog.
    pub latest: bool,
}

/// One thing to keep up with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Follow {
    /// A build stamp.
    pub stamp: Option<String>,
    /// A file `agent0.log.0`, for instance on a share.
    pub log: Option<PathBuf>,
    /// The address of an instance, whose page `stats.do` is asked for.
    pub instance: Option<String>,
    /// For an instance: a file with `user:password` that nobody else may read.
    pub credentials_file: Option<PathBuf>,
}

/// How `midmirror sync --watch` repeats itself.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Watch {
    /// Seconds from the end of one round to the beginning of the next.
    pub every_seconds: u32,
    /// Up to so many seconds more, by chance each time.
    pub jitter_seconds: u32,
}

impl Default for Watch {
    fn default() -> Self {
        Self { every_seconds: 7200, jitter_seconds: 1200 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: PathBuf::from("/var/lib/midmirror/store"),
            keys: None,
            profile: None,
            offline: false,
            upstream: Upstream::default(),
            policy: Policy::default(),
            serve: Serve::default(),
            follow: Vec::new(),
            watch: Watch::default(),
            retention: Retention::default(),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            organization: DEFAULT_ORGANIZATION.to_owned(),
            truststore: vec![BUNDLED.to_owned()],
            timestamp_truststore: Vec::new(),
            truststore_password: None,
            agent_cacerts: None,
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
            records: None,
            access_log: None,
            access_log_format: AccessLogFormat::Json,
            fetch_on_miss: false,
            scrub_mib_per_second: 20,
            scrub_every_hours: 24,
            connections: 4096,
            connections_per_address: 1024,
            requests_per_second_per_address: 0,
            certificate: None,
            key: None,
            ca: None,
            crl: None,
            client_ca: None,
            client_crl: Vec::new(),
            client_crl_may_be_expired: false,
            client_names: Vec::new(),
            client_needed_for: CertificateNeed::Packages,
            public_url: None,
            prefix: None,
            latest: false,
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
    pub(crate) fn anchors(&self) -> anyhow::Result<Anchors> {
        let policy = &self.policy;
        let password = policy.truststore_password.as_deref();
        let timestamps = match policy.timestamp_truststore.as_slice() {
            [] => None,
            sources => Some(trust_sources::read(sources, password)?),
        };
        Ok(Anchors {
            signers: trust_sources::read(&policy.truststore, password)?,
            timestamps,
            agent: policy.agent_cacerts.as_deref().map(|path| trust_sources::read_agent(path, None)),
        })
    }

    fn resolve(mut self, folder: &Path) -> Self {
        let join = |path: &mut PathBuf| *path = folder.join(&*path);
        join(&mut self.store);
        let optional = [
            &mut self.keys,
            &mut self.serve.records,
            &mut self.serve.access_log,
            &mut self.serve.certificate,
            &mut self.serve.key,
            &mut self.serve.ca,
            &mut self.serve.crl,
            &mut self.serve.client_ca,
            &mut self.policy.agent_cacerts,
        ];
        optional.into_iter().flatten().chain(&mut self.serve.client_crl).for_each(join);
        self.upstream.resolve(folder);
        for follow in &mut self.follow {
            [&mut follow.log, &mut follow.credentials_file].into_iter().flatten().for_each(join);
        }
        for source in self.policy.truststore.iter_mut().chain(&mut self.policy.timestamp_truststore) {
            if source != BUNDLED {
                let (prefix, path) = match source.strip_prefix(JDK_PREFIX) {
                    Some(path) => (JDK_PREFIX, path),
                    None => ("", source.as_str()),
                };
                *source = format!("{prefix}{}", folder.join(path).to_string_lossy());
            }
        }
        self
    }

    fn check(&self) -> anyhow::Result<()> {
        self.upstream.check()?;
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
            let named = [follow.stamp.is_some(), follow.log.is_some(), follow.instance.is_some()];
            if named.iter().filter(|is_named| **is_named).count() != 1 {
                bail!("[[follow]]: each table has either stamp, log or instance");
            }
            if follow.credentials_file.is_some() && follow.instance.is_none() {
                bail!("[[follow]]: credentials_file belongs to an instance");
            }
        }
        if !(1..=MAX_EVERY).contains(&i64::from(self.watch.every_seconds))
            || i64::from(self.watch.jitter_seconds) > MAX_EVERY
        {
            bail!("watch.every_seconds must be 1 to {MAX_EVERY}, watch.jitter_seconds 0 to {MAX_EVERY}");
        }
        if self.serve.certificate.is_some() != self.serve.key.is_some() {
            bail!("serve.certificate and serve.key belong together");
        }
        if !self.serve.client_names.is_empty() && self.serve.client_ca.is_none() {
            bail!(
                "serve.client_names needs serve.client_ca: without it no client is asked for a certificate"
            );
        }
        if !self.serve.client_crl.is_empty() && self.serve.client_ca.is_none() {
            bail!("serve.client_crl needs serve.client_ca: without it no client is asked for a certificate");
        }
        if self.serve.connections == 0 {
            bail!("serve.connections must be 1 or more");
        }
        Ok(())
    }
}

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
