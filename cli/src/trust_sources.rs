//! Where trust anchors come from: `bundled`, files (PEM, DER, JKS, PKCS12), folders of PEM files, `jdk:PATH`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use midmirror_verify::{AgentAnchors, TrustStore, TrustStoreError};

use crate::arguments::TrustSourceArguments;
use crate::config::Config;

/// The trust anchors of a run.
#[derive(Debug)]
pub(crate) struct Anchors {
    pub(crate) signers: TrustStore,
    /// For timestamp authorities, if they are not the same.
    pub(crate) timestamps: Option<TrustStore>,
    /// What the MID Server trusts, if it is not the same.
    pub(crate) agent: Option<AgentAnchors>,
}

impl TrustSourceArguments {
    /// The configured sets, with those of the command line in their place. `--truststore` replaces both: who names it
    /// wants to know what the named anchors say.
    pub(crate) fn anchors(&self, config: &Config) -> anyhow::Result<Anchors> {
        let mut config = config.clone();
        let policy = &mut config.policy;
        if !self.truststore.is_empty() {
            policy.truststore.clone_from(&self.truststore);
            policy.timestamp_truststore.clear();
        }
        if !self.tsa_truststore.is_empty() {
            policy.timestamp_truststore.clone_from(&self.tsa_truststore);
        }
        if self.truststore_password.is_some() {
            policy.truststore_password.clone_from(&self.truststore_password);
        }
        if self.agent_cacerts.is_some() {
            policy.agent_cacerts.clone_from(&self.agent_cacerts);
        }
        config.anchors()
    }
}

/// Reads one set from all its sources. `password` opens keystores; without, their integrity is not checked.
pub(crate) fn read(sources: &[String], password: Option<&str>) -> anyhow::Result<TrustStore> {
    let mut set: Option<TrustStore> = None;
    for source in sources {
        let store = read_source(source, password)?;
        set = Some(match set {
            None => store,
            Some(set) => set.join(&store),
        });
    }
    set.ok_or_else(|| anyhow!("no source of trust anchors is named"))
}

fn read_source(source: &str, password: Option<&str>) -> anyhow::Result<TrustStore> {
    if source == BUNDLED {
        return Ok(TrustStore::bundled());
    }
    if let Some(path) = source.strip_prefix(JDK_PREFIX) {
        let file = cacerts_file(Path::new(path))?;
        let bytes = bytes_of(&file)?;
        return Ok(read_cacerts(&file, &bytes, password)?);
    }
    let path = Path::new(source);
    if path.is_dir() {
        return Ok(TrustStore::read_folder(source, path)?);
    }
    Ok(TrustStore::read(source, &bytes_of(path)?, password)?)
}

/// Reads what an agent trusts: its `cacerts`, or that of the agent or Java folder that is named. A keystore that cannot
/// be read is an answer, too: the agent would fail the same way.
pub(crate) fn read_agent(path: &Path, password: Option<&str>) -> AgentAnchors {
    let unreadable = |error: anyhow::Error| AgentAnchors::Unreadable { reason: format!("{error:#}") };
    let (file, bytes) = match cacerts_file(path).and_then(|file| Ok((bytes_of(&file)?, file))) {
        Ok((bytes, file)) => (file, bytes),
        Err(error) => return unreadable(error),
    };
    let name = file.display().to_string();
    match AgentAnchors::read(&name, &bytes, password) {
        AgentAnchors::Unreadable { .. } if password.is_none() => {
            match AgentAnchors::read(&name, &bytes, Some(JAVA_PASSWORD)) {
                AgentAnchors::Unreadable { .. } => AgentAnchors::read(&name, &bytes, None),
                anchors => anchors,
            }
        }
        anchors => anchors,
    }
}

/// The `cacerts` of a Java installation or agent, or the very file.
pub(crate) fn cacerts_file(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let places = ["lib/security/cacerts", "jre/lib/security/cacerts"];
    places
        .iter()
        .map(|place| path.join(place))
        .find(|file| file.is_file())
        .ok_or_else(|| anyhow!("the folder {} has neither {}", path.display(), places.join(" nor ")))
}

/// A `cacerts` whose certificates are encrypted opens with the password that Java gives it.
fn read_cacerts(file: &Path, bytes: &[u8], password: Option<&str>) -> Result<TrustStore, TrustStoreError> {
    let name = file.display().to_string();
    match TrustStore::read(&name, bytes, password) {
        Err(error) if password.is_none() => {
            TrustStore::read(&name, bytes, Some(JAVA_PASSWORD)).map_err(|_| error)
        }
        read => read,
    }
}

