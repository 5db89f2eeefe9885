//! wget: a whole file, the rest of a file, and a list of URLs from `plan`.

use std::fs;

use crate::tool::{Served, is_there};

#[test]
fn wget_fetches_and_resumes() {
    if !is_there("wget") || !is_there("sha256sum") {
        return;
    }
    let served = Served::start();
    served.run("wget -q --ca-certificate=CA -O whole.zip URL").expect(0);
    served.expect_package("whole.zip");
    fs::write(served.site.path("part.zip"), &served.bytes[..1000]).unwrap();
    served.run("wget -q -c --ca-certificate=CA -O part.zip URL").expect(0);
    served.expect_package("part.zip");
    served.run("wget -q -O never.zip URL").expect(5);
}
