//! Exports all mappings of one status to a CSV file that appears whole or not at all.
//!
//! `cargo run --example export_csv -- examples/ipfs_kit failed failed.csv`
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::Path;

use futures::TryStreamExt;
use pinql::export::{Format, Style};
use pinql::report::{Bindings, Value};
use pinql::session::{Options, Session};
use pinql::store::StagedFile;

#[tokio::main]
async fn main() -> pinql::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize, default: &'static str| arguments.get(index).map_or(default, String::as_str);
    let root = argument(0, "examples/ipfs_kit");
    let status = argument(1, "failed");
    let target = argument(2, "target/failed.csv");

    let session = Session::open(Path::new(root), Options::default())?;
    // A value is bound, never pasted into the statement.
    let bindings = Bindings([("status".to_owned(), Value::Text(status.to_owned()))].into());
    let sql = "SELECT * FROM pins WHERE status = $status ORDER BY backend_name, cid, created_at";
    let mut answer = session.query_with(sql, &bindings).await?;

    let mut file = StagedFile::beside(Path::new(target))?;
    let mut encoder = Format::Csv.encoder(&mut file, answer.schema(), &Style::default())?;
    while let Some(batch) = answer.try_next().await? {
        encoder.write(&batch)?;
    }
    let written = encoder.finish()?;
    file.publish()?;
    eprintln!("{} rows in {target}", written.rows);
    Ok(())
}
