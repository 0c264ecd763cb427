//! HTML: one page that needs nothing else, with a table that sorts and filters, and perhaps a chart drawn from it.
//!
//! The rows are written as they come. NULL is a cell of the class `null`; charts are drawn by [Chart.js](https://www.chartjs.org),
//! which is under the MIT licence and whose text and licence stand in the page.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};

use super::columns::refuse_others;
use super::output::{Output, Sink};
use super::text::Text;
use super::value::Column;
use super::{Encoder, Format, Written};
use crate::error::Result;

const CSS: &str = include_str!("html/page.css");
const JS: &str = include_str!("html/page.js");
const CHART: &str = include_str!("html/chart.js");
const CHART_LICENCE: &str = include_str!("html/chart-LICENSE.md");

/// What stands above a table, and how it is shown.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// What the table tells.
    pub text: String,
    /// A chart over the columns of the table: `bar`, `line`, `stack` or `matrix`, and the names of columns. It is left out
    /// where the table does not have them.
    pub chart: Option<String>,
    /// The most rows to show; the page says how many there are. `None` shows all.
    pub max_rows: Option<usize>,
    /// The table is a part of a page that somebody else begins and ends.
    pub part: bool,
}

impl Section {
    /// A column that the chart is of and that the answer does not have: without it no chart is drawn.
    pub fn missing_column(&self, answer: &Schema) -> Option<&str> {
        let mut named = self.chart.as_deref()?.split_whitespace().skip(1);
        named.find(|name| answer.index_of(name).is_err())
    }
}

/// The beginning of a page, up to its first section. `parts` are the headings of its sections, if there are several.
pub fn page_head(title: &str, text: &str, parts: &[&str]) -> String {
    let mut out = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    push_escaped(title, &mut out);
    out.push_str("</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n");
    out.push_str(CSS);
    out.push_str("</style>\n</head>\n<body>\n<header>\n<h1>");
    push_escaped(title, &mut out);
    out.push_str("</h1>\n");
    push_paragraph(text, &mut out);
    out.push_str("</header>\n");
    if !parts.is_empty() {
        out.push_str("<nav aria-label=\"Sections\"><ul>");
        for part in parts {
            out.push_str(&format!("<li><a href=\"#{}\">", anchor(part)));
            push_escaped(part, &mut out);
            out.push_str("</a></li>");
        }
        out.push_str("</ul></nav>\n");
    }
    out.push_str("<main>\n");
    out
}

/// The end of a page: its scripts, with the charts' library if there are any.
pub fn page_tail(with_charts: bool) -> String {
    let mut out = String::from("</main>\n");
    if with_charts {
        out.push_str(&format!("<!-- Chart.js\n{CHART_LICENCE}-->\n<script>\n{CHART}\n</script>\n"));
    }
    out.push_str(&format!("<script>\n{JS}</script>\n</body>\n</html>\n"));
    out
}

/// Writes a section, and the page around it unless it is a part of one.
pub(super) struct Html<'w> {
    out: Output<'w>,
    schema: SchemaRef,
    section: Section,
    line: String,
    written: Written,
}

impl<'w> Html<'w> {
    pub(super) fn new(out: Sink<'w>, schema: SchemaRef, section: Option<&Section>) -> Result<Self> {
        let default = || Section { title: "Answer".to_owned(), ..Section::default() };
        let mut section = section.cloned().unwrap_or_else(default);
        if section.missing_column(&schema).is_some() {
            section.chart = None;
        }
        let mut html =
            Html { out: Output::new(out), schema, section, line: String::new(), written: Written::default() };
        if !html.section.part {
            html.out.put(&page_head(&html.section.title, "", &[]))?;
        }
        let head = html.head();
        html.out.put(&head)?;
        Ok(html)
    }

