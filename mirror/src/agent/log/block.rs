//! One block of lists: what of it is still to be done.

use super::{LogTime, NameList, PackageBlock};
use crate::package::{PackageKind, PackageName};

impl PackageBlock {
    /// What the agent still has to get: Missing, or else what is outstanding without Downloaded.
    pub fn to_get(&self) -> NameList {
        match &self.missing {
            Some(missing) => missing.clone(),
            None => {
                let outstanding = self.outstanding();
                let names = outstanding.names.into_iter().filter(|name| !holds(&self.downloaded, name));
                NameList { names: names.collect(), ..outstanding }
            }
        }
    }

    /// What is assigned and not installed, whether it is downloaded or not, in the order of Assigned.
    ///
    /// Missing and Downloaded decide if they are there. Otherwise it is Assigned without Installed, and without an updater
    /// whose build is installed: updaters are never listed as installed.
    pub fn outstanding(&self) -> NameList {
        let assigned = self.assigned.iter().flat_map(|list| &list.names);
        let mut names: Vec<PackageName> = match &self.missing {
            Some(missing) => {
                let open = assigned.filter(|n| missing.names.contains(n) || holds(&self.downloaded, n));
                open.cloned().collect()
            }
            None => {
                let open = assigned.filter(|n| !holds(&self.installed, n) && !self.is_idle_updater(n));
                open.cloned().collect()
            }
        };
        let missing = self.missing.iter().flat_map(|list| &list.names);
        for name in missing {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let mut unreadable: Vec<String> = Vec::new();
        for text in [&self.assigned, &self.missing].into_iter().flatten().flat_map(|list| &list.unreadable) {
            if !unreadable.contains(text) {
                unreadable.push(text.clone());
            }
        }
        NameList { names, unreadable }
    }

    fn is_idle_updater(&self, name: &PackageName) -> bool {
        let installed = self.installed.iter().flat_map(|list| &list.names);
        is_idle_updater(name, installed)
    }

    /// Whether both times are known, comparable, and this one is earlier.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        match (self.time, other.time) {
            (Some(LogTime::Exact(this)), Some(LogTime::Exact(other))) => this < other,
            (Some(LogTime::Local(this)), Some(LogTime::Local(other))) => this < other,
            _ => false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self { time: self.time, ..Self::default() }
    }

    /// Whether [`PackageBlock::to_get`] has what it needs.
    pub(super) fn is_usable(&self) -> bool {
        self.missing.is_some() || (self.assigned.is_some() && self.installed.is_some())
    }
}

/// Whether a package is the updater of a build whose application is installed already.
pub(in crate::agent) fn is_idle_updater<'a>(
    name: &PackageName,
    installed: impl IntoIterator<Item = &'a PackageName>,
) -> bool {
    let is_core = |other: &PackageName| other.kind() == PackageKind::MidCore && other.stamp() == name.stamp();
    name.kind() == PackageKind::MidUpgrade && installed.into_iter().any(is_core)
}

fn holds(list: &Option<NameList>, name: &PackageName) -> bool {
    list.as_ref().is_some_and(|list| list.names.contains(name))
}
