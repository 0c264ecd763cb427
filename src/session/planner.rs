//! The DataFusion session behind [`Session`](super::Session), and how a statement becomes a physical plan.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList};
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::common::{DataFusionError, ParamValues, ScalarValue};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::TrackConsumersPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::prelude::SessionConfig;
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_extension_codec, physical_plan_to_bytes_with_extension_codec,
};

use super::answer::Skipped;
use super::diagnose::{Known, explain, written};
use super::groups::{Limits, StreamContentGroups};
use super::ignored::refuse_ignored;
use super::memory::{Caution, SharingPool};
use super::options::Options;
use super::remembered::Remembered;
use super::{arithmetic, calendar, dialect, distinct, names, prices, rules, script, sums, times};
use crate::catalog::{
    self, Footers, PinCatalog, Snapshot, Tables, Unreadable, UnreadableFile, functions,
    wire::{PinCodec, refuse_foreign},
};
use crate::error::{Error, Result};
use crate::report::{Bindings, Kind, Value};
use crate::store::DataDir;

/// Memory consumers that an error names.
const NAMED_CONSUMERS: usize = 3;
/// The memory limit, for each partition, that there is to be for each row of a batch.
const MEMORY_PER_ROW: usize = 16 << 10;
const FEWEST_ROWS: usize = 128;
/// How long a query that begins anew waits for the memory of its first attempt.
const SETTLING: Duration = Duration::from_millis(500);

/// What all queries of a session share.
#[derive(Debug)]
pub(super) struct Planner {
    dir: DataDir,
    footers: Arc<Footers>,
    /// Without tables: each query adds its own.
    state: SessionState,
    given: Tables,
    pub caution: Caution,
    pub options: Options,
    /// The table `_`.
    pub remembered: Remembered,
    /// What all queries see, if it is not a new one each time.
    snapshot: Option<Arc<Snapshot>>,
}

/// One statement, planned.
pub(super) struct Query {
    pub sql: String,
    pub snapshot: Arc<Snapshot>,
    pub state: SessionState,
    pub plan: Arc<dyn ExecutionPlan>,
    /// The columns of the answer.
    pub columns: SchemaRef,
    /// `None` for a plan from another process, which cannot be planned again.
    logical: Option<LogicalPlan>,
}

impl Planner {
    pub fn new(dir: DataDir, options: Options) -> Result<Planner> {
        let limits = Limits::new(options.memory_limit);
        Planner::with_limits(dir, options, limits)
    }

    /// The same with other limits for groups in streams.
    pub fn with_limits(dir: DataDir, options: Options, limits: Limits) -> Result<Planner> {
        let mut runtime = RuntimeEnvBuilder::new();
        let caution = Caution::default();
        if let Some(limit) = options.memory_limit {
            let named = std::num::NonZeroUsize::new(NAMED_CONSUMERS).unwrap_or(std::num::NonZeroUsize::MIN);
            let pool = TrackConsumersPool::new(SharingPool::new(limit, caution.clone()), named);
            runtime = runtime.with_memory_pool(Arc::new(pool));
        }
        let runtime = runtime.build_arc().map_err(broken)?;
        let mut state = SessionStateBuilder::new_with_default_features()
            .with_config(config(&options))
            .with_runtime_env(runtime)
            .with_type_planner(Arc::new(times::Micros))
            .with_optimizer_rules(rules::logical())
            .with_physical_optimizer_rule(Arc::new(rules::YieldInJoins))
            .with_physical_optimizer_rule(Arc::new(StreamContentGroups { limits, caution: caution.clone() }))
            .build();
        register_functions(&mut state).map_err(broken)?;
        let given = Arc::new(prices::tables(&options.prices).map_err(broken)?);
        let footers = Arc::new(Footers::new(options.memory_limit));
        let (remembered, snapshot) = (Remembered::default(), None);
        Ok(Planner { dir, footers, state, given, caution, options, remembered, snapshot })
    }

    /// The same for [`Session::faithful`](super::Session::faithful).
    pub fn faithful(&self) -> Planner {
        let options = Options { skip_unreadable: false, ..self.options.clone() };
        self.like(self.state.clone(), options, None).in_order()
    }

    /// The same for [`Session::in_order`](super::Session::in_order).
    pub fn in_order(&self) -> Planner {
        let mut state = self.state.clone();
        // Several partitions would come as they are done.
        state.config_mut().options_mut().execution.target_partitions = 1;
        self.like(state, Options { threads: Some(1), ..self.options.clone() }, self.snapshot.clone())
    }

