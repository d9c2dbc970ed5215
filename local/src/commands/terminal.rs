//! Questions to people: whoever answers sits at the terminal of standard input, and reads standard
//! error, so that standard output is for what was asked for.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write as _};
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
    let text = on_a_thread(|| {
        let mut text = String::new();
        io::stdin().lock().read_line(&mut text)?;
        Ok(text)
    });
    Ok(text.await?.trim_end_matches(['\r', '\n']).to_owned())
}

/// Reads the first line of `input`, of at most `most` octets, and nothing after it. Returns it without
/// its end.
pub(super) async fn first_line(
    input: impl Read + Send + 'static,
    most: u64,
) -> io::Result<Vec<u8>> {
    let line = on_a_thread(move || {
        let mut line = Vec::new();
        BufReader::new(input.take(most)).read_until(b'\n', &mut line)?;
        Ok(line)
    });
    let mut line = line.await?;
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    Ok(line)
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
        on_a_thread(rpassword::read_password).await
    }
}

/// Reads on a thread of its own, which a program that ends does not wait for.
async fn on_a_thread<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || sender.send(read()));
    receiver.await.map_err(io::Error::other)?
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
