//! The published packages for people (HTML, no script) and for programs (JSON).
//!
//! Attacks considered: markup in a signer's name (J19): every text is escaped, and the content security policy allows
//! nothing but this page's own style.

use std::fmt::Write as _;

use http::HeaderName;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY};
use serde::Serialize;

use super::representation::Package;
use super::view::View;
use crate::Sha256Digest;
use crate::admit::Label;
use crate::package::{PackageKind, PackagePath, Platform};

/// Headers of the page.
pub(crate) const HEADERS: [(HeaderName, &str); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    // The page names the address that the reader used.
    (VARY, "host"),
];

/// `GET /api/v1/packages`
#[derive(Serialize)]
struct Listing<'a> {
    packages: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    path: &'a PackagePath,
    kind: PackageKind,
    stamp: &'a str,
    platform: Platform,
    sha256: Sha256Digest,
    length: u64,
    label: Label,
    signer: Option<&'a str>,
    signed_at: Option<jiff::Timestamp>,
    admitted_at: jiff::Timestamp,
}

/// The list as JSON.
pub(crate) fn json(view: &View) -> Vec<u8> {
    let packages = view.packages().iter().map(|package| {
        let entry = &package.entry;
        let name = entry.path.name();
        Listed {
            path: &entry.path,
            kind: name.kind(),
            stamp: name.stamp().as_str(),
            platform: name.platform(),
            sha256: entry.sha256,
            length: entry.length,
            label: entry.label,
            signer: entry.signer.as_deref(),
            signed_at: entry.signed_at,
            admitted_at: entry.admitted_at,
        }
    });
    // Cannot fail: there is no map with odd keys in it.
    let mut json = serde_json::to_vec_pretty(&Listing { packages: packages.collect() }).unwrap_or_default();
    json.push(b'\n');
    json
}

/// The list for people.
pub(crate) fn html(view: &View, host: Option<&str>, problem: Option<&str>) -> Vec<u8> {
    let base = host.map_or_else(|| "https://THIS-SERVER".to_owned(), |host| format!("https://{host}"));
    let mut page = String::from(HEAD);
    if let Some(problem) = problem {
        push(&mut page, format_args!("<p class=\"warning\" role=\"status\">{}</p>\n", Escaped(problem)));
    }
    push(
        &mut page,
        format_args!(
            "<h2>Use this mirror</h2>\n<p>In the instance, set the system property to this server; MID Servers then \
         take their packages from here:</p>\n<pre>mid.install_server.base_uri = {}</pre>\n<p>The signed catalog \
         (TUF) is at <code>/repository/</code>, the list as JSON at <a href=\"/api/v1/packages\">/api/v1/packages</a>.\
         </p>\n",
            Escaped(&base)
        ),
    );
    let count = view.packages().len();
    push(&mut page, format_args!("<h2>Packages ({count})</h2>\n"));
    if count == 0 {
        page.push_str("<p>Nothing is mirrored yet.</p>\n");
    } else {
        page.push_str(TABLE_HEAD);
        for package in view.packages() {
            row(&mut page, package);
        }
        page.push_str("</tbody>\n</table>\n</div>\n");
    }
    page.push_str(FOOT);
    page.into_bytes()
}

fn row(page: &mut String, package: &Package) {
    let entry = &package.entry;
    let label = match entry.label {
        Label::Verified => "verified",
        Label::SignatureNotChecked => "<strong>signature not checked</strong>",
    };
    let signed_at = entry.signed_at.map(|time| time.to_string());
    push(
        page,
        format_args!(
            "<tr><th scope=\"row\"><a href=\"/{path}\">{name}</a><br><code>sha256 {sha256}</code></th><td>{label}</td>\
         <td>{signer}</td><td>{signed_at}</td><td class=\"number\">{length}</td></tr>\n",
            path = Escaped(entry.path.as_str()),
            name = Escaped(&entry.path.name().to_string()),
            sha256 = entry.sha256,
            signer = Escaped(entry.signer.as_deref().unwrap_or("–")),
            signed_at = Escaped(signed_at.as_deref().unwrap_or("–")),
            length = entry.length,
        ),
    );
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = page.write_fmt(text);
}

/// Text that is safe between tags and inside quoted attributes.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Marks that turn the direction of writing could make a name read as another.
                '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' => {
                    write!(f, "{}", character.escape_unicode())?;
                }
                _ if character.is_control() => write!(f, "{}", character.escape_unicode())?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>MID Server package mirror</title>
<link rel=\"stylesheet\" href=\"/style.css\">
</head>
<body>
<main>
<h1>MID Server package mirror</h1>
";

/// `GET /style.css`
pub(crate) const STYLE: &str = "\
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8888; padding: .4rem .6rem; text-align: left; vertical-align: top; }
tbody th { font-weight: normal; overflow-wrap: anywhere; }
code { font-size: .8rem; }
pre { border: 1px solid #8888; padding: .6rem; overflow-x: auto; }
.number { text-align: right; }
.warning { border: 2px solid #c60; padding: .6rem; }
";

const TABLE_HEAD: &str = "<div class=\"scroll\">\n<table>\n<thead><tr><th scope=\"col\">Package</th>\
    <th scope=\"col\">Check</th><th scope=\"col\">Signer</th><th scope=\"col\">Timestamp</th>\
    <th scope=\"col\" class=\"number\">Bytes</th></tr></thead>\n<tbody>\n";

const FOOT: &str = "</main>\n</body>\n</html>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_direction_marks_in_names_are_harmless() {
        let text = Escaped("O=<script>alert('1')</script> & \"x\" \u{202E}gnp\u{1b}[31m").to_string();
        assert!(!text.contains(['<', '>', '"', '\'', '\u{202E}', '\u{1b}']), "{text}");
        assert!(text.contains("&lt;script&gt;"));
    }
}
