//! Answers for people and for programs that look around: pages, API, evidence.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use http::header::{ALLOW, HOST};
use http::{Method, Request, Response, StatusCode};

use super::api::{self, Route, as_problem, problem, problem_with};
use super::body::{FilePart, ResponseBody};
use super::conditions::decide;
use super::desk::{Condition, Desk};
use super::evidence::{Damaged, DocumentName, Opened, Recorded};
use super::page;
use super::peer::Peer;
use super::representation::Representation;
use super::response::{METHODS, build, document, options, text, unavailable};
use super::site::Site;
use super::view::View;
use crate::Sha256Digest;
use crate::catalog::CatalogEntry;
use crate::store::Admission;

/// What a path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrontTarget {
    Page,
    Package(Sha256Digest),
    Evidence(Sha256Digest, u64, DocumentName),
    Style,
    Icon,
}

impl FrontTarget {
    /// Looks up a path, which begins without slash.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "" => Some(Self::Page),
            "style.css" => Some(Self::Style),
            "icon.svg" => Some(Self::Icon),
            _ => match path.split_once('/')? {
                ("package", digest) => Some(Self::Package(digest.parse().ok()?)),
                ("evidence", rest) => {
                    let (digest, rest) = rest.split_once('/')?;
                    let (number, name) = rest.split_once('/')?;
                    let number = number.parse().ok().filter(|parsed: &u64| parsed.to_string() == number)?;
                    Some(Self::Evidence(digest.parse().ok()?, number, DocumentName::parse(name)?))
                }
                _ => None,
            },
        }
    }
}

impl Site {
    /// Answers a request for a page, or for what belongs to pages.
    pub(super) async fn front<B>(
        &self,
        request: &Request<B>,
        peer: &Peer,
        target: FrontTarget,
    ) -> Response<ResponseBody> {
        match target {
            FrontTarget::Style => document(request, page::STYLE.into(), CSS, "no-cache", &[]),
            FrontTarget::Icon => {
                document(request, page::ICON.into(), SVG, "no-cache", &page::DOCUMENT_HEADERS)
            }
            FrontTarget::Page => {
                let (view, state) = self.state().await;
                let (desk, now) = (self.desk.clone(), self.published.store().now());
                let (base, query) = (desk.base_url(host(request)), query(request));
                let page = self.desk.make(async move {
                    page::overview(&desk, &view, query.as_deref(), &state, &base, now).await
                });
                match page.await {
                    Some(page) => document(request, page, HTML, "no-cache", &page::HEADERS),
                    None => failed(),
                }
            }
            FrontTarget::Package(sha256) => {
                let (view, state) = self.state().await;
                let (desk, now) = (self.desk.clone(), self.published.store().now());
                let base = desk.base_url(host(request));
                let withdrawn = view.withdrawn_digest(&sha256);
                let page = self
                    .desk
                    .make(async move { page::package(&desk, &view, &sha256, &state, &base, now).await });
                match page.await {
                    Some(Some(page)) => document(request, page, HTML, "no-cache", &page::HEADERS),
                    Some(None) => {
                        let none = "nothing that is published here has this digest";
                        text(StatusCode::NOT_FOUND, withdrawn.as_deref().unwrap_or(none))
                    }
                    None => failed(),
                }
            }
            FrontTarget::Evidence(sha256, number, name) => {
                self.evidence(request, peer, sha256, number, name).await
            }
        }
    }

    /// Answers a request for a path below `/api/v1/`; `path` is what follows.
    pub(super) async fn api<B>(&self, request: &Request<B>, path: &str) -> Response<ResponseBody> {
        let Some(route) = Route::at(path) else {
            return problem(
                StatusCode::NOT_FOUND,
                "there is nothing here; /api/v1/openapi.json says what there is",
            );
        };
        match *request.method() {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return options(),
            _ => {
                let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS");
                response.headers_mut().insert(ALLOW, METHODS);
                return response;
            }
        }
        let (view, state) = self.state().await;
        let (desk, now) = (self.desk.clone(), self.published.store().now());
        let (cache, query) = (route.cache(), query(request));
        let answer = self
            .desk
            .make(async move { api::answer(&desk, &view, route, query.as_deref(), &state, now).await });
        match answer.await {
            Some(Ok(json)) => {
                as_problem(document(request, json, "application/json", cache, &page::DOCUMENT_HEADERS))
            }
            Some(Err(error)) => problem_with(error.status, &error.detail, error.parameter),
            None => as_problem(failed()),
        }
    }

    /// The newest catalog, and how the server is.
    async fn state(&self) -> (Arc<View>, Condition) {
        let view = self.published.newest().await;
        self.desk.evidence().look_again().await;
        let condition = Condition::of(&view, self.problem(), self.published.store().now());
        (view, condition)
    }

