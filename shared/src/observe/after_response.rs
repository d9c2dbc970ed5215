//! Work that runs after the response has been sent, so that no client waits for it.
//!
//! Lambda passes a response on as soon as it has it, and lets the process run until it asks for its
//! next event ("Running code after returning a response from an AWS Lambda function", AWS Compute
//! Blog). The log line of a request is written in between: docs/decisions/0020.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lambda_runtime::LambdaInvocation;
use lambda_runtime::tower::{Layer, Service};
use tokio::task::futures::TaskLocalFuture;

type Work = Box<dyn FnOnce() + Send>;
type Left = RefCell<Vec<Work>>;

tokio::task_local! {
    static LEFT: Left;
}

/// Runs `work` after the response of the current invocation has been sent. Runs it at once if there
/// is no invocation, as in `cargo run` or in a separate task. The log of the request has ended by
/// then.
pub fn after_response(work: impl FnOnce() + Send + 'static) {
    let mut work: Option<Work> = Some(Box::new(work));
    let _ = LEFT.try_with(|left| left.borrow_mut().extend(work.take()));
    if let Some(work) = work {
        work();
    }
}

/// Wraps the service of a [`lambda_runtime::Runtime`], which completes an invocation when Lambda
/// has accepted or refused the response. The work of [`after_response`] then runs, before the next
/// event.
#[derive(Debug, Clone, Copy)]
pub struct AfterResponse;

impl<S> Layer<S> for AfterResponse {
    type Service = AfterResponseService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AfterResponseService(inner)
    }
}

/// The service that [`AfterResponse`] returns.
#[derive(Debug)]
pub struct AfterResponseService<S>(S);

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for AfterResponseService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = AfterResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let answering = self.0.call(invocation);
        AfterResponseFuture(Box::pin(LEFT.scope(Left::default(), answering)))
    }
}

/// The future of an invocation.
pub struct AfterResponseFuture<F>(Pin<Box<TaskLocalFuture<Left, F>>>);

impl<F: Future> Future for AfterResponseFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let output = ready!(self.0.as_mut().poll(context));
        let left = self.0.as_mut().take_value();
        for work in left.map(RefCell::into_inner).unwrap_or_default() {
            // The panic has already been printed to standard error, and must not end the process.
            let _ = catch_unwind(AssertUnwindSafe(work));
        }
        Poll::Ready(output)
    }
}

#[cfg(feature = "accounts")]
#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use lambda_runtime::service_fn;
    use tokio::task;

    use super::*;

    /// The steps that were taken, in order.
    #[derive(Clone, Default)]
    struct Course(Arc<Mutex<Vec<&'static str>>>);

    impl Course {
        fn add(&self, what: &'static str) {
            self.0.lock().unwrap().push(what);
        }

        fn leave_for_later(&self, what: &'static str) {
            let course = self.clone();
            after_response(move || course.add(what));
        }

        fn so_far(&self) -> Vec<&'static str> {
            self.0.lock().unwrap().clone()
        }
    }

    fn invocation() -> LambdaInvocation {
        let (parts, body) = lambda_http::http::Response::new("{}".into()).into_parts();
        LambdaInvocation {
            parts,
            body,
            context: lambda_runtime::Context::default(),
        }
    }

    /// Returns a service that runs `serve` for each invocation.
    fn serving<F, E>(
        course: &Course,
        serve: impl Fn(Course) -> F,
    ) -> impl Service<LambdaInvocation, Response = (), Error = E>
    where
        F: Future<Output = Result<(), E>>,
    {
        AfterResponse.layer(service_fn(move |_: LambdaInvocation| serve(course.clone())))
    }

    #[tokio::test]
    async fn what_is_left_is_done_in_turn_once_the_answer_is_out() {
        let course = Course::default();
        let mut service = serving(&course, async |course: Course| {
            course.leave_for_later("first");
            task::yield_now().await;
            course.leave_for_later("second");
            course.add("answered");
            Err::<(), _>("whatever the outcome")
        });
        assert!(service.call(invocation()).await.is_err());
        assert_eq!(course.so_far(), ["answered", "first", "second"]);
    }

    #[tokio::test]
    async fn a_panic_in_what_is_left_ends_neither_the_process_nor_the_rest() {
        let course = Course::default();
        let mut service = serving(&course, async |course: Course| {
            after_response(|| panic!("of a test"));
            course.leave_for_later("line");
            Ok::<_, Infallible>(())
        });
        assert!(service.call(invocation()).await.is_ok());
        assert_eq!(course.so_far(), ["line"]);
    }

    #[tokio::test]
    async fn invocations_at_once_do_each_its_own() {
        let course = Course::default();
        let mut service = serving(&course, async |course: Course| {
            course.leave_for_later("line");
            task::yield_now().await;
            course.add("answered");
            Ok::<_, Infallible>(())
        });
        let (one, other) = (service.call(invocation()), service.call(invocation()));
        let (one, other) = tokio::join!(one, other);
        assert!(one.is_ok() && other.is_ok());
        assert_eq!(course.so_far(), ["answered", "line", "answered", "line"]);
    }

    #[test]
    fn without_an_invocation_nothing_waits() {
        let course = Course::default();
        course.leave_for_later("line");
        course.add("after");
        assert_eq!(course.so_far(), ["line", "after"]);
    }
}
