//! `POST /refresh`: exchanges a refresh token for an access token and the next refresh token.
//!
//! This takes two requests to DynamoDB, one after the other: a read of session and account, and one
//! conditional write. The access token is signed between them, so a failure of the key changes
//! nothing. A client that gets no response presents the same token again.

use lambda_http::{Body, Request, Response};
use shared::domain::session::{Presented, RefreshToken, Session};
use shared::domain::{Account, Status};
use shared::http::{Problem, gateway_context, tokens};
use shared::observe::request_log;
use shared::observe::{AuditEvent, EndedBy};
use shared::store::sessions::Rotated;

use crate::{Sessions, token};

/// A refresh token that can be exchanged.
enum Redeemable {
    /// The token is current: `next` replaces the session, and `successor` the token.
    Current {
        next: Session,
        successor: RefreshToken,
    },
    /// The token was replaced by this successor within the grace time.
    JustReplaced(RefreshToken),
}

impl Sessions {
    /// Returns the response with the next pair of tokens.
    ///
    /// # Errors
    ///
    /// Returns 401 if the token does not belong to a live session of an active account, the same
    /// for every reason. A token that is presented again after its replacement ends its session.
    pub(crate) async fn refresh(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let token = token(request)?.ok_or(Problem::InvalidRefreshToken)?;
        let now = self.clock.now();
        let (session, account) = self.store.session_and_account(&token).await?;
        let session = session.ok_or(Problem::InvalidRefreshToken)?;
        let redeemable = match session.present(&token, &self.policy, self.grace_seconds, now) {
            Presented::Current { next, successor } => Redeemable::Current { next, successor },
            Presented::JustReplaced(successor) => Redeemable::JustReplaced(successor),
            Presented::Reused => return self.reused(&session).await,
            Presented::Unknown => return Err(Problem::InvalidRefreshToken),
        };
        request_log::record_user(session.user_id);
        let account = account.filter(|account| may_continue(account, &session));
        let account = account.ok_or(Problem::InvalidRefreshToken)?;
        let gateway = gateway_context(request);
        let domain_name = gateway.and_then(|gateway| gateway.domain_name.as_deref());
        let access_token = self
            .issuer
            .issue(&account, session.id, domain_name, now)
            .await?;
        let (session, successor) = match redeemable {
            Redeemable::Current { next, successor } => {
                self.rotate(&token, &session, next, successor, now).await?
            }
            Redeemable::JustReplaced(successor) => (session, successor),
        };
        tokens(&access_token, &successor, &session, now)
    }

    /// Replaces the current token. Returns the session after that, with its current token.
    ///
    /// # Errors
    ///
    /// Returns 401 if the session has ended or the token has become invalid in the meantime.
    async fn rotate(
        &self,
        token: &RefreshToken,
        session: &Session,
        next: Session,
        successor: RefreshToken,
        now: u64,
    ) -> Result<(Session, RefreshToken), Problem> {
        let began_after = now.saturating_sub(self.policy.max_seconds);
        let rotated = self.store.rotate_session(session, &next, began_after);
        match rotated.await? {
            Rotated::Done => Ok((next, successor)),
            // This very replacement is stored: another call was faster, or an earlier try succeeded
            // and its answer was lost.
            Rotated::Refused(Some(found)) if found.refresh_hash == next.refresh_hash => {
                Ok((next, successor))
            }
            Rotated::Refused(Some(found)) => self.overtaken(token, *found, now).await,
            Rotated::Refused(None) => Err(Problem::InvalidRefreshToken),
        }
    }

    /// Checks the token again after its session has changed since it was read.
    async fn overtaken(
        &self,
        token: &RefreshToken,
        found: Session,
        now: u64,
    ) -> Result<(Session, RefreshToken), Problem> {
        match found.present(token, &self.policy, self.grace_seconds, now) {
            Presented::JustReplaced(successor) => Ok((found, successor)),
            Presented::Reused => self.reused(&found).await,
            Presented::Current { .. } | Presented::Unknown => Err(Problem::InvalidRefreshToken),
        }
    }

    /// Ends a session whose refresh token was replayed.
    async fn reused<T>(&self, session: &Session) -> Result<T, Problem> {
        AuditEvent::RefreshTokenReused
            .of(session.user_id)
            .session(session.id)
            .log();
        self.end(session.user_id, session.id, 0, EndedBy::Reuse)
            .await?;
        Err(Problem::InvalidRefreshToken)
    }
}

/// Returns whether the account is active and still has the password with which the session began.
fn may_continue(account: &Account, session: &Session) -> bool {
    account.status == Status::Active && account.password_epoch == session.password_epoch
}
