//! Revocation lists for client certificates.

use std::process::Command;
use std::time::{Duration, SystemTime};

use midmirror_mirror::serve::{CertificateNeed, ClientCertificates, TlsSettings};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::mirror::{CORE, Mirror, core_bytes};
use crate::tls::{ClientAuthority, ask, client, connect, material};

type Identity = (Vec<CertificateDer<'static>>, String);

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];
const DAY: Duration = Duration::from_secs(24 * 3600);

fn issue(issuer: &Issuer<'static, KeyPair>, serial: u64) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["mid-01.example".to_owned()]).unwrap();
    params.serial_number = Some(SerialNumber::from(serial));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, issuer).unwrap();
    (vec![certificate.der().clone()], key.serialize_pem())
}

/// An authority below another one, and its certificate.
fn intermediate(
    issuer: &Issuer<'static, KeyPair>,
    serial: u64,
) -> (ClientAuthority, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("intermediate {serial}"));
    params.serial_number = Some(SerialNumber::from(serial));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.signed_by(&key, issuer).unwrap();
    let (pem, der) = (certificate.pem(), certificate.der().clone());
    (ClientAuthority { pem, issuer: Issuer::new(params, key) }, der)
}

/// A list that began some days ago and ends some days later, PEM.
fn list(issuer: &Issuer<'static, KeyPair>, revoked: &[u64], begun: u32, valid: u32) -> Vec<u8> {
    let begin = SystemTime::now() - DAY * begun;
    let one = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: begin.into(),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: begin.into(),
        next_update: (begin + DAY * valid).into(),
        crl_number: SerialNumber::from(1000 - u64::from(begun)),
        issuing_distribution_point: None,
        revoked_certs: revoked.iter().map(one).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().pem().unwrap().into_bytes()
}

fn asking(pem: &str, crls: Vec<Vec<u8>>) -> ClientCertificates {
    ClientCertificates {
        authorities_pem: pem.as_bytes().to_vec(),
        crls,
        crls_may_be_expired: false,
        names: Vec::new(),
        needed_for: CertificateNeed::Packages,
    }
}

async fn mirror(clients: ClientCertificates) -> Mirror {
    Mirror::start_with(|config| config.tls.clients = Some(clients)).await
}

fn replace(mirror: &Mirror, clients: ClientCertificates) {
    let mut settings = TlsSettings::from(material(&mirror.tls));
    settings.clients = Some(clients);
    assert!(mirror.server.as_ref().unwrap().control().replace_tls(&settings).unwrap());
}

/// Whether a client gets the package; else it does not get past the handshake.
async fn gets(
    mirror: &Mirror,
    identity: &Identity,
    version: &'static rustls::SupportedProtocolVersion,
) -> bool {
    let config = client(&[&mirror.tls.ca_pem], version, Some(identity));
    let answer = async { ask(connect(mirror, &config).await?, &format!("/{CORE}")).await };
    match answer.await {
        Ok(answer) => {
            assert!(answer.body == core_bytes(), "{}", answer.text());
            true
        }
        Err(_) => false,
    }
}

#[tokio::test]
async fn revoked_certificate_is_refused_and_the_others_are_not() {
    let authority = ClientAuthority::new("clients");
    let (good, bad) = (issue(&authority.issuer, 7), issue(&authority.issuer, 0xffff_0000_0008));
    // Of two lists the newer one counts, in whichever order they come, also in DER.
    let old = list(&authority.issuer, &[7], 3, 30);
    let new = list(&authority.issuer, &[5, 0xffff_0000_0008], 1, 30);
    let mirror = mirror(asking(&authority.pem, vec![[old, new].concat()])).await;
    for version in VERSIONS {
        assert!(gets(&mirror, &good, version).await, "{version:?}");
        assert!(!gets(&mirror, &bad, version).await, "{version:?}");
    }
    assert_eq!(mirror.get("/healthz").await.text(), "ok\n");
    let metrics = mirror.get("/metrics").await;
    let line = "midmirror_client_crl_expires_timestamp_seconds{authority=\"CN=clients\"} 1";
    assert!(metrics.text().contains(line), "{}", metrics.text());
    openssl(&mirror, &good, true).await;
    openssl(&mirror, &bad, false).await;
}

/// What openssl is told.
async fn openssl(mirror: &Mirror, (chain, key): &Identity, expected: bool) {
    let folder = tempfile::tempdir().unwrap();
    let pem = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &chain[0]);
    let certificate = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    let mut openssl = Command::new("openssl");
    openssl.args([
        "s_client",
        "-tls1_2",
        "-brief",
        "-connect",
        &format!("localhost:{}", mirror.address.port()),
    ]);
    openssl.arg("-CAfile").arg(pem("ca.pem", &mirror.tls.ca_pem));
    openssl.arg("-cert").arg(pem("client.pem", &certificate)).arg("-key").arg(pem("key.pem", key));
    openssl.stdin(std::process::Stdio::null());
    let output = match tokio::task::spawn_blocking(move || openssl.output()).await.unwrap() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "no openssl");
            eprintln!("skipped: no openssl");
            return;
        }
        output => output.unwrap(),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), expected, "{said}");
    assert_eq!(said.contains("alert certificate revoked"), !expected, "{said}");
}

