//! The description of the API (OpenAPI 3.1). The schemas come from the types of the answers.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::answers::{
    BuildDetail, BuildList, Catalog, Health, LatestList, Log, PackageDetails, PackageList, WithdrawnList,
};
use super::problem::Problem;
use crate::package::{PackageKind, Platform};
use crate::serve::filter::{BUILDS, LIST, LONGEST_SEARCH, MOST_ON_A_PAGE, PAGES, USUALLY_ON_A_PAGE};

/// The description as JSON.
pub(crate) fn description() -> Vec<u8> {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = Schemas(settings.into_generator());
    let problem = schemas.answer::<Problem>("application/problem+json", "What went wrong");
    let get = |summary: &str, parameters: Value, answer: Value, errors: &[(&str, &str)]| {
        let mut responses = Map::new();
        responses.insert("200".to_owned(), answer);
        responses.insert(
            "304".to_owned(),
            json!({ "description": "The answer is still the one that the client has (If-None-Match)" }),
        );
        for (status, description) in errors {
            let mut problem = problem.clone();
            if let Some(problem) = problem.as_object_mut() {
                problem.insert("description".to_owned(), Value::from(*description));
            }
            responses.insert((*status).to_owned(), problem);
        }
        responses.insert("default".to_owned(), problem.clone());
        json!({ "get": { "summary": summary, "operationId": operation(summary), "parameters": parameters, "responses": responses } })
    };
    let bad = ("400", "A parameter is not known, or not what it has to be");
    let none = ("404", "Nothing that is published has this digest or stamp");
    let mut paths = Map::new();
    let mut add = |path: &str, item: Value| drop(paths.insert(path.to_owned(), item));
    let answer = schemas.json::<PackageList>("Packages that fit");
    add(
        "/packages",
        get(
            "List packages",
            list(&LIST),
            linked(answer, &[package_link(), build_link("/packages/0/stamp")]),
            &[bad],
        ),
    );
    let answer = schemas.json::<PackageDetails>("The package, its admission and its verdicts");
    add("/packages/{sha256}", get("Show a package", json!([sha256()]), answer, &[bad, none]));
    let answer = schemas.json::<BuildList>("Builds that fit, with how many of their packages fit");
    let answer = linked(answer, &[build_link("/builds/0/stamp")]);
    add("/builds", get("List builds", list(&BUILDS), answer, &[bad]));
    let answer = schemas.json::<BuildDetail>("The build and its packages");
    add("/builds/{stamp}", get("Show a build", json!([stamp()]), answer, &[bad, none]));
    let answer = schemas.json::<LatestList>("Where the vendor's paths with latest lead, or would lead");
    add("/latest", get("List latest packages", json!([]), answer, &[bad]));
    let answer = schemas.json::<Catalog>("The state of the signed catalog");
    add("/catalog", get("Show the catalog", json!([]), answer, &[bad]));
    let answer = schemas.json::<Log>("The state of the append-only log");
    add("/log", get("Show the log", json!([]), answer, &[bad]));
    let answer = schemas.json::<WithdrawnList>("What nobody is to get any more");
    add("/withdrawn", get("List withdrawn packages", list(&PAGES), answer, &[bad]));
    let answer = schemas.json::<Health>("How the server is; the status is 200 whatever it is");
    add("/health", get("Show the health", json!([]), answer, &[bad]));
    let answer = json!({ "description": "This description", "content": { "application/json": { "schema": { "type": "object" } } } });
    add("/openapi.json", get("Show this description", json!([]), answer, &[bad]));
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "midmirror",
            "version": "1",
            "summary": "Which MID Server packages this mirror has, and how they were checked",
            "description": "For reading only. Nothing here has to be believed: the signed catalog is below /repository, the \
                log below /log, and `documents` of a package name its evidence. Within v1 fields are added, never renamed \
                or removed. Every answer has an ETag. All times are UTC.",
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" }
        },
        "servers": [{ "url": "/api/v1" }],
        "security": [],
        "paths": paths,
        "components": { "schemas": schemas.0.take_definitions(true) }
    });
    // Cannot fail: it is JSON already.
    let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

struct Schemas(SchemaGenerator);

impl Schemas {
    fn json<T: JsonSchema>(&mut self, description: &str) -> Value {
        self.answer::<T>("application/json", description)
    }

    fn answer<T: JsonSchema>(&mut self, content_type: &str, description: &str) -> Value {
        let schema = self.0.subschema_for::<T>();
        json!({ "description": description, "content": { content_type: { "schema": schema } } })
    }
}

/// An answer with links to others.
fn linked(mut answer: Value, links: &[(&str, Value)]) -> Value {
    if let Some(answer) = answer.as_object_mut() {
        let links: Map<String, Value> =
            links.iter().map(|(name, link)| ((*name).to_owned(), link.clone())).collect();
        answer.insert("links".to_owned(), Value::Object(links));
    }
    answer
}

fn package_link() -> (&'static str, Value) {
    let parameters = json!({ "sha256": "$response.body#/packages/0/sha256" });
    ("package", json!({ "operationId": "showAPackage", "parameters": parameters }))
}

fn build_link(place: &str) -> (&'static str, Value) {
    let parameters = json!({ "stamp": format!("$response.body#{place}") });
    ("build", json!({ "operationId": "showABuild", "parameters": parameters }))
}

/// `List packages` becomes `listPackages`.
fn operation(summary: &str) -> String {
    let mut id = String::new();
    for (number, word) in summary.split(' ').enumerate() {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        id.push_str(&if number == 0 { first.to_lowercase() } else { first.to_uppercase() });
        id.push_str(rest);
    }
    id
}

fn list(names: &[&str]) -> Value {
    names.iter().map(|name| parameter(name)).collect()
}

/// A parameter of a list.
fn parameter(name: &str) -> Value {
    let words = |words: &mut dyn Iterator<Item = &'static str>| json!({ "type": "string", "enum": words.collect::<Vec<_>>() });
    let number = |usual: usize, most: usize| json!({ "type": "integer", "minimum": 1, "maximum": most, "default": usual });
    let (schema, description) = match name {
        "q" => (
            json!({ "type": "string", "maxLength": LONGEST_SEARCH }),
            "Words that all have to be in path, digest, release or signer; case does not matter",
        ),
        "family" => {
            (json!({ "type": "string", "pattern": "^[a-z]{1,50}$" }), "Release family, for instance zurich")
        }
        "build" => (stamp_schema(), "Build stamp"),
        "kind" => (words(&mut PackageKind::ALL.into_iter().map(PackageKind::as_str)), "Kind of package"),
        "platform" => (words(&mut Platform::ALL.into_iter().map(Platform::as_str)), "Platform"),
        "label" => (words(&mut ["verified", "signature-not-checked"].into_iter()), "How it was checked"),
        "page" => {
            (number(1, 1_000_000), "Which page, beginning with 1; behind the last one there is nothing")
        }
        _ => (number(USUALLY_ON_A_PAGE, MOST_ON_A_PAGE), "How many on a page"),
    };
    json!({ "name": name, "in": "query", "required": false, "description": description, "schema": schema })
}

fn sha256() -> Value {
    let schema = json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
    json!({ "name": "sha256", "in": "path", "required": true, "description": "Digest of the bytes", "schema": schema })
}

fn stamp() -> Value {
    json!({ "name": "stamp", "in": "path", "required": true, "description": "Build stamp", "schema": stamp_schema() })
}

fn stamp_schema() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,200}$" })
}
