//! What a command can fail with, and the words for it.

use std::error::Error as Cause;
use std::io;
use std::path::PathBuf;

use pinql::Error;
use pinql::session::Skipped;

use super::excerpt::Passage;

/// The result of a step of the command line.
pub type Outcome<T> = Result<T, Failure>;

/// Why a command did not get to its end.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for what cannot be.
    Misuse {
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// The library failed, perhaps over a piece of SQL.
    Library {
        /// Its words.
        error: Box<Error>,
        /// The SQL.
        passage: Option<Passage>,
    },
    /// Ctrl-C.
    Interrupted,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error.is_stopped() {
            true => Failure::Interrupted,
            false => Failure::Library { error: Box::new(error), passage: None },
        }
    }
}

impl Failure {
    pub fn misuse(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::Misuse { message: message.into(), hint: Some(hint.into()) }
    }

    /// An answer that could not be written to stdout.
    pub fn output(source: io::Error) -> Failure {
        Error::Output { source }.into()
    }

    /// Says over which SQL the library failed.
    pub fn over(self, passage: &Passage) -> Failure {
        match self {
            Failure::Library { error, passage: None } => {
                Failure::Library { error, passage: Some(passage.clone()) }
            }
            other => other,
        }
    }

    /// Says no longer where its SQL comes from.
    pub fn without_origin(self) -> Failure {
        match self {
            Failure::Library { error, passage: Some(passage) } => {
                Failure::Library { error, passage: Some(Passage { origin: None, ..passage }) }
            }
            other => other,
        }
    }

    /// Says in which file it happened, for what begins on this line of it, unless that is known better.
    pub fn within(self, file: &str, line: u64, text: &str) -> Failure {
        let whole = Passage { origin: Some(file.into()), first_line: line, sql: text.into() };
        match self {
            Failure::Library { error, passage: Some(passage) } if passage.origin.is_none() => {
                let first_line = line + passage.first_line - 1;
                Failure::Library { error, passage: Some(Passage { first_line, sql: passage.sql, ..whole }) }
            }
            Failure::Misuse { message, hint } => {
                Failure::Misuse { message: format!("{file}:{line}: {message}"), hint }
            }
            other => other.over(&whole),
        }
    }

    /// Names the file that could not be written, where the library knows only that it was a stream.
    pub fn writing(self, path: &std::path::Path) -> Failure {
        match self {
            Failure::Library { error, passage } => match *error {
                Error::Output { source } if source.kind() != io::ErrorKind::BrokenPipe => {
                    Error::Write { path: PathBuf::from(path), source }.into()
                }
                error => Failure::Library { error: Box::new(error), passage },
            },
            other => other,
        }
    }

    /// Names the file that it is really about, where the library was given a copy.
    pub fn about(self, copy: &std::path::Path, file: &std::path::Path) -> Failure {
        let named = |path: PathBuf| if path == copy { file.to_owned() } else { path };
        match self {
            Failure::Library { error, passage } => {
                let error = match *error {
                    Error::Format { path, place, problem } => {
                        Error::Format { path: named(path), place, problem }
                    }
                    Error::Read { path, source } => Error::Read { path: named(path), source },
                    other => other,
                };
                Failure::Library { error: Box::new(error), passage }
            }
            other => other,
        }
    }

    /// Whether the reader of the output went away: no failure to people.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Library { error, .. } if error.is_broken_pipe())
    }

    /// The backend that an answer can still go without if it begins anew; else the failure itself.
    pub fn skippable(self) -> Outcome<Skipped> {
        match self {
            Failure::Library { error, passage } => match *error {
                Error::DamagedLate { backend, path, reason } => Ok(Skipped { backend, path, reason }),
                error => Err(Failure::Library { error: Box::new(error), passage }),
            },
            other => Err(other),
        }
    }

    /// Whether a following statement of a script could still do better: its output is fine and nobody said stop.
    pub fn is_of_one_statement(&self) -> bool {
        match self {
            Failure::Library { error, .. } => !matches!(**error, Error::Output { .. } | Error::Write { .. }),
            Failure::Misuse { .. } => true,
            Failure::Interrupted => false,
        }
    }

    /// What went wrong, in one sentence.
    pub fn message(&self) -> String {
        match self {
            Failure::Misuse { message, .. } => message.clone(),
            Failure::Library { error, .. } => error.to_string(),
            Failure::Interrupted => "interrupted".into(),
        }
    }

    /// What went wrong and why, in one line.
    pub fn sentence(&self) -> String {
        std::iter::once(self.message()).chain(self.causes()).collect::<Vec<_>>().join(": ")
    }

    /// The causes, the nearest first.
    pub fn causes(&self) -> Vec<String> {
        let Failure::Library { error, .. } = self else { return vec![] };
        let chain = std::iter::successors(error.source(), |&cause: &&dyn Cause| cause.source());
        let mut causes: Vec<String> = chain.map(ToString::to_string).collect();
        causes.dedup();
        causes
    }

    /// The SQL around the place, line by line.
    pub fn excerpt(&self) -> Vec<String> {
        let Failure::Library { error, passage: Some(passage) } = self else { return vec![] };
        match **error {
            Error::Sql { place, .. } => passage.excerpt(place),
            _ => passage.excerpt(None),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Failure::Misuse { hint, .. } => hint.clone(),
            Failure::Library { error, .. } => match &**error {
                Error::UnknownReport { name, known } => did_you_mean(name, known)
                    .map(|near| format!("{near} `pinql report` lists them"))
                    .or(error.hint()),
                Error::Unknown { text, known, .. } => did_you_mean(text, known).or(error.hint()),
                _ => error.hint(),
            },
            Failure::Interrupted => None,
        }
    }
}

/// A question that names the nearest of the known words, if one is near.
pub fn did_you_mean<S: AsRef<str>>(word: &str, known: &[S]) -> Option<String> {
    let distance =
        |other: &S| strsim::damerau_levenshtein(&word.to_lowercase(), &other.as_ref().to_lowercase());
    let nearest = known.iter().min_by_key(|other| distance(other))?;
    let limit = (word.chars().count() / 3).max(1);
    (distance(nearest) <= limit).then(|| format!("did you mean `{}`?", nearest.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_only_if_it_is_near() {
        let known = ["at-risk", "under-replicated", "status"];
        for (word, near) in [
            ("under-replicatd", Some("under-replicated")),
            ("atrisk", Some("at-risk")),
            ("Status", Some("status")),
            ("costs", None),
        ] {
            assert_eq!(
                did_you_mean(word, &known),
                near.map(|near| format!("did you mean `{near}`?")),
                "{word}"
            );
        }
    }

    #[test]
    fn a_failed_write_to_a_file_names_the_file() {
        let full = || Failure::output(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full().message(), "cannot write the answer");
        assert_eq!(full().writing("out.csv".as_ref()).message(), "cannot write out.csv");
    }

    #[test]
    fn a_reader_that_went_away_stays_one() {
        let gone = Failure::output(io::Error::from(io::ErrorKind::BrokenPipe)).writing("/dev/fd/63".as_ref());
        assert!(gone.is_broken_pipe());
    }
}
