//! The reports over the history, held against a fit that is counted here.

use std::fs::{self, File};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use parquet::arrow::ArrowWriter;
use pinql::pin::observation;
use pinql::session::{Options, Session};
use serde_json::{Value, json};

use crate::support::tree::Tree;
use crate::support::{as_csv, runtime, try_csv};

/// 2026-11-20T00:00:00Z.
const AS_OF: i64 = 1_795_132_800;
const DAY: i64 = 86_400;

/// A backend at one moment: mappings, failed ones, bytes. `None`: it could not be read.
type Held = Option<(i64, i64, i128)>;

/// A column of a table of observations, NULL where nothing is given.
fn columns(fields: &Fields, given: &[(&str, ArrayRef)], rows: usize) -> Vec<ArrayRef> {
    let column = |field: &Arc<Field>| match given.iter().find(|(name, _)| name == field.name()) {
        Some((_, values)) => Arc::clone(values),
        None => new_null_array(field.data_type(), rows),
    };
    fields.iter().map(column).collect()
}

fn bytes(values: Vec<Option<i128>>) -> ArrayRef {
    Arc::new(Decimal128Array::from(values).with_precision_and_scale(38, 0).unwrap())
}

/// Writes a file of observations: seconds since 1970, and what each backend held.
fn observe(tree: &Tree, observations: &[(i64, Vec<(&str, Held)>)]) {
    let at = observations.iter().map(|(at, _)| Some(at * 1_000_000)).collect::<TimestampMicrosecondArray>();
    let sum = |get: &dyn Fn(&(i64, i64, i128)) -> i64| -> ArrayRef {
        let sums = observations
            .iter()
            .map(|(_, held)| held.iter().filter_map(|(_, held)| held.as_ref()).map(get).sum::<i64>());
        Arc::new(Int64Array::from_iter_values(sums))
    };
    let unreadable =
        observations.iter().map(|(_, held)| held.iter().filter(|(_, held)| held.is_none()).count() as i64);
    let all = observations
        .iter()
        .map(|(_, held)| Some(held.iter().filter_map(|(_, held)| held.as_ref()).map(|held| held.2).sum()));
    let given: [(&str, ArrayRef); 4] = [
        ("observed_at", Arc::new(at.with_timezone("UTC"))),
        ("unreadable", Arc::new(Int64Array::from_iter_values(unreadable))),
        ("pins", sum(&|held| held.0)),
        ("unique_bytes", bytes(all.collect())),
    ];
    let mut totals = columns(&observation::totals(), &given, observations.len());
    let backends: Vec<&(&str, Held)> = observations.iter().flat_map(|(_, held)| held).collect();
    let number = |get: &dyn Fn(&(i64, i64, i128)) -> i64| -> ArrayRef {
        Arc::new(backends.iter().map(|(_, held)| held.as_ref().map(get)).collect::<Int64Array>())
    };
    let given: [(&str, ArrayRef); 4] = [
        ("backend_name", Arc::new(StringArray::from_iter_values(backends.iter().map(|(name, _)| name)))),
        ("pins", number(&|held| held.0)),
        ("failed", number(&|held| held.1)),
        ("stored_bytes", bytes(backends.iter().map(|(_, held)| held.map(|held| held.2)).collect())),
    ];
    let fields = observation::of_backend();
    let values = StructArray::new(fields.clone(), columns(&fields, &given, backends.len()), None);
    let lengths = OffsetBuffer::from_lengths(observations.iter().map(|(_, held)| held.len()));
    let item = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
    totals.push(Arc::new(ListArray::new(item, lengths, Arc::new(values), None)));
    let dir = tree.root().join(".pinql/daemon/history");
    fs::create_dir_all(&dir).unwrap();
    let file = File::create(dir.join(format!("{:012}-{:012}.parquet", 1, observations.len()))).unwrap();
    let mut writer = ArrowWriter::try_new(file, observation::file(), None).unwrap();
    writer.write(&RecordBatch::try_new(observation::file(), totals).unwrap()).unwrap();
    writer.close().unwrap();
}