    async fn evidence<B>(
        &self,
        request: &Request<B>,
        peer: &Peer,
        sha256: Sha256Digest,
        number: u64,
        name: DocumentName,
    ) -> Response<ResponseBody> {
        let none = || text(StatusCode::NOT_FOUND, "there is no such evidence of a published package");
        let view = self.published.newest().await;
        let desk = self.desk.clone();
        let asked = view.clone();
        let found = self.desk.make(async move { found(&desk, &asked, sha256, number, name).await });
        let Some(found) = found.await else { return failed() };
        let headers = &page::DOCUMENT_HEADERS;
        let mut response = match found {
            None => return none(),
            Some(Found::Bad) => {
                return unavailable("the stored document is damaged and is not sent; see the server's log");
            }
            Some(Found::Text(text)) => {
                return document(request, text.into_bytes(), name.content_type(), "no-cache", headers);
            }
            Some(Found::File(file, digest)) => {
                let Ok(metadata) = file.metadata() else { return failed() };
                let representation = match digest {
                    Some(digest) => {
                        Representation::new(&digest, metadata.len(), name.content_type(), "no-cache")
                    }
                    None => {
                        let tag = format!("{sha256}-{number}-{}-{}", metadata.len(), metadata.ctime());
                        Representation::file(&tag, metadata.len(), name.content_type(), "no-cache")
                    }
                };
                let decision = decide(request.method(), request.headers(), &representation.selected());
                build(&representation, decision, |first, length| {
                    ResponseBody::File(FilePart::new(file, first, length, self.buffers(peer)))
                })
            }
        };
        for (header, value) in headers {
            response.headers_mut().insert(header, http::HeaderValue::from_static(value));
        }
        response
    }
}

/// A document of evidence.
enum Found {
    Text(String),
    /// With its digest, if one is recorded.
    File(Arc<File>, Option<Sha256Digest>),
    /// It is not what is recorded.
    Bad,
}

/// Looks a document up: the digest in the catalog, and the number has to be that of the admission the catalog follows.
async fn found(
    desk: &Desk,
    view: &View,
    sha256: Sha256Digest,
    number: u64,
    name: DocumentName,
) -> Option<Found> {
    let mut admission: Option<(&CatalogEntry, Admission)> = None;
    for entry in view.with_digest(&sha256) {
        let its = desk.evidence().admission(entry).await;
        if let Some(its) = its.filter(|its| its.number() == number) {
            admission = Some((entry, its));
            break;
        }
    }
    let (entry, admission) = admission?;
    let recorded = desk.recorded(view, &admission).await;
    match name {
        // Made from an entry that is in the log as it was signed, or not at all.
        DocumentName::Proof if recorded == Recorded::Broken => Some(Found::Bad),
        DocumentName::Proof => desk.proof(view, number).await.map(Found::Text),
        DocumentName::Origin => match desk.evidence().origin_json(entry, &admission, &recorded).await {
            Ok(json) => json.map(Found::Text),
            Err(Damaged) => Some(Found::Bad),
        },
        _ => match desk.evidence().open(entry, &admission, &recorded, name).await {
            Opened::File(file, digest) => Some(Found::File(file, digest)),
            Opened::Missing => None,
            Opened::Bad => Some(Found::Bad),
        },
    }
}

/// The name under which the client knows this server, if it looks like one.
fn host<B>(request: &Request<B>) -> Option<&str> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = authority.or_else(|| request.headers().get(HOST)?.to_str().ok())?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
    (!host.is_empty() && host.len() <= 255 && host.bytes().all(allowed)).then_some(host)
}

fn query<B>(request: &Request<B>) -> Option<String> {
    request.uri().query().map(str::to_owned)
}

fn failed() -> Response<ResponseBody> {
    text(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made; see the server's log")
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_hosts_are_not_repeated() {
        let request = |host: &str| Request::builder().uri("/").header(HOST, host).body(()).unwrap();
        assert_eq!(host(&request("mirror.example:8443")), Some("mirror.example:8443"));
        assert_eq!(host(&request("[::1]:8443")), Some("[::1]:8443"));
        for odd in ["", "a b", "<script>", "mirror.example/x", "a\"b"] {
            assert_eq!(host(&request(odd)), None, "{odd}");
        }
    }

    #[test]
    fn names_are_digests_numbers_and_constant_words() {
        let digest = Sha256Digest::of(b"x");
        let at = |path: &str| FrontTarget::at(path);
        assert_eq!(at(&format!("package/{digest}")), Some(FrontTarget::Package(digest)));
        assert_eq!(
            at(&format!("evidence/{digest}/12/report.json")),
            Some(FrontTarget::Evidence(digest, 12, DocumentName::Report))
        );
        for bad in [
            "12/fetch.json",
            "012/report.json",
            "+1/report.json",
            "12/../report.json",
            "12/report.json/",
            "12",
            "",
        ] {
            assert_eq!(at(&format!("evidence/{digest}/{bad}")), None, "{bad}");
        }
        for bad in
            ["package", "package/", "package/x", "evidence/x/1/report.json", "index.html", "style.css/"]
        {
            assert_eq!(at(bad), None, "{bad}");
        }
    }
}
