//! Mappings written twice: sorted, as pinql writes them, and unsorted, as other tools do.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::super::Limits;
use crate::pin::schema::{
    BACKEND_NAME, CAR_FILE_PATH, CID, CONTENT, CREATED_AT, CREATED_BY, LAYOUT_KEY, LAYOUT_VERSION, METADATA,
    SIZE_BYTES, SIZE_SUMS_KEY, STATUS,
};
use crate::pin::size_sums::SizeSums;
use crate::session::planner::Planner;
use crate::session::{Options, Session};
use crate::store::DataDir;

/// One mapping.
#[derive(Clone)]
pub(super) struct Row {
    pub cid: String,
    pub content: Vec<u8>,
    pub status: &'static str,
    pub size: Option<i64>,
    pub created_at: i64,
}

/// A generator of numbers that look random and are the same in each run.
pub(super) struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A content and its CID: of one of several kinds, so that one content has several CIDs.
fn content(number: u64, kind: u64) -> (Vec<u8>, String) {
    let digest = |length: usize| {
        let mut dice = Dice(number + 1);
        (0..length).map(|_| dice.roll(256) as u8).collect::<Vec<u8>>()
    };
    let cid = |codec: u8, multihash: &[u8]| {
        let bytes: Vec<u8> = [&[1, codec], multihash].concat();
        format!("b{}", multibase::Base::Base32Lower.encode(bytes))
    };
    let with = |head: &[u8], digest: Vec<u8>| [head, &digest[..]].concat();
    match (number % 11, kind) {
        (0, _) => (Vec::new(), format!("no cid {}", number % 3)),
        // An identity multihash: the text itself, long and short.
        (1, _) => {
            let length = (number % 70) as usize;
            let multihash = with(&[0, length as u8], digest(length));
            (multihash.clone(), cid(0x55, &multihash))
        }
        // Longer than statistics are.
        (2, _) => {
            let multihash = with(&[0x13, 64], digest(64));
            (multihash.clone(), cid(0x70, &multihash))
        }
        (_, 0) => {
            let multihash = with(&[0x12, 32], digest(32));
            (multihash.clone(), cid(0x55, &multihash))
        }
        _ => {
            let multihash = with(&[0x12, 32], digest(32));
            (multihash.clone(), cid(0x70, &multihash))
        }
    }
}

pub(super) fn rows(dice: &mut Dice, count: u64, contents: u64) -> Vec<Row> {
    let statuses = ["stored", "stored", "stored", "stored", "pending", "failed", "expired"];
    let row = |_| {
        let (content, cid) = content(dice.roll(contents), dice.roll(2));
        Row {
            cid,
            content,
            status: statuses[dice.roll(7) as usize],
            size: (dice.roll(5) > 0).then(|| dice.roll(1000) as i64),
            created_at: dice.roll(1_000_000) as i64 * 1_000_000,
        }
    };
    (0..count).map(row).collect()
}

/// How a sorted file is cut up.
#[derive(Clone, Copy)]
pub(super) struct Cuts {
    pub group: usize,
    pub page: usize,
    /// Stored mappings first, then the others, each sorted.
    pub sections: bool,
}

fn batch(backend: &str, rows: &[Row], derived: bool) -> RecordBatch {
    let metadata = |row: &Row| row.size.map_or("{}".to_owned(), |size| format!("{{\"size\": {size}}}"));
    let times = rows.iter().map(|row| row.created_at);
    let text = |value: &dyn Fn(&Row) -> String| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(value(row))).collect::<StringArray>())
    };
    let mut columns: Vec<(&str, ArrayRef, bool)> = vec![
        (CID, text(&|row| row.cid.clone()), true),
        (CAR_FILE_PATH, text(&|row| format!("/{}.car", row.cid)), true),
        (BACKEND_NAME, text(&|_| backend.to_owned()), false),
        (CREATED_AT, Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")), true),
        (STATUS, text(&|row| row.status.to_owned()), false),
        (METADATA, text(&metadata), true),
    ];
    if derived {
        let contents = BinaryArray::from_iter_values(rows.iter().map(|row| &row.content[..]));
        columns.push((CONTENT, Arc::new(contents), false));
        columns.push((SIZE_BYTES, Arc::new(rows.iter().map(|row| row.size).collect::<Int64Array>()), true));
    }
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn write_sorted(path: &Path, backend: &str, rows: &[Row], cuts: Cuts) {
    let (mut stored, mut others) = (rows.to_vec(), Vec::new());
    if cuts.sections {
        (stored, others) = stored.into_iter().partition(|row| row.status == "stored");
    }
    let mut sections = [stored, others];
    for section in &mut sections {
        section.sort_by(|one, other| one.content.cmp(&other.content));
    }
    write_laid_out(path, backend, &sections, cuts);
}

/// Writes sections as they stand. The footer says that they are sorted.
pub(super) fn write_laid_out(path: &Path, backend: &str, sections: &[Vec<Row>], cuts: Cuts) {
    let sorted = SortingColumn { column_idx: 6, descending: false, nulls_first: false };
    let properties = WriterProperties::builder()
        .set_created_by(format!("{CREATED_BY}1"))
        .set_key_value_metadata(Some(vec![KeyValue::new(LAYOUT_KEY.to_owned(), LAYOUT_VERSION.to_owned())]))
        .set_sorting_columns(Some(vec![sorted]))
        .set_compression(Compression::UNCOMPRESSED)
        .set_max_row_group_row_count(Some(cuts.group))
        .set_data_page_row_count_limit(cuts.page)
        .set_write_batch_size(cuts.page)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_dictionary_enabled(CONTENT.into(), false)
        .build();
    let schema = batch(backend, &[], true).schema();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, Some(properties)).unwrap();
    let mut sums = SizeSums::new(cuts.group);
    for section in sections {
        let batch = batch(backend, section, true);
        sums.add(batch.column_by_name(SIZE_BYTES).unwrap().as_primitive());
        sums.end_group();
        writer.write(&batch).unwrap();
        writer.flush().unwrap();
    }
    let sums = sums.text(writer.flushed_row_groups().iter().map(|group| group.num_rows())).unwrap();
    writer.append_key_value_metadata(KeyValue::new(SIZE_SUMS_KEY.to_owned(), sums));
    writer.close().unwrap();
}

