//! `midmirror keys status`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use midmirror_mirror::catalog::{
    Holders, KeyPlace, KeysReport, Proposal, Role, RoleEnd, RoleReport, SigningKeys, keys_report, short,
};

use crate::context::{self, Context};
use crate::exit::Exit;
use crate::failure::coded;
use crate::output::{self, printable};

/// Shows roles, keys, ends and history.
pub(super) fn run(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let store = context.store()?;
    let keys = context.signing_keys()?;
    let proposal = Proposal::load(keys.folder())?;
    let holders = Holders::load(keys.folder())?;
    let report = keys_report(&store, &keys, proposal.as_ref(), &holders, context::now())?;
    if json {
        output::json(&report)?;
    } else {
        show(&report, &keys);
    }
    advise(&report);
    Ok(Exit::Done)
}

/// `keys holder`.
pub(super) fn note_holder(context: &Context, id: &str, name: &str) -> anyhow::Result<Exit> {
    let keys = context.signing_keys()?;
    let mut holders = Holders::load(keys.folder())?;
    let report = keys_report(&context.store()?, &keys, None, &holders, context::now())?;
    let known = report.history.iter().map(|record| &record.id);
    let beginning = id.to_ascii_lowercase();
    let fitting: BTreeSet<&String> =
        known.filter(|known| beginning.len() >= 8 && known.starts_with(&beginning)).collect();
    let (Some(only), 1) = (fitting.first(), fitting.len()) else {
        return Err(coded(
            Exit::Usage,
            format!("{id:?} is not the beginning of one key's id"),
            "midmirror keys status shows the ids; 8 digits or more",
        ));
    };
    holders.note(only, name, keys.folder())?;
    output::note("noted");
    Ok(Exit::Done)
}

fn show(report: &KeysReport, keys: &SigningKeys) {
    output::data(format!("store      {}, profile {}", report.store, report.profile.as_str()));
    report.roles.iter().for_each(show_role);
    if let Some(key) = &report.store_key {
        output::data(format!("log        {}  Ed25519      {}", short(key), place(report.store_key_is_here)));
    }
    for file in &report.locked {
        output::data(format!("locked     {file}: encrypted, and not opened: its passphrase was not given"));
    }
    let listed = |id: &str| report.roles.iter().flat_map(|role| &role.keys).any(|key| key.id == id);
    for (_, path, key) in keys.public_keys().filter(|(_, _, key)| !listed(&key.id())) {
        output::data(format!(
            "no effect  {}  {}: the catalog does not list it",
            short(&key.id()),
            path.display()
        ));
    }
    output::data("history");
    for record in &report.history {
        let at = |at: Option<Timestamp>| at.map(|at| format!(" ({at})")).unwrap_or_default();
        let until = record.to_version.map(|version| format!(" until {version}{}", at(record.to)));
        output::data(format!(
            "  {}  {:<9} from root version {}{}{}",
            short(&record.id),
            record.role,
            record.from_version,
            at(record.from),
            until.unwrap_or_default()
        ));
    }
}

fn show_role(role: &RoleReport) {
    output::data(format!(
        "{:<10} {} of {} must sign; {}; version {}, valid until {} ({} days)",
        role.role.as_str(),
        role.threshold,
        role.keys.len(),
        if role.can_sign_here { "enough are here" } else { "NOT ENOUGH ARE HERE" },
        role.version,
        role.expires,
        role.days_left
    ));
    for key in &role.keys {
        let holder = key.holder.as_ref().map(|name| format!(", held by {}", printable(name)));
        let place = place(key.place == KeyPlace::Here);
        let holder = holder.unwrap_or_default();
        output::data(format!("           {}  {:<12} {place}{holder}", short(&key.id), key.algorithm));
    }
}

fn place(is_here: bool) -> &'static str {
    if is_here { "here" } else { "elsewhere" }
}

fn advise(report: &KeysReport) {
    for role in &report.roles {
        let end = RoleEnd { role: role.role, expires: role.expires, profile: report.profile };
        end.warning_text(context::now()).into_iter().for_each(output::note);
        if role.role == Role::Root && role.keys.len() == 1 {
            output::note(
                "warning: there is ONE root key; if it is lost or stolen, every host must be enrolled again: midmirror keys new, \
                 then keys add-root",
            );
        } else if role.role == Role::Root && role.keys.iter().all(|key| key.place == KeyPlace::Here) {
            output::note("warning: all root keys are here; move them to their holders, offline");
        }
        if role.role != Role::Root && !role.can_sign_here {
            output::note(format!(
                "warning: this mirror cannot sign {} metadata; bring its key back, or midmirror keys rotate {}",
                role.role, role.role
            ));
        }
    }
    if let Some(version) = report.pending_root {
        let next = match usize::try_from(report.pending_signatures).unwrap_or(usize::MAX) {
            0 => "signed by enough: midmirror keys finish publishes it".to_owned(),
            missing => format!(
                "{} missing: midmirror keys export-unsigned and import-signature, or keys finish where root keys are",
                output::count(missing, "signature")
            ),
        };
        output::note(format!(
            "a change of keys is under way (root version {version}), {next}; midmirror keys discard gives it up"
        ));
    }
}
