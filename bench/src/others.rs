//! Alternatives from PyPI and npm, measured if Python and Node.js are installed.
//!
//! Each is a process that does its work once for each line that it reads, and prints the
//! nanoseconds that it took. So its start is not counted, and it can be measured in turn with ours.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// The folder with the alternatives' scripts.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/others");

/// The folder in which the alternatives are installed.
pub struct Others(PathBuf);

/// A running alternative.
pub struct Other {
    child: Child,
    asked: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Others {
    /// Installs the alternatives next to this binary.
    ///
    /// # Errors
    ///
    /// Returns an error if Python or Node.js is missing, or a package cannot be installed.
    pub fn install() -> anyhow::Result<Self> {
        let this = std::env::current_exe()?;
        let folder = this.parent().context("no folder")?.join("others");
        std::fs::create_dir_all(&folder)?;
        let python = folder.join("python");
        if !python.is_dir() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&python))?;
        }
        run(Command::new(python.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(Path::new(SCRIPTS).join("requirements.txt")))?;
        for file in ["package.json", "aws_jwt_verify.mjs"] {
            std::fs::copy(Path::new(SCRIPTS).join(file), folder.join(file))?;
        }
        let flags = ["--silent", "--no-audit", "--no-fund", "--no-package-lock"];
        run(Command::new("npm")
            .args(["install", "--prefix"])
            .arg(&folder)
            .args(flags))?;
        Ok(Self(folder))
    }

    /// Starts a Python script.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be started.
    pub fn python(&self, script: &str, arguments: &[&str]) -> anyhow::Result<Other> {
        let mut command = Command::new(self.0.join("python/bin/python"));
        command.arg(Path::new(SCRIPTS).join(script));
        Other::start(command.args(arguments))
    }

    /// Returns the output of a Python script.
    ///
    /// # Errors
    ///
    /// Returns an error if it fails.
    pub fn output(&self, script: &str) -> anyhow::Result<String> {
        let mut command = Command::new(self.0.join("python/bin/python"));
        let command = command.arg(Path::new(SCRIPTS).join(script));
        let output = command
            .env("DJANGO_DATABASE", self.0.join("django.sqlite"))
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "{script} failed");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Serves a Python application.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be started.
    pub fn gunicorn(&self, app: &str, address: &str, workers: usize) -> anyhow::Result<Child> {
        let mut command = Command::new(self.0.join("python/bin/gunicorn"));
        command
            .args([
                "--log-level",
                "warning",
                "--bind",
                address,
                "--chdir",
                SCRIPTS,
            ])
            // Threads keep connections open. The default kind of worker does not.
            .args(["--worker-class", "gthread", "--threads", "4"])
            .args(["--workers", &workers.to_string(), app])
            .env("DJANGO_DATABASE", self.0.join("django.sqlite"));
        Ok(command.spawn()?)
    }

    /// Starts a Node.js script.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be started.
    pub fn node(&self, script: &str, arguments: &[&str]) -> anyhow::Result<Other> {
        let mut command = Command::new("node");
        // Next to its packages, where Node.js looks for them.
        command.arg(self.0.join(script));
        Other::start(command.args(arguments))
    }
}

impl Other {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let asked = child.stdin.take().context("no standard input")?;
        let answers = child.stdout.take().context("no standard output")?;
        Ok(Self {
            child,
            asked,
            answers: BufReader::new(answers).lines(),
        })
    }

    /// Does the work once more, and returns the time that it took.
    ///
    /// # Errors
    ///
    /// Returns an error if the process has ended. It has printed why.
    pub fn time(&mut self) -> anyhow::Result<Duration> {
        self.asked.write_all(b"\n")?;
        let nanos = self.answers.next().context("the other has ended")??;
        Ok(Duration::from_nanos(nanos.parse()?))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let status = command.status();
    let status = status.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(status.success(), "{} failed", program.display());
    Ok(())
}
