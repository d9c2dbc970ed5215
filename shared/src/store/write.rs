//! The common parts of writes: conflicts and their retries, refused conditions, batches.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{CancellationReason, DeleteRequest, TransactWriteItem, WriteRequest};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::item::{self, Attributes, Key};
use super::{Store, StoreError, unavailable};
use crate::domain::id::UserId;
use crate::observe::request_log::{one_more, record};
use crate::platform::random;

/// The number of tries for a write that conflicts with a transaction or is throttled in one, and
/// for a batch.
const CONFLICT_ATTEMPTS: u32 = 5;

/// Retries `attempt` while it conflicts with another transaction on the same item, or is a
/// transaction that is throttled. DynamoDB cancels such writes at once, and the SDK does not retry a
/// cancelled transaction.
pub(super) async fn retry_conflicts<T, E, F>(attempt: impl Fn() -> F) -> Result<T, SdkError<E>>
where
    F: Future<Output = Result<T, SdkError<E>>>,
    E: Conflicts,
{
    for tries in 0..CONFLICT_ATTEMPTS - 1 {
        match attempt().await {
            Err(SdkError::ServiceError(fault)) if fault.err().conflicts() => jitter(tries).await,
            answer => return answer,
        }
    }
    attempt().await
}

/// The codes of cancellation reasons that pass. A transaction whose items are throttled is
/// cancelled like one that conflicts: no exception of its own tells the SDK to retry it.
const PASSING_REASONS: [&str; 3] = [
    "TransactionConflict",
    "ThrottlingError",
    "ProvisionedThroughputExceeded",
];

/// Errors that can tell whether the only failure was passing: another transaction held an item, or
/// DynamoDB cancelled a transaction because of too many requests.
pub(super) trait Conflicts {
    fn conflicts(&self) -> bool;
}

/// Tells whether a try of a request may have been carried out although its answer never came, so
/// that a later try which finds the work done is not mistaken for a refusal. Add a clone as an
/// interceptor of the request.
#[derive(Debug, Clone, Default)]
pub(super) struct LostAnswers(Arc<AnswersOfTries>);

#[derive(Debug, Default)]
struct AnswersOfTries {
    /// Whether the current try was sent and is not answered yet.
    is_pending: AtomicBool,
    /// Whether an earlier try was sent and never answered.
    is_one_lost: AtomicBool,
}

impl LostAnswers {
    /// Returns whether an earlier try than the last may have been carried out.
    pub(super) fn any(&self) -> bool {
        self.0.is_one_lost.load(Ordering::Relaxed)
    }
}

