//! Archives of which the second pass has nothing to say, told from what the first pass knows: nearly all.

use std::collections::HashSet;

use super::FirstPass;
use super::verifier::{EntryClass, classify};
use crate::jdk::Rules;
use crate::signature_names::{MANIFEST_NAME, plain_name};

/// Whether both ways of reading come to the same signers for each entry, given the entries that the stream meets and that
/// it has the signatures of the first pass. `false` may also mean that it takes a look at every entry to tell.
pub(super) fn is_plain(first: &FirstPass<'_>, order: &[usize], rules: &Rules) -> bool {
    let FirstPass { archive, signatures, places, contents, .. } = first;
    // All entries, beginning with the manifest. Under another name, such as in small letters, it is one that the stream
    // lacks.
    let is_manifest =
        |index: &usize| archive.entries.get(*index).is_some_and(|entry| entry.name == MANIFEST_NAME);
    if order.len() != archive.entries.len() || !order.first().is_some_and(is_manifest) {
        return false;
    }
    let mut parses_meta = true;
    let mut verified = vec![false; signatures.covered.len()];
    let mut others: HashSet<&str> = HashSet::new();
    for index in order.iter().skip(1) {
        let Some(entry) = archive.entries.get(*index) else { return false };
        let name = entry.name.as_str();
        parses_meta = parses_meta && classify(name, rules) != EntryClass::Other;
        let number = places.number(*index).filter(|_| !entry.is_directory());
        let same = match number.and_then(|number| verified.get_mut(usize::try_from(number).ok()?)) {
            // The first and only entry of its name, with the content that was signed.
            Some(verified) => {
                let compared = contents.compared.get(*index) == Some(&true);
                !std::mem::replace(verified, true) && compared && !parses_meta && plain_name(name) == name
            }
            None => number.is_none() && plain_name(name) == name && others.insert(name),
        };
        if !same {
            return false;
        }
    }
    true
}
