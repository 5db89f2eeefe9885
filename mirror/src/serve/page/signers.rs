//! Who signed a package, as recorded at its admission.

use super::text::{Count, Day, Escaped, Grouped, Html, Time, put};
use crate::serve::evidence::{Certificate, Chain, Head, Signer};

/// Writes all signers.
pub(super) fn signers(page: &mut Html, head: &Head) {
    if head.signers.is_empty() {
        return;
    }
    page.raw("<section aria-labelledby=\"signers\">\n<h2 id=\"signers\">Signature</h2>\n");
    for signer in &head.signers {
        self::signer(page, signer);
    }
    if let Some(anchors) = &head.anchors {
        put!(
            page,
            "<p class=\"quiet break\">Judged {} with {}, set <code>{}</code>.</p>\n",
            head.examined_at.map(|at| Time(at).to_string()).unwrap_or_default(),
            Count(anchors.anchors, "trust anchor"),
            Escaped(&anchors.sha256)
        );
    }
    page.raw("</section>\n");
}

fn signer(page: &mut Html, signer: &Signer) {
    put!(
        page,
        "<div class=\"card\">\n<h3 class=\"break\">Signer: {}</h3>\n<p class=\"quiet\">{}; digest {}; signs {} entries</p>\n",
        Escaped(subject(&signer.chain)),
        Escaped(&signer.signature_algorithm),
        Escaped(&signer.digest_algorithm),
        Grouped(signer.entries)
    );
    chain(page, &signer.chain, "Certificates of the signer");
    page.raw("</div>\n");
    let Some(stamp) = &signer.timestamp else {
        page.raw("<div class=\"note warn\"><p>There is no timestamp: the verdict ends with the signer’s certificate.</p></div>\n");
        return;
    };
    put!(
        page,
        "<div class=\"card\">\n<h3 class=\"break\">Timestamp: {}</h3>\n<p class=\"quiet\">by {}; {}; digest {}</p>\n",
        Time(stamp.gen_time),
        Escaped(subject(&stamp.chain)),
        Escaped(&stamp.signature_algorithm),
        Escaped(&stamp.imprint_algorithm)
    );
    chain(page, &stamp.chain, "Certificates of the timestamp authority");
    page.raw("</div>\n");
}

fn subject(chain: &Chain) -> &str {
    chain.certificates.first().map_or("", |certificate| certificate.subject.as_str())
}

fn chain(page: &mut Html, chain: &Chain, caption: &str) {
    put!(
        page,
        "<table><caption>{caption}</caption><thead><tr><th scope=\"col\">Certificate</th><th scope=\"col\">Valid from</th>\
         <th scope=\"col\">Valid until</th></tr></thead><tbody>\n"
    );
    for certificate in chain.certificates.iter().take(MOST) {
        self::certificate(page, certificate);
    }
    page.raw("</tbody></table>\n");
    match &chain.validation.anchor {
        Some(anchor) => put!(
            page,
            "<p class=\"break\">Ends in the trust anchor <strong>{}</strong><span class=\"digest\">{}</span></p>\n",
            Escaped(&anchor.subject),
            Escaped(&anchor.sha256)
        ),
        None => page.raw("<p>Ends in no trust anchor.</p>\n"),
    }
}

fn certificate(page: &mut Html, certificate: &Certificate) {
    let Certificate { subject, issuer, serial, sha256, not_before, not_after } = certificate;
    put!(
        page,
        "<tr><th scope=\"row\" class=\"break\">{}<br><span class=\"quiet\">issued by {}; serial <code>{}</code></span>\
         <span class=\"digest\">{}</span></th><td class=\"when\" data-head=\"Valid from\">{}</td><td class=\"when\" \
         data-head=\"Valid until\">{}</td></tr>\n",
        Escaped(subject),
        Escaped(issuer),
        Escaped(serial),
        Escaped(sha256),
        Day(*not_before),
        Day(*not_after)
    );
}

/// Chains have three or four.
const MOST: usize = 20;
