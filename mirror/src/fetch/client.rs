//! The HTTPS client: one request at a time, with redirects, limits and retries under our own rules.
//!
//! Attacks considered:
//! - a redirect to http, to another host, or in a circle: [`HttpClient::check_redirect`], `max_redirects`
//! - an endless, silent or dripping answer (T3, T4): idle limit, minimum rate and total limit in [`Answer::chunk`], size
//!   caps at the callers
//! - a transformed body (compression bomb): any `Content-Encoding` is refused at the callers
//! - a man in the middle: certificate checks cannot be turned off; credentials never stand in a URL
//! - a user's credentials sent to where a redirect leads: only to the origin they are for, and only over https
//! - the proxy's credentials sent to somebody else: only with CONNECT, and with requests that the proxy forwards

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, LOCATION, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use url::Url;

use super::answer::{Answer, Deadline, Failure, bad_answer};
use super::basic::BasicCredentials;
use super::causes::with_causes;
use super::config::ClientConfig;
use super::connect::Connector;
use super::dial;
use super::download::{FetchEvent, ProgressFn};
use super::error::{FetchError, Refusal, ResponseProblem};
use super::limits::Limits;
use super::proxy::{Kind, Proxy};
use super::proxy_error::ProxyError;
use super::retry::{Backoff, Waiting, WaitingFn};

