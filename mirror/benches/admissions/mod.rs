//! What benchmarks of stores with many packages have in common.

use std::error::Error;
use std::fs;
use std::io::Write as _;

use jiff::{SignedDuration, Timestamp};
use midmirror_mirror::Sha256Digest;
use midmirror_mirror::store::Store;
use serde_json::json;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// A kind of package and a platform.
pub(crate) type Sort = (&'static str, &'static str);

/// The evidence of a package that nobody has, of the given build; a build has its hour and minute from the number.
pub(crate) fn write(
    store: &Store,
    number: u32,
    build: u32,
    (kind, platform): Sort,
    report: impl FnOnce(Sha256Digest) -> Outcome<Vec<u8>>,
) -> Outcome<Sha256Digest> {
    let sha256 = Sha256Digest::of(format!("package {number}").as_bytes());
    let report = report(sha256)?;
    let (hour, minute) = (build / 60 % 24, build % 60);
    let stamp =
        format!("zurich-07-01-2025__patch{}-06-13-2026_06-19-2026_{hour:02}{minute:02}", build / 1440);
    let admission = json!({
        "number": number,
        "signers": [],
        "path": format!("glide/distribution/builds/package/app-signed/{kind}/2026/06/19/{kind}.{stamp}.{platform}.zip"),
        "sha256": sha256,
        "length": 300_000_000,
        "label": "verified",
        "signer": "CN=ServiceNow Inc., O=ServiceNow Inc., L=Santa Clara, ST=California, C=US",
        "signed_at": at(0)?,
        "admitted_at": at(i64::from(number % 60))?,
        "report": Sha256Digest::of(&report),
    });
    let hex = sha256.to_hex();
    let shard: String = hex.chars().take(2).collect();
    let folder = store.root_dir().join("evidence").join(shard).join(hex).join(format!("{number:08}"));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("admission.json"), admission.to_string())?;
    fs::write(folder.join("report.json"), report)?;
    for name in ["jarsigner.txt", "anchors.pem", "fetch.json"] {
        fs::write(folder.join(name), "-\n")?;
    }
    Ok(sha256)
}

/// A second of a day in June 2026.
pub(crate) fn at(second: i64) -> Outcome<Timestamp> {
    Ok("2026-06-20T00:00:00Z".parse::<Timestamp>()?.checked_add(SignedDuration::from_secs(second))?)
}

pub(crate) fn say(text: &str) -> Outcome<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
