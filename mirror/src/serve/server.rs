//! Listeners and connections.
//!
//! Attacks considered: half-open handshakes and slow headers (time limits), silent or stopped clients
//! ([`QuietLimit`]), floods of connections (a limit, then a short answer, then nothing), HTTP/2 floods (few streams,
//! small buffers, pings), huge headers (64 KiB and 100 lines), a panic while answering (ends one connection).

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::header::{RANGE, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::access_log::{AccessLog, Line};
use super::activity::{Active, Activity};
use super::addresses::{AddressLimits, Addresses, Connected};
use super::config::{ServeConfig, ServeLimits};
use super::control::ServerControl;
use super::error::ServeError;
use super::handshake::shake_hands;
use super::metrics::{HandshakeLabels, KnownMethod, Metrics, RequestLabels};
use super::peer::{ClientName, Peer};
use super::prefix::Prefix;
use super::protocols::protocols;
use super::quiet::QuietLimit;
use super::response::{overloaded, too_often};
use super::scrub;
use super::site::{Channel, Site};
use super::sockets::{Sockets, listen};
use super::tls::{self, TlsState};
use super::view::{Published, ServedStore};
use super::watched::{Watched, WatchedBody};
use crate::hosts::Recorder;

/// The HTTPS server.
#[derive(Debug)]
pub struct Server;

/// A server that is listening.
#[derive(Debug)]
pub struct RunningServer {
    local_addr: SocketAddr,
    plain_addr: Option<SocketAddr>,
    control: ServerControl,
    listeners: Vec<JoinHandle<()>>,
    /// Threads that write what has happened; they end when the last connection has ended.
    writers: Vec<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Loads the catalog, starts to listen, and returns; the work goes on in the background until `shutdown` ends.
    pub async fn start(
        config: ServeConfig,
        store: ServedStore,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<RunningServer, ServeError> {
        Self::start_on(Sockets::default(), config, store, shutdown).await
    }

    /// The same on sockets that listen already.
    pub async fn start_on(
        sockets: Sockets,
        config: ServeConfig,
        store: ServedStore,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<RunningServer, ServeError> {
        let tls = Arc::new(TlsState::new(&config.tls)?);
        let published = Arc::new(Published::load(Arc::new(store)).await?);
        let (recorder, records) = config.records.as_deref().map(Recorder::start).transpose()?.unzip();
        let site = Site::new(published.clone(), config.check_blobs, recorder, tls.clone(), config.public_url);
        let prefix = config.prefix.as_deref().map(Prefix::parse).transpose()?;
        let site = Arc::new(site.fetching(config.on_demand).below(prefix));
        let lost = site.metrics().lost_lines.clone();
        let log = config.access_log.as_ref().map(|log| AccessLog::start(log, lost)).transpose()?;
        let (log, log_writer) = log.unzip();
        let stop_scrub = Arc::new(AtomicBool::new(false));
        if config.check_blobs && config.scrub.bytes_per_second > 0 {
            let (site, stop) = (site.clone(), stop_scrub.clone());
            let started = std::thread::Builder::new()
                .name("scrub".to_owned())
                .spawn(move || scrub::run(&site, config.scrub, &stop));
            if let Err(error) = started {
                tracing::warn!(error = %error, "stored files are not read again: no thread could be started");
            }
        }
        let limits = AddressLimits {
            connections: config.limits.connections_per_address,
            requests_per_second: config.limits.requests_per_second_per_address,
        };
        let shared = Arc::new(Shared {
            site,
            addresses: Addresses::new(limits),
            log: log.clone(),
            ids: RequestIds::new(),
            places: Arc::new(Semaphore::new(config.limits.connections)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            limits: config.limits,
        });
        let (stop, stopped) = watch::channel(());
        // Who can connect to the one can connect to the other.
        let plain = sockets.plain.map(|socket| (Some(socket), config.listen));
        let plain = match plain.or(config.plain_listen.map(|address| (None, address))) {
            Some((socket, address)) => Some(listen(socket, address).await?),
            None => None,
        };
        let plain_addr = plain.as_ref().map(|(_, address)| *address);
        let (listener, local_addr) = listen(sockets.secure, config.listen).await?;
        let (probe, probes) = mpsc::channel(1);
        let secure =
            Listener { shared: shared.clone(), tls: Some(tls.clone()), stopped: stopped.clone(), probes };
        let mut control =
            ServerControl { tls, published, log: log.as_ref().map(AccessLog::reopener), probes: vec![probe] };
        let mut listeners = vec![tokio::spawn(secure.run(listener))];
        if let Some((listener, _)) = plain {
            let (probe, probes) = mpsc::channel(1);
            control.probes.push(probe);
            let plain = Listener { shared, tls: None, stopped, probes };
            listeners.push(tokio::spawn(plain.run(listener)));
        }
        tokio::spawn(async move {
            shutdown.await;
            stop_scrub.store(true, Ordering::Relaxed);
            drop(stop);
        });
        tracing::info!(address = %local_addr, plain = plain_addr.map(|a| a.to_string()), "listening");
        let writers = records.into_iter().chain(log_writer).collect();
        Ok(RunningServer { local_addr, plain_addr, control, listeners, writers })
    }
}

impl RunningServer {
    /// The address of the HTTPS listener.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address of the plain listener.
    pub fn plain_addr(&self) -> Option<SocketAddr> {
        self.plain_addr
    }

    /// For replacing what can be replaced.
    pub fn control(&self) -> ServerControl {
        self.control.clone()
    }

    /// Waits until the shutdown has begun and every request has ended or its time is over.
    pub async fn wait(self) {
        for listener in self.listeners {
            if let Err(error) = listener.await {
                tracing::error!(error = %error, "a listener has ended unexpectedly");
            }
        }
        // What waits for the disk is written; a disk that hangs does not keep the server from ending.
        let end = Instant::now() + WRITERS_TIME;
        while self.writers.iter().any(|writer| !writer.is_finished()) && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

struct Shared {
    site: Arc<Site>,
    addresses: Arc<Addresses>,
    log: Option<AccessLog>,
    ids: RequestIds,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    limits: ServeLimits,
}

/// What a connection that was accepted may do, and the place that it holds.
struct Admission {
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

struct Listener {
    shared: Arc<Shared>,
    tls: Option<Arc<TlsState>>,
    stopped: watch::Receiver<()>,
    /// Answered by the loop that takes connections: it lives.
    probes: mpsc::Receiver<oneshot::Sender<()>>,
}

impl Listener {
    async fn run(mut self, listener: TcpListener) {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.stopped.changed() => break,
                Some(_) = connections.join_next() => continue,
                Some(probe) = self.probes.recv() => {
                    let _asked_no_more = probe.send(());
                    continue;
                }
            };
            match accepted {
                Ok((tcp, peer)) => {
                    if let Some(admission) = self.shared.admission(peer) {
                        connections.spawn(self.connection(tcp, peer, admission, graceful.watcher()));
                    }
                }
                Err(error) => {
                    // Out of file descriptors or memory; others may free some.
                    tracing::warn!(error = %error, "failed to accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(listener);
        let drain_time = self.shared.limits.drain_time;
        if tokio::time::timeout(drain_time, graceful.shutdown()).await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "connections were cut at the end of the drain time"
            );
        }
        connections.shutdown().await;
    }

    fn connection(
        &self,
        tcp: TcpStream,
        peer: SocketAddr,
        admission: Admission,
        watcher: Watcher,
    ) -> impl Future<Output = ()> + Send + use<> {
        let shared = self.shared.clone();
        let tls = self.tls.as_ref().map(|tls| tls.current());
        async move {
            // Small answers must not wait for more to send.
            let _ = tcp.set_nodelay(true);
            let Some(tls) = tls else {
                let stream = QuietLimit::new(tcp, shared.limits.idle_time);
                let peer = Peer::new(peer, Channel::Plain, None);
                return shared.serve(stream, peer, false, admission, watcher).await;
            };
            let handshake = shake_hands(tcp, &tls, shared.limits.idle_time);
            let count = |outcome| {
                let labels = HandshakeLabels { outcome };
                shared.site.metrics().handshakes.get_or_create(&labels).inc();
            };
            match tokio::time::timeout(shared.limits.handshake_time, handshake).await {
                Ok(Ok(Some(stream))) => {
                    count("done");
                    let (_, session) = stream.get_ref();
                    let is_http2 = session.alpn_protocol() == Some(b"h2");
                    let certificate = tls.asks_for_certificates().then(|| tls::shown(session)).flatten();
                    drop(tls);
                    let peer = Peer::new(peer, Channel::Secure, certificate);
                    shared.serve(stream, peer, is_http2, admission, watcher).await;
                }
                Ok(Ok(None)) => {
                    count("plain-http");
                    tracing::debug!(peer = %peer, "HTTP without TLS on the HTTPS port");
                }
                Ok(Err(error)) => {
                    count("failed");
                    tracing::debug!(peer = %peer, error = %error, "TLS handshake failed");
                }
                Err(_elapsed) => {
                    count("too-slow");
                    tracing::debug!(peer = %peer, "TLS handshake took too long");
                }
            }
        }
    }
}

impl Shared {
    /// A place among the connections, else one among the refusals, else nothing.
    fn admission(&self, peer: SocketAddr) -> Option<Admission> {
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

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self: Arc<Self>,
        stream: S,
        peer: Peer,
        is_http2: bool,
        admission: Admission,
        watcher: Watcher,
    ) {
        let builder = match peer.channel {
            Channel::Secure if is_http2 => protocols(&self.limits).http2_only(),
            // RFC 9113, section 3.3: over TLS by agreement only. Waiting for its preface would be time beyond that for the head.
            Channel::Secure => protocols(&self.limits).http1_only(),
            Channel::Plain => protocols(&self.limits),
        };
        let (this, admission, address) = (self, Arc::new(admission), peer.address);
        let (of_connection, peer) = (admission.clone(), Arc::new(peer));
        let (idle_time, activity) = (this.limits.idle_time, Activity::new());
        let of_requests = activity.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (this, peer, admission) = (this.clone(), peer.clone(), of_connection.clone());
            let active = is_http2.then(|| of_requests.begin());
            async move { Ok::<_, Infallible>(this.answer(&request, &peer, &admission, active).await) }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = watcher.watch(connection.into_owned());
        let ended = tokio::select! {
            ended = connection => ended,
            () = activity.is_over(idle_time), if is_http2 => {
                tracing::debug!(peer = %address, "nothing was asked for, or nothing taken");
                Ok(())
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %address, error = %error, "connection ended with an error");
        }
        // The place is free again only now.
        drop(admission);
    }

    async fn answer(
        &self,
        request: &Request<Incoming>,
        peer: &Peer,
        admission: &Admission,
        active: Option<Active>,
    ) -> Response<WatchedBody> {
        let started = Instant::now();
        let metrics = self.site.metrics();
        let mut response = match &admission.connected {
            None => overloaded(),
            Some(connected) if !connected.may_ask() => too_often(),
            Some(_) => self.site.answer(request, peer).await,
        };
        let id = self.ids.next();
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
        let line = self.log.as_ref().map(|_| Line {
            time: self.site.now(),
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
        let watched = Watched { metrics: metrics.clone(), log: self.log.clone(), line, started, active };
        response.map(|body| WatchedBody::new(body, watched))
    }
}

/// A header for the log; what is too long is cut.
fn text_of<B>(request: &Request<B>, name: &HeaderName) -> Option<String> {
    let value = request.headers().get(name)?.as_bytes();
    Some(String::from_utf8_lossy(value.get(..LONGEST_LOGGED).unwrap_or(value)).into_owned())
}

/// A text for the log; what waits for a slow disk is bounded in lines only.
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

/// For records of downloads and lines of the log that wait for the disk at the end.
const WRITERS_TIME: Duration = Duration::from_secs(5);

/// By which a person who asks and a line of the log find each other.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST_LOGGED: usize = 512;
/// No path that is served is longer.
const LONGEST_TARGET: usize = 2048;

/// Connections beyond the limit that are told so at a time; others are closed without a word.
const REFUSALS: usize = 64;
