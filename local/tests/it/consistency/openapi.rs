//! Checks docs/openapi.yaml against the code and template.yaml: routes, codes, schemas and
//! examples.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{HeaderValue, Method, StatusCode};
use local::template::Template;
use serde_json::{Value, json};
use shared::http::Media;
use shared::http::problem::{Problem, TokenRejection};

use crate::support::app::{Answer, App, options, root, template_document, text};
use crate::support::openapi::{
    AnswerExample, Operation, Part, RequestExample, answer_examples, cases, described,
};
use crate::support::private::{own_routes, without_private};

/// The examples of answers that the tests cannot cause: operation, name, and reason.
pub(super) const NOT_CAUSED: [(&str, &str, &str); 4] = [
    (
        "forgotPassword",
        "internal",
        "it reads nothing that is stored",
    ),
    (
        "resendVerification",
        "internal",
        "it reads nothing that is stored",
    ),
    (
        "*",
        "throttled",
        "API Gateway's own throttle, which `cargo run` does not imitate",
    ),
    (
        "register",
        "internal",
        "it reads nothing that is stored; what is left is a hash for which there is no memory",
    ),
];

pub(super) fn template() -> Template {
    template_document().with(&options().parameters).unwrap()
}

/// Returns one of each problem. A new variant does not compile until it is added here.
fn problems() -> Vec<Problem> {
    let all = vec![
        Problem::MalformedJson {
            place: String::new(),
        },
        Problem::InvalidCredentials,
        Problem::MissingToken,
        Problem::InvalidToken(TokenRejection::Expired),
        Problem::InvalidRefreshToken,
        Problem::WrongPassword,
        Problem::Forbidden,
        Problem::NotFound,
        Problem::MethodNotAllowed { allow: "GET" },
        Problem::EmailTaken,
        Problem::PreconditionFailed,
        Problem::BodyTooLarge { most: 1 },
        Problem::UnsupportedMediaType {
            expected: Media::Json,
        },
        Problem::InvalidFields(Vec::new()),
        Problem::TooManyAttempts { seconds: 1 },
        Problem::Internal("".into()),
        Problem::Unavailable("".into()),
        Problem::RegistrationClosed,
        Problem::InvalidLink,
        Problem::ReauthenticationRequired,
        Problem::InsufficientScope { scope: "a" },
        Problem::OwnAccount,
    ];
    let place = |problem: &Problem| match problem {
        Problem::MalformedJson { .. } => 0,
        Problem::InvalidCredentials => 1,
        Problem::MissingToken => 2,
        Problem::InvalidToken(_) => 3,
        Problem::InvalidRefreshToken => 4,
        Problem::WrongPassword => 5,
        Problem::Forbidden => 6,
        Problem::NotFound => 7,
        Problem::MethodNotAllowed { .. } => 8,
        Problem::EmailTaken => 9,
        Problem::PreconditionFailed => 10,
        Problem::BodyTooLarge { .. } => 11,
        Problem::UnsupportedMediaType { .. } => 12,
        Problem::InvalidFields(_) => 13,
        Problem::TooManyAttempts { .. } => 14,
        Problem::Internal(_) => 15,
        Problem::Unavailable(_) => 16,
        Problem::RegistrationClosed => 17,
        Problem::InvalidLink => 18,
        Problem::ReauthenticationRequired => 19,
        Problem::InsufficientScope { .. } => 20,
        Problem::OwnAccount => 21,
    };
    assert!(all.iter().map(place).eq(0..22));
    all
}

