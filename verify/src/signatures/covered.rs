//! The names that accepted signatures cover, and who vouches for each.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::manifest::Manifest;
use crate::name_index::NameIndex;
use crate::signature_names::plain_name;

/// Covered names by number, each with its signers. Nearly all names have the same signers, so sets of signers have
/// numbers as well, and names lie one behind the other in one text.
#[derive(Debug, Default)]
pub(crate) struct Covered {
    text: String,
    names: Vec<Name>,
    index: NameIndex,
    sets: Vec<Arc<[usize]>>,
    numbers_of_sets: HashMap<BTreeSet<usize>, usize>,
}

#[derive(Debug, Clone, Copy)]
struct Name {
    end: u32,
    set: u32,
}

/// Signers that are added to names, with what has been found out about it: which set becomes which.
#[derive(Debug)]
pub(super) struct Addition {
    signers: Vec<usize>,
    becomes: HashMap<Option<usize>, usize>,
}

impl Addition {
    pub(super) fn of(signers: Vec<usize>) -> Self {
        Self { signers, becomes: HashMap::new() }
    }
}

impl Covered {
    /// Whether nothing is covered.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many names are covered.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// The number of a name.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.index.get(name, |number| self.name(number))
    }

    /// The number of a name that probably has a certain one: then no table is needed.
    pub(crate) fn number_near(&self, name: &str, probable: u32) -> Option<u32> {
        let known = usize::try_from(probable).is_ok_and(|probable| probable < self.names.len());
        if known && self.name(probable) == name { Some(probable) } else { self.number(name) }
    }

    /// The name of a number.
    pub(crate) fn name(&self, number: u32) -> &str {
        name_of(&self.text, &self.names, number)
    }

    /// All names with their numbers.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        (0u32..).zip(&self.names).map(|(number, _)| self.name(number))
    }

    /// The number of the set of signers that vouch for a name.
    pub(crate) fn set_of(&self, number: u32) -> Option<usize> {
        let name = usize::try_from(number).ok().and_then(|number| self.names.get(number))?;
        usize::try_from(name.set).ok()
    }

    /// The sets of signers, each as indices into the list of signers.
    pub(crate) fn sets(&self) -> &[Arc<[usize]>] {
        &self.sets
    }

    /// The signers that vouch for a name, as indices into the list of signers.
    pub(crate) fn signers(&self, name: &str) -> Option<&[usize]> {
        let set = self.set_of(self.number(name)?)?;
        self.sets.get(set).map(|set| &**set)
    }

    /// Has signers vouch for a name, besides those that do already.
    pub(super) fn add(&mut self, name: &str, addition: &mut Addition) {
        let length = self.text.len();
        let (Ok(new), Ok(end)) = (u32::try_from(self.names.len()), u32::try_from(length + name.len())) else {
            return;
        };
        self.text.push_str(name);
        self.names.push(Name { end, set: 0 });
        let known = self.index.insert(new, |number| name_of(&self.text, &self.names, number));
        if known.is_some() {
            self.names.pop();
            self.text.truncate(length);
        }
        let before = known.and_then(|known| self.set_of(known));
        let set = self.set_with(before, addition);
        let place = usize::try_from(known.unwrap_or(new)).ok().and_then(|place| self.names.get_mut(place));
        if let (Some(name), Ok(set)) = (place, u32::try_from(set)) {
            name.set = set;
        }
    }

    /// Has signers vouch for all names of a signature file.
    pub(super) fn add_file(&mut self, file: &Manifest, addition: &mut Addition) {
        let mut length = 0;
        let plain = file.names().all(|(_, name)| {
            length += name.len();
            plain_name(&name) == name
        });
        if !self.is_empty() || !plain || u32::try_from(length).is_err() {
            for (_, name) in file.names() {
                self.add(plain_name(&name), addition);
            }
            return;
        }
        // The first file is mostly the only one, and its table of names serves here, too.
        self.text.reserve_exact(length);
        self.names.reserve_exact(file.len());
        for (_, name) in file.names() {
            let set = self.set_with(None, addition);
            self.text.push_str(&name);
            if let (Ok(end), Ok(set)) = (u32::try_from(self.text.len()), u32::try_from(set)) {
                self.names.push(Name { end, set });
            }
        }
        self.index = file.index().clone();
    }

    /// The set of signers that a name has from now on.
    fn set_with(&mut self, before: Option<usize>, addition: &mut Addition) -> usize {
        match addition.becomes.get(&before) {
            Some(set) => *set,
            None => {
                let set = self.number_of_set(before, &addition.signers);
                addition.becomes.insert(before, set);
                set
            }
        }
    }

    /// Whether the first names are those of a file, in its order; then their number.
    pub(super) fn begins_with(&self, file: &Manifest) -> Option<u32> {
        let names = u32::try_from(file.len()).ok()?;
        let same = file.names().all(|(slot, name)| self.number_near(&name, slot) == Some(slot));
        same.then_some(names)
    }

    /// The number of the set that has these signers besides those of another. As in the JDK, a known set of the same
    /// signers will do, the last one first; otherwise all are put one after the other, equal ones as well.
    fn number_of_set(&mut self, before: Option<usize>, signers: &[usize]) -> usize {
        let before = before.and_then(|before| self.sets.get(before));
        let all: Vec<usize> = before.into_iter().flat_map(|set| set.iter()).chain(signers).copied().collect();
        let key: BTreeSet<usize> = all.iter().copied().collect();
        *self.numbers_of_sets.entry(key).or_insert_with(|| {
            self.sets.push(all.into());
            self.sets.len() - 1
        })
    }
}

