//! The kept inputs, as ordinary tests.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::Mirror;
use super::oracle::{Asked, asked};

/// Runs a target over the inputs in `mirror/fuzz/kept/NAME.zip`.
fn replay(name: &str, target: fn(&Mirror, &[u8])) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/kept/{name}.zip"));
    let mut kept = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    assert!(kept.len() >= 10, "only {} inputs", kept.len());
    let mirror = Mirror::new();
    for index in 0..kept.len() {
        let mut bytes = Vec::new();
        kept.by_index(index).unwrap().read_to_end(&mut bytes).unwrap();
        target(&mirror, &bytes);
    }
}

#[test]
fn connection() {
    replay("connection", Mirror::connection);
}

#[test]
fn request() {
    replay("request", Mirror::request);
}

#[test]
fn oracle_is_right_about_ranges_that_a_person_can_check() {
    let whole = b"0123456789";
    for (range, bytes) in [
        ("bytes=0-0", "0"),
        ("bytes=8-", "89"),
        ("BYTES=-3", "789"),
        ("bytes=,5-99999999999999999999,", "56789"),
    ] {
        assert_eq!(asked(range.as_bytes(), whole), Asked::Bytes(bytes.as_bytes().to_vec()), "{range}");
    }
    for range in ["bytes=10-", "bytes=-0"] {
        assert_eq!(asked(range.as_bytes(), whole), Asked::Nothing, "{range}");
    }
    for range in ["bytes=5-4", "bytes=0-1,3-4", "bytes=-", "bytes 0-1", "lines=0-1", "bytes=+1-2"] {
        assert_eq!(asked(range.as_bytes(), whole), Asked::Whole, "{range}");
    }
}

#[test]
#[should_panic(expected = "other bytes than the catalog's")]
fn wrong_bytes_are_noticed() {
    let mirror = Mirror::new();
    let mut headers = http::HeaderMap::new();
    headers.insert("etag", format!("\"sha256-{}\"", mirror.packages[0].sha256).parse().unwrap());
    headers.insert("content-length", "300".parse().unwrap());
    mirror.check(200, &headers, &[0x80; 300]);
}
