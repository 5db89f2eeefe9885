//! The README of a folder: what is in it, and the commands. A test runs every one of them as it stands.

use std::fmt::Write as _;

use super::{Contents, ExportInputs, FILES};
use crate::Sha256Digest;
use crate::admit::Label;

/// The text; every line of a block `sh` is a command that ends 0.
pub(super) fn readme(inputs: &ExportInputs<'_>, contents: &Contents) -> String {
    let mut text = String::new();
    let entry = inputs.admission.entry();
    // Writing to a string cannot fail.
    let mut put = |part: String| {
        let _ = writeln!(text, "{part}");
    };
    let at = contents.judged_at.unwrap_or(entry.admitted_at);
    put(format!(
        "# Evidence of one admission\n\n\
         | | |\n| --- | --- |\n\
         | package | `{}` |\n| sha256 | `{}` |\n| length | {} bytes |\n| store | `{}` |\n| admission | {} at {} |\n\
         | judged as of | {at} |\n| checked by | {} |\n| exported | {} |\n",
        entry.path.name(),
        entry.sha256,
        entry.length,
        inputs.store.id(),
        inputs.admission.number(),
        entry.admitted_at,
        entry.label.as_str(),
        inputs.now,
    ));
    put("Run every command in this folder; each ends 0 if what it checks is right. Two things are to be compared with what \
         you have from elsewhere: the digest of `catalog/1.root.json`, which the trust file of every host holds, and the \
         trust anchors.\n"
        .to_owned());
    if !contents.faults.is_empty() {
        let lines: Vec<String> = contents.faults.iter().map(|fault| format!("- {fault}")).collect();
        put(format!(
            "## What is wrong\n\nThe store was damaged when this folder was made; some of the commands below end with an error:\n\n{}\n",
            lines.join("\n")
        ));
    }
    if !contents.has_package {
        put(format!(
            "The package itself is not here: the retention policy of the store has removed its bytes. Whoever has them elsewhere \
             compares their SHA-256 with the one above, or puts them at `{}`.\n",
            contents.package
        ));
    }
    put(section("Nothing was lost on the way", &[format!("sha256sum --check --strict --quiet {FILES}")]));
    if entry.label == Label::Verified {
        vendor(&mut put, contents, at.as_second());
    } else {
        put("## Who made the package\n\nFiles of this kind carry no JAR signature: nothing here says who made it. It was \
             admitted by its digest alone.\n"
            .to_owned());
    }
    store(&mut put, contents, entry.sha256);
    catalog(&mut put, contents);
    text
}

/// What the vendor has signed.
fn vendor(put: &mut impl FnMut(String), contents: &Contents, at: i64) {
    let package = &contents.package;
    if contents.anchors > 0 && contents.has_package {
        let import = |number: usize| {
            format!(
                "keytool -importcert -noprompt -alias anchor-{number} -file anchors/{number}.pem -keystore anchors.p12 \
                 -storetype PKCS12 -storepass changeit"
            )
        };
        let mut commands: Vec<String> = (1..=contents.anchors).map(import).collect();
        commands.push(format!(
            "jarsigner -verify -verbose -certs -strict -keystore anchors.p12 -storepass changeit {package}"
        ));
        put(section("The vendor has signed the package: with a JDK", &commands));
        put("`jarsigner` judges as of today: once the timestamp authority has expired it ends with another code. What it said \
             at the admission stands in `evidence/jarsigner.txt`.\n"
            .to_owned());
    }
    let mut commands = Vec::new();
    for signature in &contents.signatures {
        let base = &signature.base;
        commands.push(format!(
            "openssl cms -verify -binary -inform DER -in {base}.{} -content {base}.SF -CAfile evidence/anchors.pem -purpose any \
             -attime {at} -out /dev/null",
            signature.extension
        ));
        if signature.has_token {
            commands.push(format!(
                "openssl ts -verify -token_in -in {base}.token -data {base}.signature -CAfile evidence/anchors.pem -attime {at}"
            ));
            commands.push(format!("openssl ts -reply -token_in -in {base}.token -token_out -text"));
        }
    }
    if !commands.is_empty() {
        put(section("The same without Java, as of the admission", &commands));
        put("The first command verifies the signature of the signature file (`.SF`), which has the digest of the manifest, \
             which has those of the entries; that they are right only a JAR verifier says. The token is the timestamp of \
             that signature; the last command prints its time.\n"
            .to_owned());
    }
}