    fn head(&self) -> String {
        let Section { title, text, chart, .. } = &self.section;
        let anchor = anchor(title);
        let mut out = format!("<section id=\"{anchor}\" aria-labelledby=\"{anchor}-title\"");
        if let Some(chart) = chart {
            out.push_str(" data-chart=\"");
            push_escaped(chart, &mut out);
            out.push('"');
        }
        out.push_str(&format!(">\n<h2 id=\"{anchor}-title\">"));
        push_escaped(title, &mut out);
        out.push_str("</h2>\n");
        push_paragraph(text, &mut out);
        out.push_str(&format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{anchor}-title\">\n<table>\n<thead><tr>"
        ));
        for field in self.schema.fields() {
            let class = if is_number(field.data_type()) { " class=\"n\"" } else { "" };
            out.push_str(&format!("<th scope=\"col\"{class}>"));
            push_escaped(field.name(), &mut out);
            out.push_str("</th>");
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        out
    }

    fn row(&mut self, columns: &[Column<'_>], row: usize, schema: &Schema) -> Result<()> {
        let mut text = Text::default();
        self.line.clear();
        self.line.push_str("<tr>");
        for (column, field) in columns.iter().zip(schema.fields()) {
            if column.is_null(row) {
                self.line.push_str("<td class=\"null\">NULL</td>");
                continue;
            }
            self.line.push_str(if is_number(field.data_type()) { "<td class=\"n\">" } else { "<td>" });
            text.clear();
            column.text(row, &mut text);
            push_escaped(text.as_str(), &mut self.line);
            self.line.push_str("</td>");
        }
        self.line.push_str("</tr>\n");
        self.out.put(&self.line)
    }
}

impl Encoder for Html<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        refuse_others(Format::Html, &self.schema, batch)?;
        let columns: Vec<Column<'_>> = batch.columns().iter().map(Column::new).collect();
        let schema = SchemaRef::clone(&self.schema);
        let most = self.section.max_rows.map_or(u64::MAX, |rows| rows as u64);
        for row in 0..batch.num_rows() {
            self.written.rows += 1;
            if self.written.shown < most {
                self.written.shown += 1;
                self.row(&columns, row, &schema)?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        let Written { rows, shown } = self.written;
        let cut = match shown < rows {
            true => format!("<p>The first {shown} of {rows} rows are shown.</p>\n"),
            false => String::new(),
        };
        self.out.put(&format!("</tbody>\n</table>\n</div>\n{cut}</section>\n"))?;
        if !self.section.part {
            let with_charts = self.section.chart.as_ref().is_some_and(|chart| !chart.starts_with("matrix"));
            self.out.put(&page_tail(with_charts))?;
        }
        self.out.flush()?;
        Ok(self.written)
    }
}

fn is_number(kind: &DataType) -> bool {
    kind.is_numeric()
}

/// A heading as an address within the page.
fn anchor(title: &str) -> String {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    title.chars().map(safe).collect()
}

fn push_paragraph(text: &str, out: &mut String) {
    if !text.is_empty() {
        out.push_str("<p>");
        push_escaped(text, out);
        out.push_str("</p>\n");
    }
}

fn push_escaped(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // HTML has no way to write these.
            letter if letter.is_control() && !matches!(letter, '\n' | '\t') => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{batch, strings, text};
    use super::*;

    #[test]
    fn nothing_of_the_data_becomes_markup() {
        let hostile = "</table><script>alert(1)</script>\"&\u{0}";
        let page = text(Format::Html, &batch(vec![(hostile, strings(&[Some(hostile), None, Some("")]))]));
        assert!(!page.contains("<script>alert"));
        let cells = "<tr><td>&lt;/table&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&amp;\u{fffd}</td></tr>\n\
                     <tr><td class=\"null\">NULL</td></tr>\n<tr><td></td></tr>";
        assert!(page.contains(cells), "{page}");
        for part in ["http://", "src=\"", "@import"] {
            assert!(!page.contains(part), "the page asks for {part}");
        }
    }
}
