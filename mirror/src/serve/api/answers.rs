//! What the API answers. Within `v1` fields are added, never renamed or removed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::Sha256Digest;
use crate::admit::Label;
use crate::catalog::{CatalogEntry, CatalogVersions, ExpiryWarning, Profile, Role};
use crate::package::{PackageKind, PackagePath, Platform, Tree};
use crate::serve::builds::Build;
use crate::serve::evidence::{Document, Origin};
use crate::serve::filter::Part;
use crate::serve::view::View;
use crate::withdraw::WithdrawnPackage;

pub(crate) use super::details::{PackageDetail, PackageDetails};

/// Part of a list of packages.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PackageList {
    /// The packages: the newest build first, in a build by kind and platform.
    pub(crate) packages: Vec<Package>,
    #[serde(flatten)]
    pub(crate) extent: Extent,
}

/// Part of a list of builds.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BuildList {
    /// The builds, the newest first.
    pub(crate) builds: Vec<BuildSummary>,
    #[serde(flatten)]
    pub(crate) extent: Extent,
}

/// Part of the list of withdrawn packages.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WithdrawnList {
    /// What nobody is to get any more, the newest withdrawal first.
    pub(crate) withdrawn: Vec<WithdrawnPackage>,
    #[serde(flatten)]
    pub(crate) extent: Extent,
}

/// What the vendor's paths with `latest` in place of a build stand for.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LatestList {
    /// Whether this server leads from them to the packages; else they are 404.
    pub(crate) resolved: bool,
    /// The newest package of each tree, kind, platform and extension.
    pub(crate) latest: Vec<LatestPackage>,
}

/// The newest package of its tree, kind, platform and extension.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LatestPackage {
    /// The path with `latest`, without a leading slash.
    pub(crate) latest: String,
    /// The path of the package.
    pub(crate) path: PackagePath,
    /// The build stamp.
    pub(crate) stamp: String,
    /// Digest of the bytes.
    pub(crate) sha256: Sha256Digest,
}

/// Which part of a list this is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Extent {
    /// How many there are in all.
    pub(crate) total: usize,
    /// Which page this is, beginning with 1.
    #[schemars(range(min = 1))]
    pub(crate) page: usize,
    /// How many pages there are.
    #[schemars(range(min = 1))]
    pub(crate) pages: usize,
    /// How many at most are on a page.
    #[schemars(range(min = 1))]
    pub(crate) limit: usize,
}

/// A published package.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Package {
    /// The vendor path, without a leading slash: where it is on this server too.
    pub(crate) path: PackagePath,
    /// The file name.
    pub(crate) name: String,
    /// The kind.
    pub(crate) kind: PackageKind,
    /// The build stamp.
    pub(crate) stamp: String,
    /// The release family, if the stamp is a regular one.
    pub(crate) family: Option<String>,
    /// The platform.
    pub(crate) platform: Platform,
    /// Which of the vendor's two trees it is in.
    pub(crate) tree: TreeName,
    /// Digest of the bytes.
    pub(crate) sha256: Sha256Digest,
    /// Length in bytes.
    pub(crate) length: u64,
    /// How it was checked.
    pub(crate) label: Label,
    /// Subject of the signer certificate.
    pub(crate) signer: Option<String>,
    /// Time of the RFC 3161 timestamp.
    pub(crate) signed_at: Option<Timestamp>,
    /// When this mirror admitted it.
    pub(crate) admitted_at: Timestamp,
    /// When this mirror first admitted these bytes, if that was earlier.
    pub(crate) first_admitted_at: Option<Timestamp>,
    /// Whether it was admitted only because it had been admitted before: its timestamp authority has expired.
    pub(crate) by_earlier_admission: bool,
    /// Digest of the report in its evidence.
    pub(crate) report: Option<Sha256Digest>,
}

/// One of the vendor's two trees.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TreeName {
    /// `package/app-signed/`
    Signed,
    /// `package/`, the older one.
    Unsigned,
}

/// A build.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BuildSummary {
    /// The build stamp.
    pub(crate) stamp: String,
    /// What people call it.
    pub(crate) title: String,
    /// The release family, if the stamp is a regular one.
    pub(crate) family: Option<String>,
    /// Date and time of the build without time zone, if the stamp is a regular one.
    pub(crate) built: Option<String>,
    /// How many of its packages are published.
    pub(crate) packages: usize,
    /// Their length in bytes.
    pub(crate) length: u64,
}

/// A build with its packages.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BuildDetail {
    /// The build.
    pub(crate) build: BuildSummary,
    /// Its packages.
    pub(crate) packages: Vec<Package>,
}