fn report(tree: &Tree, args: &[&str]) -> Vec<Value> {
    let output = tree.output(&[&["report"], args, &["--format", "ndjson", "--as-of", "2026-11-20"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Slope and margin of 95 % by the textbook, with the quantile of Student's distribution and the independence that are given.
fn fit(points: &[(f64, f64)], quantile: impl Fn(f64) -> f64) -> (f64, f64) {
    let n = points.len() as f64;
    let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sxx: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / sxx;
    let misses: Vec<f64> = points.iter().map(|p| p.1 - y - slope * (p.0 - x)).collect();
    let squares: f64 = misses.iter().map(|miss| miss * miss).sum();
    let alike = (misses.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / squares).max(0.0);
    let degrees = n * (1.0 - alike) / (1.0 + alike) - 2.0;
    (slope, quantile(degrees) * (squares / degrees / sxx).sqrt())
}

fn near(found: &Value, wanted: f64, share: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} and not {wanted}"));
    assert!((found - wanted).abs() <= wanted.abs() * share + 1.0, "{found} and not {wanted}");
}

#[test]
fn growth_is_the_line_of_least_squares_with_its_interval() {
    let tree = Tree::new();
    // 12 days, several observations in each; those of a day's end count. 6th day: unreadable.
    let gains = [5, 1, 8, 2, 7, 3, 9, 1, 6, 4, 2, 8];
    let mut level = 0;
    let mut observations = Vec::new();
    let mut points = Vec::new();
    for (day, gain) in gains.iter().enumerate() {
        level += gain * 1_000_000;
        let at = AS_OF - 12 * DAY + day as i64 * DAY;
        let noise = i128::from(level) + 70_000_000;
        observations.push((at + 3600, vec![("one", Some((1, 0, noise))), ("flat", Some((5, 0, 10)))]));
        let held = (day != 5).then_some((level / 1000, 0, i128::from(level)));
        observations.push((at + 80_000, vec![("one", held), ("flat", Some((5, 0, 10)))]));
        let last = held.map_or((at + 3600, noise as f64), |_| (at + 80_000, level as f64));
        points.push(((last.0 - AS_OF) as f64 / DAY as f64, last.1));
    }
    observe(&tree, &observations);
    let rows = report(&tree, &["observed-growth"]);
    let names: Vec<_> = rows.iter().map(|row| row["backend_name"].as_str()).collect();
    assert_eq!(names, [None, Some("flat"), Some("one")]);
    let one = rows.iter().find(|row| row["backend_name"] == "one").unwrap();
    // Student's quantiles of 97.5 %, from a table, between which the degrees of freedom lie.
    let table = [
        (2.0, 4.3027),
        (3.0, 3.1824),
        (4.0, 2.7764),
        (5.0, 2.5706),
        (6.0, 2.4469),
        (7.0, 2.3646),
        (8.0, 2.3060),
        (9.0, 2.2622),
        (10.0, 2.2281),
    ];
    let quantile = |degrees: f64| {
        let above = table.iter().position(|(of, _)| *of >= degrees).unwrap().max(1);
        let ((low, a), (high, b)) = (table[above - 1], table[above]);
        a + (b - a) * (degrees - low) / (high - low)
    };
    let (slope, margin) = fit(&points, quantile);
    assert_eq!(one["steps"], 12);
    near(&one["bytes_per_day"], slope, 1e-9);
    near(
        &json!(one["bytes_per_day_high"].as_f64().unwrap() - one["bytes_per_day"].as_f64().unwrap()),
        margin,
        0.03,
    );
    near(
        &json!(one["bytes_per_day"].as_f64().unwrap() - one["bytes_per_day_low"].as_f64().unwrap()),
        margin,
        0.03,
    );
    let flat = rows.iter().find(|row| row["backend_name"] == "flat").unwrap();
    assert_eq!(
        (&flat["bytes_per_day"], &flat["bytes_per_day_high"], &flat["note"]),
        (&json!(0.0), &json!(0.0), &Value::Null)
    );
    // Too little is no rate.
    let rows = report(&tree, &["observed-growth", "--last", "4d"]);
    assert!(
        rows.iter().all(|row| row["bytes_per_day"].is_null()
            && row["note"].as_str().unwrap().starts_with("too little to tell: 4 of")),
        "{rows:?}"
    );
}

#[test]
fn a_day_on_which_a_backend_is_full_is_told_only_where_it_can_be() {
    let tree = Tree::new();
    let steady = |day: i64| 1_000_000 * i128::from(day);
    let wild =
        |day: i64| 5_000_000 + i128::from([0, 9, 1, 8, 2, 7, 3, 6, 9, 0][day as usize % 10]) * 1_000_000;
    let observations: Vec<_> = (0..10)
        .map(|day| {
            let held = vec![
                ("steady", Some((1, 0, steady(day)))),
                ("wild", Some((1, 0, wild(day)))),
                ("shrinks", Some((1, 0, steady(20 - day)))),
            ];
            (AS_OF - 9 * DAY + day * DAY, held)
        })
        .collect();
    observe(&tree, &observations);
    for name in ["steady", "wild", "shrinks", "new"] {
        fs::create_dir_all(tree.root().join("backends").join(name)).unwrap();
    }
    let capacity = |backend: &str, bytes: &str| {
        report(&tree, &["capacity", "--backend", backend, "--capacity", bytes]).remove(0)
    };
    // 9 MB after 9 days, at 1 MB a day: 30 MB after 21 more.
    let row = capacity("steady", "30000000");
    assert_eq!((&row["bytes_per_day"], &row["stored_bytes"]), (&json!(1_000_000.0), &json!(9_000_000)));
    assert_eq!(
        [&row["earliest"], &row["full_on"], &row["latest"]].map(|day| day.as_str()),
        [Some("2026-12-11"); 3]
    );
    let row = capacity("wild", "1000000000");
    assert!(
        row["latest"].is_null()
            && row["earliest"].is_string()
            && row["note"].as_str().unwrap().contains("no latest day"),
        "{row}"
    );
    // What is full is full on the day of the latest observation, however it grows: an alert on a day goes on.
    for (backend, bytes) in [("steady", "9000000"), ("steady", "1000"), ("shrinks", "1000")] {
        let row = capacity(backend, bytes);
        assert_eq!(
            [&row["earliest"], &row["full_on"], &row["latest"], &row["note"]].map(|day| day.as_str()),
            [Some("2026-11-20"), Some("2026-11-20"), Some("2026-11-20"), Some("it is full")],
            "{row}"
        );
    }
    for (backend, bytes, words) in [
        ("shrinks", "30000000", "it does not grow"),
        ("steady", "9000000000000000000", "not within a hundred years"),
        ("new", "1", "nothing is observed of it"),
    ] {
        let row = capacity(backend, bytes);
        assert!(row["full_on"].is_null() && row["note"].as_str().unwrap().contains(words), "{row}");
    }
}

#[test]
fn failure_rates_are_held_against_those_of_then() {
    let tree = Tree::new();
    let held = |failed: [i64; 3]| -> Vec<(&'static str, Held)> {
        vec![
            ("better", Some((200, failed[0], 0))),
            ("worse", Some((1000, failed[1], 0))),
            ("torn", (failed[2] >= 0).then_some((10, failed[2], 0))),
        ]
    };
    let mut observations = vec![
        (AS_OF - 30 * DAY, held([100, 1, 1])),
        (AS_OF - 8 * DAY, held([50, 10, 2])),
        (AS_OF - 3 * DAY, held([30, 20, 3])),
        (AS_OF - DAY, held([20, 60, -1])),
    ];
    observations[3].1.push(("new", Some((4, 1, 0))));
    observe(&tree, &observations);
    let rows = report(&tree, &["failure-change"]);
    let shown: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["backend_name"].as_str().unwrap(),
                row["percent_before"].as_f64(),
                row["percent"].as_f64(),
                row["change_points"].as_f64(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            // The last of it that could be read.
            ("torn", Some(20.0), Some(30.0), Some(10.0)),
            ("worse", Some(1.0), Some(6.0), Some(5.0)),
            ("better", Some(25.0), Some(10.0), Some(-15.0)),
            ("new", None, Some(25.0), None),
        ]
    );
    assert_eq!(rows[3]["note"], "nothing is observed of then");
}

#[test]
fn a_history_is_counted_against_the_memory_and_travels_in_plans() {
    let tree = Tree::new();
    let names: Vec<String> = (0..50).map(|number| format!("{number:0500}")).collect();
    let held = |at: i64| (at, names.iter().map(|name| (name.as_str(), Some((1, 0, 1)))).collect());
    observe(&tree, &(0..400).map(|day| held(AS_OF - DAY * day)).collect::<Vec<_>>());
    let with = |memory_limit| Options { memory_limit: Some(memory_limit), ..Options::default() };
    // 10 MB of names do not stand in the memory all at once, and none stands there uncounted.
    let sql = "SELECT COUNT(*) AS rows, MAX(LENGTH(backend_name)) AS longest FROM backend_history";
    let counted = try_csv(&tree.root(), sql, with(4 << 20)).unwrap();
    assert_eq!(counted, "rows,longest\n20000,500");
    let error = try_csv(&tree.root(), sql, with(16 << 10)).unwrap_err();
    assert!(error.to_string().contains("memory"), "{error}");
    let sql = "SELECT COUNT(*) AS observations, MAX(pins) AS pins FROM history";
    runtime().block_on(async {
        let session = Session::open(&tree.root(), Options::default()).unwrap();
        for (sql, wanted) in
            [(sql, "observations,pins\n400,50"), ("SELECT COUNT(*) AS n FROM backend_history", "n\n20000")]
        {
            let plan = session.encode_plan(sql).await.unwrap();
            assert_eq!(as_csv(session.run_plan(&plan).await.unwrap()).await.unwrap(), wanted);
        }
    });
    // What is damaged behind its footer is named while it is read.
    let place = tree.root().join(".pinql/daemon/history/000000000001-000000000400.parquet");
    let mut bytes = fs::read(&place).unwrap();
    bytes[4..4096].fill(0xff);
    fs::write(&place, bytes).unwrap();
    let error = try_csv(&tree.root(), "SELECT MAX(observed_at), MAX(pins) FROM history", Options::default())
        .unwrap_err();
    assert!(error.to_string().contains("000000000001-000000000400.parquet"), "{error}");
}