/// A client for metadata and packages. Cheap to clone; connections are kept for reuse.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<Connector, Empty<Bytes>>,
    config: ClientConfig,
    limits: Limits,
    user_agent: HeaderValue,
    waiting: Option<Arc<WaitingFn>>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("config", &self.config).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Makes a client; fails if roots, proxy or user agent cannot be used.
    pub fn new(config: ClientConfig) -> Result<Self, FetchError> {
        let user_agent = HeaderValue::try_from(&config.user_agent).map_err(|error| {
            FetchError::Configuration { setting: "user agent", problem: error.to_string() }
        })?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .http1_max_headers(100)
            .http1_max_buf_size(READ_BUFFER)
            .build(Connector::new(&config, &user_agent)?);
        let limits = Limits::new(config.bytes_per_second, config.connections_per_host);
        Ok(Self { client, config, limits, user_agent, waiting: None })
    }

    /// Tells somebody of every pause before another try; else the log has a warning of each.
    pub fn telling(self, waiting: Arc<WaitingFn>) -> Self {
        Self { waiting: Some(waiting), ..self }
    }

    /// The settings the client was made with.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Fetches a small document into memory; `None` if the host says that it does not exist (404 or 410).
    pub async fn get_small(&self, url: &Url, max: u64) -> Result<Option<Vec<u8>>, FetchError> {
        self.get_small_with(url, &HeaderMap::new(), max).await
    }

    /// [`HttpClient::get_small`] as a user of the host, by Basic authentication (RFC 7617); over https only.
    pub async fn get_small_as(
        &self,
        url: &Url,
        credentials: &BasicCredentials,
        max: u64,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        if url.scheme() != "https" {
            let url = without_credentials(url).to_string();
            return Err(FetchError::Refused { url, refusal: Refusal::PlainHttp });
        }
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, credentials.header());
        self.get_small_with(url, &headers, max).await
    }

    async fn get_small_with(
        &self,
        url: &Url,
        headers: &HeaderMap,
        max: u64,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        let deadline = self.deadline();
        let mut backoff = Backoff::new(&self.config.retry);
        loop {
            let failure = match self.try_small(url, headers, max, &deadline).await {
                Ok(document) => return Ok(document),
                Err(failure) => failure,
            };
            self.pause(failure, &mut backoff, &deadline, &|_| {}).await?;
        }
    }

    /// Asks whether the document still has the given validator; `false` also when the host cannot tell.
    pub(crate) async fn is_unchanged(&self, url: &Url, condition: &HeaderMap) -> Result<bool, FetchError> {
        let deadline = self.deadline();
        let mut backoff = Backoff::new(&self.config.retry);
        loop {
            let failure = match self.request(&Method::HEAD, url, condition, &deadline).await {
                Ok(answer) if answer.status() == StatusCode::NOT_MODIFIED => return Ok(true),
                // A host that refuses HEAD cannot tell; the download shows what it has.
                Ok(answer) => match answer.failure() {
                    Some(failure) if failure.error.is_transient() => failure,
                    _ => return Ok(false),
                },
                Err(error) => error.into(),
            };
            self.pause(failure, &mut backoff, &deadline, &|_| {}).await?;
        }
    }

    /// Sends one request, follows redirects, and returns the answer whatever its status is.
    pub(crate) async fn request(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        deadline: &Deadline,
    ) -> Result<Answer, FetchError> {
        self.check_url(url)?;
        if let Some(switch) = &self.config.offline {
            return Err(FetchError::Offline { url: url.to_string(), switch: switch.clone() });
        }
        let mut current = url.clone();
        let mut headers = headers.clone();
        for _ in 0..=self.config.max_redirects {
            let place = deadline.allow(url, self.limits.place(&current)).await?;
            let response = self.send(method, &current, &headers, deadline).await?;
            if !is_redirect(response.status()) {
                let (deadline, limits) = (deadline.clone(), self.limits.clone());
                return Ok(Answer::new(current, response, &self.config, deadline, limits, place));
            }
            let target = redirect_target(&current, response.headers())
                .ok_or_else(|| bad_answer(&current, ResponseProblem::Location))?;
            self.check_redirect(url, &current, &target)?;
            if target.origin() != url.origin() {
                headers.remove(AUTHORIZATION);
            }
            current = target;
        }
        Err(bad_answer(url, ResponseProblem::TooManyRedirects { limit: self.config.max_redirects }))
    }

    /// Waits before the next try, or returns the error when another try is pointless.
    pub(crate) async fn pause(
        &self,
        failure: Failure,
        backoff: &mut Backoff<'_>,
        deadline: &Deadline,
        observer: &ProgressFn<'_>,
    ) -> Result<(), FetchError> {
        let Failure { error, retry_after } = failure;
        if !error.is_transient() {
            return Err(error);
        }
        let Some(pause) = backoff.next_pause(retry_after) else { return Err(error) };
        if deadline.is_beyond(pause) {
            return Err(error);
        }
        let (failed, tries) = backoff.count();
        let (cause, wait_s) = (with_causes(&error), format!("{:.1}", pause.as_secs_f64()));
        match &self.waiting {
            Some(waiting) => waiting(Waiting { cause: &cause, pause, asked: retry_after, failed, tries }),
            None => tracing::warn!(failed, tries, wait_s, cause, "fetch failed, trying again"),
        }
        observer(FetchEvent::Retry { cause: &cause, pause, failed, tries });
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// The time limit for work that begins now.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.config.total_timeout)
    }

    async fn try_small(
        &self,
        url: &Url,
        headers: &HeaderMap,
        max: u64,
        deadline: &Deadline,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let mut answer = self.request(&Method::GET, url, headers, deadline).await?;
        if let Some(failure) = answer.failure() {
            return match failure.error {
                FetchError::NotFound { .. } => Ok(None),
                _ => Err(failure),
            };
        }
        if answer.status() != StatusCode::OK {
            return Err(bad_answer(url, ResponseProblem::UnexpectedPartial).into());
        }
        answer.check_encoding()?;
        let mut document = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            document.extend_from_slice(&chunk);
            if u64::try_from(document.len()).unwrap_or(u64::MAX) > max {
                return Err(FetchError::TooLarge { url: url.to_string(), limit: max }.into());
            }
        }
        Ok(Some(document))
    }

    async fn send(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        deadline: &Deadline,
    ) -> Result<Response<Incoming>, FetchError> {
        let uri = url.as_str().parse::<Uri>().map_err(|error| FetchError::network(url, error))?;
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers.clone();
        request.headers_mut().insert(USER_AGENT, self.user_agent.clone());
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let forwarding = self.forwarding_proxy(url);
        if let Some(basic) = forwarding.and_then(Proxy::basic) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, basic);
        }
        // The connection has its own, shorter limit inside the connector.
        let limit = self.config.connect_timeout + self.config.answer_timeout;
        let response = match deadline.watch(url, limit, "no answer", self.client.request(request)).await? {
            Ok(response) => response,
            Err(error) => return Err(FetchError::network(url, error)),
        };
        match forwarding {
            // What comes from the proxy itself and what from behind it look the same, but for this status.
            Some(proxy) if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                let problem = dial::refusal(response.status(), response.headers(), proxy, url.as_str());
                Err(FetchError::network(url, ProxyError::new(proxy, problem, None)))
            }
            _ => Ok(response),
        }
    }

    /// The proxy that takes this request as a whole, as HTTP proxies do for plain http.
    fn forwarding_proxy(&self, url: &Url) -> Option<&Proxy> {
        let proxy = self.config.proxies.for_url(url)?;
        (url.scheme() == "http" && proxy.kind() != Kind::Socks5).then_some(proxy)
    }

    /// The same document over plain http, if the configuration allows that for its host.
    ///
    /// An entry with a port names the port of http; without one it is 80.
    pub(crate) fn plain_http_alternative(&self, url: &Url) -> Option<Url> {
        let host = url.host_str().filter(|_| url.scheme() == "https")?;
        let port = self.config.plain_http_hosts.iter().find_map(|entry| match entry.rsplit_once(':') {
            _ if entry.eq_ignore_ascii_case(host) => Some(None),
            Some((name, port)) if name.eq_ignore_ascii_case(host) => Some(Some(port.parse().ok()?)),
            _ => None,
        })?;
        let mut plain = url.clone();
        plain.set_scheme("http").ok()?;
        plain.set_port(port).ok()?;
        Some(plain)
    }

    fn check_url(&self, url: &Url) -> Result<(), FetchError> {
        let refuse =
            |refusal| Err(FetchError::Refused { url: without_credentials(url).to_string(), refusal });
        if !url.username().is_empty() || url.password().is_some() {
            return refuse(Refusal::Credentials);
        }
        match (url.scheme(), url.host_str()) {
            ("https", Some(_)) => Ok(()),
            ("http", Some(_)) if lists(&self.config.plain_http_hosts, url) => Ok(()),
            ("http", Some(_)) => refuse(Refusal::PlainHttp),
            _ => refuse(Refusal::Scheme),
        }
    }

    fn check_redirect(&self, first: &Url, from: &Url, to: &Url) -> Result<(), FetchError> {
        let refuse = |refusal| Err(FetchError::Refused { url: without_credentials(to).to_string(), refusal });
        if from.scheme() == "https" && to.scheme() != "https" {
            return refuse(Refusal::Downgrade);
        }
        if to.host_str() != first.host_str() && !lists(&self.config.redirect_hosts, to) {
            return refuse(Refusal::Host);
        }
        self.check_url(to)
    }
}

