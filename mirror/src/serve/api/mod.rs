//! `/api/v1`: the same as the pages, for programs. Described by `/api/v1/openapi.json` (`openapi`).
//!
//! ```text
//! packages, packages/DIGEST, builds, builds/STAMP, latest, catalog, log, withdrawn, health, openapi.json
//! ```
//!
//! Attacks considered: as for the pages; parameters that are not known are errors (how they come back in the answer: `parameter_error`);
//! lists have pages of at most 1,000. Errors are problem details (RFC 9457).

mod answers;
mod details;
pub(super) mod openapi;
mod problem;

use http::StatusCode;
use serde::Serialize;

pub(crate) use problem::{as_problem, problem, problem_with};

use super::desk::{Condition, Desk};
use super::filter::{BUILDS, LIST, PAGES, Parameters, part};
use super::parameter_error::{ParameterError, WrongParameter};
use super::view::View;
use crate::Sha256Digest;
use crate::package::LatestPath;
use answers::{
    Admission, BuildDetail, BuildList, BuildSummary, Catalog, Extent, Health, LatestList, LatestPackage, Log,
    Package, PackageDetail, PackageDetails, PackageList, RoleState, Status, WithdrawnList,
};
use details::Report;

/// What a path below `/api/v1/` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Packages,
    Package(Sha256Digest),
    Builds,
    Build(String),
    Latest,
    Catalog,
    Log,
    Withdrawn,
    Health,
    Description,
}

/// An error of the API.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
    pub(crate) parameter: Option<WrongParameter>,
}

impl ApiError {
    fn of(status: StatusCode, detail: &str) -> Self {
        Self { status, detail: detail.to_owned(), parameter: None }
    }
}

impl Route {
    /// Looks up a path, which begins behind `/api/v1/`.
    pub(crate) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "packages" => Self::Packages,
            "builds" => Self::Builds,
            "latest" => Self::Latest,
            "catalog" => Self::Catalog,
            "log" => Self::Log,
            "withdrawn" => Self::Withdrawn,
            "health" => Self::Health,
            "openapi.json" => Self::Description,
            _ => match path.split_once('/')? {
                ("packages", digest) => Self::Package(digest.parse().ok()?),
                ("builds", stamp) => Self::Build(crate::package::Buildstamp::parse(stamp).ok()?.to_string()),
                _ => return None,
            },
        })
    }

    /// How long the answer may be kept.
    pub(crate) fn cache(&self) -> &'static str {
        if *self == Self::Health { "no-store" } else { "no-cache" }
    }
}

/// Answers as JSON.
pub(crate) async fn answer(
    desk: &Desk,
    view: &View,
    route: Route,
    query: Option<&str>,
    state: &Condition,
    now: jiff::Timestamp,
) -> Result<Vec<u8>, ApiError> {
    let known: &[&'static str] = match route {
        Route::Packages => &LIST,
        Route::Builds => &BUILDS,
        Route::Withdrawn => &PAGES,
        _ => &[],
    };
    let parameters = Parameters::strict(query, known)?;
    match route {
        Route::Packages => json(&packages(view, &parameters)?),
        Route::Package(sha256) => json(&package(desk, view, sha256).await.ok_or_else(not_found)?),
        Route::Builds => json(&builds(view, &parameters)?),
        Route::Build(stamp) => json(&build(view, &stamp).ok_or_else(not_found)?),
        Route::Latest => json(&latest(view, desk.resolves_latest())),
        Route::Catalog => json(&catalog(view, now)),
        Route::Log => json(&log(desk, view).await),
        Route::Withdrawn => {
            let part = part(view.withdrawals().iter().cloned(), parameters.page()?, parameters.limit()?);
            let extent = Extent::of(&part);
            json(&WithdrawnList { withdrawn: part.items, extent })
        }
        Route::Health => json(&health(view, state, now)),
        Route::Description => Ok(desk.description().to_vec()),
    }
}

fn packages(view: &View, parameters: &Parameters) -> Result<PackageList, ParameterError> {
    let (filter, page, limit) = (parameters.filter()?, parameters.page()?, parameters.limit()?);
    let found = view.builds().find(|index| view.entry(index), &filter);
    let places: Vec<usize> = found.into_iter().flat_map(|found| found.packages).collect();
    let part = part(places.into_iter(), page, limit);
    let extent = Extent::of(&part);
    let packages = part.items.into_iter().filter_map(|place| view.entry(place)).map(Package::of).collect();
    Ok(PackageList { packages, extent })
}

