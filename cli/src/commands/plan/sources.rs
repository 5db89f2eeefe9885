//! From everything that can name packages to the packages.

use std::cell::OnceCell;
use std::path::Path;

use anyhow::Context as _;
use midmirror_mirror::package::{BuildTag, Buildstamp, PackageName, PackagePath, ReleaseName, Tree};
use midmirror_mirror::plan::{
    KnownBuilds, Lookup, PlanRequest, PlannedPackage, each_once, plan_names, plan_paths, plan_stamp, plan_url,
};
use url::Url;

use super::{Admitted, inputs, instance, logs};
use crate::arguments::Selection;
use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// Everything that a selection asks for, each package once.
pub(crate) fn packages(context: &Context, selection: &Selection) -> anyhow::Result<Vec<PlannedPackage>> {
    check(selection)?;
    let planner = Planner::new(&context.config, selection)?;
    let mut planned = Vec::new();
    for item in &selection.items {
        planned.extend(planner.item(item)?);
    }
    for file in &selection.from {
        planned.extend(planner.list(file)?);
    }
    for page in &selection.stats {
        planned.extend(planner.stamp(&instance::from_file(page)?)?);
    }
    for address in &selection.instances {
        let stamp = instance::ask(context, address, selection.instance_credentials.as_deref())?;
        planned.extend(planner.stamp(&stamp)?);
    }
    planned.extend(logs::packages(&selection.logs, &planner.request)?);
    let planned = each_once(planned);
    warn(&planned);
    Ok(planned)
}

fn check(selection: &Selection) -> anyhow::Result<()> {
    if selection.is_empty() {
        return Err(coded(
            Exit::Usage,
            "nothing to plan",
            "give a build stamp, a release name, package names, URLs, --log FILE with an agent0.log.0, --stats FILE with \
             a page stats.do, or --instance URL",
        ));
    }
    let files = selection.logs.iter().chain(&selection.from).chain(&selection.stats);
    if files.filter(|file| inputs::is_standard_input(file)).count() > 1 {
        return Err(coded(
            Exit::Usage,
            "standard input is read twice",
            "name `-` once, and files for the rest",
        ));
    }
    Ok(())
}

/// Says what is odd about a plan, once for each build.
fn warn(planned: &[PlannedPackage]) {
    let mut said = std::collections::HashSet::new();
    for package in planned {
        let (stamp, tree) = (package.path().name().stamp(), package.path().tree());
        let text = match stamp.fields() {
            None => format!(
                "build stamp {stamp} is not of the vendor's usual form; it is carried as it is, by its full URL"
            ),
            Some(fields) if tree == Tree::Signed && !fields.is_in_signed_tree() => format!(
                "build {stamp} is older than the vendor's signed tree; its packages are in the unsigned one only \
                 (--unsigned-tree), and none without a signature is admitted"
            ),
            Some(_) if tree == Tree::Unsigned => {
                format!("packages of build {stamp} are planned from the vendor's UNSIGNED tree")
            }
            Some(_) => continue,
        };
        if said.insert(text.clone()) {
            output::note(format!("warning: {text}"));
        }
    }
}

struct Planner<'a> {
    request: PlanRequest,
    build_date: Option<&'a str>,
    store: &'a Path,
    known: OnceCell<KnownBuilds>,
}

impl<'a> Planner<'a> {
    fn new(config: &'a Config, selection: &'a Selection) -> anyhow::Result<Self> {
        let base = Url::parse(&config.upstream.base_uri)
            .with_context(|| format!("upstream.base_uri {:?} is not a URL", config.upstream.base_uri))?;
        let platforms =
            if selection.platforms.is_empty() { &config.upstream.platforms } else { &selection.platforms };
        let mut request = PlanRequest::upgrade_set(base, platforms.clone());
        if !selection.kinds.is_empty() {
            request.kinds.clone_from(&selection.kinds);
        }
        if selection.unsigned_tree {
            request.tree = Tree::Unsigned;
        }
        let build_date = selection.build_date.as_deref();
        Ok(Self { request, build_date, store: &config.store, known: OnceCell::new() })
    }

