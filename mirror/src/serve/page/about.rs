//! How to use the mirror, and the state of catalog and log.

use jiff::Timestamp;

use super::text::{Day, Escaped, Grouped, Html, Time, put};
use crate::Sha256Digest;
use crate::catalog::{CatalogVersions, ExpiryWarning, Role};
use crate::log::Checkpoint;
use crate::serve::view::View;

/// What to do on an instance and on a MID host.
pub(super) fn usage(page: &mut Html, base: &str) {
    let base = Escaped(base);
    put!(
        page,
        "<section aria-labelledby=\"use\">\n<h2 id=\"use\">Use this mirror</h2>\n<div class=\"card\">\n<ol class=\"steps\">\n\
         <li><p>On the instance, set the system property <code>mid.install_server.base_uri</code> (KB1546609). MID Servers \
         then take their packages from here:</p>\n<pre class=\"command\">{base}</pre></li>\n\
         <li><p>If the certificate of this server is from a private authority, each agent has to know that authority. Stop \
         the MID Server, keep a copy of <code>cacerts</code>, and in the folder of the agent:</p>\n\
         <pre class=\"command\">jre/bin/keytool -importcert -noprompt -alias midmirror -file ca.pem -keystore jre/lib/security/cacerts</pre>\n\
         <p>The password is <code>changeit</code> unless it was changed. Look again after each upgrade: a new Java runtime \
         comes with a new <code>cacerts</code>. On the instance, the certificate check policy for this host has to fit: \
         chain and host name are checked, revocation only where the authority offers a list and agents are content with it.</p></li>\n\
         <li><p>Or without either: <code>midmirror-import</code> on the host verifies catalog and packages, and puts them \
         where the agent looks first. The trust file comes from whoever runs this mirror:</p>\n\
         <pre class=\"command\">midmirror-import enrol --trust trust.json</pre>\n\
         <pre class=\"command\">midmirror-import stage /opt/servicenow/mid/agent</pre></li>\n\
         <li><p>By hand, any package of the list above: its page has the commands for download and check.</p></li>\n\
         </ol>\n</div>\n</section>\n"
    );
}

/// The signed catalog.
pub(super) fn catalog(page: &mut Html, view: &View, now: Timestamp) {
    page.raw("<section aria-labelledby=\"catalog\">\n<h2 id=\"catalog\">Catalog and log</h2>\n<div class=\"pair\">\n<div class=\"card\">\n<h3>Signed catalog (TUF)</h3>\n");
    if view.expires().is_none() {
        page.raw("<p>Nothing has been published yet.</p>\n</div>\n");
        return;
    }
    if let Some(identity) = view.identity() {
        put!(
            page,
            "<dl class=\"facts\"><dt>Store</dt><dd><code>{}</code></dd><dt>Its key</dt><dd><code>{}</code></dd>\
             <dt>Renewal</dt><dd>{}</dd></dl>\n",
            Escaped(&identity.id),
            hex::encode(identity.key),
            identity.profile.as_str()
        );
    }
    roles(page, view, now);
    page.raw("<p>The files: ");
    if let Some(CatalogVersions { root, targets, snapshot, .. }) = view.versions() {
        put!(
            page,
            "<a href=\"repository/{root}.root.json\">root</a>, <a href=\"repository/{targets}.targets.json\">targets</a>, \
             <a href=\"repository/{snapshot}.snapshot.json\">snapshot</a>, "
        );
    }
    page.raw("<a href=\"repository/timestamp.json\">timestamp</a>.</p>\n");
    if view.identity().is_some() {
        page.raw(
            "<p>The same digests as a plain list: <a href=\"SHA256SUMS\">SHA256SUMS</a>, signed \
             (<a href=\"SHA256SUMS.minisig\">signature</a>, <a href=\"midmirror.pub\">key</a>) for minisign and signify:</p>\n\
             <pre class=\"command\">minisign -V -p midmirror.pub -m SHA256SUMS</pre>\n",
        );
    }
    page.raw("</div>\n");
}

