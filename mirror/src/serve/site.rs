//! From a request to a response.
//!
//! ```text
//! /glide/distribution/builds/package/…      packages, under the vendor's paths; with `latest`, see `latest`
//! /repository/N.root.json, N.targets.json, N.snapshot.json, timestamp.json      the signed catalog
//! /log/checkpoint, /log/tile/…              the log, as C2SP tlog-tiles
//! /SHA256SUMS, /SHA256SUMS.minisig, /midmirror.pub
//!                                           digests of the packages, signed for minisign and signify
//! /repository/targets/FOLDER/DIGEST.NAME    packages, as TUF clients ask for them (consistent snapshots); also
//!                                           DIGEST.FOLDER/NAME, as those made with tough do
//! /api/v1/…                                 for programs, see `api`
//! /tls/ca.crl                               the revocation list of the private authority
//! /healthz, /readyz, /metrics               for monitoring
//! /, /package/DIGEST, /style.css, /icon.svg pages for people, see `page`
//! /evidence/DIGEST/NUMBER/NAME              documents of published packages, see `evidence`
//! ```
//!
//! Attacks considered: path tricks (encoded dots, double slashes, NUL, other case) meet a table look-up of the exact
//! path and end as 404; names of other files are digits and constant words ([`SmallFile`]); nothing that a client sends
//! is sent back but its `Host`, which is checked first, on the page what was searched, which is escaped, and in errors of the
//! API the parameter that is wrong, bounded and escaped.

use std::sync::Arc;

use http::header::{ALLOW, SERVER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use super::api::as_problem;
use super::blob_check::{Blob, BlobCheck, BlobProblem};
use super::body::{Buffers, Delivery, FilePart, ResponseBody};
use super::conditions::decide;
use super::desk::Desk;
use super::framing::objection;
use super::front::FrontTarget;
use super::metrics::{self, Metrics, PackageLabels};
use super::on_demand::{OnDemand, Told};
use super::peer::{ClientName, Peer};
use super::prefix::{Placed, Prefix};
use super::representation::{Package, Representation};
use super::response::{METHODS, build, come_back, document, options, text, unavailable};
use super::revocation;
use super::small_files::{Content, SmallFile};
use super::tls::TlsState;
use super::view::{Published, View};
use crate::Sha256Digest;
use crate::catalog::CatalogEntry;
use crate::hosts::{HostRecord, RecordKind, Recorder};
use crate::package::{LatestPath, PackagePath};

/// Everything that answering needs; shared by all connections.
pub(crate) struct Site {
    pub(super) published: Arc<Published>,
    /// For pages and API.
    pub(super) desk: Arc<Desk>,
    pub(super) blobs: BlobCheck,
    buffers: Buffers,
    recorder: Option<Recorder>,
    on_demand: Option<OnDemand>,
    prefix: Option<Prefix>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tls: Arc<TlsState>,
}

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// The HTTPS listener.
    Secure,
    /// The plain listener: packages and the signed catalog only.
    Plain,
}

/// What a path stands for.
enum Target {
    Package(Arc<View>, usize),
    Latest(LatestPath),
    Small(SmallFile),
    Front(FrontTarget),
    RevocationList,
    Health,
    Ready,
    Metrics,
}

impl Site {
    pub(crate) fn new(
        published: Arc<Published>,
        check_blobs: bool,
        recorder: Option<Recorder>,
        tls: Arc<TlsState>,
        desk: Desk,
    ) -> Self {
        let desk = Arc::new(desk);
        let (blobs, buffers) = (BlobCheck::new(check_blobs), Buffers::default());
        let metrics = Arc::new(Metrics::new());
        Self { published, desk, blobs, buffers, recorder, on_demand: None, prefix: None, metrics, tls }
    }

