//! What comes together about a request while it is answered, for its one line in the log.
//!
//! It belongs to the task that answers, so that a hash or a call to AWS need not be handed the
//! request to add to it. Work that belongs to no request adds to nothing.

use std::cell::RefCell;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

tokio::task_local! {
    static LOG: RefCell<RequestLog>;
}

/// What is known of a request. Fields that are metrics have the names that [`crate::observe::emf`] lists;
/// what did not happen is `None`, since CloudWatch charges for zeros too.
#[derive(Debug, Clone, Default)]
pub struct RequestLog {
    /// The name under which an operator finds the request.
    pub request_id: String,
    /// The route, such as `DELETE /sessions/{id}`: never the path, which has ids in it.
    pub route: String,
    /// Whose request it is, once that is known.
    pub user_id: Option<String>,
    /// Why a login was refused.
    pub reason: Option<String>,
    /// 1 for the first request of a process.
    pub cold_starts: Option<u64>,
    /// Logins that succeeded.
    pub logins: Option<u64>,
    /// Logins that were refused.
    pub logins_refused: Option<u64>,
    /// Passwords that were not looked at, since too many had been tried.
    pub attempts_refused: Option<u64>,
    /// Refresh tokens that came again after their replacement.
    pub refresh_tokens_reused: Option<u64>,
    /// How long a password hash took, the longest where there were several.
    pub hash_ms: Option<f64>,
    /// How often DynamoDB was asked. Not a metric.
    pub store_requests: Option<u64>,
    /// How long DynamoDB took to answer, retries included; the longest.
    pub store_ms: Option<f64>,
    /// Requests that DynamoDB did not carry out, retries included.
    pub store_faults: Option<u64>,
    /// How long KMS took to answer, retries included; the longest.
    pub kms_ms: Option<f64>,
    /// Requests that KMS did not carry out, retries included.
    pub kms_faults: Option<u64>,
}

/// Whether the process has not been asked anything yet.
static IS_COLD: AtomicBool = AtomicBool::new(true);

impl RequestLog {
    /// Begins the log of a request.
    pub fn new(request_id: String, route: String) -> Self {
        Self {
            request_id,
            route,
            cold_starts: IS_COLD.swap(false, Ordering::Relaxed).then_some(1),
            ..Self::default()
        }
    }

    /// Does `work`, and gives what it came to and what has been added meanwhile.
    pub async fn during<F: Future>(self, work: F) -> (F::Output, Self) {
        let work = async {
            let output = work.await;
            (output, LOG.with(RefCell::take))
        };
        LOG.scope(RefCell::new(self), work).await
    }

    /// [`RequestLog::during`] for work that waits for nothing.
    pub fn during_sync<T>(self, work: impl FnOnce() -> T) -> (T, Self) {
        let work = || (work(), LOG.with(RefCell::take));
        LOG.sync_scope(RefCell::new(self), work)
    }
}

/// Adds to the log of the request that is being answered.
pub fn record(add: impl FnOnce(&mut RequestLog)) {
    let _ = LOG.try_with(|log| add(&mut log.borrow_mut()));
}

/// Notes whose request it is.
pub fn record_user(user_id: impl Display) {
    record(|log| log.user_id = Some(user_id.to_string()));
}

/// The name and the route of the request that is being answered.
pub(crate) fn request() -> Option<(String, String)> {
    let named = |log: &RefCell<RequestLog>| {
        let log = log.borrow();
        (log.request_id.clone(), log.route.clone())
    };
    LOG.try_with(named).ok()
}

/// One more.
pub fn one_more(count: &mut Option<u64>) {
    *count.get_or_insert(0) += 1;
}

/// Keeps the longest.
pub fn longest(milliseconds: &mut Option<f64>, took: Duration) {
    let took = in_ms(took);
    if milliseconds.is_none_or(|longest| longest < took) {
        *milliseconds = Some(took);
    }
}

/// Milliseconds, to the microsecond.
pub fn in_ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
