//! The state that a backend reports for a pin.

use std::borrow::Cow;

/// The backend keeps the content: the only status that makes a copy.
pub const STORED: &str = "stored";

/// A recorded status as `pins` shows it: trimmed, in lower case; a blank one is `stored`.
pub fn normal(recorded: &str) -> Cow<'_, str> {
    let trimmed = recorded.trim();
    match trimmed {
        "" => Cow::Borrowed(STORED),
        _ if trimmed.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) => {
            Cow::Borrowed(trimmed)
        }
        _ => Cow::Owned(trimmed.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_trimmed_and_lower_cased_and_unknown_words_survive() {
        for (recorded, shown) in [
            ("stored", "stored"),
            (" STORED\n", "stored"),
            ("Failed ", "failed"),
            ("pending", "pending"),
            ("unexpectedly_unpinned", "unexpectedly_unpinned"),
            ("ÜBERTRAGEN", "übertragen"),
            ("  ", "stored"),
            ("", "stored"),
        ] {
            assert_eq!(normal(recorded), shown, "{recorded:?}");
        }
    }
}
