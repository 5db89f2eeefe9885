//! Plans from all that an operator has, as the program makes them, and the instance and store behind them.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::{Content, Fault};

use crate::site::{Run, Site, shipped};

fn new_tag() -> (String, String) {
    let (rest, time) = embedded::new_stamp().rsplit_once('_').unwrap();
    let (tag, date) = rest.rsplit_once('_').unwrap();
    (format!("glide-{tag}"), format!("{date}_{time}"))
}

fn stats_page() -> String {
    let (tag, date) = new_tag();
    format!(
        "<html><title>x</title><body>Build date: {date}<br/>Build tag: {tag}<br/>MID buildstamp: {}<br/></body></html>",
        embedded::new_stamp()
    )
}

/// A site whose upstream is an instance as well.
fn site_with_instance(page: &str) -> Site {
    let mut packages = shipped();
    packages.push(("stats.do".to_owned(), Content::Shared(Arc::from(page.as_bytes()))));
    Site::with_packages(packages)
}

fn with_input(site: &Site, arguments: &[&str], input: &[u8]) -> Run {
    let mut command = site.command(arguments);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    // What is over the limit is not read to its end.
    let _cut_short = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap().into()
}

#[test]
fn every_source_of_one_build_gives_the_same_addresses() {
    let site = Site::new();
    let stamp = embedded::new_stamp();
    let by_stamp = site.run(&["plan", "--urls", stamp]).expect(0).stdout;
    assert_eq!(by_stamp.lines().count(), 5, "{by_stamp}");
    let (tag, date) = new_tag();
    let tag_and_date = format!("{tag} {date}");
    let pasted = format!(" {} ", stamp.replace('_', "\\_"));
    for arguments in [
        &["plan", "--urls", "Australia Patch 3 Hotfix 1"][..],
        &["plan", "--urls", "australia-p3h1"],
        &["plan", "--urls", &tag],
        &["plan", "--urls", &tag_and_date],
        &["plan", "--urls", &tag, "--build-date", &date],
        &["plan", "--urls", &pasted],
        &["plan", "--urls", stamp, "australia p3h1", stamp],
    ] {
        assert_eq!(site.run(arguments).expect(0).stdout, by_stamp, "{arguments:?}");
    }
    for (option, input) in [
        ("--stats", stats_page()),
        ("--stats", format!("Build tag: {tag}\r\nBuild date: {date}\r\n")),
        ("--from", by_stamp.clone()),
        ("--from", format!("\u{feff}# builds\r\n\r\n  {stamp}\r\n")),
    ] {
        let run = with_input(&site, &["plan", "--urls", option, "-"], input.as_bytes()).expect(0);
        assert_eq!(run.stdout, by_stamp, "{input}");
    }
    // Names, in the order of the list.
    let names: Vec<&str> = by_stamp.lines().map(|url| url.rsplit_once('/').unwrap().1).collect();
    fs::write(site.path("names.txt"), names.join("\n")).unwrap();
    assert_eq!(site.run(&["plan", "--urls", "--from", "names.txt"]).expect(0).stdout, by_stamp);
}

#[test]
fn an_ambiguous_name_ends_2_with_the_builds_to_choose_from() {
    let site = Site::new();
    site.run(&["plan", "sandiego patch 10"])
        .expect(2)
        .says("sandiego-12-22-2021__patch10-01-12-2023_01-23-2023_1901")
        .says("sandiego-12-22-2021__patch10-01-12-2023_01-26-2023_1707");
    site.run(&["plan", "zurich"])
        .expect(2)
        .says("zurich-07-01-2025__patch10-hotfix2-06-22-2026_06-23-2026_0549");
    site.run(&["plan", "zurich patch 99"]).expect(2).says("names no known build").says("stats.do");
}

#[test]
fn builds_of_the_catalog_are_known_by_name() {
    let site = Site::new();
    site.run(&["plan", "zurich patch 0"]).expect(0).says(embedded::old_stamp());
    let site = site.synced();
    let plan = site.run(&["plan", "australia patch 3 hotfix 1"]).expect(0).says("in store");
    assert!(plan.stdout.lines().any(|line| line.contains(" KiB")), "{}", plan.stdout);
    let json = site.run(&["plan", "--json", embedded::new_stamp()]).expect(0).stdout;
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(rows[0]["length"].as_u64().is_some_and(|length| length > 1000) && rows[0]["sha256"].is_string());
}

