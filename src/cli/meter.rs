//! A line on the terminal that says how far a query is, once it takes a while. In a pipe there is none.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::HumanCount;
use pinql::session::Gauge;

use super::pager;
use super::ui::{Ui, bytes_in_words};

/// How long a query runs before the line appears.
const SOON: Duration = Duration::from_millis(500);
/// How much must be read, and how long that took, before the rest can be told from it.
const SHARE_KNOWN: f64 = 0.1;
const TIME_KNOWN: Duration = Duration::from_secs(2);
/// How often it is drawn.
const AGAIN: Duration = Duration::from_millis(100);

/// Whether the line is on the terminal.
static SHOWN: AtomicBool = AtomicBool::new(false);
/// Whether an answer on the terminal ends within a line, which is not to be drawn over.
static MID_LINE: AtomicBool = AtomicBool::new(false);

/// The line.
pub struct Meter {
    since: Instant,
    /// When it was drawn last.
    drawn: Instant,
}

impl Meter {
    /// Shows nothing yet.
    pub fn new() -> Meter {
        let now = Instant::now();
        MID_LINE.store(false, Ordering::SeqCst);
        Meter { since: now, drawn: now }
    }

    /// How long it is until the line is to be drawn again, however often the query is asked for more meanwhile.
    pub fn due(&self) -> Duration {
        AGAIN.saturating_sub(self.drawn.elapsed())
    }

    /// Shows how far the query is, if it has run for a while.
    pub fn show(&mut self, gauge: Option<&Gauge>) {
        self.drawn = Instant::now();
        let since = self.since.elapsed();
        let taken = pager::is_open() || MID_LINE.load(Ordering::SeqCst);
        if since < SOON || taken || !Ui::stderr_is_terminal() {
            return;
        }
        let room = Ui::stderr_width().unwrap_or(80).saturating_sub(1);
        let words: String = words(gauge, since).chars().take(room).collect();
        Ui::draw(&format!("\r\u{1b}[2K{words}"));
        SHOWN.store(true, Ordering::SeqCst);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        clear();
    }
}

/// Takes the line away, so that something else can be written.
pub fn clear() {
    if SHOWN.swap(false, Ordering::SeqCst) {
        Ui::draw("\r\u{1b}[2K");
    }
}

/// Stdout for answers: the line gives way to them.
pub struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !Ui::stdout_is_terminal() {
            return io::stdout().write(bytes);
        }
        clear();
        let written = io::stdout().write(bytes)?;
        if written > 0 {
            MID_LINE.store(bytes[written - 1] != b'\n', Ordering::SeqCst);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}

fn words(gauge: Option<&Gauge>, since: Duration) -> String {
    let seconds = since.as_secs();
    let Some(gauge) = gauge else { return format!("planning, {seconds} s") };
    let read = gauge.receipt().bytes;
    let rows = HumanCount(gauge.rows_read());
    let Some(most) = gauge.most_bytes() else { return format!("{rows} rows, {seconds} s") };
    if read >= most {
        return format!("{} read, at work on {rows} rows, {seconds} s", bytes_in_words(most));
    }
    let left = left(read, most, since).map(|left| format!(", reading takes {} s more", left.as_secs()));
    format!(
        "read {} of at most {} ({} %), {rows} rows, {seconds} s{}",
        bytes_in_words(read),
        bytes_in_words(most),
        read * 100 / most.max(1),
        left.unwrap_or_default(),
    )
}

/// How long the rest of the reading takes, as soon as that can be told, and until it is done: what comes then is unknown.
fn left(read: u64, most: u64, since: Duration) -> Option<Duration> {
    let share = read as f64 / most.max(1) as f64;
    let known = (SHARE_KNOWN..1.0).contains(&share) && since >= TIME_KNOWN;
    known.then(|| since.mul_f64((1.0 - share) / share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_told_only_when_enough_is_known() {
        for (read, seconds, rest) in [
            (5, 10, None),
            (50, 1, None),
            (25, 10, Some(30)),
            (50, 10, Some(10)),
            (100, 10, None),
            (120, 10, None),
        ] {
            let rest_of = left(read, 100, Duration::from_secs(seconds));
            assert_eq!(rest_of.map(|left| left.as_secs()), rest, "{read} in {seconds}");
        }
    }
}
