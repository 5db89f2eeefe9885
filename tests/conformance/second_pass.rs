//! Archives whose local headers and central directory tell different stories, or whose entries stand in another order:
//! what the second pass of newer JDKs makes of each, exit code and text.

use std::fs;

use midmirror_verify::{Jdk, TrustStore, jarsigner};

use super::corpus::first_difference;
use super::material::unpacked;

#[test]
fn entries_are_read_as_a_stream_as_newer_jdks_read_them() {
    let folder = unpacked(&["second-pass.zip"]);
    let path = |name: &str| folder.path().join(name);
    let at = fs::read_to_string(path("RECORDED-AT")).unwrap().trim().parse().unwrap();
    let keystore = path("signer.p12").display().to_string();
    let nothing = TrustStore::empty("nothing");
    let (mut runs, mut problems) = (0, Vec::new());
    for entry in fs::read_dir(path("jars")).unwrap() {
        let jar = entry.unwrap().path();
        let case = jar.file_stem().unwrap().to_string_lossy().into_owned();
        for jdk in Jdk::ALL {
            let file = jar.display().to_string();
            let arguments = ["-verify", "-keystore", &keystore, "-storepass", "changeit", &file];
            let environment = jarsigner::Environment { jdk, ..jarsigner::Environment::new(&nothing, at) };
            let ours = jarsigner::run(&arguments.map(str::to_owned), &environment);
            let read =
                |what: &str| fs::read_to_string(path(&format!("expected/{case}.{jdk}.{what}"))).unwrap();
            let (stdout, exit_code) = (read("stdout"), read("exit"));
            runs += 1;
            if ours.stdout != stdout || ours.exit_code.to_string() != exit_code.trim() {
                let detail = first_difference(&ours.stdout, &stdout);
                problems.push(format!("{case}, JDK {jdk}: {} against {exit_code}{detail}", ours.exit_code));
            }
        }
    }
    assert!(runs >= 270, "{runs} runs");
    assert!(problems.is_empty(), "{} of {runs} runs:\n{}", problems.len(), problems.join("\n"));
}
