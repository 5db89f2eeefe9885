//! `midmirror sync`, `fetch` and `import-file`: from a plan, URLs or files to a published catalog.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use midmirror_mirror::admit::AdmissionPolicy;
use midmirror_mirror::catalog::{
    FolderSource, Lifetimes, SigningKeys, TrustInputs, TrustedCatalog, trust_folder,
};
use midmirror_mirror::package::{PackageName, PackagePath, Tree, split_url};
use midmirror_mirror::pipeline::{self, Event, Observer, Revalidate, Site, SyncOptions};
use midmirror_mirror::plan::{PlannedPackage, each_once, plan_url};
use midmirror_mirror::store::Store;

use super::outcomes;
use crate::arguments::{ImportFileArguments, ProgressArguments, Selection, SyncArguments};
use crate::config::Follow;
use crate::context::{self, Context, Stopped, block_on};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;
use crate::progress::Progress;
use crate::trust_sources::Anchors;

/// Works off a selection, or without one what `[[follow]]` names.
pub(crate) fn sync(context: &Context, arguments: &SyncArguments) -> anyhow::Result<Exit> {
    let selection = &arguments.selection;
    let run = |planned: &[PlannedPackage]| match arguments.dry_run {
        true => super::dry_run::run(context, planned),
        false => run(context, planned, &options(context, arguments), &arguments.progress),
    };
    if !selection.is_empty() {
        return run(&super::plan::packages(context, selection)?);
    }
    let (planned, some_skipped) = follow(context, selection)?;
    match run(&planned)? {
        Exit::Done if some_skipped => Ok(Exit::SomeFailed),
        exit => Ok(exit),
    }
}

fn options(context: &Context, arguments: &SyncArguments) -> SyncOptions {
    let hours = u64::from(context.config.upstream.revalidate_hours);
    let revalidate = match (arguments.revalidate, hours) {
        (true, _) => Revalidate::Now,
        (false, 0) => Revalidate::Never,
        (false, hours) => Revalidate::After(Duration::from_secs(hours * 3600)),
    };
    SyncOptions { revalidate, stop_at_first_failure: arguments.stop_at_first_failure }
}

/// Fetches single URLs.
pub(crate) fn fetch(
    context: &Context,
    urls: &[String],
    progress: &ProgressArguments,
) -> anyhow::Result<Exit> {
    let planned = urls.iter().map(|url| plan_url(url)).collect::<Result<Vec<_>, _>>()?;
    run(context, &planned, &SyncOptions::default(), progress)
}

/// Fetches packages whose bytes were lost.
pub(super) fn fetch_again(
    context: &Context,
    planned: &[PlannedPackage],
    progress: &ProgressArguments,
) -> anyhow::Result<Exit> {
    run(context, planned, &SyncOptions::default(), progress)
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
    let progress = Progress::new(&ProgressArguments::default(), files.len())?;
    let report = block_on(async {
        Ok(pipeline::import(&parts.site(context), &files, &|event| progress.tell(event)).await?)
    })?;
    let exit = outcomes::exit(&report);
    progress.finish(&report, exit);
    Ok(exit)
}

/// What a pipeline run borrows from.
pub(super) struct Parts {
    pub(super) store: Store,
    keys: SigningKeys,
    lifetimes: Lifetimes,
    anchors: Anchors,
    policy: AdmissionPolicy,
    proof: Option<TrustedCatalog>,
}

impl Parts {
    pub(super) fn load(context: &Context) -> anyhow::Result<Self> {
        let config = &context.config;
        let store = context.store()?;
        Ok(Self {
            keys: context.signing_keys()?,
            lifetimes: context.lifetimes(&store),
            store,
            anchors: config.anchors()?,
            policy: config.admission_policy(),
            proof: None,
        })
    }

    pub(super) fn site(&self, context: &Context) -> Site<'_> {
        Site {
            store: &self.store,
            keys: &self.keys,
            lifetimes: &self.lifetimes,
            trust: &self.anchors.signers,
            timestamp_trust: self.anchors.timestamps.as_ref(),
            agent_anchors: self.anchors.agent.as_ref(),
            policy: &self.policy,
            proof: self.proof.as_ref(),
            on_change: context.config.upstream.on_change,
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

fn run(
    context: &Context,
    planned: &[PlannedPackage],
    options: &SyncOptions,
    progress: &ProgressArguments,
) -> anyhow::Result<Exit> {
    let parts = Parts::load(context)?;
    let client = context.client()?;
    let progress = Arc::new(Progress::new(progress, planned.len())?);
    let told = Arc::clone(&progress);
    let observer: Arc<Observer<'static>> = Arc::new(move |event: Event<'_>| told.tell(event));
    let report = context.block_on(async {
        Ok(pipeline::sync(&parts.site(context), &client, planned, options, observer).await?)
    })?;
    let exit = outcomes::exit(&report);
    progress.finish(&report, exit);
    Ok(exit)
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
