//! `--chart`: bars below a table, for a terminal or a log.

use arrow::array::RecordBatch;
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
    /// Columns that name a bar, and the one that it is as long as.
    columns: Option<(Vec<String>, String)>,
    rows: Vec<(String, String)>,
    all: usize,
}

impl Bars {
    /// `chart` is what a report says: `bar X Y…`. Without it, the first column names the bars, and the first number after
    /// it is their length.
    pub fn new(chart: Option<&str>) -> Bars {
        let words: Vec<String> =
            chart.into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect();
        let columns = match &words[..] {
            [kind, one, other, value] if kind == "stack" || kind == "matrix" => {
                Some((vec![one.clone(), other.clone()], value.clone()))
            }
            [_, name, value, ..] => Some((vec![name.clone()], value.clone())),
            _ => None,
        };
        Bars { columns, rows: vec![], all: 0 }
    }

    pub fn watch(&mut self, batch: &RecordBatch) -> Outcome<()> {
        self.all += batch.num_rows();
        let schema = batch.schema();
        if self.columns.is_none() {
            let fields = schema.fields();
            let value = fields.iter().skip(1).find(|field| field.data_type().is_numeric());
            self.columns = fields
                .first()
                .zip(value)
                .map(|(name, value)| (vec![name.name().clone()], value.name().clone()));
        }
        let Some((names, value)) = &self.columns else { return Ok(()) };
        let wanted: Result<Vec<usize>, _> =
            names.iter().chain([value]).map(|name| schema.index_of(name)).collect();
        let fewer = batch.slice(0, batch.num_rows().min(MOST.saturating_sub(self.rows.len())));
        let projected = wanted.and_then(|wanted| fewer.project(&wanted));
        let projected = projected.map_err(|error| Error::Engine { message: error.to_string() })?;
        for mut row in cells(&projected) {
            let value = row.pop().unwrap_or_default();
            self.rows.push((row.join(", "), value));
        }
        Ok(())
    }

    /// The picture; empty if there is nothing to draw.
    pub fn draw(&self, width: Option<usize>) -> String {
        let Some((_, title)) = self.columns.as_ref().filter(|_| !self.rows.is_empty()) else {
            return String::new();
        };
        let length = |value: &str| value.parse::<f64>().ok().filter(|number| *number > 0.0).unwrap_or(0.0);
        let most = self.rows.iter().map(|(_, value)| length(value)).fold(0.0, f64::max);
        let names = self.rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
        let values = self.rows.iter().map(|(_, value)| value.width()).max().unwrap_or(0);
        let room = width.map_or(LONGEST, |width| width.saturating_sub(names + values + 3).clamp(1, LONGEST));
        let mut out = format!("\n{}\n", visible(title));
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
            out.push_str(&format!("(the first {} of {})\n", self.rows.len(), self.all));
        }
        out
    }
}
