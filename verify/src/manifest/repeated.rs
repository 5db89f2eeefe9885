//! Sections of names that have one already: rare, so they do not lengthen the record of every section.

/// Things that follow the first of their name, by the slot of that first one.
#[derive(Debug)]
pub(super) struct Repeated<T> {
    items: Vec<(u32, T)>,
}

impl<T> Default for Repeated<T> {
    fn default() -> Self {
        Self { items: Vec::new() }
    }
}

impl<T> Repeated<T> {
    /// Adds one more.
    pub(super) fn push(&mut self, first: u32, item: T) {
        self.items.push((first, item));
    }

    /// To be called once, after the last has been added.
    pub(super) fn sort(&mut self) {
        self.items.sort_by_key(|(first, _)| *first);
    }

    /// Those that follow a first one, in the order they were added.
    pub(super) fn of(&self, first: u32) -> impl Iterator<Item = &T> {
        let start = self.items.partition_point(|(slot, _)| *slot < first);
        let rest = self.items.get(start..).unwrap_or_default();
        rest.iter().take_while(move |(slot, _)| *slot == first).map(|(_, item)| item)
    }
}
