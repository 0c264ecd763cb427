//! What the shell's `\commands` do.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use pinql::export::Format;
use pinql::pin::counted;
use pinql::report::{Bindings, Value};

use super::changes::Seen;
use super::meta::{COMMANDS, Meta};
use super::settings::switch;
use super::{Asked, Next, Rows, Shell, report};
use crate::cli::failure::{Failure, Outcome, did_you_mean};
use crate::cli::query;

const TABLES: &str = "\
SELECT table_schema, table_name, table_type
FROM information_schema.tables
WHERE table_schema <> 'information_schema'
ORDER BY table_schema, table_name";

const TABLE_NAMES: &str = "\
SELECT DISTINCT CAST(table_name AS VARCHAR) AS name
FROM information_schema.tables
ORDER BY name";

const COLUMNS: &str = "\
SELECT column_name, data_type, is_nullable
FROM information_schema.columns
WHERE table_name = $table AND table_schema = $schema
ORDER BY ordinal_position";

const COLUMNS_OF_ANY_SCHEMA: &str = "\
SELECT column_name, data_type, is_nullable
FROM information_schema.columns
WHERE table_name = $table AND table_schema <> 'information_schema'
ORDER BY table_schema, ordinal_position";

const FUNCTIONS: &str = "\
SELECT DISTINCT
    routine_name AS name,
    syntax_example,
    btrim(replace(description, chr(10), ' ')) AS description
FROM information_schema.routines
WHERE routine_name LIKE $pattern
ORDER BY name, syntax_example, description";

const FUNCTION_NAMES: &str = "\
SELECT DISTINCT CAST(routine_name AS VARCHAR) AS name
FROM information_schema.routines
ORDER BY name";

