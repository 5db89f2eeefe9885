//! Listeners and connections.
//!
//! Attacks considered: half-open handshakes and slow headers (time limits), silent or stopped clients
//! ([`QuietLimit`]), floods of connections (a limit, then a short answer, then nothing), HTTP/2 floods (few streams,
//! small buffers, pings), huge headers (64 KiB and 100 lines), a panic while answering (ends one connection).

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::server::TlsStream;

use super::access_log::AccessLog;
use super::config::ServeConfig;
use super::control::ServerControl;
use super::desk::Desk;
use super::error::ServeError;
use super::exchange::{Admission, Protocol, Shared};
use super::handshake::shake_hands;
use super::metrics::HandshakeLabels;
use super::peer::Peer;
use super::prefix::Prefix;
use super::quiet::QuietLimit;
use super::scrub;
use super::site::{Channel, Site};
use super::sockets::{Sockets, listen};
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
        let desk = Desk::new(published.store().store(), config.public_url, config.latest);
        let site = Site::new(published.clone(), config.check_blobs, recorder, tls.clone(), desk);
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
        let shared = Arc::new(Shared::new(site, config.limits, log.clone()));
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

struct Listener {
    shared: Arc<Shared>,
    tls: Option<Arc<TlsState>>,
    stopped: watch::Receiver<()>,
    /// Answered by the loop that takes connections: it lives.
    probes: mpsc::Receiver<oneshot::Sender<()>>,
}

impl Listener {
    async fn run(mut self, listener: TcpListener) {
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
                        connections.spawn(self.connection(tcp, peer, admission));
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
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(drain_time, drained).await.is_err() {
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
    ) -> impl Future<Output = ()> + Send + use<> {
        let (shared, stopped) = (self.shared.clone(), self.stopped.clone());
        let tls = self.tls.as_ref().map(|tls| tls.current());
        async move {
            // Small answers must not wait for more to send.
            let _ = tcp.set_nodelay(true);
            let Some(tls) = tls else {
                let stream = QuietLimit::new(tcp, shared.limits.idle_time);
                let peer = Peer::new(peer, Channel::Plain, None);
                return shared.serve(stream, Protocol::Http1, peer, admission, stopped).await;
            };
            // What the handshake takes up is free again when it has ended.
            let Some(stream) = Box::pin(handshake(&shared, &tls, tcp, peer)).await else { return };
            let (_, session) = stream.get_ref();
            let certificate = tls.asks_for_certificates().then(|| tls::shown(session)).flatten();
            let protocol = match session.alpn_protocol() {
                Some(b"h2") => Protocol::Http2,
                _ => Protocol::Http1,
            };
            drop(tls);
            let peer = Peer::new(peer, Channel::Secure, certificate);
            shared.serve(stream, protocol, peer, admission, stopped).await;
        }
    }
}

/// Shakes hands, and counts what became of it.
async fn handshake(
    shared: &Shared,
    tls: &Current,
    tcp: TcpStream,
    peer: SocketAddr,
) -> Option<Box<TlsStream<QuietLimit<TcpStream>>>> {
    let handshake = shake_hands(tcp, tls, shared.limits.idle_time);
    let (outcome, stream) = match tokio::time::timeout(shared.limits.handshake_time, handshake).await {
        Ok(Ok(Some(stream))) => ("done", Some(Box::new(stream))),
        Ok(Ok(None)) => {
            tracing::debug!(peer = %peer, "HTTP without TLS on the HTTPS port");
            ("plain-http", None)
        }
        Ok(Err(error)) => {
            if tls::is_refused_certificate(&error) {
                tracing::info!(peer = %peer, error = %error, "client certificate refused");
            }
            tracing::debug!(peer = %peer, error = %error, "TLS handshake failed");
            ("failed", None)
        }
        Err(_elapsed) => {
            tracing::debug!(peer = %peer, "TLS handshake took too long");
            ("too-slow", None)
        }
    };
    shared.site.metrics().handshakes.get_or_create(&HandshakeLabels { outcome }).inc();
    stream
}

/// For records of downloads and lines of the log that wait for the disk at the end.
const WRITERS_TIME: Duration = Duration::from_secs(5);
