//! Physical plans over `pins` as bytes, for another process that has the root and our functions.
//!
//! `datafusion-proto` writes a Parquet scan without the things that make it ours: the open files, the adapter of columns.
//! A [`PinSource`] is unknown to it, so it asks this codec, which writes the Parquet scan inside together with what each
//! file was, and puts both back when it reads.

use std::path::Path as FilePath;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::sink::DataSinkExec;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{
    AsExecutionPlan, PhysicalExtensionCodec, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use object_store::{ObjectMeta, path::Path};
use prost::Message;
use serde::{Deserialize, Serialize};

use super::adapter::PinAdapterFactory;
use super::footer::Footers;
use super::history::WireHistory;
use super::history_scan::history_scan;
use super::reader::{FileHandle, LateFile};
use super::source::{PinSource, pin_scan};
use super::table::external;
use crate::store::DataDir;

/// What stands in the place of a length before a scan of the history, as JSON.
const HISTORY: [u8; 4] = [0xff; 4];

/// Writes and reads scans of pin mappings below one root.
#[derive(Debug)]
pub(crate) struct PinCodec {
    pub footers: Arc<Footers>,
    /// Plans may read files in it and no others.
    pub dir: DataDir,
}

/// One file of a scan, as it was when the query was planned.
///
/// On the wire a scan is the length of a JSON array of these, in the order of the scan's groups, as four bytes; the array;
/// and the Parquet scan inside as `datafusion-proto` writes it.
#[derive(Serialize, Deserialize)]
struct WireFile {
    backend: String,
    /// The path that people see.
    shown: String,
    location: String,
    size: u64,
    /// In RFC 3339.
    modified: String,
    e_tag: Option<String>,
}

impl PhysicalExtensionCodec for PinCodec {
    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        out: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        if let Some(scan) = history_scan(node.as_ref()) {
            out.extend_from_slice(&HISTORY);
            return serde_json::to_writer(out, &WireHistory::of(scan)).map_err(external);
        }
        let Some((config, source)) = pin_scan(node.as_ref()) else {
            return datafusion::common::not_impl_err!("{} cannot travel to another process", node.name());
        };
        let files = config.file_groups.iter().flat_map(|group| group.iter());
        let files: Vec<_> = files
            .map(|file| {
                let handle = file.extension::<Arc<FileHandle>>();
                let (backend, shown) = handle.and_then(|handle| handle.names()).unwrap_or_default();
                let meta = &file.object_meta;
                WireFile {
                    backend: backend.to_owned(),
                    shown: shown.to_owned(),
                    location: meta.location.to_string(),
                    size: meta.size,
                    modified: meta.last_modified.to_rfc3339(),
                    e_tag: meta.e_tag.clone(),
                }
            })
            .collect();
        let inside = FileScanConfigBuilder::from(config.clone())
            .with_source(Arc::clone(source.parquet()))
            // The wire has 32 bits for it; the limit stands above the scan, too.
            .with_limit(config.limit.filter(|limit| u32::try_from(*limit).is_ok()))
            .build();
        let inside =
            PhysicalPlanNode::try_from_physical_plan(DataSourceExec::from_data_source(inside), self)?;
        let files = serde_json::to_vec(&files).map_err(external)?;
        out.extend_from_slice(&u32::try_from(files.len()).map_err(external)?.to_le_bytes());
        out.extend_from_slice(&files);
        inside.encode(out).map_err(external)
    }

    fn try_decode(
        &self,
        bytes: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let damaged = || DataFusionError::Plan("a scan of pin mappings arrived damaged".into());
        let (length, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
        if *length == HISTORY {
            let wire: WireHistory = serde_json::from_slice(rest).map_err(external)?;
            return Ok(DataSourceExec::from_data_source(wire.scan(&self.dir)?));
        }
        let (files, parquet) =
            rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(damaged)?;
        let files: Vec<WireFile> = serde_json::from_slice(files).map_err(external)?;
        let inside = PhysicalPlanNode::decode(parquet).map_err(external)?;
        let inside = inside.try_into_physical_plan(context, self)?;
        let inside = inside.downcast_ref::<DataSourceExec>().ok_or_else(damaged)?;
        let (config, parquet) = inside.downcast_to_file_source::<ParquetSource>().ok_or_else(damaged)?;
        let mut files = files.into_iter();
        let mut with_file = |file: &PartitionedFile| {
            let late = self.late(files.next().ok_or_else(damaged)?)?;
            let mut file = file.clone();
            file.object_meta = late.meta.clone();
            Ok(file.with_extension(Arc::new(FileHandle::late(late))))
        };
        let groups = config
            .file_groups
            .iter()
            .map(|group| Ok(FileGroup::new(group.iter().map(&mut with_file).collect::<Result<_>>()?)));
        let groups = groups.collect::<Result<_>>()?;
        let config = FileScanConfigBuilder::from(config.clone())
            .with_file_groups(groups)
            .with_source(Arc::new(PinSource::new(parquet.clone())))
            .with_expr_adapter(Some(Arc::new(PinAdapterFactory)))
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

impl PinCodec {
    /// How to open one file here; refused if it does not lie in the data directory.
    fn late(&self, file: WireFile) -> Result<LateFile> {
        let path = FilePath::new("/").join(&file.location);
        if !self.dir.holds(&path) {
            return Err(DataFusionError::Plan(format!("{} is outside of the data directory", file.shown)));
        }
        let modified = DateTime::parse_from_rfc3339(&file.modified).map_err(external)?;
        let meta = ObjectMeta {
            location: Path::parse(&file.location).map_err(external)?,
            last_modified: modified.with_timezone(&Utc),
            size: file.size,
            e_tag: file.e_tag,
            version: None,
        };
        Ok(LateFile {
            footers: Arc::clone(&self.footers),
            backend: file.backend,
            shown: file.shown,
            path,
            meta,
        })
    }
}

/// Refuses a plan from elsewhere that would write, or read anything but pin mappings and what it brings along:
/// `datafusion-proto` builds whatever it is told to.
pub(crate) fn refuse_foreign(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    let foreign = |node: &Arc<dyn ExecutionPlan>| {
        let reads = node.downcast_ref::<DataSourceExec>().is_some_and(|scan| {
            let in_memory = scan.data_source().as_ref().is::<MemorySourceConfig>();
            !in_memory && pin_scan(node.as_ref()).is_none() && history_scan(node.as_ref()).is_none()
        });
        Ok(reads || node.is::<DataSinkExec>())
    };
    match plan.exists(foreign)? {
        true => Err(DataFusionError::Plan("the plan reads or writes other things than pin mappings".into())),
        false => Ok(()),
    }
}