fn bytes_of(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("failed to read the truststore {}", file.display()))
}

pub(crate) const BUNDLED: &str = "bundled";
pub(crate) const JDK_PREFIX: &str = "jdk:";
/// The documented initial password of `cacerts`; no secret.
const JAVA_PASSWORD: &str = "changeit";

#[cfg(test)]
mod tests {
    use super::*;

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../verify/tests/data").join(name)
    }

    fn digest(source: &str, password: Option<&str>) -> anyhow::Result<String> {
        Ok(read(&[source.to_owned()], password)?.digest())
    }

    #[test]
    fn every_kind_of_source_gives_the_same_anchors() {
        let expected = digest(&data("anchors.pem").display().to_string(), None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(data("anchors.pem"), folder.path().join("roots.PEM")).unwrap();
        assert_eq!(digest(&folder.path().display().to_string(), None).unwrap(), expected);
        for (name, password) in [
            ("anchors.p12", Some("changeit")),
            ("anchors-plain.p12", None),
            ("anchors-plain.p12", Some("changeit")),
            ("anchors-mac.p12", None),
            ("anchors-mac.p12", Some("changeit")),
            ("anchors.jks", None),
            ("anchors.jks", Some("changeit")),
        ] {
            let file = data(name).display().to_string();
            assert_eq!(digest(&file, password).unwrap(), expected, "{name}");
            // As the `cacerts` of a JDK and of an agent, by the home and by the file.
            for place in ["lib/security", "jre/lib/security"] {
                let home = tempfile::tempdir().unwrap();
                let cacerts = home.path().join(place);
                std::fs::create_dir_all(&cacerts).unwrap();
                std::fs::copy(data(name), cacerts.join("cacerts")).unwrap();
                for path in [home.path().to_owned(), cacerts.join("cacerts")] {
                    let source = format!("jdk:{}", path.display());
                    assert_eq!(digest(&source, None).unwrap(), expected, "{name} as {source}");
                    let AgentAnchors::Given(store) = read_agent(&path, None) else {
                        panic!("{name} as {source}")
                    };
                    assert_eq!(store.digest(), expected);
                }
            }
        }
    }

    #[test]
    fn the_cacerts_of_installed_jdks_can_be_read() {
        let mut seen = 0;
        for entry in std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten() {
            if !entry.path().join("lib/security/cacerts").is_file() {
                continue;
            }
            seen += 1;
            let store = read(&[format!("jdk:{}", entry.path().display())], None).unwrap();
            assert!(store.len() > 50, "{}: {}", entry.path().display(), store.len());
        }
        if seen == 0 {
            assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "there is no JDK");
            eprintln!("skipped: no JDK in /usr/lib/jvm");
        }
    }

    #[test]
    fn several_sources_are_one_set_with_all_their_names() {
        let pem = data("anchors.pem").display().to_string();
        let set = read(&["bundled".to_owned(), pem.clone(), pem.clone()], None).unwrap();
        assert_eq!(set.len(), TrustStore::bundled().len() + 2);
        assert_eq!(set.name(), format!("{} + {pem} + {pem}", TrustStore::bundled().name()));
    }

    #[test]
    fn sources_that_are_absent_empty_or_locked_are_errors_that_name_them() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().display().to_string();
        std::fs::write(folder.path().join("empty.jks"), []).unwrap();
        let locked = data("anchors.p12").display().to_string();
        let absent = format!("{empty}/absent.pem");
        let error = |source: &str, password| format!("{:#}", digest(source, password).unwrap_err());
        for (source, password, says) in [
            (absent.as_str(), None, "failed to read the truststore"),
            (&format!("jdk:{absent}"), None, "failed to read the truststore"),
            (&empty, None, "holds no certificate"),
            (&format!("jdk:{empty}"), None, "has neither lib/security/cacerts nor jre/lib/security/cacerts"),
            (&format!("{empty}/empty.jks"), None, "neither PEM nor DER"),
            (&locked, None, "a password is needed"),
            (&locked, Some("wrong"), "keystore password was incorrect"),
        ] {
            let text = error(source, password);
            let path = source.strip_prefix("jdk:").unwrap_or(source);
            assert!(text.contains(says) && text.contains(path), "{text}");
        }
        assert!(read(&[], None).is_err());
        let AgentAnchors::Unreadable { reason } = read_agent(Path::new(&absent), None) else { panic!() };
        assert!(reason.contains("absent.pem"), "{reason}");
    }
}