    /// The same for [`Session::at_once`](super::Session::at_once).
    pub fn at_once(&self) -> Planner {
        let options = Options { skip_unreadable: true, ..self.options.clone() };
        self.like(self.state.clone(), options, Some(Arc::new(self.look(Unreadable::Skip))))
    }

    /// A snapshot of the data directory as it is now.
    fn look(&self, unreadable: Unreadable) -> Snapshot {
        Snapshot::new(self.dir.clone(), Arc::clone(&self.footers), unreadable)
    }

    /// The same with these parts in the place of its own.
    fn like(&self, state: SessionState, options: Options, snapshot: Option<Arc<Snapshot>>) -> Planner {
        let (dir, caution) = (self.dir.clone(), self.caution.clone());
        let (given, footers) = (Arc::clone(&self.given), Arc::clone(&self.footers));
        let remembered = Remembered::default();
        Planner { dir, footers, state, given, caution, options, remembered, snapshot }
    }

    /// The functions and settings of all queries.
    pub fn state(&self) -> &SessionState {
        &self.state
    }

    pub fn data_dir(&self) -> &DataDir {
        &self.dir
    }

    /// The snapshot that all queries are to see, or a new one.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        let unreadable = if self.options.skip_unreadable { Unreadable::Skip } else { Unreadable::Fail };
        self.snapshot.clone().unwrap_or_else(|| Arc::new(self.look(unreadable)))
    }

    /// A snapshot of the data directory, and a state whose tables are over it.
    fn begin(&self) -> (Arc<Snapshot>, SessionState) {
        let snapshot = self.snapshot();
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(
            catalog::CATALOG.to_owned(),
            Arc::new(PinCatalog::new(&snapshot, &self.given, self.remembered.table())),
        );
        let mut state = self.state.clone();
        state.register_catalog_list(Arc::new(catalogs));
        state.mark_start_execution();
        (snapshot, state)
    }

    /// Plans one statement, without the backends that are known to be damaged if those are skipped.
    pub async fn plan(&self, sql: &str, bindings: &Bindings, damaged: &[Skipped]) -> Result<Query> {
        let (snapshot, state) = self.begin();
        for Skipped { backend, path, reason } in damaged.iter().cloned() {
            snapshot.exclude(UnreadableFile { backend, path, reason });
        }
        let explained = |error| explain(&error, sql, self.known(&snapshot));
        script::one_statement(sql)?;
        let statement = dialect::parse(sql).map_err(explained)?;
        let statement =
            statement.ok_or_else(|| Error::Engine { message: "a statement parsed as none".into() })?;
        refuse_ignored(&statement, sql)?;
        let logical = state.statement_to_plan(statement.clone()).await.map_err(explained)?;
        refuse_writing(&logical)?;
        let logical = bind(logical, bindings).map_err(explained)?;
        let plan = state.create_physical_plan(&logical).await.map_err(explained)?;
        tracing::trace!(plan = %displayable(plan.as_ref()).indent(false), "planned");
        let columns = names::columns(&plan.schema(), Some(&statement));
        Ok(Query { sql: sql.to_owned(), snapshot, state, plan, columns, logical: Some(logical) })
    }

    /// Waits until a query that failed has given back its memory: its tasks end a little later than it does.
    pub async fn settle(&self) {
        let pool = &self.state.runtime_env().memory_pool;
        for _ in 0..SETTLING.as_millis() {
            if pool.reserved() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Plans the same statement again over the same snapshot, for a backend that is to be skipped since.
    ///
    /// `None` if that is not possible.
    pub async fn plan_again(
        &self,
        query: &Query,
        state: &SessionState,
    ) -> Option<Result<Arc<dyn ExecutionPlan>>> {
        let logical = query.logical.as_ref()?;
        let planned = state.create_physical_plan(logical).await;
        Some(planned.map_err(|error| self.explain(error, query)))
    }

    /// A query's plan as bytes.
    pub fn encode(&self, query: &Query) -> Result<Vec<u8>> {
        physical_plan_to_bytes_with_extension_codec(Arc::clone(&query.plan), &self.codec())
            .map(|bytes| bytes.to_vec())
            .map_err(|error| self.explain(error, query))
    }

    /// A query whose plan was made elsewhere.
    pub fn decode(&self, bytes: &[u8]) -> Result<Query> {
        let (snapshot, state) = self.begin();
        let context = TaskContext::from(&state);
        let plan = physical_plan_from_bytes_with_extension_codec(bytes, &context, &self.codec())
            .and_then(|plan| refuse_foreign(&plan).map(|()| plan))
            .map_err(|error| explain(&error, "", self.known(&snapshot)))?;
        let columns = names::columns(&plan.schema(), None);
        Ok(Query { sql: String::new(), snapshot, state, plan, columns, logical: None })
    }

    /// What to say of an error of a query.
    pub fn explain(&self, error: DataFusionError, query: &Query) -> Error {
        explain(&error, &query.sql, self.known(&query.snapshot))
    }

    fn known<'a>(&'a self, snapshot: &'a Snapshot) -> Known<'a> {
        Known { options: &self.options, snapshot, state: &self.state }
    }

    fn codec(&self) -> PinCodec {
        PinCodec { footers: Arc::clone(&self.footers), dir: self.dir.clone() }
    }
}

/// An error of setting up the engine itself.
fn broken(error: DataFusionError) -> Error {
    Error::Engine { message: error.strip_backtrace() }
}

fn config(options: &Options) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(catalog::CATALOG, catalog::MAIN);
    if let Some(threads) = options.threads {
        config = config.with_target_partitions(threads.max(1));
    }
    if let Some(limit) = options.memory_limit {
        // Each sort sets this aside for merging what it has spilled; by default 10 MiB, whatever the limit.
        let share = limit / (16 * config.target_partitions());
        config.options_mut().execution.sort_spill_reservation_bytes = share.clamp(64 << 10, 10 << 20);
        let rows = batch_size(limit, config.target_partitions());
        set_batch_size(&mut config, rows);
    }
    // A file for each batch that partitions spill for each other. Where two of them write at once, DataFusion 55 has two files
    // open, and whoever reads waits for a batch in the first that stands in the second: for ever, if the writers wait, too.
    config.options_mut().execution.max_spill_file_size_bytes =
        ConfigNonZeroUsize::try_new(1).expect("one is not zero");
    config.options_mut().sql_parser.collect_spans = true;
    // Each bloom filter and page index that is asked for costs a read; they are asked for only with a predicate.
    config.options_mut().execution.parquet.pushdown_filters = false;
    // The times of old files, in nanoseconds, would wrap beyond the year 2262.
    config.options_mut().execution.parquet.coerce_int96 = Some("us".to_owned());
    config
}