#[test]
fn irregular_stamps_are_refused_alone_and_carried_with_their_address() {
    let site = Site::new();
    for stamp in [
        "2012-07-18-1833",
        "trackdiscocopper-10-09-2020_10-14-2021_2200",
        "london-06-27-2018__patch2-hotfix5-11-22-201_11-22-2018_1058",
        "vancouver-07-06-2023_patch1-08-30-2023_09-07-2023_2046",
        "xanadu-07-02-2024__patch5-12-24-2024__12-31-2024_0455",
        "xanadu-07-02-2024__patch6-hotfix1-03-24-2025__03-28-2025_0050",
        "yokohama-12-18-2024__patch3-hotfix4-06-25_2025_06-26-2025_2019",
    ] {
        site.run(&["plan", stamp]).expect(2).says("full URL");
        site.run(&["plan", &format!("mid.{stamp}.linux.x86-64.zip")]).expect(2).says("full URL");
        let url = format!(
            "https://install.service-now.com/glide/distribution/builds/package/mid/2012/07/18/mid.{stamp}.linux.x86-64.zip"
        );
        let plan = site
            .run(&["plan", "--urls", &url])
            .expect(0)
            .says("warning")
            .says("not of the vendor's usual form");
        assert_eq!(plan.stdout.trim(), url, "carried as it is");
        let row = site.run(&["plan", "--json", &url]).expect(0).stdout;
        assert!(row.contains("\"irregular_stamp\": true") && row.contains("\"signed_tree\": false"), "{row}");
    }
    // A trailing blank is trimmed, a blank inside is not repaired.
    let stamp = "newyork-06-26-2019__patch0-hotfix2-07-10-2019_07-16-2019_1636";
    site.run(&["plan", &format!("{stamp} ")]).expect(0);
    site.run(&["plan", &format!("mid.{stamp} .windows.x86-64.zip")]).expect(2);
}

