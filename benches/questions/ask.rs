//! One session that stays open, for benches/questions.py: `ask ROOT THREADS MEMORY_LIMIT`.
//!
//! Reads requests from stdin, one JSON object a line: `sql` and, if the answer is wanted, the file `out` for it as CSV.
//! Writes for each the milliseconds until the whole answer has been taken, and its rows.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead};
use std::path::Path;
use std::time::Instant;

use futures::TryStreamExt;
use pinql::export::{Format, Style};
use pinql::session::{Options, Session};
use serde::Deserialize;

/// What the program itself allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize)]
struct Request {
    sql: String,
    out: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, root, threads, memory_limit] = &args[..] else {
        return Err("usage: ask ROOT THREADS MEMORY_LIMIT".into());
    };
    let threads: usize = threads.parse()?;
    let options =
        Options { threads: Some(threads), memory_limit: Some(memory_limit.parse()?), ..Options::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let session = Session::open(Path::new(root), options)?;
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let since = Instant::now();
        let rows = runtime.block_on(answer(&session, &request))?;
        println!(r#"{{"ms": {:.3}, "rows": {rows}}}"#, since.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}

async fn answer(session: &Session, request: &Request) -> Result<usize, Box<dyn Error>> {
    let mut answer = session.query(&request.sql).await?;
    let mut encoder = match &request.out {
        Some(out) => Some(Format::Csv.encoder(File::create(out)?, answer.schema(), &Style::default())?),
        None => None,
    };
    let mut rows = 0;
    while let Some(batch) = answer.try_next().await? {
        rows += batch.num_rows();
        if let Some(encoder) = &mut encoder {
            encoder.write(&batch)?;
        }
    }
    if let Some(encoder) = encoder {
        encoder.finish()?;
    }
    Ok(rows)
}
