//! What is written as `pin_mappings.parquet`, as other readers and our own see it.

use std::fs::File;
use std::process::Command;

use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;
use pinql::session::{Options, Session};

use crate::support::cids::{v0, v1};
use crate::support::runtime;
use crate::support::tree::Tree;

const ROWS: u64 = 8_000;

fn migrated() -> Tree {
    let entry =
        |number: u64| format!(r#"{{"cid": "{}", "size": {number}, "name": "file {number}"}}"#, v1(number));
    let entries: Vec<_> = (0..ROWS).map(entry).collect();
    let tree = Tree::with("s3", format!("[{}]", entries.join(",")));
    assert_eq!(tree.migrate_one().counts.rows, ROWS);
    tree
}

fn footer(tree: &Tree) -> ParquetMetaData {
    let file = File::open(tree.file("s3", "pin_mappings.parquet")).unwrap();
    let options = ReadOptionsBuilder::new().with_page_index().build();
    SerializedFileReader::new_with_options(file, options).unwrap().metadata().clone()
}

/// Rows and bytes read by a query.
fn read(tree: &Tree, sql: &str) -> (usize, u64) {
    runtime().block_on(async {
        let session = Session::open(&tree.root(), Options::default()).unwrap();
        let mut answer = session.query(sql).await.unwrap();
        let batches: Vec<_> = futures::TryStreamExt::try_collect(&mut answer).await.unwrap();
        (batches.iter().map(arrow::array::RecordBatch::num_rows).sum(), answer.receipt().bytes)
    })
}

#[test]
fn a_migrated_file_is_laid_out_for_look_ups() {
    let tree = migrated();
    let footer = footer(&tree);
    let schema = footer.file_metadata().schema_descr();
    let names: Vec<_> = schema.columns().iter().map(|column| column.name().to_owned()).collect();
    let documented = ["cid", "car_file_path", "backend_name", "created_at", "status", "metadata"];
    assert_eq!(names[..6], documented);
    assert_eq!(names[6..], ["content", "size_bytes"]);
    let keys = footer.file_metadata().key_value_metadata().unwrap();
    let key = |name: &str| keys.iter().find(|pair| pair.key == name).and_then(|pair| pair.value.clone());
    assert_eq!(key("pinql.layout").as_deref(), Some("3"));
    let sums = key("pinql.size_sums").unwrap();
    let sums: i128 = sums.split(',').map(|sum| sum.parse::<i128>().unwrap()).sum();
    assert_eq!(
        tree.csv("SELECT SUM(size_bytes) FROM (SELECT * FROM pins LIMIT 1000000)"),
        format!("SUM(size_bytes)\n{sums}")
    );
    let of_footers =
        "SELECT backend_name, SUM(size_bytes), MAX(created_at), COUNT(size_bytes) FROM pins GROUP BY 1";
    let (_, bytes) = read(&tree, of_footers);
    assert!(bytes < 100_000, "{bytes} bytes read for what footers say");
    let root = tree.run(&["backend", "verify", "--format", "csv"]);
    assert!(
        root.contains(&format!("s3,agrees,{ROWS},{ROWS},0,{}", key("pinql.car_root").unwrap())),
        "{root}"
    );
    assert!(footer.file_metadata().created_by().unwrap().starts_with("pinql version "));
    for (group, row_group) in footer.row_groups().iter().enumerate() {
        assert_eq!(row_group.sorting_columns().unwrap()[0].column_idx, 6, "sorted by content");
        for (index, column) in row_group.columns().iter().enumerate() {
            let has_statistics = !["car_file_path", "metadata"].contains(&names[index].as_str());
            assert_eq!(column.statistics().is_some(), has_statistics, "{}", names[index]);
            let has_filter = ["cid", "content"].contains(&names[index].as_str());
            assert_eq!(column.bloom_filter_offset().is_some(), has_filter, "{}", names[index]);
        }
        let pages = footer.offset_index().unwrap()[group][0].page_locations().len();
        assert!((4..=6).contains(&pages), "{pages} pages of about 2,000 rows");
    }
    assert_eq!(tree.csv("SELECT laid_out FROM backends"), "laid_out\ntrue");

    // A look-up reads a few pages, in whatever spelling.
    let size = std::fs::metadata(tree.file("s3", "pin_mappings.parquet")).unwrap().len();
    let (rows, all) = read(&tree, "SELECT * FROM pins");
    let paths: i64 = footer.row_groups().iter().map(|group| group.column(1).compressed_size()).sum();
    // The paths of CAR files are made of the CIDs.
    let columns: i64 = footer.row_groups().iter().map(|group| group.compressed_size()).sum();
    assert!(
        rows == ROWS as usize && all >= (columns - paths) as u64 && all < size,
        "{all} of {size}, {paths} of paths"
    );
    let (cid, other) = (v1(4321), v0(4321));
    for condition in [format!("cid = '{cid}'"), format!("content = cid_content('{other}')")] {
        let (rows, bytes) = read(&tree, &format!("SELECT * FROM pins WHERE {condition}"));
        assert_eq!(rows, 1, "{condition}");
        assert!(bytes * 3 < all, "{condition}: {bytes} of {all}");
    }
    // Lists of any length, as long as what they name lies together.
    let neighbours = tree.csv("SELECT encode(content, 'hex') AS hex FROM pins ORDER BY content LIMIT 40");
    let list: Vec<_> = neighbours.lines().skip(1).map(|hex| format!("X'{hex}'")).collect();
    let (rows, bytes) = read(&tree, &format!("SELECT * FROM pins WHERE content IN ({})", list.join(", ")));
    assert!(rows == 40 && bytes * 2 < all, "{rows} rows, {bytes} of {all}");
    // Another spelling of what is there is not there itself, and what is nowhere costs no page of another column.
    let (rows, none) = read(&tree, &format!("SELECT * FROM pins WHERE cid = '{other}'"));
    let (_, one) = read(&tree, &format!("SELECT * FROM pins WHERE cid = '{cid}'"));
    assert!(rows == 0 && none <= one, "{none} and {one} bytes");
}

#[test]
fn paths_of_car_files_are_made_of_cids_where_all_of_them_are() {
    let entry = |cid: String, path: String| format!(r#"{{"cid": "{cid}", "car_file_path": "{path}"}}"#);
    let named = |number: u64| entry(v1(number), format!("/s3-bucket/cars/{}.car", v1(number)));
    let with = |last: String| {
        let entries: Vec<_> = (0..100).map(named).chain([last]).collect();
        let tree = Tree::with("s3", format!("[{}]", entries.join(",")));
        tree.migrate();
        let keys = footer(&tree).file_metadata().key_value_metadata().cloned().unwrap();
        let paths = keys.into_iter().find(|pair| pair.key == "pinql.car_paths").and_then(|pair| pair.value);
        (tree, paths)
    };
    // In another spelling, too.
    let (same, key) = with(entry(v0(200), format!("/s3-bucket/cars/{}.car", v0(200))));
    assert_eq!(key.as_deref(), Some(r#"["/s3-bucket/cars/",".car"]"#));
    let (other, none) = with(entry(v1(200), format!("/s3-bucket/cars/{}.car", v0(200))));
    assert_eq!(none, None);
    let columns = |tree: &Tree, condition: &str| {
        tree.csv(&format!("SELECT car_file_path, cid FROM pins WHERE {condition} ORDER BY cid"))
    };
    let all = |last: (String, String)| {
        let mut rows: Vec<_> = (0..100).map(|number| (v1(number), v1(number))).chain([last]).collect();
        rows.sort();
        let rows = rows.iter().map(|(cid, name)| format!("\n/s3-bucket/cars/{name}.car,{cid}"));
        format!("car_file_path,cid{}", rows.collect::<String>())
    };
    assert_eq!(columns(&same, "true"), all((v0(200), v0(200))));
    assert_eq!(columns(&other, "true"), all((v1(200), v0(200))));
    for (tree, cid) in [(&same, v0(200)), (&other, v1(200))] {
        let path = format!("/s3-bucket/cars/{}.car", v0(200));
        let row = format!("car_file_path,cid\n{path},{cid}");
        for condition in [
            format!("car_file_path = '{path}'"),
            format!("'{path}' IN (car_file_path)"),
            format!("cid = '{cid}'"),
            format!("content = cid_content('{cid}')"),
            format!("car_file_path LIKE '%{}%'", v0(200)),
        ] {
            assert_eq!(columns(tree, &condition), row, "{condition}");
        }
        assert_eq!(
            tree.csv("SELECT count(car_file_path) AS n, count(*) AS all FROM records"),
            "n,all\n101,101"
        );
        assert_eq!(columns(tree, "car_file_path IS NULL"), "car_file_path,cid");
        let report = tree.run(&["backend", "verify", "--format", "csv"]);
        assert!(report.contains("s3,agrees,101,101,0,"), "{report}");
    }

    // The column is there for others: whoever asks what the file says, or holds it against its CAR, reads it.
    let place = same.file("s3", "pin_mappings.parquet");
    let (start, length) = footer(&same).row_group(0).column(1).byte_range();
    let mut bytes = std::fs::read(&place).unwrap();
    bytes[(start + length / 2) as usize] ^= 0xff;
    std::fs::write(&place, bytes).unwrap();
    assert_eq!(columns(&same, "true"), all((v0(200), v0(200))));
    for (table, as_they_were) in [("pins", true), ("records", false), ("backends.s3", false)] {
        let made = "FILTER (WHERE car_file_path = '/s3-bucket/cars/' || cid || '.car')";
        let answer = same.run(&["-c", &format!("SELECT count(*) {made} AS made FROM {table}")]);
        // What is no text at all any more is told as damage.
        assert_eq!(answer.contains("101"), as_they_were, "{table}: {answer}");
    }
    let report = same.run(&["backend", "verify", "--format", "csv"]);
    assert!(report.contains("s3") && !report.contains("agrees"), "{report}");
}

/// Reads the file as the older tools do, with pandas; as much of it as they would see.
const PANDAS: &str = "
import sys
try:
    import pandas
    import pyarrow.parquet
except ImportError as error:
    print('missing', error)
    sys.exit()
frame = pandas.read_parquet(sys.argv[1])
print(list(frame.columns)[:6], len(frame), sorted(frame['status'].value_counts().to_dict().items()))
print(frame['created_at'].max(), str(frame['created_at'].dtype).startswith('datetime64'), frame['cid'].nunique())
";

#[test]
fn pandas_reads_what_is_written() {
    let pins_json = format!(
        r#"[{{"cid": "{}", "created_at": "2024-05-01T10:00:00Z"}}, {{"cid": "{}", "status": "failed"}}, "{}"]"#,
        v0(1),
        v1(2),
        v0(3)
    );
    let tree = Tree::with("s3", pins_json);
    tree.migrate();
    let output =
        Command::new("python3").args(["-c", PANDAS]).arg(tree.file("s3", "pin_mappings.parquet")).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if text.is_empty() || text.starts_with("missing") {
        eprintln!("skipped, for want of pandas and pyarrow: {text}");
        return;
    }
    assert_eq!(
        text,
        "['cid', 'car_file_path', 'backend_name', 'created_at', 'status', 'metadata'] 3 [('failed', 1), ('stored', 2)]\n\
         2024-05-01 10:00:00+00:00 True 3\n"
    );
}
