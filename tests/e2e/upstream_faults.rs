//! What an upstream can do to us, and what becomes of it.

use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::Fault;

use crate::site::Site;

fn core_with(fault: Fault, times: Option<u32>) -> Site {
    let site = Site::new();
    site.run(&["init"]).expect(0);
    site.upstream().set_faults("mid-core.", fault, times);
    site
}

fn sync(site: &Site) -> crate::site::Run {
    site.run(&["sync", "--kind", "mid-core", embedded::new_stamp()])
}

#[test]
fn a_connection_that_breaks_once_is_resumed() {
    let site = core_with(Fault::CutAfter { bytes: 30_000 }, Some(1));
    sync(&site).expect(0);
    let requests = site.upstream().requests();
    assert!(requests.iter().any(|request| request.range.is_some()), "no request with a range: {requests:?}");
}

#[test]
fn a_busy_upstream_is_asked_again_after_the_time_it_names() {
    let site = core_with(Fault::ServiceUnavailable { retry_after_s: Some(1) }, Some(2));
    sync(&site).expect(0);
    assert!(site.upstream().requests().iter().filter(|request| request.status == 503).count() == 2);
}

#[test]
fn wrong_lengths_endless_bodies_and_encodings_are_no_success() {
    for fault in
        [Fault::WrongLength { delta: -1000 }, Fault::WrongLength { delta: 1000 }, Fault::GzipEncoding]
    {
        let site = core_with(fault.clone(), None);
        let run = sync(&site);
        assert!([3, 8, 9].contains(&run.code), "{fault:?}: {} {}", run.code, run.stderr);
        assert!(!site.run(&["list", "--json"]).expect(0).stdout.contains("mid-core."));
    }
}

#[test]
fn an_endless_body_ends_at_the_limit() {
    let site = core_with(Fault::Endless, None);
    let text = std::fs::read_to_string(site.path("midmirror.toml")).unwrap();
    let limited = text.replace("[upstream]\n", "[upstream]\nmax_package_bytes = 3000000\n");
    std::fs::write(site.path("midmirror.toml"), limited).unwrap();
    let run = sync(&site);
    assert_ne!(run.code, 0);
    let _named = run.says("3000000");
}

#[test]
fn a_redirect_to_plain_http_is_not_followed() {
    let site = core_with(Fault::Redirect { to: "http://localhost:1/mid-core.zip".to_owned() }, None);
    let run = sync(&site);
    assert_ne!(run.code, 0);
    let _named = run.says("http://localhost:1");
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let site = core_with(Fault::CutAfter { bytes: 30_000 }, None);
    sync(&site).expect(8);
    site.upstream().clear_faults();
    site.upstream().set_faults("mid-core.", Fault::IgnoreRange, None);
    sync(&site).expect(0);
    site.run(&["store", "check", "--full"]).expect(0);
}
