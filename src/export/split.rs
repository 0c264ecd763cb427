//! Rows put apart by the values of columns, for a file of each value's own.
//!
//! Rows are gathered, put in the order of the values, and laid down in one temporary file, a stretch for each value; at the end
//! the stretches of a value are read one after another. So the rows of a value keep their order, only one file is written at a
//! time, and memory is that of what is gathered. The names of the directories are those that Hive began with, `column=value`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Take, Write};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use super::ipc::compact;
use super::text::Text;
use super::value::Column;
use crate::error::{Error, Result};

/// What is gathered before it is laid down.
const GATHERED: usize = 16 << 20;
/// The most files that are made: beyond it, the columns were hardly meant.
const MOST: usize = 10_000;
/// The longest name that file systems take, in bytes.
const LONGEST: usize = 255;
/// How the directory of NULL is called.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The values that the rows of a file have in common; `None` is NULL.
pub type Values = Vec<Option<String>>;

/// Rows on their way into files.
pub struct Split {
    /// The columns by whose values rows are put apart, and those that are left in the files.
    by: Vec<usize>,
    rest: Vec<usize>,
    schema: SchemaRef,
    names: Vec<String>,
    /// The number of each value, and its stretches in the spool.
    known: BTreeMap<Values, usize>,
    stretches: Vec<Vec<(u64, u64)>>,
    gathered: Vec<RecordBatch>,
    numbers: Vec<usize>,
    bytes: usize,
    spool: File,
    end: u64,
}

/// The rows of one value.
pub struct Part {
    /// The directories of its file, from the outermost.
    pub directories: Vec<String>,
    /// What the rows have in common.
    pub values: Values,
    stretches: std::vec::IntoIter<(u64, u64)>,
    spool: File,
    open: Option<StreamReader<BufReader<Take<File>>>>,
}

impl Split {
    /// Puts apart rows with these columns by those of these names. `spool` is an empty file for the time being.
    ///
    /// # Errors
    /// [`Error::Split`] if a column is not there or has no values that could be names, or none is left.
    pub fn new(schema: &SchemaRef, names: &[String], spool: File) -> Result<Split> {
        let mut by = Vec::new();
        for name in names {
            let at: Vec<usize> =
                (0..schema.fields().len()).filter(|at| schema.field(*at).name() == name).collect();
            let [at] = at[..] else {
                let all: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                let problem = if at.is_empty() { "it has no column" } else { "it has two columns" };
                return Err(refused(
                    format!("{problem} `{name}`"),
                    format!("its columns are {}", all.join(", ")),
                ));
            };
            if schema.field(at).data_type().is_nested() {
                let problem = format!("`{name}` is a {}, which is no name", schema.field(at).data_type());
                return Err(refused(problem, "name a column of text, numbers or times"));
            }
            if by.contains(&at) {
                return Err(refused(format!("`{name}` is named twice"), "name each column once"));
            }
            by.push(at);
        }
        let rest: Vec<usize> = (0..schema.fields().len()).filter(|at| !by.contains(at)).collect();
        if rest.is_empty() {
            return Err(refused("no column is left for the files", "select more columns, or split by fewer"));
        }
        let schema = schema.project(&rest).map(SchemaRef::new).map_err(wrong)?;
        let (known, stretches, gathered, numbers) = Default::default();
        let names = names.to_vec();
        Ok(Split { by, rest, schema, names, known, stretches, gathered, numbers, bytes: 0, spool, end: 0 })
    }

