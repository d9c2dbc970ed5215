//! What is under way, so that `cargo run` can end in order.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long nothing may have been under way at the end: long enough to read a request that has
/// already arrived.
const QUIET: Duration = Duration::from_millis(100);

/// Counts the requests and the calls of functions that are under way. Clones share one count.
#[derive(Clone, Default)]
pub(crate) struct UnderWay(watch::Sender<State>);

#[derive(Default)]
struct State {
    count: usize,
    is_ending: bool,
}

/// Counts as one as long as it exists.
pub(crate) struct OneMore(watch::Sender<State>);

impl UnderWay {
    /// Counts one more until the returned value is dropped.
    pub(crate) fn begin(&self) -> OneMore {
        self.0.send_modify(|state| state.count += 1);
        OneMore(self.0.clone())
    }

    /// Returns whether [`UnderWay::end`] was called, after which a connection is not to be reused.
    pub(crate) fn is_ending(&self) -> bool {
        self.0.borrow().is_ending
    }

    /// Waits until [`UnderWay::end`] is called.
    pub(crate) async fn ending(&self) {
        let mut states = self.0.subscribe();
        // The sender is `self`, so it cannot fail.
        let _ = states.wait_for(|state| state.is_ending).await;
    }

    /// Waits until nothing has been under way for a moment, but no longer than `patience`. Returns
    /// how much is still under way then.
    pub(crate) async fn end(&self, patience: Duration) -> usize {
        self.0.send_modify(|state| state.is_ending = true);
        let mut states = self.0.subscribe();
        let quiet = async {
            // The sender is `self`, so neither wait can fail.
            while states.wait_for(|state| state.count == 0).await.is_ok() {
                if timeout(QUIET, states.changed()).await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(patience, quiet).await;
        self.0.borrow().count
    }
}

impl Drop for OneMore {
    fn drop(&mut self) {
        self.0
            .send_modify(|state| state.count = state.count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_what_is_under_way_and_for_what_comes_meanwhile() {
        let under_way = UnderWay::default();
        let first = under_way.begin();
        assert!(!under_way.is_ending());
        let later = under_way.clone();
        let work = tokio::spawn(async move {
            sleep(Duration::from_secs(1)).await;
            assert!(later.is_ending());
            drop(first);
            sleep(QUIET / 2).await;
            let _second = later.begin();
            sleep(Duration::from_secs(1)).await;
        });
        assert_eq!(under_way.end(Duration::from_secs(10)).await, 0);
        assert!(work.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let under_way = UnderWay::default();
        let _kept = under_way.begin();
        assert_eq!(under_way.end(Duration::from_secs(10)).await, 1);
    }
}
