//! The state of all backends at one time: what [`analyze`](super::analyze) gives.
//!
//! Per backend and of it alone, so that only what has changed is read anew: all of [`BackendAnalysis`]. Of all backends
//! together, so that any change means to read all contents anew: [`Redundancy`]. [`Analysis::of`] puts the two together, and
//! its methods add up.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::session::Skipped;

/// What a data directory holds, at one time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Analysis {
    /// When it was taken, in microseconds since 1970, as whoever took it said.
    pub observed_at: i64,
    /// All backends by name: those that cannot be read, too.
    pub backends: Vec<BackendAnalysis>,
    /// What only all backends together tell. Those that cannot be read are not in it: see [`Analysis::is_complete`].
    pub redundancy: Redundancy,
}

/// What one backend holds. Nothing in it depends on other backends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendAnalysis {
    /// When it was taken, in microseconds since 1970.
    pub observed_at: i64,
    /// The directory's name.
    pub name: String,
    /// As its configuration says: `s3`, `github`, ….
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// What its directory is.
    pub state: BackendState,
    /// Why it cannot be read, or whose alias it is.
    pub reason: Option<String>,
    /// What lies in its directory.
    pub files: BackendFiles,
    /// What is in its mappings; `None` where that cannot be told: it is neither `ready` nor `empty`.
    pub pins: Option<PinCounts>,
}

/// What the directory of a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendState {
    /// There are mappings, and they can be read.
    Ready,
    /// There are no mappings.
    Empty,
    /// There is only a `pins.json`, which waits to be migrated.
    Legacy,
    /// There is only the backup.
    CarOnly,
    /// The same files as those of another backend, which counts them.
    Alias,
    /// The mappings cannot be read.
    Unreadable,
}

/// The files of a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BackendFiles {
    /// The bytes of its mappings' files; `None` if there are none.
    pub bytes: Option<u64>,
    /// When the mappings were last written, in microseconds since 1970.
    pub modified_at: Option<i64>,
    /// Whether there is a backup.
    pub has_car: bool,
    /// Whether a `pins.json` waits to be migrated.
    pub has_pins_json: bool,
    /// Whether pinql laid the mappings out; `None` if there are none to be read.
    pub laid_out: Option<bool>,
}

/// What is in the mappings of one backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PinCounts {
    /// Mappings.
    pub pins: u64,
    /// The same by status: `stored`, `pending`, `failed` and other words. What there is none of is not in it.
    pub by_status: BTreeMap<String, StatusCounts>,
    /// Mappings whose CID is none.
    pub invalid_cids: u64,
    /// Distinct contents of all mappings, whatever their status.
    pub contents: u64,
    /// Distinct contents that are stored, each with its size once.
    pub stored: Contents,
    /// Mappings whose `created_at` is not known.
    pub unknown_times: u64,
}

/// The mappings of one status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StatusCounts {
    /// Mappings.
    pub pins: u64,
    /// The sum of their sizes, as far as those are known.
    pub bytes: i128,
    /// Mappings whose size is not known.
    pub unknown_sizes: u64,
    /// The earliest `created_at`, in microseconds since 1970.
    pub oldest: Option<i64>,
    /// The latest.
    pub newest: Option<i64>,
}

/// Contents, and what is known of their sizes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// How many.
    pub contents: u64,
    /// The sum of their sizes, as far as those are known.
    pub bytes: i128,
    /// How many have no known size.
    pub unknown_sizes: u64,
}

/// The contents of all readable backends by their copies: by the backends that store them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Redundancy {
    /// Contents by number of copies; those that nobody stores have 0. Numbers that no content has are not in it.
    pub by_copies: BTreeMap<u64, Contents>,
    /// Of the contents with exactly one copy, how many are on which backend. Backends without any are not in it.
    pub only_on: BTreeMap<String, Contents>,
    /// Backends that turned out to be unreadable meanwhile.
    #[serde(skip)]
    pub(super) skipped: Vec<Skipped>,
}

impl Analysis {
    /// Puts together what was read at different times. `backends` may come in any order. Those that turned out to be
    /// unreadable when the contents were read are that from now on.
    pub fn of(observed_at: i64, mut backends: Vec<BackendAnalysis>, redundancy: Redundancy) -> Analysis {
        backends.sort_by(|one, other| one.name.cmp(&other.name));
        mark(&mut backends, &redundancy.skipped);
        Analysis { observed_at, backends, redundancy }
    }

    /// The backend of this name.
    pub fn backend(&self, name: &str) -> Option<&BackendAnalysis> {
        self.backends.iter().find(|backend| backend.name == name)
    }

    /// Whether nothing is missing from the numbers: every backend could be read.
    pub fn is_complete(&self) -> bool {
        self.unreadable().next().is_none()
    }

    /// The backends that could not be read, and of which no number is known.
    pub fn unreadable(&self) -> impl Iterator<Item = &BackendAnalysis> {
        self.backends.iter().filter(|backend| backend.state == BackendState::Unreadable)
    }

    /// The backends with at least one mapping.
    pub fn with_pins(&self) -> impl Iterator<Item = &BackendAnalysis> {
        self.backends.iter().filter(|backend| backend.counts().is_some_and(|counts| counts.pins > 0))
    }

