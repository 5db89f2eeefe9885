//! `/package/DIGEST`: everything that is known of one package.

use jiff::Timestamp;

use super::frame::{Place, begin, condition, end};
use super::listing::{admitted, badge, verdict_end};
use super::signers;
use super::text::{Count, Escaped, Grouped, Html, Lines, Size, Time, put};
use crate::Sha256Digest;
use crate::catalog::CatalogEntry;
use crate::log::Checkpoint;
use crate::package::Tree;
use crate::serve::builds::{family_title, release};
use crate::serve::desk::{Condition, Desk};
use crate::serve::evidence::{Evidence, Head};
use crate::serve::view::View;

/// Makes the page; none if no published package has these bytes.
pub(crate) async fn package(
    desk: &Desk,
    view: &View,
    sha256: &Sha256Digest,
    state: &Condition,
    base: &str,
    now: Timestamp,
) -> Option<Vec<u8>> {
    let mut entries = view.with_digest(sha256);
    let entry = entries.next()?;
    let others: Vec<&CatalogEntry> = entries.collect();
    let evidence = desk.evidence_of(view, entry).await;
    let told = match &evidence {
        Some(evidence) => desk.place(view, evidence.admission.number()).await,
        None => None,
    };
    let name = entry.path.name();
    let place = Place { up: "../", title: &format!("{name} – MID Server package mirror") };
    let mut page = Html::default();
    begin(&mut page, &place);
    title(&mut page, entry);
    condition(&mut page, state);
    let head = evidence.as_ref().and_then(|evidence| evidence.head.as_deref());
    verdicts(&mut page, entry, head, now);
    facts(&mut page, entry, &others, evidence.as_ref(), told.as_ref());
    commands(&mut page, entry, base);
    if let Some(head) = head {
        signers::signers(&mut page, head);
        if head.compat.is_some() {
            changes(&mut page, head);
        }
    }
    match &evidence {
        Some(evidence) => documents(&mut page, evidence, told.is_some()),
        None => page.raw(
            "<section><h2>Evidence</h2><div class=\"note warn\"><p>There is no evidence of this admission that could be \
             read here.</p></div></section>\n",
        ),
    }
    end(&mut page, &place);
    Some(page.into_bytes())
}

fn title(page: &mut Html, entry: &CatalogEntry) {
    let name = entry.path.name();
    let stamp = name.stamp();
    let (build, family) = match stamp.fields() {
        Some(fields) => (release(fields), Some(fields.family.as_str())),
        None => (stamp.to_string(), None),
    };
    page.raw("<nav class=\"crumbs\" aria-label=\"Where you are\"><ol><li><a href=\"../#packages\">Packages</a></li>");
    if let Some(family) = family {
        let title = family_title(family);
        put!(page, "<li><a href=\"../?family={family}#packages\">{}</a></li>", Escaped(&title));
    }
    put!(
        page,
        "<li><a href=\"../?build={stamp}#packages\">{build}</a></li></ol></nav>\n<div class=\"title\"><h1>{kind} <span \
         class=\"quiet\">{platform}</span></h1>\n<p class=\"break\">{name}</p></div>\n",
        stamp = Escaped(stamp.as_str()),
        build = Escaped(&build),
        kind = name.kind(),
        platform = name.platform(),
        name = Escaped(name.as_str()),
    );
}

fn verdicts(page: &mut Html, entry: &CatalogEntry, head: Option<&Head>, now: Timestamp) {
    page.raw(
        "<section aria-labelledby=\"verdict\">\n<h2 id=\"verdict\">Verdict</h2>\n<div class=\"pair\">\n",
    );
    let Some((compat, agent)) = head.and_then(|head| Some((head.compat.as_ref()?, head.agent.as_ref()?)))
    else {
        put!(page, "<div class=\"card\"><p>{}</p>", badge(entry.label));
        page.raw(match entry.label {
            crate::admit::Label::Verified => {
                "<p>The signature was verified at the admission. The report of it cannot be shown here.</p>"
            }
            crate::admit::Label::SignatureNotChecked => {
                "<p>A file of this kind carries no JAR signature. An operator has pinned its digest; nothing else vouches \
                 for it.</p>"
            }
        });
        page.raw("</div>\n</div>\n</section>\n");
        return;
    };
    put!(
        page,
        "<div class=\"card\"><h3>jarsigner -verify -strict</h3>\n<p class=\"verdict {}\">{}</p>\n<p class=\"quiet\">as the one of \
         JDK {} says; exit code {}</p></div>\n",
        good(compat.exit_code == 0),
        Escaped(&compat.result),
        compat.jdk,
        compat.exit_code
    );
    put!(
        page,
        "<div class=\"card\"><h3>The MID Server’s own verifier</h3>\n<p class=\"verdict {}\">{}</p>\n",
        good(agent.accepted),
        if agent.accepted { "accepts it" } else { "refuses it" }
    );
    if let Some(reason) = &agent.reason {
        put!(page, "<p>{}</p>", Escaped(reason));
    }
    page.raw("</div>\n<div class=\"card\"><h3>Both hold until</h3>\n<p class=\"verdict\">");
    let end = head.and_then(Head::end_of_verdict);
    verdict_end(page, entry, end, now);
    page.raw("</p>\n<p class=\"quiet\">if nothing but time goes by</p></div>\n</div>\n");
    if entry.by_earlier_admission {
        page.raw(
            "<div class=\"note warn\"><p>The timestamp authority has expired. The package was admitted because there is proof \
             that the same bytes were admitted before that. MID Servers refuse it by now.</p></div>\n",
        );
    }
    if let Some(head) = head {
        said(page, head);
    }
    page.raw("</section>\n");
}

