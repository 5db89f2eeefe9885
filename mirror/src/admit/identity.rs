//! Whether the signed content is the package that the name says.
//!
//! A signature says who made a package, not which one it is. Attacks considered here: an upstream passes off an older,
//! validly signed package as a newer one (rollback), the Java runtime of another platform, or a package of another
//! kind. What binds a package to its name is inside it, and signed:
//!
//! - `agent/package/meta/KIND.meta.properties` states the file name (`package.filename`)
//! - `agent/properties/glide.properties` states the build (`mid.buildstamp`)
//! - the Java program has another name on Windows
//! - the container recipe downloads the agent of its own build
//! - the timestamp: nothing is signed before it is built
//!
//! `mid-upgrade` packages have none of these marks but the timestamp: two of them, both signed after the later build, are
//! told apart by the catalog's digest alone.

use std::io;

use jiff::{SignedDuration, tz::TimeZone};
use midmirror_verify::{Report, Source};

use crate::package::{PackageKind, PackageName, Platform};

use super::decision::{Refusal, RefusalClass};
use super::policy::{RULE_CONTENT_NAME, RULE_SIGNED_BEFORE_BUILD};

/// Every contradiction between a name and the content under it.
pub(super) fn refusals(source: &Source, report: &Report, name: &PackageName) -> io::Result<Vec<Refusal>> {
    let inside = Inside { source, report, name };
    let mut texts = inside.meta_files()?;
    texts.extend(inside.buildstamp()?);
    texts.extend(inside.parts());
    texts.extend(inside.recipe()?);
    let policy = |rule, text| Refusal { rule, class: RefusalClass::Policy, text };
    let mut refusals: Vec<Refusal> = texts.into_iter().map(|text| policy(RULE_CONTENT_NAME, text)).collect();
    refusals.extend(signed_before_build(report, name).map(|text| policy(RULE_SIGNED_BEFORE_BUILD, text)));
    Ok(refusals)
}

struct Inside<'a> {
    source: &'a Source,
    report: &'a Report,
    name: &'a PackageName,
}

