//! What a monitoring system collects at `/metrics`, as OpenMetrics text.
//!
//! Counters are atomics and are counted where things happen; what is a state (the end of the catalog, its packages) is looked
//! up when it is asked for. Nothing here tells of single hosts.

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

/// Everything that is counted; clones of a counter count on together.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Answered requests.
    pub(crate) requests: Family<RequestLabels, Counter>,
    /// Bytes of bodies that connections have taken.
    pub(crate) bytes: Counter,
    /// Requests whose answer has not ended.
    pub(crate) in_flight: Gauge,
    /// From the whole head of a request to the head of the answer.
    pub(crate) seconds: Histogram,
    /// Connections that are open, and those that were refused.
    pub(crate) connections: Gauge,
    pub(crate) refused: Counter,
    /// TLS handshakes by what became of them.
    pub(crate) handshakes: Family<HandshakeLabels, Counter>,
    /// Packages of which the last byte was taken.
    pub(crate) downloads: Family<PackageLabels, Counter>,
    /// Lines of the access log that were lost because the disk did not keep up.
    pub(crate) lost_lines: Counter,
    /// Stored files that were read again.
    pub(crate) checked_files: Family<CheckLabels, Counter>,
    pub(crate) checked_bytes: Counter,
    pub(crate) bad_files: Gauge,
    pub(crate) bad_evidence: Gauge,
    packages: Gauge,
    problem: Gauge,
    published: Gauge,
    expires: Family<RoleLabels, Gauge>,
    certificate_expires: Gauge,
    client_lists_expire: Family<AuthorityLabels, Gauge>,
}

/// The labels of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) method: KnownMethod,
    pub(crate) status: u16,
}

/// Methods by name, and one name for all that clients make up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(clippy::upper_case_acronyms, reason = "the names of the standard, as they are written out")]
pub(crate) enum KnownMethod {
    GET,
    HEAD,
    OPTIONS,
    Other,
}

impl KnownMethod {
    pub(crate) fn of(method: &http::Method) -> Self {
        match method.as_str() {
            "GET" => Self::GET,
            "HEAD" => Self::HEAD,
            "OPTIONS" => Self::OPTIONS,
            _ => Self::Other,
        }
    }
}

/// The label of a handshake.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct HandshakeLabels {
    pub(crate) outcome: &'static str,
}

/// The label of a package: its file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PackageLabels {
    pub(crate) package: String,
}

/// The label of a file that was read again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CheckLabels {
    pub(crate) outcome: &'static str,
}

/// The label of a role of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoleLabels {
    role: &'static str,
}

/// The label of an authority: its subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AuthorityLabels {
    authority: String,
}

/// What is so at the moment, and not counted.
#[derive(Debug)]
pub(crate) struct State<'a> {
    pub(crate) packages: usize,
    pub(crate) problem: bool,
    /// When the catalog on disk was published.
    pub(crate) published: Option<jiff::Timestamp>,
    pub(crate) ends: &'a [crate::catalog::RoleEnd],
    /// When the first certificate of the server's chain ends.
    pub(crate) certificate_end: jiff::Timestamp,
    /// When lists of revoked client certificates end, by authority.
    pub(crate) client_lists_end: Vec<(String, jiff::Timestamp)>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("midmirror");
        let metrics = Self {
            requests: Family::default(),
            bytes: Counter::default(),
            in_flight: Gauge::default(),
            seconds: Histogram::new(BUCKETS),
            connections: Gauge::default(),
            refused: Counter::default(),
            handshakes: Family::default(),
            downloads: Family::default(),
            lost_lines: Counter::default(),
            checked_files: Family::default(),
            checked_bytes: Counter::default(),
            bad_files: Gauge::default(),
            bad_evidence: Gauge::default(),
            packages: Gauge::default(),
            problem: Gauge::default(),
            published: Gauge::default(),
            expires: Family::default(),
            certificate_expires: Gauge::default(),
            client_lists_expire: Family::default(),
            registry: Registry::default(),
        };
        let of = &metrics;
        let to = &mut registry;
        add(to, "http_requests", "Answered requests", &of.requests);
        add_in(to, "http_sent", "Bodies as connections took them", Unit::Bytes, &of.bytes);
        add(to, "http_requests_in_flight", "Requests whose answer has not ended", &of.in_flight);
        let help = "From the head of a request to the head of its answer";
        add_in(to, "http_answer", help, Unit::Seconds, &of.seconds);
        add(to, "connections", "Open connections", &of.connections);
        add(to, "connections_refused", "Connections beyond the limit", &of.refused);
        add(to, "tls_handshakes", "TLS handshakes by outcome", &of.handshakes);
        add(to, "downloads", "Packages sent to their last byte", &of.downloads);
        add(to, "access_log_lines_lost", "Lines that the disk did not take in time", &of.lost_lines);
        add(to, "checked_files", "Stored files that were read again, by outcome", &of.checked_files);
        add_in(to, "checked", "Stored files that were read again", Unit::Bytes, &of.checked_bytes);
        add(to, "bad_files", "Stored files that are not what the catalog says", &of.bad_files);
        let help = "Documents of evidence that are not what was recorded, of those that were asked for";
        add(to, "bad_evidence", help, &of.bad_evidence);
        add(to, "catalog_packages", "Packages in the catalog", &of.packages);
        add(to, "problem", "1 if /healthz tells of a problem", &of.problem);
        add_time(to, "catalog_published", "When the catalog was published", &of.published);
        add_time(to, "catalog_expires", "When a role of the catalog ends", &of.expires);
        let help = "When the first certificate of the server's chain ends";
        add_time(to, "certificate_expires", help, &of.certificate_expires);
        let help = "When the list of revoked client certificates of an authority ends";
        add_time(to, "client_crl_expires", help, &of.client_lists_expire);
        Self { registry, ..metrics }
    }

    /// Everything as text.
    pub(crate) fn text(&self, state: &State<'_>) -> String {
        self.packages.set(i64::try_from(state.packages).unwrap_or(i64::MAX));
        self.problem.set(i64::from(state.problem));
        self.published.set(state.published.map_or(0, jiff::Timestamp::as_second));
        for end in state.ends {
            let role = RoleLabels { role: end.role.as_str() };
            self.expires.get_or_create(&role).set(end.expires.as_second());
        }
        self.certificate_expires.set(state.certificate_end.as_second());
        // What was replaced is not told of any more.
        self.client_lists_expire.clear();
        for (authority, end) in &state.client_lists_end {
            let labels = AuthorityLabels { authority: authority.clone() };
            self.client_lists_expire.get_or_create(&labels).set(end.as_second());
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _written = encode(&mut text, &self.registry);
        text
    }
}

/// Makes a metric part of the text; it is counted on in the one that is given.
fn add<M: Metric + Clone>(to: &mut Registry, name: &str, help: &str, metric: &M) {
    to.register(name, help, metric.clone());
}

/// The same with a unit, which becomes part of the name.
fn add_in<M: Metric + Clone>(to: &mut Registry, name: &str, help: &str, unit: Unit, metric: &M) {
    to.register_with_unit(name, help, unit, metric.clone());
}

/// The same for a point in time.
fn add_time<M: Metric + Clone>(to: &mut Registry, name: &str, help: &str, metric: &M) {
    add_in(to, &format!("{name}_timestamp"), &format!("{help}, since 1970"), Unit::Seconds, metric);
}

/// What the text is.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Small answers take a fraction of a millisecond; the first request for a package waits for its digest.
const BUCKETS: [f64; 9] = [0.0005, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0, 20.0, 60.0];
