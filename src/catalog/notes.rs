//! What is known of a file when its columns are adapted: notes that travel with the file's schema.
//!
//! They are set anew when a file is opened, over whatever the file itself says under these keys.

use std::collections::HashMap;

use parquet::file::metadata::KeyValue;

use crate::pin::made_paths::MadePaths;

/// Whether pinql wrote the file, so that its derived columns hold.
const LAID_OUT: &str = "pinql.note.laid_out";
/// The columns of bytes that may be text: a JSON array of names.
const UNCHECKED: &str = "pinql.note.unchecked";

/// How paths of CAR files are made of CIDs, as the file's writer says: nothing if they are not, or if that was not pinql.
const CAR_PATHS: &str = "pinql.note.car_paths";

/// The notes on a file.
pub(super) fn of(laid_out: bool, unchecked: Vec<String>, car_paths: Option<&str>) -> [KeyValue; 3] {
    let unchecked = serde_json::Value::from(unchecked).to_string();
    let car_paths = car_paths.filter(|_| laid_out).unwrap_or_default();
    [(LAID_OUT, laid_out.to_string()), (UNCHECKED, unchecked), (CAR_PATHS, car_paths.to_owned())]
        .map(|(key, note)| KeyValue::new(key.to_owned(), note))
}

/// How all paths of CAR files of the file with these keys are made of CIDs, if they are.
pub(super) fn car_paths(keys: &HashMap<String, String>) -> Option<MadePaths> {
    MadePaths::parse(keys.get(CAR_PATHS)?)
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
