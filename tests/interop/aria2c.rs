//! aria2c: many ranges of one file at once.

use crate::tool::{Served, is_there};

#[test]
fn aria2c_puts_a_file_together_from_ranges() {
    if !is_there("aria2c") || !is_there("sha256sum") {
        return;
    }
    let served = Served::start();
    let digest = format!("--checksum=sha-256={}", served.sha256);
    served
        .run(&format!(
            "aria2c -q --no-conf --ca-certificate=CA -x4 -s4 -k1M --min-split-size=1M {digest} -o p.zip URL"
        ))
        .expect(0);
    served.expect_package("p.zip");
}
