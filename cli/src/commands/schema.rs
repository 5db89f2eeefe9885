//! `midmirror schema NAME`: the JSON Schema (draft 2020-12) of what is printed as JSON, made from the types themselves.
//!
//! Within a version, fields may be added, never renamed or removed, and what is always there stays so. Values of
//! enumerations may be added as well: readers pass over fields and values that they do not know. `cli/schema/` has a copy
//! of every schema and the list of all fields ever printed; `tests/cmd/schema.rs` compares.

use midmirror_mirror::admit::Decision;
use midmirror_mirror::agent::AgentState;
use midmirror_mirror::audit::AuditReport;
use midmirror_mirror::catalog::{CatalogEntry, KeysReport};
use midmirror_mirror::hosts::HostPackage;
use midmirror_mirror::stage::StageReport;
use midmirror_mirror::store::{CheckReport, NameHistory, StoreStats};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use super::inspect::InspectionDocument;
use super::log::{LogCheck, LogLine};
use super::plan::Row;
use super::store::GcReport;
use crate::exit::Exit;
use crate::failure::coded;
use crate::output;
use crate::progress::ProgressEvent;

struct Named {
    name: &'static str,
    version: u32,
    printed_by: &'static str,
    schema: fn() -> Schema,
}

/// Prints one schema, or the list.
pub(crate) fn run(name: Option<&str>) -> anyhow::Result<Exit> {
    let Some(name) = name else {
        for named in &ALL {
            output::data(format!("{:<13} {}  {}", named.name, named.version, named.printed_by));
        }
        return Ok(Exit::Done);
    };
    let Some(named) = ALL.iter().find(|named| named.name == name) else {
        let names: Vec<&str> = ALL.iter().map(|named| named.name).collect();
        return Err(coded(
            Exit::Usage,
            format!("there is no schema {name:?}"),
            format!("one of {}", names.join(", ")),
        ));
    };
    let mut schema = (named.schema)();
    let id = format!("urn:midmirror:schema:{}:{}", named.name, named.version);
    schema.insert("$id".to_owned(), id.into());
    schema.insert("title".to_owned(), format!("midmirror {} {}", named.name, named.version).into());
    output::json(&schema)?;
    Ok(Exit::Done)
}

fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

const ALL: [Named; 16] = [
    Named {
        name: "report",
        version: 1,
        printed_by: "midmirror verify --format json, and report.json in the evidence",
        schema: of::<Decision>,
    },
    Named {
        name: "inspection",
        version: 1,
        printed_by: "midmirror inspect --json",
        schema: of::<InspectionDocument>,
    },
    Named { name: "plan", version: 1, printed_by: "midmirror plan --json", schema: of::<Vec<Row<'_>>> },
    Named {
        name: "who-has",
        version: 1,
        printed_by: "midmirror who-has --json",
        schema: of::<Vec<HostPackage>>,
    },
    Named { name: "list", version: 1, printed_by: "midmirror list --json", schema: of::<Vec<CatalogEntry>> },
    Named {
        name: "history",
        version: 1,
        printed_by: "midmirror list --history --json",
        schema: of::<Vec<NameHistory>>,
    },
    Named { name: "log", version: 1, printed_by: "midmirror log show --json", schema: of::<Vec<LogLine>> },
    Named {
        name: "log-check",
        version: 1,
        printed_by: "midmirror log verify --json",
        schema: of::<LogCheck>,
    },
    Named { name: "keys", version: 1, printed_by: "midmirror keys status --json", schema: of::<KeysReport> },
    Named {
        name: "progress",
        version: 1,
        printed_by: "midmirror sync --progress json, one object a line",
        schema: of::<ProgressEvent>,
    },
    Named {
        name: "store-check",
        version: 1,
        printed_by: "midmirror store check --json",
        schema: of::<CheckReport>,
    },
    Named { name: "audit", version: 1, printed_by: "midmirror audit --json FILE", schema: of::<AuditReport> },
    Named {
        name: "store-stats",
        version: 1,
        printed_by: "midmirror store stats --json",
        schema: of::<StoreStats>,
    },
    Named { name: "store-gc", version: 1, printed_by: "midmirror store gc --json", schema: of::<GcReport> },
    Named {
        name: "host-status",
        version: 1,
        printed_by: "midmirror-import status --json",
        schema: of::<AgentState>,
    },
    Named {
        name: "host-stage",
        version: 1,
        printed_by: "midmirror-import stage --json",
        schema: of::<StageReport>,
    },
];
