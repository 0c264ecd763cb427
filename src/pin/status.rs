//! The state that a backend reports for a pin.

use std::borrow::Cow;
use std::fmt;

/// The state of a pin mapping. Only `Stored` is a copy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PinStatus {
    /// The backend keeps the content.
    Stored,
    /// The backend means to keep it and does not yet.
    Pending,
    /// The backend does not keep it.
    Failed,
    /// Another word, as it was recorded, trimmed and in lower case.
    Other(String),
}

impl PinStatus {
    /// Reads a recorded word. None, or a blank one, is [`PinStatus::Stored`].
    pub fn read(recorded: Option<&str>) -> PinStatus {
        match normal(recorded.unwrap_or_default()).as_ref() {
            STORED => PinStatus::Stored,
            PENDING => PinStatus::Pending,
            FAILED => PinStatus::Failed,
            other => PinStatus::Other(other.to_owned()),
        }
    }

    /// The word that stands in the `status` column.
    pub fn as_str(&self) -> &str {
        match self {
            PinStatus::Stored => STORED,
            PinStatus::Pending => PENDING,
            PinStatus::Failed => FAILED,
            PinStatus::Other(word) => word,
        }
    }
}

impl fmt::Display for PinStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word of [`PinStatus::Stored`].
pub const STORED: &str = "stored";
const PENDING: &str = "pending";
const FAILED: &str = "failed";

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
            (Some("stored"), "stored"),
            (Some(" STORED\n"), "stored"),
            (Some("Failed "), "failed"),
            (Some("pending"), "pending"),
            (Some("unexpectedly_unpinned"), "unexpectedly_unpinned"),
            (Some("ÜBERTRAGEN"), "übertragen"),
            (Some("  "), "stored"),
            (None, "stored"),
        ] {
            assert_eq!(PinStatus::read(recorded).as_str(), shown, "{recorded:?}");
        }
    }
}
