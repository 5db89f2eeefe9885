//! `midmirror sync`, `fetch` and `import-file`: from a plan, URLs or files to a published catalog.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use midmirror_mirror::admit::{AdmissionPolicy, AdmitError, RefusalClass};
use midmirror_mirror::catalog::{
    FolderSource, Lifetimes, SigningKeys, TrustInputs, TrustedCatalog, trust_folder,
};
use midmirror_mirror::package::{PackageName, PackagePath, Tree, split_url};
use midmirror_mirror::pipeline::{self, Event, Outcome, Site, SyncReport};
use midmirror_mirror::plan::{PlannedPackage, each_once, plan_url};
use midmirror_mirror::store::Store;

use crate::arguments::{ImportFileArguments, Selection};
use crate::config::{Follow, Profile};
use crate::context::{self, Context, Stopped, block_on};
use crate::exit::Exit;
use crate::failure::{self, coded};
use crate::output::{self, printable};
use crate::trust_sources::Anchors;

/// Works off a selection, or without one what `[[follow]]` names.
pub(crate) fn sync(context: &Context, selection: &Selection) -> anyhow::Result<Exit> {
    if !selection.is_empty() {
        return run(context, &super::plan::packages(context, selection)?);
    }
    let (planned, some_skipped) = follow(context, selection)?;
    match run(context, &planned)? {
        Exit::Done if some_skipped => Ok(Exit::SomeFailed),
        exit => Ok(exit),
    }
}

/// Fetches single URLs.
pub(crate) fn fetch(context: &Context, urls: &[String]) -> anyhow::Result<Exit> {
    let planned = urls.iter().map(|url| plan_url(url)).collect::<Result<Vec<_>, _>>()?;
    run(context, &planned)
}

/// Takes in files that were brought by hand.
pub(crate) fn import_files(context: &Context, arguments: &ImportFileArguments) -> anyhow::Result<Exit> {
    if arguments.as_path.is_some() && arguments.files.len() != 1 {
        return Err(coded(
            Exit::Usage,
            "--as-path names the path of one file",
            "import the files one by one",
        ));
    }
    let files = arguments
        .files
        .iter()
        .map(|file| Ok((file.clone(), vendor_path(file, arguments.as_path.as_deref())?)))
        .collect::<anyhow::Result<Vec<(PathBuf, PackagePath)>>>()?;
    let mut parts = Parts::load(context)?;
    if let (Some(folder), Some(trust)) = (&arguments.proof, &arguments.trust) {
        parts.proof = Some(foreign_catalog(folder, trust)?);
    }
    let progress = ProgressLines::default();
    let report = block_on(async {
        Ok(pipeline::import(&parts.site(context), &files, &|event| progress.tell(event)).await?)
    })?;
    finish(&report)
}

/// What a pipeline run borrows from.
struct Parts {
    store: Store,
    keys: SigningKeys,
    lifetimes: Lifetimes,
    anchors: Anchors,
    policy: AdmissionPolicy,
    proof: Option<TrustedCatalog>,
}

impl Parts {
    fn load(context: &Context) -> anyhow::Result<Self> {
        let config = &context.config;
        Ok(Self {
            store: context.store()?,
            keys: SigningKeys::load(&config.keys_dir())?,
            lifetimes: lifetimes(config.profile),
            anchors: config.anchors()?,
            policy: config.admission_policy(),
            proof: None,
        })
    }

    fn site(&self, context: &Context) -> Site<'_> {
        Site {
            store: &self.store,
            keys: &self.keys,
            lifetimes: &self.lifetimes,
            trust: &self.anchors.signers,
            timestamp_trust: self.anchors.timestamps.as_ref(),
            agent_anchors: self.anchors.agent.as_ref(),
            policy: &self.policy,
            proof: self.proof.as_ref(),
            max_package_bytes: context.config.upstream.max_package_bytes,
            now: context::now(),
        }
    }
}