    /// The columns of the files.
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// Takes more rows.
    ///
    /// # Errors
    /// [`Error::Split`] if there are too many values, or one that is too long for a name.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns: Vec<Column<'_>> = self.by.iter().map(|at| Column::new(batch.column(*at))).collect();
        for row in 0..batch.num_rows() {
            let value = |column: &Column<'_>| {
                (!column.is_null(row)).then(|| {
                    let mut text = Text::default();
                    column.text(row, &mut text);
                    text.as_str().to_owned()
                })
            };
            let values: Values = columns.iter().map(value).collect();
            let number = match self.known.get(&values) {
                Some(number) => *number,
                None => self.admit(values)?,
            };
            self.numbers.push(number);
        }
        let rest = batch.project(&self.rest).and_then(compact).map_err(wrong)?;
        self.bytes += rest.get_array_memory_size();
        self.gathered.push(rest);
        if self.bytes >= GATHERED { self.lay_down() } else { Ok(()) }
    }

    /// A number for values that have not been seen yet.
    fn admit(&mut self, values: Values) -> Result<usize> {
        for (name, value) in self.names.iter().zip(&values) {
            if value.as_deref() == Some(NULL) {
                let problem = format!("a value of `{name}` is {NULL}, which is how readers are told of NULL");
                return Err(refused(problem, "split by another column"));
            }
            let directory = directory(name, value.as_deref());
            if directory.len() > LONGEST {
                let begin: String = value.iter().flat_map(|value| value.chars()).take(40).collect();
                return Err(refused(
                    format!("a value of `{name}` is longer than a name may be: {begin}…"),
                    "split by a shorter column, or by a part of it: LEFT(…) AS …",
                ));
            }
        }
        if self.known.len() == MOST {
            return Err(refused(
                format!("there are more than {MOST} values of {}", self.names.join(", ")),
                "split by a column of fewer values",
            ));
        }
        let number = self.known.len();
        self.known.insert(values, number);
        self.stretches.push(Vec::new());
        Ok(number)
    }

    /// Writes what has been gathered to the spool, value by value.
    fn lay_down(&mut self) -> Result<()> {
        let rows = concat_batches(&self.schema, &self.gathered).map_err(wrong)?;
        self.gathered.clear();
        self.bytes = 0;
        let numbers = std::mem::take(&mut self.numbers);
        let mut order: Vec<u32> = (0..numbers.len() as u32).collect();
        // A stable sort: rows of a value stay in their order.
        order.sort_by_key(|row| numbers[*row as usize]);
        for stretch in order.chunk_by(|one, other| numbers[*one as usize] == numbers[*other as usize]) {
            let number = numbers[stretch[0] as usize];
            let of_value = take_record_batch(&rows, &UInt32Array::from(stretch.to_vec())).and_then(compact);
            let of_value = of_value.map_err(wrong)?;
            let mut bytes = Vec::new();
            let mut writer = StreamWriter::try_new(&mut bytes, &self.schema).map_err(wrong)?;
            writer.write(&of_value).and_then(|()| writer.finish()).map_err(wrong)?;
            drop(writer);
            self.spool.write_all(&bytes).map_err(unspooled)?;
            self.stretches[number].push((self.end, bytes.len() as u64));
            self.end += bytes.len() as u64;
        }
        Ok(())
    }

    /// The parts, in the order of their values, NULL first.
    pub fn finish(mut self) -> Result<Vec<Part>> {
        if !self.gathered.is_empty() {
            self.lay_down()?;
        }
        let known = std::mem::take(&mut self.known).into_iter();
        known
            .map(|(values, number)| {
                let named = self.names.iter().zip(&values);
                let directories = named.map(|(name, value)| directory(name, value.as_deref())).collect();
                let stretches = std::mem::take(&mut self.stretches[number]).into_iter();
                let spool = self.spool.try_clone().map_err(unspooled)?;
                Ok(Part { directories, values, stretches, spool, open: None })
            })
            .collect()
    }
}

impl Part {
    /// Its next rows, or nothing at the end. Parts are read one after another.
    pub fn batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.open.as_mut().and_then(Iterator::next) {
                return batch.map(Some).map_err(wrong);
            }
            let Some((start, length)) = self.stretches.next() else { return Ok(None) };
            let mut spool = self.spool.try_clone().map_err(unspooled)?;
            spool.seek(SeekFrom::Start(start)).map_err(unspooled)?;
            self.open = Some(StreamReader::try_new(BufReader::new(spool.take(length)), None).map_err(wrong)?);
        }
    }
}

/// The name of a directory. What a file system or a reader of names would stumble over is written as in URLs, which those who
/// read such names undo.
fn directory(name: &str, value: Option<&str>) -> String {
    let value = value.map_or(NULL.to_owned(), |value| match value.eq_ignore_ascii_case("null") {
        // The text is not the same as NULL, for which some take it.
        true => format!("%{:02X}{}", value.as_bytes()[0], &value[1..]),
        false => escaped(value),
    });
    let name = escaped(name);
    // A name that begins like this is passed over.
    let name = match name.strip_prefix(['.', '_']) {
        Some(rest) if name.starts_with('.') => format!("%2E{rest}"),
        Some(rest) => format!("%5F{rest}"),
        None => name,
    };
    format!("{name}={value}")
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || "%/\\:*?\"<>|=#'{}[]^~`+& ".contains(c) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn refused(problem: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::Split { problem: problem.into(), hint: hint.into() }
}

fn wrong(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, source) => unspooled(source),
        other => Error::Engine { message: other.to_string() },
    }
}