/// Most bytes that a connection holds before they are taken, and so the longest head of an answer.
const READ_BUFFER: usize = 128 << 10;

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn redirect_target(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let mut target = from.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    target.set_fragment(None);
    Some(target)
}

/// Whether a list of `host` and `host:port` entries names the host of a URL.
fn lists(hosts: &[String], url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let with_port = url.port_or_known_default().map(|port| format!("{host}:{port}"));
    hosts.iter().any(|entry| {
        entry.eq_ignore_ascii_case(host)
            || with_port.as_deref().is_some_and(|with_port| entry.eq_ignore_ascii_case(with_port))
    })
}

fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    // Fails only for URLs that cannot have credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> HttpClient {
        let ca = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        HttpClient::new(ClientConfig {
            roots: super::super::config::Roots::Only { pem: ca.cert.pem().into_bytes() },
            redirect_hosts: vec!["cdn.example".to_owned()],
            plain_http_hosts: vec!["old.example".to_owned(), "127.0.0.1:8080".to_owned()],
            ..ClientConfig::default()
        })
        .unwrap()
    }

    #[test]
    fn plain_http_and_credentials_need_permission() {
        let client = client();
        for (url, refusal) in [
            ("https://install.example/a", None),
            ("http://old.example/a", None),
            ("http://OLD.example:8080/a", None),
            ("http://127.0.0.1:8080/a", None),
            ("http://127.0.0.1:8081/a", Some(Refusal::PlainHttp)),
            ("http://install.example/a", Some(Refusal::PlainHttp)),
            ("https://anna:secret@install.example/a", Some(Refusal::Credentials)),
            ("ftp://install.example/a", Some(Refusal::Scheme)),
            ("file:///etc/passwd", Some(Refusal::Scheme)),
        ] {
            match (client.check_url(&Url::parse(url).unwrap()), refusal) {
                (Ok(()), None) => {}
                (Err(FetchError::Refused { refusal: found, url }), Some(expected)) => {
                    assert_eq!(found, expected, "{url}");
                    assert!(!url.contains("secret"));
                }
                (found, expected) => panic!("{url}: {found:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn plain_http_takes_the_place_of_https_only_where_it_is_allowed() {
        for (url, plain) in [
            ("https://old.example/a?b", Some("http://old.example/a?b")),
            ("https://old.example:8443/a", Some("http://old.example/a")),
            ("https://127.0.0.1/a", Some("http://127.0.0.1:8080/a")),
            ("https://install.example/a", None),
            ("http://old.example/a", None),
        ] {
            let found = client().plain_http_alternative(&Url::parse(url).unwrap());
            assert_eq!(found.as_ref().map(Url::as_str), plain, "{url}");
        }
    }

    #[test]
    fn redirects_stay_on_allowed_hosts_and_on_https() {
        let client = client();
        for (from, to, refusal) in [
            ("https://install.example/a", "https://install.example/b", None),
            ("https://install.example/a", "https://cdn.example/b", None),
            ("https://install.example/a", "https://evil.example/b", Some(Refusal::Host)),
            ("https://install.example/a", "http://install.example/b", Some(Refusal::Downgrade)),
            ("https://install.example/a", "http://old.example/b", Some(Refusal::Downgrade)),
            ("http://old.example/a", "https://old.example/b", None),
            ("http://old.example/a", "http://cdn.example/b", Some(Refusal::PlainHttp)),
            ("https://install.example/a", "file:///etc/passwd", Some(Refusal::Downgrade)),
        ] {
            let (from, to) = (Url::parse(from).unwrap(), Url::parse(to).unwrap());
            let found = match client.check_redirect(&from, &from, &to) {
                Ok(()) => None,
                Err(FetchError::Refused { refusal, .. }) => Some(refusal),
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(found, refusal, "{from} -> {to}");
        }
    }
}
