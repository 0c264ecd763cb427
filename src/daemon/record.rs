//! One observation: what is kept of an [`Analysis`], as a row of the history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;

use super::probes::Reached;
use super::{Analysis, BackendAnalysis, BackendHealth};
use crate::pin::observation;

/// Why an observation was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The daemon has begun.
    Start,
    /// Backends have changed.
    Change,
    /// It was time.
    Interval,
}

impl Cause {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Cause::Start => "start",
            Cause::Change => "change",
            Cause::Interval => "interval",
        }
    }
}

/// An observation.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Why it was made.
    pub cause: Cause,
    /// How long that took.
    pub took: Duration,
    /// What was seen.
    pub analysis: Arc<Analysis>,
    /// What probes have found, by backend.
    pub reached: BTreeMap<String, Reached>,
    /// How well backends are, and why.
    pub health: BTreeMap<String, BackendHealth>,
    /// Alerts that fired when it was made.
    pub alerts_firing: u64,
}

/// A value of one cell.
enum Cell {
    Number(Option<i64>),
    Float(Option<f64>),
    Text(Option<String>),
    Bytes(Option<i128>),
    Time(Option<i64>),
    Truth(Option<bool>),
}

fn count(number: u64) -> Cell {
    Cell::Number(i64::try_from(number).ok())
}

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.into()))
}

impl Observation {
    /// The row of a file of observations.
    ///
    /// # Errors
    /// If a sum of sizes has more than 38 digits.
    pub fn row(&self) -> Result<RecordBatch, ArrowError> {
        let totals = observation::totals();
        let cells = self.totals();
        let mut columns: Vec<ArrayRef> = totals
            .iter()
            .zip(cells)
            .map(|(field, cell)| column(field, vec![cell]))
            .collect::<Result<_, _>>()?;
        columns.push(self.by_backend()?);
        RecordBatch::try_new(observation::file(), columns)
    }

    /// In the order of [`observation::totals`].
    fn totals(&self) -> Vec<Cell> {
        let analysis = &self.analysis;
        let by_status = analysis.by_status();
        let with = |status: &str| by_status.get(status).map_or(0, |counts| counts.pins);
        let known = ["stored", "pending", "failed"].map(with);
        let redundancy = &analysis.redundancy;
        let copies: serde_json::Map<_, _> = redundancy
            .by_copies
            .iter()
            .map(|(copies, contents)| (copies.to_string(), contents.contents.into()))
            .collect();
        let all = redundancy.all();
        vec![
            Cell::Time(Some(analysis.observed_at)),
            text(self.cause.word()),
            count(self.took.as_millis() as u64),
            count(analysis.backends.len() as u64),
            count(analysis.unreadable().count() as u64),
            count(analysis.pins()),
            count(known[0]),
            count(known[1]),
            count(known[2]),
            count(analysis.pins() - known.iter().sum::<u64>()),
            count(analysis.invalid_cids()),
            count(all.contents),
            count(redundancy.with_copies(0).contents),
            count(redundancy.at_risk().contents),
            Cell::Float(redundancy.average()),
            Cell::Text(Some(serde_json::Value::Object(copies).to_string())),
            Cell::Bytes(Some(all.bytes)),
            count(all.unknown_sizes),
            count(self.alerts_firing),
        ]
    }

    fn by_backend(&self) -> Result<ArrayRef, ArrowError> {
        let fields = observation::of_backend();
        let mut columns: Vec<Vec<Cell>> = fields.iter().map(|_| Vec::new()).collect();
        for backend in &self.analysis.backends {
            columns.iter_mut().zip(self.of_backend(backend)).for_each(|(column, cell)| column.push(cell));
        }
        let arrays = fields
            .iter()
            .zip(columns)
            .map(|(field, cells)| column(field, cells))
            .collect::<Result<Vec<_>, _>>()?;
        let rows = self.analysis.backends.len();
        let values = StructArray::try_new_with_length(fields.clone(), arrays, None, rows)?;
        let item = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
        Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::from_lengths([rows]), Arc::new(values), None)?))
    }

    /// In the order of [`observation::of_backend`].
    fn of_backend(&self, backend: &BackendAnalysis) -> Vec<Cell> {
        let counts = backend.counts();
        let number = |get: &dyn Fn(&super::PinCounts) -> u64| {
            Cell::Number(counts.and_then(|counts| i64::try_from(get(counts)).ok()))
        };
        let known = ["stored", "pending", "failed"];
        let only = self.analysis.redundancy.only_on.get(&backend.name).map_or(0, |only| only.contents);
        let reached = self.reached.get(&backend.name);
        vec![
            text(&backend.name),
            text(backend.state.word()),
            Cell::Text(backend.reason.clone()),
            number(&|counts| counts.pins),
            number(&|counts| counts.with_status(known[0])),
            number(&|counts| counts.with_status(known[1])),
            number(&|counts| counts.with_status(known[2])),
            number(&|counts| {
                counts.pins - known.iter().map(|status| counts.with_status(status)).sum::<u64>()
            }),
            number(&|counts| counts.invalid_cids),
            number(&|counts| counts.contents),
            number(&|_| only),
            Cell::Bytes(counts.map(|counts| counts.stored.bytes)),
            number(&|counts| counts.stored.unknown_sizes),
            Cell::Time(counts.and_then(super::PinCounts::oldest)),
            Cell::Time(counts.and_then(super::PinCounts::newest)),
            Cell::Text(self.health.get(&backend.name).map(|health| health.state.word().to_owned())),
            Cell::Truth(reached.map(|reached| reached.reachable)),
            Cell::Float(reached.map(|reached| reached.milliseconds)),
        ]
    }
}

/// Cells as a column of the field's type.
fn column(field: &Field, cells: Vec<Cell>) -> Result<ArrayRef, ArrowError> {
    macro_rules! cells {
        ($kind:ident, $array:ty) => {
            cells
                .into_iter()
                .map(|cell| match cell {
                    Cell::$kind(value) => value,
                    _ => None,
                })
                .collect::<$array>()
        };
    }
    Ok(match field.data_type() {
        DataType::Int64 => Arc::new(cells!(Number, Int64Array)),
        DataType::Float64 => Arc::new(cells!(Float, Float64Array)),
        DataType::Boolean => Arc::new(cells!(Truth, BooleanArray)),
        DataType::Timestamp(..) => Arc::new(cells!(Time, TimestampMicrosecondArray).with_timezone("UTC")),
        DataType::Decimal128(precision, scale) => {
            let bytes = cells!(Bytes, Decimal128Array).with_precision_and_scale(*precision, *scale)?;
            bytes.validate_decimal_precision(*precision)?;
            Arc::new(bytes)
        }
        _ => Arc::new(cells!(Text, StringArray)),
    })
}
