//! The JSON Schemas: the committed copies are what the program prints, and no field ever goes away within a version.
//!
//! `MIDMIRROR_UPDATE=1 cargo test -p midmirror-cli --test cmd schema` writes them anew after a field was added. The lists
//! of fields (`*.fields`) only grow: a field that was renamed or removed fails all the same. Then the version must go up
//! (or, before a release, the line out of the list, by hand and knowingly).

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema")
}

fn midmirror(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_midmirror")).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Name and version of every schema.
fn names() -> Vec<(String, String)> {
    let (code, list) = midmirror(&["schema"]);
    assert_eq!(code, Some(0));
    let names = list.lines().map(|line| {
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    });
    names.collect()
}

fn updating() -> bool {
    std::env::var_os("MIDMIRROR_UPDATE").is_some()
}

#[test]
fn committed_schemas_are_the_printed_ones() {
    let mut expected = BTreeSet::new();
    for (name, version) in names() {
        let (code, printed) = midmirror(&["schema", &name]);
        assert_eq!(code, Some(0), "{name}");
        let file = folder().join(format!("{name}-{version}.json"));
        if updating() {
            fs::write(&file, &printed).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == printed, "{} is not what the program prints: {ADVICE}", file.display());
        expected.insert(format!("{name}-{version}.json"));
        expected.insert(format!("{name}-{version}.fields"));
    }
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        found.difference(&expected).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "strays in cli/schema"
    );
}

#[test]
fn no_field_is_ever_renamed_or_removed_within_a_version() {
    for (name, version) in names() {
        let schema: Value = serde_json::from_str(&midmirror(&["schema", &name]).1).unwrap();
        let now = fields(&schema);
        assert!(now.len() >= 5, "{name}: {now:?}");
        let file = folder().join(format!("{name}-{version}.fields"));
        let recorded: BTreeSet<String> =
            fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect();
        let gone = gone(&recorded, &now);
        assert!(gone.is_empty(), "{name} {version} has lost or changed: {gone:#?}");
        if updating() {
            let all: Vec<&str> = recorded.union(&now).map(String::as_str).collect();
            fs::write(&file, all.join("\n") + "\n").unwrap();
        } else {
            let new: Vec<&String> = now.difference(&recorded).collect();
            assert!(new.is_empty(), "{} lacks {new:#?}: {ADVICE}", file.display());
        }
    }
}

#[test]
fn a_renamed_field_is_noticed() {
    let schema: Value = serde_json::from_str(&midmirror(&["schema", "report"]).1).unwrap();
    let recorded = fields(&schema);
    let change = |from: &str, to: &str| {
        let text = schema.to_string();
        assert!(text.contains(from), "{from}");
        let changed: Value = serde_json::from_str(&text.replace(from, to)).unwrap();
        gone(&recorded, &fields(&changed))
    };
    assert!(change("\"spki_sha256\"", "\"spki\"").iter().any(|line| line.contains("chain[].spki_sha256 ")));
    assert!(change("\"leading_bytes\"", "\"prefix\"").iter().any(|line| line.contains("= leading_bytes")));
    assert!(gone(&recorded, &recorded).is_empty());
    // Something that comes sometimes may come always, never the other way round.
    let [always, sometimes] =
        ["a string always", "a string sometimes"].map(|line| BTreeSet::from([line.to_owned()]));
    assert!(gone(&sometimes, &always).is_empty());
    assert_eq!(gone(&always, &sometimes).len(), 1);
}

#[test]
fn an_unknown_name_ends_2() {
    assert_eq!(midmirror(&["schema", "nonsense"]).0, Some(2));
}

/// Which recorded lines hold no more.
fn gone<'a>(recorded: &'a BTreeSet<String>, now: &BTreeSet<String>) -> Vec<&'a String> {
    let holds = |line: &&String| {
        now.contains(*line)
            || line.strip_suffix(" sometimes").is_some_and(|line| now.contains(&format!("{line} always")))
    };
    recorded.iter().filter(|line| !holds(line)).collect()
}

/// One line for each field (`path type always|sometimes`) and for each fixed value (`path = value`).
fn fields(schema: &Value) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    walk(schema, schema, "", &mut lines);
    lines
}

fn walk(root: &Value, schema: &Value, path: &str, lines: &mut BTreeSet<String>) {
    assert!(path.len() < 400, "a type that holds itself: {path}");
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(target.trim_start_matches('#')).unwrap();
        walk(root, target, path, lines);
    }
    for kind in ["oneOf", "anyOf", "allOf"] {
        for variant in schema.get(kind).and_then(Value::as_array).into_iter().flatten() {
            walk(root, variant, path, lines);
        }
    }
    let values = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    for value in values.chain(schema.get("const")) {
        lines.insert(format!("{path} = {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    if let Some(items) = schema.get("items") {
        walk(root, items, &format!("{path}[]"), lines);
    }
    let required: Vec<&str> = match schema.get("required").and_then(Value::as_array) {
        Some(names) => names.iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
    };
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.{name}");
        let when = if required.contains(&name.as_str()) { "always" } else { "sometimes" };
        lines.insert(format!(
            "{path} {} {when}",
            types(root, property).into_iter().collect::<Vec<_>>().join("|")
        ));
        walk(root, property, &path, lines);
    }
}

/// The JSON types that a schema allows.
fn types(root: &Value, schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match schema.get("type") {
        Some(Value::String(name)) => {
            found.insert(name.clone());
        }
        Some(Value::Array(names)) => found.extend(names.iter().filter_map(Value::as_str).map(str::to_owned)),
        _ => {}
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        found.extend(types(root, root.pointer(target.trim_start_matches('#')).unwrap()));
    }
    for kind in ["oneOf", "anyOf", "allOf"] {
        for variant in schema.get(kind).and_then(Value::as_array).into_iter().flatten() {
            found.extend(types(root, variant));
        }
    }
    found
}

const ADVICE: &str = "MIDMIRROR_UPDATE=1 cargo test -p midmirror-cli --test cmd schema";
