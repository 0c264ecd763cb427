//! `--chart`: bars below a table, for a terminal or a log.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use arrow::compute::{filter_record_batch, is_not_null};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use pinql::Error;
use pinql::export::{cells, visible};
use unicode_width::UnicodeWidthStr;

use super::failure::Outcome;

/// Bars that are drawn; a picture of more says nothing.
const MOST: usize = 50;
/// Cells of the longest bar where nothing says how wide a line is.
const LONGEST: usize = 60;
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// Collects what the bars are of.
pub struct Bars {
    /// The columns that name a bar, and the one that it is as long as.
    places: Option<Vec<usize>>,
    /// The name of the last one.
    title: String,
    rows: VecDeque<(String, String)>,
    all: usize,
    /// Of a line, whose end is what is new, the last rows are drawn, and of all else the first.
    line: bool,
}

impl Bars {
    /// `chart` is what a report says: `bar X Y…`. Without it, the first column names the bars, and the first number after
    /// it is their length. There are none if the answer does not have these columns.
    pub fn new(chart: Option<&str>, answer: &Schema) -> Bars {
        let fields = answer.fields();
        let words: Vec<&str> = chart.into_iter().flat_map(str::split_whitespace).collect();
        let columns = match &words[..] {
            ["stack" | "matrix", one, other, value] => vec![*one, *other, *value],
            [_, name, value, ..] => vec![*name, *value],
            _ => {
                let value = fields.iter().skip(1).find(|field| field.data_type().is_numeric());
                fields.first().into_iter().chain(value).map(|field| field.name().as_str()).collect()
            }
        };
        let places: Result<Vec<usize>, _> = columns.iter().map(|name| answer.index_of(name)).collect();
        let all = words.iter().skip(1).all(|name| answer.index_of(name).is_ok());
        let places = places.ok().filter(|places| all && places.len() > 1);
        let title = columns.last().map(|name| visible(name)).unwrap_or_default();
        let line = words.first() == Some(&"line");
        Bars { places, title, rows: VecDeque::new(), all: 0, line }
    }

    pub fn watch(&mut self, batch: &RecordBatch) -> Outcome<()> {
        let Some(places) = &self.places else { return Ok(()) };
        let failed = |error: ArrowError| Error::Engine { message: error.to_string() };
        let mut rows = batch.project(places).map_err(failed)?;
        if self.line {
            // What has no place on the line is no point of it.
            let placed = is_not_null(rows.column(0)).map_err(failed)?;
            rows = filter_record_batch(&rows, &placed).map_err(failed)?;
        }
        let all = rows.num_rows();
        let rows = match self.line {
            true => rows.slice(all - all.min(MOST), all.min(MOST)),
            false => rows.slice(0, all.min(MOST.saturating_sub(self.rows.len()))),
        };
        for mut row in cells(&rows) {
            let value = row.pop().unwrap_or_default();
            self.rows.push_back((row.join(", "), value));
        }
        self.rows.drain(..self.rows.len().saturating_sub(MOST));
        self.all += all;
        Ok(())
    }

    /// The picture; empty if there is nothing to draw.
    pub fn draw(&self, width: Option<usize>) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let length = |value: &str| value.parse::<f64>().ok().filter(|number| *number > 0.0).unwrap_or(0.0);
        let most = self.rows.iter().map(|(_, value)| length(value)).fold(0.0, f64::max);
        let names = self.rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
        let values = self.rows.iter().map(|(_, value)| value.width()).max().unwrap_or(0);
        let room = width.map_or(LONGEST, |width| width.saturating_sub(names + values + 3).clamp(1, LONGEST));
        let mut out = format!("\n{}\n", self.title);
        for (name, value) in &self.rows {
            let eighths =
                if most > 0.0 { (length(value) / most * room as f64 * 8.0).round() as usize } else { 0 };
            let mut bar = "█".repeat(eighths / 8);
            if eighths % 8 > 0 {
                bar.push(EIGHTHS[eighths % 8]);
            }
            let blanks = " ".repeat(names - name.width());
            out.push_str(format!("{name}{blanks} {bar} {value}").trim_end());
            out.push('\n');
        }
        if self.all > self.rows.len() {
            let part = if self.line { "last" } else { "first" };
            out.push_str(&format!("(the {part} {} of {})\n", self.rows.len(), self.all));
        }
        out
    }
}
