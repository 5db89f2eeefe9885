//! Proxies between us and the upstream: their addresses, their credentials, and who is asked through which.
//!
//! Credentials are sent to the proxy and nowhere else: no text that this module makes contains them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use thiserror::Error;
use url::Url;

use super::no_proxy::NoProxy;

/// A proxy that is asked to connect us.
///
/// `http://` and `https://` mean an HTTP proxy: CONNECT for https (RFC 9110, 9.3.6), absolute-form requests for plain
/// http, Basic authentication (RFC 7617). NTLM and Kerberos are not spoken; a local helper such as cntlm does that.
/// `socks5://` and `socks5h://` mean SOCKS 5 (RFC 1928, RFC 1929); the proxy resolves names in both cases.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    address: String,
    credentials: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Https,
    Socks5,
}

/// The text names no proxy that can be used. The text itself is left out: it may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem} (for instance http://proxy.example:3128 or socks5h://proxy.example:1080)")]
pub struct ProxyTextError {
    problem: &'static str,
}

impl Proxy {
    /// Reads `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`. Without a scheme it is `http`; without a port 80, 443 or 1080.
    ///
    /// Reserved characters in user name and password are written `%40` and so on.
    pub fn parse(text: &str) -> Result<Self, ProxyTextError> {
        let wrong = |problem| ProxyTextError { problem };
        let text = text.trim();
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&full).map_err(|_| wrong("it is not a URL"))?;
        let (kind, port) = match url.scheme() {
            "http" => (Kind::Http, 80),
            "https" => (Kind::Https, 443),
            "socks5" | "socks5h" => (Kind::Socks5, 1080),
            _ => return Err(wrong("only http, https, socks5 and socks5h proxies can be used")),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it has no host"))?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("there must be nothing behind host and port"));
        }
        let address = format!("{host}:{}", url.port().unwrap_or(port));
        let proxy = Self { kind, address, credentials: None };
        let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
        if user.is_empty() && password.is_empty() {
            Ok(proxy)
        } else {
            proxy.with_credentials(user, password)
        }
    }

    /// The same proxy with these credentials in place of those in its URL.
    pub fn with_credentials(
        self,
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Result<Self, ProxyTextError> {
        let (user, password) = (user.into(), password.into());
        let wrong = |problem| ProxyTextError { problem };
        if user.contains(':') {
            return Err(wrong("its user name must not contain a colon (RFC 7617)"));
        }
        if [&user, &password].iter().any(|text| text.len() > 255 || text.chars().any(char::is_control)) {
            return Err(wrong("its user name and password are at most 255 bytes without control characters"));
        }
        Ok(Self { credentials: Some((user, password)), ..self })
    }

    /// Whether it is given a user name and password.
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials.as_ref().map(|(user, password)| (user.as_str(), password.as_str()))
    }

    /// `Proxy-Authorization: Basic …`.
    pub(crate) fn basic(&self) -> Option<HeaderValue> {
        let (user, password) = self.credentials.as_ref()?;
        let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let mut value = HeaderValue::try_from(basic).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Where to connect to.
    pub(crate) fn destination(&self) -> Result<Uri, http::uri::InvalidUri> {
        self.to_string().parse()
    }
}

/// Scheme, host and port; never the credentials.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::Socks5 => "socks5h",
        };
        write!(f, "{scheme}://{}", self.address)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Which proxy is asked for which URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For https URLs.
    pub https: Option<Proxy>,
    /// For http URLs.
    pub http: Option<Proxy>,
    /// Destinations that are asked directly all the same.
    pub except: NoProxy,
}

impl Proxies {
    /// One proxy for everything.
    pub fn all(proxy: Proxy) -> Self {
        Self { https: Some(proxy.clone()), http: Some(proxy), except: NoProxy::default() }
    }

    /// The proxy for a URL; `None` means a direct connection.
    pub fn for_url(&self, url: &Url) -> Option<&Proxy> {
        self.pick(url.scheme(), url.host_str()?, url.port_or_known_default()?)
    }

    pub(crate) fn for_uri(&self, uri: &Uri) -> Option<&Proxy> {
        self.pick(uri.scheme_str()?, uri.host()?, port_of(uri))
    }

    fn pick(&self, scheme: &str, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if scheme == "https" { self.https.as_ref() } else { self.http.as_ref() }?;
        (!self.except.contains(host, port)).then_some(proxy)
    }
}

/// The port of a URI, also when it is the one that its scheme implies.
pub(crate) fn port_of(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 })
}

/// Undoes `%40` and the like; a plus sign stays one.
fn decoded(text: &str) -> String {
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_scheme_and_port() {
        for (text, shown) in [
            ("http://proxy.example:3128", "http://proxy.example:3128"),
            ("proxy.example:3128", "http://proxy.example:3128"),
            (" http://proxy.example/ ", "http://proxy.example:80"),
            ("https://proxy.example", "https://proxy.example:443"),
            ("socks5://proxy.example", "socks5h://proxy.example:1080"),
            ("socks5h://[::1]:1081", "socks5h://[::1]:1081"),
            ("http://anna:secret@proxy.example:3128", "http://proxy.example:3128"),
        ] {
            assert_eq!(Proxy::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn credentials_are_read_and_never_shown() {
        let proxy = Proxy::parse("http://anna:s%40cr%3Ae+t@proxy.example:3128").unwrap();
        assert_eq!(proxy.credentials(), Some(("anna", "s@cr:e+t")));
        assert_eq!(proxy.basic().unwrap().as_bytes(), b"Basic YW5uYTpzQGNyOmUrdA==");
        let shown = format!("{proxy} {proxy:?} {:?} {:?}", Proxies::all(proxy.clone()), proxy.basic());
        assert!(!shown.contains("s@cr") && !shown.contains("anna") && !shown.contains("YW5u"), "{shown}");
    }

    #[test]
    fn unusable_texts_are_errors_without_the_text() {
        for text in [
            "ftp://secret@proxy.example",
            "socks4://secret@proxy.example",
            "http://an%3Ana:secret@proxy.example",
            "http://secret:secret@",
            "http://proxy.example:secret",
            "http://proxy.example/secret",
            "",
        ] {
            let error = Proxy::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn schemes_and_exceptions_decide_who_is_asked() {
        let proxies = Proxies {
            https: Some(Proxy::parse("one.example:1").unwrap()),
            http: None,
            except: NoProxy::parse("inside.example, mirror.example:8443").unwrap(),
        };
        let asked = |url: &str| proxies.for_url(&Url::parse(url).unwrap()).map(ToString::to_string);
        assert_eq!(asked("https://install.example/a").as_deref(), Some("http://one.example:1"));
        assert_eq!(asked("http://install.example/a"), None);
        assert_eq!(asked("https://a.inside.example/"), None);
        assert_eq!(asked("https://mirror.example:8443/"), None);
        assert!(asked("https://mirror.example/").is_some());
        let uri = Uri::from_static("https://mirror.example");
        assert!(proxies.for_uri(&uri).is_some());
        assert_eq!(port_of(&Uri::from_static("http://a.example/")), 80);
    }
}
