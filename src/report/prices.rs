//! What storage costs: the classes of `prices.toml`, and which of them a backend has.
//!
//! To change a default, edit `queries/prices.toml`, and say since when and from where.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::error::{Error, Result};

/// The file that comes with pinql, as text to be edited.
pub const BUILT_IN: &str = include_str!("../../queries/prices.toml");

static DEFAULT: LazyLock<Prices> =
    LazyLock::new(|| Prices::parse(BUILT_IN).expect("a test parses the prices that come with pinql"));

/// An amount of US dollars, exact to a billionth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd {
    /// Billionths of a dollar.
    pub billionths: i64,
}

/// A price of one provider's storage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Class {
    /// What it is called: `s3-standard`.
    #[serde(rename = "class")]
    pub name: String,
    /// For each unit and month.
    pub storage: Usd,
    /// The unit of `storage` and `egress` in bytes.
    pub unit_bytes: i64,
    /// For each unit that is read out. `None`: not known.
    pub egress: Option<Usd>,
    /// For a thousand objects that are stored.
    pub put: Option<Usd>,
    /// For a thousand objects that are read.
    pub get: Option<Usd>,
    /// The least size that an object is billed with.
    #[serde(default)]
    pub min_bytes: i64,
    /// What is added to the size of each object.
    #[serde(default)]
    pub overhead_bytes: i64,
    /// The shortest time that is billed.
    #[serde(default)]
    pub min_days: i64,
    /// When the price was looked up; that of the whole file if it is not given.
    pub as_of: Option<String>,
    /// Where.
    pub source: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// What else there is to know.
    #[serde(default)]
    pub note: String,
}

/// How sure a price is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// From the provider's own page, or as good.
    High,
    /// Second-hand, or with a part that is not sure.
    Medium,
    /// Disputed.
    Low,
}

/// A whole table of prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    /// In the order of their names.
    pub classes: Vec<Class>,
    /// The class of each type of backend.
    pub types: BTreeMap<String, String>,
    /// The class of single backends, which goes before that of their type.
    pub backends: BTreeMap<String, String>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    as_of: Option<String>,
    #[serde(default)]
    class: Vec<toml::Table>,
    #[serde(default)]
    types: BTreeMap<String, String>,
    #[serde(default)]
    backends: BTreeMap<String, String>,
}

impl Default for Prices {
    /// Those that come with pinql.
    fn default() -> Prices {
        DEFAULT.clone()
    }
}

impl Prices {
    /// Reads a file of prices.
    ///
    /// # Errors
    /// If it cannot be read, or does not say what it must.
    pub fn read(path: &Path) -> Result<Prices> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
        Prices::parse(&text).map_err(|Problem { place, problem }| Error::Format {
            path: path.into(),
            place,
            problem,
        })
    }

    fn parse(text: &str) -> Result<Prices, Problem> {
        let document: Document = toml::from_str(text).map_err(|error| Problem::new(text, &error))?;
        let mut classes = Vec::new();
        for (index, mut table) in document.class.into_iter().enumerate() {
            let name = table.get("name").and_then(toml::Value::as_str).map(str::to_owned);
            let place = name.clone().map_or(format!("class {}", index + 1), |name| format!("class {name}"));
            if let Some(name) = table.remove("name") {
                table.insert("class".to_owned(), name);
            }
            let class: Result<Class, toml::de::Error> = table.try_into();
            let mut class = class
                .map_err(|error| Problem { place: place.clone(), problem: error.message().to_owned() })?;
            class.as_of = class.as_of.or_else(|| document.as_of.clone());
            class.check().map_err(|problem| Problem { place, problem })?;
            classes.push(class);
        }
        classes.sort_by(|one, other| one.name.cmp(&other.name));
        if let Some(twice) = classes.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(Problem {
                place: format!("class {}", twice[0].name),
                problem: "it stands there twice".into(),
            });
        }
        let prices = Prices { classes, types: document.types, backends: document.backends };
        for (section, names) in [("types", &prices.types), ("backends", &prices.backends)] {
            let known = |class: &String| prices.classes.iter().any(|one| one.name == *class);
            if let Some((name, class)) = names.iter().find(|(_, class)| !known(class)) {
                return Err(Problem {
                    place: format!("[{section}] {name}"),
                    problem: format!("there is no class `{class}`"),
                });
            }
        }
        Ok(prices)
    }
}

