//! Everything a second time, below a prefix: for sites where the mirror is one path of an address among others.
//!
//! Attacks considered: a way around the guard of client certificates (the prefix is taken away before anything looks at the
//! path, and once only).

use http::header::LOCATION;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode, Uri};

use super::body::ResponseBody;
use super::error::ServeError;
use super::response::text;

/// What stands before the path, for instance `/midmirror`.
#[derive(Debug, Clone)]
pub(crate) struct Prefix {
    text: String,
}

/// A request, as far as the prefix is concerned.
#[derive(Debug)]
pub(crate) enum Placed<'a> {
    /// It is not below the prefix.
    Root,
    /// It is for this path below it.
    Below(Box<Request<()>>, &'a Prefix),
    /// It is for the prefix itself, without the slash that relative links need.
    Bare(Box<Response<ResponseBody>>),
}

impl Prefix {
    /// Takes a prefix as it is configured: with a slash before each of its words and none behind.
    pub(crate) fn parse(text: &str) -> Result<Self, ServeError> {
        let is_word = |word: &str| {
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            !word.is_empty() && !matches!(word, "." | "..") && word.bytes().all(is_plain)
        };
        match text.strip_prefix('/') {
            Some(words) if text.len() <= LONGEST && words.split('/').all(is_word) => {
                Ok(Self { text: text.to_owned() })
            }
            _ => Err(ServeError::Prefix { text: text.chars().take(LONGEST).collect() }),
        }
    }

    /// Takes the prefix away.
    pub(crate) fn place<B>(&self, request: &Request<B>) -> Placed<'_> {
        match request.uri().path().strip_prefix(&self.text) {
            Some("") => Placed::Bare(Box::new(self.with_slash())),
            Some(rest) if rest.starts_with('/') => {
                without(request, rest).map_or(Placed::Root, |below| Placed::Below(Box::new(below), self))
            }
            _ => Placed::Root,
        }
    }

    /// Has a redirect to another path of this server lead below the prefix as well.
    pub(crate) fn lead_below(&self, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
        let place = response.headers().get(LOCATION).and_then(|place| place.to_str().ok());
        let below = place.filter(|place| place.starts_with('/')).map(|place| format!("{}{place}", self.text));
        if let Some(below) = below.and_then(|below| HeaderValue::try_from(below).ok()) {
            response.headers_mut().insert(LOCATION, below);
        }
        response
    }

    fn with_slash(&self) -> Response<ResponseBody> {
        let mut response = text(StatusCode::PERMANENT_REDIRECT, "here, with a slash at the end");
        if let Ok(place) = HeaderValue::from_str(&format!("{}/", self.text)) {
            response.headers_mut().insert(LOCATION, place);
        }
        response
    }
}

/// The same request for another path; the query stays.
fn without<B>(request: &Request<B>, path: &str) -> Option<Request<()>> {
    let mut parts = request.uri().clone().into_parts();
    let target = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    let mut below = Request::new(());
    *below.uri_mut() = Uri::from_parts(parts).ok()?;
    *below.method_mut() = request.method().clone();
    *below.version_mut() = request.version();
    *below.headers_mut() = request.headers().clone();
    Some(below)
}

const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_plain_words_with_slashes_before_them() {
        for good in ["/midmirror", "/a/b-c/d.e_f~1"] {
            Prefix::parse(good).unwrap();
        }
        for bad in
            ["", "/", "midmirror", "/midmirror/", "//a", "/a//b", "/..", "/a/./b", "/a b", "/a%2fb", "/a?b"]
        {
            assert!(matches!(Prefix::parse(bad), Err(ServeError::Prefix { .. })), "{bad}");
        }
    }

    #[test]
    fn it_is_taken_away_once_and_only_at_the_begin() {
        let prefix = Prefix::parse("/mid").unwrap();
        let below = |uri: &str| match prefix.place(&Request::builder().uri(uri).body("x").unwrap()) {
            Placed::Below(request, _) => request.uri().to_string(),
            Placed::Bare(response) => {
                format!("{} {:?}", response.status().as_u16(), response.headers()[LOCATION])
            }
            Placed::Root => "root".to_owned(),
        };
        for (uri, expected) in [
            ("/mid/glide/x?a=b&c", "/glide/x?a=b&c"),
            ("/mid/", "/"),
            ("/mid/?q=a", "/?q=a"),
            ("/mid/mid/x", "/mid/x"),
            ("/mid", "308 \"/mid/\""),
            ("/middle/x", "root"),
            ("/x/mid/y", "root"),
            ("/MID/x", "root"),
            ("https://mirror.example/mid/x?y", "https://mirror.example/x?y"),
        ] {
            assert_eq!(below(uri), expected, "{uri}");
        }
    }
}
