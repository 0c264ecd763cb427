//! Where answers go, and in which format.

use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pinql::export::{Encoder, Format, Section, Style, Written};
use pinql::report::Report;
use pinql::store::StagedFile;
use unicode_width::UnicodeWidthStr;

use super::bars::Bars;
use super::expanded::Expanded;
use super::export::{self, Compression, Hashing, Sum};
use super::failure::{Failure, Outcome};
use super::interrupt::Interrupts;
use super::meter;
use super::pager::Paged;
use super::plans::{Plans, are_plans};
use super::remote;
use super::split::{self, SplitFile};
use super::target::Target;
use super::ui::Ui;

/// The rows of a table that a terminal gets to see unless `--max-rows` says otherwise.
const ROWS_ON_TERMINAL: usize = 1000;
const BUFFER: usize = 64 << 10;
/// The cells that a lone row may take where there is no terminal to measure.
const WIDE: usize = 160;
/// The rows by which it is told whether a table is too wide.
const TRIED: usize = 1000;
/// Lines of the terminal that the footer and the prompt take.
const BELOW: usize = 3;

/// The place and the format of answers.
#[derive(Debug, Clone)]
pub struct Output {
    target: Target,
    format: Format,
    style: Style,
    rows: Rows,
    /// What shows tables that are longer than the terminal, and who leaves Ctrl-C to it.
    pager: Option<(String, Interrupts)>,
    compression: Option<Compression>,
    /// Whether what is written to a file is read back.
    verify: bool,
    /// Whether the bytes are hashed: for a manifest, or to be compared.
    summed: bool,
    /// What bars below a table are of, if there are to be any.
    bars: Option<Option<String>>,
}

/// An answer that was written.
pub struct Encoded {
    pub columns: SchemaRef,
    pub written: Written,
    /// Its bytes, if there is a use for them.
    pub sum: Option<Sum>,
    /// The files of a directory.
    pub files: Vec<SplitFile>,
}

/// How tables show rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Each in a line.
    Lines,
    /// Each as a list of its columns.
    Lists,
    /// As lists where a line would be wider than the terminal.
    Auto,
}

impl Output {
    /// Decides on the place and the format. `max_rows` of 0 means all.
    pub fn new(path: Option<&Path>, format: Option<Format>, max_rows: Option<usize>) -> Outcome<Output> {
        let target = Target::new(path)?;
        let format = match (format, path) {
            (Some(format), _) => format,
            (None, Some(path)) if target != Target::Stdout => export::format_of(path)?,
            (None, _) => Format::Table,
        };
        let on_terminal = target == Target::Stdout && Ui::stdout_is_terminal();
        let max_rows = match max_rows {
            Some(0) => None,
            Some(rows) => Some(rows),
            None => on_terminal.then_some(ROWS_ON_TERMINAL),
        };
        let width = if on_terminal { Ui::stdout_width() } else { None };
        let compression =
            path.filter(|_| target != Target::Stdout).and_then(|path| export::inner_name(path).1);
        let style = Style { max_rows, width, ..Style::default() };
        let (rows, pager, verify, summed, bars) = (Rows::Lines, None, false, false, None);
        let output = Output { target, format, style, rows, pager, compression, verify, summed, bars };
        output.suits_terminal(on_terminal)?;
        Ok(output)
    }

    /// The same with what there is to choose about exports.
    pub fn with(self, options: &export::Options) -> Outcome<Output> {
        options.suits_manifest(self.path())?;
        let target = match &options.split_by[..] {
            [] => self.target,
            names => split::target(self.target.file(), names, self.format)?,
        };
        let output = Output { target, ..self };
        output.with_rest(options)
    }

    fn with_rest(self, options: &export::Options) -> Outcome<Output> {
        let compression = options.compress.or(self.compression);
        let verify = options.verify;
        if verify && !self.appears_whole() {
            return Err(Failure::misuse(
                "only a file or an object can be read back",
                "name one with -o FILE",
            ));
        }
        let style = options.style(self.style);
        if options.chart && (self.format != Format::Table || self.target != Target::Stdout) {
            return Err(Failure::misuse(
                "--chart draws bars below a table on stdout, and in no file or other format",
                "leave out --chart, or -o and --format; --html FILE draws the chart of a report on a page",
            ));
        }
        let bars = options.chart.then_some(None);
        let summed = verify || options.manifest.is_some();
        let output = Output { compression, style, verify, summed, bars, ..self };
        output.suits_terminal(output.target == Target::Stdout && Ui::stdout_is_terminal())?;
        Ok(output)
    }

