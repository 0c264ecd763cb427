//! What is known of a file when its columns are adapted: notes that travel with the file's schema.
//!
//! They are set anew when a file is opened, over whatever the file itself says under these keys.

use std::collections::HashMap;

use parquet::file::metadata::KeyValue;

/// Whether pinql wrote the file, so that its derived columns hold.
const LAID_OUT: &str = "pinql.note.laid_out";
/// The columns of bytes that may be text: a JSON array of names.
const UNCHECKED: &str = "pinql.note.unchecked";

/// The notes on a file.
pub(super) fn of(laid_out: bool, unchecked: Vec<String>) -> [KeyValue; 2] {
    let unchecked = serde_json::Value::from(unchecked).to_string();
    [KeyValue::new(LAID_OUT.to_owned(), laid_out.to_string()), KeyValue::new(UNCHECKED.to_owned(), unchecked)]
}

/// Whether pinql wrote the file with these keys.
pub(super) fn is_laid_out(keys: &HashMap<String, String>) -> bool {
    keys.get(LAID_OUT).is_some_and(|note| note == "true")
}

/// Whether a column may hold bytes that are no text, although it is read as text.
pub(super) fn is_unchecked(keys: &HashMap<String, String>, column: &str) -> bool {
    let names: Vec<String> =
        keys.get(UNCHECKED).and_then(|note| serde_json::from_str(note).ok()).unwrap_or_default();
    names.iter().any(|name| name == column)
}
