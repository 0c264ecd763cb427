//! A line on the terminal that says how far long work is. In a pipe there is none.

use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use pinql::migrate::Seen;

use super::ui::Ui;

/// The line.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// Shows nothing yet: what is done at once needs no bar.
    pub fn new() -> Bar {
        let target = match Ui::stderr_is_terminal() {
            true => ProgressDrawTarget::stderr_with_hz(10),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("{spinner} {wide_bar} {bytes}/{total_bytes}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Bar { bar }
    }

    /// Shows how far the work is.
    pub fn show(&self, seen: Seen) {
        self.bar.set_length(seen.bytes);
        self.bar.set_position(seen.bytes_read);
        self.bar.set_message(format!(
            "backend {}/{}, {} {}, {} written",
            (seen.backends_done + 1).min(seen.backends),
            seen.backends,
            HumanCount(seen.entries),
            if seen.entries == 1 { "entry" } else { "entries" },
            HumanCount(seen.written),
        ));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
