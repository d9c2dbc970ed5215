//! `POST /refresh`: exchanges a refresh token for an access token and the next refresh token.
//!
//! This takes two requests to DynamoDB, one after the other: a read of session and account, and one
//! conditional write. The access token is signed between them, so a failure of the key changes
//! nothing. A client that gets no response presents the same token again, whenever it can.

use lambda_http::{Body, Request, Response};
use shared::domain::session::{Presented, RefreshToken, Repeat, Repeats, Session, Verdict};
use shared::domain::{Account, Event, Mail, Origin, Status};
use shared::http::{Problem, domain_name, tokens};
use shared::observe::request_log;
use shared::observe::{AuditEvent, EndedBy, RepeatedFrom, RepeatedWhen};
use shared::store::refreshes::Refreshed;
use shared::tokens::issuer::AccessToken;

use crate::{Sessions, ended, token};

/// The number of times that a token is judged if its session changes between read and write. A
/// session can change six times before a token of it that was current is two behind.
const JUDGEMENTS: u32 = 8;

/// A token that can be exchanged.
struct Redeemable {
    successor: RefreshToken,
    /// How the token was presented, if it was replaced before.
    repeat: Option<Repeat>,
    write: Write,
}

/// What is to be written before a successor is returned.
enum Write {
    /// The session with its token replaced.
    Rotation(Box<Session>),
    /// The session's repeats.
    Repeats(Repeats),
    Nothing,
}

impl Sessions {
    /// Returns the response with the next pair of tokens.
    ///
    /// # Errors
    ///
    /// Returns 401 if the token does not belong to a live session of an active account, the same
    /// for every reason. A token that is presented again after its successor was used ends its
    /// session, and so do too many repeats.
    pub(crate) async fn refresh(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let token = token(request)?.ok_or(Problem::InvalidRefreshToken)?;
        let origin = self.origin(request);
        let now = origin.now();
        let (mut session, account) = self.session_and_account(&token).await?;
        let mut access_token = None;
        let mut repeated = None;
        for _ in 0..JUDGEMENTS {
            let redeemable = self.judge(&session, &token, &origin).await?;
            let access_token = match &access_token {
                Some(access_token) => access_token,
                None => {
                    let signed = self.sign(account.as_ref(), &session, request, now).await?;
                    access_token.insert(signed)
                }
            };
            if let (Some(repeat), None) = (&redeemable.repeat, &repeated) {
                // It is stored before the repeat is counted. If it were after that and failed, the
                // client would present the token again and be counted once more.
                let event = repeat_of(&session, repeat, &origin);
                self.store.record([&event]).await?;
                repeated = Some(event);
            }
            let began_after = now.saturating_sub(self.policy.max_seconds);
            let refreshed = match &redeemable.write {
                Write::Rotation(next) => {
                    let rotation = self.store.rotate_session(&session, next, began_after);
                    rotation.await?
                }
                Write::Repeats(repeats) => self.store.count_repeat(&session, repeats, now).await?,
                Write::Nothing => Refreshed::Done,
            };
            match refreshed {
                Refreshed::Done => {
                    if let (Some(repeat), Some(event)) = (&redeemable.repeat, repeated) {
                        event.log();
                        count(repeat);
                    }
                    if let Write::Rotation(next) = redeemable.write {
                        session = *next;
                    }
                    return tokens(access_token, &redeemable.successor, &session, now);
                }
                Refreshed::Refused(Some(found)) => session = *found,
                Refreshed::Refused(None) => return Err(Problem::InvalidRefreshToken),
            }
        }
        let cause = "other refreshes of the session were faster each time";
        Err(Problem::Unavailable(cause.into()))
    }

    /// Reads the session of a token, and its account. If the password was changed between the two,
    /// one of them is from before: both are read once more.
    ///
    /// # Errors
    ///
    /// Returns 401 if there is no such session.
    async fn session_and_account(
        &self,
        token: &RefreshToken,
    ) -> Result<(Session, Option<Account>), Problem> {
        let (user, session) = (token.user_id(), token.session_id());
        let read = self.store.session_and_account(user, session);
        let found = match read.await? {
            (Some(session), Some(account)) if session.password_epoch != account.password_epoch => {
                self.store.session_and_account(user, session.id).await?
            }
            found => found,
        };
        let (session, account) = found;
        Ok((session.ok_or(Problem::InvalidRefreshToken)?, account))
    }

