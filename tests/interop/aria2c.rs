//! aria2c: a whole file with its digest checked, and the rest of a file.

use std::fs;
use std::process::Command;

use crate::tool::Served;

#[test]
fn aria2c_fetches_and_resumes() {
    // The one program here that few machines have: never required.
    if Command::new("aria2c").arg("--version").output().is_err() {
        eprintln!("skipped: no aria2c");
        return;
    }
    let served = Served::start();
    let digest = format!("--checksum=sha-256={}", served.sha256);
    // Its own resolver does not know localhost where there is no network.
    let aria2c = format!("aria2c -q --no-conf --async-dns=false --ca-certificate=CA {digest}");
    served.run(&format!("{aria2c} -o whole.zip URL")).expect(0);
    served.expect_package("whole.zip");
    fs::write(served.site.path("part.zip"), &served.bytes[..1000]).unwrap();
    served.run(&format!("{aria2c} -c -o part.zip URL")).expect(0);
    served.expect_package("part.zip");
    assert_ne!(
        served.run("aria2c -q --no-conf --async-dns=false -o never.zip URL").code,
        0,
        "without our authority"
    );
}
