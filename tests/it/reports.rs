//! Reports: their answers on the sample data, and on random data against [`recount`](super::recount).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
    new_empty_array,
};
use arrow::datatypes::{DataType, Field, Schema};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use pinql::export::{Format, Style};
use pinql::report::prices::Prices;
use pinql::report::{Report, Reports};
use pinql::session::{Options, Session};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::recount::{
    self, Backend, Holds, Mapping, Root, Waiting, contents, mappings as of_mappings, money,
};

/// 2026-11-01T00:00:00Z, in seconds since 1970.
const NOW: i64 = 1_793_491_200;

/// Needs a multi-threaded runtime, and one is enough for all tests.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The answer of a report in one format.
fn ask(root: &Path, report: &Report, values: &[(&str, &str)], format: Format) -> pinql::Result<String> {
    ask_at(&Prices::default(), root, report, values, format)
}

/// The same at some prices.
fn ask_at(
    prices: &Prices,
    root: &Path,
    report: &Report,
    values: &[(&str, &str)],
    format: Format,
) -> pinql::Result<String> {
    let values: Vec<_> = values.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let bindings = report.bind(&values, now())?;
    let options = Options { threads: Some(2), prices: prices.clone(), ..Options::default() };
    let session = Session::open(root, options)?;
    RUNTIME.block_on(async {
        let answer = session.query_with(&report.sql, &bindings).await?;
        let schema = answer.schema();
        let batches: Vec<RecordBatch> = answer.try_collect().await?;
        let mut text = Vec::new();
        let mut encoder = format.encoder(&mut text, schema, &Style::default())?;
        for batch in &batches {
            encoder.write(batch)?;
        }
        encoder.finish()?;
        Ok(String::from_utf8(text).expect("text formats are UTF-8"))
    })
}