fn name_of<'a>(text: &'a str, names: &[Name], number: u32) -> &'a str {
    let end = |number: u32| {
        let name = usize::try_from(number).ok().and_then(|number| names.get(number))?;
        usize::try_from(name.end).ok()
    };
    let start = number.checked_sub(1).and_then(end).unwrap_or(0);
    end(number).and_then(|end| text.get(start..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_covered_as_name_by_name() {
        let file = |names: &[&str]| {
            let sections: String = names.iter().map(|name| format!("Name: {name}\n\n")).collect();
            Manifest::parse(format!("A: 1\n\n{sections}").into_bytes()).unwrap()
        };
        let files = [file(&["a", "b", "a", "c"]), file(&["/a", "d"]), file(&["c", "d", "e"])];
        // With the first file first, and with it as the second one.
        for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0]] {
            let (mut whole, mut single) = (Covered::default(), Covered::default());
            for (signer, file) in order.iter().map(|number| &files[*number]).enumerate() {
                whole.add_file(file, &mut Addition::of(vec![signer]));
                let mut addition = Addition::of(vec![signer]);
                for (_, name) in file.names() {
                    single.add(plain_name(&name), &mut addition);
                }
            }
            assert_eq!(whole.names().collect::<Vec<_>>(), single.names().collect::<Vec<_>>());
            for name in ["a", "b", "c", "d", "e", "/a", "x", ""] {
                assert_eq!(whole.signers(name), single.signers(name), "{name:?} in {order:?}");
                for probable in 0..6 {
                    assert_eq!(
                        whole.number_near(name, probable),
                        single.number(name),
                        "{name:?} in {order:?}"
                    );
                }
            }
        }
        let mut covered = Covered::default();
        covered.add_file(&files[0], &mut Addition::of(vec![0]));
        assert_eq!(files.each_ref().map(|file| covered.begins_with(file)), [Some(3), None, None]);
    }

    #[test]
    fn signers_of_a_name_add_up() {
        let mut covered = Covered::default();
        let mut first = Addition::of(vec![0, 0]);
        for name in ["a", "b", "a"] {
            covered.add(name, &mut first);
        }
        let mut second = Addition::of(vec![1, 0]);
        for name in ["b", "c"] {
            covered.add(name, &mut second);
        }
        let signers = |name| {
            let set = covered.number(name).and_then(|number| covered.set_of(number)).unwrap();
            covered.sets().get(set).unwrap().to_vec()
        };
        assert_eq!(covered.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(
            [signers("a"), signers("b"), signers("c")],
            [vec![0, 0], vec![0, 0, 1, 0], vec![0, 0, 1, 0]]
        );
        assert_eq!(covered.number("d"), None);
    }
}