fn good(is_good: bool) -> &'static str {
    if is_good { "good" } else { "bad" }
}

/// Rules that were set aside, and what was noticed.
fn said(page: &mut Html, head: &Head) {
    for relaxed in &head.relaxed {
        put!(
            page,
            "<div class=\"note warn\"><p><strong>The rule {} was set aside</strong> for these bytes: {}</p><p>Reason given: {}\
             </p></div>\n",
            Escaped(&relaxed.rule),
            Escaped(&relaxed.text),
            Escaped(relaxed.reason.as_deref().unwrap_or("none"))
        );
    }
    for notice in &head.notices {
        put!(
            page,
            "<div class=\"note warn\"><p><strong>{}</strong>: {}</p></div>\n",
            Escaped(&notice.rule),
            Escaped(&notice.text)
        );
    }
    let warnings = head.compat.iter().flat_map(|compat| compat.warnings.iter().chain(&compat.errors));
    for (number, warning) in warnings.take(10).enumerate() {
        page.raw(if number == 0 {
            "<p class=\"quiet\">jarsigner remarks:"
        } else {
            "<p class=\"quiet\">And:"
        });
        put!(page, " {}</p>\n", Escaped(warning));
    }
}

fn facts(
    page: &mut Html,
    entry: &CatalogEntry,
    others: &[&CatalogEntry],
    evidence: Option<&Evidence>,
    told: Option<&(u64, Checkpoint)>,
) {
    put!(
        page,
        "<section aria-labelledby=\"facts\">\n<h2 id=\"facts\">Package</h2>\n<div class=\"card\"><dl class=\"facts\">\n\
         <dt>Vendor path</dt><dd><code>/{path}</code></dd>\n<dt>SHA-256</dt><dd><code class=\"digest\">{sha256}</code></dd>\n\
         <dt>Size</dt><dd>{size} ({bytes} bytes)</dd>\n<dt>Check</dt><dd>{badge}</dd>\n",
        path = Escaped(entry.path.as_str()),
        sha256 = entry.sha256,
        size = Size(entry.length),
        bytes = Grouped(entry.length),
        badge = badge(entry.label),
    );
    for other in others {
        put!(
            page,
            "<dt>Also published as</dt><dd><a href=\"../{path}\" download><code>/{path}</code></a></dd>\n",
            path = Escaped(other.path.as_str())
        );
    }
    let tree = match entry.path.tree() {
        Tree::Signed => "signed packages (<code>app-signed</code>)",
        Tree::Unsigned => "the vendor’s older tree",
    };
    put!(page, "<dt>Tree</dt><dd>{tree}</dd>\n");
    if let Some(signer) = &entry.signer {
        put!(page, "<dt>Signed by</dt><dd>{}</dd>\n", Escaped(signer));
    }
    if let Some(at) = entry.signed_at {
        put!(page, "<dt>Timestamp</dt><dd>{}</dd>\n", Time(at));
    }
    page.raw("<dt>Admitted</dt><dd>");
    admitted(page, entry);
    page.raw("</dd>\n");
    if let Some(head) = evidence.and_then(|evidence| evidence.head.as_ref()) {
        if let Some(entries) = head.entries {
            put!(
                page,
                "<dt>Entries</dt><dd>{}; {} about the archive</dd>\n",
                Grouped(entries),
                Count(head.findings, "finding")
            );
        }
        if let Some(organization) = head.organization.as_ref().filter(|_| head.compat.is_some()) {
            put!(page, "<dt>Signer has to be of</dt><dd>{}</dd>\n", Escaped(organization));
        }
    }
    if let Some(evidence) = evidence {
        put!(
            page,
            "<dt>Admission</dt><dd>number {} of this store</dd>\n",
            Grouped(evidence.admission.number())
        );
        if let Some(accepted) = evidence.admission.accepted() {
            put!(
                page,
                "<dt>Accepted</dt><dd>in place of other bytes, {}: {}</dd>\n",
                Time(accepted.at),
                Escaped(&accepted.reason)
            );
        }
    }
    if let Some((place, checkpoint)) = told {
        put!(
            page,
            "<dt>Log</dt><dd>entry {} of {} (counted from 0); root hash <code>{}</code></dd>\n",
            Grouped(*place),
            Grouped(checkpoint.size),
            checkpoint.root
        );
    }
    if let Some(origin) = evidence.and_then(|evidence| evidence.origin.as_ref()) {
        put!(page, "<dt>Came from</dt><dd>{}, {}", origin.from.as_str(), Time(origin.fetched_at));
        if origin.plain_http {
            page.raw(", over plain http");
        }
        if let Some(url) = &origin.url {
            put!(page, "<br><code>{}</code>", Escaped(url));
        }
        page.raw("</dd>\n");
    }
    page.raw("</dl>\n");
    put!(
        page,
        "<p class=\"unprinted\"><a class=\"button\" href=\"../{}\" download>Download</a></p></div>\n</section>\n",
        Escaped(entry.path.as_str())
    );
}

