//! The private authority's revocation list, and client certificates: openssl, curl, and Java with and without revocation check.

use std::fs;

use crate::site::{Mirror, Run, Site, free_port};
use crate::tool::{OpenSsl, is_there, run};

/// A mirror with a plain listener, so that its certificate names a revocation list.
fn site() -> Site {
    let site = Site::with_packages(Vec::new());
    site.configure(&format!("[serve]\nplain_listen = \"127.0.0.1:{}\"\n", free_port()));
    site.run(&["init"]).expect(0);
    site
}

/// The Java programs of this machine: the one on the path, and later ones beside it.
fn javas() -> Vec<String> {
    let mut found = vec!["java".to_owned()];
    for entry in fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten() {
        let java = entry.path().join("bin/java");
        // Links to what is on the path anyway have "1.17" and "17" in their names.
        if java.is_file() && !entry.file_name().to_string_lossy().contains("17") {
            found.push(java.to_string_lossy().into_owned());
        }
    }
    found
}

fn fetch(site: &Site, java: &str, options: &str, url: &str) -> Run {
    let trust = "-Djavax.net.ssl.trustStore=cacerts -Djavax.net.ssl.trustStorePassword=changeit";
    run(&site.path(""), &format!("{java} {trust}{options} Fetch.java {url}/healthz"))
}

const CHECKED: &str = " -Dcom.sun.net.ssl.checkRevocation=true -Dcom.sun.security.enableCRLDP=true";
const ANSWERED: &str = "HttpURLConnection 200\nHTTP_1_1 200\nHTTP_2 200\n";

#[test]
fn java_with_revocation_check_accepts_the_certificate_until_it_is_revoked() {
    if !is_there("java") || !is_there("keytool") {
        return;
    }
    let site = site();
    let mirror = Mirror::start(&site);
    let folder = site.path("");
    let import = "keytool -importcert -noprompt -alias midmirror -file store.tls/ca.pem -keystore cacerts \
                  -storepass changeit";
    run(&folder, import).expect(0);
    fs::write(site.path("Fetch.java"), PROGRAM).unwrap();
    for java in javas() {
        assert_eq!(fetch(&site, &java, "", &mirror.url).expect(0).stdout, ANSWERED, "{java}");
        assert_eq!(fetch(&site, &java, CHECKED, &mirror.url).expect(0).stdout, ANSWERED, "{java}");
        // It is the list that is looked at, and nothing else.
        fetch(&site, &java, " -Dcom.sun.net.ssl.checkRevocation=true", &mirror.url)
            .expect(1)
            .says("Could not determine revocation status");
    }
    drop(mirror);

    // The key has leaked: its thief goes on with the old pair; the list is the new one.
    for file in ["server.pem", "server-key.pem"] {
        fs::copy(site.path("store.tls").join(file), site.path(&format!("stolen-{file}"))).unwrap();
    }
    let config = fs::read_to_string(site.path("midmirror.toml")).unwrap();
    site.run(&["serve", "--renew-tls", "--revoke"]).expect(0).says("(1 revoked)");
    let stolen =
        "certificate = \"stolen-server.pem\"\nkey = \"stolen-server-key.pem\"\ncrl = \"store.tls/crl.pem\"\n";
    fs::write(site.path("midmirror.toml"), format!("{config}{stolen}")).unwrap();
    let thief = Mirror::start(&site);
    for java in javas() {
        fetch(&site, &java, CHECKED, &thief.url)
            .expect(1)
            .says("Certificate has been revoked")
            .says("KEY_COMPROMISE");
        assert_eq!(fetch(&site, &java, "", &thief.url).expect(0).stdout, ANSWERED, "{java}");
    }
    drop(thief);
    fs::write(site.path("midmirror.toml"), config).unwrap();
    let renewed = Mirror::start(&site);
    for java in javas() {
        assert_eq!(fetch(&site, &java, CHECKED, &renewed.url).expect(0).stdout, ANSWERED, "{java}");
    }
}

