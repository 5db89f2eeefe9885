//! What a host wants of the signature of a package, whatever the mirror admitted.
//!
//! ```toml
//! organization = "ServiceNow Inc."
//! truststore = ["bundled"]              # or absolute paths: PEM, JKS (cacerts), PKCS12, a folder of PEM files
//!
//! [[relax]]                             # a structural rule set aside for one digest; what a mirror relaxes does not count
//! rule = "trailing-bytes"
//! sha256 = "…"
//! reason = "vendor pads this one build, case CS0000000"
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::PolicyError;
use crate::admit::RelaxedRule;
use crate::admit::policy::DEFAULT_ORGANIZATION;
use crate::admit::policy::is_relaxable;

/// The policy of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPolicy {
    organization: String,
    truststore: Vec<HostTruststore>,
    relaxed: Vec<RelaxedRule>,
}

/// Where trust anchors come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostTruststore {
    /// The set that comes with midmirror.
    Bundled,
    /// A file or folder, by its absolute path.
    File(PathBuf),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    organization: String,
    truststore: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    relax: Vec<RelaxedRule>,
}

impl Default for HostPolicy {
    fn default() -> Self {
        Self {
            organization: DEFAULT_ORGANIZATION.to_owned(),
            truststore: vec![HostTruststore::Bundled],
            relaxed: Vec::new(),
        }
    }
}

impl HostPolicy {
    /// Makes a policy from an exact organisation name and at least one source of anchors.
    pub fn new(organization: &str, truststore: Vec<HostTruststore>) -> Result<Self, PolicyError> {
        if organization.trim().is_empty() {
            return Err(PolicyError::NoOrganization);
        }
        if truststore.is_empty() {
            return Err(PolicyError::NoTruststore);
        }
        for source in &truststore {
            if let HostTruststore::File(path) = source
                && !path.is_absolute()
            {
                return Err(PolicyError::RelativeTruststore { path: path.clone() });
            }
        }
        Ok(Self { organization: organization.to_owned(), truststore, relaxed: Vec::new() })
    }

    /// Parses a `policy.toml`.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let text = std::str::from_utf8(bytes).map_err(|source| PolicyError::Encoding { source })?;
        let file: PolicyFile = toml::from_str(text).map_err(|source| PolicyError::Form { source })?;
        let source = |text: String| match text.as_str() {
            BUNDLED => HostTruststore::Bundled,
            _ => HostTruststore::File(text.into()),
        };
        if let Some(firm) = file.relax.iter().find(|relaxed| !is_relaxable(&relaxed.rule)) {
            return Err(PolicyError::FirmRule { rule: firm.rule.clone() });
        }
        let policy = Self::new(&file.organization, file.truststore.into_iter().map(source).collect())?;
        Ok(Self { relaxed: file.relax, ..policy })
    }

    /// The text of a `policy.toml`.
    pub fn to_text(&self) -> Result<String, PolicyError> {
        let source = |source: &HostTruststore| match source {
            HostTruststore::Bundled => BUNDLED.to_owned(),
            HostTruststore::File(path) => path.display().to_string(),
        };
        let file = PolicyFile {
            organization: self.organization.clone(),
            truststore: self.truststore.iter().map(source).collect(),
            relax: self.relaxed.clone(),
        };
        toml::to_string(&file).map_err(|source| PolicyError::Print { source })
    }

    /// The exact organisation the signer certificate must name.
    pub fn organization(&self) -> &str {
        &self.organization
    }

    /// Rules set aside for single packages by whoever looks after this host.
    pub fn relaxed(&self) -> &[RelaxedRule] {
        &self.relaxed
    }

    /// Where the trust anchors come from.
    pub fn truststore(&self) -> &[HostTruststore] {
        &self.truststore
    }
}

impl HostTruststore {
    /// The file or folder; `None` for the bundled set.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Bundled => None,
            Self::File(path) => Some(path),
        }
    }
}

const BUNDLED: &str = "bundled";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_round_trips() {
        let files = vec![HostTruststore::Bundled, HostTruststore::File("/etc/anchors \"x\".pem".into())];
        for policy in [HostPolicy::default(), HostPolicy::new("Eclipse.org Foundation, Inc.", files).unwrap()]
        {
            assert_eq!(HostPolicy::parse(policy.to_text().unwrap().as_bytes()).unwrap(), policy);
        }
    }

    #[test]
    fn structural_rules_can_be_relaxed_for_one_digest_and_firm_ones_cannot() {
        let text = |rule: &str| {
            let digest = "0".repeat(64);
            format!(
                "organization = 'X'\ntruststore = ['bundled']\n[[relax]]\nrule = '{rule}'\nsha256 = '{digest}'\nreason = 'r'\n"
            )
        };
        let policy = HostPolicy::parse(text("trailing-bytes").as_bytes()).unwrap();
        assert_eq!(policy.relaxed().len(), 1);
        assert_eq!(HostPolicy::parse(policy.to_text().unwrap().as_bytes()).unwrap(), policy);
        assert!(matches!(
            HostPolicy::parse(text("jarsigner").as_bytes()),
            Err(PolicyError::FirmRule { rule }) if rule == "jarsigner"
        ));
    }

    #[test]
    fn incomplete_and_unknown_settings_are_refused() {
        let parse = |text: &str| HostPolicy::parse(text.as_bytes());
        assert!(matches!(parse("organization = 'X'"), Err(PolicyError::Form { .. })));
        assert!(matches!(
            parse("organization = 'X'\ntruststore = ['bundled']\ninsecure = true"),
            Err(PolicyError::Form { .. })
        ));
        assert!(matches!(
            parse("organization = ' '\ntruststore = ['bundled']"),
            Err(PolicyError::NoOrganization)
        ));
        assert!(matches!(parse("organization = 'X'\ntruststore = []"), Err(PolicyError::NoTruststore)));
        assert!(matches!(
            parse("organization = 'X'\ntruststore = ['a.pem']"),
            Err(PolicyError::RelativeTruststore { .. })
        ));
    }
}