fn commands(page: &mut Html, entry: &CatalogEntry, base: &str) {
    let name = entry.path.name();
    put!(
        page,
        "<section aria-labelledby=\"commands\">\n<h2 id=\"commands\">Get and check it by hand</h2>\n<div class=\"card\">\n\
         <p>Download; leave <code>--cacert ca.pem</code> out where the machine trusts this server already:</p>\n\
         <pre class=\"command\">curl --fail --remote-name --continue-at - --cacert ca.pem {base}/{path}</pre>\n\
         <p>Compare the digest, on Linux and on Windows (PowerShell):</p>\n\
         <pre class=\"command\">echo &quot;{sha256}  {name}&quot; | sha256sum --check</pre>\n\
         <pre class=\"command\">(Get-FileHash {name}).Hash -eq &quot;{sha256}&quot;</pre>\n",
        base = Escaped(base),
        path = Escaped(entry.path.as_str()),
        sha256 = entry.sha256,
        name = Escaped(name.as_str()),
    );
    if name.is_jar_signed() {
        put!(
            page,
            "<p>Verify the vendor’s signature with a JDK, which asks nobody here:</p>\n\
             <pre class=\"command\">jarsigner -verify -strict {}</pre>\n",
            Escaped(name.as_str())
        );
    }
    page.raw("</div>\n</section>\n");
}

fn changes(page: &mut Html, head: &Head) {
    page.raw("<section aria-labelledby=\"changes\">\n<h2 id=\"changes\">What time will change</h2>\n<div class=\"card\">\n");
    if head.changes.is_empty() {
        page.raw("<p>Nothing: both verdicts hold for good.</p></div>\n</section>\n");
        return;
    }
    page.raw(
        "<table><caption class=\"unseen\">Moments from which a verdict is another one</caption><thead><tr><th scope=\"col\">From\
         </th><th scope=\"col\">jarsigner -strict</th><th scope=\"col\">MID Server</th><th scope=\"col\">Because</th></tr></thead>\
         <tbody>\n",
    );
    for change in head.changes.iter().take(MOST_CHANGES) {
        put!(
            page,
            "<tr><th scope=\"row\" class=\"when\">{}</th><td data-head=\"jarsigner -strict\">{} (exit code {})</td><td \
             data-head=\"MID Server\">{}{}</td><td class=\"break\" data-head=\"Because\">{}</td></tr>\n",
            Time(change.at),
            Escaped(&change.jarsigner.sentence),
            change.jarsigner.exit_code,
            if change.agent.accepted { "accepts it" } else { "refuses it: " },
            Escaped(change.agent.reason.as_deref().unwrap_or_default()),
            Escaped(&change.because)
        );
    }
    page.raw("</tbody></table></div>\n</section>\n");
}

fn documents(page: &mut Html, evidence: &Evidence, is_logged: bool) {
    page.raw("<section aria-labelledby=\"evidence\">\n<h2 id=\"evidence\">Evidence</h2>\n");
    if let Some(excerpt) = &evidence.jarsigner {
        page.raw(match excerpt.is_whole {
            true => "<h3>What jarsigner says</h3>\n",
            false => "<h3>What jarsigner says, without the entries</h3>\n",
        });
        put!(page, "<pre tabindex=\"0\">{}</pre>\n", Lines(&excerpt.text));
    }
    page.raw(
        "<div class=\"card\"><table><caption>Documents of this admission, as they were stored</caption><thead><tr><th \
         scope=\"col\">Document</th><th scope=\"col\">What it is</th><th scope=\"col\" class=\"number\">Size</th></tr></thead><tbody>\n",
    );
    for document in evidence.shown_documents(is_logged) {
        put!(
            page,
            "<tr><th scope=\"row\"><a href=\"../{}\">{}</a></th><td>{}</td><td class=\"number\" data-head=\"Size\">",
            Escaped(&document.path),
            document.name,
            document.about
        );
        match document.length {
            Some(length) => put!(page, "{}</td></tr>\n", Size(length)),
            None => page.raw("–</td></tr>\n"),
        }
    }
    page.raw("</tbody></table></div>\n</section>\n");
}

/// There are seldom more than three.
const MOST_CHANGES: usize = 50;
