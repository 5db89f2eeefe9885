//! The servers that are compared: processes, their processor time and memory.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::{Outcome, to_f64};

/// A server process, and who works for it.
pub(crate) struct Running {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    child: Child,
}

impl Running {
    fn processes(&self) -> Vec<u32> {
        let of = self.child.id();
        let children = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
        std::iter::once(of).chain(children.split_whitespace().filter_map(|pid| pid.parse().ok())).collect()
    }

    /// Seconds of processor time so far, as the scheduler counts them.
    pub(crate) fn cpu(&self) -> f64 {
        let of_thread = |folder: fs::DirEntry| {
            let text = fs::read_to_string(folder.path().join("schedstat")).unwrap_or_default();
            text.split_whitespace().next().and_then(|spent| spent.parse::<u64>().ok()).unwrap_or_default()
        };
        let of_process = |pid: u32| -> u64 {
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
            threads.filter_map(Result::ok).map(of_thread).sum()
        };
        to_f64(self.processes().into_iter().map(of_process).sum()) / 1e9
    }

    /// A line of `/proc/PID/status` in MiB, of all its processes.
    pub(crate) fn memory(&self, line: &str) -> f64 {
        let of = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let value = status
                .lines()
                .find_map(|text| text.strip_prefix(line)?.split_whitespace().next()?.parse().ok());
            value.unwrap_or(0_u64)
        };
        to_f64(self.processes().iter().map(of).sum()) / 1024.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx ends its workers when it is told to end, not when it is killed.
        let _told = Command::new("kill").arg(self.child.id().to_string()).status();
        let _over = self.child.wait();
    }
}

fn pinned(program: &str) -> Command {
    if Command::new("taskset").arg("-V").output().is_err() {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "0", program]);
    command
}

pub(crate) fn start_ours(folder: &Path, port: u16) -> Outcome<Running> {
    let program = std::env::current_exe()?;
    let child = pinned(program.to_str().ok_or("an odd path")?)
        .arg("serve")
        .arg(folder)
        .arg(port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Running { name: "midmirror", port, child })
}

pub(crate) fn start_nginx(folder: &Path, port: u16) -> Option<Running> {
    let nginx = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).is_file())?;
    let at = folder.display();
    let config = format!(
        "worker_processes 1;\nworker_rlimit_nofile 20000;\ndaemon off;\nerror_log {at}/error.log;\npid {at}/pid;\n\
         events {{ worker_connections 12000; }}\nhttp {{\naccess_log {at}/nginx.log combined;\n\
         default_type application/octet-stream;\nclient_body_temp_path {at}/b; proxy_temp_path {at}/p; \
         fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
         sendfile off; tcp_nopush on; keepalive_timeout 600s; keepalive_requests 1000000000; output_buffers 2 32k;\n\
         open_file_cache max=1000 inactive=60s;\n\
         server {{ listen 127.0.0.1:{port} ssl backlog=4096; server_name localhost;\n\
         ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem; ssl_protocols TLSv1.3;\n\
         ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\nlocation / {{ root {at}/www; }}\n}}\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), config).ok()?;
    let child = pinned(nginx)
        .arg("-e")
        .arg(folder.join("error.log"))
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(folder.join("nginx.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    Some(Running { name: "nginx", port, child })
}

/// Until it answers, and has looked at the digests of its files.
pub(crate) async fn wait_for(server: &Running) -> Outcome<()> {
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", server.port)).await.is_err() {
        if begin.elapsed() > Duration::from_secs(20) {
            return Err(format!("{} does not listen", server.name).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

pub(crate) fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
