//! Java's HttpURLConnection, the agents' kind of client, with our authority imported by keytool as in the guide.

use std::fs;

use crate::tool::{Served, is_there};

#[test]
fn java_trusts_the_imported_authority_and_no_other() {
    if !is_there("java") || !is_there("keytool") || !is_there("sha256sum") {
        return;
    }
    let served = Served::start();
    let import =
        "keytool -importcert -noprompt -alias midmirror -file CA -keystore cacerts -storepass changeit";
    served.run(import).expect(0);
    fs::write(served.site.path("Fetch.java"), PROGRAM).unwrap();
    let trust = "-Djavax.net.ssl.trustStore=cacerts -Djavax.net.ssl.trustStorePassword=changeit";
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let fetched =
            served.run(&format!("java {trust} -Djdk.tls.client.protocols={protocol} Fetch.java URL"));
        assert_eq!(fetched.expect(0).stdout, format!("200 {}\n206 10\n", served.bytes.len()));
        served.expect_package("p.zip");
        fs::remove_file(served.site.path("p.zip")).unwrap();
    }
    served.run("java Fetch.java URL").expect(1).says("unable to find valid certification path");
}

const PROGRAM: &str = r#"
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
