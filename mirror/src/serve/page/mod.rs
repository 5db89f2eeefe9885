//! Pages for people: HTML without any script.
//!
//! ```text
//! /                     what is mirrored, how to use it, catalog and log (`overview`)
//! /package/DIGEST       one package: verdicts, signers, evidence (`package`)
//! /style.css, /icon.svg
//! ```
//!
//! Attacks considered: markup in a signer's name, in the reason of a withdrawal, in a report or in a search (J19): every text
//! is escaped (`text`), and the content security policy allows nothing but this server's own style and icon; queries
//! (`filter`); lists without end (a page has 20 builds; 50 withdrawals). Links are relative, so that pages work below a
//! prefix too. Nothing of hosts is shown.

mod about;
mod frame;
mod listing;
mod overview;
mod package;
mod signers;
mod text;

use http::HeaderName;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY};

pub(crate) use overview::overview;
pub(crate) use package::package;

/// Headers of the pages.
pub(crate) const HEADERS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (OPENER, "same-origin"),
    // The page names the address that the reader used.
    (VARY, "host"),
];

/// Headers of documents that hold texts of others: nothing in them runs or loads anything.
pub(crate) const DOCUMENT_HEADERS: [(HeaderName, &str); 2] = [
    (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
];

const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// `GET /style.css`
pub(crate) const STYLE: &str = include_str!("style.css");

/// `GET /icon.svg`
pub(crate) const ICON: &str = include_str!("icon.svg");