fn unspooled(source: io::Error) -> Error {
    Error::Output { source }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, StringViewArray};
    use arrow::datatypes::Int64Type;

    use super::super::sample::{batch, strings};
    use super::*;

    fn spool() -> File {
        tempfile::tempfile().expect("room")
    }

    #[test]
    fn names_of_directories_say_the_values() {
        for (value, name) in [
            (Some("s3_main"), "b=s3_main"),
            (None, "b=__HIVE_DEFAULT_PARTITION__"),
            (Some("NULL"), "b=%4EULL"),
            (Some(""), "b="),
            (Some("a/b"), "b=a%2Fb"),
            (Some(".."), "b=.."),
            (Some("100 %=\n"), "b=100%20%25%3D%0A"),
            (Some("żółw 🐢"), "b=żółw%20🐢"),
        ] {
            assert_eq!(directory("b", value), name);
        }
        assert_eq!(directory("_b", Some("1")), "%5Fb=1");
        assert_eq!(directory(".b/c", Some("1")), "%2Eb%2Fc=1");
    }

    #[test]
    fn each_value_has_its_rows_in_their_order_however_they_come() {
        let rows = 60_000_i64;
        let key =
            |row: i64| ["x", "y", "a text that is longer than a view holds"][(row * row % 7 % 3) as usize];
        let keys: StringViewArray = (0..rows).map(|row| (row % 11 > 0).then(|| key(row))).collect();
        // More than is gathered at once.
        let text: StringViewArray = (0..rows).map(|row| Some(format!("{row:0500}"))).collect();
        let numbers = Int64Array::from_iter_values(0..rows);
        let all =
            batch(vec![("n", Arc::new(numbers) as ArrayRef), ("k", Arc::new(keys)), ("t", Arc::new(text))]);
        let mut split = Split::new(&all.schema(), &["k".to_owned()], spool()).expect("columns");
        for start in (0..rows as usize).step_by(8192) {
            split.add(&all.slice(start, 8192.min(rows as usize - start))).expect("rows");
        }
        assert!(split.end > 0, "nothing was laid down yet");
        let parts = split.finish().expect("parts");
        assert_eq!(parts.len(), 4);
        assert!(parts.is_sorted_by_key(|part| part.values.clone()));
        let mut count = 0;
        for mut part in parts {
            let wanted: Vec<i64> = (0..rows)
                .filter(|row| (row % 11 > 0).then(|| key(*row)) == part.values[0].as_deref())
                .collect();
            let mut found = Vec::new();
            while let Some(batch) = part.batch().expect("rows") {
                assert_eq!(batch.num_columns(), 2);
                found.extend_from_slice(batch.column(0).as_primitive::<Int64Type>().values());
                let text = batch.column(1).as_string_view();
                assert!(
                    found[found.len() - batch.num_rows()..]
                        .iter()
                        .zip(text)
                        .all(|(n, text)| { text == Some(format!("{n:0500}").as_str()) })
                );
            }
            assert_eq!(found, wanted);
            count += found.len();
        }
        assert_eq!(count as i64, rows);
    }

    #[test]
    fn what_makes_no_names_is_refused() {
        let rows = batch(vec![("a", strings(&[Some("x")])), ("b", strings(&[Some(&"long".repeat(80))]))]);
        for (names, words) in [
            (&["c"][..], "it has no column `c`"),
            (&["a", "b"], "no column is left"),
            (&["a", "a"], "named twice"),
        ] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let error = Split::new(&rows.schema(), &names, spool()).err().expect("it cannot be");
            assert!(error.to_string().contains(words) && error.hint().is_some(), "{error}");
        }
        let mut split = Split::new(&rows.schema(), &["b".to_owned()], spool()).expect("a column");
        let error = split.add(&rows).expect_err("too long").to_string();
        assert!(error.contains("longer than a name may be: longlong"), "{error}");
        let many: StringViewArray = (0..=MOST).map(|n| Some(n.to_string())).collect();
        let many = batch(vec![("a", Arc::new(many) as ArrayRef), ("b", strings(&vec![None; MOST + 1]))]);
        let mut split = Split::new(&many.schema(), &["a".to_owned()], spool()).expect("a column");
        let error = split.add(&many).expect_err("too many").to_string();
        assert!(error.contains("more than 10000 values of a"), "{error}");
    }
}
