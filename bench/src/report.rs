//! The table of a run, which is printed and can be written into the documentation.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

/// The measurements, row by row.
#[derive(Default)]
pub struct Report(Vec<Line>);

struct Line {
    what: String,
    ours: String,
    other: String,
    ratio: f64,
    most: Most,
    met: Option<bool>,
}

/// The limit of a row.
#[derive(Debug, Clone, Copy)]
pub enum Most {
    /// No limit.
    Any,
    /// The maximum of the ratio.
    Ratio(f64),
    /// The maximum of our side, in MB.
    Megabytes(f64),
    /// The maximum of our side, in milliseconds.
    Millis(f64),
    /// The minimum of the ratio.
    AtLeast(f64),
    /// The maximum of our side, in percent.
    Percent(f64),
}

/// A measured value of either side.
#[derive(Debug, Clone, Copy)]
pub enum Amount {
    /// A time.
    Time(Duration),
    /// A size or memory in KiB.
    Kib(u64),
    /// A rate per second.
    PerSecond(f64),
}

impl Amount {
    fn value(self) -> f64 {
        match self {
            Self::Time(time) => time.as_secs_f64() * 1000.0,
            Self::Kib(kib) => kib as f64 / 1024.0,
            Self::PerSecond(rate) => rate,
        }
    }

    fn written(self) -> String {
        match self {
            Self::Time(time) if time < Duration::from_millis(1) => {
                format!("{:.1} µs", time.as_secs_f64() * 1e6)
            }
            Self::Time(_) => format!("{:.2} ms", self.value()),
            Self::Kib(_) => format!("{:.1} MB", self.value()),
            Self::PerSecond(rate) => format!("{rate:.0} a second"),
        }
    }
}

impl Report {
    /// Adds a row that compares `ours` with `theirs`, which is called `name`.
    pub fn add(&mut self, what: &str, ours: Amount, theirs: Amount, name: &str, most: Most) {
        let ratio = ours.value() / theirs.value();
        let met = match most {
            Most::Any => None,
            Most::Ratio(most) => Some(ratio <= most),
            Most::AtLeast(least) => Some(ratio >= least),
            Most::Megabytes(most) | Most::Millis(most) | Most::Percent(most) => {
                Some(ours.value() <= most)
            }
        };
        self.put(Line {
            what: what.to_owned(),
            ours: ours.written(),
            other: format!("{}, {name}", theirs.written()),
            ratio,
            most,
            met,
        });
    }

    /// Adds a row with a share of cases, which may be at most `most` percent.
    pub fn add_share(&mut self, what: &str, share: f64, other: String, most: f64) {
        self.put(Line {
            what: what.to_owned(),
            ours: format!("{:.0}%", share * 100.0),
            other,
            ratio: share / 0.5,
            most: Most::Percent(most),
            met: Some(share * 100.0 <= most),
        });
    }

    /// Adds a row without a limit, both sides of which are already texts.
    pub fn add_words(&mut self, what: &str, ours: String, other: String, ratio: f64) {
        self.put(Line {
            what: what.to_owned(),
            ours,
            other,
            ratio,
            most: Most::Any,
            met: None,
        });
    }

    fn put(&mut self, line: Line) {
        eprintln!("{}: {} ({:.2})", line.what, line.ours, line.ratio);
        self.0.push(line);
    }

    /// Returns the table in Markdown.
    pub fn table(&self) -> String {
        let mut table = String::from("| what | Latchkey | compared with | ratio | limit |\n");
        table.push_str("|---|---|---|---|---|\n");
        for line in &self.0 {
            let limit = match line.most {
                Most::Any => String::new(),
                Most::Ratio(most) => format!("ratio up to {most}"),
                Most::AtLeast(least) => format!("ratio {least} or more"),
                Most::Megabytes(most) => format!("up to {most} MB"),
                Most::Millis(most) => format!("up to {most} ms"),
                Most::Percent(most) => format!("up to {most}%"),
            };
            let missed = if line.met == Some(false) {
                ", **missed**"
            } else {
                ""
            };
            // With two places, a ratio this near to its limit would look equal to it.
            let is_near = match line.most {
                Most::Ratio(most) | Most::AtLeast(most) => (line.ratio - most).abs() < 0.01,
                _ => false,
            };
            let places = if is_near { 3 } else { 2 };
            let Line {
                what,
                ours,
                other,
                ratio,
                ..
            } = line;
            // Writing to a string cannot fail.
            let _ = writeln!(
                table,
                "| {what} | {ours} | {other} | {ratio:.places$} | {limit}{missed} |"
            );
        }
        table
    }

    /// Writes the table into the documentation, with the machine and the method.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn write(&self, file: &Path, date: &str) -> anyhow::Result<()> {
        let text = include_str!("benchmarks.md")
            .replace("{date}", date)
            .replace("{machine}", &machine()?)
            .replace("{table}", self.table().trim_end())
            .replace("{builds}", include_str!("builds.md").trim_end());
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// Describes the machine in words.
fn machine() -> anyhow::Result<String> {
    let line = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let found = text.lines().find(|line| line.starts_with(name))?;
        Some(found.split_once(':')?.1.trim().to_owned())
    };
    let processor = line("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
    let memory = line("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".to_owned());
    let cores = std::thread::available_parallelism()?;
    let version = Command::new("rustc").arg("--version").output()?;
    let compiler = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    Ok(format!(
        "{} on {}, {cores} processors of \"{processor}\", {memory} of memory, {compiler}",
        std::env::consts::OS,
        std::env::consts::ARCH
    ))
}