    /// Mappings of all readable backends.
    pub fn pins(&self) -> u64 {
        self.counts().map(|counts| counts.pins).sum()
    }

    /// Mappings whose CID is none.
    pub fn invalid_cids(&self) -> u64 {
        self.counts().map(|counts| counts.invalid_cids).sum()
    }

    /// Mappings whose `created_at` is not known.
    pub fn unknown_times(&self) -> u64 {
        self.counts().map(|counts| counts.unknown_times).sum()
    }

    /// The mappings of all readable backends by status.
    pub fn by_status(&self) -> BTreeMap<String, StatusCounts> {
        let mut all: BTreeMap<String, StatusCounts> = BTreeMap::new();
        for (status, counts) in self.counts().flat_map(|counts| &counts.by_status) {
            all.entry(status.clone()).or_default().add(counts);
        }
        all
    }

    /// The earliest `created_at`, in microseconds since 1970.
    pub fn oldest(&self) -> Option<i64> {
        self.counts().filter_map(PinCounts::oldest).min()
    }

    /// The latest.
    pub fn newest(&self) -> Option<i64> {
        self.counts().filter_map(PinCounts::newest).max()
    }

    /// Contents that other backends have a copy of and this one has not; `None` if that cannot be told of it.
    pub fn lacks(&self, name: &str) -> Option<u64> {
        let stored = self.backend(name)?.counts()?.stored.contents;
        let without = self.redundancy.with_copies(0).contents;
        Some((self.redundancy.all().contents - without).saturating_sub(stored))
    }

    fn counts(&self) -> impl Iterator<Item = &PinCounts> {
        self.backends.iter().filter_map(BackendAnalysis::counts)
    }
}

impl BackendAnalysis {
    /// What is in its mappings, if that can be told.
    pub fn counts(&self) -> Option<&PinCounts> {
        self.pins.as_ref()
    }
}

impl BackendState {
    /// The word that the table `backends` has for it.
    pub fn word(self) -> &'static str {
        match self {
            BackendState::Ready => "ready",
            BackendState::Empty => "empty",
            BackendState::Legacy => "legacy",
            BackendState::CarOnly => "car_only",
            BackendState::Alias => "alias",
            BackendState::Unreadable => "unreadable",
        }
    }
}

impl PinCounts {
    /// Mappings with this status.
    pub fn with_status(&self, status: &str) -> u64 {
        self.by_status.get(status).map_or(0, |counts| counts.pins)
    }

    /// The earliest `created_at`, in microseconds since 1970.
    pub fn oldest(&self) -> Option<i64> {
        self.by_status.values().filter_map(|counts| counts.oldest).min()
    }

    /// The latest.
    pub fn newest(&self) -> Option<i64> {
        self.by_status.values().filter_map(|counts| counts.newest).max()
    }
}

impl StatusCounts {
    fn add(&mut self, other: &StatusCounts) {
        self.pins += other.pins;
        self.bytes += other.bytes;
        self.unknown_sizes += other.unknown_sizes;
        self.oldest = self.oldest.into_iter().chain(other.oldest).min();
        self.newest = self.newest.max(other.newest);
    }
}

impl Contents {
    /// A content of that size, if it is known.
    pub(super) fn one(size: Option<i64>) -> Contents {
        let unknown_sizes = u64::from(size.is_none());
        Contents { contents: 1, bytes: size.unwrap_or_default().into(), unknown_sizes }
    }

    pub(super) fn add(&mut self, other: Contents) {
        self.contents += other.contents;
        self.bytes += other.bytes;
        self.unknown_sizes += other.unknown_sizes;
    }

    /// `None` if there are not so many.
    pub(super) fn take_away(&mut self, other: Contents) -> Option<()> {
        self.contents = self.contents.checked_sub(other.contents)?;
        self.unknown_sizes = self.unknown_sizes.checked_sub(other.unknown_sizes)?;
        self.bytes -= other.bytes;
        Some(())
    }
}

impl Redundancy {
    /// All contents, each once: the deduplicated bytes.
    pub fn all(&self) -> Contents {
        let mut all = Contents::default();
        self.by_copies.values().for_each(|contents| all.add(*contents));
        all
    }

    /// Contents with so many copies.
    pub fn with_copies(&self, copies: u64) -> Contents {
        self.by_copies.get(&copies).copied().unwrap_or_default()
    }

    /// Contents with exactly one copy, which one failure would lose.
    pub fn at_risk(&self) -> Contents {
        self.with_copies(1)
    }

    /// All copies of all contents.
    pub fn copies(&self) -> u64 {
        self.by_copies.iter().map(|(copies, contents)| copies * contents.contents).sum()
    }

    /// Copies of a content on average; `None` if there are no contents.
    pub fn average(&self) -> Option<f64> {
        let contents = self.all().contents;
        (contents > 0).then(|| self.copies() as f64 / contents as f64)
    }
}

/// Says of backends that they turned out to be unreadable while they were read.
pub(super) fn mark(backends: &mut [BackendAnalysis], skipped: &[Skipped]) {
    for one in skipped {
        for backend in backends.iter_mut().filter(|backend| backend.name == one.backend) {
            backend.state = BackendState::Unreadable;
            backend.reason = Some(format!("{}: {}", one.path, one.reason));
            backend.pins = None;
        }
    }
}
