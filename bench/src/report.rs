//! The table of a run: printed, and, where it is asked for, written into the documentation.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

/// What was measured, line by line.
#[derive(Default)]
pub struct Report(Vec<Line>);

struct Line {
    what: String,
    ours: String,
    beside: String,
    ratio: f64,
    most: Most,
    met: Option<bool>,
}

/// What a line must stay under.
#[derive(Debug, Clone, Copy)]
pub enum Most {
    /// Nothing is asked of it.
    Any,
    /// The ratio.
    Ratio(f64),
    /// Ours, in MB.
    Megabytes(f64),
    /// Ours, in milliseconds.
    Millis(f64),
    /// The ratio is to be at least so.
    AtLeast(f64),
}

/// Ours or theirs.
#[derive(Debug, Clone, Copy)]
pub enum Amount {
    /// A time.
    Time(Duration),
    /// A size or memory in KiB.
    Kib(u64),
    /// How often in a second.
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
    /// Adds a line: ours beside theirs, which has a name.
    pub fn add(&mut self, what: &str, ours: Amount, theirs: Amount, name: &str, most: Most) {
        let ratio = ours.value() / theirs.value();
        let met = match most {
            Most::Any => None,
            Most::Ratio(most) => Some(ratio <= most),
            Most::AtLeast(least) => Some(ratio >= least),
            Most::Megabytes(most) | Most::Millis(most) => Some(ours.value() <= most),
        };
        self.put(Line {
            what: what.to_owned(),
            ours: ours.written(),
            beside: format!("{}, {name}", theirs.written()),
            ratio,
            most,
            met,
        });
    }

    /// Adds a line whose sides have words of their own, and of which nothing is asked.
    pub fn add_words(&mut self, what: &str, ours: String, beside: String, ratio: f64) {
        self.put(Line {
            what: what.to_owned(),
            ours,
            beside,
            ratio,
            most: Most::Any,
            met: None,
        });
    }

    fn put(&mut self, line: Line) {
        eprintln!("{}: {} ({:.2})", line.what, line.ours, line.ratio);
        self.0.push(line);
    }

    /// The table in Markdown.
    pub fn table(&self) -> String {
        let mut table = String::from("| what | Latchkey | beside | ratio | asked for |\n");
        table.push_str("|---|---|---|---|---|\n");
        for line in &self.0 {
            let asked = match line.most {
                Most::Any => String::new(),
                Most::Ratio(most) => format!("ratio up to {most}"),
                Most::AtLeast(least) => format!("ratio {least} or more"),
                Most::Megabytes(most) => format!("up to {most} MB"),
                Most::Millis(most) => format!("up to {most} ms"),
            };
            let missed = if line.met == Some(false) {
                ", **missed**"
            } else {
                ""
            };
            // What lies that near to its limit would look the same on either side of it.
            let is_near = match line.most {
                Most::Ratio(most) | Most::AtLeast(most) => (line.ratio - most).abs() < 0.01,
                _ => false,
            };
            let places = if is_near { 3 } else { 2 };
            let Line {
                what,
                ours,
                beside,
                ratio,
                ..
            } = line;
            // A table that cannot be written to memory is no table.
            let _ = writeln!(
                table,
                "| {what} | {ours} | {beside} | {ratio:.places$} | {asked}{missed} |"
            );
        }
        table
    }

    /// Writes the table into the documentation, with the machine and the way it was made.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn write(&self, file: &Path, date: &str) -> anyhow::Result<()> {
        let text = include_str!("benchmarks.md")
            .replace("{date}", date)
            .replace("{machine}", &machine()?)
            .replace("{table}", self.table().trim_end())
            .replace("{builds}", include_str!("builds.md").trim_end());
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

/// What this ran on, in words.
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
