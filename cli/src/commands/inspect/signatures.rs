//! Manifest, signature files, signature blocks and the time line.

use midmirror_verify::{
    AttributeFile, BlockContent, CertificateContent, MomentEvent, SignerContent, TimestampContent,
};

use super::InspectionDocument;
use super::container::{bytes, objection};
use super::page::{Page, name};
use crate::output::count;

/// Shows everything that has to do with signatures.
pub(super) fn show(document: &InspectionDocument, page: &mut Page) {
    let contents = &document.contents;
    if contents.container.unreadable.is_some() {
        return;
    }
    if contents.manifests.is_empty() {
        page.heading("manifest: none");
    }
    for file in &contents.manifests {
        show_file("manifest", file, page);
    }
    if contents.signature_files.is_empty() && contents.blocks.is_empty() {
        page.heading("signatures: none; nobody has signed this file as a JAR");
        return;
    }
    for file in &contents.signature_files {
        show_file("signature file", file, page);
    }
    for block in &contents.blocks {
        show_block(block, objection(&document.report, &block.name), page);
    }
    show_time_line(document, page);
}

fn show_file(kind: &str, file: &AttributeFile, page: &mut Page) {
    page.heading(&format!("{kind} {}, {}", name(&file.name), bytes(file.length)));
    if let Some(reason) = &file.unreadable {
        page.field(1, "UNREADABLE", reason);
        return;
    }
    let lines: Vec<String> = file
        .main_attributes
        .iter()
        .map(|line| format!("{}: {}", name(&line.name), name(&line.value)))
        .collect();
    page.list(1, "main", &lines);
    let digests: Vec<String> = file
        .digests
        .iter()
        .map(|digest| format!("{} in {}", name(&digest.algorithm), digest.sections))
        .collect();
    let digests =
        if digests.is_empty() { String::new() } else { format!("; digests: {}", digests.join(", ")) };
    page.field(1, "sections", &format!("{}{digests}", file.sections));
    show_names(
        "no entry",
        "names nothing in the archive",
        "name nothing in the archive",
        &file.sections_without_entry,
        page,
    );
    show_names("not listed", "is not in it", "are not in it", &file.entries_without_section, page);
}

fn show_names(label: &str, one: &str, many: &str, names: &[String], page: &mut Page) {
    let verb = match names {
        [] => return,
        [_] => one,
        _ => many,
    };
    let noun = if label == "no entry" { "section" } else { "file" };
    let mut lines = vec![format!("{} {verb}:", count(names.len(), noun))];
    lines.extend(names.iter().map(|entry| format!("  {}", name(entry))));
    page.list(1, label, &lines);
}

fn show_block(block: &BlockContent, objection: Option<String>, page: &mut Page) {
    page.heading(&format!("signature block {}, {}", name(&block.name), bytes(block.length)));
    if let Some(reason) = &block.unreadable {
        page.field(1, "UNREADABLE", reason);
    }
    if let Some(objection) = objection {
        page.field(1, "PROBLEM", &objection);
    }
    if block.unreadable.is_some() {
        return;
    }
    let form = [
        if block.has_content { "with its own signature file" } else { "detached" },
        if block.indefinite_length { "indefinite lengths" } else { "definite lengths" },
    ];
    page.field(
        1,
        "form",
        &format!(
            "{}; {}, {}",
            form.join(", "),
            count(block.certificates.len(), "certificate"),
            count(block.signers.len(), "signer")
        ),
    );
    for signer in &block.signers {
        show_signer(block, signer, page);
    }
    let used: Vec<usize> = block.signers.iter().flat_map(|signer| signer.chain.iter().copied()).collect();
    let others: Vec<String> = block
        .certificates
        .iter()
        .enumerate()
        .filter(|(position, _)| !used.contains(position))
        .map(|(_, certificate)| name(&certificate.subject))
        .collect();
    page.list(1, "in no chain", &others);
}

fn show_signer(block: &BlockContent, signer: &SignerContent, page: &mut Page) {
    match chain(&block.certificates, &signer.chain).first() {
        Some(leaf) => page.field(1, "signer", &name(&leaf.subject)),
        None => page.field(
            1,
            "signer",
            &format!("certificate {} of {} is not in the block", signer.serial, name(&signer.issuer)),
        ),
    }
    let over =
        if signer.signed_attributes { "over signed attributes" } else { "over the signature file itself" };
    page.field(
        2,
        "algorithms",
        &format!("{}, {}, {over}", name(&signer.digest_algorithm), name(&signer.signature_algorithm)),
    );
    if let Some(time) = signer.signing_time {
        page.field(2, "signingTime", &format!("{time} (by the signer's own word)"));
    }
    show_chain(&block.certificates, &signer.chain, page);
    match &signer.timestamp {
        Some(timestamp) => show_timestamp(timestamp, page),
        None => page.field(1, "timestamp", "none"),
    }
}

