//! Opens a data directory, asks a question in SQL and prints the answer.
//!
//! `cargo run --example quickstart -- examples/ipfs_kit`
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io;
use std::path::Path;

use futures::TryStreamExt;
use pinql::export::{Format, Style};
use pinql::session::{Options, Session};

#[tokio::main]
async fn main() -> pinql::Result<()> {
    let root = std::env::args().nth(1).unwrap_or("examples/ipfs_kit".into());
    let session = Session::open(Path::new(&root), Options::default())?;

    let sql = "SELECT backend_name, status, COUNT(*) AS pins FROM pins GROUP BY ALL ORDER BY 1, 2";
    let mut answer = session.query(sql).await?;
    let mut encoder = Format::Table.encoder(io::stdout(), answer.schema(), &Style::default())?;
    while let Some(batch) = answer.try_next().await? {
        encoder.write(&batch)?;
    }
    encoder.finish()?;
    Ok(())
}
