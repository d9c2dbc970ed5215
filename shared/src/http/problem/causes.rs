//! Which problem the faults of other layers are.

use super::{Problem, TokenRejection};
use crate::domain::password::hasher::HashError;
use crate::domain::password::legacy::LegacyError;
use crate::store::StoreError;
use crate::tokens::issuer::IssueError;
use crate::tokens::signer::SignError;
use crate::tokens::verifier::TokenError;

impl From<TokenRejection> for Problem {
    fn from(rejection: TokenRejection) -> Self {
        Self::InvalidToken(rejection)
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        Self::InvalidToken(error.into())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => Self::Unavailable(Box::new(error)),
            StoreError::Corrupt { .. } => Self::Internal(Box::new(error)),
        }
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        match error {
            // A fault of the deployment, which an operator repairs.
            HashError::Imported(LegacyError::NoSecret(_) | LegacyError::UnusableSecret(_, _)) => {
                Self::Unavailable(Box::new(error))
            }
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::NoIssuer
            | IssueError::TooLong { .. }
            | IssueError::Sign(
                SignError::Claims(_) | SignError::TooLong { .. } | SignError::OtherKey { .. },
            ) => Self::Internal(Box::new(error)),
            IssueError::Sign(SignError::Key(_) | SignError::Kms(_)) => {
                Self::Unavailable(Box::new(error))
            }
        }
    }
}