/// Makes batches of so many rows.
pub(super) fn set_batch_size(config: &mut SessionConfig, rows: usize) {
    let before = config.batch_size();
    *config = std::mem::take(config).with_batch_size(rows);
    // Runs that a sort puts together before it sorts them are to stay one batch: each further one counts their text anew.
    let together = &mut config.options_mut().execution.sort_in_place_threshold_bytes;
    *together = *together * rows / before;
}

/// Rows of a batch: fewer where little memory is shared by many, for a batch of wide rows takes much of it.
fn batch_size(limit: usize, partitions: usize) -> usize {
    let rows = limit / partitions / MEMORY_PER_ROW;
    rows.clamp(FEWEST_ROWS, SessionConfig::new().batch_size())
}

fn register_functions(state: &mut SessionState) -> datafusion::common::Result<()> {
    use datafusion::execution::FunctionRegistry;
    for function in functions::all() {
        state.register_udf(function)?;
    }
    state.register_udf(arithmetic::checked())?;
    state.register_udaf(sums::wide_sum())?;
    state.register_udaf(distinct::count())?;
    state.register_udaf(distinct::array_agg())?;
    state.register_function_rewrite(Arc::new(arithmetic::CheckIntegers))?;
    state.register_udf(times::now())?;
    for function in calendar::all() {
        state.register_udf(function)?;
    }
    state.register_function_rewrite(Arc::new(times::BesideTimes))?;
    // json_get and its kin, and the operators -> and ->> for `metadata`.
    datafusion_functions_json::register_all(state)
}

/// Refuses whatever would write, change the session, or reach outside.
fn refuse_writing(plan: &LogicalPlan) -> Result<()> {
    let only_reads =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    only_reads.verify_plan(plan).map_err(|_| Error::ReadOnly { statement: written(plan) })
}