    /// The look of what is written.
    pub fn style(&self) -> &Style {
        &self.style
    }

    /// Whether what is written is to be read back.
    pub fn is_verified(&self) -> bool {
        self.verify
    }

    /// The same for a report, whose words stand above its page.
    pub fn of_report(&self, report: &Report) -> Output {
        let mut output = self.clone();
        output.style.section = Some(Section {
            title: report.title.clone(),
            text: report.description.clone(),
            chart: report.chart.clone(),
            ..Section::default()
        });
        output.bars = output.bars.map(|_| report.chart.clone());
        output
    }

    /// What stands above the answer of a report, where its chart is to be drawn, too.
    pub fn charted(&self) -> Option<&Section> {
        self.style.section.as_ref().filter(|_| self.format == Format::Html || self.bars.is_some())
    }

    /// The file that is written, or the URL of the object.
    pub fn path(&self) -> Option<&Path> {
        self.target.path()
    }

    /// The file that is written, if it is one.
    pub fn file(&self) -> Option<&Path> {
        self.target.file()
    }

    pub fn compression(&self) -> Option<Compression> {
        self.compression
    }

    fn suits_terminal(&self, on_terminal: bool) -> Outcome<()> {
        match on_terminal && (self.format.is_binary() || self.compression.is_some()) {
            true => Err(Failure::misuse(
                format!("{} is not written to a terminal", self.format),
                "name a file with -o FILE, or pipe the output into a program",
            )),
            false => Ok(()),
        }
    }

    /// The same place with another format.
    pub fn with_format(&self, format: Format) -> Outcome<Output> {
        let output = Output { format, ..self.clone() };
        output.suits_terminal(output.target == Target::Stdout && Ui::stdout_is_terminal())?;
        Ok(output)
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// How tables show rows.
    pub fn rows(&self) -> Rows {
        self.rows
    }

    pub fn set_rows(&mut self, rows: Rows) {
        self.rows = rows;
    }

    /// The most rows of a table that are shown.
    pub fn max_rows(&self) -> Option<usize> {
        self.style.max_rows
    }

    pub fn set_max_rows(&mut self, rows: Option<usize>) {
        self.style.max_rows = rows;
    }

    /// Whether tables show sizes and durations in units.
    pub fn units(&self) -> bool {
        self.style.units
    }

    pub fn set_units(&mut self, on: bool) {
        self.style.units = on;
    }

    /// The program that shows long tables.
    pub fn pager(&self) -> Option<&str> {
        self.pager.as_ref().map(|(command, _)| command.as_str())
    }

    /// Lets a program show what is longer than the terminal.
    pub fn set_pager(&mut self, pager: Option<(String, Interrupts)>) {
        self.pager = pager.filter(|_| self.target == Target::Stdout && Ui::stdout_is_terminal());
    }

    /// The same with every value as it is, whatever the width of the terminal.
    pub fn in_full(&self) -> Output {
        let style = Style { width: None, units: false, ..self.style.clone() };
        let rows = if self.rows == Rows::Auto { Rows::Lines } else { self.rows };
        Output { style, rows, ..self.clone() }
    }

    /// Refuses what would make a heap of several answers.
    pub fn can_hold(&self, answers: usize) -> Outcome<()> {
        self.target.can_hold(answers, self.format)
    }

    /// Parts an answer from the one before it, where they would run together.
    pub fn separate(&self) -> Outcome<()> {
        match (&self.target, self.format) {
            (Target::Stdout, Format::Table | Format::Markdown) => {
                self.write(|out| writeln!(out).map_err(Failure::output))
            }
            _ => Ok(()),
        }
    }

    /// Writes one answer from the batches that `next` yields.
    pub fn encode(
        &self,
        columns: SchemaRef,
        mut next: impl FnMut() -> Outcome<Option<RecordBatch>>,
    ) -> Outcome<Encoded> {
        if let Target::Directory(path, names) = &self.target {
            let (written, files) = split::write(self, path, names, &columns, next)?;
            return Ok(Encoded { columns, written, sum: None, files });
        }
        // One row that is too wide for a line reads better as a list; nothing is written until there are two.
        let (mut first, mut ended) = (Vec::new(), false);
        while self.format == Format::Table && rows(&first) < 2 && !ended {
            let batch = next()?;
            ended = batch.is_none();
            first.extend(batch);
        }
        let mut bars = self.bars.as_ref().map(|chart| Bars::new(chart.as_deref(), &columns));
        // The terminal may have another width by now.
        let width = self.style.width.map(|width| Ui::stdout_width().unwrap_or(width));
        let style = Style { width, ..self.style.clone() };
        let lone = rows(&first) == 1 && self.overflows(&columns, &first)?;
        let lists = match self.rows {
            Rows::Lines => lone,
            Rows::Lists => true,
            Rows::Auto => lone || (self.format == Format::Table && self.overflows(&columns, &first)?),
        };
        let (written, sum) = self.write_summed(|out| {
            let table = self.format == Format::Table;
            let mut encoder: Box<dyn Encoder + '_> = match table {
                true if are_plans(&columns) => Box::new(Plans::new(&mut *out)),
                true if lists => Box::new(Expanded::new(&mut *out, &style, lone && self.rows == Rows::Lines)),
                _ => self.format.encoder(&mut *out, SchemaRef::clone(&columns), &style)?,
            };
            let mut watch = |batch: &RecordBatch| bars.iter_mut().try_for_each(|bars| bars.watch(batch));
            for batch in first {
                watch(&batch)?;
                encoder.write(&batch)?;
            }
            while !ended && let Some(batch) = next()? {
                watch(&batch)?;
                encoder.write(&batch)?;
            }
            let written = encoder.finish()?;
            if let Some(bars) = bars.filter(|_| table) {
                out.write_all(bars.draw(self.style.width).as_bytes()).map_err(Failure::output)?;
            }
            Ok(written)
        })?;
        Ok(Encoded { columns, written, sum, files: vec![] })
    }