impl Class {
    fn check(&self) -> Result<(), String> {
        let amounts = [Some(self.storage), self.egress, self.put, self.get];
        if amounts.into_iter().flatten().any(|usd| usd.billionths < 0) {
            return Err("a price is less than nothing".into());
        }
        if self.unit_bytes <= 0 {
            return Err("unit_bytes is not positive".into());
        }
        match [self.min_bytes, self.overhead_bytes, self.min_days].iter().any(|number| *number < 0) {
            true => Err("min_bytes, overhead_bytes or min_days is negative".into()),
            false => Ok(()),
        }
    }
}

/// What is wrong with a file, and where.
#[derive(Debug)]
struct Problem {
    place: String,
    problem: String,
}

impl Problem {
    fn new(text: &str, error: &toml::de::Error) -> Problem {
        let before = error.span().map(|span| &text[..span.start.min(text.len())]);
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        Problem { place: format!("line {line}"), problem: error.message().to_owned() }
    }
}

impl FromStr for Usd {
    type Err = String;

    /// Reads a decimal with up to nine digits behind the point.
    fn from_str(text: &str) -> Result<Usd, String> {
        let wrong = || format!("`{text}` is no amount of dollars with up to nine decimals");
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 9 {
            return Err(wrong());
        }
        let billionths = format!("{whole}{part:0<9}").parse().map_err(|_| wrong())?;
        Ok(Usd { billionths })
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: &str =
        "[[class]]\nname = 'x'\nstorage = '0.02'\nunit_bytes = 1000\nsource = 's'\nconfidence = 'low'\n";

    #[test]
    fn the_prices_that_come_with_pinql_are_sound() {
        let prices = Prices::default();
        assert_eq!(prices, Prices::parse(BUILT_IN).unwrap());
        let s3 = prices.classes.iter().find(|class| class.name == "s3-standard").unwrap();
        assert_eq!((s3.storage.billionths, s3.unit_bytes), (23_000_000, 1_000_000_000));
        for class in &prices.classes {
            assert!(class.as_of.is_some() && !class.source.is_empty(), "{} says no source", class.name);
        }
    }

    #[test]
    fn amounts_are_exact_decimals() {
        for (text, billionths) in [
            ("0", Some(0)),
            ("23", Some(23_000_000_000)),
            ("0.00099", Some(990_000)),
            ("0.000000001", Some(1)),
            ("9223372036.854775807", Some(i64::MAX)),
            ("9223372036.854775808", None),
            ("0.0000000001", None),
            ("-1", None),
            ("1e3", None),
            ("", None),
            (".5", None),
            ("1.", None),
        ] {
            let read = text.parse::<Usd>().ok().map(|usd| usd.billionths);
            assert_eq!(read, billionths, "{text}");
        }
    }

    #[test]
    fn a_file_that_is_wrong_says_where() {
        for (text, place, problem) in [
            ("as_of = 5", "line 1", "invalid type"),
            ("\n[[class]\n", "line 2", ""),
            ("[[class]]\nname = 'x'\n", "class x", "missing field"),
            (&format!("{CLASS}{CLASS}"), "class x", "twice"),
            (&CLASS.replace("'0.02'", "0.02"), "class x", "invalid type"),
            (&CLASS.replace("1000", "0"), "class x", "unit_bytes"),
            (&format!("{CLASS}colour = 'red'"), "class x", "unknown field"),
            (&format!("{CLASS}[types]\ns3 = 'y'"), "[types] s3", "no class `y`"),
        ] {
            let wrong = Prices::parse(text).unwrap_err();
            assert!(wrong.place == place && wrong.problem.contains(problem), "{text}: {wrong:?}");
        }
        assert!(Prices::parse(CLASS).is_ok());
        assert!(Prices::parse("").is_ok_and(|prices| prices.classes.is_empty()));
    }
}
