//! openssl: the certificates of `serve --init-tls` with their name constraints, and the handshake.

use crate::site::{Mirror, Site};
use crate::tool::{OpenSsl, is_there, run};

const HOSTS: [&str; 4] = ["--host", "mirror.example", "--host", "192.0.2.7"];

#[test]
fn certificates_hold_for_their_names_only() {
    if !is_there("openssl") {
        return;
    }
    let site = Site::with_packages(Vec::new());
    let mut arguments = vec!["serve", "--init-tls"];
    arguments.extend(HOSTS);
    site.run(&arguments).expect(0);
    let tool = OpenSsl(site.path("store.tls"));
    let openssl = |line: &str| tool.run(line);
    let verify = "verify -x509_strict -CAfile ca.pem -purpose sslserver";
    openssl(&format!("{verify} -verify_hostname mirror.example server.pem")).expect(0);
    openssl(&format!("{verify} -verify_ip 192.0.2.7 server.pem")).expect(0);
    openssl(&format!("{verify} -verify_hostname other.example server.pem"))
        .expect(2)
        .says("hostname mismatch");
    openssl("x509 -in ca.pem -noout -ext nameConstraints,basicConstraints")
        .expect(0)
        .says("DNS:mirror.example")
        .says("pathlen:0");

    // Whoever steals the authority's key gains nothing for other names.
    for (name, good) in
        [("DNS:mirror.example", true), ("DNS:instance.example", false), ("IP:192.0.2.8", false)]
    {
        let extensions = format!("subjectAltName={name}\nextendedKeyUsage=serverAuth\n");
        tool.issue("stolen", &extensions, "ca", "ca-key.pem");
        let verified = openssl("verify -CAfile ca.pem -purpose sslserver stolen.pem");
        if good {
            verified.expect(0);
        } else {
            verified.expect(2).says("permitted subtree violation");
        }
    }
}

#[test]
fn handshake_is_tls_1_2_or_1_3_and_nothing_older() {
    if !is_there("openssl") {
        return;
    }
    let site = Site::with_packages(Vec::new());
    site.run(&["init"]).expect(0);
    let mirror = Mirror::start(&site);
    let address = mirror.url.strip_prefix("https://").unwrap();
    for (version, says) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let line = format!(
            "openssl s_client -connect {address} -servername localhost -verify_hostname localhost \
             -verify_return_error -CAfile store.tls/ca.pem -brief {version}"
        );
        run(&site.path(""), &line).expect(0).says(says).says("Verification: OK");
    }
    let old = format!(
        "openssl s_client -connect {address} -CAfile store.tls/ca.pem -tls1_1 -cipher ALL:@SECLEVEL=0"
    );
    assert_ne!(run(&site.path(""), &old).code, 0);
}
