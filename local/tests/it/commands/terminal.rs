//! Commands in a terminal: a program answers their questions.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::Accounts;
use crate::support::app::PASSWORD;

/// A command in a terminal.
struct Session {
    child: Child,
    keyboard: File,
    terminal: File,
    screen: Receiver<Vec<u8>>,
    shown: String,
}

impl Session {
    /// Starts a command whose standard input and standard error are a terminal.
    fn start(mut command: Command) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let name = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let terminal = File::options().read(true).write(true).open(name).unwrap();
        let keyboard = File::from(keyboard);
        let child = command
            .stdin(terminal.try_clone().unwrap())
            .stderr(terminal.try_clone().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, screen) = channel();
        let mut reader = keyboard.try_clone().unwrap();
        thread::spawn(move || {
            let mut octets = [0; 1024];
            while let Ok(length @ 1..) = reader.read(&mut octets) {
                if sender.send(octets[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keyboard,
            terminal,
            screen,
            shown: String::new(),
        }
    }

    /// Waits until the terminal shows `text`, then types `answer`.
    #[track_caller]
    fn answer(&mut self, text: &str, answer: &str) {
        const PATIENCE: Duration = Duration::from_secs(60);
        let began = Instant::now();
        let asked = self.shown.len();
        while !self.shown[asked..].contains(text) {
            let left = PATIENCE.checked_sub(began.elapsed());
            let more = self.screen.recv_timeout(left.unwrap_or_default());
            let more = more.unwrap_or_else(|_| panic!("no \"{text}\" in {:?}", self.shown));
            self.shown.push_str(&String::from_utf8(more).unwrap());
        }
        writeln!(self.keyboard, "{answer}").unwrap();
    }

    /// Returns whether the terminal shows what is typed.
    fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    }

    /// Waits for the end, and returns the exit code, what the terminal has shown, and the output.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut stdout = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        let code = self.child.wait().unwrap().code();
        // All that was written before the end has a moment to arrive.
        while let Ok(more) = self.screen.recv_timeout(Duration::from_millis(200)) {
            self.shown.push_str(&String::from_utf8(more).unwrap());
        }
        assert!(self.echoes(), "the terminal is as it was");
        (code, self.shown, stdout)
    }
}

#[test]
fn a_password_is_asked_for_twice_and_never_shown() {
    let accounts = Accounts::new("prompt");
    let create = [
        "users",
        "create",
        "--superuser",
        "--email",
        "grace@example.com",
    ];
    let mut session = Session::start(accounts.command(&create));
    session.answer("Password:", "too short");
    session.answer("Password (again):", "too short");
    session.answer("Password:", PASSWORD);
    session.answer("Password (again):", "something else entirely");
    session.answer("Password:", PASSWORD);
    session.answer("Password (again):", PASSWORD);
    let (code, shown, stdout) = session.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        stdout.starts_with("Made the account grace@example.com ("),
        "{stdout}"
    );
    assert!(
        shown.contains("The password has fewer than 15 characters."),
        "{shown}"
    );
    assert!(shown.contains("The two are not the same."), "{shown}");
    for secret in [PASSWORD, "too short", "something else"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let server = accounts.serve(&[]);
    assert_eq!(server.login("grace@example.com", PASSWORD).0, 200);
}

#[test]
fn a_deletion_is_done_only_if_the_answer_is_yes() {
    let accounts = Accounts::new("question");
    accounts.create("ada@example.com", &[]);
    for (answer, code) in [("", 2), ("n", 2), ("maybe", 2), ("y", 0)] {
        let delete = ["users", "delete", "ada@example.com"];
        let mut session = Session::start(accounts.command(&delete));
        session.answer("This cannot be undone. [y/N]", answer);
        let (ended, shown, _) = session.end();
        assert_eq!(ended, Some(code), "{shown}");
        assert_eq!(shown.contains("nothing was changed"), code == 2, "{shown}");
    }
    accounts
        .run(&["users", "show", "ada@example.com"])
        .expect(3);
}

#[test]
fn a_password_is_not_read_where_the_terminal_would_show_it() {
    let accounts = Accounts::new("shown");
    let create = ["users", "create", "--email", "ada@example.com"];
    for flag in [&["--password-stdin"][..], &["--password-fd", "0"]] {
        let session = Session::start(accounts.command(&[&create, flag].concat()));
        let (code, shown, _) = session.end();
        assert_eq!(code, Some(2), "{shown}");
        assert!(shown.contains("would show the password"), "{shown}");
    }
}

#[test]
fn a_signal_at_a_question_gives_the_terminal_back() {
    let accounts = Accounts::new("interrupted");
    let create = ["users", "create", "--email", "ada@example.com"];
    let mut session = Session::start(accounts.command(&create));
    session.answer("Password:", PASSWORD);
    while !session.shown.contains("(again)") {
        let more = session
            .screen
            .recv_timeout(Duration::from_secs(60))
            .unwrap();
        session.shown.push_str(&String::from_utf8(more).unwrap());
    }
    assert!(!session.echoes());
    let mut kill = Command::new("kill");
    let pid = session.child.id().to_string();
    assert!(kill.args(["-s", "INT", &pid]).status().unwrap().success());
    let (code, shown, _) = session.end();
    assert_eq!(code, Some(130), "{shown}");
    accounts
        .run(&["users", "show", "ada@example.com"])
        .expect(3);
}
