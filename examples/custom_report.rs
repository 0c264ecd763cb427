//! Runs a report of one's own, with a parameter that its header declares, and reads the numbers from the batches.
//!
//! `cargo run --example custom_report -- examples/ipfs_kit storacha_hot`
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use chrono::Utc;
use futures::TryStreamExt;
use pinql::report::Report;
use pinql::session::{Options, Session};

const ONLY_ON: &str = "\
-- title: Contents that only one backend has
-- param: backend text  the backend's name
WITH contents AS (
    SELECT
        content,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        MIN(backend_name) FILTER (WHERE status = 'stored') AS only_on
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT COUNT(*) AS contents
FROM contents
WHERE copies = 1
    AND only_on = $backend";

#[tokio::main]
async fn main() -> pinql::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().unwrap_or("examples/ipfs_kit".into());
    let backend = arguments.next().unwrap_or("storacha_hot".into());

    let report = Report::parse("only-on", ONLY_ON, "custom_report.rs")?;
    let bindings = report.bind(&[("backend".to_owned(), backend.clone())], Utc::now())?;
    let session = Session::open(Path::new(&root), Options::default())?;
    let mut answer = session.query_with(&report.sql, &bindings).await?;
    while let Some(batch) = answer.try_next().await? {
        let contents = batch.column(0).as_primitive::<Int64Type>().value(0);
        println!("{contents} contents are on {backend} and nowhere else");
    }
    Ok(())
}