/// The catalog of another mirror, which may have expired since: its signatures still say what that mirror admitted.
fn foreign_catalog(folder: &Path, trust_file: &Path) -> anyhow::Result<TrustedCatalog> {
    let trust = crate::host::read_trust_file(trust_file)?;
    let below = folder.join("repository");
    let repository = if below.is_dir() { below } else { folder.to_owned() };
    let inputs = TrustInputs { root: trust.root(), state: None, now: context::now(), allow_expired: true };
    trust_folder(&FolderSource::new(&repository), &inputs)
        .with_context(|| format!("{} proves nothing", folder.display()))
}

/// The lifetimes of a profile.
pub(crate) fn lifetimes(profile: Profile) -> Lifetimes {
    match profile {
        Profile::Connected => Lifetimes::CONNECTED,
        Profile::Isolated => Lifetimes::ISOLATED,
    }
}

fn run(context: &Context, planned: &[PlannedPackage]) -> anyhow::Result<Exit> {
    let parts = Parts::load(context)?;
    let client = context.client()?;
    let progress = ProgressLines::default();
    let report = context.block_on(async {
        Ok(pipeline::sync(&parts.site(context), &client, planned, &|event| progress.tell(event)).await?)
    })?;
    finish(&report)
}

/// What `[[follow]]` asks for, and whether something was skipped.
///
/// What cannot be read (a share or an instance that is away) is reported and skipped: the other packages, and the catalog
/// that must be signed again in time, do not wait for it.
fn follow(context: &Context, options: &Selection) -> anyhow::Result<(Vec<PlannedPackage>, bool)> {
    if context.config.follow.is_empty() {
        output::note(
            "nothing to follow: name a build stamp, package, URL or --log FILE, or add [[follow]] tables to the \
             configuration; the catalog is signed anew if that is due",
        );
    }
    let mut planned = Vec::new();
    let mut some_skipped = false;
    for follow in &context.config.follow {
        match super::plan::packages(context, &followed(follow, options)) {
            Ok(packages) => planned.extend(packages),
            Err(error) if error.is::<Stopped>() => return Err(error),
            Err(error) => {
                some_skipped = true;
                output::failure(&error.context("something that is followed was skipped"), None);
            }
        }
    }
    Ok((each_once(planned), some_skipped))
}

/// One table as a selection; platforms, kinds and tree of the command line count for all of them.
fn followed(follow: &Follow, options: &Selection) -> Selection {
    Selection {
        items: follow.stamp.iter().cloned().collect(),
        logs: follow.log.iter().cloned().collect(),
        instances: follow.instance.iter().cloned().collect(),
        instance_credentials: follow.credentials_file.clone(),
        platforms: options.platforms.clone(),
        kinds: options.kinds.clone(),
        unsigned_tree: options.unsigned_tree,
        ..Selection::default()
    }
}

/// The vendor path of a file, from its name or from `--as-path`.
fn vendor_path(file: &Path, given: Option<&str>) -> anyhow::Result<PackagePath> {
    if let Some(given) = given {
        return Ok(if given.contains("://") { split_url(given)?.1 } else { PackagePath::parse(given)? });
    }
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = PackageName::parse(&name).map_err(|error| {
        coded(
            Exit::Usage,
            format!("{} has no vendor name: {error}", file.display()),
            "--as-path PATH|URL says which package a renamed file is",
        )
    })?;
    PackagePath::new(Tree::Signed, &name)
        .with_context(|| format!("the vendor path of {name} is unknown; give it with --as-path"))
}

