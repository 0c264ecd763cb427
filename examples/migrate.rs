//! Brings a `pins.json` into the tables, asks about it, and holds mappings and CAR against each other.
//!
//! ```sh
//! cargo run --example migrate
//! ```
//! works on a data directory of its own, in a temporary place.
#![allow(clippy::print_stdout)]

use futures::TryStreamExt;
use pinql::migrate::{Options, Progress, migrate, verify};
use pinql::session::{self, Session};

const PINS: &str = r#"[
    {"cid": "bafybeiffndsajwhk3lwjewwdxqntmjm4b5wxaaanokonsggenkbw6slwk4", "created_at": "2024-05-01T10:00:00Z"},
    {"cid": "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN", "status": "pinned", "size": 6},
    "not a CID"
]"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = tempfile::tempdir()?;
    let backend = root.path().join("backends/s3_main");
    std::fs::create_dir_all(&backend)?;
    std::fs::write(backend.join("pins.json"), PINS)?;

    let session = Session::open(root.path(), session::Options::default())?;
    let options = Options::at(1_714_557_600_000_000);
    // Migration works on a thread that may wait.
    let (working, changed) = (session.clone(), options.clone());
    let outcome =
        tokio::task::spawn_blocking(move || migrate(&working, &changed, &Progress::default())).await??;
    for backend in &outcome.backends {
        println!("{}: {:?}", backend.backend, backend.counts);
    }

    let mut answer = session.query("SELECT cid, status, size_bytes FROM pins").await?;
    while let Some(batch) = answer.try_next().await? {
        println!("{batch:?}");
    }
    let verified =
        tokio::task::spawn_blocking(move || verify(&session, "s3_main", &options, &Progress::default()))
            .await??;
    println!("mappings and CAR agree: {}", verified.agrees());
    Ok(())
}
