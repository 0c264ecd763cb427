//! How the mappings of a backend are laid out, and what another layout would gain.

use arrow::array::AsArray;
use futures::TryStreamExt;
use tokio::runtime::Handle;

use crate::error::Result;
use crate::format::parquet;
use crate::session::Session;
use crate::store::BackendDir;

/// Rows of a page, and bytes that a page index takes for each, in a file that is laid out.
const PAGE_ROWS: u64 = 2_000;
const PAGE_INDEX: u64 = 600;
/// What is read from the end of any file, in bytes.
const FOOTER: u64 = 16 << 10;

/// What one backend's files are like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The backend.
    pub backend: String,
    /// Who laid them out: `pinql 3`, the version of the layout, or the tool that wrote them.
    pub layout: String,
    /// Whether that is the layout of this pinql, in one file.
    pub is_laid_out: bool,
    /// The files.
    pub files: u64,
    /// Their row groups.
    pub row_groups: u64,
    /// Their mappings.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes that looking up one of its CIDs has read just now; none if it has no CID.
    pub lookup_bytes: Option<u64>,
    /// About what it would read if the files were laid out.
    pub lookup_bytes_laid_out: u64,
}

/// Looks at the files of one backend, and looks up one of its CIDs in them. Must be called where a tokio runtime may be waited
/// for.
///
/// # Errors
/// If its mappings cannot be read.
pub fn diagnose(session: &Session, backend: &BackendDir) -> Result<Diagnosis> {
    let mut diagnosis = Diagnosis {
        backend: backend.name.clone(),
        layout: "no file".into(),
        is_laid_out: false,
        files: backend.files().len() as u64,
        row_groups: 0,
        rows: 0,
        bytes: backend.files().iter().map(|file| file.size).sum(),
        lookup_bytes: lookup_bytes(session, &backend.name)?,
        lookup_bytes_laid_out: 0,
    };
    let mut laid_out = 0;
    for file in backend.files() {
        // What cannot be read, the look-up has told.
        let Ok(footer) = parquet::footer(&file.path) else { continue };
        diagnosis.rows += footer.file_metadata().num_rows().max(0) as u64;
        diagnosis.row_groups += footer.num_row_groups() as u64;
        laid_out += u64::from(parquet::is_up_to_date(&footer));
        diagnosis.layout = match (parquet::layout_version(&footer), footer.file_metadata().created_by()) {
            (Some(version), _) => format!("pinql {version}"),
            (None, Some(writer)) => writer.split(" (").next().unwrap_or(writer).replace(" version", ""),
            (None, None) => "unknown".into(),
        };
    }
    if diagnosis.files > 1 {
        diagnosis.layout = format!("{} part files", diagnosis.files);
    }
    diagnosis.is_laid_out = diagnosis.files == 1 && laid_out == 1;
    let pages = diagnosis.rows.div_ceil(PAGE_ROWS);
    let page = diagnosis.bytes / pages.max(1);
    diagnosis.lookup_bytes_laid_out = diagnosis.bytes.min(FOOTER + pages.min(66) * PAGE_INDEX + page);
    Ok(diagnosis)
}

/// The bytes that looking up the first CID of a backend reads.
fn lookup_bytes(session: &Session, name: &str) -> Result<Option<u64>> {
    let table = format!("backends.\"{}\"", name.replace('"', "\"\""));
    Handle::current().block_on(async {
        let first = format!("SELECT cid FROM {table} WHERE content <> X'' LIMIT 1");
        let first = session.query(&first).await?.try_next().await?;
        let Some(cid) = first.filter(|batch| batch.num_rows() > 0) else { return Ok(None) };
        // What is a CID has no quotes in it.
        let cid = cid.column(0).as_string_view().value(0).to_owned();
        let sql = format!("SELECT * FROM {table} WHERE content = cid_content('{cid}')");
        let mut answer = session.query(&sql).await?;
        while answer.try_next().await?.is_some() {}
        Ok(Some(answer.receipt().bytes))
    })
}
