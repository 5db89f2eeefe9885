//! Proxies from the configuration and from the environment, which libraries do not read.
//!
//! The names and the order are curl's: lower case first; `http_proxy` in lower case only, because a web server's CGI
//! interface turns a client's `Proxy:` header into `HTTP_PROXY`.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use midmirror_mirror::fetch::{NoProxy, Proxies, Proxy};

use crate::output;

/// What the configuration says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Configured<'a> {
    /// A proxy, or [`NONE`].
    pub proxy: Option<&'a str>,
    /// Exceptions.
    pub no_proxy: Option<&'a [String]>,
    /// A file with `user:password`.
    pub credentials_file: Option<&'a Path>,
}

/// The variables that concern proxies: name and value of the one that counts, if one is set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    https: Option<(&'static str, String)>,
    http: Option<(&'static str, String)>,
    no_proxy: Option<(&'static str, String)>,
}

impl Environment {
    /// Reads the environment of this process.
    pub(crate) fn read() -> Self {
        Self::from(|name| std::env::var(name).ok())
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            // An empty variable is one that somebody has unset.
            names.iter().find_map(|name| {
                variable(name).filter(|value| !value.trim().is_empty()).map(|value| (*name, value))
            })
        };
        Self {
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            http: first(&["http_proxy", "all_proxy", "ALL_PROXY"]),
            no_proxy: first(&["no_proxy", "NO_PROXY"]),
        }
    }
}

/// Checks what can be checked without files and environment.
pub(crate) fn check(configured: &Configured<'_>) -> anyhow::Result<()> {
    if let Some(text) = configured.proxy.filter(|text| *text != NONE) {
        Proxy::parse(text).context("upstream.proxy cannot be used")?;
    }
    configured_exceptions(configured)?;
    Ok(())
}

/// Decides which proxies are used: the configuration's, else the environment's.
pub(crate) fn choose(configured: &Configured<'_>, environment: &Environment) -> anyhow::Result<Proxies> {
    let given = |variable: &Option<(&'static str, String)>| match variable {
        None => Ok(None),
        Some((name, value)) => {
            Proxy::parse(value).map(Some).with_context(|| format!("the environment's {name} cannot be used"))
        }
    };
    let (https, http) = match configured.proxy {
        Some(NONE) => (None, None),
        Some(text) => {
            let proxy = Proxy::parse(text).context("upstream.proxy cannot be used")?;
            (Some(proxy.clone()), Some(proxy))
        }
        None => (given(&environment.https)?, given(&environment.http)?),
    };
    let mut proxies = Proxies {
        https,
        http,
        except: match configured_exceptions(configured)? {
            Some(except) => except,
            None => environments_exceptions(environment),
        },
    };
    if let Some(file) = configured.credentials_file {
        let (user, password) = credentials(file)?;
        for proxy in [&mut proxies.https, &mut proxies.http].into_iter().flatten() {
            *proxy = proxy
                .clone()
                .with_credentials(&user, &password)
                .with_context(|| format!("{} cannot be used", file.display()))?;
        }
    }
    Ok(proxies)
}

fn configured_exceptions(configured: &Configured<'_>) -> anyhow::Result<Option<NoProxy>> {
    let Some(entries) = configured.no_proxy else { return Ok(None) };
    NoProxy::parse(&entries.join(",")).map(Some).context("upstream.no_proxy cannot be used")
}

/// Entries that mean something to another program only are left out, and named.
fn environments_exceptions(environment: &Environment) -> NoProxy {
    let Some((name, value)) = &environment.no_proxy else { return NoProxy::default() };
    let is_known = |entry: &&str| match NoProxy::parse(entry) {
        Ok(_) => true,
        Err(error) => {
            output::note(format!("warning: an entry of the environment's {name} is not used: {error}"));
            false
        }
    };
    let entries = value.split(|c: char| c == ',' || c.is_whitespace()).filter(is_known);
    NoProxy::parse(&entries.collect::<Vec<_>>().join(",")).unwrap_or_default()
}

