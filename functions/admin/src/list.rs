//! `GET /admin/users`: lists and finds accounts.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, RequestExt as _, Response};
use serde::Serialize;
use shared::domain::{Account, Email, FieldError, Role, UserId, Violation, rfc3339};
use shared::http::{ListCursor, Problem, cursor, json};
use shared::store::directory::{Listed, Position};

use super::Admin;

/// The most accounts in one response.
const MOST: usize = 100;
/// The number of accounts in one response if the request does not say.
const USUAL: usize = 50;

/// A page of accounts, by address.
#[derive(Serialize)]
struct List {
    users: Vec<Summary>,
    /// The `cursor` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// An account in a list.
#[derive(Serialize)]
struct Summary {
    id: UserId,
    email: String,
    status: &'static str,
    date_joined: String,
    roles: Vec<Role>,
}

/// The parameters of a request.
struct Query {
    email: Option<Email>,
    prefix: Option<String>,
    limit: usize,
}

impl Admin {
    /// Lists all accounts, those whose address begins with a prefix, or the one that has an address.
    ///
    /// # Errors
    ///
    /// Returns 404 if the deployment has no directory and the request names no whole address, and
    /// 422 if a parameter is malformed.
    pub(super) async fn list(&self, request: &Request) -> Result<Response<Body>, Problem> {
        let query = read(request)?;
        let list = match &query.email {
            Some(email) => List {
                users: self
                    .store
                    .account_at(email)
                    .await?
                    .iter()
                    .map(Summary::of)
                    .collect(),
                next_cursor: None,
            },
            None => self.page(&query, request).await?,
        };
        json(StatusCode::OK, &list)
    }

    /// Returns a page of the directory.
    async fn page(&self, query: &Query, request: &Request) -> Result<List, Problem> {
        let directory = self.directory.as_ref().ok_or(Problem::NotFound)?;
        let now = self.clock.now();
        let prefix = query.prefix.as_deref();
        let of_list = ListCursor {
            kind: "users",
            query: prefix.unwrap_or_default(),
        };
        let after: Option<Position> = cursor(request, |text| of_list.read(text, now)?.parse())?;
        let page = directory.page(prefix, after.as_ref(), query.limit).await?;
        let next = page.next.as_ref();
        Ok(List {
            users: page.accounts.iter().map(Summary::listed).collect(),
            next_cursor: next.map(|last| of_list.write(last.as_str(), now)),
        })
    }
}

impl Summary {
    fn listed(listed: &Listed) -> Self {
        Self {
            id: listed.id,
            email: listed.email.as_str().to_owned(),
            status: listed.status.name(),
            date_joined: rfc3339(listed.date_joined),
            roles: listed.roles.clone(),
        }
    }

    fn of(account: &Account) -> Self {
        Self {
            id: account.id,
            email: account.email.as_str().to_owned(),
            status: account.status.name(),
            date_joined: rfc3339(account.date_joined),
            roles: account.roles.clone(),
        }
    }
}

/// Reads the parameters of the request.
fn read(request: &Request) -> Result<Query, Problem> {
    let parameters = request.query_string_parameters_ref();
    let first = |name: &str| parameters.and_then(|given| given.first(name));
    let mut errors = Vec::new();
    let mut refuse = |reason| errors.push(FieldError::of_body(reason));
    let email = first("email").map(Email::parse).transpose();
    let email = email.unwrap_or_else(|reason| {
        refuse(reason);
        None
    });
    let prefix = first("prefix").filter(|prefix| !prefix.is_empty());
    if first("email").is_some() && (prefix.is_some() || first("cursor").is_some()) {
        refuse(Violation::new(
            "ambiguous-query",
            "has email and another parameter that selects accounts",
        ));
    }
    let limit = match first("limit").map(str::parse) {
        None => USUAL,
        Some(Ok(limit)) if (1..=MOST).contains(&limit) => limit,
        Some(_) => {
            let detail = format!("has a parameter limit that is not a number from 1 to {MOST}");
            refuse(Violation::new("invalid-limit", detail));
            USUAL
        }
    };
    match errors.is_empty() {
        true => Ok(Query {
            email,
            prefix: prefix.map(str::to_owned),
            limit,
        }),
        false => Err(Problem::InvalidFields(errors)),
    }
}