/// The signed catalog.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Catalog {
    /// The id of the store.
    pub(crate) store: Option<String>,
    /// Its Ed25519 public key, in hexadecimal.
    pub(crate) key: Option<String>,
    /// How the catalog is renewed.
    pub(crate) profile: Option<Profile>,
    /// The versions of its metadata files.
    pub(crate) versions: Option<CatalogVersions>,
    /// When importers will begin to refuse it; null if nothing was published yet.
    pub(crate) expires: Option<Timestamp>,
    /// Its roles.
    pub(crate) roles: Vec<RoleState>,
    /// How many packages it lists.
    pub(crate) packages: usize,
    /// How many withdrawn packages it names.
    pub(crate) withdrawn: usize,
}

/// A role of the catalog.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RoleState {
    /// The role.
    pub(crate) role: Role,
    /// When its metadata expires.
    pub(crate) expires: Timestamp,
    /// How near that is, if somebody should act.
    pub(crate) warning: Option<ExpiryWarning>,
}

/// The state of the log.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Log {
    /// Its name; null if there is no log, or none that the key in the catalog has signed.
    pub(crate) origin: Option<String>,
    /// How many entries it has.
    pub(crate) size: u64,
    /// Its root hash, in hexadecimal.
    pub(crate) root: Option<Sha256Digest>,
    /// Where the signed checkpoint is on this server.
    pub(crate) checkpoint: &'static str,
}

/// How the server is.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Health {
    /// In one word.
    pub(crate) status: Status,
    /// What is wrong.
    pub(crate) problem: Option<String>,
    /// What will be wrong unless somebody acts.
    pub(crate) warnings: Vec<String>,
    /// The time of the server.
    pub(crate) now: Timestamp,
    /// When importers will begin to refuse the catalog.
    pub(crate) catalog_expires: Option<Timestamp>,
    /// How many packages are published.
    pub(crate) packages: usize,
}

/// How the server is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    /// Nothing is to be done.
    Good,
    /// Somebody should act.
    Warning,
    /// Something is wrong.
    Failing,
}

impl Package {
    pub(crate) fn of(entry: &CatalogEntry) -> Self {
        let name = entry.path.name();
        Self {
            path: entry.path.clone(),
            name: name.to_string(),
            kind: name.kind(),
            stamp: name.stamp().to_string(),
            family: name.stamp().family().map(str::to_owned),
            platform: name.platform(),
            tree: match entry.path.tree() {
                Tree::Signed => TreeName::Signed,
                Tree::Unsigned => TreeName::Unsigned,
            },
            sha256: entry.sha256,
            length: entry.length,
            label: entry.label,
            signer: entry.signer.clone(),
            signed_at: entry.signed_at,
            admitted_at: entry.admitted_at,
            first_admitted_at: entry.first_admitted_at,
            by_earlier_admission: entry.by_earlier_admission,
            report: entry.report,
        }
    }
}

impl BuildSummary {
    pub(crate) fn of(view: &View, build: &Build, packages: &[usize]) -> Self {
        let lengths = packages.iter().filter_map(|place| view.entry(*place)).map(|entry| entry.length);
        Self {
            stamp: build.stamp().to_string(),
            title: build.title(),
            family: build.stamp().family().map(str::to_owned),
            built: build.stamp().fields().map(|fields| fields.built.to_string()),
            packages: packages.len(),
            length: lengths.fold(0, u64::saturating_add),
        }
    }
}

impl Extent {
    pub(crate) fn of<T>(part: &Part<T>) -> Self {
        Self { total: part.total, page: part.page, pages: part.pages, limit: part.limit }
    }
}

/// What is known of an admission, without the signers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Admission {
    /// Its number in this store.
    #[schemars(range(min = 1))]
    pub(crate) number: u64,
    /// The decision by which bytes that the store had already became the published ones.
    pub(crate) accepted: Option<Accepted>,
    /// Where the package came from.
    pub(crate) origin: Option<Origin>,
    /// The documents of its evidence.
    pub(crate) documents: Vec<Document>,
    /// Where the log tells of it.
    pub(crate) log: Option<LogPlace>,
}

/// A decision about other bytes under a known name.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Accepted {
    /// When.
    pub(crate) at: Timestamp,
    /// Why.
    pub(crate) reason: String,
    /// The admission that it repeats.
    pub(crate) admission: u64,
}

/// A place in the log.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LogPlace {
    /// The entry, beginning with 0.
    pub(crate) index: u64,
    /// How many entries the log has.
    pub(crate) size: u64,
    /// The root hash at that size, in hexadecimal.
    pub(crate) root: Sha256Digest,
}
