//! The API as a conversation, for editors that send requests from a file: docs/latchkey.http, made of
//! the description's examples and links.
//!
//! What one answer gives to a later request is written as REST Client for VS Code and Visual Studio
//! read it: `{{login.response.body.$.access_token}}`.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

use crate::openapi::{METHODS, resolve};

/// The operations, in an order in which each succeeds. The password has changed before the deletion
/// asks for it, and tokens outlive their session for a while.
const STORY: [&str; 14] = [
    "register",
    "login",
    "getProfile",
    "replaceProfile",
    "changeProfile",
    "changePassword",
    "refresh",
    "listSessions",
    "endSession",
    "logout",
    "endSessions",
    "getKeys",
    "getConfiguration",
    "deleteAccount",
];

const HEAD: &str = "\
# Latchkey's API as a conversation: send the requests from the top to the bottom, and all of them succeed. For the
# extension REST Client of VS Code, and for Visual Studio: they carry tokens from an answer to later requests.
#
# Made from docs/openapi.yaml: cargo run -p local --bin collection > docs/latchkey.http

@host = http://127.0.0.1:3000
";

/// An operation of the description.
struct Operation<'a> {
    id: &'a str,
    method: &'a str,
    path: &'a str,
    value: &'a Value,
}

/// What an earlier operation's answer says of a later operation.
struct Link<'a> {
    from: &'a str,
    value: &'a Value,
}

/// The collection of a description.
///
/// # Errors
///
/// Where the description has an operation that has no place in the conversation, or the other way
/// round.
pub fn of(document: &Value) -> anyhow::Result<String> {
    let paths = document["paths"].as_object().context("it has no paths")?;
    let mut operations = Vec::new();
    for (path, item) in paths {
        for method in METHODS {
            let value = &item[method];
            if let Some(id) = value["operationId"].as_str() {
                if !STORY.contains(&id) {
                    bail!(
                        "{id} has no place in the conversation: see STORY in local/src/collection.rs"
                    );
                }
                operations.push(Operation {
                    id,
                    method,
                    path,
                    value,
                });
            }
        }
    }
    let mut text = HEAD.to_owned();
    let mut told: Vec<&Operation<'_>> = Vec::new();
    for id in STORY {
        let mut found = operations.iter();
        let operation = found.find(|operation| operation.id == id);
        let operation = operation.with_context(|| format!("it has no operation {id}"))?;
        write_request(&mut text, document, operation, &told)?;
        told.push(operation);
    }
    Ok(text)
}

fn write_request(
    text: &mut String,
    document: &Value,
    operation: &Operation<'_>,
    told: &[&Operation<'_>],
) -> anyhow::Result<()> {
    let Operation {
        id,
        method,
        path,
        value,
    } = operation;
    let link = told.iter().rev().find_map(|from| link(document, from, id));
    let given = |place: &str, name: &str| {
        let link = link.as_ref()?;
        let expression = link.value["parameters"][format!("{place}.{name}")].as_str()?;
        variable(link.from, expression)
    };

    let mut path = (*path).to_owned();
    let mut headers = Vec::new();
    for parameter in value["parameters"].as_array().into_iter().flatten() {
        let parameter = resolve(document, parameter);
        let name = parameter["name"].as_str().unwrap_or_default();
        match parameter["in"].as_str() {
            Some("path") => {
                let value = given("path", name);
                let value = value.with_context(|| format!("no link gives {name} to {id}"))?;
                path = path.replace(&format!("{{{name}}}"), &value);
            }
            Some("header") => headers.extend(given("header", name).map(|value| (name, value))),
            _ => {}
        }
    }
    if value["security"].is_null() {
        let mut earlier = told.iter().rev();
        let tokens = earlier.find(|operation| gives_tokens(operation));
        let tokens = tokens.with_context(|| format!("nothing before {id} gives a token"))?;
        let token = format!("{{{{{}.response.body.$.access_token}}}}", tokens.id);
        headers.push(("Authorization", format!("Bearer {token}")));
    }
    let body = body(document, value, link.as_ref());
    if let Some((media_type, _)) = &body {
        headers.push(("Content-Type", (*media_type).to_owned()));
    }

    let summary = value["summary"].as_str().unwrap_or_default();
    write!(text, "\n### {summary}\n# @name {id}\n")?;
    writeln!(text, "{} {{{{host}}}}{path}", method.to_uppercase())?;
    for (name, value) in headers {
        writeln!(text, "{name}: {value}")?;
    }
    if let Some((_, body)) = body {
        writeln!(text, "\n{}", serde_json::to_string_pretty(&body)?)?;
    }
    Ok(())
}

/// The link from one operation's good answer to another operation.
fn link<'a>(document: &'a Value, from: &Operation<'a>, to: &str) -> Option<Link<'a>> {
    let (_, good) = good_answer(from.value)?;
    let mut links = resolve(document, good)["links"].as_object()?.values();
    let value = links.find(|link| link["operationId"] == to)?;
    Some(Link {
        from: from.id,
        value,
    })
}

fn good_answer(operation: &Value) -> Option<(&String, &Value)> {
    let mut responses = operation["responses"].as_object()?.iter();
    responses.find(|(status, _)| status.starts_with('2'))
}

fn gives_tokens(operation: &Operation<'_>) -> bool {
    good_answer(operation.value).is_some_and(|(_, answer)| {
        answer["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/Tokens"
    })
}

/// The body of a request that succeeds: the example that no refusal has, with what a link gives.
fn body<'a>(
    document: &Value,
    operation: &'a Value,
    link: Option<&Link<'_>>,
) -> Option<(&'a str, Map<String, Value>)> {
    let contents = operation["requestBody"]["content"].as_object()?;
    // The type that says the most: a merge patch rather than plain JSON.
    let (media_type, content) = contents.iter().next_back()?;
    let refusals = operation["responses"].as_object()?.iter();
    let refusals = refusals.filter(|(status, _)| !status.starts_with('2'));
    let is_refused = |name: &String| {
        refusals.clone().any(|(_, response)| {
            let contents = resolve(document, response)["content"].as_object();
            let mut contents = contents.into_iter().flatten();
            contents.any(|(_, content)| content["examples"].get(name).is_some())
        })
    };
    let mut examples = content["examples"].as_object()?.iter();
    let (_, example) = examples.find(|(name, _)| !is_refused(name))?;
    let mut body = example["value"].as_object()?.clone();
    if let Some(link) = link {
        for (name, expression) in link.value["requestBody"].as_object().into_iter().flatten() {
            let given = variable(link.from, expression.as_str()?)?;
            body.insert(name.clone(), Value::from(given));
        }
    }
    Some((media_type, body))
}

/// A runtime expression of OpenAPI (section 4.8.20.3 of 3.1.1) as a variable of the collection.
fn variable(from: &str, expression: &str) -> Option<String> {
    let (message, rest) = expression.strip_prefix('$')?.split_once('.')?;
    let place = match rest.split_once('#') {
        Some(("body", pointer)) => {
            let steps = pointer.split('/').skip(1);
            let steps = steps.map(|step| match step.parse::<usize>() {
                Ok(place) => format!("[{place}]"),
                Err(_) => format!(".{step}"),
            });
            format!("body.${}", steps.collect::<String>())
        }
        _ => format!("headers.{}", rest.strip_prefix("header.")?),
    };
    Some(format!("{{{{{from}.{message}.{place}}}}}"))
}
