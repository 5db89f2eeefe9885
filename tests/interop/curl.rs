//! curl: HTTP/1.1 and HTTP/2, ranges, resumption, conditions, HEAD.

use std::fs;

use crate::tool::{Served, is_there};

#[test]
fn curl_fetches_resumes_and_asks_conditionally_over_both_versions_of_http() {
    if !is_there("curl") || !is_there("sha256sum") {
        return;
    }
    let served = Served::start();
    for version in ["--http1.1", "--http2"] {
        let curl = |rest: &str| served.run(&format!("curl -sS -f {version} --cacert CA {rest} URL"));
        curl("-o whole.zip").expect(0);
        served.expect_package("whole.zip");

        fs::write(served.site.path("part.zip"), &served.bytes[..served.bytes.len() / 3]).unwrap();
        curl("-C - -o part.zip").expect(0);
        served.expect_package("part.zip");

        let range = curl("-r 5-9 -o range.bin -w %{http_code}|%{http_version}").expect(0);
        let number = if version == "--http2" { "2" } else { "1.1" };
        assert_eq!(range.stdout, format!("206|{number}"));
        assert_eq!(fs::read(served.site.path("range.bin")).unwrap(), served.bytes[5..=9]);

        let head = curl("-I").expect(0).stdout.to_lowercase();
        let length = format!("content-length: {}", served.bytes.len());
        for expected in [length.as_str(), "accept-ranges: bytes", "content-type: application/zip"] {
            assert!(head.contains(expected), "{expected} is missing in {head}");
        }
        let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().trim();
        assert!(etag.contains(&served.sha256), "{etag}");

        let same = curl(&format!("-o none.zip -w %{{http_code}} -H If-None-Match:{etag}")).expect(0);
        assert_eq!(same.stdout, "304");
        let other = curl("-o other.zip -w %{http_code} -H If-None-Match:\"other\"").expect(0);
        assert_eq!(other.stdout, "200");
        served.expect_package("other.zip");
    }
    served.run("curl -sS -o never.zip URL").expect(60);
    served.run("curl -sS -f --cacert CA -o never.zip URL.missing").expect(22).says("404");
    assert!(!served.site.path("never.zip").exists());
}

#[test]
fn curl_gets_an_error_and_no_bytes_of_a_damaged_file() {
    if !is_there("curl") {
        return;
    }
    let served = Served::start();
    crate::site::flip_byte(&served.site.blob("mid-core."));
    served.run("curl -sS -f --cacert CA -o never.zip URL").expect(22).says("503");
    assert!(!served.site.path("never.zip").exists());
}
