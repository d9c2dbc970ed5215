//! The commands of operators, as processes.

pub mod aws;
mod events;
mod import;
mod lists;
mod old_passwords;
#[cfg(unix)]
mod passwords;
mod reference;
mod serving;
#[cfg(unix)]
mod terminal;
mod users;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use crate::support::app::{PASSWORD, folder, root};

/// What a command wrote, and its exit code.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A data folder that commands work on.
pub struct Accounts {
    pub data_dir: PathBuf,
}

/// A `latchkey serve`, which ends with the test.
pub struct Server {
    child: Child,
    authority: String,
}

/// Returns the program, without the environment of the test.
pub fn latchkey() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    command.env_clear().env("USER", "grace").current_dir(root());
    command
}

/// Runs a program to its end, with `input` as its standard input.
pub fn run(mut command: Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// Checks the exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        if code == 0 {
            assert_eq!(self.stderr, "", "{self:?}");
        } else {
            assert!(self.stderr.starts_with("latchkey: "), "{self:?}");
            assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        }
        self
    }

    /// Returns the one JSON document of the output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Returns the JSON documents of the output, one a line.
    pub fn lines(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Accounts {
    /// Returns an empty folder.
    pub fn new(name: &str) -> Self {
        let data_dir = folder(&format!("commands-{name}"));
        std::fs::remove_dir_all(&data_dir).unwrap();
        Self { data_dir }
    }

    /// Returns a command on the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = latchkey();
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(&self.data_dir);
        command
    }

    /// Runs a command on the folder.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments), "")
    }

    /// Makes an account, and returns it.
    pub fn create(&self, email: &str, more: &[&str]) -> Value {
        let create = [
            "users",
            "create",
            "--password-stdin",
            "--json",
            "--email",
            email,
        ];
        let made = run(self.command(&[&create, more].concat()), PASSWORD);
        made.expect(0).json()
    }

    /// Starts `serve` on the folder.
    pub fn serve(&self, more: &[&str]) -> Server {
        let ports = [
            "serve",
            "--port",
            "0",
            "--dynamodb-port",
            "0",
            "--mail-port",
            "0",
        ];
        let mut child = self
            .command(&[&ports, more].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let greeting = lines.next().unwrap().unwrap();
        let (_, url) = greeting.split_once("http://").unwrap();
        let authority = url.split(' ').next().unwrap().to_owned();
        // The file that names it is written before the greeting. Keeps the pipe open and empty.
        thread::spawn(move || lines.for_each(drop));
        Server { child, authority }
    }
}

impl Server {
    /// Makes a request, and returns the status and the body.
    pub fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.authority).unwrap();
        let authority = &self.authority;
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let length = body.len();
        let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let bearer = bearer.unwrap_or_default();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n{bearer}\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// Logs in, and returns the status and the tokens.
    pub fn login(&self, email: &str, password: &str) -> (u16, Value) {
        let credentials = json!({"email": email, "password": password});
        self.ask("POST", "/login", None, &credentials)
    }

    /// Sends it a signal.
    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let pid = self.child.id().to_string();
        let sent = kill.args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it as a signal does, and returns its exit code.
    #[cfg(unix)]
    pub fn end(mut self) -> Option<i32> {
        let mut kill = Command::new("kill");
        let pid = self.child.id().to_string();
        assert!(kill.args(["-s", "TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// Ends it without a chance to tidy up.
    pub fn crash(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
