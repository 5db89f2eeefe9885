//! Other people's servers and proxies on loopback; skipped where they are not installed.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use midmirror_mirror::fetch::Proxy;

use crate::certificates::Identity;

/// A running program with a folder of its own; ended when dropped.
pub(crate) struct Program {
    child: Child,
    folder: tempfile::TempDir,
    scheme: &'static str,
    port: u16,
}

/// Name and password that a proxy is to ask for.
pub(crate) type Credentials = Option<(&'static str, &'static str)>;

impl Program {
    pub(crate) async fn squid(credentials: Credentials) -> Option<Self> {
        let (folder, port) = place();
        let mut config = format!(
            "http_port 127.0.0.1:{port}\npid_filename DIR/squid.pid\ncache deny all\ncache_log DIR/cache.log\n\
             access_log stdio:DIR/access.log\ncoredump_dir DIR\nshutdown_lifetime 0 seconds\n\
             visible_hostname squid.test\nvia off\nacl forbidden dstdomain forbidden.example\n\
             http_access deny forbidden\n"
        );
        if credentials.is_some() {
            // `anna:secret`, as `openssl passwd -apr1` makes it
            fs::write(folder.path().join("users"), "anna:$apr1$midmirro$e4csdz/c66bdZ36ACg53u0\n").unwrap();
            config += "auth_param basic program /usr/lib/squid/basic_ncsa_auth DIR/users\n\
                       auth_param basic realm test\nacl known proxy_auth REQUIRED\n\
                       http_access allow known\nhttp_access deny all\n";
        } else {
            config += "http_access allow all\n";
        }
        let file = write(&folder, &config);
        start("squid", &["-N", "-f", &file], "http", port, folder).await
    }

    pub(crate) async fn tinyproxy(credentials: Credentials) -> Option<Self> {
        let (folder, port) = place();
        let mut config = format!(
            "Listen 127.0.0.1\nPort {port}\nTimeout 60\nMaxClients 200\nLogFile \"DIR/access.log\"\n\
             Filter \"DIR/filter\"\n"
        );
        if let Some((user, password)) = credentials {
            config += &format!("BasicAuth {user} {password}\n");
        }
        fs::write(folder.path().join("filter"), "forbidden\\.example\n").unwrap();
        let file = write(&folder, &config);
        start("tinyproxy", &["-d", "-c", &file], "http", port, folder).await
    }

    pub(crate) async fn microsocks(credentials: Credentials) -> Option<Self> {
        let (folder, port) = place();
        let number = port.to_string();
        let mut arguments = vec!["-i", "127.0.0.1", "-p", &number];
        if let Some((user, password)) = credentials {
            arguments.extend(["-u", user, "-P", password]);
        }
        start("microsocks", &arguments, "socks5h", port, folder).await
    }

    /// An HTTPS server of the folder `www`, with the given directives.
    pub(crate) async fn nginx(identity: &Identity, directives: &str) -> Option<Self> {
        let (folder, port) = place();
        fs::create_dir(folder.path().join("www")).unwrap();
        fs::write(folder.path().join("cert.pem"), &identity.certificate_pem).unwrap();
        fs::write(folder.path().join("key.pem"), &identity.key_pem).unwrap();
        let config = format!(
            "daemon off;\nmaster_process off;\npid DIR/pid;\nerror_log DIR/error.log;\nevents {{}}\nhttp {{\n\
             log_format timed '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
             \"$http_referer\" \"$http_user_agent\" $connection $msec $request_time';\n\
             limit_conn_zone $binary_remote_addr zone=clients:1m;\n\
             access_log DIR/access.log timed;\nclient_body_temp_path DIR/a;\nproxy_temp_path DIR/b;\n\
             fastcgi_temp_path DIR/c;\nuwsgi_temp_path DIR/d;\nscgi_temp_path DIR/e;\n\
             server {{\nlisten 127.0.0.1:{port} ssl http2;\nssl_certificate DIR/cert.pem;\n\
             ssl_certificate_key DIR/key.pem;\nroot DIR/www;\n{directives}\n}}\n}}\n"
        );
        let file = write(&folder, &config);
        start("nginx", &["-c", &file, "-e", "stderr"], "https", port, folder).await
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A file in the program's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// This proxy, with `user:password@` or nothing.
    pub(crate) fn proxy(&self, credentials: &str) -> Proxy {
        Proxy::parse(&format!("{}://{credentials}127.0.0.1:{}", self.scheme, self.port)).unwrap()
    }

    /// The access log, once it contains a text.
    pub(crate) async fn log_with(&self, text: &str) -> String {
        self.log_that(|log| log.contains(text)).await
    }

    /// The access log, once it has so many lines.
    pub(crate) async fn log_lines(&self, count: usize) -> String {
        self.log_that(|log| log.lines().count() >= count).await
    }

    async fn log_that(&self, is_there: impl Fn(&str) -> bool) -> String {
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            let log = fs::read_to_string(self.path("access.log")).unwrap_or_default();
            if is_there(&log) {
                return log;
            }
            assert!(Instant::now() < patience, "something is missing in the log:\n{log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A folder that programs may write to after they have given up being root, and a free port.
fn place() -> (tempfile::TempDir, u16) {
    let folder = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    (folder, port)
}

fn write(folder: &tempfile::TempDir, config: &str) -> String {
    let file = folder.path().join("config");
    fs::write(&file, config.replace("DIR", folder.path().to_str().unwrap())).unwrap();
    file.to_str().unwrap().to_owned()
}

async fn start(
    name: &str,
    arguments: &[&str],
    scheme: &'static str,
    port: u16,
    folder: tempfile::TempDir,
) -> Option<Program> {
    let places = [Path::new("/usr/sbin"), Path::new("/usr/bin"), Path::new("/usr/local/sbin")];
    let Some(path) = places.iter().map(|place| place.join(name)).find(|path| path.is_file()) else {
        assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "no {name}");
        eprintln!("skipped: no {name}");
        return None;
    };
    let log = fs::File::create(folder.path().join("output")).unwrap();
    let child = Command::new(path)
        .args(arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut program = Program { child, folder, scheme, port };
    let patience = Instant::now() + Duration::from_secs(20);
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        let output = || fs::read_to_string(program.folder.path().join("output")).unwrap_or_default();
        assert!(Instant::now() < patience, "{name} does not listen: {}", output());
        if let Some(status) = program.child.try_wait().unwrap() {
            panic!("{name} ended with {status}: {}", output());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some(program)
}
