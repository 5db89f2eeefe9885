//! `/`: what is mirrored, how to use it, and in which state it is.

use super::about;
use super::frame::{Place, begin, condition, end};
use super::listing;
use super::text::{Count, Day, Escaped, Grouped, Html, put};
use crate::admit::Label;
use crate::log::Checkpoint;
use crate::package::{PackageKind, Platform};
use crate::serve::builds::{Found, family_title};
use crate::serve::desk::{Condition, Desk};
use crate::serve::filter::{Filter, LONGEST_SEARCH, Parameters, Part, part};
use crate::serve::view::View;

/// Makes the page.
pub(crate) async fn overview(
    desk: &Desk,
    view: &View,
    query: Option<&str>,
    state: &Condition,
    base: &str,
    now: jiff::Timestamp,
) -> Vec<u8> {
    let place = Place { up: "./", title: "MID Server package mirror" };
    let parameters = Parameters::lenient(query);
    let (filter, note) = match parameters.filter() {
        Ok(filter) => (filter, None),
        Err(error) => (Filter::default(), Some(error.to_string())),
    };
    let found = view.builds().find(|index| view.entry(index), &filter);
    let packages: usize = found.iter().map(|found| found.packages.len()).sum();
    let pages = found.len().div_ceil(BUILDS_ON_A_PAGE).max(1);
    let number = parameters.page().unwrap_or(1).min(pages);
    let part = part(found.into_iter(), number, BUILDS_ON_A_PAGE);
    let ends = listing::ends(desk, view, &part.items).await;
    let checkpoint = desk.checkpoint(view).await;

    let mut page = Html::default();
    begin(&mut page, &place);
    page.raw(
        "<div class=\"title\"><h1>MID Server packages</h1>\n<p>Copies of the vendor’s packages. What is signed was checked as \
         <code>jarsigner -strict</code> and the MID Server itself check it before it was let in.</p></div>\n",
    );
    condition(&mut page, state);
    tiles(&mut page, view, checkpoint.as_ref(), now);
    page.raw("<section aria-labelledby=\"packages\">\n<h2 id=\"packages\">Packages</h2>\n");
    form(&mut page, view, &parameters);
    if let Some(note) = note {
        put!(
            page,
            "<div class=\"note warn\" role=\"status\"><p>{}; everything is shown.</p></div>\n",
            Escaped(&note)
        );
    }
    result(&mut page, view, &parameters, packages, &part);
    listing::builds(&mut page, view, &part.items, &ends, now);
    pager(&mut page, &parameters, &part);
    page.raw("</section>\n");
    about::usage(&mut page, base);
    about::catalog(&mut page, view, now);
    about::log(&mut page, view, checkpoint.as_ref());
    about::withdrawn(&mut page, view);
    end(&mut page, &place);
    page.into_bytes()
}

fn tiles(page: &mut Html, view: &View, checkpoint: Option<&Checkpoint>, now: jiff::Timestamp) {
    let all = view.packages();
    let verified = all.iter().filter(|package| package.entry.label == Label::Verified).count();
    let families = view.builds().families();
    put!(
        page,
        "<dl class=\"tiles\">\n<div><dt>Packages</dt><dd>{}</dd><dd>in {}</dd></div>\n\
         <div><dt>Newest family</dt><dd>{}</dd><dd>of {}</dd></div>\n<div><dt>Signature verified</dt><dd>{}</dd><dd>",
        number(all.len()),
        Count(view.builds().all().len(), "build"),
        Escaped(&families.first().map_or_else(|| "–".to_owned(), |family| family_title(family))),
        match families.len() {
            1 => "1 family".to_owned(),
            count => format!("{count} families"),
        },
        number(verified),
    );
    match all.len() - verified {
        0 => page.raw("all of them"),
        not => put!(page, "{} cannot carry one", number(not)),
    }
    page.raw("</dd></div>\n<div><dt>Catalog valid until</dt>");
    match view.expires() {
        Some(expires) => {
            let days = expires.duration_since(now).as_hours() / 24;
            put!(page, "<dd>{}</dd><dd>", Day(expires));
            match u64::try_from(days) {
                Ok(_) if expires <= now => page.raw("expired"),
                Ok(days) => put!(page, "{} days from now", Grouped(days)),
                Err(_) => page.raw("expired"),
            }
            page.raw("</dd></div>\n");
        }
        None => page.raw("<dd>–</dd><dd>nothing published</dd></div>\n"),
    }
    if let Some(checkpoint) = checkpoint {
        put!(
            page,
            "<div><dt>Log</dt><dd>{}</dd><dd>entries, append-only, signed</dd></div>\n",
            Grouped(checkpoint.size)
        );
    }
    page.raw("</dl>\n");
}

