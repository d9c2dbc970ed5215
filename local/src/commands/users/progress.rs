//! How far long work is: a bar in a terminal, else a line every few seconds, both on standard error.

use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};

use super::super::terminal;

/// How long nothing is told without a terminal.
const SILENCE: Duration = Duration::from_secs(5);

/// How far the work is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    total: Option<u64>,
    done: u64,
    began: Instant,
    told: Instant,
}

impl Progress {
    /// Begins with `total` records, if the number is known. `what` is done to them.
    pub(super) fn new(what: &'static str, total: Option<u64>) -> Self {
        let is_shown = io::stderr().is_terminal();
        let now = Instant::now();
        Self {
            bar: is_shown.then(|| bar(what, total)),
            what,
            total,
            done: 0,
            began: now,
            told: now,
        }
    }

    /// Takes note of `count` more records, and tells of it from time to time.
    pub(super) fn add(&mut self, count: u64) {
        self.done = self.done.saturating_add(count);
        match &self.bar {
            Some(bar) => bar.inc(count),
            None if self.told.elapsed() >= SILENCE => {
                self.told = Instant::now();
                // Nobody may read it any more.
                let _ = terminal::tell(&self.line());
            }
            None => {}
        }
    }

    /// Removes the bar.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self) -> String {
        let rate = self.done as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let (what, done) = (self.what, HumanCount(self.done));
        let mut line = format!("{what}: {done}");
        if let Some(total) = self.total {
            line.push_str(&format!(" of {}", HumanCount(total)));
        }
        line.push_str(&format!(" records, {rate:.0} a second"));
        let left = self.total.map(|total| total.saturating_sub(self.done));
        if let Some(left) = left.filter(|_| rate > 0.0) {
            let left = Duration::try_from_secs_f64(left as f64 / rate).unwrap_or(Duration::MAX);
            line.push_str(&format!(", {} left", HumanDuration(left)));
        }
        line
    }
}

fn bar(what: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{prefix} {bar:30} {human_pos} of {human_len}, {rate} a second, {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{prefix} {human_pos}, {rate} a second",
        ),
    };
    bar.set_prefix(what);
    let rate = |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = write!(out, "{:.0}", state.per_sec());
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.with_key("rate", rate).progress_chars("=> ")),
        // The template is one that the library knows.
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_the_work_is_and_how_long_it_takes() {
        let now = Instant::now();
        let progress = Progress {
            bar: None,
            what: "Importing",
            total: Some(1_000_000),
            done: 250_000,
            began: now.checked_sub(Duration::from_secs(100)).unwrap(),
            told: now,
        };
        assert_eq!(
            progress.line(),
            "Importing: 250,000 of 1,000,000 records, 2500 a second, 5 minutes left"
        );
    }
}