fn builds(view: &View, parameters: &Parameters) -> Result<BuildList, ParameterError> {
    let (filter, page, limit) = (parameters.filter()?, parameters.page()?, parameters.limit()?);
    let found = view.builds().find(|index| view.entry(index), &filter);
    let part = part(found.into_iter(), page, limit);
    let extent = Extent::of(&part);
    let summary = |build: super::builds::Found<'_>| BuildSummary::of(view, build.build, &build.packages);
    Ok(BuildList { builds: part.items.into_iter().map(summary).collect(), extent })
}

fn build(view: &View, stamp: &str) -> Option<BuildDetail> {
    let build = view.builds().with_stamp(stamp)?;
    let packages = build.packages().iter().filter_map(|place| view.entry(*place)).map(Package::of);
    Some(BuildDetail { build: BuildSummary::of(view, build, build.packages()), packages: packages.collect() })
}

fn latest(view: &View, resolved: bool) -> LatestList {
    let package = |(path, index): (&LatestPath, usize)| {
        let entry = view.entry(index)?;
        let stamp = entry.path.name().stamp().to_string();
        Some(LatestPackage {
            latest: path.to_string(),
            path: entry.path.clone(),
            stamp,
            sha256: entry.sha256,
        })
    };
    LatestList { resolved, latest: view.latest().all().filter_map(package).collect() }
}

async fn package(desk: &Desk, view: &View, sha256: Sha256Digest) -> Option<PackageDetails> {
    let mut packages = Vec::new();
    for entry in view.with_digest(&sha256).take(MOST_PATHS) {
        let evidence = desk.evidence_of(view, entry).await;
        let told = match &evidence {
            Some(evidence) => desk.place(view, evidence.admission.number()).await,
            None => None,
        };
        packages.push(PackageDetail {
            package: Package::of(entry),
            admission: evidence.as_ref().map(|evidence| Admission::of(evidence, told.as_ref())),
            report: evidence.as_ref().and_then(|evidence| evidence.head.as_deref()).map(Report::of),
        });
    }
    (!packages.is_empty()).then_some(PackageDetails { sha256, packages })
}

fn catalog(view: &View, now: jiff::Timestamp) -> Catalog {
    let identity = view.identity();
    let roles = view.ends().iter().map(|end| RoleState {
        role: end.role,
        expires: end.expires,
        warning: end.warning(now),
    });
    Catalog {
        store: identity.map(|identity| identity.id.clone()),
        key: identity.map(|identity| hex::encode(identity.key)),
        profile: identity.map(|identity| identity.profile),
        versions: view.versions(),
        expires: view.expires(),
        roles: roles.collect(),
        packages: view.packages().len(),
        withdrawn: view.withdrawals().len(),
    }
}

async fn log(desk: &Desk, view: &View) -> Log {
    let checkpoint = desk.checkpoint(view).await;
    Log {
        size: checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size),
        root: checkpoint.as_ref().map(|checkpoint| checkpoint.root),
        origin: checkpoint.map(|checkpoint| checkpoint.origin),
        checkpoint: "log/checkpoint",
    }
}

fn health(view: &View, state: &Condition, now: jiff::Timestamp) -> Health {
    let status = match (&state.problem, state.warnings.is_empty()) {
        (Some(_), _) => Status::Failing,
        (None, false) => Status::Warning,
        (None, true) => Status::Good,
    };
    Health {
        status,
        problem: state.problem.clone(),
        warnings: state.warnings.clone(),
        now,
        catalog_expires: view.expires(),
        packages: view.packages().len(),
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    let mut json = serde_json::to_vec_pretty(value).map_err(|error| {
        tracing::error!(error = %error, "an answer could not be written as JSON");
        ApiError::of(StatusCode::INTERNAL_SERVER_ERROR, "see the server's log")
    })?;
    json.push(b'\n');
    Ok(json)
}

fn not_found() -> ApiError {
    ApiError::of(StatusCode::NOT_FOUND, "not mirrored here")
}

impl From<ParameterError> for ApiError {
    fn from(error: ParameterError) -> Self {
        Self {
            parameter: error.parameter().cloned(),
            ..Self::of(StatusCode::BAD_REQUEST, &error.to_string())
        }
    }
}

/// Bytes are seldom under more than two names.
const MOST_PATHS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_paths_stand_for_something() {
        let digest = Sha256Digest::of(b"x");
        assert_eq!(Route::at(&format!("packages/{digest}")), Some(Route::Package(digest)));
        assert_eq!(Route::at("builds/2012-07-18-1833"), Some(Route::Build("2012-07-18-1833".to_owned())));
        let upper = format!("packages/{}", digest.to_hex().to_uppercase());
        for bad in
            ["", "/", "packages/", "packages/abc", &upper, "builds/a/b", "builds/..", "Packages", "health/x"]
        {
            assert_eq!(Route::at(bad), None, "{bad}");
        }
    }
}