/// Puts values in the place of parameters.
fn bind(plan: LogicalPlan, bindings: &Bindings) -> datafusion::common::Result<LogicalPlan> {
    let names = plan.get_parameter_names()?;
    if names.is_empty() {
        return Ok(plan);
    }
    if let Some(missing) = names.iter().find(|name| !bindings.0.contains_key(name.trim_start_matches('$'))) {
        return Err(DataFusionError::Plan(format!("no value for parameter {missing}")));
    }
    let values: BTreeMap<_, _> =
        bindings.0.iter().map(|(name, value)| (name.clone(), scalar(value))).collect();
    let values: Vec<(String, ScalarValue)> = values.into_iter().collect();
    plan.with_param_values(ParamValues::from(values))
}

fn scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Integer(number) => ScalarValue::Int64(Some(*number)),
        Value::Number(number) => ScalarValue::Float64(Some(*number)),
        Value::Text(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Timestamp(micros) => ScalarValue::TimestampMicrosecond(Some(*micros), Some("UTC".into())),
        Value::Interval(micros) => ScalarValue::DurationMicrosecond(Some(*micros)),
        Value::Boolean(truth) => ScalarValue::Boolean(Some(*truth)),
        Value::List(kind, values) => {
            let values: Vec<_> = values.iter().map(scalar).collect();
            ScalarValue::List(ScalarValue::new_list_nullable(&values, &type_of(*kind)))
        }
    }
}

/// The type of the values of a kind, for a list that may have none.
fn type_of(kind: Kind) -> DataType {
    match kind {
        Kind::Integer => DataType::Int64,
        Kind::Number => DataType::Float64,
        Kind::Text | Kind::Cid | Kind::Backend => DataType::Utf8,
        Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Interval => DataType::Duration(TimeUnit::Microsecond),
        Kind::Boolean => DataType::Boolean,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::{Field, Schema};
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::physical_expr::Partitioning;
    use datafusion::physical_expr::expressions::col;
    use datafusion::physical_plan::repartition::RepartitionExec;
    use futures::StreamExt;

    use super::*;

    /// Partitions that hand over rows to each other.
    const PARTITIONS: usize = 8;
    /// Batches of each, and rows of a batch.
    const BATCHES: usize = 60;
    const ROWS: i64 = 64;

    /// Rows of several partitions, handed over to others by hash.
    fn handover() -> RepartitionExec {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, false)]));
        let batch = |number: usize| {
            let first = number as i64 * ROWS;
            let rows = Arc::new(Int64Array::from_iter_values(first..first + ROWS));
            RecordBatch::try_new(Arc::clone(&schema), vec![rows]).unwrap()
        };
        let inputs: Vec<Vec<_>> = (0..PARTITIONS)
            .map(|input| (0..BATCHES).map(|at| batch(input * BATCHES + at)).collect())
            .collect();
        let source = MemorySourceConfig::try_new_exec(&inputs, Arc::clone(&schema), None).unwrap();
        let by = vec![col("a", &schema).unwrap()];
        RepartitionExec::try_new(source, Partitioning::Hash(by, PARTITIONS)).unwrap()
    }

    /// Reads a batch of each partition in turn, as a merge does: while it waits for one, it takes nothing from the others.
    fn in_turn(plan: &RepartitionExec, context: &Arc<TaskContext>) -> impl Future<Output = usize> + use<> {
        let mut outputs: Vec<_> =
            (0..PARTITIONS).map(|output| plan.execute(output, Arc::clone(context)).unwrap()).collect();
        async move {
            let mut rows = 0;
            while !outputs.is_empty() {
                for output in std::mem::take(&mut outputs) {
                    let mut output = output;
                    if let Some(batch) = output.next().await {
                        rows += batch.unwrap().num_rows();
                        outputs.push(output);
                    }
                }
            }
            rows
        }
    }

    /// All batches go to disk, for there is no memory at all. DataFusion's own settings wait for ever here.
    #[test]
    fn partitions_that_spill_rows_for_each_other_never_wait_for_ever() {
        let options = Options { threads: Some(PARTITIONS), memory_limit: Some(1), ..Options::default() };
        let workers =
            tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        for _ in 0..20 {
            let planner =
                Planner::new(DataDir::open(std::env::temp_dir().as_path()).unwrap(), options.clone());
            let context = planner.unwrap().state.task_ctx();
            let plan = handover();
            let rows = workers.block_on(async {
                let one_by_one = tokio::spawn(in_turn(&plan, &context));
                tokio::time::timeout(Duration::from_secs(30), one_by_one)
                    .await
                    .expect("nobody waits for ever")
            });
            assert_eq!(rows.unwrap(), PARTITIONS * BATCHES * ROWS as usize);
            assert!(plan.metrics().and_then(|metrics| metrics.spill_count()).unwrap_or_default() > 0);
        }
    }
}
