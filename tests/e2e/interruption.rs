//! `kill -9` and full disks: nothing committed is lost, nothing half is visible, the next run completes.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::Fault;

use crate::site::Site;

/// Kills a run after a while; returns whether it was still running.
fn killed_after(mut command: Command, pause: Duration) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(pause);
    let running = child.try_wait().unwrap().is_none();
    let _gone = child.kill();
    child.wait().unwrap();
    running
}

#[test]
fn a_sync_killed_at_any_moment_is_completed_by_the_next() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.upstream().set_faults("/app-signed/", Fault::Slow { bytes_per_second: 300_000 }, None);
    let mut interrupted = 0;
    for step in 1..=12u64 {
        let command = site.command(&["sync", embedded::new_stamp()]);
        interrupted += u32::from(killed_after(command, Duration::from_millis(step * 35)));
        // Whatever is visible is whole.
        site.run(&["store", "check", "--full"]).expect(0);
    }
    assert!(interrupted >= 3, "only {interrupted} runs were interrupted");
    site.upstream().clear_faults();
    site.run(&["sync", embedded::new_stamp()]).expect(0);
    site.run(&["store", "check", "--full"]).expect(0);
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(0);
}

#[test]
fn staging_killed_at_any_moment_never_shows_a_partial_zip() {
    let site = Site::new().synced();
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    for step in 0..12u64 {
        let command = site.command(&["host", "stage", &agent, "--from", "store"]);
        killed_after(command, Duration::from_millis(step * 12));
        for name in site.incoming(&agent).iter().filter(|name| name.ends_with(".zip")) {
            let shipped = embedded::packages().iter().find(|package| package.path.ends_with(name)).unwrap();
            let staged = fs::read(site.path(&agent).join("package/incoming").join(name)).unwrap();
            assert_eq!(staged, shipped.bytes, "{name}");
        }
    }
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(0);
    assert!(site.incoming(&agent).iter().all(|name| name.ends_with(".zip")), "{:?}", site.incoming(&agent));
}

/// A limit on the size of files stands in for a full disk where no small file system can be mounted: the write
/// fails in the middle all the same (EFBIG).
#[cfg(unix)]
#[test]
fn a_write_that_fails_in_the_middle_loses_nothing() {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.run(&["sync", "--kind", "mid-upgrade", embedded::new_stamp()]).expect(0);
    let limited = |arguments: &str| {
        let program = env!("CARGO_BIN_EXE_midmirror");
        let script =
            format!("trap '' XFSZ; ulimit -f 40; exec {program:?} --config midmirror.toml {arguments}");
        let mut command = Command::new("bash");
        command.arg("-c").arg(script).current_dir(site.path("")).env("MIDMIRROR_STATE", site.path("state"));
        let run: crate::site::Run = command.output().unwrap().into();
        run
    };
    limited(&format!("sync --kind mid-core {}", embedded::new_stamp())).expect(13).says("mid-core");
    site.run(&["store", "check", "--full"]).expect(0);
    site.run(&["list"]).expect(0).says("mid-upgrade.");
    site.run(&["sync", embedded::new_stamp()]).expect(0);
    site.enrol("https://localhost:1");
    let agent = site.agent("linux.x86-64");
    let run = limited(&format!("host stage {agent} --from store"));
    assert!([9, 13].contains(&run.code), "{} {}", run.code, run.stderr);
    assert!(
        !site.incoming(&agent).iter().any(|name| name.starts_with("mid-core.") && name.ends_with(".zip"))
    );
    site.run(&["host", "stage", &agent, "--from", "store"]).expect(0);
}

/// A really full disk, where the machine lets us mount a small one.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_survived() {
    let site = Site::new();
    fs::create_dir(site.path("store")).unwrap();
    let store = site.path("store");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=600k", "midmirror-test"])
        .arg(&store)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        assert!(std::env::var_os("MIDMIRROR_REQUIRE_TOOLS").is_none(), "a small tmpfs could not be mounted");
        eprintln!("skipped: mounting a small tmpfs needs root");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        site.run(&["init"]).expect(0);
        let run = site.run(&["sync", embedded::new_stamp()]);
        assert!([9, 13].contains(&run.code), "{} {}", run.code, run.stderr);
        site.run(&["store", "check", "--full"]).expect(0);
        site.run(&["list"]).expect(0);
    });
    let unmounted = Command::new("umount").arg(&store).status().unwrap();
    assert!(unmounted.success());
    result.unwrap();
}
