//! Collects the fields of a request's log line while the request is answered.
//!
//! The log belongs to the task that answers, so a hash or a call to AWS can add to it without
//! access to the request. Work outside a request adds nothing.

use std::cell::RefCell;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

tokio::task_local! {
    static LOG: RefCell<RequestLog>;
}

/// The fields of a request's log line. Fields that are metrics have the names that
/// [`crate::observe::emf`] lists. A field is `None` if nothing happened, since CloudWatch charges
/// for zeros too.
#[derive(Debug, Clone, Default)]
pub struct RequestLog {
    /// The id by which an operator finds the request.
    pub request_id: String,
    /// The route, such as `DELETE /sessions/{id}`: never the path, which contains ids.
    pub route: String,
    /// The account that sent the request, if it is known.
    pub user_id: Option<String>,
    /// The reason why a login was refused.
    pub reason: Option<String>,
    /// 1 for the first request of a process.
    pub cold_starts: Option<u64>,
    /// The number of logins that succeeded.
    pub logins: Option<u64>,
    /// The number of logins that were refused.
    pub logins_refused: Option<u64>,
    /// The number of passwords that were not verified because too many had been tried.
    pub attempts_refused: Option<u64>,
    /// The number of accounts that were opened.
    pub registrations: Option<u64>,
    /// The number of registrations that were refused since the address has an account.
    pub emails_taken: Option<u64>,
    /// The number of wrong passwords when the password was asked for again.
    pub passwords_refused: Option<u64>,
    /// The number of replaced refresh tokens that got their successor again, without those that came
    /// again a moment later from the same network.
    pub refresh_tokens_repeated: Option<u64>,
    /// The number of refresh tokens that were presented again after their successor had been used,
    /// or too often.
    pub refresh_tokens_reused: Option<u64>,
    /// The duration of the longest password hash.
    pub hash_ms: Option<f64>,
    /// The number of requests to DynamoDB. Not a metric.
    pub store_requests: Option<u64>,
    /// The duration of the longest request to DynamoDB, retries included.
    pub store_ms: Option<f64>,
    /// The number of requests that DynamoDB did not carry out, retries included.
    pub store_faults: Option<u64>,
    /// The duration of the longest request to KMS, retries included.
    pub kms_ms: Option<f64>,
    /// The number of requests that KMS did not carry out, retries included.
    pub kms_faults: Option<u64>,
    /// The duration of the longest request to the user pool that people come from, retries included.
    /// Not a metric.
    pub pool_ms: Option<f64>,
    /// The number of mails that were passed to SES.
    pub mails_sent: Option<u64>,
    /// The number of mails that SES refused for good.
    pub mails_rejected: Option<u64>,
    /// The number of mails that were not sent and will be tried again.
    pub mails_failed: Option<u64>,
    /// The number of mails that came back.
    pub mails_bounced: Option<u64>,
    /// The number of mails that were called spam.
    pub mails_complained: Option<u64>,
    /// The duration of the longest request to SES, retries included.
    pub ses_ms: Option<f64>,
    /// The duration of the longest request to EventBridge, retries included. Not a metric.
    pub bus_ms: Option<f64>,
    /// The number of events that EventBridge took.
    pub events_published: Option<u64>,
    /// The number of events that EventBridge did not take and that will be tried again.
    pub events_failed: Option<u64>,
    /// The number of events that are not published: EventBridge refused them for good, or their rows
    /// are unreadable.
    pub events_rejected: Option<u64>,
}

/// Whether the process has not received a request yet.
static IS_COLD: AtomicBool = AtomicBool::new(true);

impl RequestLog {
    /// Starts the log of a request.
    pub fn new(request_id: String, route: String) -> Self {
        Self {
            request_id,
            route,
            cold_starts: IS_COLD.swap(false, Ordering::Relaxed).then_some(1),
            ..Self::default()
        }
    }

    /// Runs `work`, and returns its output and the log with everything that `work` added.
    pub async fn during<F: Future>(self, work: F) -> (F::Output, Self) {
        let work = async {
            let output = work.await;
            (output, LOG.with(RefCell::take))
        };
        LOG.scope(RefCell::new(self), work).await
    }

    /// [`RequestLog::during`] for synchronous work.
    pub fn during_sync<T>(self, work: impl FnOnce() -> T) -> (T, Self) {
        let work = || (work(), LOG.with(RefCell::take));
        LOG.sync_scope(RefCell::new(self), work)
    }
}

/// Adds to the log of the current request.
pub fn record(add: impl FnOnce(&mut RequestLog)) {
    let _ = LOG.try_with(|log| add(&mut log.borrow_mut()));
}

/// Records the account that sent the current request.
pub fn record_user(user_id: impl Display) {
    record(|log| log.user_id = Some(user_id.to_string()));
}

/// Returns the id and the route of the current request.
pub(crate) fn request() -> Option<(String, String)> {
    let named = |log: &RefCell<RequestLog>| {
        let log = log.borrow();
        (log.request_id.clone(), log.route.clone())
    };
    LOG.try_with(named).ok()
}

/// Adds one to a count.
pub fn one_more(count: &mut Option<u64>) {
    *count.get_or_insert(0) += 1;
}

/// Replaces `milliseconds` with `took` if that is longer.
pub fn longest(milliseconds: &mut Option<f64>, took: Duration) {
    let took = in_ms(took);
    if milliseconds.is_none_or(|longest| longest < took) {
        *milliseconds = Some(took);
    }
}

/// Returns a duration in milliseconds, with microsecond precision.
pub fn in_ms(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