    /// Whether nothing of an answer can be seen before all of it is written.
    pub fn appears_whole(&self) -> bool {
        self.target.appears_whole()
    }

    /// Whether a table of these rows is wider than a line may be.
    fn overflows(&self, columns: &SchemaRef, batches: &[RecordBatch]) -> Outcome<bool> {
        let mut drawn = Vec::new();
        let style = Style { units: self.style.units, max_rows: Some(TRIED), ..Style::default() };
        let mut table = Format::Table.encoder(&mut drawn, SchemaRef::clone(columns), &style)?;
        batches.iter().try_for_each(|batch| table.write(batch))?;
        table.finish()?;
        let widest = String::from_utf8_lossy(&drawn).lines().map(UnicodeWidthStr::width).max();
        Ok(widest.unwrap_or_default()
            > self.style.width.map_or(WIDE, |width| Ui::stdout_width().unwrap_or(width)))
    }

    /// Opens the place, lets `fill` write to it, and makes sure that all of it has arrived.
    pub fn write<T>(&self, fill: impl FnOnce(&mut (dyn Write + Send)) -> Outcome<T>) -> Outcome<T> {
        self.write_summed(fill).map(|(value, _)| value)
    }

    fn write_summed<T>(
        &self,
        fill: impl FnOnce(&mut (dyn Write + Send)) -> Outcome<T>,
    ) -> Outcome<(T, Option<Sum>)> {
        match &self.target {
            Target::Stdout => match (&self.pager, Ui::stdout_height()) {
                (Some((pager, interrupts)), Some(height)) => {
                    let mut paged = Paged::new(pager, height.saturating_sub(BELOW), interrupts);
                    let filled = self.fill(&mut paged, fill)?;
                    paged.finish().map_err(Failure::output)?;
                    Ok(filled)
                }
                _ => self.fill(&mut meter::Stdout, fill),
            },
            Target::File(path) => {
                let mut staged = StagedFile::beside(path)?;
                let (value, sum) = self.fill(&mut staged, fill).map_err(|failure| failure.writing(path))?;
                if let Some(sum) = sum.as_ref().filter(|_| self.verify) {
                    export::verify(staged.read_back()?, sum, path)?;
                }
                staged.publish()?;
                Ok((value, sum))
            }
            Target::Directory(..) => Err(Failure::misuse(
                "only the rows of an answer can be split into files",
                "leave out --split-by",
            )),
            Target::Object(object) => {
                let mut upload = object.upload(remote::stop())?;
                let filled = self.fill(&mut upload, fill);
                let (value, sum) = filled.map_err(|failure| failure.writing(object.as_str().as_ref()))?;
                upload.publish()?;
                if let Some(sum) = sum.as_ref().filter(|_| self.verify) {
                    export::verify_object(object, sum)?;
                }
                Ok((value, sum))
            }
        }
    }

