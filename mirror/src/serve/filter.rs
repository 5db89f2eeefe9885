//! What a request asks for behind its question mark: what to look for, and which part of a long list.
//!
//! Attacks considered: queries without end (4 KiB, few words), numbers too large, the same parameter twice with different
//! values (refused by the API, the first one counts on the page), bytes that are no text (replaced, so they match nothing).
//! Nothing of it becomes a path.

use url::form_urlencoded;

use super::parameter_error::ParameterError;
use crate::admit::Label;
use crate::catalog::CatalogEntry;
use crate::package::{Buildstamp, PackageKind, Platform, ReleaseName};

/// What packages have to have. Without anything every package fits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    words: Vec<Word>,
    family: Option<String>,
    build: Option<String>,
    kind: Option<PackageKind>,
    platform: Option<Platform>,
    label: Option<Label>,
}

impl Filter {
    pub(super) fn fits_build(&self, stamp: &Buildstamp) -> bool {
        self.build.as_deref().is_none_or(|build| build == stamp.as_str())
            && self.family.as_deref().is_none_or(|family| stamp.family() == Some(family))
    }

    /// `text` is what is searched, in small letters.
    pub(super) fn fits(&self, entry: &CatalogEntry, text: &str) -> bool {
        let name = entry.path.name();
        self.kind.is_none_or(|kind| kind == name.kind())
            && self.platform.is_none_or(|platform| platform == name.platform())
            && self.label.is_none_or(|label| label == entry.label)
            && self.words.iter().all(|word| word.is_in(entry, text))
    }
}

/// A word that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// Anywhere in the text.
    Anywhere(String),
    /// In the digest, or anywhere in the text.
    Digits(String),
    /// A number of a patch or a hotfix, as ` patch 7`; a letter may follow.
    Number(String),
}

impl Word {
    /// `zurich p9h3 mid-core` is understood as `zurich`, `patch 9`, `hotfix 3`, `mid-core`.
    fn of_search(search: &str) -> Vec<Self> {
        let search = search.to_lowercase();
        let search: Vec<String> = search.split_whitespace().take(MOST_WORDS).map(spelled_out).collect();
        let search = search.join(" ");
        let mut words = Vec::new();
        let mut before = "";
        for word in search.split_whitespace() {
            let is_number = word.len() <= 4 && word.starts_with(|first: char| first.is_ascii_digit());
            let label = std::mem::replace(&mut before, word);
            if is_number {
                let label = Self::number_label(label);
                if label.is_some() {
                    words.pop();
                }
                words.push(Self::Number(format!(" {}{word}", label.unwrap_or_default())));
            } else if word.len() >= SHORTEST_DIGEST && word.bytes().all(|b| b.is_ascii_hexdigit()) {
                words.push(Self::Digits(word.to_owned()));
            } else {
                words.push(Self::Anywhere(word.to_owned()));
            }
        }
        words
    }