#[test]
fn openssl_checks_certificate_and_list() {
    if !is_there("openssl") || !is_there("curl") {
        return;
    }
    let site = site();
    let mirror = Mirror::start(&site);
    let folder = site.path("");
    let said =
        run(&folder, "openssl x509 -in store.tls/server.pem -noout -ext crlDistributionPoints").expect(0);
    let url = said.stdout.split("URI:").nth(1).unwrap().trim().to_owned();
    let get = |name: &str| {
        run(&folder, &format!("curl -sS -f -o {name}.crl {url}")).expect(0);
        run(&folder, &format!("openssl crl -inform der -in {name}.crl -out {name}.pem")).expect(0);
        run(&folder, &format!("openssl crl -in {name}.pem -noout -CAfile store.tls/ca.pem"))
            .expect(0)
            .says("verify OK");
    };
    let verify = |list: &str, certificate: &str| {
        let line = "openssl verify -x509_strict -crl_check -CAfile store.tls/ca.pem -CRLfile";
        run(&folder, &format!("{line} {list}.pem {certificate}"))
    };
    get("before");
    verify("before", "store.tls/server.pem").expect(0);
    fs::copy(site.path("store.tls/server.pem"), site.path("old.pem")).unwrap();
    drop(mirror);
    site.run(&["serve", "--renew-tls", "--revoke"]).expect(0);
    // A second renewal does not forget what is revoked.
    site.run(&["serve", "--renew-tls"]).expect(0).says("(1 revoked)");
    let _mirror = Mirror::start(&site);
    get("after");
    verify("after", "old.pem").expect(2).says("certificate revoked");
    verify("after", "store.tls/server.pem").expect(0);
    // All lists of the series are good, also the last.
    let lists = fs::read_to_string(site.path("store.tls/crl.pem")).unwrap();
    let last = lists.rfind("-----BEGIN X509 CRL-----").unwrap();
    fs::write(site.path("last.pem"), &lists[last..]).unwrap();
    run(&folder, "openssl crl -in last.pem -noout -CAfile store.tls/ca.pem").expect(0).says("verify OK");
}

#[test]
fn request_is_signed_by_another_authority_and_served() {
    if !is_there("openssl") || !is_there("curl") {
        return;
    }
    let site = Site::with_packages(Vec::new());
    site.run(&["init"]).expect(0);
    let said =
        site.run(&["serve", "--init-tls", "--csr", "--host", "localhost", "--host", "127.0.0.1"]).expect(0);
    assert!(said.stderr.contains("mid.install_server.base_uri"), "{}", said.stderr);
    let tool = OpenSsl(site.path("store.tls"));
    let (folder, openssl) = (&tool.0, |line: &str| tool.run(line));
    openssl("req -in server.csr.pem -noout -verify -text")
        .expect(0)
        .says("DNS:localhost")
        .says("IP Address:127.0.0.1");
    openssl("req -x509 -newkey rsa:2048 -nodes -subj /O=pki -keyout pki.key -out ca.pem").expect(0);
    openssl("x509 -req -in server.csr.pem -CA ca.pem -CAkey pki.key -copy_extensions copy -days 30 -out server.pem")
        .expect(0);
    let mirror = Mirror::start(&site);
    run(folder, &format!("curl -sS -f --cacert ca.pem {}/healthz", mirror.url)).expect(0).says("ok");
    site.run(&["serve", "--renew-tls"]).expect(2).says("renewed there, not here");
}

