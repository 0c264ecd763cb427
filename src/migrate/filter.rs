//! Which backends: exact names and globs.

use wildmatch::WildMatch;

/// A choice of backends by name. Empty, it chooses all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq)]
struct Pattern {
    text: String,
    glob: WildMatch,
    /// As the older tool understood its filter: part of a name, in any case.
    part: bool,
}

impl Filter {
    /// Chooses the backends with these names, or with names that these globs (`*`, `?`) fit.
    pub fn names<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Filter {
        let patterns = names.into_iter().map(|name| Pattern {
            text: name.as_ref().to_owned(),
            glob: WildMatch::new(name.as_ref()),
            part: false,
        });
        Filter { patterns: patterns.collect() }
    }

    /// Chooses the backends whose names have this text in them, in any case.
    pub fn part(text: &str) -> Filter {
        let glob = WildMatch::new(&format!("*{}*", text.to_lowercase()));
        Filter { patterns: vec![Pattern { text: text.to_owned(), glob, part: true }] }
    }

    /// Whether it chooses this backend.
    pub fn chooses(&self, name: &str) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.fits(name))
    }

    /// What was asked for and is no backend's name.
    pub fn unmatched<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
        let idle = self.patterns.iter().filter(|pattern| !names.clone().any(|name| pattern.fits(name)));
        idle.map(|pattern| pattern.text.clone()).collect()
    }
}

impl Pattern {
    /// A name with a star in it is meant before the star is.
    fn fits(&self, name: &str) -> bool {
        match self.part {
            true => self.glob.matches(&name.to_lowercase()),
            false => self.text == name || self.glob.matches(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_globs_choose_and_what_fits_nothing_is_told() {
        let filter = Filter::names(["s3", "hf*", "a?c", "nothing"]);
        for (name, chosen) in
            [("s3", true), ("S3", false), ("s3_main", false), ("hf_main", true), ("abc", true)]
        {
            assert_eq!(filter.chooses(name), chosen, "{name}");
        }
        assert_eq!(filter.unmatched(["s3", "hf", "abc"].into_iter()), ["nothing"]);
        assert!(Filter::default().chooses("any") && Filter::names(["a*b"]).chooses("a*b"));
        assert!(Filter::part("S3").chooses("my-s3-backend") && !Filter::part("s3").chooses("github"));
    }
}
