//! How `cargo run` ends: the real binary, and real signals.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::app::{folder, registration, root};

/// How many requests are under way at the signal.
const REQUESTS: usize = 40;

/// A `latchkey` that was started.
struct Latchkey {
    child: Child,
    /// The process of Latchkey itself, which another one may have started.
    pid: u32,
    authority: String,
}

impl Latchkey {
    /// Starts the binary by `command`, to which its path and its flags are added, and waits until it
    /// listens.
    fn start(mut command: Command, name: &str) -> Self {
        let mut child = command
            .args(["--ephemeral", "--port", "0", "--dynamodb-port", "0"])
            .args(["--mail-port", "0"])
            .args(["--parameter", "Argon2MemoryKib=7168"])
            .args(["--parameter", "Argon2Iterations=5"])
            .arg("--data-dir")
            .arg(folder(name))
            .current_dir(root())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let greeting = lines.next().unwrap().unwrap();
        let (_, url) = greeting.split_once("http://").unwrap();
        let authority = url.split(' ').next().unwrap().to_owned();
        // Keeps the pipe open and empty.
        thread::spawn(move || lines.for_each(drop));
        Self {
            pid: child.id(),
            child,
            authority,
        }
    }

    fn plain(name: &str) -> Self {
        Self::start(Command::new(env!("CARGO_BIN_EXE_latchkey")), name)
    }

    fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let killed = kill.args(["-s", signal, &self.pid.to_string()]).status();
        assert!(killed.unwrap().success());
    }

    /// Waits for the end and returns the exit code.
    fn code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Sends registrations that are under way together, ends Latchkey by `signal` as soon as the
    /// first is answered, and returns the statuses of all, and the exit code.
    fn end_under_way(self, signal: &str) -> (Vec<String>, Option<i32>) {
        let (sent, all_sent) = mpsc::channel();
        let (answered, answers) = mpsc::channel();
        for n in 0..REQUESTS {
            let (authority, sent, answered) =
                (self.authority.clone(), sent.clone(), answered.clone());
            thread::spawn(move || {
                let body = registration(&format!("ada{n}@example.com")).to_string();
                let mut stream = TcpStream::connect(&authority).unwrap();
                let length = body.len();
                write!(
                    stream,
                    "POST /register HTTP/1.1\r\nhost: {authority}\r\n\
                     content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                )
                .unwrap();
                sent.send(()).unwrap();
                let mut answer = [0; 12];
                // An answer that never comes is an empty status.
                let read = stream.read(&mut answer).unwrap_or(0);
                let status = String::from_utf8_lossy(&answer[..read]).into_owned();
                answered.send(status).unwrap();
                // The client would use the connection again.
                let _ = stream.read_to_end(&mut Vec::new());
            });
        }
        drop(answered);
        assert_eq!(all_sent.iter().take(REQUESTS).count(), REQUESTS);
        let first = answers.recv().unwrap();
        self.signal(signal);
        let statuses = [first].into_iter().chain(answers.iter()).collect();
        (statuses, self.code())
    }
}

#[test]
fn a_signal_ends_it_after_what_is_under_way_is_answered() {
    for signal in ["TERM", "INT"] {
        let latchkey = Latchkey::plain("ending");
        let (statuses, code) = latchkey.end_under_way(signal);
        assert_eq!(statuses, ["HTTP/1.1 201"; REQUESTS], "{signal}");
        assert_eq!(code, Some(0), "{signal}");
    }
}

#[test]
fn an_idle_connection_does_not_delay_the_end() {
    let latchkey = Latchkey::plain("ending-idle");
    let mut idle = TcpStream::connect(&latchkey.authority).unwrap();
    write!(idle, "GET /profile HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    let began = Instant::now();
    latchkey.signal("TERM");
    assert_eq!(latchkey.code(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let latchkey = Latchkey::plain("ending-twice");
        // A request whose body never comes is under way.
        let mut slow = TcpStream::connect(&latchkey.authority).unwrap();
        let head = "POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n";
        write!(slow, "{head}expect: 100-continue\r\n\r\n").unwrap();
        let mut asked = [0; 12];
        slow.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100");
        latchkey.signal("TERM");
        // The first one was taken as soon as nobody can connect any more.
        while TcpStream::connect(&latchkey.authority).is_ok() {
            thread::yield_now();
        }
        let began = Instant::now();
        latchkey.signal(signal);
        assert_eq!(latchkey.code(), Some(code), "{signal}");
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?}",
            began.elapsed()
        );
    }
}

/// A process 1, as in a container, gets no default action for signals: one that does not catch them
/// can only be killed.
#[cfg(target_os = "linux")]
#[test]
fn a_process_1_ends_in_the_same_order() {
    let own_pids = |command: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--pid", "--fork"]);
        unshare.args(["--kill-child", command]);
        unshare
    };
    // Some systems allow no namespaces. What the process does is the same there.
    if !own_pids("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("not tried: unshare makes no namespace here");
        return;
    }
    let mut latchkey = Latchkey::start(own_pids(env!("CARGO_BIN_EXE_latchkey")), "ending-first");
    let parent = latchkey.child.id();
    let children = format!("/proc/{parent}/task/{parent}/children");
    let children = std::fs::read_to_string(children).unwrap();
    latchkey.pid = children.trim().parse().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", latchkey.pid)).unwrap();
    let pids = status
        .lines()
        .find(|line| line.starts_with("NSpid:"))
        .unwrap();
    assert_eq!(pids.split_whitespace().last(), Some("1"), "{pids}");
    let (statuses, code) = latchkey.end_under_way("TERM");
    assert_eq!(statuses, ["HTTP/1.1 201"; REQUESTS]);
    assert_eq!(code, Some(0));
}