fn credentials(file: &Path) -> anyhow::Result<(String, String)> {
    let name = || format!("upstream.proxy_credentials_file {}", file.display());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = std::fs::metadata(file).with_context(|| format!("failed to read {}", name()))?;
        if metadata.permissions().mode() & 0o007 != 0 {
            bail!("{} may be read by everybody: chmod o= FILE", name());
        }
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", name()))?;
    let line = text.lines().next().unwrap_or_default();
    let (user, password) =
        line.split_once(':').ok_or_else(|| anyhow!("the first line of {} is not user:password", name()))?;
    Ok((user.to_owned(), password.to_owned()))
}

/// Value of `upstream.proxy` for a direct connection, whatever the environment says.
const NONE: &str = "none";

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment::from(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn shown(configured: &Configured<'_>, variables: &[(&str, &str)], url: &str) -> Option<String> {
        let proxies = choose(configured, &environment(variables)).unwrap();
        proxies.for_url(&url::Url::parse(url).unwrap()).map(ToString::to_string)
    }

    #[test]
    fn environment_counts_as_it_does_for_curl() {
        let none = Configured::default();
        let https = |variables: &[(&str, &str)]| shown(&none, variables, "https://install.example/");
        let http = |variables: &[(&str, &str)]| shown(&none, variables, "http://install.example/");
        assert_eq!(https(&[]), None);
        assert_eq!(https(&[("HTTPS_PROXY", "http://a:1")]).as_deref(), Some("http://a:1"));
        let both = [("HTTPS_PROXY", "http://a:1"), ("https_proxy", "b:2"), ("ALL_PROXY", "c:3")];
        assert_eq!(https(&both).as_deref(), Some("http://b:2"));
        assert_eq!(http(&both).as_deref(), Some("http://c:3"));
        assert_eq!(
            https(&[("HTTPS_PROXY", ""), ("all_proxy", "socks5://c")]).as_deref(),
            Some("socks5h://c:1080")
        );
        assert_eq!(http(&[("HTTP_PROXY", "http://a:1")]), None);
        assert_eq!(http(&[("http_proxy", "http://a:1")]).as_deref(), Some("http://a:1"));
        assert_eq!(https(&[("HTTPS_PROXY", "a:1"), ("NO_PROXY", "<local>, .example")]), None);
        assert_eq!(https(&[("HTTPS_PROXY", "a:1"), ("NO_PROXY", "*")]), None);
    }

    #[test]
    fn configuration_counts_before_the_environment() {
        let variables = [("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "*")];
        let empty: [String; 0] = [];
        let ours = Configured { proxy: Some("http://b:2"), no_proxy: Some(&empty), ..Default::default() };
        assert_eq!(shown(&ours, &variables, "https://install.example/").as_deref(), Some("http://b:2"));
        assert_eq!(shown(&ours, &variables, "http://install.example/").as_deref(), Some("http://b:2"));
        let direct = Configured { proxy: Some(NONE), ..Default::default() };
        assert_eq!(shown(&direct, &[("HTTPS_PROXY", "a:1")], "https://install.example/"), None);
    }

    #[test]
    fn errors_name_the_place_and_not_the_password() {
        let error = choose(&Configured::default(), &environment(&[("https_proxy", "ftp://u:secret@a")]));
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("https_proxy") && !text.contains("secret"), "{text}");
        let error = check(&Configured { proxy: Some("http://u:secret@"), ..Default::default() });
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("upstream.proxy") && !text.contains("secret"), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn credentials_come_from_a_private_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("proxy");
        std::fs::write(&file, "anna:se:cret\n").unwrap();
        let configured =
            Configured { proxy: Some("a:1"), credentials_file: Some(&file), ..Default::default() };
        let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        let error = format!("{:#}", choose(&configured, &Environment::default()).unwrap_err());
        assert!(error.contains("chmod"), "{error}");
        mode(0o640);
        let proxies = choose(&configured, &Environment::default()).unwrap();
        assert!(proxies.https.is_some_and(|proxy| proxy.has_credentials()));
        std::fs::write(&file, "secret\n").unwrap();
        let error = format!("{:#}", choose(&configured, &Environment::default()).unwrap_err());
        assert!(error.contains("user:password") && !error.contains("secret"), "{error}");
    }
}