#[dyn_dispatch_hint]
impl Intercept for LostAnswers {
    fn name(&self) -> &'static str {
        "LostAnswers"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.0.is_pending.swap(true, Ordering::Relaxed) {
            self.0.is_one_lost.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // A fault of the server, or an answer that cannot be read, does not tell what was done.
        let is_told = match context.output_or_error() {
            Ok(_) => true,
            Err(fault) => {
                fault.is_operation_error() && !context.response().status().is_server_error()
            }
        };
        if is_told {
            self.0.is_pending.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Waits before the unprocessed part of a batch is requested again.
///
/// # Errors
///
/// Returns an error if the maximum number of tries has been reached.
pub(super) async fn unprocessed(attempt: u32, operation: &'static str) -> Result<(), StoreError> {
    if attempt + 1 == CONFLICT_ATTEMPTS {
        record(|log| one_more(&mut log.store_faults));
        let source = "a part of the batch was not processed after several tries".into();
        return Err(StoreError::Unavailable { operation, source });
    }
    jitter(attempt).await;
    Ok(())
}

/// Waits for a random time, longer for later attempts. Full jitter keeps two callers that collided
/// once from colliding again in step.
pub(super) async fn jitter(attempt: u32) {
    let ceiling_ms = 20_u64 << attempt;
    let draw = u64::from(u16::from_be_bytes(random::octets()));
    tokio::time::sleep(Duration::from_millis(
        draw * ceiling_ms / u64::from(u16::MAX),
    ))
    .await;
}

/// Returns the answer to a conditional write, or `None` if the condition did not hold.
///
/// # Errors
///
/// Returns an error if the write failed for another reason.
pub(super) fn carried_out<T, E>(
    answer: Result<T, SdkError<E>>,
    operation: &'static str,
) -> Result<Option<T>, StoreError>
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(fault)
            if fault
                .as_service_error()
                .and_then(ProvideErrorMetadata::code)
                == Some("ConditionalCheckFailedException") =>
        {
            Ok(None)
        }
        Err(fault) => Err(unavailable(operation)(fault)),
    }
}

/// Returns whether a condition of the transaction did not hold.
pub(super) fn refused_by_condition(fault: &TransactWriteItemsError) -> bool {
    reasons(fault).iter().any(refuses)
}

/// Returns whether the condition of this action did not hold.
pub(super) fn refuses(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// Returns one reason per action, in their order, or none if the transaction was not cancelled.
pub(super) fn reasons(fault: &TransactWriteItemsError) -> &[CancellationReason] {
    match fault {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            cancelled.cancellation_reasons()
        }
        _ => &[],
    }
}

impl Conflicts for TransactWriteItemsError {
    fn conflicts(&self) -> bool {
        let passing = |reason: &CancellationReason| {
            PASSING_REASONS
                .iter()
                .any(|passing| reason.code() == Some(passing))
        };
        // If a condition does not hold either, a retry cannot succeed.
        !refused_by_condition(self)
            && (reasons(self).iter().any(passing) || self.is_transaction_in_progress_exception())
    }
}

impl Conflicts for DeleteItemError {
    fn conflicts(&self) -> bool {
        self.is_transaction_conflict_exception()
    }
}

impl Conflicts for PutItemError {
    fn conflicts(&self) -> bool {
        self.is_transaction_conflict_exception()
    }
}

impl Conflicts for UpdateItemError {
    fn conflicts(&self) -> bool {
        self.is_transaction_conflict_exception()
    }
}

/// Returns a function that converts the error of a request that could not be built. No request here
/// causes it.
pub(super) fn incomplete(operation: &'static str) -> impl Fn(BuildError) -> StoreError {
    move |error| StoreError::Unavailable {
        operation,
        source: error.into(),
    }
}

impl Store {
    /// Executes all of `actions` or none.
    pub(super) async fn transact(
        &self,
        actions: Vec<TransactWriteItem>,
    ) -> Result<(), SdkError<TransactWriteItemsError>> {
        let request = self
            .client
            .transact_write_items()
            .set_transact_items(Some(actions));
        retry_conflicts(|| request.clone().send()).await.map(|_| ())
    }

    /// Deletes the items of an account's partition whose sort key begins with `prefix`, except
    /// those for which `keep` returns true, however many there are.
    ///
    /// # Errors
    ///
    /// Returns an error if DynamoDB does not answer; some items may then be deleted and others not.
    pub(super) async fn delete_of_partition(
        &self,
        user: UserId,
        prefix: Option<&str>,
        keep: impl Fn(&Attributes) -> bool,
        operation: &'static str,
    ) -> Result<(), StoreError> {
        /// The limit of `BatchWriteItem`.
        const BATCH: usize = 25;
        let mut start = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .projection_expression("pk, sk")
                .expression_attribute_values(":pk", item::text(Key::partition(user)))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let query = match prefix {
                Some(prefix) => query
                    .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                    .expression_attribute_values(":prefix", item::text(prefix)),
                None => query.key_condition_expression("pk = :pk"),
            };
            let answer = query.send().await.map_err(unavailable(operation))?;
            let keys = answer.items.unwrap_or_default().into_iter();
            let keys: Vec<_> = keys.filter(|key| !keep(key)).collect();
            for batch in keys.chunks(BATCH) {
                self.delete_batch(batch, operation).await?;
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    async fn delete_batch(
        &self,
        keys: &[Attributes],
        operation: &'static str,
    ) -> Result<(), StoreError> {
        let mut deletes = Vec::with_capacity(keys.len());
        for key in keys {
            let delete = DeleteRequest::builder().set_key(Some(key.clone())).build();
            let delete = delete.map_err(|error| StoreError::Unavailable {
                operation,
                source: error.into(),
            })?;
            deletes.push(WriteRequest::builder().delete_request(delete).build());
        }
        let mut wanted = Some(HashMap::from([(self.table.clone(), deletes)]));
        for attempt in 0.. {
            let request = self.client.batch_write_item().set_request_items(wanted);
            let answer = request.send().await.map_err(unavailable(operation))?;
            wanted = answer.unprocessed_items.filter(|items| !items.is_empty());
            if wanted.is_none() {
                break;
            }
            unprocessed(attempt, operation).await?;
        }
        Ok(())
    }
}
