//! The order of Java's hash maps, which shows in listings and in which of several faults is found first.

/// Puts names into the order of a `java.util.HashMap` that they were added to one by one.
pub(crate) fn hash_order<T>(items: Vec<T>, name: impl Fn(&T) -> &str) -> Vec<T> {
    let mut capacity = 16;
    while items.len() * 4 > capacity * 3 {
        capacity *= 2;
    }
    let mask = u32::try_from(capacity - 1).unwrap_or(u32::MAX);
    let mut items = items;
    items.sort_by_cached_key(|item| {
        let hash = name(item)
            .encode_utf16()
            .fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
        (hash ^ (hash >> 16)) & mask
    });
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_maps_list_in_the_order_of_java() {
        let names = vec!["ZULU", "ALPHA", "MIKE", "ECHO"];
        assert_eq!(hash_order(names, |name| name), ["MIKE", "ECHO", "ALPHA", "ZULU"]);
    }
}
