//! Destinations that are asked without the proxy: the rules of `NO_PROXY`.
//!
//! No standard describes them; these are curl's, with the ports and networks that Go and Python know as well.

use std::net::IpAddr;
use std::str::FromStr as _;

use ipnet::IpNet;
use thiserror::Error;

/// A list of destinations. Empty: none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoProxy {
    rules: Vec<Rule>,
}

/// An entry that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{entry:?} is neither `*` nor a domain, an address or a network (10.0.0.0/8), with or without a port behind it"
)]
pub struct NoProxyError {
    entry: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    target: Target,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    All,
    /// The domain itself and everything below it; in lower case, without a leading or trailing dot.
    Domain(String),
    Network(IpNet),
}

impl NoProxy {
    /// Reads entries that are separated by commas or white space.
    ///
    /// `*` means every destination. `example.com`, `.example.com` and `*.example.com` mean the domain and everything
    /// below it, `10.1.2.3` and `fd00::1` an address, `10.0.0.0/8` a network. `:8443` behind an entry restricts it to
    /// that port; an IPv6 address with a port stands in brackets.
    pub fn parse(text: &str) -> Result<Self, NoProxyError> {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        let rules = entries.map(|entry| rule(entry).ok_or_else(|| NoProxyError { entry: entry.to_owned() }));
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// Whether a destination is in the list. The host is one of a URL: IPv6 addresses may stand in brackets.
    ///
    /// Names are not looked up, so an address in the list does not cover a name that leads to it.
    pub fn contains(&self, host: &str, port: u16) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let address = bare.parse::<IpAddr>().ok();
        let name = bare.trim_end_matches('.').to_ascii_lowercase();
        self.rules.iter().filter(|rule| rule.port.is_none_or(|only| only == port)).any(|rule| {
            match (&rule.target, address) {
                (Target::All, _) => true,
                (Target::Network(network), Some(address)) => network.contains(&address),
                (Target::Domain(domain), None) => name
                    .strip_suffix(domain.as_str())
                    .is_some_and(|front| front.is_empty() || front.ends_with('.')),
                _ => false,
            }
        })
    }
}

fn rule(entry: &str) -> Option<Rule> {
    // A bare IPv6 address has colons but no port.
    if let Some(network) = network(entry) {
        return Some(Rule { target: Target::Network(network), port: None });
    }
    let (target, port) = match entry.rsplit_once(':') {
        Some((target, port)) => (target, Some(port.parse().ok()?)),
        None => (entry, None),
    };
    let bare = target.strip_prefix('[').and_then(|target| target.strip_suffix(']')).unwrap_or(target);
    let target = match (bare, network(bare)) {
        ("*", _) => Target::All,
        (_, Some(network)) => Target::Network(network),
        (domain, None) => {
            let domain = domain.strip_prefix("*.").or(domain.strip_prefix('.')).unwrap_or(domain);
            let domain = domain.trim_end_matches('.').to_ascii_lowercase();
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
            if domain.is_empty() || !domain.bytes().all(plain) {
                return None;
            }
            Target::Domain(domain)
        }
    };
    Some(Rule { target, port })
}

fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpAddr>().map(IpNet::from).ok().or_else(|| IpNet::from_str(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_mean_what_curl_go_and_python_take_them_for() {
        let cases: [(&str, &[&str], &[&str]); 12] = [
            ("", &[], &["install.example:443"]),
            ("*", &["install.example:443", "10.1.2.3:80", "[fd00::1]:443"], &[]),
            (
                "example.com",
                &["example.com:443", "a.b.Example.com:80", "example.com.:443"],
                &["notexample.com:443"],
            ),
            (".example.com", &["example.com:443", "a.example.com:443"], &["example.org:443"]),
            ("*.example.com", &["a.example.com:443"], &["example.org:443"]),
            ("10.1.2.3", &["10.1.2.3:443"], &["10.1.2.4:443"]),
            (
                "10.0.0.0/8, 192.168.1.0/24",
                &["10.9.9.9:1", "192.168.1.7:1"],
                &["192.168.2.7:1", "11.0.0.1:1"],
            ),
            ("fd00::/8", &["[fd12::1]:443"], &["[fe80::1]:443"]),
            ("::1 localhost", &["[::1]:443", "localhost:8443"], &["[::2]:443"]),
            ("example.com:8443", &["example.com:8443", "a.example.com:8443"], &["example.com:443"]),
            ("[::1]:8443,127.0.0.0/8:80", &["[::1]:8443", "127.0.0.5:80"], &["[::1]:443", "127.0.0.5:81"]),
            ("a.example,\tb.example \n", &["b.example:443"], &["c.example:443"]),
        ];
        for (text, inside, outside) in cases {
            let list = NoProxy::parse(text).unwrap();
            let contains = |place: &&str| {
                let (host, port) = place.rsplit_once(':').unwrap();
                list.contains(host, port.parse().unwrap())
            };
            assert!(inside.iter().all(contains), "{text:?} must contain {inside:?}");
            assert!(!outside.iter().any(contains), "{text:?} must not contain {outside:?}");
        }
    }

    #[test]
    fn what_is_no_rule_is_an_error_that_names_it() {
        for bad in
            ["10.0.0.0/33", "a*b.example", "https://example.com", "example.com:port", "*.", "user@host"]
        {
            let error = NoProxy::parse(&format!("good.example,{bad}")).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }
}
