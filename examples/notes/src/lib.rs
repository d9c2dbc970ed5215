//! `GET POST /notes`, `GET /users/{id}/notes`: lists and creates the notes of the caller, and shows
//! an administrator those of any user.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Request, RequestExt as _, Response};
use serde::Serialize;
use shared::aws;
use shared::domain::{FieldError, UserId, Violation, rfc3339};
use shared::http::{Authenticator, Fields, Handler, Media, Problem, json};
use shared::platform::{Clock, ConfigError, Env, random};
use uuid::{Builder, Uuid};

/// The role that may read the notes of others.
const ADMIN: &str = "admin";

/// The most notes in one response.
const PAGE: i32 = 100;

/// Lists and creates notes.
pub struct Notes {
    client: Client,
    table: String,
    authenticator: Authenticator,
    clock: Clock,
}

/// A page of notes, latest first.
#[derive(Serialize)]
struct List {
    notes: Vec<Note>,
    /// The `cursor` of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A note, as it is shown.
#[derive(Serialize)]
struct Note {
    id: String,
    text: String,
    created_at: String,
}

/// The text of a note, stored as written.
struct NoteText(String);

impl NoteText {
    /// The length of the longest text, in code points.
    const MAX_LENGTH: usize = 1000;

    /// Parses a text: 1 to 1000 code points, not blank.
    fn parse(text: &str) -> Result<Self, Violation> {
        if text.trim().is_empty() {
            return Err(Violation::new("blank", "is blank"));
        }
        if text.chars().count() > Self::MAX_LENGTH {
            let most = Self::MAX_LENGTH;
            let detail = format!("has more than {most} characters");
            return Err(Violation::new("too-long", detail));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Notes {
    /// Reads `NOTES_TABLE`, and the settings of [`aws::config`] and [`Authenticator`].
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is missing or unusable.
    pub fn from_env(env: &Env<'_>, clock: Clock) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(&aws::config(env, "AWS_ENDPOINT_URL_DYNAMODB")?),
            table: env.required("NOTES_TABLE", "the name of the table of notes")?,
            authenticator: Authenticator::from_env(env, clock.clone())?,
            clock,
        })
    }

    /// Returns 200 with a page of a user's notes.
    async fn list(&self, owner: UserId, request: &Request) -> Result<Response<Body>, Problem> {
        let owner = AttributeValue::S(owner.to_string());
        let after = cursor(request)?.map(|id| {
            let id = AttributeValue::S(id.to_string());
            HashMap::from([("user_id".to_owned(), owner.clone()), ("id".to_owned(), id)])
        });
        let query = self.client.query().table_name(&self.table);
        let page = query
            .key_condition_expression("user_id = :owner")
            .expression_attribute_values(":owner", owner)
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(PAGE)
            .set_exclusive_start_key(after)
            .send()
            .await
            .map_err(|fault| Problem::Unavailable(aws::cause(fault)))?;
        let last = page.last_evaluated_key.as_ref();
        let list = List {
            notes: page.items().iter().map(read).collect::<Result<_, _>>()?,
            next_cursor: last.map(|key| text(key, "id")).transpose()?,
        };
        json(StatusCode::OK, &list)
    }

    /// Stores a note, and returns 201 with it.
    async fn create(&self, owner: UserId, request: &Request) -> Result<Response<Body>, Problem> {
        let NoteText(text) = new_text(request)?;
        let millis = self.clock.millis();
        let id = Builder::from_unix_timestamp_millis(millis, &random::octets()).into_uuid();
        let note = Note {
            id: id.to_string(),
            text,
            created_at: rfc3339(millis / 1000),
        };
        let put = self.client.put_item().table_name(&self.table);
        put.item("user_id", AttributeValue::S(owner.to_string()))
            .item("id", AttributeValue::S(note.id.clone()))
            .item("text", AttributeValue::S(note.text.clone()))
            .item("created_at", AttributeValue::S(note.created_at.clone()))
            .send()
            .await
            .map_err(|fault| Problem::Unavailable(aws::cause(fault)))?;
        json(StatusCode::CREATED, &note)
    }
}

impl Handler for Notes {
    async fn handle(&self, request: Request) -> Result<Response<Body>, Problem> {
        let caller = self.authenticator.identify(&request)?;
        let parameters = request.path_parameters_ref();
        let user = parameters.and_then(|parameters| parameters.first("id"));
        match (request.method().clone(), user) {
            (Method::GET, None) => self.list(caller.user_id, &request).await,
            (Method::POST, None) => self.create(caller.user_id, &request).await,
            (Method::GET, Some(user)) => {
                caller.require_role(ADMIN)?;
                // A text that is not an identifier names no user.
                let user = user.parse().map_err(|_| Problem::NotFound)?;
                self.list(user, &request).await
            }
            (_, None) => Err(Problem::MethodNotAllowed { allow: "GET, POST" }),
            (_, Some(_)) => Err(Problem::MethodNotAllowed { allow: "GET" }),
        }
    }
}

/// Reads the body of `POST /notes`.
fn new_text(request: &Request) -> Result<NoteText, Problem> {
    let mut fields = Fields::read(request, Media::Json)?;
    let text = fields.required("text", NoteText::parse);
    fields.finish(|| text)
}

/// Reads the id of the last note of the page before, if the request asks for the next page.
fn cursor(request: &Request) -> Result<Option<Uuid>, Problem> {
    let parameters = request.query_string_parameters_ref();
    let text = parameters.and_then(|parameters| parameters.first("cursor"));
    text.map(Uuid::try_parse).transpose().map_err(|_| {
        let reason = Violation::new(
            "invalid-cursor",
            "the cursor is not a next_cursor of an earlier response",
        );
        Problem::InvalidFields(vec![FieldError::of_body(reason)])
    })
}

/// Reads a stored note.
fn read(item: &HashMap<String, AttributeValue>) -> Result<Note, Problem> {
    Ok(Note {
        id: text(item, "id")?,
        text: text(item, "text")?,
        created_at: text(item, "created_at")?,
    })
}

/// Returns an attribute that every stored note has. If it is missing, the answer is 500, and the log
/// says why.
fn text(item: &HashMap<String, AttributeValue>, name: &str) -> Result<String, Problem> {
    let value = item.get(name).and_then(|value| value.as_s().ok());
    let unreadable = || format!("a stored note is unreadable: its attribute \"{name}\"");
    let value = value.ok_or_else(|| Problem::Internal(unreadable().into()))?;
    Ok(value.clone())
}
