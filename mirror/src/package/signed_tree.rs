//! Since when the vendor keeps a tree of JAR-signed packages (`app-signed/`), told from public addresses.

use super::buildstamp::StampFields;

impl StampFields {
    /// Whether the vendor's signed tree is old enough to hold this build: from Madrid patch 10 hotfix 1b, New York
    /// patch 9, Orlando patch 3, and Paris on. Of families that are not known here it is assumed.
    pub fn is_in_signed_tree(&self) -> bool {
        let patch = number(&self.patch);
        match self.family.as_str() {
            "helsinki" | "istanbul" | "jakarta" | "kingston" | "london" => false,
            "madrid" => {
                let first_hotfix = self.hotfix.as_deref().is_some_and(|hotfix| {
                    let number = number(hotfix);
                    number > 1 || (number == 1 && hotfix.ends_with(|c: char| c >= 'b'))
                });
                patch > 10 || (patch == 10 && first_hotfix)
            }
            "newyork" => patch >= 9,
            "orlando" => patch >= 3,
            _ => true,
        }
    }
}

/// The number without its letter; at most four digits are let through by the stamp's grammar.
fn number(text: &str) -> u16 {
    text.trim_end_matches(|c: char| c.is_ascii_lowercase()).parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use crate::package::Buildstamp;

    fn is_in_signed_tree(stamp: &str) -> bool {
        Buildstamp::parse(stamp).unwrap().fields().unwrap().is_in_signed_tree()
    }

    #[test]
    fn the_signed_tree_begins_in_2020() {
        for (stamp, expected) in [
            ("london-06-27-2018__patch8-hotfix3b-09-25-2019_09-26-2019_1617", false),
            ("madrid-12-18-2018__patch10-hotfix1-05-13-2020_05-14-2020_1858", false),
            ("madrid-12-18-2018__patch10-hotfix1b-05-13-2020_05-14-2020_1858", true),
            ("madrid-12-18-2018__patch10-hotfix2b-05-13-2020_05-14-2020_1858", true),
            ("newyork-06-26-2019__patch8-07-10-2019_07-16-2019_1636", false),
            ("orlando-12-11-2019__patch1-02-19-2020_02-26-2020_1720", false),
            ("paris-06-24-2020__patch2-10-01-2020_10-20-2020_1602", true),
            ("brazil-06-24-2027__patch0-10-01-2027_10-20-2027_1602", true),
        ] {
            assert_eq!(is_in_signed_tree(stamp), expected, "{stamp}");
        }
    }

    #[test]
    fn all_known_addresses_agree() {
        let addresses = include_str!("../../../fixtures/data/naming/package-urls.txt");
        for address in addresses.lines().filter(|line| line.contains("/app-signed/")) {
            let (_, path) = crate::package::split_url(address).unwrap();
            let stamp = path.name().stamp().as_str();
            assert!(is_in_signed_tree(stamp), "{address}");
        }
    }
}
