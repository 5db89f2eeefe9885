//! Listeners and connections.
//!
//! Attacks considered: half-open handshakes and slow headers (time limits), silent or stopped clients
//! ([`QuietLimit`]), floods of connections (a limit, then a short answer, then nothing), HTTP/2 floods (few streams,
//! small buffers, pings), huge headers (64 KiB and 100 lines), a panic while answering (ends one connection).

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::body::ResponseBody;
use super::config::{ServeConfig, ServeLimits, TlsMaterial};
use super::error::ServeError;
use super::quiet::QuietLimit;
use super::response::overloaded;
use super::site::{Channel, Site};
use super::tls::server_config;
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
    tls: Arc<RwLock<Arc<rustls::ServerConfig>>>,
    listeners: Vec<JoinHandle<()>>,
    /// Ends when the last connection has ended.
    records: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Loads the catalog, starts to listen, and returns; the work goes on in the background until `shutdown` ends.
    pub async fn start(
        config: ServeConfig,
        store: ServedStore,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<RunningServer, ServeError> {
        let tls = Arc::new(RwLock::new(server_config(&config.tls)?));
        let published = Published::load(Arc::new(store)).await?;
        let (recorder, records) = config.records.as_deref().map(Recorder::start).transpose()?.unzip();
        let shared = Arc::new(Shared {
            site: Site::new(published, config.check_blobs, recorder, config.public_url),
            places: Arc::new(Semaphore::new(config.limits.connections)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            limits: config.limits,
        });
        let (stop, stopped) = watch::channel(());
        let (listener, local_addr) = listen(config.listen).await?;
        let secure = Listener { shared: shared.clone(), tls: Some(tls.clone()), stopped: stopped.clone() };
        let mut listeners = vec![tokio::spawn(secure.run(listener))];
        let mut plain_addr = None;
        if let Some(address) = config.plain_listen {
            let (listener, address) = listen(address).await?;
            plain_addr = Some(address);
            let plain = Listener { shared, tls: None, stopped };
            listeners.push(tokio::spawn(plain.run(listener)));
        }
        tokio::spawn(async move {
            shutdown.await;
            drop(stop);
        });
        tracing::info!(address = %local_addr, plain = plain_addr.map(|a| a.to_string()), "listening");
        Ok(RunningServer { local_addr, plain_addr, tls, listeners, records })
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

    /// Uses another certificate for connections from now on; those that are open keep theirs.
    pub fn replace_tls(&self, material: &TlsMaterial) -> Result<(), ServeError> {
        let config = server_config(material)?;
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
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
    tls: Option<Arc<RwLock<Arc<rustls::ServerConfig>>>>,
    stopped: watch::Receiver<()>,
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
        let tls = self.tls.as_ref().map(|tls| tls.read().unwrap_or_else(PoisonError::into_inner).clone());
        async move {
            // Small answers must not wait for more to send.
            let _ = tcp.set_nodelay(true);
            let stream = QuietLimit::new(tcp, shared.limits.idle_time);
            let Some(tls) = tls else {
                return shared.serve(stream, peer, Channel::Plain, admission, watcher).await;
            };
            let handshake = TlsAcceptor::from(tls).accept(stream);
            match tokio::time::timeout(shared.limits.handshake_time, handshake).await {
                Ok(Ok(stream)) => shared.serve(stream, peer, Channel::Secure, admission, watcher).await,
                Ok(Err(error)) => tracing::debug!(peer = %peer, error = %error, "TLS handshake failed"),
                Err(_elapsed) => tracing::debug!(peer = %peer, "TLS handshake took too long"),
            }
        }
    }
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
        peer: SocketAddr,
        channel: Channel,
        admission: Admission,
        watcher: Watcher,
    ) {
        let builder = connection_builder(&self.limits);
        let (this, refused) = (self, admission.refused);
        let service = service_fn(move |request: Request<Incoming>| {
            let this = this.clone();
            async move {
                let response =
                    if refused { overloaded() } else { this.answer(&request, peer, channel).await };
                Ok::<_, Infallible>(response)
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection.into_owned()).await {
            tracing::debug!(peer = %peer, error = %error, "connection ended with an error");
        }
        // The place is free again only now.
        drop(admission);
    }

    async fn answer(
        &self,
        request: &Request<Incoming>,
        peer: SocketAddr,
        channel: Channel,
    ) -> Response<ResponseBody> {
        let started = Instant::now();
        let response = self.site.answer(request, peer.ip(), channel).await;
        tracing::info!(
            peer = %peer,
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

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// For records of downloads that wait for the disk at the end.
const RECORDS_TIME: Duration = Duration::from_secs(5);

/// Bounds what one connection holds, for the head of a request as well as for what waits to be sent.
const CONNECTION_BUFFER: usize = 64 * 1024;

/// Connections beyond the limit that are told so at a time; others are closed without a word.
const REFUSALS: usize = 64;