    /// What stands before a number.
    fn number_label(word: &str) -> Option<&'static str> {
        match word {
            "patch" | "p" => Some("patch "),
            "hotfix" | "hf" | "h" => Some("hotfix "),
            _ => None,
        }
    }

    fn is_in(&self, entry: &CatalogEntry, text: &str) -> bool {
        match self {
            Self::Anywhere(word) => text.contains(word.as_str()),
            Self::Digits(word) => {
                text.contains(word.as_str()) || entry.sha256.to_hex().contains(word.as_str())
            }
            Self::Number(number) => text.match_indices(number.as_str()).any(|(at, _)| {
                let rest = text.get(at + number.len()..).unwrap_or_default();
                rest.trim_start_matches(|c: char| c.is_ascii_lowercase()).starts_with(' ')
            }),
        }
    }
}

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters {
    given: Vec<(&'static str, String)>,
}

impl Parameters {
    /// For programs: what is not known is an error.
    pub(crate) fn strict(query: Option<&str>, known: &[&'static str]) -> Result<Self, ParameterError> {
        let query = query.unwrap_or_default();
        if query.len() > LONGEST_QUERY {
            return Err(ParameterError::TooLong { limit: LONGEST_QUERY });
        }
        let mut given: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let found = known.iter().find(|known| **known == name);
            let name = *found.ok_or_else(|| ParameterError::unknown(&name, &value, known))?;
            if given.iter().any(|(there, _)| *there == name) {
                return Err(ParameterError::repeated(name, &value));
            }
            given.push((name, value.into_owned()));
        }
        Ok(Self { given })
    }

    /// For people: empty fields of a form are left out, and so is what is not known.
    pub(crate) fn lenient(query: Option<&str>) -> Self {
        let query = query.filter(|query| query.len() <= LONGEST_QUERY).unwrap_or_default();
        let mut given: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some(name) = LIST.into_iter().find(|known| *known == name) else { continue };
            if !value.is_empty() && given.iter().all(|(there, _)| *there != name) {
                given.push((name, value.into_owned()));
            }
        }
        Self { given }
    }

    /// One parameter as it was given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(there, _)| *there == name).map(|(_, value)| value.as_str())
    }

    /// The same query with another page.
    pub(crate) fn with_page(&self, page: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.given.iter().filter(|(name, _)| *name != "page") {
            query.append_pair(name, value);
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        query.finish()
    }

    /// Whether anything is asked for but a page.
    pub(crate) fn is_search(&self) -> bool {
        self.given.iter().any(|(name, _)| !matches!(*name, "page" | "limit"))
    }

    pub(crate) fn filter(&self) -> Result<Filter, ParameterError> {
        let search = self.text("q").unwrap_or_default();
        if search.chars().count() > LONGEST_SEARCH {
            return Err(ParameterError::value("q", search, "at most 200 characters", None));
        }
        let words = Word::of_search(search);
        let is_family = |text: &str| {
            (1..=50).contains(&text.len()) && text.bytes().all(|letter| letter.is_ascii_lowercase())
        };
        let family =
            self.word("family", "1 to 50 small letters", |text| is_family(text).then(|| text.to_owned()))?;
        let build = self.word("build", "a build stamp", |text| {
            Buildstamp::parse(text).ok().map(|stamp| stamp.to_string())
        })?;
        let kinds = PackageKind::ALL.map(|kind| (kind.as_str(), kind));
        let kind = self.one_of("kind", "a kind of package", &kinds)?;
        let platforms = Platform::ALL.map(|platform| (platform.as_str(), platform));
        let platform = self.one_of("platform", "a platform", &platforms)?;
        let label = self.one_of("label", "how packages were checked", &LABELS)?;
        Ok(Filter { words, family, build, kind, platform, label })
    }

    /// Which page of a list, beginning with 1.
    pub(crate) fn page(&self) -> Result<usize, ParameterError> {
        Ok(self.number("page", "a number from 1 to 1000000", 1_000_000)?.unwrap_or(1))
    }

    /// How many things on a page.
    pub(crate) fn limit(&self) -> Result<usize, ParameterError> {
        Ok(self.number("limit", "a number from 1 to 1000", MOST_ON_A_PAGE)?.unwrap_or(USUALLY_ON_A_PAGE))
    }

    fn number(
        &self,
        name: &'static str,
        expected: &'static str,
        most: usize,
    ) -> Result<Option<usize>, ParameterError> {
        self.word(name, expected, |text| {
            let digits = (1..=7).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            let number: usize = text.parse().ok().filter(|_| digits)?;
            (1..=most).contains(&number).then_some(number)
        })
    }

    fn word<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ParameterError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| ParameterError::value(name, text, expected, None))
    }

    /// A word of a list, and what it stands for.
    fn one_of<T: Copy>(
        &self,
        name: &'static str,
        expected: &'static str,
        all: &[(&'static str, T)],
    ) -> Result<Option<T>, ParameterError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = all.iter().find(|(word, _)| *word == text).map(|(_, value)| Some(*value));
        let words = || Some(all.iter().map(|(word, _)| *word).collect());
        found.ok_or_else(|| ParameterError::value(name, text, expected, words()))
    }
}

/// `zurich-p9h3`, `p9h3` and `hf3` in the words of the text that is searched; others stay as they are.
fn spelled_out(word: &str) -> String {
    for (before, its_words) in [("", ""), ("any ", "any "), ("any p1 ", "any patch 1 ")] {
        let release = ReleaseName::parse(&format!("{before}{word}")).ok().filter(ReleaseName::has_patch);
        let spelled = release.map(|release| release.to_string());
        if let Some(rest) = spelled.as_deref().and_then(|text| text.strip_prefix(its_words)) {
            return rest.to_owned();
        }
    }
    word.to_owned()
}