    /// The time of this machine.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.published.store().now()
    }

    /// Answers below a prefix as well.
    pub(crate) fn below(self, prefix: Option<Prefix>) -> Self {
        Self { prefix, ..self }
    }

    /// Has what is asked for and not there fetched.
    pub(crate) fn fetching(self, on_demand: Option<OnDemand>) -> Self {
        Self { on_demand, ..self }
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    pub(super) fn buffers(&self, peer: &Peer) -> Buffers {
        self.buffers.of_connection(&peer.pieces)
    }

    /// What is published, as it was when it was last looked at.
    pub(crate) fn view(&self) -> Arc<View> {
        self.published.view()
    }

    /// Reads the file of a package again, in a thread that may block; see [`BlobCheck::scrub`].
    pub(crate) fn scrub(
        &self,
        entry: &CatalogEntry,
        passed: impl FnMut(u64) -> bool,
    ) -> Result<bool, BlobProblem> {
        let path = self.published.store().blob_path(&entry.sha256);
        self.blobs.scrub(Blob { path: &path, sha256: entry.sha256, length: entry.length }, passed)
    }

    /// Answers one request of a peer, below the prefix as at the root.
    pub(crate) async fn answer<B>(&self, request: &Request<B>, peer: &Peer) -> Response<ResponseBody> {
        match self.prefix.as_ref().map_or(Placed::Root, |prefix| prefix.place(request)) {
            Placed::Root => self.answer_at_root(request, peer).await,
            Placed::Below(request, prefix) => prefix.lead_below(self.answer_at_root(&request, peer).await),
            Placed::Bare(response) => *response,
        }
    }

    /// Answers one request of a peer. The name in its certificate, if it was let in by one, is among the extensions.
    async fn answer_at_root<B>(&self, request: &Request<B>, peer: &Peer) -> Response<ResponseBody> {
        let response = match self.tls.admit(peer, request.uri().path(), self.now()) {
            Ok(client) => {
                let mut response = self.respond(request, peer, client.as_ref()).await;
                if let Some(client) = client {
                    response.extensions_mut().insert(client);
                }
                response
            }
            Err(said) => text(StatusCode::FORBIDDEN, said),
        };
        self.finish(request, peer, response)
    }

    /// Refuses a request with an answer that was made before anything looked at it; in the form of what is asked for.
    pub(crate) fn refuse<B>(
        &self,
        request: &Request<B>,
        peer: &Peer,
        response: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        match self.prefix.as_ref().map(|prefix| prefix.place(request)) {
            Some(Placed::Below(request, _)) => self.finish(&request, peer, response),
            _ => self.finish(request, peer, response),
        }
    }

    /// What all answers have in common.
    fn finish<B>(
        &self,
        request: &Request<B>,
        peer: &Peer,
        mut response: Response<ResponseBody>,
    ) -> Response<ResponseBody> {
        if peer.channel == Channel::Secure && request.uri().path().starts_with(ALL_API) {
            response = as_problem(response);
        }
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("midmirror"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if *request.method() == Method::HEAD {
            *response.body_mut() = ResponseBody::Empty;
        }
        response
    }

    async fn respond<B>(
        &self,
        request: &Request<B>,
        peer: &Peer,
        client: Option<&ClientName>,
    ) -> Response<ResponseBody> {
        let path = request.uri().path();
        if let Some(refused) = objection(request) {
            return refused;
        }
        if path.len() > LONGEST_PATH {
            return text(StatusCode::URI_TOO_LONG, "the path is too long");
        }
        if *request.method() == Method::OPTIONS && path == "*" {
            return options();
        }
        if let Some(path) = path.strip_prefix(API).filter(|_| peer.channel == Channel::Secure) {
            return Box::pin(self.api(request, path)).await;
        }
        let Some(target) = self.find(path, peer.channel).await else {
            return self.not_found(request.method(), path);
        };
        match *request.method() {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return options(),
            _ => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS");
                response.headers_mut().insert(ALLOW, METHODS);
                return response;
            }
        }
        match target {
            Target::Package(view, index) => match view.packages().get(index) {
                Some(package) => self.package(request, peer, client, package).await,
                None => text(StatusCode::NOT_FOUND, "not mirrored here"),
            },
            Target::Latest(path) => Box::pin(self.latest(&path)).await,
            Target::Small(file) => Box::pin(self.small_file(request, peer, &file)).await,
            Target::Front(target) => Box::pin(self.front(request, peer, target)).await,
            Target::RevocationList => match self.tls.current().crl(self.published.store().now()) {
                Some(list) => document(request, list.to_vec(), "application/pkix-crl", "no-cache", &[]),
                None => text(StatusCode::NOT_FOUND, "this server has no revocation list"),
            },
            Target::Health => Box::pin(self.health(request)).await,
            Target::Ready => self.ready(request),
            Target::Metrics => {
                let text = Box::pin(self.metrics_text()).await;
                document(request, text.into_bytes(), metrics::CONTENT_TYPE, "no-store", &[])
            }
        }
    }

    /// What a person is to read who looks at why an agent got nothing. 404 as for all that is not here: it is what agents
    /// know from the vendor's host, and 410 would tell them nothing more.
    fn not_found(&self, method: &Method, path: &str) -> Response<ResponseBody> {
        let view = self.published.view();
        let vendor = path.strip_prefix('/').map(|path| match path.strip_prefix("repository/targets/") {
            Some(target) => without_digest(target),
            None => path.to_owned(),
        });
        match vendor.as_deref().and_then(|path| view.withdrawn(path)) {
            Some(said) => text(StatusCode::NOT_FOUND, said),
            None => {
                let wanted =
                    matches!(*method, Method::GET | Method::HEAD).then(|| self.fetch(path)).flatten();
                wanted.unwrap_or_else(|| text(StatusCode::NOT_FOUND, "not mirrored here"))
            }
        }
    }

    /// Has a package fetched, if that is wanted and the path is one of the vendor's.
    fn fetch(&self, path: &str) -> Option<Response<ResponseBody>> {
        let path = PackagePath::parse(path.strip_prefix('/')?).ok()?;
        match self.on_demand.as_ref()?.ask(&path) {
            Told::Coming => Some(come_back("being fetched and verified; please ask again", 30)),
            Told::Failed => Some(come_back("could not be fetched just now; please ask again", 60)),
            Told::Full => Some(come_back("too much is being fetched; please ask again", 120)),
            Told::Absent => None,
        }
    }

    async fn find(&self, path: &str, channel: Channel) -> Option<Target> {
        let path = path.strip_prefix('/')?;
        if let Some(target) = path.strip_prefix("repository/targets/") {
            return Box::pin(self.find_target(target)).await;
        }
        if let Some(file) = SmallFile::at(path) {
            return Some(Target::Small(file));
        }
        if path.starts_with(PackagePath::PREFIX) {
            if let Some(latest) = LatestPath::parse(path) {
                return Some(Target::Latest(latest));
            }
            return self.find_package(path, None).await;
        }
        match path {
            // RFC 5280, section 8: over https it could not be had before it is had.
            revocation::PATH => Some(Target::RevocationList),
            _ if channel == Channel::Plain => None,
            "healthz" => Some(Target::Health),
            "readyz" => Some(Target::Ready),
            "metrics" => Some(Target::Metrics),
            _ => FrontTarget::at(path).map(Target::Front),
        }
    }

    /// TUF 1.0, section 6.2.1: with consistent snapshots the digest stands before the file name. `tough` (and `tuftool`)
    /// puts it before the whole path.
    async fn find_target(&self, path: &str) -> Option<Target> {
        if let Some((digest, path)) = split_digest(path) {
            return self.find_package(path, Some(digest)).await;
        }
        let (folder, file) = path.rsplit_once('/')?;
        if let Some((digest, name)) = split_digest(file) {
            return self.find_package(&format!("{folder}/{name}"), Some(digest)).await;
        }
        self.find_package(path, None).await
    }

    async fn find_package(&self, path: &str, digest: Option<Sha256Digest>) -> Option<Target> {
        let fits = |package: &Package| digest.is_none_or(|digest| digest == package.entry.sha256);
        let current = self.published.current().await;
        if let Some(index) =
            current.index(path).filter(|&index| current.packages().get(index).is_some_and(fits))
        {
            return Some(Target::Package(current, index));
        }
        // It may have been published a moment ago.
        let newest = self.published.newest().await;
        let index = newest.index(path).filter(|&index| newest.packages().get(index).is_some_and(fits))?;
        Some(Target::Package(newest, index))
    }

    async fn package<B>(
        &self,
        request: &Request<B>,
        peer: &Peer,
        client: Option<&ClientName>,
        package: &Package,
    ) -> Response<ResponseBody> {
        let entry = &package.entry;
        let path = || self.published.store().blob_path(&entry.sha256);
        let file = match self.blobs.open_shared(path, entry.sha256, entry.length).await {
            Ok(file) => file,
            Err(problem) => {
                tracing::error!(
                    package = %entry.path,
                    sha256 = %entry.sha256,
                    error = %problem,
                    cause = std::error::Error::source(&problem).map(ToString::to_string),
                    "stored file refused, nothing of it was sent"
                );
                return unavailable("the stored file is damaged and is not sent; see the server's log");
            }
        };
        let representation = &package.representation;
        let decision = decide(request.method(), request.headers(), &representation.selected());
        build(representation, decision, |first, length| {
            // Of a range only the one with the last byte counts: whoever has that has the others, or will not use them.
            let is_last = first.saturating_add(length) == entry.length;
            let delivery = is_last.then(|| Delivery {
                record: self.recorder.clone().map(|recorder| (recorder, self.delivered(peer, client, entry))),
                count: self
                    .metrics
                    .downloads
                    .get_or_create_owned(&PackageLabels { package: entry.path.name().to_string() }),
            });
            ResponseBody::File(FilePart::new(file, first, length, self.buffers(peer)).recorded(delivery))
        })
    }

    /// What is recorded of a package that was sent: the name in the client certificate, else the address. An IPv4 address
    /// stays one on a listener for both.
    fn delivered(&self, peer: &Peer, client: Option<&ClientName>, entry: &CatalogEntry) -> HostRecord {
        let address = || peer.address.ip().to_canonical().to_string();
        HostRecord {
            kind: RecordKind::Downloaded,
            at: self.published.store().now(),
            host: client.map_or_else(address, |client| client.name.clone()),
            certificate: client.map(|client| client.subject.clone()),
            sha256: entry.sha256,
            path: Some(entry.path.clone()),
        }
    }

    async fn small_file<B>(
        &self,
        request: &Request<B>,
        peer: &Peer,
        file: &SmallFile,
    ) -> Response<ResponseBody> {
        let path = file.path(self.published.store());
        let reading = tokio::task::spawn_blocking(move || Content::read(&path));
        match reading.await.map_err(std::io::Error::other) {
            Ok(Ok(Content::Memory(bytes))) => document(request, bytes, file.content_type, file.cache, &[]),
            Ok(Ok(Content::File { file: opened, length, sha256 })) => {
                let representation = Representation::new(&sha256, length, file.content_type, file.cache);
                let decision = decide(request.method(), request.headers(), &representation.selected());
                build(&representation, decision, |first, length| {
                    ResponseBody::File(FilePart::new(Arc::new(opened), first, length, self.buffers(peer)))
                })
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                text(StatusCode::NOT_FOUND, "there is no such file")
            }
            Ok(Err(error)) | Err(error) => {
                tracing::error!(file = file.place, error = %error, "failed to read a file of the store");
                text(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read; see the server's log")
            }
        }
    }
}

/// `DIGEST.REST`
fn split_digest(text: &str) -> Option<(Sha256Digest, &str)> {
    let (digest, rest) = text.split_at_checked(64)?;
    Some((digest.parse().ok()?, rest.strip_prefix('.')?))
}

/// `FOLDER/DIGEST.NAME` or `DIGEST.FOLDER/NAME` without the digest.
fn without_digest(target: &str) -> String {
    if let Some((_, path)) = split_digest(target) {
        return path.to_owned();
    }
    let Some((folder, file)) = target.rsplit_once('/') else { return target.to_owned() };
    split_digest(file).map_or_else(|| target.to_owned(), |(_, name)| format!("{folder}/{name}"))
}

/// The longest vendor path has some 200 bytes.
const LONGEST_PATH: usize = 2048;

/// What paths of the API begin with, and of those that there may be one day.
const API: &str = "/api/v1/";
const ALL_API: &str = "/api/";