fn roles(page: &mut Html, view: &View, now: Timestamp) {
    if view.ends().is_empty() {
        return;
    }
    page.raw(
        "<table><caption>Roles of the catalog</caption><thead><tr><th scope=\"col\">Role</th><th scope=\"col\" \
         class=\"number\">Version</th><th scope=\"col\">Valid until</th><th scope=\"col\">State</th></tr></thead><tbody>\n",
    );
    for end in view.ends() {
        let version =
            view.versions().map_or_else(|| "–".to_owned(), |versions| of(versions, end.role).to_string());
        let state = match end.warning(now) {
            None => "<span class=\"badge good\">good</span>",
            Some(ExpiryWarning::Expired) => "<span class=\"badge bad\">expired</span>",
            Some(_) => "<span class=\"badge warn\">ends soon</span>",
        };
        put!(
            page,
            "<tr><th scope=\"row\">{}</th><td class=\"number\" data-head=\"Version\">{version}</td><td class=\"when\" \
             data-head=\"Valid until\">{}</td><td data-head=\"State\">{state}</td></tr>\n",
            end.role.as_str(),
            Day(end.expires)
        );
    }
    page.raw("</tbody></table>\n");
}

fn of(versions: CatalogVersions, role: Role) -> u64 {
    match role {
        Role::Root => versions.root,
        Role::Targets => versions.targets,
        Role::Snapshot => versions.snapshot,
        Role::Timestamp => versions.timestamp,
    }
}

/// The log; ends what [`catalog`] began.
pub(super) fn log(page: &mut Html, view: &View, checkpoint: Option<&Checkpoint>) {
    page.raw("<div class=\"card\">\n<h3>Append-only log (C2SP tlog-tiles)</h3>\n");
    match checkpoint {
        Some(checkpoint) => {
            put!(
                page,
                "<dl class=\"facts\"><dt>Log</dt><dd><code>{}</code></dd><dt>Entries</dt><dd>{}</dd><dt>Root hash</dt>\
                 <dd><code>{}</code></dd></dl>\n<p>Every admission, decision, withdrawal and publication is one entry. Keep \
                 the <a href=\"log/checkpoint\">signed checkpoint</a> somewhere else, and later you can tell whether anything \
                 was taken back:</p>\n<pre class=\"command\">midmirror log verify --against checkpoint</pre>\n",
                Escaped(&checkpoint.origin),
                Grouped(checkpoint.size),
                checkpoint.root
            );
        }
        None if view.identity().is_some() => {
            page.raw("<p>There is no checkpoint that the key in the catalog has signed.</p>\n");
        }
        None => page.raw("<p>The catalog names no key, so nothing can be said of the log.</p>\n"),
    }
    page.raw("</div>\n</div>\n</section>\n");
}

/// What nobody is to get any more.
pub(super) fn withdrawn(page: &mut Html, view: &View) {
    page.raw("<section aria-labelledby=\"withdrawn\">\n<h2 id=\"withdrawn\">Withdrawn</h2>\n");
    let all = view.withdrawals();
    if all.is_empty() {
        page.raw("<p>No package was withdrawn.</p>\n</section>\n");
        return;
    }
    page.raw(
        "<div class=\"card\">\n<p>Nobody is to get these any more. Remove them where they are still about.</p>\n<table>\
         <caption class=\"unseen\">Withdrawn packages</caption><thead><tr><th scope=\"col\">Package</th><th scope=\"col\">Since\
         </th><th scope=\"col\">Reason</th></tr></thead><tbody>\n",
    );
    for package in all.iter().take(SHOWN) {
        page.raw("<tr><th scope=\"row\">");
        for path in &package.paths {
            put!(page, "<span class=\"break\">{}</span><br>", Escaped(path.name().as_str()));
        }
        put!(page, "{}", digest(&package.sha256));
        put!(
            page,
            "</th><td class=\"when\" data-head=\"Since\">{}</td><td data-head=\"Reason\">{}</td></tr>\n",
            Time(package.at),
            Escaped(&package.reason)
        );
    }
    page.raw("</tbody></table>\n");
    if all.len() > SHOWN {
        put!(
            page,
            "<p>And {} earlier ones: <a href=\"api/v1/withdrawn\">all of them as JSON</a>.</p>\n",
            Grouped(u64::try_from(all.len() - SHOWN).unwrap_or(u64::MAX))
        );
    }
    page.raw("</div>\n</section>\n");
}

/// A digest that one click selects.
pub(super) fn digest(sha256: &Sha256Digest) -> String {
    format!("<span class=\"digest\">{sha256}</span>")
}

/// Withdrawals on the page; the API has all.
const SHOWN: usize = 50;