#[test]
fn the_tree_is_said_where_it_is_not_the_signed_one_or_cannot_be() {
    let site = Site::new();
    let old = "london-06-27-2018__patch0-07-11-2018_07-14-2018_1223";
    site.run(&["plan", old]).expect(0).says("older than the vendor's signed tree");
    let plan = site.run(&["plan", "--unsigned-tree", old]).expect(0).says("UNSIGNED TREE");
    assert!(plan.stdout.contains("/package/mid-core/2018/07/14/"), "{}", plan.stdout);
    let plan = site.run(&["plan", embedded::new_stamp()]).expect(0);
    assert!(!plan.stderr.contains("warning"), "{}", plan.stderr);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_newest_lists_of_a_rotated_log_count_also_when_it_is_packed() {
    let site = Site::new();
    let logs = site.path("logs");
    fs::create_dir(&logs).unwrap();
    let lists = |time: &str, stamp: &str| {
        let name = format!("mid-core.{stamp}.universal.universal.zip");
        format!("{time} (1) T Current packages:\n Installed: []\n Assigned: [{name}]\n Missing: [{name}]\n")
    };
    let write = |name: &str, bytes: &[u8]| fs::write(logs.join(name), bytes).unwrap();
    write("agent0.log.0", b"06/28/19 12:00:00 (1) T nothing yet\n");
    write("agent0.log.1.gz", &gzip(lists("06/28/19 11:00:00", embedded::new_stamp()).as_bytes()));
    write("agent0.log.2", lists("06/28/19 10:00:00", embedded::old_stamp()).as_bytes());
    let plan = |arguments: &[&str]| {
        let mut all = vec!["plan", "--urls"];
        all.extend(arguments);
        site.run(&all).expect(0).stdout
    };
    let all = ["--log", "logs/agent0.log.0", "--log", "logs/agent0.log.2", "--log", "logs/agent0.log.1.gz"];
    for arguments in [&all[..], &["--log", "logs/agent0.log.0"], &["--log", "logs/agent0.log.1.gz"]] {
        let plan = plan(arguments);
        assert!(plan.contains(embedded::new_stamp()) && plan.lines().count() == 1, "{plan}");
    }
    // Logs of two agents are two logs.
    fs::create_dir(site.path("other")).unwrap();
    fs::copy(logs.join("agent0.log.2"), site.path("other/agent0.log.0")).unwrap();
    let both = plan(&["--log", "logs/agent0.log.0", "--log", "other/agent0.log.0"]);
    assert_eq!(both.lines().count(), 2, "{both}");
    write("agent0.log.0", &gzip(&vec![b'\n'; 80 << 20]));
    site.run(&["plan", "--log", "logs/agent0.log.0"]).expect(2).says("more than");
    site.run(&["plan", "--log", "-", "--from", "-"]).expect(2).says("twice");
}

#[test]
fn a_live_instance_is_asked_for_its_page_only() {
    let site = site_with_instance(&stats_page());
    let instance = site.upstream().base_url();
    let plan = site.run(&["plan", "--urls", "--instance", &instance]).expect(0).says(embedded::new_stamp());
    assert_eq!(plan.stdout, site.run(&["plan", "--urls", embedded::new_stamp()]).expect(0).stdout);
    let asked: Vec<_> =
        site.upstream().requests().into_iter().map(|request| (request.path, request.authorization)).collect();
    assert_eq!(asked, [("/stats.do".to_owned(), None)]);
    site.run(&["--offline", "plan", "--instance", &instance]).expect(2).says("--offline");
    site.run(&["plan", "--instance", &format!("{instance}/nav_to.do")]).expect(2);
}

#[cfg(unix)]
fn write_credentials(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(file, "anna:sesame-open\n").unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(unix)]
#[test]
fn credentials_go_to_the_instance_and_nowhere_else() {
    let (site, other) = (site_with_instance(&stats_page()), site_with_instance(&stats_page()));
    let instance = site.upstream().base_url();
    let arguments = ["plan", "--instance", &instance, "--instance-credentials", "credentials"];
    write_credentials(&site.path("credentials"), 0o640);
    site.run(&arguments).expect(2).says("chmod 600");
    write_credentials(&site.path("credentials"), 0o600);
    let run = site.command(&arguments).env("MIDMIRROR_LOG", "trace").output().unwrap();
    let run = Run::from(run).expect(0);
    let shown = format!("{}{}", run.stdout, run.stderr);
    let basic = "YW5uYTpzZXNhbWUtb3Blbg==";
    assert!(!shown.contains("sesame") && !shown.contains(basic), "{shown}");
    let last = |site: &Site| site.upstream().requests().last().cloned().unwrap().authorization;
    assert_eq!(last(&site).as_deref(), Some(format!("Basic {basic}").as_str()));
    // Over plain http they are never sent, even where plain http is allowed.
    let plain = instance.replace("https://", "http://");
    site.run(&["plan", "--instance", &plain, "--instance-credentials", "credentials"]).expect(2);
    // A redirect to another host that is allowed does not take them along.
    let ours = fs::read_to_string(site.path("upstream-ca.pem")).unwrap();
    let theirs = fs::read_to_string(other.path("upstream-ca.pem")).unwrap();
    fs::write(site.path("upstream-ca.pem"), ours + &theirs).unwrap();
    let to = format!("{}/stats.do", other.upstream().base_url());
    site.upstream().set_faults("stats.do", Fault::Redirect { to }, None);
    site.run(&arguments).expect(0).says(embedded::new_stamp());
    assert_eq!(last(&other), None);
}

#[test]
fn a_page_that_names_no_build_or_two_ends_with_what_to_do() {
    let site = site_with_instance("<html><title>Log in</title><form action='login.do'></form></html>");
    let instance = site.upstream().base_url();
    site.run(&["plan", "--instance", &instance]).expect(2).says("--instance-credentials").says("--stats");
    for page in [
        "MID buildstamp: ../../../etc/passwd".to_owned(),
        format!("MID buildstamp: {}\nMID buildstamp: {}", embedded::new_stamp(), embedded::old_stamp()),
        "<script>MID buildstamp: x</script>".to_owned(),
        "x".repeat(5 << 20),
        "MID buildstamp: \u{1b}[2Jx".to_owned(),
    ] {
        let run = with_input(&site, &["plan", "--stats", "-"], page.as_bytes()).expect(2);
        assert!(run.stdout.is_empty() && !run.stderr.contains('\u{1b}'), "{}", run.stderr);
    }
}

#[test]
fn a_bad_line_of_a_list_is_named_by_its_number() {
    let site = Site::new();
    let list = format!("{}\nnonsense.of.some.kind\n", embedded::new_stamp());
    with_input(&site, &["plan", "--from", "-"], list.as_bytes()).expect(2).says("line 2");
    with_input(&site, &["plan", "--from", "-"], b"# nothing\n").expect(2).says("empty");
    with_input(&site, &["plan", "--from", "-"], &gzip(&vec![b'\n'; 80 << 20])).expect(2).says("more than");
}
