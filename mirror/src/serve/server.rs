//! Listeners and connections.
//!
//! Attacks considered: half-open handshakes and slow headers (time limits), silent or stopped clients
//! ([`QuietLimit`]), floods of connections (a limit, then a short answer, then nothing), HTTP/2 floods (few streams,
//! small buffers, pings), huge headers (64 KiB and 100 lines), a panic while answering (ends one connection).

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::body::ResponseBody;
use super::config::{ServeConfig, ServeLimits, Sockets, TlsSettings};
use super::error::ServeError;
use super::peer::{ClientName, Peer};
use super::plain_on_tls;
use super::quiet::QuietLimit;
use super::response::overloaded;
use super::site::{Channel, Site};
use super::tls::{self, Current, TlsState};
use super::view::{Published, ServedStore};
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
    /// Ends when the last connection has ended.
    records: Option<std::thread::JoinHandle<()>>,
}

/// What can be done to a server while it runs; clones are for the same server.
#[derive(Clone)]
pub struct ServerControl {
    tls: Arc<TlsState>,
    published: Arc<Published>,
    probes: Vec<mpsc::Sender<oneshot::Sender<()>>>,
}

impl std::fmt::Debug for ServerControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerControl").finish_non_exhaustive()
    }
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
        let shared = Arc::new(Shared {
            site: Site::new(published.clone(), config.check_blobs, recorder, tls.clone()),
            places: Arc::new(Semaphore::new(config.limits.connections)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            limits: config.limits,
        });
        let (stop, stopped) = watch::channel(());
        let (listener, local_addr) = listen(sockets.secure, config.listen).await?;
        let (probe, probes) = mpsc::channel(1);
        let secure =
            Listener { shared: shared.clone(), tls: Some(tls.clone()), stopped: stopped.clone(), probes };
        let mut control = ServerControl { tls, published, probes: vec![probe] };
        let mut listeners = vec![tokio::spawn(secure.run(listener))];
        let mut plain_addr = None;
        let plain = sockets.plain.map(|socket| (Some(socket), config.listen));
        if let Some((socket, address)) = plain.or(config.plain_listen.map(|address| (None, address))) {
            let (listener, address) = listen(socket, address).await?;
            plain_addr = Some(address);
            let (probe, probes) = mpsc::channel(1);
            control.probes.push(probe);
            let plain = Listener { shared, tls: None, stopped, probes };
            listeners.push(tokio::spawn(plain.run(listener)));
        }
        tokio::spawn(async move {
            shutdown.await;
            drop(stop);
        });
        tracing::info!(address = %local_addr, plain = plain_addr.map(|a| a.to_string()), "listening");
        Ok(RunningServer { local_addr, plain_addr, control, listeners, records })
    }
}

impl ServerControl {
    /// Uses another certificate and what goes with it for connections from now on; those that are open keep theirs. Says
    /// whether anything has changed.
    ///
    /// # Errors
    /// The new settings cannot be used; those before stay.
    pub fn replace_tls(&self, settings: &TlsSettings) -> Result<bool, ServeError> {
        self.tls.replace(settings)
    }

    /// Looks whether the catalog has changed, as every request does.
    pub async fn look_at_catalog(&self) {
        self.published.newest().await;
    }

    /// Whether all listeners take connections and the catalog can be looked at, within some time.
    pub async fn is_alive(&self, patience: Duration) -> bool {
        let asked = async {
            for probe in &self.probes {
                let (answer, answered) = oneshot::channel();
                if probe.send(answer).await.is_err() || answered.await.is_err() {
                    return false;
                }
            }
            self.look_at_catalog().await;
            true
        };
        tokio::time::timeout(patience, asked).await.unwrap_or(false)
    }

    /// When the first certificate of the server's chain ends; for warnings and metrics.
    pub fn certificate_end(&self) -> jiff::Timestamp {
        self.tls.current().ends()
    }

