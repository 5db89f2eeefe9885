//! Other people's clients against our server; skipped where they are not installed.

use std::path::Path;
use std::process::{Command, Output};

use crate::mirror::{CORE, Mirror, core_bytes};

/// Runs a program beside the server; `None`, with a line that says so, if it is not there.
async fn run(program: &'static str, folder: &Path, arguments: Vec<String>) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    match tokio::task::spawn_blocking(move || command.output()).await.unwrap() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "no {program}");
            eprintln!("skipped: no {program}");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

async fn mirror() -> (Mirror, tempfile::TempDir) {
    let (mirror, folder) = (Mirror::start().await, tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("ca.pem"), &mirror.tls.ca_pem).unwrap();
    (mirror, folder)
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[tokio::test]
async fn curl_fetches_and_resumes_over_both_versions_of_http() {
    let (mirror, folder) = mirror().await;
    let url = format!("https://localhost:{}/{CORE}", mirror.address.port());
    for version in ["--http1.1", "--http2"] {
        let file = folder.path().join("p.zip");
        std::fs::write(&file, &core_bytes()[..100_000]).unwrap();
        let arguments = words(&format!("-sS --noproxy * {version} --cacert ca.pem -C - -o p.zip {url}"));
        let Some(output) = run("curl", folder.path(), arguments).await else { return };
        assert!(output.status.success(), "{version}: {output:?}");
        assert!(std::fs::read(&file).unwrap() == core_bytes(), "{version}");
    }
    let arguments = words(&format!("-sS --noproxy * -o p.zip {url}"));
    let output = run("curl", folder.path(), arguments).await.unwrap();
    assert_eq!(output.status.code(), Some(60), "without the authority: {output:?}");
}

#[tokio::test]
async fn wget_fetches() {
    let (mirror, folder) = mirror().await;
    let url = format!("https://localhost:{}/{CORE}", mirror.address.port());
    let arguments = words(&format!("-q --no-proxy --ca-certificate=ca.pem -O p.zip {url}"));
    let Some(output) = run("wget", folder.path(), arguments).await else { return };
    assert!(output.status.success(), "{output:?}");
    assert!(std::fs::read(folder.path().join("p.zip")).unwrap() == core_bytes());
}

#[tokio::test]
async fn openssl_accepts_the_chain_with_its_name_constraints() {
    let (mirror, folder) = mirror().await;
    for (version, good) in [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false)] {
        let port = mirror.address.port();
        let arguments = words(&format!(
            "s_client -connect localhost:{port} -servername localhost -verify_hostname localhost \
             -verify_return_error -CAfile ca.pem {version}"
        ));
        let Some(output) = run("openssl", folder.path(), arguments).await else { return };
        assert_eq!(output.status.success(), good, "{version}: {output:?}");
    }
}

/// The agents' kind of client: Java's own, with our authority imported by keytool.
#[tokio::test]
async fn java_fetches_with_the_imported_authority() {
    let (mirror, folder) = mirror().await;
    let import = "-importcert -noprompt -alias mirror -file ca.pem -keystore trust.p12 -storepass changeit";
    let Some(output) = run("keytool", folder.path(), words(import)).await else { return };
    assert!(output.status.success(), "{output:?}");
    std::fs::write(folder.path().join("Fetch.java"), JAVA).unwrap();
    let url = format!("https://localhost:{}/{CORE}", mirror.address.port());
    let arguments = words(&format!(
        "-Djavax.net.ssl.trustStore=trust.p12 -Djavax.net.ssl.trustStorePassword=changeit Fetch.java {url}"
    ));
    let Some(output) = run("java", folder.path(), arguments).await else { return };
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "200 300000\n206 10\n");
    assert!(std::fs::read(folder.path().join("p.zip")).unwrap() == core_bytes());
}

const JAVA: &str = r#"
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;

class Fetch {
    public static void main(String[] arguments) throws Exception {
        for (String range : new String[] { null, "bytes=0-9" }) {
            HttpURLConnection connection = (HttpURLConnection) new URL(arguments[0]).openConnection();
            if (range != null) {
                connection.setRequestProperty("Range", range);
            }
            byte[] bytes = connection.getInputStream().readAllBytes();
            if (range == null) {
                Files.write(Path.of("p.zip"), bytes);
            }
            System.out.print(connection.getResponseCode() + " " + bytes.length + "\n");
        }
    }
}
"#;