/// The rows of a built-in report, at the prices of the recount.
fn rows(root: &Path, report: &str, values: &[(&str, &str)]) -> Vec<Value> {
    let reports = Reports::built_in();
    let text = ask_at(&money::prices(), root, reports.get(report).unwrap(), values, Format::Ndjson);
    let text = text.unwrap_or_else(|error| panic!("{report}: {error}"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

// -------------------------------------------------------------------------------------------------------- the samples

/// Labels of the autumn exhibition: on github_mirror, and twice on kubo_office.
const LABELS_V1: &str = "bafybeidk4p224johwaogtdqhlrak26e32ivjswwj34yw76dnzen6gvbht4";
const LABELS_V0: &str = "QmVXuXwKPYsaB756Gh7x5oPQNWEY3hBp4PegoXLD27t214";

/// The codec mismatch: dag-pb on s3_main, raw on hf_datasets.
const CHART: &str = "QmP2mgbyf7ZsnynoAGLiyVgqDjyugDa4hQMDBHS3Pq2zgD";
const CHART_RAW: &str = "bafkreiaki4pdjnqbwehe3bk7nlxvyxogb4mp7yqphe2csdvuc7jexgsfzy";

/// The first of the two contents of the documented situation.
const DOCUMENTED: &str = "bafybeidmrjnug7q2q5c2ivv37wjq5vqyzxobqfsycddyrntvfg5u5he5qi";

#[test]
fn reports_tell_the_facts_of_the_sample_collection() {
    snapshots("ipfs_kit", "examples/ipfs_kit", LABELS_V1, "storacha_hot", "s3_main");
}

#[test]
fn reports_tell_the_documented_situation() {
    snapshots("documented", "tests/data/documented", DOCUMENTED, "my-s3-backend", "my-storacha-backend");
}

/// One snapshot for each report: as a table, then as JSON.
fn snapshots(name: &str, root: &str, cid: &str, backend: &str, other: &str) {
    let root = repository(root);
    for report in Reports::built_in().iter() {
        let values: &[_] = match report.name.as_str() {
            "where-is" | "cost-of-copy" => &[("cid", cid)],
            "without-backend" | "without-backend-total" => &[("backends", backend)],
            "missing-on" => &[("backend", other)],
            "capacity" => &[("backend", backend), ("capacity", "5000000000000")],
            _ => &[],
        };
        let [table, json] = [Format::Table, Format::Json].map(|format| {
            ask(&root, report, values, format).unwrap_or_else(|error| panic!("{}: {error}", report.name))
        });
        insta::assert_snapshot!(format!("{name}_{}", report.name), format!("{table}\n{json}"));
    }
}

/// Lines of the page that begin with `$ pinql`, each with what is to follow it up to `…` or the end of the block.
#[test]
fn the_page_of_reports_shows_what_they_really_say() {
    let page = fs::read_to_string(repository("docs/reports.md")).unwrap();
    let mut shown = 0;
    for block in page.split("```console\n$ pinql ").skip(1) {
        let (command, rest) = block.split_once('\n').unwrap();
        let expected = rest.split("```").next().unwrap().split('…').next().unwrap();
        if !command.starts_with("report ") {
            continue;
        }
        shown += 1;
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_pinql"));
        program.args(command.split_whitespace()).env_clear().env("HOME", "/nonexistent");
        let output = program.env("PINQL_ROOT", repository("examples/ipfs_kit")).output().unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        assert!(found.starts_with(expected), "pinql {command}\nshows\n{found}\nnot\n{expected}");
    }
    assert!(shown >= Reports::built_in().iter().count(), "a report is not shown: {shown}");
}

#[test]
fn where_is_gives_the_same_rows_for_every_spelling() {
    let root = repository("examples/ipfs_kit");
    let by_v1 = rows(&root, "where-is", &[("cid", LABELS_V1)]);
    assert_eq!(by_v1.len(), 3);
    let upper = LABELS_V1.to_uppercase();
    for spelling in [LABELS_V0, upper.as_str()] {
        assert_eq!(rows(&root, "where-is", &[("cid", spelling)]), by_v1, "{spelling}");
    }
}

#[test]
fn where_is_shows_a_codec_other_than_the_one_asked_for() {
    let root = repository("examples/ipfs_kit");
    let codecs = |cid| -> Vec<_> {
        let rows = rows(&root, "where-is", &[("cid", cid)]);
        rows.iter().map(|row| (row["backend_name"].clone(), row["codec"].clone())).collect()
    };
    assert_eq!(codecs(CHART), [(json!("hf_datasets"), json!("raw")), (json!("s3_main"), json!("same"))]);
    assert_eq!(
        codecs(CHART_RAW),
        [(json!("hf_datasets"), json!("same")), (json!("s3_main"), json!("dag-pb"))]
    );
}

#[test]
fn where_is_finds_nothing_where_nothing_is() {
    assert!(rows(&repository("examples/ipfs_kit"), "where-is", &[("cid", "bafkqaaa")]).is_empty());
}

// ------------------------------------------------------------------------------------------------ parameters and files

#[test]
fn a_parameter_is_a_value_whatever_is_in_it() {
    let sql = "-- title: Echo\n-- param: text text  any\nSELECT $text AS text, COUNT(*) AS pins FROM pins WHERE cid = $text";
    let echo = Report::parse("echo", sql, "echo.sql").unwrap();
    for text in [
        "'; DROP TABLE pins; --",
        "' OR '1'='1",
        "x' UNION SELECT name, rows FROM backends --",
        "$text",
        "\"pins\"",
        "\\'\n;",
        "",
        "🦀",
    ] {
        let answer = ask(&repository("examples/ipfs_kit"), &echo, &[("text", text)], Format::Json).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer, json!([{"text": text, "pins": 0}]), "{text}");
    }
}

#[test]
fn a_cid_that_is_none_is_refused_before_the_query() {
    let reports = Reports::built_in();
    for text in ["", "bafy'; DROP TABLE pins; --", "not-a-cid", "' OR 1=1 --"] {
        let root = repository("examples/ipfs_kit");
        let refused =
            ask(&root, reports.get("where-is").unwrap(), &[("cid", text)], Format::Json).unwrap_err();
        assert!(matches!(refused, pinql::Error::Parameter { .. }), "{text:?}: {refused}");
    }
}

#[test]
fn a_report_of_ones_own_takes_the_place_of_the_built_in_one() {
    let own = TempDir::new().unwrap();
    let sql = "-- title: Mine\n-- param: least integer 30  rows\nSELECT name FROM backends WHERE rows >= $least ORDER BY name";
    fs::write(own.path().join("summary.sql"), sql).unwrap();
    let mut reports = Reports::built_in();
    reports.add_dir(own.path()).unwrap();
    let summary = reports.get("summary").unwrap();
    assert_eq!(
        (summary.title.as_str(), reports.iter().count()),
        ("Mine", Reports::built_in().iter().count())
    );
    let root = repository("examples/ipfs_kit");
    assert_eq!(ask(&root, summary, &[], Format::Csv).unwrap(), "name\ns3_main\n");
    assert_eq!(
        ask(&root, summary, &[("least", "22")], Format::Csv).unwrap(),
        "name\nkubo_office\ns3_main\nstoracha_hot\n"
    );
}

// ------------------------------------------------------------------------------------------------------- nothing there

#[test]
fn every_report_answers_about_a_root_without_backends() {
    let temp = TempDir::new().unwrap();
    agrees(&Root::default(), temp.path());
    fs::create_dir(temp.path().join("backends")).unwrap();
    agrees(&Root::default(), temp.path());
}

#[test]
fn every_report_answers_about_backends_that_are_all_empty() {
    let temp = TempDir::new().unwrap();
    let backend = |name: &str, holds| Backend { name: name.to_owned(), kind: None, holds };
    let mut root = Root {
        backends: vec![
            backend("bare", Holds::Nothing),
            backend("legacy", Holds::Legacy),
            backend("no_rows", Holds::Mappings(vec![])),
        ],
    };
    write(&root, temp.path());
    // As pandas writes a frame without rows: every column has the null type.
    let columns = ["cid", "car_file_path", "backend_name", "created_at", "status", "metadata"];
    let nulls = columns.map(|name| (name, new_empty_array(&DataType::Null)));
    write_parquet(&temp.path().join("backends/null_type"), RecordBatch::try_from_iter(nulls).unwrap());
    write_parquet(
        &temp.path().join("backends/zero_columns"),
        RecordBatch::new_empty(Arc::new(Schema::empty())),
    );
    root.backends.extend(["null_type", "zero_columns"].map(|name| backend(name, Holds::Mappings(vec![]))));
    agrees(&root, temp.path());
}

fn agrees(root: &Root, path: &Path) {
    assert_eq!(rows(path, "summary", &[]), recount::summary(root));
    assert_eq!(rows(path, "redundancy", &[]), recount::redundancy(root));
    assert_eq!(rows(path, "under-replicated", &[]), recount::under_replicated(root, 2));
    assert_eq!(rows(path, "at-risk", &[]), recount::at_risk(root));
    let all = Waiting { as_of: NOW, ..Waiting::default() };
    assert_eq!(rows(path, "failed-pins", &[]), recount::failed_pins(root, &all));
    assert_eq!(rows(path, "pending-pins", &[]), recount::pending_pins(root, &all));
    assert_eq!(rows(path, "where-is", &[("cid", LABELS_V1)]), recount::where_is(root, LABELS_V1));
    assert_eq!(rows(path, "status-distribution", &[]), recount::status_distribution(root));
    assert_eq!(rows(path, "backend-summary", &[]), recount::backend_summary(root));
    // All others but prices, which reads no pins.
    let prices = money::prices();
    let away = [("backends", "s3_main")];
    for (report, values, counted) in [
        ("redundancy-average", &[][..], contents::redundancy_average(root)),
        ("over-replicated", &[], contents::over_replicated(root, 3)),
        ("at-risk-by-backend", &[], contents::at_risk_by_backend(root)),
        ("without-backend", &away, contents::without_backend(root, &["s3_main"], 2)),
        ("without-backend-total", &away, contents::without_backend_total(root, &["s3_main"], 2)),
        ("missing-on", &[("backend", "s3_main")], contents::missing_on(root, "s3_main", &[])),
        ("status-conflicts", &[], contents::status_conflicts(root)),
        ("repeated-failures", &[], contents::repeated_failures(root, 2)),
        ("largest", &[], contents::largest(root, 20)),
        ("codec-mismatch", &[], contents::codec_mismatch(root)),
        ("overlap", &[], contents::overlap(root)),
        ("storage", &[("by", "backend")], of_mappings::storage(root, "backend")),
        ("growth", &[("by", "month")], of_mappings::growth(root, "month")),
        ("failures-by-backend", &[], of_mappings::failures_by_backend(root)),
        ("failure-reasons", &[], of_mappings::failure_reasons(root)),
        ("oldest", &[], of_mappings::oldest(root, 20, NOW)),
        ("duplicates", &[], of_mappings::duplicates(root)),
        ("invalid-cids", &[], of_mappings::invalid_cids(root)),
        ("bad-metadata", &[], of_mappings::bad_metadata(root)),
        ("backend-mismatch", &[], of_mappings::backend_mismatch(root)),
        ("balance", &[], of_mappings::balance(root)),
        ("cost", &[], money::cost(root, &prices)),
        ("cost-total", &[], money::cost_total(root, &prices)),
        ("cost-of-copy", &[("cid", LABELS_V1)], money::cost_of_copy(root, &prices, LABELS_V1)),
        ("repair-options", &[], money::repair_options(root, &prices, 2)),
    ] {
        assert_eq!(rows(path, report, values), counted, "{report}");
    }
}

// --------------------------------------------------------------------------------------------------------- random roots

#[test]
fn summary_agrees_with_a_recount() {
    for_random_roots(|root, path, _| prop_same(rows(path, "summary", &[]), recount::summary(root)));
}

#[test]
fn redundancy_agrees_with_a_recount() {
    for_random_roots(|root, path, _| prop_same(rows(path, "redundancy", &[]), recount::redundancy(root)));
}

#[test]
fn under_replicated_agrees_with_a_recount() {
    for_random_roots(|root, path, choice| {
        let min_copies = [2, 2, 3, 4, 1, 0, -1, i64::MAX][choice];
        let text = min_copies.to_string();
        let values: &[_] = if choice == 0 { &[] } else { &[("min_copies", text.as_str())] };
        prop_same(rows(path, "under-replicated", values), recount::under_replicated(root, min_copies))
    });
}

#[test]
fn at_risk_agrees_with_a_recount() {
    for_random_roots(|root, path, _| prop_same(rows(path, "at-risk", &[]), recount::at_risk(root)));
}

#[test]
fn failed_and_pending_pins_agree_with_a_recount() {
    for_random_roots(|root, path, choice| {
        let all = Waiting { as_of: NOW, ..Waiting::default() };
        let (values, asked): (&[_], _) = match choice {
            0..2 => (&[], all),
            2..4 => (&[("as_of", "2024-02-29T12:00:00Z")], Waiting { as_of: 1_709_208_000, ..all }),
            4 => (
                &[("as_of", "1715000000"), ("older_than", "52w")],
                Waiting { as_of: 1_715_000_000, older_than: 52 * 7 * 86_400, ..all },
            ),
            5 => (&[("older_than", "1s")], Waiting { older_than: 1, ..all }),
            _ => (&[("backends", "s3_main,Ünïcode")], Waiting { backends: &["s3_main", "Ünïcode"], ..all }),
        };
        prop_same(rows(path, "failed-pins", values), recount::failed_pins(root, &asked))?;
        prop_same(rows(path, "pending-pins", values), recount::pending_pins(root, &asked))
    });
}

#[test]
fn reports_of_copies_agree_with_a_recount() {
    for_random_roots(|root, path, choice| {
        let number = [2, 1, 3, 1, 2, 4, 1, 2][choice];
        let text = number.to_string();
        let same =
            |report: &str, values: &[(&str, &str)], counted| prop_same(rows(path, report, values), counted);
        same("redundancy-average", &[], contents::redundancy_average(root))?;
        same("over-replicated", &[("max_copies", &text)], contents::over_replicated(root, number))?;
        same("at-risk-by-backend", &[], contents::at_risk_by_backend(root))?;
        same("status-conflicts", &[], contents::status_conflicts(root))?;
        same("repeated-failures", &[("min_failures", &text)], contents::repeated_failures(root, number))?;
        same("largest", &[("limit", &text)], contents::largest(root, number as usize))?;
        same("codec-mismatch", &[], contents::codec_mismatch(root))?;
        same("overlap", &[], contents::overlap(root))
    });
}

#[test]
fn reports_of_lacking_backends_agree_with_a_recount() {
    for_random_roots(|root, path, choice| {
        let all: Vec<&str> = money::names(root).into_iter().collect();
        let some = &all[..1 + choice % 2];
        let given = some.iter().map(|name| name.replace(',', "\\,")).collect::<Vec<_>>().join(",");
        let number = 1 + choice as i64 % 3;
        let text = number.to_string();
        let values = [("backends", given.as_str()), ("min_copies", text.as_str())];
        let found = rows(path, "without-backend", &values);
        prop_same(found, contents::without_backend(root, some, number))?;
        let found = rows(path, "without-backend-total", &values);
        prop_same(found, contents::without_backend_total(root, some, number))?;
        let values = [("backend", all[0]), ("against", if choice < 4 { "" } else { all[1] })];
        let against: &[&str] = if choice < 4 { &[] } else { &all[1..2] };
        prop_same(rows(path, "missing-on", &values), contents::missing_on(root, all[0], against))
    });
}

#[test]
fn reports_of_mappings_agree_with_a_recount() {
    for_random_roots(|root, path, choice| {
        let same =
            |report: &str, values: &[(&str, &str)], counted| prop_same(rows(path, report, values), counted);
        let by = ["backend", "status", "month"][choice % 3];
        same("storage", &[("by", by)], of_mappings::storage(root, by))?;
        let by = ["day", "week", "month", "quarter", "year"][choice % 5];
        same("growth", &[("by", by)], of_mappings::growth(root, by))?;
        same("failures-by-backend", &[], of_mappings::failures_by_backend(root))?;
        same("failure-reasons", &[], of_mappings::failure_reasons(root))?;
        same("oldest", &[("limit", "7")], of_mappings::oldest(root, 7, NOW))?;
        same("duplicates", &[], of_mappings::duplicates(root))?;
        same("invalid-cids", &[], of_mappings::invalid_cids(root))?;
        same("bad-metadata", &[], of_mappings::bad_metadata(root))?;
        same("backend-mismatch", &[], of_mappings::backend_mismatch(root))?;
        same("balance", &[], of_mappings::balance(root))
    });
}

#[test]
fn reports_of_cost_agree_with_a_recount() {
    for_random_roots(|root, path, choice| {
        let prices = money::prices();
        let same =
            |report: &str, values: &[(&str, &str)], counted| prop_same(rows(path, report, values), counted);
        same("cost", &[], money::cost(root, &prices))?;
        same("cost-total", &[], money::cost_total(root, &prices))?;
        let cid = spelled(choice as u8 % CONTENTS, choice as u8 % SPELLINGS);
        same("cost-of-copy", &[("cid", &cid)], money::cost_of_copy(root, &prices, &cid))?;
        let number = 2 + choice as i64 % 3;
        let text = number.to_string();
        same("repair-options", &[("min_copies", &text)], money::repair_options(root, &prices, number))
    });
}

#[test]
fn where_is_agrees_with_a_recount() {
    for_random_roots(|root, path, choice| {
        // Two contents in all spellings, and once what nobody has.
        let cid = if choice == 7 {
            spelled(CONTENTS, 1)
        } else {
            spelled(choice as u8 % 2, choice as u8 % SPELLINGS)
        };
        prop_same(rows(path, "where-is", &[("cid", &cid)]), recount::where_is(root, &cid))
    });
}

#[test]
fn backend_summary_agrees_with_a_recount() {
    for_random_roots(|root, path, _| {
        prop_same(rows(path, "backend-summary", &[]), recount::backend_summary(root))
    });
}

#[test]
fn status_distribution_agrees_with_a_recount() {
    for_random_roots(|root, path, _| {
        prop_same(rows(path, "status-distribution", &[]), recount::status_distribution(root))
    });
}

pub fn prop_same(report: Vec<Value>, recount: Vec<Value>) -> Result<(), TestCaseError> {
    // The order of an object's keys does not count in comparing values, and must be the report's all the same.
    let columns =
        |rows: &[Value]| rows.first().map(|row| row.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
    prop_assert_eq!(columns(&report), columns(&recount));
    prop_assert_eq!(report, recount);
    Ok(())
}

/// Checks random roots, each with a number below 8 that may choose a parameter.
pub fn for_random_roots(check: impl Fn(&Root, &Path, usize) -> Result<(), TestCaseError>) {
    let config = Config { cases: 64, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(roots(), 0..8usize), |(root, choice)| {
        let temp = TempDir::new().unwrap();
        write(&root, temp.path());
        check(&root, temp.path(), choice)
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Contents that mappings are of, numbered from 0.
const CONTENTS: u8 = 5;

fn roots() -> impl Strategy<Value = Root> {
    let names = ["s3_main", "Ünïcode", "with space", "a.b-c", "it's \"quoted\"", "select", "s3_old"];
    let names = prop::sample::subsequence(names.to_vec(), 2..=5);
    names
        .prop_flat_map(|names| names.into_iter().map(backends).collect::<Vec<_>>())
        .prop_map(|backends| Root { backends })
}

fn backends(name: &'static str) -> impl Strategy<Value = Backend> {
    let holds = prop_oneof![
        1 => Just(Holds::Nothing),
        1 => Just(Holds::Legacy),
        12 => prop::collection::vec(mappings(name), 0..=12).prop_map(Holds::Mappings),
    ];
    let kind = prop::sample::select(vec![None, Some("s3".to_owned()), Some("ipfs_cluster".to_owned())]);
    (holds, kind).prop_map(|(holds, kind)| Backend { name: name.to_owned(), kind, holds })
}

fn mappings(backend: &'static str) -> impl Strategy<Value = Mapping> {
    let statuses = [
        Some("stored"),
        Some("stored"),
        Some("stored"),
        Some("pending"),
        Some("failed"),
        None,
        Some(""),
        Some(" "),
        Some(" STORED "),
        Some("Pending"),
        Some("FAILED\n"),
        Some("unpinning"),
        Some("Queued"),
        Some("ÜBERTRAGEN"),
    ];
    let recorded = [Some(backend), Some(backend), Some(backend), Some("s3_old"), None];
    let times = prop_oneof![1 => Just(None), 5 => (1_577_836_800..NOW + 864_000).prop_map(Some), 2 => Just(Some(NOW))];
    (
        cids(),
        prop::option::weighted(0.9, "/[a-z]{1,3}/[0-9]{2}\\.car"),
        prop::sample::select(recorded.to_vec()),
        times,
        prop::sample::select(statuses.to_vec()),
        metadata(),
    )
        .prop_map(|(cid, car_file_path, recorded, created_at, status, (metadata, size, reason))| {
            Mapping {
                cid,
                car_file_path,
                recorded_backend: recorded.map(str::to_owned),
                created_at,
                recorded_status: status.map(str::to_owned),
                metadata,
                size,
                reason,
            }
        })
}

fn cids() -> impl Strategy<Value = Option<String>> {
    let invalid = [
        None,
        Some(String::new()),
        Some("not-a-cid".to_owned()),
        Some(format!(" {}", spelled(0, 0))),
        Some(format!("/ipfs/{}", spelled(0, 1))),
        Some(spelled(0, 0).to_lowercase()),
    ];
    prop_oneof![
        9 => (0..CONTENTS, 0..SPELLINGS).prop_map(|(content, spelling)| Some(spelled(content, spelling))),
        1 => prop::sample::select(invalid.to_vec()),
    ]
}

const SPELLINGS: u8 = 6;

/// One of a content's CIDs: version 0, version 1 in three bases, in upper case, and as raw.
fn spelled(content: u8, spelling: u8) -> String {
    use cid::multibase::Base;
    use cid::multihash::Multihash;
    let hash = Multihash::<64>::wrap(0x12, &[content; 32]).unwrap();
    let dag_pb = cid::Cid::new_v1(0x70, hash);
    match spelling {
        0 => cid::Cid::new_v0(hash).unwrap().to_string(),
        1 => dag_pb.to_string(),
        2 => dag_pb.to_string_of_base(Base::Base36Lower).unwrap(),
        3 => dag_pb.to_string_of_base(Base::Base58Btc).unwrap(),
        4 => dag_pb.to_string().to_uppercase(),
        _ => cid::Cid::new_v1(0x55, hash).to_string(),
    }
}

/// Metadata in one of the forms that tools write, with the size and the reason of a failure that it gives.
fn metadata() -> impl Strategy<Value = (Option<String>, Option<i64>, Option<String>)> {
    let sizes = prop_oneof![4 => 0..5000i64, 1 => Just(i64::MAX)];
    (0..12, sizes, "[ -~é]{0,8}").prop_map(|(form, size, reason)| {
        let said = |reason: &str| (!reason.trim().is_empty()).then(|| reason.to_owned());
        let (value, size, reason) = match form {
            0 => return (None, None, None),
            1 => return (Some("{'size': 5}".to_owned()), None, None),
            2 => return (Some(r#"{"size": 5, "error": "e"} {"b""#.to_owned()), None, None),
            11 => (json!({}), None, None),
            3 => (json!({"size_bytes": size}), Some(size), None),
            4 => (json!({"name": "x", "size": size}), Some(size), None),
            5 => (json!({"size_bytes": size.to_string(), "size": 1}), Some(size), None),
            6 => (json!({"metadata": {"size_bytes": size}}), Some(size), None),
            7 => (json!({"size": -1, "error": reason}), None, said(&reason)),
            8 => {
                let value = json!({"size": size, "reason": reason, "status_details": "?"});
                (value, Some(size), said(&reason).or(Some("?".to_owned())))
            }
            9 => (json!({"status_details": reason}), None, said(&reason)),
            _ => (json!({"metadata": {"error": reason, "size": size}}), Some(size), said(&reason)),
        };
        (Some(value.to_string()), size, reason)
    })
}

/// Writes a root as its tools would have: each backend's times and texts in types of its own.
fn write(root: &Root, path: &Path) {
    fs::create_dir_all(path.join("backend_configs")).unwrap();
    for (index, backend) in root.backends.iter().enumerate() {
        let dir = path.join("backends").join(&backend.name);
        fs::create_dir_all(&dir).unwrap();
        if let Some(kind) = &backend.kind {
            let config = path.join("backend_configs").join(format!("{}.yaml", backend.name));
            fs::write(config, format!("type: {kind}\nconfig:\n  token: secret\n")).unwrap();
        }
        match &backend.holds {
            Holds::Nothing => {}
            Holds::Legacy => fs::write(dir.join("pins.json"), "[]").unwrap(),
            Holds::Mappings(mappings) => write_parquet(&dir, batch(mappings, index)),
        }
    }
}

fn batch(mappings: &[Mapping], writer: usize) -> RecordBatch {
    let text = |column: fn(&Mapping) -> Option<&str>| -> ArrayRef {
        let values = mappings.iter().map(column);
        match writer % 2 {
            0 => Arc::new(values.collect::<StringArray>()),
            _ => Arc::new(values.collect::<StringViewArray>()),
        }
    };
    let times = || mappings.iter().map(|mapping| mapping.created_at);
    let iso = |at| DateTime::from_timestamp(at, 0).unwrap().format("%Y-%m-%d %H:%M:%S").to_string();
    let times: ArrayRef = match writer % 3 {
        0 => Arc::new(
            times()
                .map(|at| at.map(|at| at * 1_000_000))
                .collect::<TimestampMicrosecondArray>()
                .with_timezone("UTC"),
        ),
        1 => Arc::new(times().map(|at| at.map(iso)).collect::<StringArray>()),
        _ => Arc::new(times().collect::<Int64Array>()),
    };
    let columns = [
        ("cid", text(|mapping| mapping.cid.as_deref())),
        ("car_file_path", text(|mapping| mapping.car_file_path.as_deref())),
        ("backend_name", text(|mapping| mapping.recorded_backend.as_deref())),
        ("created_at", times),
        ("status", text(|mapping| mapping.recorded_status.as_deref())),
        ("metadata", text(|mapping| mapping.metadata.as_deref())),
    ];
    let fields: Vec<_> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn write_parquet(dir: &Path, batch: RecordBatch) {
    fs::create_dir_all(dir).unwrap();
    let file = File::create(dir.join("pin_mappings.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}
