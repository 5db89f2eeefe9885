//! While one package is verified the next one is fetched, and only that one.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use midmirror_fixtures::embedded;
use midmirror_fixtures::upstream::{Options, Upstream};
use midmirror_mirror::admit::AdmissionPolicy;
use midmirror_mirror::catalog::{Lifetimes, SigningKeys};
use midmirror_mirror::fetch::{ClientConfig, FetchEvent, HttpClient, Progress, Roots};
use midmirror_mirror::pipeline::{self, Event, Observer, OnChange, Site, SyncOptions};
use midmirror_mirror::plan::plan_url;
use midmirror_mirror::store::Store;
use midmirror_verify::TrustStore;

/// Counts what has begun and what is complete.
#[derive(Default)]
struct Seen {
    counts: Mutex<(usize, usize)>,
    changed: Condvar,
}

impl Seen {
    fn tell(&self, event: Event<'_>) {
        let mut counts = self.counts.lock().unwrap();
        match event {
            Event::Started { .. } => counts.0 += 1,
            Event::Fetching { event: FetchEvent::Progress(Progress { received, total }), .. }
                if Some(received) == total =>
            {
                counts.1 += 1;
            }
            Event::Verifying { .. } if counts.0 == 1 => {
                // The first verification does not go on before the second package is complete; without overlap it
                // never would be.
                let (counts, waited) = self
                    .changed
                    .wait_timeout_while(counts, Duration::from_secs(60), |counts| counts.1 < 2)
                    .unwrap();
                assert!(!waited.timed_out(), "the second package was not fetched meanwhile");
                assert_eq!(counts.0, 2, "a third one was begun although the second waits");
                return;
            }
            _ => {}
        }
        self.changed.notify_all();
    }
}

#[test]
fn the_next_package_is_fetched_while_one_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let now = jiff::Timestamp::now();
    let store = Store::create(&folder.path().join("store"), now).unwrap();
    let keys = SigningKeys::create(&folder.path().join("keys")).unwrap();
    let trust = TrustStore::read("test", embedded::test_anchors_pem().as_bytes(), None).unwrap();
    let policy = AdmissionPolicy::default();
    let site = Site {
        store: &store,
        keys: &keys,
        lifetimes: &Lifetimes::CONNECTED,
        trust: &trust,
        timestamp_trust: None,
        agent_anchors: None,
        policy: &policy,
        proof: None,
        on_change: OnChange::Hold,
        max_package_bytes: 1 << 30,
        now,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let report = runtime.block_on(async {
        let upstream = Upstream::start(Options::embedded()).await.unwrap();
        let roots = Roots::Only { pem: upstream.ca_pem().as_bytes().to_vec() };
        let client = HttpClient::new(ClientConfig { roots, ..ClientConfig::default() }).unwrap();
        let planned: Vec<_> = embedded::packages()
            .iter()
            .filter(|package| package.is_jar_signed())
            .take(3)
            .map(|package| plan_url(&format!("{}/{}", upstream.base_url(), package.path)).unwrap())
            .collect();
        let seen = Arc::new(Seen::default());
        let observer: Arc<Observer<'static>> = Arc::new(move |event: Event<'_>| seen.tell(event));
        pipeline::sync(&site, &client, &planned, &SyncOptions::default(), observer).await.unwrap()
    });
    assert_eq!(report.items.len(), 3);
    assert!(report.items.iter().all(|item| item.outcome.is_success()), "{report:?}");
}