    /// What people should know about the certificate at a moment: that it ends soon, or has ended.
    pub fn certificate_warning(&self, now: jiff::Timestamp) -> Option<String> {
        self.tls.warning(now)
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
        if let Some(records) = self.records {
            let end = Instant::now() + RECORDS_TIME;
            while !records.is_finished() && Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

struct Shared {
    site: Site,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    limits: ServeLimits,
}

/// What a connection that was accepted may do, and the place that it holds.
struct Admission {
    refused: bool,
    _place: OwnedSemaphorePermit,
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
                    if let Some(admission) = self.shared.admission() {
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
                let peer = Peer { address: peer, channel: Channel::Plain, certificate: None };
                return shared.serve(stream, peer, admission, watcher).await;
            };
            let handshake = shake_hands(tcp, &tls, shared.limits.idle_time);
            match tokio::time::timeout(shared.limits.handshake_time, handshake).await {
                Ok(Ok(Some(stream))) => {
                    let (_, session) = stream.get_ref();
                    let certificate = tls.asks_for_certificates().then(|| tls::shown(session)).flatten();
                    drop(tls);
                    let peer = Peer { address: peer, channel: Channel::Secure, certificate };
                    shared.serve(stream, peer, admission, watcher).await;
                }
                Ok(Ok(None)) => tracing::debug!(peer = %peer, "HTTP without TLS on the HTTPS port"),
                Ok(Err(error)) => tracing::debug!(peer = %peer, error = %error, "TLS handshake failed"),
                Err(_elapsed) => tracing::debug!(peer = %peer, "TLS handshake took too long"),
            }
        }
    }
}

/// The handshake; nothing when the client speaks HTTP without TLS, which it is told.
async fn shake_hands(
    mut tcp: TcpStream,
    tls: &Current,
    idle_time: Duration,
) -> std::io::Result<Option<TlsStream<QuietLimit<TcpStream>>>> {
    if plain_on_tls::is_plain(&tcp).await? {
        plain_on_tls::answer(&mut tcp).await?;
        return Ok(None);
    }
    let stream = QuietLimit::new(tcp, idle_time);
    TlsAcceptor::from(tls.config.clone()).accept(stream).await.map(Some)
}

impl Shared {
    /// A place among the connections, else one among the refusals, else nothing.
    fn admission(&self) -> Option<Admission> {
        if let Ok(place) = self.places.clone().try_acquire_owned() {
            return Some(Admission { refused: false, _place: place });
        }
        tracing::warn!(limit = self.limits.connections, "too many connections");
        let place = self.refusals.clone().try_acquire_owned().ok()?;
        Some(Admission { refused: true, _place: place })
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self: Arc<Self>,
        stream: S,
        peer: Peer,
        admission: Admission,
        watcher: Watcher,
    ) {
        let builder = connection_builder(&self.limits);
        let (this, refused, address) = (self, admission.refused, peer.address);
        let peer = Arc::new(peer);
        let service = service_fn(move |request: Request<Incoming>| {
            let (this, peer) = (this.clone(), peer.clone());
            async move {
                let response = if refused { overloaded() } else { this.answer(&request, &peer).await };
                Ok::<_, Infallible>(response)
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection.into_owned()).await {
            tracing::debug!(peer = %address, error = %error, "connection ended with an error");
        }
        // The place is free again only now.
        drop(admission);
    }

    async fn answer(&self, request: &Request<Incoming>, peer: &Peer) -> Response<ResponseBody> {
        let started = Instant::now();
        let response = self.site.answer(request, peer).await;
        tracing::info!(
            peer = %peer.address,
            client = response.extensions().get::<ClientName>().map(|client| client.name.as_str()),
            method = %request.method(),
            path = request.uri().path(),
            status = response.status().as_u16(),
            length = http_body::Body::size_hint(response.body()).exact(),
            elapsed_ms = started.elapsed().as_secs_f64() * 1000.0,
            "request"
        );
        response
    }
}

fn connection_builder(limits: &ServeLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(CONNECTION_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(32)
        .max_send_buf_size(CONNECTION_BUFFER)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(limits.idle_time / 3)
        .keep_alive_timeout(limits.idle_time / 3);
    builder
}

async fn listen(
    socket: Option<std::net::TcpListener>,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ServeError> {
    let address = socket.as_ref().and_then(|socket| socket.local_addr().ok()).unwrap_or(address);
    let failed = |source| ServeError::Listen { address, source };
    let listener = match socket {
        Some(socket) => {
            socket.set_nonblocking(true).map_err(failed)?;
            TcpListener::from_std(socket).map_err(failed)?
        }
        None => TcpListener::bind(address).await.map_err(failed)?,
    };
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// For records of downloads that wait for the disk at the end.
const RECORDS_TIME: Duration = Duration::from_secs(5);

/// Bounds what one connection holds, for the head of a request as well as for what waits to be sent.
const CONNECTION_BUFFER: usize = 64 * 1024;

/// Connections beyond the limit that are told so at a time; others are closed without a word.
const REFUSALS: usize = 64;
