//! The headers of one section.

use std::borrow::Cow;
use std::collections::HashMap;

use super::lines::{Lines, text};

/// Headers of one section in order of first appearance; names compare without case.
#[derive(Debug, Default, Clone)]
pub(crate) struct Attributes<'a> {
    headers: Vec<(&'a str, Cow<'a, str>)>,
    /// Where a name is, in lower case; only of sections with many headers, where searching would take hours.
    index: HashMap<String, usize>,
}

impl<'a> Attributes<'a> {
    /// The value of a header.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// All headers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, &str)> {
        self.headers.iter().map(|(key, value)| (*key, &**value))
    }

    /// Adds the headers from a position on. It is one where parsing has found no fault before.
    pub(super) fn read(&mut self, bytes: &'a [u8], at: usize) {
        let _has_been_parsed = Lines::new(bytes, at).read_headers(|name, value| self.put(name, text(value)));
    }

    fn put(&mut self, name: &'a str, value: Cow<'a, str>) {
        let known = self.position(name);
        match known.and_then(|position| self.headers.get_mut(position)) {
            // The JDK keeps the first spelling and the last value.
            Some((_, old)) => *old = value,
            None => {
                if self.headers.len() >= MANY_HEADERS {
                    self.index.insert(name.to_ascii_lowercase(), self.headers.len());
                }
                self.headers.push((name, value));
            }
        }
    }

    fn position(&mut self, name: &str) -> Option<usize> {
        if self.headers.len() < MANY_HEADERS {
            return self.headers.iter().position(|(key, _)| key.eq_ignore_ascii_case(name));
        }
        if self.index.is_empty() {
            let names = self.headers.iter().enumerate();
            self.index = names.map(|(position, (key, _))| (key.to_ascii_lowercase(), position)).collect();
        }
        self.index.get(&name.to_ascii_lowercase()).copied()
    }
}

const MANY_HEADERS: usize = 32;
