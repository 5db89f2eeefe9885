//! Client certificates from both sides: a mirror that asks for them, and an importer that shows one.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
};

use crate::site::{Mirror, Site};

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "clients");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Writes certificate and key for a host, `NAME.pem` and `NAME-key.pem`.
    fn issue(&self, site: &Site, name: &str, serial: u64) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(site.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        let file = site.path(&format!("{name}-key.pem"));
        fs::write(&file, key.serialize_pem()).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Puts a list in place of the one that is there.
    fn revoke(&self, site: &Site, serials: &[u64]) {
        let now = SystemTime::now();
        let one = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now.into(),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: (now - Duration::from_secs(60)).into(),
            next_update: (now + Duration::from_secs(24 * 3600)).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(one).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        fs::write(site.path("clients.crl"), list.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
    }
}

#[test]
fn importer_shows_a_certificate_to_a_mirror_that_needs_one_until_it_is_revoked() {
    let (site, authority) = (Site::new().synced(), Authority::new());
    fs::write(site.path("clients.pem"), &authority.pem).unwrap();
    authority.issue(&site, "mid-01", 7);
    authority.issue(&site, "mid-02", 8);
    authority.revoke(&site, &[]);
    let asking = |more: &str| {
        site.configure(&format!(
            "[serve]\nclient_ca = \"clients.pem\"\nclient_crl = [\"clients.crl\"]\n{more}"
        ));
    };
    asking("client_needed_for = \"all\"\n");
    let mirror = Mirror::start(&site);
    site.enrol(&mirror.url);
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent]).expect(8);
    let with = ["--client-cert", "mid-01.pem", "--client-key", "mid-01-key.pem"];
    let stage = |certificate: &[&str]| site.run(&[&["host", "stage", &agent], certificate].concat());
    stage(&with[..2]).expect(2).says("--client-key");
    // The key of another certificate, and one that others may read.
    stage(&["--client-cert", "mid-01.pem", "--client-key", "mid-02-key.pem"])
        .expect(2)
        .says("client certificate and key");
    let key = site.path("mid-01-key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    stage(&with).expect(2).says("may be read or changed by others");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    stage(&with).expect(0).says("staged").says("complete");
    assert!(!site.incoming(&agent).is_empty());

    // The new list is taken up without a restart.
    authority.revoke(&site, &[7]);
    let other = site.agent("windows.x86-64");
    let stage = |name: &str| {
        let (certificate, key) = (format!("{name}.pem"), format!("{name}-key.pem"));
        let mut command = site.command(&["host", "stage", &other]);
        command.env("MIDMIRROR_CLIENT_CERT", certificate).env("MIDMIRROR_CLIENT_KEY", key);
        crate::site::Run::from(command.output().unwrap())
    };
    let started = std::time::Instant::now();
    while !fs::read_to_string(site.path("serve.log")).unwrap().contains("TLS settings replaced") {
        assert!(started.elapsed() < Duration::from_secs(30), "the list is not taken up");
        std::thread::sleep(Duration::from_millis(50));
    }
    stage("mid-01").expect(8);
    assert!(site.incoming(&other).is_empty());
    stage("mid-02").expect(0).says("complete");
    let log = fs::read_to_string(site.path("serve.log")).unwrap();
    assert!(log.contains("client certificate refused") && log.contains("Revoked"), "{log}");
}

#[test]
fn importer_says_what_it_waits_for_and_until_when() {
    let site = Site::new().synced();
    site.configure("[serve]\nrequests_per_second_per_address = 1\n");
    let mirror = Mirror::start(&site);
    site.enrol(&mirror.url);
    let agent = site.agent("linux.x86-64");
    let run = site.run(&["host", "stage", &agent]).expect(0);
    let said = run.stderr.lines().find(|line| line.starts_with("waiting ")).expect("a word about the wait");
    for part in ["until 20", "after try 1 of 3", "429"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!run.stderr.contains("fetch failed, trying again"), "{}", run.stderr);
}

#[test]
fn list_without_authorities_is_an_error_of_the_configuration() {
    let site = Site::new();
    site.configure("[serve]\nclient_crl = [\"clients.crl\"]\n");
    site.run(&["list"]).expect(2).says("serve.client_crl needs serve.client_ca");
}
