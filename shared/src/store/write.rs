//! Why transactions are cancelled.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;

use super::Conflicts;

/// Whether a condition of the transaction did not hold.
pub(super) fn refused_by_condition(fault: &TransactWriteItemsError) -> bool {
    reasons(fault).iter().any(refuses)
}

/// Whether this action's condition did not hold.
pub(super) fn refuses(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// One reason an action, in their order; none where the transaction was not cancelled.
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
        let conflict = |reason: &CancellationReason| reason.code() == Some("TransactionConflict");
        // Where a condition does not hold either, trying again will not mend it.
        !refused_by_condition(self)
            && (reasons(self).iter().any(conflict) || self.is_transaction_in_progress_exception())
    }
}