fn enumeration(name: &str) -> BTreeSet<String> {
    let schema = &described().document["components"]["schemas"][name];
    let codes = schema["enum"].as_array().unwrap().iter();
    codes
        .map(|code| code.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_route_of_the_template_is_an_operation_and_every_operation_a_route() {
    let of_template: BTreeSet<_> = own_routes(&template())
        .map(|route| {
            let key = format!("{} {}", route.method, route.path);
            (key, route.function.clone(), route.authorized)
        })
        .collect();
    let of_document: BTreeSet<_> = described()
        .operations()
        .map(|operation| {
            let key = format!("{} {}", operation.method.to_uppercase(), operation.path);
            let tags = operation.value["tags"].as_array().unwrap();
            assert_eq!(tags.len(), 1, "{key}");
            let function = tags[0].as_str().unwrap().to_owned();
            (key, function, !operation.is_public())
        })
        .collect();
    assert_eq!(of_document, of_template);

    let document = &described().document;
    assert_eq!(document["security"], json!([{ "accessToken": [] }]));
    let scheme = &document["components"]["securitySchemes"]["accessToken"];
    assert_eq!(scheme["scheme"], "bearer");
    // Operations either say nothing about security or are public.
    let public = described().operations().filter(Operation::is_public);
    let silent = described().operations();
    let silent = silent.filter(|operation| operation.value["security"].is_null());
    assert_eq!(public.count() + silent.count(), of_template.len());

    let tags = document["tags"].as_array().unwrap().iter();
    let tags: BTreeSet<_> = tags.map(|tag| text(tag, "name")).collect();
    let functions = of_template.into_iter().map(|(_, function, _)| function);
    assert_eq!(tags, functions.collect());
}

#[test]
fn it_is_of_this_version_and_its_names_are_unique() {
    let info = &described().document["info"];
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    let ids: Vec<_> = described().operations().map(|o| o.id()).collect();
    let unique: BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

#[test]
fn every_problem_is_described_with_its_status_and_no_other_is() {
    let known: BTreeMap<_, _> = problems()
        .iter()
        .map(|problem| (problem.code().to_owned(), problem.status().as_u16()))
        .collect();
    assert_eq!(
        enumeration("ProblemCode"),
        known.keys().cloned().collect::<BTreeSet<_>>()
    );
    let mut seen = BTreeSet::new();
    let operations = described().operations();
    let examples = operations.flat_map(|operation| operation.answer_examples());
    let unused = cases()["answers"].as_object().unwrap().iter();
    let unused = unused.flat_map(|(status, of)| answer_examples(status.parse().unwrap(), of));
    for example in examples.chain(unused) {
        if example.media_type == "application/problem+json" {
            let code = text(example.value, "code");
            assert_eq!(known.get(&code), Some(&example.status), "{code}");
            assert_eq!(example.value["status"], example.status, "{code}");
            assert_eq!(
                example.value["type"],
                format!("urn:latchkey:problem:{code}")
            );
            seen.insert(code);
        }
    }
    assert_eq!(seen, known.into_keys().collect());
}

#[test]
fn every_code_of_a_fault_is_described_and_no_other_is() {
    let functions = without_private(template().environments().clone()).into_keys();
    let functions = functions.map(|name| root().join("functions").join(name));
    let mut folders: Vec<_> = functions.chain([root().join("shared")]).collect();
    let mut codes = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                let source = std::fs::read_to_string(&path).unwrap();
                let source = source.split("\nmod tests {").next().unwrap();
                for rest in source.split("Violation::new(").skip(1) {
                    let code = rest.trim_start().strip_prefix('"');
                    let code = code.unwrap_or_else(|| panic!("no code: {}", path.display()));
                    codes.insert(code.split('"').next().unwrap().to_owned());
                }
            }
        }
    }
    assert_eq!(enumeration("FieldErrorCode"), codes);
}

#[test]
fn every_request_and_every_answer_has_an_example_and_every_component_is_used() {
    let mut used = BTreeSet::new();
    references(&described().document, &mut used);
    for (kind, components) in described().document["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            let is_used = used.contains(&reference);
            assert_eq!(is_used, kind != "securitySchemes", "{reference}");
        }
    }
    for operation in described().operations() {
        let id = operation.id();
        let examples = operation.request_examples();
        for parameter in operation.parameters() {
            let is_of = |part: &Part<'_>| matches!(part, Part::Parameter(of) if *of == parameter);
            let has_example = examples.iter().any(|example| is_of(&example.part));
            assert!(has_example, "{id}: {parameter}");
        }
        let has_body = operation.value["requestBody"].is_object();
        let is_body = |part: &Part<'_>| matches!(part, Part::Body { .. });
        let shows_body = examples.iter().any(|e| e.shown && is_body(&e.part));
        assert_eq!(has_body, shows_body, "{id}");
        for (status, response) in operation.responses() {
            let examples = answer_examples(status, response);
            let media_types: BTreeSet<_> = examples.iter().map(|e| e.media_type).collect();
            let contents = response["content"].as_object();
            let described: BTreeSet<_> =
                contents.into_iter().flatten().map(|(k, _)| &**k).collect();
            assert_eq!(media_types, described, "{id}, {status}");
            assert_eq!(
                [202, 204, 304].contains(&status),
                contents.is_none(),
                "{id}"
            );
        }
    }
}