    /// Fills one of several files.
    pub fn fill<T>(
        &self,
        out: &mut (dyn Write + Send),
        fill: impl FnOnce(&mut (dyn Write + Send)) -> Outcome<T>,
    ) -> Outcome<(T, Option<Sum>)> {
        let packed = |out: &mut (dyn Write + Send)| export::compressed(self.compression, out, fill);
        if !self.summed {
            return Ok((buffered(out, packed)?, None));
        }
        let mut out = Hashing::new(out);
        let value = buffered(&mut out, packed)?;
        Ok((value, Some(out.sum())))
    }
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// Runs `fill` on a buffer before `out` and flushes it: a full disk may show only then.
fn buffered<T>(
    out: impl Write + Send,
    fill: impl FnOnce(&mut (dyn Write + Send)) -> Outcome<T>,
) -> Outcome<T> {
    let mut buffer = BufWriter::with_capacity(BUFFER, out);
    let value = fill(&mut buffer)?;
    buffer.flush().map_err(Failure::output)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_says_the_format_unless_an_option_does() {
        for (path, option, format) in [
            ("out.csv", None, Format::Csv),
            ("out.jsonl", None, Format::Ndjson),
            ("out.md", None, Format::Markdown),
            ("out.parquet", None, Format::Parquet),
            ("out.txt", None, Format::Table),
            ("out", None, Format::Table),
            ("out.csv", Some(Format::Json), Format::Json),
            ("out.xyz", Some(Format::Csv), Format::Csv),
            ("out.xlsx", None, Format::Xlsx),
            ("out.csv.gz", None, Format::Csv),
            ("out.ndjson.zst", None, Format::Ndjson),
            ("-", None, Format::Table),
        ] {
            let output = Output::new(Some(Path::new(path)), option, None).expect(path);
            assert_eq!(output.format, format, "{path}");
        }
        assert!(Output::new(Some(Path::new("out.xyz")), None, None).is_err());
    }

    #[test]
    fn one_file_holds_one_answer() {
        let file = Output::new(Some(Path::new("out.csv")), None, None).expect("a file");
        assert!(file.can_hold(1).is_ok());
        for answers in [0, 2] {
            assert!(file.can_hold(answers).is_err(), "{answers}");
        }
    }

    #[test]
    fn stdout_holds_several_answers_if_they_are_text() {
        for (format, holds) in [(Format::Csv, true), (Format::Parquet, false), (Format::Arrow, false)] {
            let output = Output::new(None, Some(format), None).expect("no terminal");
            assert_eq!(output.can_hold(2).is_ok(), holds, "{format}");
            assert!(output.can_hold(0).is_ok());
        }
    }

    #[test]
    fn only_a_manifest_and_verify_have_the_bytes_hashed() {
        let temp = tempfile::tempdir().expect("a directory");
        let at = |name: &str| temp.path().join(name);
        let manifest = Some(at("m.json"));
        for (verify, manifest, hashed) in [(false, None, false), (true, None, true), (false, manifest, true)]
        {
            let options = export::Options { verify, manifest, ..export::Options::default() };
            let output = Output::new(Some(&at("a.csv")), None, None).and_then(|output| output.with(&options));
            let columns = SchemaRef::new(arrow::datatypes::Schema::empty());
            let encoded = output.expect("a file").encode(columns, || Ok(None)).expect("no rows");
            assert_eq!(encoded.sum.is_some(), hashed, "{options:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_a_failure_that_names_it() {
        let full = Output::new(Some(Path::new("/dev/full")), None, None).expect("a device");
        let failure =
            full.write(|out| out.write_all(b"rows").map_err(Failure::output)).expect_err("nothing fits");
        assert_eq!(failure.message(), "cannot write /dev/full");
    }
}
