//! Documents of evidence are served as they were recorded, or not at all.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::site::{Mirror, Site, overwrite};

struct Served {
    site: Site,
    _mirror: Mirror,
    port: u16,
    ca: String,
    core: String,
    number: u64,
}

impl Served {
    fn start() -> Self {
        let site = Site::new().synced();
        let mirror = Mirror::start(&site);
        let port = mirror.url.rsplit_once(':').unwrap().1.parse().unwrap();
        let ca = fs::read_to_string(site.path("store.tls/ca.pem")).unwrap();
        let core = site.blob("mid-core.").file_name().unwrap().to_str().unwrap().to_owned();
        let mut served = Self { site, _mirror: mirror, port, ca, core, number: 0 };
        let (_, _, detail) = served.get(&format!("/api/v1/packages/{}", served.core));
        let detail: Value = serde_json::from_str(&detail).unwrap();
        served.number = detail["packages"][0]["admission"]["number"].as_u64().unwrap();
        served
    }

    /// Status, head and body.
    fn get(&self, path: &str) -> (u16, String, String) {
        let answer = crate::tls_client::get(self.port, &self.ca, path).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_lowercase(), body.to_owned())
    }

    fn document(&self, name: &str) -> (u16, String, String) {
        self.get(&format!("/evidence/{}/{}/{name}", self.core, self.number))
    }

    /// A file of the evidence in the store.
    fn file(&self, name: &str) -> PathBuf {
        let folder = self.site.path("store/evidence").join(&self.core[..2]).join(&self.core);
        match name {
            "statement.dsse.json" => folder.join(format!("{:08}.{name}", self.number)),
            _ => folder.join(format!("{:08}", self.number)).join(name),
        }
    }
}

/// What is asked for, and the file that it comes from.
const DOCUMENTS: [(&str, &str); 6] = [
    ("admission.json", "admission.json"),
    ("report.json", "report.json"),
    ("jarsigner.txt", "jarsigner.txt"),
    ("anchors.pem", "anchors.pem"),
    ("statement.dsse.json", "statement.dsse.json"),
    ("origin.json", "fetch.json"),
];

#[test]
fn a_document_that_is_not_what_was_recorded_is_refused_and_told_until_it_is_put_right() {
    let served = Served::start();
    for (name, file) in DOCUMENTS {
        let (status, head, body) = served.document(name);
        assert_eq!((status, head.contains("repr-digest: ")), (200, true), "{name}: {head}");
        let file = served.file(file);
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        // The same length, and still JSON, PEM or text.
        let digit = bad.iter().rposition(u8::is_ascii_digit).unwrap();
        bad[digit] = if bad[digit] == b'1' { b'2' } else { b'1' };
        overwrite(&file, &bad);
        let (status, _, said) = served.document(name);
        assert_eq!((status, said.contains("is damaged")), (503, true), "{name}: {said}");
        let (status, _, health) = served.get("/healthz");
        let place = format!("evidence/{}/{}/{}", served.core, served.number, file_name(&file));
        assert!(status == 503 && health.contains(&place), "{name}: {health}");
        assert!(!health.contains("store/evidence"), "{health}");
        let (_, _, metrics) = served.get("/metrics");
        assert!(metrics.contains("\nmidmirror_bad_evidence 1\n"), "{name}: {metrics}");
        let (_, _, page) = served.get(&format!("/package/{}", served.core));
        assert!(page.contains("cannot be served"), "{name}");
        overwrite(&file, &good);
        assert_eq!(served.get("/healthz").0, 200, "{name}: put right, and nobody has asked for it");
        let (status, _, again) = served.document(name);
        assert_eq!((status, again), (200, body), "{name}");
        assert_eq!(served.get("/healthz").0, 200, "{name}");
    }
    let log = fs::read_to_string(served.site.path("serve.log")).unwrap();
    assert!(log.contains("document of the evidence refused"), "{log}");
}

fn file_name(file: &std::path::Path) -> String {
    let name = file.file_name().unwrap().to_str().unwrap();
    name.split_once(".statement").map_or(name, |_| "statement.dsse.json").to_owned()
}

#[test]
fn a_log_that_was_changed_to_fit_vouches_for_nothing() {
    let served = Served::start();
    let file = served.file("jarsigner.txt");
    let good = fs::read_to_string(&file).unwrap();
    let forged = good.replace("jar verified.", "jar verifjed.");
    assert_ne!(good, forged);
    let digest = |text: &str| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text));
    overwrite(&file, forged.as_bytes());
    // All bundles that record it are changed, and nothing else of the log.
    let mut changed = 0;
    for bundle in fs::read_dir(served.site.path("store/log/tile/entries/000.p")).unwrap() {
        let bundle = bundle.unwrap().path();
        let text = fs::read(&bundle).unwrap();
        let (from, to) = (digest(&good), digest(&forged));
        let mut other = text.clone();
        while let Some(at) = other.windows(64).position(|window| window == from.as_bytes()) {
            other[at..at + 64].copy_from_slice(to.as_bytes());
            changed += 1;
        }
        overwrite(&bundle, &other);
    }
    assert!(changed > 0);
    for (name, _) in DOCUMENTS.into_iter().filter(|(name, _)| *name != "report.json") {
        assert_eq!(served.document(name).0, 503, "{name}");
    }
    // The catalog vouches for the report.
    assert_eq!(served.document("report.json").0, 200);
    assert_eq!(served.document("log.tlog-proof").0, 503);
    assert!(served.get("/healthz").2.contains("is not vouched for by the log"));
    // The package itself has nothing to do with it.
    assert_eq!(served.get("/readyz").0, 200);
}
