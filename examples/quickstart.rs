//! Opens a data directory, asks a question in SQL and prints the answer.
//!
//! `cargo run --example quickstart -- examples/ipfs_kit`

use std::io;
use std::path::PathBuf;

use futures::TryStreamExt;
use pinql::export::{Format, Style};
use pinql::session::{Options, Session};

#[tokio::main]
async fn main() -> pinql::Result<()> {
    let root = std::env::args().nth(1).map_or_else(|| PathBuf::from("examples/ipfs_kit"), PathBuf::from);
    let session = Session::open(&root, Options::default())?;

    let sql = std::env::args().nth(2).unwrap_or(
        "SELECT backend_name, status, COUNT(*) AS pins FROM pins GROUP BY ALL ORDER BY 1, 2".into(),
    );
    let mut answer = session.query(&sql).await?;
    let mut encoder = Format::Table.encoder(io::stdout(), answer.schema(), &Style::default())?;
    while let Some(batch) = answer.try_next().await? {
        encoder.write(&batch)?;
    }
    encoder.finish()?;
    Ok(())
}