fn number(count: usize) -> Grouped {
    Grouped(u64::try_from(count).unwrap_or(u64::MAX))
}

fn form(page: &mut Html, view: &View, parameters: &Parameters) {
    put!(
        page,
        "<form class=\"search\" role=\"search\" method=\"get\" action=\"./#packages\" aria-label=\"Find packages\">\n\
         <div class=\"long\"><label for=\"q\">Search: release, name, digest or signer</label><input type=\"search\" id=\"q\" \
         name=\"q\" maxlength=\"{LONGEST_SEARCH}\" autocomplete=\"off\" spellcheck=\"false\" value=\"{}\"></div>\n",
        Escaped(parameters.text("q").unwrap_or_default())
    );
    let families = view.builds().families();
    let families = families.iter().map(|family| ((*family).to_owned(), family_title(family)));
    select(page, parameters, ("family", "Family"), families);
    let word = |word: &'static str| (word.to_owned(), word.to_owned());
    select(page, parameters, ("kind", "Kind"), PackageKind::ALL.iter().map(|kind| word(kind.as_str())));
    select(
        page,
        parameters,
        ("platform", "Platform"),
        Platform::ALL.iter().map(|platform| word(platform.as_str())),
    );
    for name in ["build", "label"] {
        if let Some(value) = parameters.text(name) {
            put!(page, "<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", Escaped(value));
        }
    }
    page.raw("<div><button type=\"submit\">Find</button></div>\n</form>\n");
}

fn select(
    page: &mut Html,
    parameters: &Parameters,
    (name, label): (&'static str, &str),
    options: impl Iterator<Item = (String, String)>,
) {
    put!(
        page,
        "<div><label for=\"{name}\">{label}</label><select id=\"{name}\" name=\"{name}\"><option value=\"\">any</option>"
    );
    for (value, text) in options {
        let selected = if parameters.text(name) == Some(value.as_str()) { " selected" } else { "" };
        put!(page, "<option value=\"{}\"{selected}>{}</option>", Escaped(&value), Escaped(&text));
    }
    page.raw("</select></div>\n");
}

/// How much was found.
fn result(page: &mut Html, view: &View, parameters: &Parameters, packages: usize, part: &Part<Found<'_>>) {
    if view.packages().is_empty() {
        page.raw("<p>Nothing is mirrored yet.</p>\n");
        return;
    }
    put!(page, "<p role=\"status\">");
    if parameters.is_search() && packages == 0 {
        put!(
            page,
            "None of the {} fits. <a class=\"unprinted\" href=\"./#packages\">Show all</a>",
            Count(view.packages().len(), "package")
        );
    } else if parameters.is_search() {
        put!(
            page,
            "{} of {} found, in {}. <a class=\"unprinted\" href=\"./#packages\">Show all</a>",
            number(packages),
            Count(view.packages().len(), "package"),
            Count(part.total, "build")
        );
    } else {
        put!(page, "{} in {}, the newest first.", Count(packages, "package"), Count(part.total, "build"));
    }
    if part.pages > 1 {
        put!(page, " Page {} of {}.", number(part.page), number(part.pages));
    }
    page.raw("</p>\n");
}

fn pager(page: &mut Html, parameters: &Parameters, part: &Part<Found<'_>>) {
    if part.pages < 2 {
        return;
    }
    let (now, last) = (part.page, part.pages);
    let mut links: Vec<(usize, &str)> = Vec::new();
    if now > 1 {
        links.extend([(1, "First page"), (now - 1, "Previous page")]);
    }
    if now < last {
        links.extend([(now + 1, "Next page"), (last, "Last page")]);
    }
    page.raw("<nav class=\"pages\" aria-label=\"Pages of the list\"><ul>");
    for (to, text) in links {
        let query = parameters.with_page(to);
        let mark = if query.is_empty() { "" } else { "?" };
        put!(page, "<li><a href=\"./{mark}{}#packages\">{text}</a></li>", Escaped(&query));
    }
    page.raw("</ul></nav>\n");
}

/// A build has some 8 packages.
const BUILDS_ON_A_PAGE: usize = 20;