/// Collects all references below `value`.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str().filter(|text| text.starts_with("#/")) {
                    // References also occur in a discriminator's mapping.
                    Some(reference) => {
                        found.insert(reference.to_owned());
                    }
                    None => references(value, found),
                }
                assert!(name != "$ref" || value.is_string(), "{value}");
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn examples_are_what_their_schemas_say() {
    for operation in described().operations() {
        for RequestExample {
            name, part, value, ..
        } in operation.request_examples()
        {
            let schema = match part {
                Part::Body { media_type } => {
                    &operation.value["requestBody"]["content"][media_type]["schema"]
                }
                Part::Parameter(parameter) => &parameter["schema"],
            };
            let schema = schema.to_string();
            let schema = schema.replace("\"#/", "\"urn:latchkey:openapi#/");
            let schema = serde_json::from_str(&schema).unwrap();
            let valid = described().validator(&schema).validate(value);
            let refused = of_name(operation, name).is_some_and(|example| example.status == 422);
            assert_eq!(
                valid.is_err(),
                (refused && !is_beyond_schemas(name)) || name == "no-route",
                "{name} of {}: {valid:?}",
                operation.id()
            );
        }
        for example in operation.answer_examples() {
            let response = &operation.value["responses"][example.status.to_string()];
            let response = described().resolve(response);
            let schema = &response["content"][example.media_type]["schema"];
            let schema = schema["$ref"].as_str().unwrap();
            let schema = json!({ "$ref": schema.replacen('#', "urn:latchkey:openapi:strict#", 1) });
            let valid = described().validator(&schema).validate(example.value);
            assert!(valid.is_ok(), "{}: {valid:?}", example.name);
        }
    }
}

/// What the document shows is copied by readers and sent by mocks, and must succeed.
#[test]
fn every_request_that_is_shown_succeeds_and_every_case_of_the_tests_does_not() {
    let mut with_cases = BTreeSet::new();
    for operation in described().operations() {
        let succeeds = |name: &str| match of_name(operation, name) {
            Some(answer) => answer.status < 300,
            None => name != "not-modified",
        };
        for example in operation.request_examples() {
            let (id, name) = (operation.id(), example.name);
            assert_eq!(example.shown, succeeds(name), "{name} of {id}");
            if !example.shown {
                with_cases.insert(id);
            }
        }
    }
    let known = cases()["requests"].as_object().unwrap().keys();
    assert_eq!(with_cases, known.map(String::as_str).collect());
}

/// A value of a link is text or one expression (OpenAPI 3.1.1, section 4.8.20): an object with
/// expressions in it would be sent as it is written.
#[test]
fn links_lead_to_operations_and_have_one_expression_for_each_value() {
    let document = &described().document;
    let of = |id: &Value| described().operations().find(move |o| o.id() == *id);
    let answers = described().operations().flat_map(|o| o.responses());
    let links = answers.filter_map(|(_, answer)| answer["links"].as_object());
    let links: Vec<_> = links.flat_map(|links| links.values()).collect();
    assert!(!links.is_empty(), "{document}");
    for link in links {
        let target = of(&link["operationId"]).unwrap_or_else(|| panic!("{link}"));
        let known = target.parameters().into_iter();
        let known = known.map(|p| format!("{}.{}", text(p, "in"), text(p, "name")));
        let known: BTreeSet<_> = known.collect();
        let parameters = link["parameters"].as_object().into_iter().flatten();
        for (name, value) in parameters {
            assert!(known.contains(name), "{link}");
            assert!(value.as_str().is_some_and(|e| e.starts_with('$')), "{link}");
        }
        let body = &link["requestBody"];
        let is_expression = body.as_str().is_some_and(|body| body.starts_with('$'));
        assert!(body.is_null() || is_expression, "{link}");
    }
}