impl Inside<'_> {
    /// The files that state names.
    fn meta_files(&self) -> io::Result<Vec<String>> {
        let mut texts = Vec::new();
        for entry in self.report.entries() {
            let stated_kind =
                entry.name().strip_prefix(META_FOLDER).and_then(|rest| rest.strip_suffix(META_SUFFIX));
            let Some(stated_kind) = stated_kind else { continue };
            let stated = self.property(entry.name(), "package.filename")?.unwrap_or_default();
            if !self.may_state(stated_kind, &stated) {
                texts.push(format!(
                    "the file is named {}, but entry {:?} says it is {stated:?}",
                    self.name,
                    entry.name()
                ));
            }
        }
        Ok(texts)
    }

    /// Whether a package of this name may hold a meta file of a kind with a name in it.
    fn may_state(&self, kind: &str, stated: &str) -> bool {
        if kind == self.name.kind().as_str() {
            return stated == self.name.as_str();
        }
        // The full agent holds the application of its own build, and a Java runtime that may be of an earlier one.
        let (PackageKind::Mid, Ok(part)) = (self.name.kind(), PackageName::parse(stated)) else {
            return false;
        };
        part.kind().as_str() == kind
            && match part.kind() {
                PackageKind::MidCore => part.stamp() == self.name.stamp(),
                PackageKind::MidJre => part.platform() == self.name.platform(),
                _ => false,
            }
    }

    /// The build that the application states: the end of the build stamp, by the documents with `-` or `_` in it.
    fn buildstamp(&self) -> io::Result<Option<String>> {
        let Some(stated) = self.property(GLIDE_PROPERTIES, "mid.buildstamp")? else { return Ok(None) };
        let plain = |text: &str| text.replace('_', "-");
        let same = plain(self.name.stamp().as_str()).ends_with(&plain(&stated));
        Ok((!same || stated.is_empty()).then(|| {
            format!(
                "the file is named {}, but entry {GLIDE_PROPERTIES:?} says it is build {stated:?}",
                self.name
            )
        }))
    }

    /// Parts that packages of this kind or platform do not have.
    fn parts(&self) -> Vec<String> {
        let kind = self.name.kind();
        let (java, java_exe) = (self.holds("agent/jre/bin/java"), self.holds("agent/jre/bin/java.exe"));
        let foreign = [
            (
                self.holds(GLIDE_PROPERTIES),
                "the application",
                matches!(kind, PackageKind::Mid | PackageKind::MidCore),
            ),
            (java || java_exe, "a Java runtime", matches!(kind, PackageKind::Mid | PackageKind::MidJre)),
            (java && is_windows(self.name.platform()), "Java for Linux", false),
            (java_exe && is_linux(self.name.platform()), "Java for Windows", false),
        ];
        let wrong = foreign.into_iter().filter(|(holds, _, may)| *holds && !may);
        wrong.map(|(_, what, _)| format!("the file is named {}, but it holds {what}", self.name)).collect()
    }

    /// The agent that a container recipe downloads.
    fn recipe(&self) -> io::Result<Option<String>> {
        if !matches!(
            self.name.kind(),
            PackageKind::MidLinuxContainerRecipe | PackageKind::MidWindowsContainerRecipe
        ) {
            return Ok(None);
        }
        let Some(text) = self.text("Dockerfile")? else { return Ok(None) };
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')));
        let other = words
            .filter_map(|word| PackageName::parse(word).ok())
            .find(|word| word.kind() == PackageKind::Mid && word.stamp() != self.name.stamp());
        Ok(other.map(|other| format!("the file is named {}, but its Dockerfile is for {other}", self.name)))
    }

    fn holds(&self, entry: &str) -> bool {
        self.report.entries().iter().any(|found| found.name() == entry)
    }

    /// The value of a key in a properties file of the package; the last one counts, as for Java.
    fn property(&self, entry: &str, key: &str) -> io::Result<Option<String>> {
        let Some(text) = self.text(entry)? else { return Ok(None) };
        let mut values = text.lines().filter_map(|line| {
            let rest = line.trim_start().strip_prefix(key)?.trim_start();
            Some(rest.strip_prefix(['=', ':'])?.trim().to_owned())
        });
        Ok(values.next_back())
    }

    fn text(&self, entry: &str) -> io::Result<Option<String>> {
        if !self.holds(entry) {
            return Ok(None);
        }
        let bytes = midmirror_verify::read_entry(self.source, entry, MAX_TEXT)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// A package that was signed before it was built is an older one under a newer name.
fn signed_before_build(report: &Report, name: &PackageName) -> Option<String> {
    // The probe of the pre-upgrade check is the same for every build; nobody unpacks it.
    if name.platform() == Platform::PreUpgradeCheck {
        return None;
    }
    let built = name.stamp().fields()?.built;
    // The zone of build stamps is not documented: at the farthest, 14 hours lie between local time and UTC.
    let earliest =
        built.to_zoned(TimeZone::UTC).ok()?.timestamp().checked_sub(SignedDuration::from_hours(24)).ok()?;
    let stamps = report.signers().iter().filter_map(|signer| signer.timestamp());
    let signed_at = stamps.map(|timestamp| timestamp.gen_time()).min()?;
    (signed_at < earliest).then(|| {
        format!(
            "the file is named {name}, built on {}, but it was signed before, at {signed_at}",
            built.date()
        )
    })
}

fn is_windows(platform: Platform) -> bool {
    matches!(platform, Platform::WindowsX86_64 | Platform::WindowsX86_32)
}

fn is_linux(platform: Platform) -> bool {
    matches!(platform, Platform::LinuxX86_64 | Platform::LinuxX86_32)
}

const META_FOLDER: &str = "agent/package/meta/";
const META_SUFFIX: &str = ".meta.properties";
const GLIDE_PROPERTIES: &str = "agent/properties/glide.properties";
/// Bytes of a file that is looked at; real ones have a few thousand.
const MAX_TEXT: u64 = 1024 * 1024;
