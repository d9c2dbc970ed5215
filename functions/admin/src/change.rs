//! `PATCH /admin/users/{id}`: changes an account.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use shared::domain::{
    Account, AccountChange, ClaimsPatch, Event, FieldError, Locale, Name, Role, Status, Violation,
};
use shared::http::{Fields, Media, Preconditions, Problem, domain_name, etag, json};
use shared::store::Administered;

use super::{Admin, tag};

/// The members of a merge patch (RFC 7396).
struct Patch {
    status: Option<Status>,
    roles: Option<Vec<Role>>,
    claims: Option<ClaimsPatch>,
    first_name: Option<Name>,
    last_name: Option<Name>,
    locale: Option<Option<Locale>>,
}

impl Admin {
    /// The number of tries for an account that changes in the meantime.
    const TRIES: usize = 5;

    /// Changes an account if the preconditions hold, and answers as it is then. No administrator
    /// disables or demotes themselves.
    ///
    /// # Errors
    ///
    /// Returns 404 if there is no such account or it is being deleted, 409 if it is the sender's own
    /// and they would be no administrator any more, 412 if a precondition does not hold, and 422 if
    /// new roles or claims make the tokens of the account too long.
    pub(super) async fn change(
        &self,
        actor: &Account,
        id: &str,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        let patch = read(request)?;
        let preconditions = Preconditions::of(request);
        let origin = self.origin(request);
        for _ in 0..Self::TRIES {
            let read = self.find(id).await?;
            if read.status == Status::Deleting {
                return Err(Problem::NotFound);
            }
            let wanted = patch.change_of(&read)?;
            if read.id == actor.id && wanted.removes_administrator() {
                return Err(Problem::OwnAccount);
            }
            if let Err(unmet) = preconditions.check(&tag(&read)?) {
                // RFC 9110 section 13.1.1: a change that was made already may be answered as made.
                let mut versions = preconditions.wanted().filter_map(etag::version);
                return match versions.any(|version| wanted.was_made(version, &read)) {
                    true if !wanted.is_empty() => answer(&read),
                    _ => Err(unmet.into()),
                };
            }
            let change = wanted.differing_from(&read);
            if change.is_empty() {
                return answer(&read);
            }
            if !self.token_size.takes(&change, &read, domain_name(request)) {
                return Err(too_long(&change.applied_to(&read)));
            }
            let events = change.events(read.id, actor.id, &origin);
            let changed = self
                .store
                .administer(Some(actor), &read, &change, true, &events);
            match changed.await? {
                Administered::Done(account) => {
                    events.into_iter().for_each(Event::log);
                    if change.ends_sessions() {
                        self.store.remove_ended_sessions(account.id, None).await;
                    }
                    return answer(&account);
                }
                Administered::Stale if preconditions.hold_for_any() => {}
                Administered::Stale => break,
                Administered::Gone => return Err(Problem::NotFound),
                Administered::ActorGone => return Err(Problem::Forbidden),
            }
        }
        Err(Problem::PreconditionFailed)
    }

    /// Checks that verifiers would accept the access tokens of an account.
    ///
    /// # Errors
    ///
    /// Returns 422 if they would be too long.
    pub(super) fn check_size(&self, account: &Account, request: &Request) -> Result<(), Problem> {
        if self.token_size.fits(account, domain_name(request)) {
            return Ok(());
        }
        Err(too_long(account))
    }
}

impl Patch {
    /// Returns the change that the patch makes of `account`.
    ///
    /// # Errors
    ///
    /// Returns 422 if the account would have too many claims.
    fn change_of(&self, account: &Account) -> Result<AccountChange, Problem> {
        let claims = self.claims.as_ref();
        let claims = claims.map(|claims| claims.applied_to(&account.claims));
        let claims = claims.transpose().map_err(|reason| of("claims", reason))?;
        Ok(AccountChange {
            status: self.status,
            roles: self.roles.clone(),
            claims,
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            locale: self.locale.clone(),
        })
    }
}

/// Returns the problem of an account whose tokens would be too long.
fn too_long(account: &Account) -> Problem {
    let member = match account.claims.is_empty() {
        true => "roles",
        false => "claims",
    };
    let detail = "makes the access tokens of the account longer than they may be";
    of(member, Violation::new("too-long", detail))
}

/// Returns the problem of one member.
fn of(member: &str, reason: Violation) -> Problem {
    Problem::InvalidFields(vec![FieldError::of_member(member, reason)])
}

fn answer(account: &Account) -> Result<Response<Body>, Problem> {
    let response = json(StatusCode::OK, &account.operator_view())?;
    Ok(etag::tagged(response, &tag(account)?))
}

fn read(request: &Request) -> Result<Patch, Problem> {
    let mut fields = Fields::read(request, Media::MergePatch)?;
    let status = fields.optional("status", |text| match text {
        "active" => Ok(Status::Active),
        "disabled" => Ok(Status::Disabled),
        _ => Err(Violation::new(
            "invalid-status",
            "is neither active nor disabled",
        )),
    });
    let roles = fields.optional_json("roles", Account::parse_roles);
    let claims = fields.optional_json("claims", ClaimsPatch::parse);
    let first_name = fields.optional("first_name", Name::parse);
    let last_name = fields.optional("last_name", Name::parse_last);
    let locale = fields.nullable("locale", Locale::parse);
    fields.finish(|| {
        Some(Patch {
            status,
            roles,
            claims,
            first_name,
            last_name,
            locale,
        })
    })
}
