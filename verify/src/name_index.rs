//! Finds things by names that are kept elsewhere: a few bytes for each name instead of a second copy of it.

use std::hash::{BuildHasher as _, RandomState};

use hashbrown::HashTable;

/// Numbers of things that have names. Whoever owns the names says in each call what they are.
///
/// Names come from outside: hashes are seeded, so that nobody can choose names that all collide, and kept, so that a
/// long name is only looked at where it is most probably the right one.
#[derive(Debug, Default, Clone)]
pub(crate) struct NameIndex {
    slots: HashTable<Slot>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    number: u32,
    hash: u32,
}

impl NameIndex {
    /// The number that is noted for a name.
    pub(crate) fn get<N: AsRef<str>>(&self, name: &str, name_of: impl Fn(u32) -> N) -> Option<u32> {
        let hash = self.hash(name);
        let is_it = |slot: &Slot| slot.hash == hash && name_of(slot.number).as_ref() == name;
        self.slots.find(spread(hash), is_it).map(|slot| slot.number)
    }

    /// Notes a number for its name, unless the name has one: then that number comes back, and stays.
    pub(crate) fn insert<N: AsRef<str>>(&mut self, number: u32, name_of: impl Fn(u32) -> N) -> Option<u32> {
        self.insert_as(name_of(number).as_ref(), number, &name_of)
    }

    /// The same for a caller who has the name at hand.
    pub(crate) fn insert_as<N: AsRef<str>>(
        &mut self,
        name: &str,
        number: u32,
        name_of: impl Fn(u32) -> N,
    ) -> Option<u32> {
        let known = self.slot(name, number, name_of);
        (known.number != number).then_some(known.number)
    }

    /// Notes a number for its name in place of an earlier one.
    pub(crate) fn replace<N: AsRef<str>>(&mut self, number: u32, name_of: impl Fn(u32) -> N) {
        self.slot(name_of(number).as_ref(), number, &name_of).number = number;
    }

    /// The slot of a name; new ones hold the number.
    fn slot<N: AsRef<str>>(&mut self, name: &str, number: u32, name_of: impl Fn(u32) -> N) -> &mut Slot {
        let hash = self.hash(name);
        let is_it = |slot: &Slot| slot.hash == hash && name_of(slot.number).as_ref() == name;
        self.slots
            .entry(spread(hash), is_it, |slot| spread(slot.hash))
            .or_insert(Slot { number, hash })
            .into_mut()
    }

    fn hash(&self, name: &str) -> u32 {
        let hash = self.hasher.hash_one(name).to_le_bytes();
        u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
    }
}

/// The table takes its places from low bits and its tags from high ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_first_number_until_it_is_replaced() {
        let names: Vec<String> = (0..1000).map(|number| format!("name {}", number % 900)).collect();
        let name_of = |number: u32| names.get(usize::try_from(number).unwrap()).unwrap();
        let mut index = NameIndex::default();
        for number in 0..1000 {
            assert_eq!(index.insert(number, name_of), number.checked_sub(900));
        }
        assert_eq!(index.get("name 50", name_of), Some(50));
        index.replace(950, name_of);
        assert_eq!(index.get("name 50", name_of), Some(950));
        assert_eq!(index.get("name 901", name_of), None);
    }
}
