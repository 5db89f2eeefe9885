//! Packages by family and build.

use std::collections::HashMap;

use jiff::Timestamp;

use super::text::{Day, Escaped, Html, Size, Time, put};
use crate::admit::Label;
use crate::catalog::CatalogEntry;
use crate::package::Tree;
use crate::serve::builds::{Found, family_title};
use crate::serve::desk::Desk;
use crate::serve::view::View;

/// When the verdicts on the packages of a page end, by their places in the catalog.
pub(super) type Ends = HashMap<usize, Option<Timestamp>>;

/// Looks the ends up.
pub(super) async fn ends(desk: &Desk, view: &View, found: &[Found<'_>]) -> Ends {
    let places: Vec<usize> = found.iter().flat_map(|found| found.packages.iter().copied()).collect();
    let entries: Vec<&CatalogEntry> = places.iter().filter_map(|place| view.entry(*place)).collect();
    let ends = desk.ends_of_verdicts(&entries).await;
    places.into_iter().zip(ends).collect()
}

/// Writes builds with a head for each family.
pub(super) fn builds(page: &mut Html, view: &View, found: &[Found<'_>], ends: &Ends, now: Timestamp) {
    let mut family = None;
    for (number, found) in found.iter().enumerate() {
        let this = found.build.stamp().family();
        if number == 0 || family != Some(this) {
            let title = this.map_or_else(|| "Builds with irregular stamps".to_owned(), family_title);
            put!(page, "<h3 class=\"family\">{}</h3>\n", Escaped(&title));
            family = Some(this);
        }
        build(page, view, number, found, ends, now);
    }
}

fn build(page: &mut Html, view: &View, number: usize, found: &Found<'_>, ends: &Ends, now: Timestamp) {
    let entries: Vec<(usize, &CatalogEntry)> =
        found.packages.iter().filter_map(|place| Some((*place, view.entry(*place)?))).collect();
    let build = found.build;
    put!(
        page,
        "<article class=\"card build\" aria-labelledby=\"build-{number}\">\n<h4 id=\"build-{number}\">{}</h4>\n<p>",
        Escaped(&build.title())
    );
    if let Some(fields) = build.stamp().fields() {
        put!(page, "Built {} · ", fields.built.strftime("%Y-%m-%d %H:%M"));
    }
    put!(page, "<code>{}</code></p>\n", Escaped(build.stamp().as_str()));
    let signer = one_signer(&entries);
    if let Some(signer) = signer {
        put!(page, "<p>Signed by {}</p>\n", Escaped(signer));
    }
    put!(
        page,
        "<table>\n<caption class=\"unseen\">Packages of {}</caption>\n<thead><tr><th scope=\"col\">Package</th>\
         <th scope=\"col\" class=\"check\">Check</th><th scope=\"col\" class=\"signed\">Signed</th>\
         <th scope=\"col\" class=\"until\">Verdict holds until</th>\
         <th scope=\"col\" class=\"number size\">Size</th><th scope=\"col\" class=\"file\">File</th></tr></thead>\n<tbody>\n",
        Escaped(&build.title())
    );
    for (place, entry) in entries {
        row(page, entry, signer.is_none(), ends.get(&place).copied().flatten(), now);
    }
    page.raw("</tbody>\n</table>\n</article>\n");
}

/// The signer of all verified packages, if it is one.
fn one_signer<'a>(entries: &[(usize, &'a CatalogEntry)]) -> Option<&'a str> {
    let mut signers = entries.iter().filter_map(|(_, entry)| entry.signer.as_deref());
    let first = signers.next()?;
    signers.all(|signer| signer == first).then_some(first)
}

fn row(page: &mut Html, entry: &CatalogEntry, tells_signer: bool, end: Option<Timestamp>, now: Timestamp) {
    let name = entry.path.name();
    put!(
        page,
        "<tr><th scope=\"row\"><a class=\"name\" href=\"package/{sha256}\">{kind}<span class=\"unseen\"> of {stamp} for \
         </span> <span class=\"quiet\">{platform}{extension}</span></a>{tree}<span class=\"digest\">{sha256}</span>",
        sha256 = entry.sha256,
        kind = name.kind(),
        stamp = Escaped(name.stamp().as_str()),
        platform = name.platform(),
        extension = if name.extension() == ".zip" { "" } else { name.extension() },
        tree = match entry.path.tree() {
            Tree::Unsigned if name.is_jar_signed() => " <span class=\"quiet\">(unsigned tree)</span>",
            _ => "",
        },
    );
    if let Some(signer) = entry.signer.as_deref().filter(|_| tells_signer) {
        put!(page, "<span class=\"quiet\">signed by {}</span>", Escaped(signer));
    }
    put!(
        page,
        "</th><td data-head=\"Check\">{}</td><td class=\"when\" data-head=\"Signed\">",
        badge(entry.label)
    );
    match entry.signed_at {
        Some(at) => put!(page, "{}", Day(at)),
        None => page.raw("–"),
    }
    page.raw("</td><td class=\"when\" data-head=\"Verdict holds until\">");
    verdict_end(page, entry, end, now);
    put!(
        page,
        "</td><td class=\"number\" data-head=\"Size\">{size}</td><td><a href=\"{path}\" download>Download<span \
         class=\"unseen\"> {name}</span></a></td></tr>\n",
        size = Size(entry.length),
        path = Escaped(entry.path.as_str()),
        name = Escaped(name.as_str()),
    );
}

/// Until when jarsigner and the MID Server accept a package, as far as the evidence tells.
pub(super) fn verdict_end(page: &mut Html, entry: &CatalogEntry, end: Option<Timestamp>, now: Timestamp) {
    match end {
        _ if entry.label != Label::Verified => page.raw("–"),
        _ if entry.by_earlier_admission => {
            page.raw("<span class=\"badge warn\">over</span> <span class=\"unseen\">admitted by an earlier admission</span>");
        }
        Some(end) if end <= now => put!(page, "<span class=\"badge bad\">{}</span>", Day(end)),
        Some(end) if end.duration_since(now).as_hours() < SOON_HOURS => {
            put!(page, "<span class=\"badge warn\">{}</span>", Day(end));
        }
        Some(end) => put!(page, "{}", Day(end)),
        None => page.raw("not known"),
    }
}

/// How a package was checked.
pub(super) fn badge(label: Label) -> &'static str {
    match label {
        Label::Verified => "<span class=\"badge good\">verified</span>",
        Label::SignatureNotChecked => "<span class=\"badge warn\">signature not checked</span>",
    }
}

/// The time of an admission, and of the first one if there was one before.
pub(super) fn admitted(page: &mut Html, entry: &CatalogEntry) {
    put!(page, "{}", Time(entry.admitted_at));
    if let Some(first) = entry.first_admitted_at {
        put!(page, " (first on {})", Time(first));
    }
}

/// Half a year.
const SOON_HOURS: i64 = 180 * 24;
