//! Questions to people: whoever answers sits at the terminal of standard input, and reads standard
//! error, so that standard output is for what was asked for.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::thread;

use tokio::sync::oneshot;

/// Returns whether somebody can be asked.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal()
}

/// Writes a line to standard error.
pub(super) fn tell(line: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{line}")
}

/// Asks a question of one line, and returns the answer without the end of its line.
pub(super) async fn ask(question: &str) -> io::Result<String> {
    write!(io::stderr(), "{question} ")?;
    line(|| {
        let mut text = String::new();
        io::stdin().lock().read_line(&mut text)?;
        Ok(text)
    })
    .await
}

/// Asks for a secret, which the terminal does not show.
pub(super) async fn ask_secretly(question: &str) -> io::Result<String> {
    #[cfg(unix)]
    {
        let _hidden = Hidden::new()?;
        ask(question).await
    }
    #[cfg(not(unix))]
    {
        write!(io::stderr(), "{question} ")?;
        line(rpassword::read_password).await
    }
}

/// Reads a line on a thread of its own, which a program that ends does not wait for.
async fn line(read: impl FnOnce() -> io::Result<String> + Send + 'static) -> io::Result<String> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || sender.send(read()));
    let read = receiver.await.map_err(io::Error::other)?;
    read.map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Keeps the terminal from showing what is typed, until it is dropped: also if Ctrl-C ends the
/// question.
#[cfg(unix)]
struct Hidden(rustix::termios::Termios);

#[cfg(unix)]
impl Hidden {
    fn new() -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let terminal = io::stdin();
        let before = tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The end of the line is shown, so that the next question is on a line of its own.
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

#[cfg(unix)]
impl Drop for Hidden {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
