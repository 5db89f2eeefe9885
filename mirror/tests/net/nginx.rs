//! A real web server: TLS, ranges, limited rate, compression, and a file that is replaced.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use midmirror_mirror::Sha256Digest;
use midmirror_mirror::fetch::{
    ClientConfig, Downloaded, Expectation, FetchError, HttpClient, RetryPolicy, Roots,
};
use url::Url;

use crate::certificates::{Authority, Certificate};
use crate::fetch::body;
use crate::program::Program;

struct Site {
    nginx: Program,
    config: ClientConfig,
    folder: tempfile::TempDir,
}

impl Site {
    async fn start(directives: &str) -> Option<Self> {
        let authority = Authority::new();
        let nginx = Program::nginx(&authority.server(Certificate::Good), directives).await?;
        fs::write(nginx.path("www/p.zip"), body()).unwrap();
        let config = ClientConfig { roots: Roots::Only { pem: authority.pem() }, ..ClientConfig::default() };
        Some(Self { nginx, config, folder: tempfile::tempdir().unwrap() })
    }

    async fn download(&self, total: Duration) -> Result<Downloaded, FetchError> {
        let url = Url::parse(&format!("https://localhost:{}/p.zip", self.nginx.port())).unwrap();
        let client = HttpClient::new(ClientConfig { total_timeout: total, ..self.config.clone() }).unwrap();
        client.download(&url, &self.folder.path().join("p"), &Expectation::default(), &|_| {}).await
    }
}

const COMPRESSED: &str = "gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;";
const LIMITED: &str = "limit_rate 3m; gzip on; gzip_types *; gzip_min_length 1;";
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compression_is_not_asked_for() {
    let Some(site) = Site::start(COMPRESSED).await else { return };
    let done = site.download(LONG).await.unwrap();
    assert_eq!((done.sha256, done.length), (Sha256Digest::of(&body()), 3_000_000));
    assert!(done.headers.iter().any(|(name, value)| name == "etag" && value.starts_with('"')), "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn download_that_ran_out_of_time_is_continued() {
    let Some(site) = Site::start(LIMITED).await else { return };
    let error = site.download(SHORT).await.unwrap_err();
    assert!(matches!(error, FetchError::TotalTime { .. }), "{error:?}");
    let there = fs::metadata(site.folder.path().join("p")).unwrap().len();
    let done = site.download(LONG).await.unwrap();
    assert_eq!((done.sha256, done.resumed_from), (Sha256Digest::of(&body()), there));
    assert!((1..3_000_000).contains(&there), "{there}");
    let rest = 3_000_000 - there;
    let log = site.nginx.log_with("\" 206 ").await;
    assert!(log.contains(&format!("\"GET /p.zip HTTP/1.1\" 206 {rest} ")), "{rest}: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_that_was_replaced_meanwhile_is_fetched_anew() {
    let Some(site) = Site::start(LIMITED).await else { return };
    site.download(SHORT).await.unwrap_err();
    let new: Vec<u8> = body().into_iter().rev().collect();
    let file = site.nginx.path("www/p.zip");
    fs::write(&file, &new).unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(5);
    fs::File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
    let done = site.download(LONG).await.unwrap();
    assert_eq!(done.sha256, Sha256Digest::of(&new));
}

/// What the log says of requests: when they began and ended, in milliseconds, and on which connection.
fn times(log: &str) -> Vec<(f64, f64, &str)> {
    log.lines()
        .filter(|line| line.contains("\" 206 "))
        .map(|line| {
            let mut words = line.rsplit(' ');
            let (took, end) = (words.next().unwrap(), words.next().unwrap());
            let (took, end): (f64, f64) = (took.parse().unwrap(), end.parse().unwrap());
            (end - took, end, words.next().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_connections_are_at_work_at_once_as_configured() {
    let Some(mut site) = Site::start("limit_rate 200k;").await else { return };
    site.config = segmented(site.config, 4);
    let done = site.download(LONG).await.unwrap();
    assert_eq!(done.sha256, Sha256Digest::of(&body()));
    let log = site.nginx.log_lines(RANGES).await;
    let times = times(&log);
    let at_once =
        |moment: f64| times.iter().filter(|(begin, end, _)| (*begin..*end).contains(&moment)).count();
    let most = times.iter().map(|(begin, ..)| at_once(*begin)).max();
    assert_eq!(most, Some(4), "{log}");
    let connections: BTreeSet<_> = times.iter().map(|(.., connection)| connection).collect();
    assert!(connections.len() < RANGES, "connections are used again: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_allows_fewer_connections_gets_fewer() {
    let Some(mut site) = Site::start("limit_rate 400k; limit_conn clients 2;").await else { return };
    site.config = segmented(site.config, 8);
    let done = site.download(LONG).await.unwrap();
    assert_eq!(done.sha256, Sha256Digest::of(&body()));
    let log = site.nginx.log_with("\" 503 ").await;
    assert!(!log.contains("\" 200 "), "no start anew: {log}");
}

fn segmented(config: ClientConfig, segments: usize) -> ClientConfig {
    let retry = RetryPolicy { longest_pause: Duration::from_millis(5), ..RetryPolicy::default() };
    let read_ahead = segments * RANGE;
    ClientConfig { segments, connections_per_host: segments, read_ahead, retry, ..config }
}

const RANGE: usize = 256 << 10;
/// Of the three million bytes of the file.
const RANGES: usize = 12;
