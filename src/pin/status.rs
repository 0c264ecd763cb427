//! The state that a backend reports for a pin.

use std::borrow::Cow;

/// The backend keeps the content: the only status that makes a copy.
pub const STORED: &str = "stored";

/// The statuses whose mappings stand in a section of their own in files that pinql writes, in their order. All others share
/// one behind them.
pub const SECTIONS: [&str; 3] = [STORED, "failed", "pending"];

/// The section of a mapping with this status, counted from 0.
pub fn section(status: Option<&[u8]>) -> usize {
    SECTIONS.iter().position(|known| status == Some(known.as_bytes())).unwrap_or(SECTIONS.len())
}

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
