//! Python's urllib: the standard library's client, HTTP/1.1 with `Connection: close`.

use crate::tool::{Served, command, is_there};

#[test]
fn urllib_fetches() {
    if !is_there("python3") || !is_there("sha256sum") {
        return;
    }
    let served = Served::start();
    let output = command("python3", &served.site.path(""))
        .args(["-c", PROGRAM, &served.url, "store.tls/ca.pem"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), format!("200 {}", served.bytes.len()));
    served.expect_package("p.zip");
}

const PROGRAM: &str = "
import ssl, sys, urllib.request
url, ca = sys.argv[1:]
with urllib.request.urlopen(url, context=ssl.create_default_context(cafile=ca)) as answer:
    content = answer.read()
    print(answer.status, len(content))
open('p.zip', 'wb').write(content)
";
