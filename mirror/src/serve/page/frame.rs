//! What every page has around its content.

use super::text::{Escaped, Html, put};
use crate::serve::desk::Condition;

/// Where a page is.
pub(super) struct Place<'a> {
    /// From this page to the root: `./` or `../`. Links are relative, so they work below any prefix.
    pub(super) up: &'static str,
    /// The title for tabs and bookmarks.
    pub(super) title: &'a str,
}

/// Everything before the content.
pub(super) fn begin(page: &mut Html, place: &Place<'_>) {
    let Place { up, title } = place;
    put!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n\
         <link rel=\"stylesheet\" href=\"{up}style.css\">\n<link rel=\"icon\" href=\"{up}icon.svg\" type=\"image/svg+xml\">\n\
         </head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n\
         <header class=\"top\"><div class=\"wide\">\n<a class=\"brand\" href=\"{up}\"><img src=\"{up}icon.svg\" alt=\"\" \
         width=\"30\" height=\"30\">MID Server package mirror</a>\n<nav aria-label=\"Parts of this site\"><ul>",
        Escaped(title)
    );
    for (target, text) in PARTS {
        put!(page, "<li><a href=\"{up}#{target}\">{text}</a></li>");
    }
    page.raw("</ul></nav>\n</div></header>\n<main id=\"content\" class=\"wide\" tabindex=\"-1\">\n");
}

/// Everything behind it.
pub(super) fn end(page: &mut Html, place: &Place<'_>) {
    let up = place.up;
    put!(
        page,
        "</main>\n<footer class=\"foot\"><div class=\"wide\">\n<p>All times are UTC. For programs: \
         <a href=\"{up}api/v1/openapi.json\">API</a>, <a href=\"{up}api/v1/packages\">packages as JSON</a>, \
         <a href=\"{up}api/v1/health\">state as JSON</a>.</p>\n</div></footer>\n</body>\n</html>\n"
    );
}

/// What is wrong or will be, if anything.
pub(super) fn condition(page: &mut Html, condition: &Condition) {
    if let Some(problem) = &condition.problem {
        put!(
            page,
            "<div class=\"note bad\" role=\"status\"><p><strong>This mirror is not healthy:</strong> {}</p></div>\n",
            Escaped(problem)
        );
    }
    if !condition.warnings.is_empty() {
        page.raw("<div class=\"note warn\" role=\"status\">");
        for warning in &condition.warnings {
            let text = warning.strip_prefix("warning: ").or_else(|| warning.strip_prefix("WARNING: "));
            put!(page, "<p><strong>Warning:</strong> {}</p>", Escaped(text.unwrap_or(warning)));
        }
        page.raw("</div>\n");
    }
}

const PARTS: [(&str, &str); 4] = [
    ("packages", "Packages"),
    ("use", "Use this mirror"),
    ("catalog", "Catalog and log"),
    ("withdrawn", "Withdrawn"),
];
