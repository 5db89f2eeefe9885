//! One request of a connection: whether it may be asked now, its answer, and what is counted and written down of it.
//!
//! Attacks considered: floods (limits of connections and of requests per address, refusals that are bounded themselves),
//! a panic while answering (ends one connection), long headers in the log (cut).

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::header::{RANGE, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::access_log::{AccessLog, Line};
use super::addresses::{AddressLimits, Addresses, Connected};
use super::config::ServeLimits;
use super::connection::{Activity, Stream, serve_http1};
use super::metrics::{KnownMethod, Metrics, RequestLabels};
use super::peer::{ClientName, Peer};
use super::response::{overloaded, too_often};
use super::site::{Channel, Site};
use super::stalled::Stalled;
use super::watched::{Watched, WatchedBody};

/// What all connections share.
pub(super) struct Shared {
    pub(super) site: Arc<Site>,
    addresses: Arc<Addresses>,
    log: Option<AccessLog>,
    ids: RequestIds,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    pub(super) limits: ServeLimits,
}

/// What a connection that was accepted may do, and the place that it holds.
pub(super) struct Admission {
    /// None if it is refused.
    connected: Option<Connected>,
    metrics: Arc<Metrics>,
    _place: OwnedSemaphorePermit,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

impl Shared {
    pub(super) fn new(site: Arc<Site>, limits: ServeLimits, log: Option<AccessLog>) -> Self {
        let of_addresses = AddressLimits {
            connections: limits.connections_per_address,
            requests_per_second: limits.requests_per_second_per_address,
        };
        Self {
            site,
            addresses: Addresses::new(of_addresses),
            log,
            ids: RequestIds::new(),
            places: Arc::new(Semaphore::new(limits.connections)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            limits,
        }
    }

    /// A place among the connections, else one among the refusals, else nothing.
    pub(super) fn admission(&self, peer: SocketAddr) -> Option<Admission> {
        let metrics = self.site.metrics().clone();
        let connected = self.addresses.connect(peer.ip());
        let place = self.places.clone().try_acquire_owned();
        if let (Some(connected), Ok(place)) = (connected, place) {
            metrics.connections.inc();
            return Some(Admission { connected: Some(connected), metrics, _place: place });
        }
        metrics.refused.inc();
        tracing::warn!(peer = %peer, limit = self.limits.connections, "too many connections");
        let place = self.refusals.clone().try_acquire_owned().ok()?;
        metrics.connections.inc();
        Some(Admission { connected: None, metrics, _place: place })
    }

    /// Answers what a peer asks on a connection until it ends, or the server stops.
    pub(super) async fn serve<S: Stream>(
        self: Arc<Self>,
        stream: S,
        protocol: Protocol,
        peer: Peer,
        admission: Admission,
        mut stopped: watch::Receiver<()>,
    ) {
        let address = peer.address;
        let activity = Arc::new(Activity::default());
        let stalled = (protocol == Protocol::Http2).then(Stalled::new);
        let caller = Caller { shared: self, peer, admission, activity: activity.clone(), stalled };
        let caller = Arc::new(caller);
        let of_requests = caller.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let caller = of_requests.clone();
            async move { Ok::<_, Infallible>(caller.answer(&request).await) }
        });
        let stop = async { while stopped.changed().await.is_ok() {} };
        let limits = &caller.shared.limits;
        let ended = match protocol {
            Protocol::Http1 => {
                let builder = http1_builder(limits);
                serve_http1(&builder, stream, service, &activity, limits, stop).await
            }
            Protocol::Http2 => {
                let serving = Box::pin(serve_http2(limits, stream, service, stop));
                tokio::select! {
                    ended = serving => ended,
                    () = caller.is_stalled() => Err("nothing was asked for, or nothing taken".into()),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %address, error, "connection ended with an error");
        }
        // The place is free again only now.
        drop(caller);
    }
}

/// How requests are written on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Who asks on a connection, and for what it is counted.
struct Caller {
    shared: Arc<Shared>,
    peer: Peer,
    admission: Admission,
    activity: Arc<Activity>,
    /// For connections of HTTP/2.
    stalled: Option<Arc<Stalled>>,
}

impl Caller {
    /// Waits until the connection is used for nothing any more.
    async fn is_stalled(&self) {
        match &self.stalled {
            Some(stalled) => stalled.is_over(self.shared.limits.idle_time).await,
            None => std::future::pending().await,
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<WatchedBody> {
        let (started, busy) = (Instant::now(), self.activity.request());
        let active = self.stalled.as_ref().map(Stalled::begin);
        let Shared { site, log, ids, .. } = &*self.shared;
        let (peer, metrics) = (&self.peer, site.metrics());
        let mut response = match &self.admission.connected {
            None => site.refuse(request, peer, overloaded()),
            Some(connected) if !connected.may_ask() => site.refuse(request, peer, too_often()),
            Some(_) => site.answer(request, peer).await,
        };
        let id = ids.next();
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let client = response.extensions().get::<ClientName>().map(|client| client.name.clone());
        let status = response.status().as_u16();
        let labels = RequestLabels { method: KnownMethod::of(request.method()), status };
        metrics.requests.get_or_create(&labels).inc();
        metrics.seconds.observe(started.elapsed().as_secs_f64());
        let length = http_body::Body::size_hint(response.body()).exact();
        tracing::info!(
            peer = %peer.address,
            id,
            client = client.as_deref(),
            method = cut(request.method().as_str(), LONGEST_LOGGED),
            path = cut(request.uri().path(), LONGEST_TARGET),
            status,
            length,
            elapsed_ms = started.elapsed().as_secs_f64() * 1000.0,
            "request"
        );
        let line = log.as_ref().map(|_| Line {
            time: site.now(),
            id,
            peer: peer.address.ip().to_canonical(),
            client,
            method: cut(request.method().as_str(), LONGEST_LOGGED).to_owned(),
            target: cut(request.uri().path_and_query().map_or("", |target| target.as_str()), LONGEST_TARGET)
                .to_owned(),
            version: version_text(request.version()),
            tls: peer.channel == Channel::Secure,
            status,
            sent: 0,
            length,
            range: text_of(request, &RANGE),
            user_agent: text_of(request, &USER_AGENT),
            seconds: 0.0,
        });
        let watched =
            Watched { metrics: metrics.clone(), log: log.clone(), line, started, _busy: busy, active };
        response.map(|body| WatchedBody::new(body, watched))
    }
}

/// A header for the log; what is too long is cut.
fn text_of<B>(request: &Request<B>, name: &HeaderName) -> Option<String> {
    let value = request.headers().get(name)?.as_bytes();
    Some(String::from_utf8_lossy(value.get(..LONGEST_LOGGED).unwrap_or(value)).into_owned())
}

/// A text for the log; what is too long is cut.
fn cut(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or(text)
}

fn version_text(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// Numbers requests; those of two processes differ.
struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        // Random with every call; nothing depends on its being hard to guess.
        Self { process: RandomState::new().hash_one(std::process::id()), next: AtomicU64::new(1) }
    }

    fn next(&self) -> String {
        format!("{:08x}-{:x}", self.process >> 32, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

pub(super) fn http1_builder(limits: &ServeLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header_time).max_buf_size(HEAD);
    builder
}

pub(super) fn http2_builder(limits: &ServeLimits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(32)
        .max_send_buf_size(CONNECTION_BUFFER)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(limits.idle_time / 3)
        .keep_alive_timeout(limits.idle_time / 3);
    builder
}

async fn serve_http2<S: Stream, F>(
    limits: &ServeLimits,
    stream: S,
    service: impl Service<Request<Incoming>, Response = Response<WatchedBody>, Error = Infallible, Future = F>,
    stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    F: Future<Output = Result<Response<WatchedBody>, Infallible>> + Send + 'static,
{
    let mut connection = pin!(http2_builder(limits).serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        () = stop => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}

/// By which a person who asks and a line of the log find each other.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST_LOGGED: usize = 512;
/// No path that is served is longer.
const LONGEST_TARGET: usize = 2048;

/// What one connection over HTTP/2 holds of what waits to be sent, for each of its streams.
const CONNECTION_BUFFER: usize = 64 * 1024;

/// Bounds the head of a request. A piece of a body that is to be sent is larger, so that the next one is not taken before it
/// is written.
const HEAD: usize = 16 * 1024;

/// Connections beyond the limit that are told so at a time; others are closed without a word.
const REFUSALS: usize = 64;
