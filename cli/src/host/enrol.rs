//! `enrol`: trust a mirror, by the trust file that somebody brought from it.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::enrol::{Enrolment, HostPolicy, HostTruststore, Replace, TrustFile};

use crate::exit::Exit;
use crate::output;
use crate::trust_sources::{self, BUNDLED, JDK_PREFIX};

use super::arguments::EnrolArguments;

/// Enrols this host.
pub(super) fn run(arguments: &EnrolArguments) -> anyhow::Result<Exit> {
    let trust = read_trust_file(&arguments.trust_file)?;
    let expected = arguments.root_sha256.as_deref().map(str::parse::<Sha256Digest>).transpose()?;
    let truststore = arguments
        .truststore
        .iter()
        .map(|source| host_truststore(source))
        .collect::<anyhow::Result<Vec<_>>>()?;
    // Said now and not when the first package waits.
    let anchors = trust_sources::read(&arguments.truststore, None)?;
    let policy = HostPolicy::new(&arguments.organization, truststore)?;
    let replace = if arguments.replace { Replace::AnyRoot } else { Replace::SameRootOnly };
    let enrolment = Enrolment::enrol(&arguments.state.state, trust, policy, expected, replace)?;
    let trust = enrolment.trust();
    output::data(format!("enrolled     {}", arguments.state.state.display()));
    output::data(format!("store        {}", trust.store_id()));
    output::data(format!("root sha256  {}", trust.root_sha256()));
    output::data(format!("mirror       {}", trust.url().map_or("none, use --from", url::Url::as_str)));
    output::data(format!(
        "packages     O={}, {} trust anchors",
        enrolment.policy().organization(),
        anchors.len()
    ));
    if expected.is_none() {
        output::note(
            "compare the root digest with what the mirror's operator reads out (`midmirror trust` shows it)",
        );
    }
    Ok(Exit::Done)
}

/// Reads a trust file.
pub(crate) fn read_trust_file(file: &Path) -> anyhow::Result<TrustFile> {
    let bytes =
        read_limited(file).with_context(|| format!("failed to read the trust file {}", file.display()))?;
    TrustFile::parse(&bytes).with_context(|| format!("{} cannot be used", file.display()))
}

/// One byte more than is allowed, so that the parser sees that the file is too long.
fn read_limited(file: &Path) -> std::io::Result<Vec<u8>> {
    let limit = u64::try_from(TrustFile::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Paths are stored absolute: where the importer is started later must not matter.
fn host_truststore(source: &str) -> anyhow::Result<HostTruststore> {
    if source == BUNDLED {
        return Ok(HostTruststore::Bundled);
    }
    let path = match source.strip_prefix(JDK_PREFIX) {
        Some(path) => trust_sources::cacerts_file(Path::new(path))?,
        None => Path::new(source).to_owned(),
    };
    let path = std::fs::canonicalize(&path)
        .with_context(|| format!("failed to find the truststore {}", path.display()))?;
    Ok(HostTruststore::File(path))
}