/// The classes that openapi-generator adds to a client, in Go, Java, PHP, Python or TypeScript. A
/// schema with such a name does not compile, or hides the class.
const OF_GENERATORS: [&str; 10] = [
    "ApiClient",
    "ApiException",
    "ApiResponse",
    "Configuration",
    "ErrorContext",
    "Middleware",
    "Pair",
    "RequestContext",
    "RequestOpts",
    "ServerConfiguration",
];

#[test]
fn no_schema_has_the_name_of_a_class_that_generators_add() {
    let schemas = &described().document["components"]["schemas"];
    for name in OF_GENERATORS {
        assert!(schemas[name].is_null(), "{name}");
    }
}

/// Returns whether only zxcvbn, or a look at the account, can refuse the example, since a schema
/// cannot.
fn is_beyond_schemas(name: &str) -> bool {
    ["invalid-email-change", "invalid-password-change"].contains(&name)
}

/// Returns the example of an answer with this name.
pub(super) fn of_name<'a>(operation: Operation<'a>, name: &str) -> Option<AnswerExample<'a>> {
    let examples = operation.answer_examples().into_iter();
    examples.into_iter().find(|example| example.name == name)
}

/// Checks that all other tests notice answers that are not as described.
#[tokio::test]
async fn an_answer_that_is_not_described_is_noticed() {
    let app = App::start().await;
    let ada = app.user("ada@example.com").await;
    let shown = async || ada.get("/profile").send().await;
    let fault = |answer: &Answer| described().fault(&Method::GET, "/profile", answer);
    assert_eq!(fault(&shown().await), None);
    let changed = async |change: fn(&mut Answer)| {
        let mut answer = shown().await;
        change(&mut answer);
        fault(&answer).unwrap_or_default()
    };
    let member = changed(|answer| answer.body = answer.body.replacen('{', "{\"age\":1,", 1));
    assert!(member.await.contains("'age'"));
    let missing = changed(|answer| answer.body = answer.body.replacen("\"roles\"", "\"role\"", 1));
    assert!(missing.await.contains("role"));
    let format = changed(|answer| answer.body = answer.body.replacen("\"20", "\"on 20", 1));
    assert!(format.await.contains("date-time"));
    let status = changed(|answer| answer.status = StatusCode::ACCEPTED);
    assert_eq!(status.await, "202 is not described");
    let lost = changed(|answer| drop(answer.headers.remove("etag")));
    assert_eq!(lost.await, "the header etag is missing");
    let other = changed(|answer| {
        let value = HeaderValue::from_static("public");
        answer.headers.insert("cache-control", value);
    });
    assert!(other.await.starts_with("the header cache-control"));
    let added = changed(|answer| {
        let value = HeaderValue::from_static("1");
        answer.headers.insert("x-version", value);
    });
    assert_eq!(added.await, "the header x-version is not described");
    let code = changed(|answer| {
        answer.status = StatusCode::UNAUTHORIZED;
        let response = Problem::WrongPassword.to_response("r-1");
        answer.headers.extend(response.headers().clone());
        answer.body = String::from_utf8(response.body().to_vec()).unwrap();
    });
    assert!(code.await.contains("\"wrong-password\" is in no example"));
    let path = described().fault(&Method::GET, "/profiles", &shown().await);
    assert_eq!(path.as_deref(), Some("there is no such operation"));
    let short =
        json!({"email": "a@b.example", "password": "short", "first_name": "A", "last_name": "B"});
    let short = short.to_string();
    let taken = described().fault_of_taken(&Method::POST, "/register", short.as_bytes());
    assert!(taken.is_some());
}