    /// One item a line; empty lines and those that begin with `#` are passed over.
    fn list(&self, file: &Path) -> anyhow::Result<Vec<PlannedPackage>> {
        let text = inputs::read(file, "list", MAX_LIST_BYTES)?;
        let mut planned = Vec::new();
        let lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines().map(str::trim);
        for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        {
            let packages = self.item(line);
            planned.extend(packages.with_context(|| format!("{} line {}", file.display(), number + 1))?);
        }
        if planned.is_empty() {
            return Err(coded(
                Exit::Usage,
                format!("the list {} is empty", file.display()),
                "one name or URL a line",
            ));
        }
        Ok(planned)
    }

    /// A URL, a vendor path, a package name, a build tag, a build stamp or a release name. Blanks around it and Markdown's
    /// `\_` are undone, nothing else is repaired.
    fn item(&self, item: &str) -> anyhow::Result<Vec<PlannedPackage>> {
        let item = item.trim().replace("\\_", "_");
        let item = item.as_str();
        if item.contains("://") {
            return Ok(vec![plan_url(item)?]);
        }
        if item.contains('/') {
            return Ok(plan_paths(&[PackagePath::parse(item)?], &self.request)?);
        }
        if item.starts_with(BuildTag::PREFIX) {
            return self.tag(item);
        }
        let is_name = item.split_once('.').is_some_and(|(_, rest)| rest.contains('.'));
        if is_name {
            return Ok(plan_names(&[PackageName::parse(item)?], &self.request)?);
        }
        match (Buildstamp::parse(item), ReleaseName::parse(item)) {
            (Ok(stamp), _) if stamp.fields().is_some() => self.stamp(&stamp),
            (_, Ok(name)) => self.release(&name),
            (stamp, Err(_)) => self.stamp(&stamp?),
        }
    }

    fn stamp(&self, stamp: &Buildstamp) -> anyhow::Result<Vec<PlannedPackage>> {
        let resembling = if stamp.fields().is_none() { self.known().resembling(stamp) } else { Vec::new() };
        if let Some(known) = resembling.first() {
            output::note(format!(
                "note: {stamp} differs from the known build {known} in hyphens or underscores only"
            ));
        }
        Ok(plan_stamp(stamp, &self.request)?)
    }

    fn release(&self, name: &ReleaseName) -> anyhow::Result<Vec<PlannedPackage>> {
        self.found(&name.to_string(), self.known().by_release(name))
    }

    /// `glide-TAG`, its date behind a blank, from `--build-date`, or looked up.
    fn tag(&self, item: &str) -> anyhow::Result<Vec<PlannedPackage>> {
        let (tag, date) = match item.split_once(char::is_whitespace) {
            Some((tag, date)) => (tag, Some(date)),
            None => (item, self.build_date),
        };
        let tag = BuildTag::parse(tag)?;
        match date {
            Some(date) => self.stamp(&tag.built(date)?),
            None => self.found(&tag.to_string(), self.known().by_tag(&tag)),
        }
    }

    fn found(&self, name: &str, lookup: Lookup<'_>) -> anyhow::Result<Vec<PlannedPackage>> {
        match lookup {
            Lookup::One(stamp) => {
                output::note(format!("{name}: {stamp} (the only known build of that name)"));
                self.stamp(stamp)
            }
            Lookup::Choose(stamps) => {
                for stamp in &stamps {
                    output::note(format!("  {stamp}"));
                }
                let (problem, hint) = match stamps.len() {
                    0 => (
                        "names no known build",
                        "give the full build stamp: stats.do of the instance has it as \"MID buildstamp\"",
                    ),
                    _ => (
                        "does not name one known build",
                        "choose one of those listed, or give the full build stamp that stats.do of the instance has",
                    ),
                };
                Err(coded(Exit::Usage, format!("{:?} {problem}", printable(name)), hint))
            }
        }
    }

    fn known(&self) -> &KnownBuilds {
        self.known.get_or_init(|| {
            let admitted = Admitted::read(self.store);
            KnownBuilds::shipped().and(admitted.entries.keys().map(|path| path.name().stamp().clone()))
        })
    }
}

/// 100,000 addresses have some 25 MB.
const MAX_LIST_BYTES: u64 = 64 << 20;