impl Shell<'_> {
    /// Carries out one command.
    pub(super) fn command(&mut self, meta: Meta) -> Outcome<Next> {
        match meta {
            Meta::Quit => return Ok(Next::Quit),
            Meta::Help => self.help(),
            Meta::Tables => self.show(TABLES, &Bindings::default())?,
            Meta::Columns { schema, table } => self.columns(schema, table)?,
            Meta::Functions(name) => self.functions(name)?,
            Meta::Reports => report::list(self.reports, false, &self.output)?,
            Meta::Report { name, values } => self.report(&name, &values)?,
            Meta::Expanded(how) => self.expanded(how.as_deref())?,
            Meta::Format(None) => self.ui.say(&format!("the format is {}", self.output.format())),
            Meta::Format(Some(name)) => self.format(&name)?,
            Meta::Timing(on) => {
                let on = self.ui.set_timing(on);
                self.ui.say(&format!("timing is {}", if on { "on" } else { "off" }));
            }
            Meta::Set(name, value) => self.set(name.as_deref(), value.as_deref())?,
            Meta::Output(file) => self.send(file.as_deref())?,
            Meta::Input(file) => return self.include(&file),
            Meta::Edit(file) => self.edit(file.as_deref())?,
            Meta::Watch(every) => self.watch(every.as_deref())?,
            Meta::Explain(sql) => self.explain(sql)?,
            Meta::Summarize(table) => self.summarize(&table)?,
            Meta::Full => self.full()?,
            Meta::Refresh => self.refresh(),
        }
        Ok(Next::Prompt)
    }

    fn help(&self) {
        let usages = COMMANDS.iter().map(|(name, takes, _)| format!("{name} {takes}"));
        let usages: Vec<String> = usages.collect();
        let width = usages.iter().map(|usage| usage.chars().count()).max().unwrap_or_default();
        for (usage, (_, _, what)) in usages.iter().zip(COMMANDS) {
            self.ui.say(&format!("{usage:width$}  {what}"));
        }
        self.ui.say(
            "Everything else is SQL and ends with a semicolon. Ctrl-C clears the line or stops the query.",
        );
    }

    fn format(&mut self, name: &str) -> Outcome<()> {
        let format: Format = name.parse()?;
        self.output = self.output.with_format(format)?;
        self.ui.say(&format!("the format is {format}"));
        Ok(())
    }

    fn expanded(&mut self, how: Option<&str>) -> Outcome<()> {
        self.output.set_rows(match how {
            None if self.output.rows() == Rows::Lists => Rows::Lines,
            None => Rows::Lists,
            Some("auto") => Rows::Auto,
            Some(word) => {
                if switch(word)? {
                    Rows::Lists
                } else {
                    Rows::Lines
                }
            }
        });
        self.ui.say(match self.output.rows() {
            Rows::Lines => "rows are shown as lines",
            Rows::Lists => "rows are shown as lists of their columns",
            Rows::Auto => "rows that are too wide are shown as lists of their columns",
        });
        Ok(())
    }

    /// Shows the last result again, with every value as it is.
    fn full(&mut self) -> Outcome<()> {
        let (columns, batches) = self.kept.answer.clone().ok_or_else(|| {
            Failure::misuse(
                "there is no last result",
                "run a statement first; what takes more than 128 MB is not kept",
            )
        })?;
        let mut batches = batches.into_iter();
        self.output.in_full().encode(columns, || Ok(batches.next())).map(drop)
    }

    fn refresh(&mut self) {
        self.assistance.forget();
        self.tell_changes();
        let seen = Seen::now(self.engine.session().data_dir());
        self.ui.say(&counted(seen.names().count() as u64, "backend", "backends"));
    }

    fn report(&mut self, name: &str, values: &[(String, String)]) -> Outcome<()> {
        let report = self.reports.get(name)?;
        let bindings = report::bind(report, values)?;
        // That nothing is found of a mistyped backend would be no good news.
        report::check_backends(report, &bindings, self.engine)?;
        self.ask(Asked { passage: report::passage(report), bindings })
    }

    fn columns(&mut self, schema: Option<String>, table: String) -> Outcome<()> {
        let sql = if schema.is_some() { COLUMNS } else { COLUMNS_OF_ANY_SCHEMA };
        let named = schema.map(|schema| ("schema", schema)).into_iter().chain([("table", table.clone())]);
        let (columns, batches) = self.engine.collect(sql, &texts(named))?;
        if !is_empty(&batches) {
            return self.write(columns, batches);
        }
        Err(self.unknown("table", &table, TABLE_NAMES, "\\d lists the tables")?)
    }

    fn functions(&mut self, name: Option<String>) -> Outcome<()> {
        let pattern = name.as_deref().map_or("%".into(), like);
        let (columns, batches) = self.engine.collect(FUNCTIONS, &texts([("pattern", pattern)]))?;
        match name {
            Some(name) if is_empty(&batches) => {
                Err(self.unknown("function", &name, FUNCTION_NAMES, "\\df lists the functions")?)
            }
            _ => self.write(columns, batches),
        }
    }

    fn show(&mut self, sql: &str, bindings: &Bindings) -> Outcome<()> {
        query::answer(self.engine, sql, bindings, &self.output, self.ui, None).map(drop)
    }

    fn write(&self, columns: SchemaRef, batches: Vec<RecordBatch>) -> Outcome<()> {
        let mut batches = batches.into_iter();
        self.output.encode(columns, || Ok(batches.next())).map(drop)
    }

    /// The failure that says so, with the nearest of the names that `sql` yields.
    fn unknown(&mut self, what: &str, name: &str, sql: &str, list: &str) -> Outcome<Failure> {
        let (_, batches) = self.engine.collect(sql, &Bindings::default())?;
        let names: Vec<String> = batches.iter().flat_map(first_column).collect();
        let near = did_you_mean(name, &names).map(|near| near + " ").unwrap_or_default();
        Ok(Failure::misuse(format!("there is no {what} named `{name}`"), format!("{near}{list}")))
    }
}

fn is_empty(batches: &[RecordBatch]) -> bool {
    batches.iter().all(|batch| batch.num_rows() == 0)
}

fn texts(named: impl IntoIterator<Item = (&'static str, String)>) -> Bindings {
    Bindings(
        named.into_iter().map(|(name, text)| (name.into(), Value::Text(text))).collect::<BTreeMap<_, _>>(),
    )
}

/// The pattern of LIKE for a name in which `*` stands for any letters.
fn like(name: &str) -> String {
    let escaped = name.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    escaped.replace('*', "%")
}

/// The texts of the first column, whichever of Arrow's three kinds of string it is.
fn first_column(batch: &RecordBatch) -> Vec<String> {
    let column = batch.column(0);
    let owned = |text: Option<&str>| text.map(String::from);
    if let Some(texts) = column.as_string_opt::<i32>() {
        texts.iter().filter_map(owned).collect()
    } else if let Some(texts) = column.as_string_view_opt() {
        texts.iter().filter_map(owned).collect()
    } else if let Some(texts) = column.as_string_opt::<i64>() {
        texts.iter().filter_map(owned).collect()
    } else {
        vec![]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_names_of_functions_only_the_star_is_special() {
        for (name, pattern) in [("cid_*", "cid\\_%"), ("Now", "now"), ("100%", "100\\%")] {
            assert_eq!(like(name), pattern);
        }
    }
}
