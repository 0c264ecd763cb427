//! Rows as lists of their columns, for rows too wide to be lines: a lone one, and all with `\x` in the shell.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use pinql::export::{Encoder, Format, Style, Written};
use pinql::{Error, Result};
use unicode_width::UnicodeWidthStr;

/// Writes each row as a heading and a line per column.
pub struct Expanded<W> {
    out: W,
    max_rows: u64,
    /// There is one row, which needs no heading.
    lone: bool,
    /// Whether sizes and durations are shown in units.
    units: bool,
    written: Written,
}

impl<W: Write + Send> Expanded<W> {
    pub fn new(out: W, style: &Style, lone: bool) -> Expanded<W> {
        let max_rows = style.max_rows.map_or(u64::MAX, |rows| rows as u64);
        Expanded { out, max_rows, lone, units: style.units, written: Written::default() }
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<()> {
        // TSV has one line per row and escapes what would break it: values read as in every other format.
        let mut lines = vec![];
        let mut encoder = Format::Tsv.encoder(&mut lines, batch.schema(), &Style::default())?;
        encoder.write(batch)?;
        encoder.finish()?;
        let text = String::from_utf8_lossy(&lines);
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
        let columns = 0..batch.num_columns();
        let in_units: Vec<_> = columns.map(|column| self.in_units(batch, column)).collect::<Result<_>>()?;
        for (row, line) in lines.enumerate() {
            self.written.shown += 1;
            let values = line.split('\t').enumerate().map(|(column, value)| match in_units.get(column) {
                Some(Some(readable)) => readable.get(row).map_or(value, String::as_str),
                _ => value,
            });
            let values: Vec<&str> = values.collect();
            self.row(&names, &values).map_err(|source| Error::Output { source })?;
        }
        Ok(())
    }

    /// The values of a column as a table has them, for those that may be sizes or durations. Each is a line of it.
    fn in_units(&self, batch: &RecordBatch, column: usize) -> Result<Option<Vec<String>>> {
        let kind = batch.column(column).data_type();
        if !self.units || !(kind.is_numeric() || matches!(kind, DataType::Duration(_))) {
            return Ok(None);
        }
        let alone = batch.project(&[column]).expect("it is one of its columns");
        let mut table = vec![];
        let style = Style { units: true, ..Style::default() };
        let mut encoder = Format::Table.encoder(&mut table, alone.schema(), &style)?;
        encoder.write(&alone)?;
        encoder.finish()?;
        // Behind the header and the rule.
        Ok(Some(String::from_utf8_lossy(&table).lines().skip(2).map(|line| line.trim().to_owned()).collect()))
    }

    fn row(&mut self, names: &[&str], values: &[&str]) -> std::io::Result<()> {
        let width = names.iter().map(|name| name.width()).max().unwrap_or_default();
        if !self.lone {
            writeln!(self.out, "── row {} ──", self.written.shown)?;
        }
        for (name, value) in names.iter().zip(values) {
            let blanks = " ".repeat(width - name.width());
            // NULL as tables have it. No value writes to a terminal what is not text.
            let shown: String =
                if *value == "\\N" { "NULL".into() } else { value.chars().map(visible).collect() };
            writeln!(self.out, "{}", format!("{name}{blanks} │ {shown}").trim_end())?;
        }
        Ok(())
    }
}

impl<W: Write + Send> Encoder for Expanded<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let left = self.max_rows - self.written.shown;
        self.written.rows += batch.num_rows() as u64;
        if left == 0 {
            return Ok(());
        }
        let shown = usize::try_from(left).map_or(batch.num_rows(), |left| left.min(batch.num_rows()));
        self.rows(&batch.slice(0, shown))?;
        // The rest is only counted, and that may take long.
        if self.written.shown == self.max_rows {
            self.out.flush().map_err(|source| Error::Output { source })?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.out.flush().map_err(|source| Error::Output { source })?;
        Ok(self.written)
    }
}

fn visible(letter: char) -> String {
    if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray, UnionArray};
    use arrow::buffer::ScalarBuffer;
    use arrow::datatypes::{Field, UnionFields};

    use super::*;

    #[test]
    fn rows_beyond_the_limit_are_counted_and_not_shown() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1_500, 2, 3]));
        let batch = RecordBatch::try_from_iter([("bytes", column)]).expect("one column");
        // No format writes it, and none has to.
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x"; 3]));
        let union = UnionFields::from_fields([Field::new("x", DataType::Utf8, true)]);
        let ids = ScalarBuffer::from(vec![0i8; 3]);
        let union: ArrayRef = Arc::new(UnionArray::try_new(union, ids, None, vec![text]).expect("a union"));
        let other = RecordBatch::try_from_iter([("bytes", union)]).expect("one column");
        for (max_rows, shown) in [(1, "── row 1 ──\nbytes │ 1.5 kB\n"), (0, "")] {
            let mut out = vec![];
            let style = Style { max_rows: Some(max_rows), units: true, ..Style::default() };
            let mut lists = Expanded::new(&mut out, &style, false);
            lists.write(&batch).expect("it can be drawn");
            lists.write(&other).expect("it is only counted");
            let written = Box::new(lists).finish().expect("it can be drawn");
            assert_eq!(written, Written { rows: 6, shown: max_rows as u64 });
            assert_eq!(String::from_utf8_lossy(&out), shown);
        }
    }
}
