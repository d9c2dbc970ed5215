//! Ctrl-C, and SIGTERM from `docker stop`, `systemctl stop` and `kill`.

use std::io;

use tokio::sync::oneshot;

/// The code of a process that ended because of a signal, as shells show it, less the signal's
/// number.
const ENDED_BY_SIGNAL: i32 = 128;

/// Catches the signals that end the process from now on. Returns a future that waits for the first
/// one. The second one ends the process at once, in the middle of what it does, with the code that
/// shells show for the signal: 130 after Ctrl-C, 143 after SIGTERM.
///
/// # Errors
///
/// Returns an error if the system refuses.
pub fn first() -> io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::new()?;
    let (caught, first) = oneshot::channel();
    tokio::spawn(async move {
        signals.next().await;
        let _ = caught.send(());
        let number = signals.next().await;
        std::process::exit(ENDED_BY_SIGNAL + number);
    });
    Ok(async move {
        let _ = first.await;
    })
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for a signal and returns its number.
    async fn next(&mut self) -> i32 {
        use tokio::signal::unix::SignalKind;
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        kind.as_raw_value()
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    /// Waits for Ctrl-C and returns the number of the signal that it is elsewhere.
    async fn next(&mut self) -> i32 {
        self.0.recv().await;
        2
    }
}