#[tokio::test]
async fn list_that_comes_later_counts_for_open_connections_and_resumed_sessions() {
    let authority = ClientAuthority::new("clients");
    let identity = issue(&authority.issuer, 7);
    let mirror = mirror(asking(&authority.pem, vec![list(&authority.issuer, &[], 1, 30)])).await;
    for version in VERSIONS {
        let config = client(&[&mirror.tls.ca_pem], version, Some(&identity));
        let mut open = connect(&mirror, &config).await.unwrap();
        open.write_all(format!("HEAD /{CORE} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
        let mut head = vec![0; 4096];
        let read = open.read(&mut head).await.unwrap();
        assert!(head[..read].starts_with(b"HTTP/1.1 200"), "{version:?}");
        replace(&mirror, asking(&authority.pem, vec![list(&authority.issuer, &[7], 0, 30)]));
        let answer = ask(open, &format!("/{CORE}")).await.unwrap();
        assert_eq!(
            (answer.status, answer.text()),
            (403, "the client certificate was revoked\n"),
            "{version:?}"
        );
        let again = async { ask(connect(&mirror, &config).await?, &format!("/{CORE}")).await };
        assert!(again.await.is_err(), "{version:?}");
        replace(&mirror, asking(&authority.pem, vec![list(&authority.issuer, &[], 1, 30)]));
    }
}

#[tokio::test]
async fn list_that_has_ended_vouches_for_nobody_unless_that_is_configured() {
    let authority = ClientAuthority::new("clients");
    let (good, bad) = (issue(&authority.issuer, 7), issue(&authority.issuer, 8));
    let ended = || vec![list(&authority.issuer, &[8], 10, 9)];
    let mirror = mirror(asking(&authority.pem, ended())).await;
    let control = mirror.server.as_ref().unwrap().control();
    for version in VERSIONS {
        assert!(!gets(&mirror, &good, version).await, "{version:?}");
    }
    let health = mirror.get("/healthz").await;
    assert_eq!(health.status, 503);
    let said = "the list of revoked client certificates of CN=clients has ended (";
    assert!(health.text().starts_with(said) && health.text().contains("are refused"), "{}", health.text());
    assert!(control.clients_problem(jiff::Timestamp::now()).is_some());
    // Who shows none is served what is for everybody.
    assert_eq!(mirror.get("/readyz").await.status, 200);

    let mut clients = asking(&authority.pem, ended());
    clients.crls_may_be_expired = true;
    replace(&mirror, clients);
    for version in VERSIONS {
        assert!(gets(&mirror, &good, version).await, "{version:?}");
        assert!(!gets(&mirror, &bad, version).await, "{version:?}");
    }
    let health = mirror.get("/healthz").await;
    assert_eq!(health.status, 200);
    assert!(health.text().contains("warning: the list of revoked") && health.text().contains("is let in"));
    // Told ahead: less than a quarter of its time is left.
    replace(&mirror, asking(&authority.pem, vec![list(&authority.issuer, &[], 8, 10)]));
    let health = mirror.get("/healthz").await;
    assert!(health.status == 200 && health.text().contains("of CN=clients ends 2"), "{}", health.text());
    // It ends while a connection is open.
    let config = client(&[&mirror.tls.ca_pem], VERSIONS[1], Some(&good));
    let mut open = connect(&mirror, &config).await.unwrap();
    open.write_all(format!("HEAD /{CORE} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = vec![0; 4096];
    let read = open.read(&mut head).await.unwrap();
    assert!(head[..read].starts_with(b"HTTP/1.1 200"));
    replace(&mirror, asking(&authority.pem, ended()));
    let answer = ask(open, &format!("/{CORE}")).await.unwrap();
    assert!(answer.status == 403 && answer.text().contains("has ended"), "{}", answer.text());
}

#[tokio::test]
async fn every_authority_of_the_chain_needs_a_list_and_may_be_revoked_itself() {
    let root = ClientAuthority::new("root");
    let (middle, certificate) = intermediate(&root.issuer, 100);
    let mut identity = issue(&middle.issuer, 7);
    let alone = identity.clone();
    identity.0.push(certificate);
    let of_root = |revoked: &[u64]| list(&root.issuer, revoked, 1, 30);
    let of_middle = |revoked: &[u64]| list(&middle.issuer, revoked, 1, 30);
    let mirror = mirror(asking(&root.pem, vec![of_root(&[]), of_middle(&[])])).await;
    assert!(gets(&mirror, &identity, VERSIONS[1]).await);
    for (lists, why) in [
        (vec![of_root(&[])], "the status of the leaf is unknown"),
        (vec![of_middle(&[])], "the status of the intermediate is unknown"),
        (vec![of_root(&[100]), of_middle(&[])], "the intermediate was revoked"),
        (vec![of_root(&[]), of_middle(&[7])], "the leaf was revoked"),
    ] {
        replace(&mirror, asking(&root.pem, lists));
        for version in VERSIONS {
            assert!(!gets(&mirror, &identity, version).await, "{why}");
        }
    }
    // Named itself, it needs no list of the root.
    replace(&mirror, asking(&middle.pem, vec![of_middle(&[])]));
    assert!(gets(&mirror, &alone, VERSIONS[1]).await);
}

#[tokio::test]
async fn list_of_somebody_with_the_same_name_says_nothing_and_garbage_is_refused() {
    let (authority, other) = (ClientAuthority::new("clients"), ClientAuthority::new("clients"));
    let identity = issue(&authority.issuer, 7);
    let mirror = mirror(asking(&authority.pem, vec![list(&other.issuer, &[], 1, 30)])).await;
    assert!(!gets(&mirror, &identity, VERSIONS[1]).await);
    let control = mirror.server.as_ref().unwrap().control();
    for bad in [&b""[..], b"garbage", &[0x30, 3, 1, 2, 3]] {
        let mut settings = TlsSettings::from(material(&mirror.tls));
        settings.clients = Some(asking(&authority.pem, vec![bad.to_vec()]));
        assert!(control.replace_tls(&settings).is_err(), "{bad:?}");
    }
}
