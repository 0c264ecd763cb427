//! Numbers in sentences.

/// A number with the words that go with it: `1 mapping`, `2 mappings`.
pub fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_from_none_and_many() {
        for (number, words) in [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (21, "21 entries")] {
            assert_eq!(counted(number, "entry", "entries"), words);
        }
    }
}
