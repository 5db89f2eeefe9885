//! `midmirror inspect FILE`: what is in a package. Trusts nothing, judges nothing, proves nothing.
//!
//! It ends 0 if the file can be read as a ZIP archive, whatever is in it, and with [`Exit::NotAnArchive`] if only remains
//! could be shown. Whether the package is good is the question of `midmirror verify`.

mod container;
mod entries;
mod page;
mod signatures;

use std::path::Path;

use anyhow::Context as _;
use midmirror_mirror::Sha256Digest;
use midmirror_verify::{Inputs, Inspection, Limits, Report, Source, TrustStore, examine, inspect};
use schemars::JsonSchema;
use serde::Serialize;

use self::page::Page;
use crate::arguments::InspectArguments;
use crate::context;
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;

/// What `inspect --json` prints. Nothing in it is evidence.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct InspectionDocument {
    /// `midmirror-inspection-1`.
    #[schemars(extend("const" = SCHEMA))]
    schema: &'static str,
    /// The file as it was named.
    file: String,
    /// Digest of the file.
    sha256: Sha256Digest,
    /// What the file says of itself.
    contents: Inspection,
    /// The facts as `verify` reports them, with an empty set of trust anchors: no chain leads anywhere.
    report: Report,
}

/// Inspects one file.
pub(crate) fn run(arguments: &InspectArguments) -> anyhow::Result<Exit> {
    let document = document(arguments)?;
    if arguments.json {
        output::json(&document)?;
    } else {
        show(&document, arguments);
    }
    let readable = document.contents.container.unreadable.is_none();
    Ok(if readable { Exit::Done } else { Exit::NotAnArchive })
}

fn document(arguments: &InspectArguments) -> anyhow::Result<InspectionDocument> {
    let file = arguments.file.as_path();
    let failed = || format!("failed to read {}", file.display());
    let source = open(file)?;
    let trust = TrustStore::empty("none: inspect trusts nothing");
    let inputs = Inputs::new(&trust, arguments.at.unwrap_or_else(context::now));
    Ok(InspectionDocument {
        schema: SCHEMA,
        file: file.display().to_string(),
        sha256: Sha256Digest::of_file(file).with_context(failed)?,
        contents: inspect(&source, &Limits::default()).with_context(failed)?,
        report: examine(&source, &inputs).with_context(failed)?,
    })
}

/// A pipe would wait for its writer, a device never ends.
fn open(file: &Path) -> anyhow::Result<Source> {
    let failed = || format!("failed to read {}", file.display());
    if !std::fs::metadata(file).with_context(failed)?.is_file() {
        return Err(coded(
            Exit::Usage,
            format!("{} is not a regular file", file.display()),
            "name one package",
        ));
    }
    Source::open(file).with_context(failed)
}

fn show(document: &InspectionDocument, arguments: &InspectArguments) {
    let mut page = Page::default();
    page.heading(&document.file);
    page.line(1, "what the file says of itself; this proves nothing. `midmirror verify FILE` decides");
    container::show(document, &mut page);
    container::show_oddities(document, &mut page);
    signatures::show(document, &mut page);
    entries::show(document, arguments.entries, &mut page);
    output::raw(page.text().as_bytes());
}

const SCHEMA: &str = "midmirror-inspection-1";
