//! One pin mapping, row by row: for formats that are not columns.

/// One pin mapping as its columns have it, borrowed; NULL is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// The CID as its source wrote it.
    pub cid: Option<&'a str>,
    /// Where the CAR with that content lies on the backend.
    pub car_file_path: Option<&'a str>,
    /// The backend.
    pub backend_name: Option<&'a str>,
    /// Microseconds since 1970 in UTC.
    pub created_at: Option<i64>,
    /// `stored`, `pending`, `failed`, or another word.
    pub status: Option<&'a str>,
    /// A JSON object about the pin, as text.
    pub metadata: Option<&'a str>,
}