/// Prints what became of each package and finds the exit code.
fn finish(report: &SyncReport) -> anyhow::Result<Exit> {
    let failed = report.items.iter().filter(|item| !item.outcome.is_success()).count();
    let count =
        |wanted: fn(&Outcome) -> bool| report.items.iter().filter(|item| wanted(&item.outcome)).count();
    let stored = count(|outcome| matches!(outcome, Outcome::Stored(_)));
    let there = count(|outcome| matches!(outcome, Outcome::AlreadyThere(_)));
    let version = report.publication.map(|publication| publication.versions.targets).unwrap_or_default();
    output::note(format!(
        "{stored} stored, {there} already there, {failed} failed; catalog version {version}"
    ));
    if failed == 0 {
        return Ok(Exit::Done);
    }
    let mut exits = report.items.iter().filter_map(|item| exit_of(&item.outcome));
    let first = exits.next().unwrap_or(Exit::Failed);
    // One reason for all failures is named; a mixture, or successes beside failures, is "some failed".
    if failed == report.items.len() && exits.all(|exit| exit == first) {
        return Ok(first);
    }
    Ok(Exit::SomeFailed)
}

fn exit_of(outcome: &Outcome) -> Option<Exit> {
    match outcome {
        Outcome::NotAdmitted(AdmitError::Refused { decision, .. }) => Some(match decision.class() {
            Some(RefusalClass::Policy) => Exit::RefusedByPolicy,
            _ => Exit::RefusedByVerification,
        }),
        Outcome::NotAdmitted(_) => Some(Exit::Storage),
        Outcome::NotFetched(error) => Some(failure::of_fetch(error)),
        Outcome::NotStored(error) => Some(failure::of_store(error)),
        _ => None,
    }
}

/// One line when a package begins, one every few seconds, one when it is over.
#[derive(Default)]
struct ProgressLines {
    last: Mutex<Option<Instant>>,
}

impl ProgressLines {
    fn tell(&self, event: Event<'_>) {
        match event {
            Event::Started { path } => {
                self.set(Some(Instant::now()));
                output::note(format!("{}", path.name()));
            }
            Event::Received { progress, .. } if self.is_due() => {
                let total = progress.total.map(|total| format!(" of {}", output::size(total)));
                output::note(format!("  {}{}", output::size(progress.received), total.unwrap_or_default()));
            }
            Event::Finished { outcome, .. } => print_outcome(outcome),
            _ => {}
        }
    }

    fn set(&self, at: Option<Instant>) {
        if let Ok(mut last) = self.last.lock() {
            *last = at;
        }
    }

    fn is_due(&self) -> bool {
        let Ok(mut last) = self.last.lock() else { return false };
        let due = last.is_none_or(|last| last.elapsed() >= Duration::from_secs(3));
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

fn print_outcome(outcome: &Outcome) {
    match outcome {
        Outcome::Stored(stored) => {
            let entry = stored.entry();
            output::note(format!(
                "  {}, {}, sha256 {}",
                entry.label.as_str(),
                output::size(entry.length),
                entry.sha256
            ));
            if let Some(signer) = &entry.signer {
                let at = entry.signed_at.map(|at| format!(", timestamp {at}")).unwrap_or_default();
                output::note(format!("  signed by {}{at}", printable(signer)));
            }
            for notice in stored.notices() {
                output::note(format!("  NOTICE {} [{}]", printable(&notice.text), notice.rule));
            }
        }
        Outcome::AlreadyThere(_) => output::note("  already in the store"),
        Outcome::NotMade => output::note("  not made by the vendor for this build (normal for this kind)"),
        Outcome::NotFetched(error) => failed(anyhow!("{error}"), error),
        Outcome::NotStored(error) => failed(anyhow!("{error}"), error),
        Outcome::NotAdmitted(AdmitError::Refused { decision, .. }) => {
            for refusal in decision.refusals() {
                output::note(format!("  REFUSED {} [{}]", printable(&refusal.text), refusal.rule));
            }
        }
        Outcome::NotAdmitted(error) => failed(anyhow!("{error}"), error),
        _ => {}
    }
}

fn failed(error: anyhow::Error, source: &dyn std::error::Error) {
    output::note(format!("  FAILED {}", printable(&error.to_string())));
    let mut cause = source.source();
    while let Some(error) = cause {
        output::note(format!("    caused by: {}", printable(&error.to_string())));
        cause = error.source();
    }
}