#[test]
fn curl_and_openssl_show_client_certificates() {
    if !is_there("openssl") || !is_there("curl") {
        return;
    }
    let site = Site::new().synced();
    let folder = site.path("");
    let openssl = OpenSsl(folder.clone());
    openssl
        .run("req -x509 -newkey rsa:2048 -nodes -subj /O=clients -keyout clients.key -out clients.pem")
        .expect(0);
    for name in ["mid-01", "mid-02"] {
        openssl.issue(name, "extendedKeyUsage=clientAuth\n", "clients", "clients.key");
    }
    let serve = "[serve]\nrecords = \"records\"\nclient_ca = \"clients.pem\"\nclient_names = [\"mid-01\"]\n";
    site.configure(serve);
    let core = crate::tool::new_core();
    let mirror = Mirror::start(&site);
    let curl = |certificate: &str, path: &str| {
        let line = "curl -sS -o got -w %{http_code} --cacert store.tls/ca.pem";
        run(&folder, &format!("{line}{certificate} {}/{path}", mirror.url))
    };
    let first = " --cert mid-01.pem --key mid-01.key";
    for version in [" --http1.1", " --http2"] {
        assert_eq!(curl(&format!("{first}{version}"), core.path).expect(0).stdout, "200");
        assert!(fs::read(site.path("got")).unwrap() == core.bytes);
        assert_eq!(curl(&format!(" --cert mid-02.pem --key mid-02.key{version}"), core.path).stdout, "403");
        assert_eq!(curl(version, core.path).stdout, "403");
        assert_eq!(curl(version, "healthz").stdout, "200");
    }
    let who = run_who_has(&site, core.file_name());
    assert!(who.contains("mid-01") && !who.contains("127.0.0.1"), "{who}");
    let log = fs::read_to_string(site.path("serve.log")).unwrap();
    assert!(log.contains("client=\"mid-01\""), "{log}");
    drop(mirror);

    site.configure(&format!("{serve}client_needed_for = \"all\"\n"));
    let mirror = Mirror::start(&site);
    let address = mirror.url.strip_prefix("https://").unwrap().to_owned();
    let shake = |certificate: &str| {
        run(
            &folder,
            &format!("openssl s_client -connect {address} -tls1_2 -CAfile store.tls/ca.pem{certificate}"),
        )
    };
    assert_ne!(shake("").code, 0);
    shake(" -cert mid-01.pem -key mid-01.key").expect(0);
}

fn run_who_has(site: &Site, name: &str) -> String {
    for _ in 0..100 {
        let who = site.run(&["who-has", name]);
        if who.stdout.contains("downloaded") {
            return who.stdout;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("no record");
}

#[test]
fn openssl_resumes_sessions() {
    if !is_there("openssl") {
        return;
    }
    let site = Site::with_packages(Vec::new());
    site.run(&["init"]).expect(0);
    let mirror = Mirror::start(&site);
    let address = mirror.url.strip_prefix("https://").unwrap();
    let base = format!("openssl s_client -connect {address} -servername localhost -CAfile store.tls/ca.pem");
    // Five further handshakes on one session; `-reconnect` is for TLS 1.2.
    let said = run(&site.path(""), &format!("{base} -tls1_2 -reconnect")).expect(0).stdout;
    assert_eq!(said.matches("Reused, TLSv1.2").count(), 5, "{said}");
    // TLS 1.3: the ticket comes after the handshake, with the first bytes that are read.
    fs::write(site.path("request"), "GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    let ask = |more: &str| {
        let mut words = base.split(' ');
        let mut command = crate::tool::command(words.next().unwrap(), &site.path(""));
        command.args(words).args(["-tls1_3", "-ign_eof"]).args(more.split(' '));
        let Ok(output) = command.stdin(fs::File::open(site.path("request")).unwrap()).output() else {
            panic!("openssl has gone");
        };
        Run::from(output).expect(0).stdout
    };
    assert!(ask("-sess_out session.pem").contains("New, TLSv1.3"));
    assert!(ask("-sess_in session.pem").contains("Reused, TLSv1.3"));
}

const PROGRAM: &str = r#"
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

class Fetch {
    public static void main(String[] arguments) throws Exception {
        URI uri = URI.create(arguments[0]);
        HttpURLConnection connection = (HttpURLConnection) uri.toURL().openConnection();
        System.out.print("HttpURLConnection " + connection.getResponseCode() + "\n");
        for (HttpClient.Version version : HttpClient.Version.values()) {
            HttpClient client = HttpClient.newBuilder().version(version).build();
            HttpResponse<byte[]> response =
                client.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofByteArray());
            System.out.print(response.version() + " " + response.statusCode() + "\n");
        }
    }
}
"#;