/// Some of a list, and how much there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part<T> {
    pub(crate) items: Vec<T>,
    /// How many there are in all.
    pub(crate) total: usize,
    /// Which page this is, beginning with 1.
    pub(crate) page: usize,
    /// How many pages there are, at least 1.
    pub(crate) pages: usize,
    /// How many things on a page.
    pub(crate) limit: usize,
}

/// Takes a page of a list.
pub(crate) fn part<T>(all: impl ExactSizeIterator<Item = T>, page: usize, limit: usize) -> Part<T> {
    let total = all.len();
    let items = all.skip(page.saturating_sub(1).saturating_mul(limit)).take(limit).collect();
    Part { items, total, page, pages: total.div_ceil(limit.max(1)).max(1), limit }
}

/// The words for how a package was checked.
const LABELS: [(&str, Label); 2] =
    [("verified", Label::Verified), ("signature-not-checked", Label::SignatureNotChecked)];
/// The parameters of lists of packages.
pub(crate) const LIST: [&str; 8] = ["q", "family", "build", "kind", "platform", "label", "page", "limit"];
/// The parameters of lists of builds.
pub(crate) const BUILDS: [&str; 4] = ["q", "family", "page", "limit"];
/// The parameters of other lists.
pub(crate) const PAGES: [&str; 2] = ["page", "limit"];
/// 200 characters can have 2,400 bytes; a stamp has 200.
const LONGEST_QUERY: usize = 4096;
/// In characters.
pub(crate) const LONGEST_SEARCH: usize = 200;
const MOST_WORDS: usize = 10;
/// Fewer digits stand in every digest.
const SHORTEST_DIGEST: usize = 6;
/// Some 1 MB of JSON.
pub(crate) const MOST_ON_A_PAGE: usize = 1000;
pub(crate) const USUALLY_ON_A_PAGE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_parameters_are_refused_for_programs_and_passed_over_for_people() {
        let too_long = format!("q={}", "x".repeat(5000));
        let long_search = format!("q={}", "x".repeat(201));
        for (query, said, name) in [
            ("q=a&q=b", "q is given more than once", Some("q")),
            ("sort=up", "there is no parameter sort here", Some("sort")),
            ("page=0", "page has to be", Some("page")),
            ("page=-1", "page has to be", Some("page")),
            ("page=99999999999999999999", "page has to be", Some("page")),
            ("page=+1", "page has to be", Some("page")),
            ("limit=1001", "limit has to be", Some("limit")),
            ("kind=", "kind has to be", Some("kind")),
            ("kind=MID", "kind has to be", Some("kind")),
            ("platform=beos", "platform has to be", Some("platform")),
            ("family=%3Cscript%3E", "family has to be", Some("family")),
            ("build=..%2F..", "build has to be", Some("build")),
            ("label=verified%00", "label has to be", Some("label")),
            (&long_search, "q has to be", Some("q")),
            (&too_long, "the query is longer than 4096 bytes", None),
        ] {
            let error = Parameters::strict(Some(query), &LIST)
                .and_then(|given| Ok((given.filter()?, given.page()?, given.limit()?)))
                .unwrap_err();
            assert!(error.to_string().starts_with(said), "{query}: {error}");
            let parameter = serde_json::to_value(error.parameter()).unwrap();
            assert_eq!(parameter.get("name").and_then(|found| found.as_str()), name, "{query}");
        }
        let lenient = Parameters::lenient(Some("q=&family=zurich&family=other&sort=up&page=3"));
        assert_eq!((lenient.text("q"), lenient.text("family")), (None, Some("zurich")));
        assert_eq!(lenient.with_page(2), "family=zurich&page=2");
        assert_eq!(lenient.with_page(1), "family=zurich");
        assert_eq!(Parameters::lenient(Some("q=%FF%00a+b")).text("q"), Some("\u{fffd}\0a b"));
    }

    #[test]
    fn pages_cover_a_list_once() {
        let all: Vec<usize> = (0..25).collect();
        let mut seen = Vec::new();
        for page in 1..=3 {
            let part = part(all.iter().copied(), page, 10);
            assert_eq!((part.total, part.pages, part.page), (25, 3, page));
            seen.extend(part.items);
        }
        assert_eq!(seen, all);
        assert_eq!(part(all.iter(), 1_000_000, 10).items, Vec::<&usize>::new());
        assert_eq!(part([0; 0].iter(), 1, 10).pages, 1);
    }
}
