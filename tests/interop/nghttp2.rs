//! nghttp and h2load, of the nghttp2 project: HTTP/2 by another implementation, one request at a time and many at once.

use std::fs;

use crate::tool::{Served, is_there};

#[test]
fn nghttp_gets_the_package_its_head_and_its_parts() {
    if !is_there("nghttp") || !is_there("sha256sum") {
        return;
    }
    let served = Served::start();
    // Writes the body to stdout, which may be no text.
    let body = |rest: &str, name: &str| {
        let line = served.fill_in(&format!("nghttp {rest} URL"));
        let (program, arguments) = line.split_once(' ').unwrap();
        let output =
            crate::tool::command(program, &served.site.path("")).args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::write(served.site.path(name), output.stdout).unwrap();
    };
    body("-y", "whole.zip");
    served.expect_package("whole.zip");
    // Windows of 2^16 octets, and as much as may be.
    body("-w 16 -W 16", "narrow.zip");
    served.expect_package("narrow.zip");
    body("-w 30 -W 30", "wide.zip");
    served.expect_package("wide.zip");
    // A table of headers with no place in it.
    body("-c 0", "tableless.zip");
    served.expect_package("tableless.zip");
    // Frames of padding all along.
    body("-b 200", "padded.zip");
    served.expect_package("padded.zip");
    body("-Hrange:bytes=5-9", "part.bin");
    assert_eq!(fs::read(served.site.path("part.bin")).unwrap(), served.bytes[5..=9]);

    let verbose = served.run("nghttp -nv -Hrange:bytes=5-9 URL").expect(0).stdout;
    let range = format!("content-range: bytes 5-9/{}", served.bytes.len());
    for expected in [":status: 206", range.as_str(), "content-length: 5", "The negotiated protocol: h2"] {
        assert!(verbose.contains(expected), "{expected} is missing in {verbose}");
    }
    let head = served.run("nghttp -nv -H:method:HEAD URL").expect(0).stdout;
    let length = format!("content-length: {}", served.bytes.len());
    for expected in [":status: 200", length.as_str(), &served.sha256] {
        assert!(head.contains(expected), "{expected} is missing in {head}");
    }
    assert!(!head.contains("recv DATA"), "a body for HEAD: {head}");
    // A body that nobody wants.
    served.run("nghttp -nv -d store.tls/ca.pem URL").expect(0).says(":status: 405");
    let missing = served.run("nghttp -nv URL.missing").expect(0);
    missing.says(":status: 404");
}

#[test]
fn h2load_finds_no_request_that_fails() {
    if !is_there("h2load") {
        return;
    }
    let served = Served::start();
    let length = u64::try_from(served.bytes.len()).unwrap();
    for (line, requests, each) in [
        ("h2load -n 400 -c 8 -m 32 URL", 400, length),
        // More at a time than the server has streams for.
        ("h2load -n 400 -c 2 -m 200 URL", 400, length),
        ("h2load -n 400 -c 40 -m 1 URL", 400, length),
        ("h2load -n 2000 -c 4 -m 32 -Hrange:bytes=5-9 URL", 2000, 5),
        // Windows that one frame fills.
        ("h2load -n 60 -c 3 -m 10 -w 14 -W 14 URL", 60, length),
        ("h2load -n 200 -c 8 --h1 URL", 200, length),
    ] {
        let said = served.run(line).expect(0).stdout;
        let all = format!(
            "{requests} total, {requests} started, {requests} done, {requests} succeeded, 0 failed, 0 errored"
        );
        assert!(said.contains(&all), "{line}: {said}");
        assert!(said.contains(&format!("{requests} 2xx, 0 3xx, 0 4xx, 0 5xx")), "{line}: {said}");
        assert!(said.contains(&format!("({}) data", requests * each)), "{line}: {said}");
    }
    let said = served.run("h2load -n 300 -c 3 -m 32 URL.missing").expect(0).stdout;
    assert!(said.contains("0 2xx, 0 3xx, 300 4xx, 0 5xx"), "{said}");
}