    /// Returns how the token can be exchanged. Ends the session if the token was reused.
    ///
    /// # Errors
    ///
    /// Returns 401 if the token cannot be exchanged.
    async fn judge(
        &self,
        session: &Session,
        token: &RefreshToken,
        origin: &Origin,
    ) -> Result<Redeemable, Problem> {
        let presented = session.present(token, &origin.source(), &self.policy, origin.now());
        let (successor, repeat, write) = match presented {
            Presented::Current { next, successor } => {
                (successor, None, Write::Rotation(Box::new(next)))
            }
            Presented::Repeated { repeat, verdict } => match verdict {
                Verdict::Free(successor) => (successor, Some(repeat), Write::Nothing),
                Verdict::Counted { repeats, successor } => {
                    (successor, Some(repeat), Write::Repeats(repeats))
                }
                Verdict::TooMany => {
                    return self.reused(session, Some(&repeat), origin).await;
                }
            },
            Presented::Reused => return self.reused(session, None, origin).await,
            Presented::Unknown => return Err(Problem::InvalidRefreshToken),
        };
        Ok(Redeemable {
            successor,
            repeat,
            write,
        })
    }

    /// Signs an access token.
    ///
    /// # Errors
    ///
    /// Returns 401 if the account may not continue the session.
    async fn sign(
        &self,
        account: Option<&Account>,
        session: &Session,
        request: &Request,
        now: u64,
    ) -> Result<AccessToken, Problem> {
        request_log::record_user(session.user_id);
        let account = account.filter(|account| may_continue(account, session));
        let account = account.ok_or(Problem::InvalidRefreshToken)?;
        let domain_name = domain_name(request);
        let signed = self.issuer.issue(account, session, domain_name, now);
        Ok(signed.await?)
    }

    /// Ends a session whose refresh token was reused; `repeat` is the one too many, if that is why.
    async fn reused<T>(
        &self,
        session: &Session,
        repeat: Option<&Repeat>,
        origin: &Origin,
    ) -> Result<T, Problem> {
        let (user, id) = (session.user_id, session.id);
        let reused = AuditEvent::RefreshTokenReused.of(user).session(id);
        let reused = Event::new(reused, user, origin);
        let end = ended(user, id, EndedBy::Reuse, origin);
        let repeated = repeat.map(|repeat| repeat_of(session, repeat, origin));
        repeated.clone().into_iter().for_each(Event::log);
        repeat.into_iter().for_each(count);
        reused.clone().log();
        let told = reused.clone().mail(Mail::TokenReused);
        let events: Vec<_> = repeated
            .clone()
            .into_iter()
            .chain([told, end.clone()])
            .collect();
        if self.store.end_session_as_read(session, &events).await? {
            end.log();
        } else {
            // Something else has ended or renewed the session, so there is nothing to write to its
            // owner about.
            self.store.record(repeated.iter().chain([&reused])).await?;
        }
        Err(Problem::InvalidRefreshToken)
    }
}

/// Returns whether the account is active and still has the password with which the session began.
fn may_continue(account: &Account, session: &Session) -> bool {
    account.status == Status::Active && account.password_epoch == session.password_epoch
}

/// Returns the event of a repeat.
fn repeat_of(session: &Session, repeat: &Repeat, origin: &Origin) -> Event {
    let from = match repeat.from_other_network {
        true => RepeatedFrom::OtherNetwork,
        false => RepeatedFrom::SameNetwork,
    };
    let when = match repeat.within_grace {
        true => RepeatedWhen::WithinGrace,
        false => RepeatedWhen::AfterGrace,
    };
    let entry = AuditEvent::RefreshTokenRepeated.of(session.user_id);
    let entry = entry.session(session.id).by(from).because(when);
    Event::new(entry.source(repeat.network), session.user_id, origin)
}

/// Counts a repeat in the log of the request, unless it is free.
fn count(repeat: &Repeat) {
    if !repeat.is_free() {
        request_log::record(|log| request_log::one_more(&mut log.refresh_tokens_repeated));
    }
}