fn show_timestamp(token: &TimestampContent, page: &mut Page) {
    let time = token.gen_time.map_or_else(|| "without a time".to_owned(), |time| time.to_string());
    let authority = chain(&token.certificates, &token.chain).first().map(|leaf| name(&leaf.subject));
    let authority =
        authority.unwrap_or_else(|| "an authority whose certificate is not in the token".to_owned());
    page.field(1, "timestamp", &format!("{time} by {authority}"));
    if let Some(reason) = &token.unreadable {
        page.field(2, "UNREADABLE", reason);
    }
    if let Some(algorithm) = &token.imprint_algorithm {
        let of = match token.imprint_fits {
            Some(true) => "of this signature",
            Some(false) => "NOT OF THIS SIGNATURE",
            None => "by an algorithm that is not known here",
        };
        page.field(2, "imprint", &format!("{} {of}", name(algorithm)));
    }
    let known =
        [("policy", &token.policy), ("serial", &token.serial), ("signed with", &token.signature_algorithm)];
    for (label, value) in known {
        if let Some(value) = value {
            page.field(2, label, &name(value));
        }
    }
    show_chain(&token.certificates, &token.chain, page);
}

fn chain<'a>(certificates: &'a [CertificateContent], positions: &[usize]) -> Vec<&'a CertificateContent> {
    positions.iter().filter_map(|position| certificates.get(*position)).collect()
}

fn show_chain(certificates: &[CertificateContent], positions: &[usize], page: &mut Page) {
    let chain = chain(certificates, positions);
    for (index, certificate) in chain.iter().enumerate() {
        page.field(2, &format!("chain {}", index + 1), &name(&certificate.subject));
        show_certificate(certificate, page);
    }
    if let Some(last) = chain.last().filter(|last| !last.self_issued) {
        page.field(2, "chain ends", &format!("its issuer is not in the file: {}", name(&last.issuer)));
    }
}

fn show_certificate(certificate: &CertificateContent, page: &mut Page) {
    let issuer = if certificate.self_issued { "itself".to_owned() } else { name(&certificate.issuer) };
    page.field(3, "issuer", &issuer);
    page.field(3, "valid", &format!("{} to {}", certificate.not_before, certificate.not_after));
    let size = certificate.key_bits.map(|bits| format!(" {bits} bits")).unwrap_or_default();
    let curve = certificate.key_curve.as_ref().map(|curve| format!(" {}", name(curve))).unwrap_or_default();
    page.field(
        3,
        "key",
        &format!(
            "{}{size}{curve}, certificate signed with {}",
            certificate.key_algorithm, certificate.signature_algorithm
        ),
    );
    page.field(3, "usage", &usage(certificate));
    page.field(3, "serial", &name(&certificate.serial));
    page.field(3, "sha256", &certificate.sha256);
    page.field(3, "spki sha256", &certificate.spki_sha256);
    let unknown: Vec<String> = certificate.unknown_critical_extensions.iter().map(|oid| name(oid)).collect();
    page.list(3, "critical", &unknown);
}

/// Key usage, extended key usage and basic constraints in one line.
fn usage(certificate: &CertificateContent) -> String {
    let mut parts = Vec::new();
    match &certificate.key_usage {
        Some(usages) => parts.push(usages.join(" ")),
        None => parts.push("any key usage".to_owned()),
    }
    if let Some(purposes) = &certificate.extended_key_usage {
        parts.push(format!(
            "only for {}",
            purposes.iter().map(|purpose| name(purpose)).collect::<Vec<_>>().join(" ")
        ));
    }
    if certificate.authority == Some(true) {
        let length = certificate.path_length.map(|length| format!(", path length {length}"));
        parts.push(format!("authority{}", length.unwrap_or_default()));
    }
    parts.join("; ")
}

fn show_time_line(document: &InspectionDocument, page: &mut Page) {
    let moments = &document.contents.time_line;
    if moments.is_empty() {
        return;
    }
    page.heading("time line");
    let now = document.report.examined_at();
    let mut said = false;
    for moment in moments {
        if !said && moment.at > now {
            page.line(1, &format!("{:<22}{:<13}", seconds(now), "NOW"));
            said = true;
        }
        let event = match moment.event {
            MomentEvent::ValidFrom => "valid from",
            MomentEvent::ValidUntil => "valid until",
            MomentEvent::Timestamp => "TIMESTAMP",
            MomentEvent::SigningTime => "signingTime",
            _ => "",
        };
        page.line(1, &format!("{:<22}{event:<13}{}", seconds(moment.at), name(&moment.subject)));
    }
    if !said {
        page.line(1, &format!("{:<22}{:<13}", seconds(now), "NOW"));
    }
}

/// Without fractions, so that columns stay in line.
fn seconds(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