/// What the store has signed.
fn store(put: &mut impl FnMut(String), contents: &Contents, sha256: Sha256Digest) {
    if contents.has_statement {
        let package = match contents.has_package {
            true => format!("f(\"{}\")", contents.package),
            false => format!("\"{sha256}\""),
        };
        let commands = [
            "openssl pkeyutl -verify -pubin -inkey store-key.pem -rawin -in statement.signed -sigfile statement.sig".to_owned(),
            "python3 -c 'import base64,json; e=json.load(open(\"statement.dsse.json\")); t=e[\"payloadType\"].encode(); \
             p=base64.b64decode(e[\"payload\"]); assert open(\"statement.signed\",\"rb\").read()==b\"DSSEv1 %d %s %d %s\" % \
             (len(t),t,len(p),p); assert open(\"statement.json\",\"rb\").read()==p'"
                .to_owned(),
            format!(
                "python3 -c 'import hashlib,json; s=json.load(open(\"statement.json\")); f=lambda n: \
                 hashlib.sha256(open(n,\"rb\").read()).hexdigest(); assert s[\"subject\"][0][\"digest\"][\"sha256\"]=={package}; \
                 assert all(f(\"evidence/\"+n)==d for n,d in s[\"predicate\"][\"evidence\"].items())'",
            ),
        ];
        put(section("The store states that it admitted the package", &commands));
        put("`statement.dsse.json` is an in-toto statement in a DSSE envelope: any implementation of those verifies it too. \
             The second command shows that what was verified is the statement, the third that it is about this package \
             and this evidence.\n"
            .to_owned());
    } else {
        put("There is no statement about this admission yet: the next publication of the store makes it.\n"
            .to_owned());
    }
    match &contents.log {
        Some(log) => {
            let commands = [
                "openssl pkeyutl -verify -pubin -inkey store-key.pem -rawin -in log/checkpoint.signed -sigfile \
                 log/checkpoint.sig"
                    .to_owned(),
                format!("python3 log/verify_log.py '{}' --proof log/entry.tlog-proof log/entry.json", log.key),
            ];
            put(section(&format!("It is entry {} of the store's log", log.index), &commands));
            put("The program follows C2SP tlog-proof and needs the Python package `cryptography`. Whoever keeps \
                 `log/checkpoint` finds out later whether the log was rewritten (`midmirror log verify --against`).\n"
                .to_owned());
        }
        None => put("The log of the store does not tell of this admission, or there is no log.\n".to_owned()),
    }
    if contents.files.contains_key("SHA256SUMS.minisig") {
        let commands = [
            "minisign -V -p midmirror.pub -m SHA256SUMS",
            "signify-openbsd -V -p midmirror.pub -x SHA256SUMS.minisig -m SHA256SUMS",
        ];
        let mut commands: Vec<String> = commands.map(str::to_owned).to_vec();
        if contents.is_published {
            commands.push("sha256sum --check --strict --ignore-missing SHA256SUMS".to_owned());
        }
        put(section("The signed list of what is published", &commands));
    }
    if !contents.is_published && contents.has_package {
        put("The catalog and the list name other bytes, or none, under this name: these are held or were superseded or withdrawn.\n".to_owned());
    }
}

/// The signed catalog, which names the key of the store.
fn catalog(put: &mut impl FnMut(String), contents: &Contents) {
    let mut commands = Vec::new();
    for role in &contents.roles {
        for key in &role.keys {
            commands.push(format!(
                "openssl pkeyutl -verify -pubin -inkey catalog/{key}.pem -rawin -in {base}.signed -sigfile {base}.{key}.sig",
                base = role.base
            ));
        }
    }
    commands.push(
        "python3 -c 'import json; t=[json.load(open(n))[\"signed\"] for n in __import__(\"glob\").glob(\"catalog/*.targets.json\")]; \
         k=__import__(\"base64\").b64decode(\"\".join(open(\"store-key.pem\").read().split(\"\\n\")[1:-2])); assert \
         k[-32:].hex()==t[0][\"midmirror\"][\"key\"]'"
            .to_owned(),
    );
    put(section("The catalog names the package and the key of the store", &commands));
    let digest = contents.root_sha256.map(|digest| digest.to_hex()).unwrap_or_default();
    put(format!(
        "It is a TUF repository, which `python-tuf`, `tuf-js` and `tuftool` verify as a whole. `.signed` is the canonical JSON of \
         what a file has under `signed`; a `.pem` is named after the beginning of its key's id in the root metadata, which \
         says how many of which keys a role needs. Everything rests on the first root metadata: the SHA-256 of \
         `catalog/1.root.json` is `{digest}`; compare it with `midmirror trust` on the mirror or with the trust file of a \
         host."
    ));
}

fn section(title: &str, commands: &[String]) -> String {
    format!("## {title}\n\n```sh\n{}\n```\n", commands.join("\n"))
}