pub(super) fn write_unsorted(path: &Path, backend: &str, rows: &[Row]) {
    let batch = batch(backend, rows, false);
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The same mappings sorted and unsorted; each backend has one file, or several parts.
pub(super) struct Trees {
    pub dir: tempfile::TempDir,
}

impl Trees {
    pub fn of(backends: &[Vec<Vec<Row>>], cuts: Cuts) -> Trees {
        let dir = tempfile::tempdir().unwrap();
        for (number, parts) in backends.iter().enumerate() {
            let backend = format!("b{number:02}");
            let place = |tree: &str| dir.path().join(tree).join("backends").join(&backend);
            for tree in ["sorted", "unsorted"] {
                fs::create_dir_all(place(tree)).unwrap();
            }
            let write = |name: &str, rows: &[Row]| {
                write_sorted(&place("sorted").join(name), &backend, rows, cuts);
                write_unsorted(&place("unsorted").join(name), &backend, rows);
            };
            match &parts[..] {
                [only] => write("pin_mappings.parquet", only),
                parts => {
                    for tree in ["sorted", "unsorted"] {
                        fs::create_dir(place(tree).join("pin_mappings.parquet")).unwrap();
                    }
                    for (part, rows) in parts.iter().enumerate() {
                        write(&format!("pin_mappings.parquet/part-{part}.parquet"), rows);
                    }
                }
            }
        }
        Trees { dir }
    }

    pub fn session(&self, tree: &str, options: &Options, limits: Limits) -> Session {
        let dir = DataDir::open(&self.dir.path().join(tree)).unwrap();
        Session { planner: Arc::new(Planner::with_limits(dir, options.clone(), limits).unwrap()) }
    }

    /// Holds what streams give against what the general engine does. They must have been used if `used` says so.
    pub fn compare(&self, sql: &str, options: &Options, limits: &Limits, used: Option<bool>) {
        let sorted = self.session("sorted", options, limits.clone());
        let general = Limits { few: 0, parted: u64::MAX, ..Limits::new(None) };
        let unsorted = self.session("unsorted", &Options::default(), general);
        let plan = lines(&sorted, &format!("EXPLAIN {sql}")).unwrap().concat();
        if let Some(used) = used {
            assert_eq!(plan.contains("ContentGroupsExec"), used, "{sql}\n{plan}");
        }
        let (given, wanted) = (lines(&sorted, sql), lines(&unsorted, sql).unwrap());
        let given = given.unwrap_or_else(|error| panic!("{sql} with {options:?}: {error}"));
        assert_eq!(given.len(), wanted.len(), "{sql} with {options:?} {limits:?}\n{plan}");
        assert!(given == wanted, "{sql} with {options:?} {limits:?}\n{plan}");
        // The same of files in any order.
        let parted = self.session("unsorted", options, limits.clone());
        let plan = lines(&parted, &format!("EXPLAIN {sql}")).unwrap().concat();
        if let (Some(used), None) = (used, limits.memory) {
            assert_eq!(plan.contains("RadixGroupsExec"), used, "{sql}\n{plan}");
        }
        let given = lines(&parted, sql).unwrap_or_else(|error| panic!("{sql} with {options:?}: {error}"));
        assert_eq!(given.len(), wanted.len(), "unsorted: {sql} with {limits:?}\n{plan}");
        assert!(given == wanted, "unsorted: {sql} with {options:?} {limits:?}\n{plan}");
    }
}

/// The rows of an answer as text, sorted.
pub(super) fn lines(session: &Session, sql: &str) -> crate::Result<Vec<String>> {
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    workers.block_on(async {
        let mut answer = session.query(sql).await?;
        let mut batches = Vec::new();
        while let Some(batch) = answer.try_next().await? {
            batches.push(batch);
        }
        Ok(texts(&batches))
    })
}

/// The rows of batches as text, sorted.
pub(super) fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let lines = batches.iter().flat_map(|batch| {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
            .collect();
        let line =
            |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
        (0..batch.num_rows()).map(line).collect::<Vec<String>>()
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}
