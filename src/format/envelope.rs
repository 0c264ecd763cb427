//! The plain JSON that older tools wrote as `pin_mappings.car` → mappings.
//!
//! `{"format": "pin_mappings_car", "version": "1.0", "created_at": …, "pin_mappings": [row, …]}`, its members in any
//! order. Members that have no column are passed over.

use std::io::Read;

use super::json::{self, Entry, Failed, JsonError, Kind, Problem, Reader};
use crate::pin::{Mapping, time};

/// The word that tells such a file.
pub const FORMAT: &str = "pin_mappings_car";

/// What an envelope says besides its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonBackup {
    /// The version, as text; `None` if it gives none.
    pub version: Option<String>,
    /// When the file was written, in microseconds since 1970 in UTC.
    pub created_at: Option<i64>,
    /// The rows.
    pub rows: u64,
    /// The rows whose `created_at` is a text that is no time: NULL in their mapping.
    pub unknown_times: u64,
}

/// Reads the envelope in `source` and hands each row to `each`, in order. Memory does not grow with the file.
///
/// # Errors
/// If the file cannot be read, is not JSON or no such envelope; or if `each` fails. Rows from before the place of the error
/// have gone to `each` by then, also when it shows only at the end that the file is none of ours.
pub fn read_json<R: Read, E>(
    source: R,
    each: &mut dyn FnMut(Mapping<'_>) -> Result<(), E>,
) -> Result<JsonBackup, Failed<E>> {
    read_from(Reader::new(source), each)
}

fn read_from<R: Read, E>(
    mut reader: Reader<R>,
    each: &mut dyn FnMut(Mapping<'_>) -> Result<(), E>,
) -> Result<JsonBackup, Failed<E>> {
    if Kind::of(reader.first()?) != Kind::Object {
        let entry = reader.take()?;
        return Err(wrong(&entry, "the file", "an object").into());
    }
    let beginning = reader.place();
    let mut backup = JsonBackup { version: None, created_at: None, rows: 0, unknown_times: 0 };
    let (mut has_format, mut has_rows) = (false, false);
    reader.enter();
    while let Some(first) = reader.member()? {
        match reader.key() {
            "pin_mappings" if Kind::of(first) == Kind::List => {
                has_rows = true;
                rows(&mut reader, &mut backup, each)?;
            }
            "format" => {
                check_format(&reader.take()?)?;
                has_format = true;
            }
            "version" => backup.version = version(&reader.take()?)?,
            "created_at" => backup.created_at = written_at(&reader.take()?)?,
            "pin_mappings" => return Err(wrong(&reader.take()?, "`pin_mappings`", "a list").into()),
            _ => {
                reader.take()?;
            }
        }
    }
    reader.finish()?;
    match (has_format, has_rows) {
        (true, true) => Ok(backup),
        (false, _) => Err(beginning.error(Problem::Content("no `format` in it".into())).into()),
        (_, false) => Err(beginning.error(Problem::Content("no `pin_mappings` in it".into())).into()),
    }
}

/// The error for a value of another kind than it should be, at its place.
fn wrong(entry: &Entry<'_>, what: &str, expected: &str) -> JsonError {
    let found = Kind::of_value(entry.value).name();
    let place = entry.place_in_value(0);
    place.error(Problem::Content(format!("{what} is {found}, and should be {expected}")))
}

fn check_format(entry: &Entry<'_>) -> Result<(), JsonError> {
    let mut scratch = String::new();
    let Some(raw) = json::inside(entry.value) else { return Err(wrong(entry, "`format`", "a text")) };
    match json::decode(raw, &mut scratch).text {
        FORMAT => Ok(()),
        other => {
            let shown: String = other.chars().take(40).collect();
            let problem = format!("the format is `{shown}`, and should be `{FORMAT}`");
            Err(entry.place_in_value(0).error(Problem::Content(problem)))
        }
    }
}

fn version(entry: &Entry<'_>) -> Result<Option<String>, JsonError> {
    let mut version = String::new();
    match Kind::of_value(entry.value) {
        Kind::Text => {
            json::unescape(json::inside(entry.value).unwrap_or_default(), &mut version);
        }
        Kind::Number => version.push_str(entry.value),
        Kind::Null => return Ok(None),
        _ => return Err(wrong(entry, "`version`", "a text")),
    }
    Ok(Some(version))
}

fn written_at(entry: &Entry<'_>) -> Result<Option<i64>, JsonError> {
    match Kind::of_value(entry.value) {
        Kind::Text | Kind::Number | Kind::Null => Ok(read_time(entry.value, &mut String::new())),
        _ => Err(wrong(entry, "`created_at`", "a text or a number")),
    }
}

/// A time as text or as an epoch number.
fn read_time(value: &str, scratch: &mut String) -> Option<i64> {
    match (json::inside(value), value.parse()) {
        (Some(raw), _) => time::parse(json::decode(raw, scratch).text),
        (_, Ok(number)) => time::from_integer(number),
        _ => time::from_float(value.parse().ok()?),
    }
}

/// The columns of a row, decoded. One serves all rows.
#[derive(Default)]
struct Row {
    /// `cid`, `car_file_path`, `backend_name`, `status`, `metadata`.
    texts: [Text; 5],
    created_at: Option<i64>,
    unknown_time: bool,
}

/// A text, and whether there is one. The text stays where it is when it becomes NULL.
#[derive(Default)]
struct Text {
    text: String,
    is_some: bool,
}

impl Text {
    fn get(&self) -> Option<&str> {
        self.is_some.then_some(&self.text)
    }
}

fn rows<R: Read, E>(
    reader: &mut Reader<R>,
    backup: &mut JsonBackup,
    each: &mut dyn FnMut(Mapping<'_>) -> Result<(), E>,
) -> Result<(), Failed<E>> {
    let mut row = Row::default();
    reader.enter();
    while reader.element()?.is_some() {
        row.read(&reader.take()?)?;
        let [cid, car_file_path, backend_name, status, metadata] = row.texts.each_ref().map(Text::get);
        let created_at = row.created_at;
        each(Mapping { cid, car_file_path, backend_name, created_at, status, metadata })
            .map_err(Failed::Sink)?;
        backup.rows += 1;
        backup.unknown_times += u64::from(row.unknown_time);
    }
    Ok(())
}

impl Row {
    fn read(&mut self, entry: &Entry<'_>) -> Result<(), JsonError> {
        if Kind::of_value(entry.value) != Kind::Object {
            return Err(wrong(entry, "the row", "an object"));
        }
        self.texts.iter_mut().for_each(|text| text.is_some = false);
        (self.created_at, self.unknown_time) = (None, false);
        for member in entry.members {
            let value = &entry.value[member.value.clone()];
            let read = match &entry.value[member.key.clone()] {
                "cid" => self.texts[0].read(value),
                "car_file_path" => self.texts[1].read(value),
                "backend_name" => self.texts[2].read(value),
                "status" => self.texts[3].read_word(value),
                "metadata" => self.texts[4].read_metadata(value),
                "created_at" => self.read_created_at(value),
                _ => Ok(()),
            };
            read.map_err(|expected| {
                let key = &entry.value[member.key.clone()];
                let found = Kind::of_value(value).name();
                let problem = format!("`{key}` is {found}, and should be {expected}");
                entry.place_in_value(member.value.start).error(Problem::Content(problem))
            })?;
        }
        Ok(())
    }

    fn read_created_at(&mut self, value: &str) -> Result<(), &'static str> {
        match Kind::of_value(value) {
            Kind::Null => self.created_at = None,
            Kind::Text | Kind::Number => {
                self.created_at = read_time(value, &mut String::new());
                self.unknown_time = self.created_at.is_none() && !is_null(value);
            }
            _ => return Err("a text, a number or null"),
        }
        Ok(())
    }
}

/// pandas writes NaN for NULL.
fn is_null(value: &str) -> bool {
    matches!(value, "null" | "NaN")
}

impl Text {
    fn read(&mut self, value: &str) -> Result<(), &'static str> {
        self.text.clear();
        match json::inside(value) {
            Some(raw) => json::unescape(raw, &mut self.text),
            None if is_null(value) => false,
            None => return Err("a text or null"),
        };
        self.is_some = !is_null(value);
        Ok(())
    }

    /// A status may have been a number: its text.
    fn read_word(&mut self, value: &str) -> Result<(), &'static str> {
        match Kind::of_value(value) {
            Kind::Number if !is_null(value) => {
                self.text.clear();
                self.text.push_str(value);
                self.is_some = true;
                Ok(())
            }
            _ => self.read(value),
        }
    }

    /// The metadata is a text that holds JSON, or the JSON itself.
    fn read_metadata(&mut self, value: &str) -> Result<(), &'static str> {
        match Kind::of_value(value) {
            Kind::Object => {
                self.text.clear();
                json::minify(value, &mut self.text);
                self.is_some = true;
                Ok(())
            }
            _ => self.read(value).map_err(|_| "a text, an object or null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    const ROW: &str = r#"{"cid": "QmVbVokbi9uS8aPW1gzUKQHFB4qAwQicG5mMds9c3gsPX3", "car_file_path": "/a/\u00e9.car",
        "backend_name": "s3", "created_at": "2024-05-01T10:00:00", "status": "stored", "metadata": "{\"size_bytes\": 5}"}"#;
    const AT: i64 = 1_714_557_600_000_000;

    /// One row as text, a NULL as `-`.
    fn shown(mapping: &Mapping<'_>) -> String {
        let created_at = mapping.created_at.map_or("-".into(), |at| at.to_string());
        let Mapping { cid, car_file_path, backend_name, status, metadata, .. } = mapping;
        [*cid, *car_file_path, *backend_name, Some(&created_at), *status, *metadata]
            .map(|text| text.unwrap_or("-"))
            .join("|")
    }

    fn read_all(text: &str) -> Result<(JsonBackup, Vec<String>), String> {
        let mut found = Vec::new();
        for window in [16, 1 << 18] {
            found.clear();
            let mut each = |mapping: Mapping<'_>| -> Result<(), Infallible> {
                found.push(shown(&mapping));
                Ok(())
            };
            let backup = match read_from(Reader::with_sizes(text.as_bytes(), window, 1 << 20), &mut each) {
                Ok(backup) => backup,
                Err(Failed::File(error)) => return Err(error.to_string()),
            };
            if window > 16 {
                return Ok((backup, found));
            }
        }
        unreachable!()
    }

    #[test]
    fn an_envelope_is_read_in_any_order_of_its_members() {
        let rows = format!("\"pin_mappings\": [{ROW}]");
        let head = [r#""format": "pin_mappings_car""#, r#""version": "1.0""#, r#""created_at": 1714557600"#];
        for members in [
            [head[0], head[1], head[2], &rows],
            [&rows, head[2], head[1], head[0]],
            [head[2], &rows, head[0], head[1]],
        ] {
            let (backup, found) = read_all(&format!("{{{}}}", members.join(",\n"))).unwrap();
            let expected =
                JsonBackup { version: Some("1.0".into()), created_at: Some(AT), rows: 1, unknown_times: 0 };
            assert_eq!(backup, expected);
            let row = r#"QmVbVokbi9uS8aPW1gzUKQHFB4qAwQicG5mMds9c3gsPX3|/a/é.car|s3|1714557600000000|stored|{"size_bytes": 5}"#;
            assert_eq!(found, [row]);
        }
    }

    #[test]
    fn columns_are_read_in_every_form_they_were_written_in() {
        for (row, read) in [
            ("{}", "-|-|-|-|-|-"),
            (r#"{"cid": null, "status": NaN, "metadata": null, "created_at": NaN, "x": [1]}"#, "-|-|-|-|-|-"),
            (r#"{"created_at": 1714557600000}"#, "-|-|-|1714557600000000|-|-"),
            (r#"{"created_at": 1714557600.5}"#, "-|-|-|1714557600500000|-|-"),
            (r#"{"created_at": "1714557600"}"#, "-|-|-|1714557600000000|-|-"),
            (r#"{"created_at": "soon", "status": 3}"#, "-|-|-|-|3|-"),
            (r#"{"metadata": { "a" : [1, NaN] }}"#, r#"-|-|-|-|-|{"a":[1,"NaN"]}"#),
            (r#"{"metadata": "not JSON", "cid": ""}"#, "|-|-|-|-|not JSON"),
            (r#"{"cid": "a", "cid": "b"}"#, "b|-|-|-|-|-"),
        ] {
            let text = format!(r#"{{"format":"pin_mappings_car","pin_mappings":[{row},{{}}]}}"#);
            let (backup, found) = read_all(&text).unwrap();
            assert_eq!(found, [read, "-|-|-|-|-|-"], "{row}");
            assert_eq!((backup.rows, backup.unknown_times), (2, u64::from(row.contains("soon"))), "{row}");
        }
    }

    #[test]
    fn what_is_no_envelope_is_told_with_its_place() {
        for (text, error) in [
            ("", "line 1, column 1: the file is empty"),
            ("[]", "line 1, column 1: the file is a list, and should be an object"),
            ("{}", "line 1, column 1: no `format` in it"),
            (r#" {"format": "pin_mappings_car"}"#, "line 1, column 2: no `pin_mappings` in it"),
            (r#"{"pin_mappings": []}"#, "line 1, column 1: no `format` in it"),
            (
                "{\"format\":\n \"other\", \"pin_mappings\": []}",
                "line 2, column 2: the format is `other`, and should be `pin_mappings_car`",
            ),
            (r#"{"format": 1}"#, "line 1, column 12: `format` is a number, and should be a text"),
            (r#"{"version": []}"#, "line 1, column 13: `version` is a list, and should be a text"),
            (
                r#"{"created_at": {}}"#,
                "line 1, column 16: `created_at` is an object, and should be a text or a number",
            ),
            (
                r#"{"pin_mappings": {}}"#,
                "line 1, column 18: `pin_mappings` is an object, and should be a list",
            ),
            (
                "{\"pin_mappings\": [{},\n 7]}",
                "line 2, column 2: the row is a number, and should be an object",
            ),
            (
                "{\"pin_mappings\": [\n{\"é\": 1, \"cid\": 7}]}",
                "line 2, column 17: `cid` is a number, and should be a text or null",
            ),
            (
                r#"{"pin_mappings": [{"metadata": [1]}]}"#,
                "line 1, column 32: `metadata` is a list, and should be a text, an object or null",
            ),
            (
                r#"{"pin_mappings": [{"created_at": true}]}"#,
                "line 1, column 34: `created_at` is true or false, and should be a text, a number or null",
            ),
            (
                r#"{"pin_mappings": [{"cid": "a"}"#,
                "line 1, column 31: the file ends here in the middle: it was cut off",
            ),
            (
                r#"{"format":"pin_mappings_car","pin_mappings":[]} x"#,
                "line 1, column 49: the file goes on after its end",
            ),
        ] {
            assert_eq!(read_all(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn the_takers_error_stops_the_reading() {
        let text = format!(r#"{{"format":"pin_mappings_car","pin_mappings":[{ROW},{ROW},{ROW}]}}"#);
        let mut seen = 0;
        let failed = read_json(text.as_bytes(), &mut |_| {
            seen += 1;
            if seen == 2 { Err("full") } else { Ok(()) }
        });
        assert!(matches!(failed, Err(Failed::Sink("full"))));
        assert_eq!(seen, 2);
    }
}
