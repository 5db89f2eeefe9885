//! `midmirror fetch`, killed at many points of a download: each run goes on where the one before was killed.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use midmirror_fixtures::noise::Noise;
use midmirror_fixtures::upstream::{Content, Fault};
use midmirror_mirror::Sha256Digest;

use crate::site::Site;

const PATH: &str = "glide/distribution/builds/package/app-signed/mid-linux-installer/2026/06/19/\
                    mid-linux-installer.australia-02-11-2026__patch3-hotfix1-06-18-2026_06-19-2026_0938.linux.x86-64.deb";
const LENGTH: usize = 24_000_000;
const KILLS: u64 = 20;
/// What may be on its way when a process dies: pieces of 128 KiB in the upstream's, the sockets' and our own hands.
const BUFFER: u64 = 512 << 10;

#[test]
fn fetch_killed_at_20_points_goes_on_where_it_was() {
    let mut noise = Noise::named(20, "killed fetch");
    let bytes: Arc<[u8]> = noise.bytes(LENGTH).into();
    let digest = Sha256Digest::of(&bytes);
    let site = Site::with_packages(vec![(PATH.to_owned(), Content::Shared(bytes))]);
    site.configure(&format!("[[policy.pin]]\nsha256 = \"{digest}\"\nreason = \"test\"\n"));
    site.run(&["init"]).expect(0);
    site.upstream().set_faults("", Fault::Slow { bytes_per_second: 8_000_000 }, None);
    let url = format!("{}/{PATH}", site.upstream().base_url());

    let mut points: Vec<u64> = (0..KILLS).map(|_| noise.below(23_000_000)).collect();
    points.sort_unstable();
    for point in points {
        let before = downloaded(&site);
        let command = &mut site.command(&["fetch", &url]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while downloaded(&site) <= point.max(before) {
            assert!(child.try_wait().unwrap().is_none(), "ended before byte {point}");
            assert!(Instant::now() < patience, "byte {point} does not arrive");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(noise.below(20)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    site.run(&["fetch", &url]).expect(0);
    assert_eq!(Sha256Digest::of(&fs::read(site.blob("mid-linux-installer")).unwrap()), digest);
    site.run(&["store", "check", "--full"]).expect(0);

    let requests = site.upstream().requests();
    assert_eq!(requests.len(), 21, "each run asks once");
    let start = |range: &Option<String>| {
        let text =
            range.as_deref().map_or("0", |range| range.trim_start_matches("bytes=").trim_end_matches('-'));
        text.parse::<u64>().unwrap()
    };
    let mut again = Vec::new();
    for pair in requests.windows(2) {
        assert!(pair[1].status == 206 || start(&pair[1].range) == 0, "{pair:?}");
        again.push(start(&pair[0].range) + pair[0].sent - start(&pair[1].range));
    }
    let total: u64 = requests.iter().map(|request| request.sent).sum();
    let length = u64::try_from(LENGTH).unwrap();
    println!(
        "sent again after {KILLS} kills: {} bytes, at most {:?} after one",
        total - length,
        again.iter().max()
    );
    assert!(again.iter().all(|bytes| *bytes <= BUFFER), "{again:?}");
}

#[test]
fn fetch_with_segments_killed_at_8_points_leaves_a_beginning_of_the_file_and_goes_on_there() {
    let mut noise = Noise::named(8, "killed fetch with segments");
    let bytes: Arc<[u8]> = noise.bytes(LENGTH).into();
    let digest = Sha256Digest::of(&bytes);
    let site = Site::with_packages(vec![(PATH.to_owned(), Content::Shared(Arc::clone(&bytes)))]);
    site.configure(&format!("[[policy.pin]]\nsha256 = \"{digest}\"\nreason = \"test\"\n"));
    let config = fs::read_to_string(site.path("midmirror.toml")).unwrap();
    let config = config.replace("[upstream]\n", "[upstream]\nsegments = 4\n");
    fs::write(site.path("midmirror.toml"), config).unwrap();
    site.run(&["init"]).expect(0);
    site.upstream().set_faults("", Fault::Slow { bytes_per_second: 2_000_000 }, None);
    let url = format!("{}/{PATH}", site.upstream().base_url());

    let mut points: Vec<u64> = (0..8).map(|_| noise.below(20_000_000)).collect();
    points.sort_unstable();
    let mut there = Vec::new();
    for point in points {
        let asked = site.upstream().requests().len();
        let command = &mut site.command(&["fetch", &url]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while downloaded(&site) <= point.max(u64::try_from(there.len()).unwrap()) {
            assert!(child.try_wait().unwrap().is_none(), "ended before byte {point}");
            assert!(Instant::now() < patience, "byte {point} does not arrive");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(noise.below(20)));
        child.kill().unwrap();
        child.wait().unwrap();
        for request in &site.upstream().requests()[asked..] {
            let range = request.range.as_deref().and_then(|range| range.strip_prefix("bytes=")).unwrap();
            let first: usize = range.split_once('-').unwrap().0.parse().unwrap();
            assert!(first >= there.len() && request.status == 206, "{request:?}: {} are there", there.len());
        }
        there = part(&site).map(|part| fs::read(part).unwrap()).unwrap();
        assert!(bytes.starts_with(&there), "{} bytes are no beginning of the file", there.len());
    }
    site.upstream().clear_faults();
    site.run(&["fetch", &url]).expect(0);
    assert_eq!(Sha256Digest::of(&fs::read(site.blob("mid-linux-installer")).unwrap()), digest);
    site.run(&["store", "check", "--full"]).expect(0);
}

/// The part in quarantine.
fn part(site: &Site) -> Option<PathBuf> {
    let folders = fs::read_dir(site.path("store/quarantine")).ok()?;
    folders.map(|folder| folder.unwrap().path().join("package.part")).find(|part| part.is_file())
}

/// Length of the part in quarantine.
fn downloaded(site: &Site) -> u64 {
    part(site).and_then(|part| fs::metadata(part).ok()).map_or(0, |part| part.len())
}
