//! Checks answers against docs/openapi.yaml. Applies to every answer that a test gets through the
//! gateway.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

use axum::http::{HeaderMap, Method};
use jsonschema::{Draft, Registry, Validator};
use local::openapi::{METHODS, document, resolve};
use serde_json::{Map, Value, json};

use crate::support::app::{Answer, template};
use crate::support::private::private_functions;

/// The name of the document in references from schemas.
const NAME: &str = "urn:latchkey:openapi";
/// The name of the same document with additional members forbidden.
const STRICT: &str = "urn:latchkey:openapi:strict";

/// The parsed description.
pub struct Described {
    pub document: Value,
    registry: Registry<'static>,
    paths: matchit::Router<String>,
    /// The paths of private functions.
    private: matchit::Router<()>,
    /// Validators by schema and by whether they check formats. Making one takes longer than using
    /// it.
    validators: Mutex<HashMap<(String, bool), Arc<Validator>>>,
}

/// An operation of the description.
#[derive(Clone, Copy)]
pub struct Operation<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub value: &'a Value,
}

/// An example of an answer.
pub struct AnswerExample<'a> {
    pub status: u16,
    pub media_type: &'a str,
    pub name: &'a str,
    pub value: &'a Value,
}

/// An example of a part of a request.
pub struct RequestExample<'a> {
    pub name: &'a str,
    pub part: Part<'a>,
    pub value: &'a Value,
    /// Whether docs/openapi.yaml shows it. The others are those of [`cases`].
    pub shown: bool,
}

/// A part of a request.
pub enum Part<'a> {
    Body { media_type: &'a str },
    Parameter(&'a Value),
}

/// Returns what the tests need and docs/openapi.yaml does not show.
pub fn cases() -> &'static Value {
    static CASES: OnceLock<Value> = OnceLock::new();
    const TEXT: &str = include_str!("../consistency/openapi_cases.yaml");
    CASES.get_or_init(|| local::template::document(TEXT).unwrap())
}

pub fn described() -> &'static Described {
    static DESCRIBED: OnceLock<Described> = OnceLock::new();
    DESCRIBED.get_or_init(|| {
        let document = document().unwrap();
        let mut strict = document.clone();
        for schema in members(&mut strict["components"]["schemas"]) {
            forbid_others(schema);
        }
        let registry = Registry::new().draft(Draft::Draft202012);
        let registry = registry.add(NAME, document.clone()).unwrap();
        let registry = registry.add(STRICT, strict).unwrap();
        let mut paths = matchit::Router::new();
        for path in document["paths"].as_object().unwrap().keys() {
            paths.insert(path, path.clone()).unwrap();
        }
        let mut private = matchit::Router::new();
        let template = template([]);
        let routes = template.routes().iter();
        let routes = routes.filter(|route| private_functions().contains(&route.function));
        for path in routes.map(|route| &route.path).collect::<BTreeSet<_>>() {
            private.insert(path, ()).unwrap();
        }
        Described {
            document,
            registry: registry.prepare().unwrap(),
            paths,
            private,
            validators: Mutex::default(),
        }
    })
}

impl Described {
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let paths = self.document["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, item)| {
            let named = METHODS.iter().filter_map(|method| {
                let value = item.get(method)?;
                Some(Operation {
                    method,
                    path,
                    value,
                })
            });
            named.collect::<Vec<_>>()
        })
    }

    /// Returns the operation that a request is for.
    fn operation(&self, method: &Method, path: &str) -> Option<Operation<'_>> {
        let found = self.paths.at(path).ok()?.value;
        let method = method.as_str().to_ascii_lowercase();
        self.operations()
            .find(|operation| operation.path == found && operation.method == method)
    }

    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        resolve(&self.document, value)
    }

    /// Returns what is wrong with an answer, if anything is.
    pub fn fault(&self, method: &Method, path: &str, answer: &Answer) -> Option<String> {
        let status = answer.status.as_str();
        let response = match self.operation(method, path) {
            Some(operation) => {
                let response = &operation.value["responses"][status];
                if response.is_null() {
                    return Some(format!("{status} is not described"));
                }
                self.resolve(response)
            }
            // If CORS is configured, the gateway answers preflights itself.
            None if *method == Method::OPTIONS && answer.status == 204 => return None,
            None if self.private.at(path).is_ok() => return None,
            None => {
                let expected = &self.document["components"]["examples"]["no-route"]["value"];
                let is_no_route = answer.status == 404 && parsed(answer).as_ref() == Some(expected);
                return (!is_no_route).then(|| "there is no such operation".to_owned());
            }
        };
        self.fault_of(response, answer)
    }

    /// Returns what is wrong with an answer that should match `response`, if anything is.
    pub fn fault_of(&self, response: &Value, answer: &Answer) -> Option<String> {
        let media_type = answer.headers.get("content-type");
        let media_type = media_type.map(|value| value.to_str().unwrap_or_default());
        let media_type = media_type.map(without_parameters);
        let contents = response["content"].as_object();
        let Some(contents) = contents else {
            let is_empty = media_type.is_none() && answer.body.is_empty();
            return (!is_empty)
                .then(|| "a body is not described".to_owned())
                .or_else(|| self.fault_of_headers(response, &answer.headers, true));
        };
        let Some(content) = media_type.and_then(|name| contents.get(name)) else {
            return Some(format!("the media type {media_type:?} is not described"));
        };
        let body = match media_type {
            Some(text) if text.starts_with("text/") => Some(Value::from(answer.body.as_str())),
            _ => parsed(answer),
        };
        let Some(body) = body else {
            return Some("the body is not JSON".to_owned());
        };
        let schema = content["schema"]["$ref"].as_str().unwrap();
        let schema = json!({ "$ref": schema.replacen('#', &format!("{STRICT}#"), 1) });
        if let Err(fault) = self.validator(&schema).validate(&body) {
            return Some(format!("{fault} at \"{}\"", fault.instance_path()));
        }
        // Only codes of the examples are allowed.
        let examples = content["examples"].as_object().unwrap().values();
        let mut codes = examples.map(|example| &self.resolve(example)["value"]["code"]);
        if !codes.any(|code| *code == body["code"]) {
            return Some(format!("the code {} is in no example", body["code"]));
        }
        // RFC 9457 section 3.1.2, and the id by which an operator finds the request.
        if body["code"].is_string() && body["status"] != answer.status.as_u16() {
            return Some(format!("the status in the body is {}", body["status"]));
        }
        let request_id = answer.headers.get("apigw-requestid");
        let request_id = request_id.map(|value| value.to_str().unwrap());
        if body["code"].is_string() && request_id.is_some_and(|id| body["request_id"] != id) {
            return Some("the request_id is another than the header's".to_owned());
        }
        let of_gateway = schema["$ref"]
            .as_str()
            .unwrap()
            .ends_with("/GatewayMessage");
        self.fault_of_headers(response, &answer.headers, !of_gateway)
    }

    /// Checks the headers. Functions send all of them; only the gateway's own answers may lack
    /// those that are not required.
    fn fault_of_headers(
        &self,
        response: &Value,
        there: &HeaderMap,
        of_function: bool,
    ) -> Option<String> {
        let headers = response["headers"].as_object().into_iter().flatten();
        for (name, header) in headers.clone() {
            let header = self.resolve(header);
            let value = there.get(name).map(|value| value.to_str().unwrap());
            let schema = &header["schema"];
            let value = match value {
                None if of_function || header["required"] == true => {
                    return Some(format!("the header {name} is missing"));
                }
                None => continue,
                Some(value) if schema["type"] == "integer" => match value.parse::<u64>() {
                    Ok(number) => Value::from(number),
                    Err(_) => return Some(format!("the header {name} is not a number")),
                },
                Some(value) => Value::from(value),
            };
            if let Err(fault) = self.validator(schema).validate(&value) {
                return Some(format!("the header {name}: {fault}"));
            }
        }
        // HTTP's own headers, and those that the gateway adds if CORS is configured.
        let others = there.keys().map(|name| name.as_str()).find(|name| {
            !headers.clone().any(|(known, _)| known == name)
                && !["content-type", "content-length", "date"].contains(name)
                && !name.starts_with("access-control-")
        });
        others.map(|name| format!("the header {name} is not described"))
    }

    /// Returns why the description refuses the body of a request that was accepted, if it does.
    pub fn fault_of_taken(&self, method: &Method, path: &str, body: &[u8]) -> Option<String> {
        let operation = self.operation(method, path)?;
        let mut contents = operation.value["requestBody"]["content"]
            .as_object()?
            .values();
        let body: Value = shared::platform::json::parse(body).ok()?;
        let schema = contents.next()?["schema"]["$ref"].as_str()?;
        let schema = json!({ "$ref": schema.replacen('#', &format!("{NAME}#"), 1) });
        // Formats describe the result, not all accepted input: an address may have blanks around
        // it.
        let valid = self.made(&schema, false).validate(&body).map_err(|fault| {
            format!("the request was accepted, but the description refuses it: {fault}")
        });
        valid.err()
    }

    pub fn validator(&self, schema: &Value) -> Arc<Validator> {
        self.made(schema, true)
    }

    fn made(&self, schema: &Value, with_formats: bool) -> Arc<Validator> {
        let mut made = self.validators.lock().unwrap();
        let validator = made.entry((schema.to_string(), with_formats));
        let validator = validator.or_insert_with(|| {
            let options = jsonschema::options().with_registry(&self.registry);
            let options = options.with_draft(Draft::Draft202012);
            let options = options.should_validate_formats(with_formats);
            Arc::new(options.build(schema).unwrap())
        });
        Arc::clone(validator)
    }
}

impl<'a> Operation<'a> {
    pub fn id(&self) -> &'a str {
        self.value["operationId"].as_str().unwrap()
    }

    pub fn is_public(&self) -> bool {
        self.value["security"] == json!([])
    }

    /// Returns the answers by status, with references resolved.
    pub fn responses(&self) -> Vec<(u16, &'a Value)> {
        let responses = self.value["responses"].as_object().unwrap();
        let responses = responses.iter();
        responses
            .map(|(status, value)| (status.parse().unwrap(), described().resolve(value)))
            .collect()
    }

    pub fn answer_examples(&self) -> Vec<AnswerExample<'a>> {
        let mut all = Vec::new();
        for (status, response) in self.responses() {
            all.extend(answer_examples(status, response));
        }
        all
    }

    /// Returns the examples of requests. A body that is not shown is one for each media type.
    pub fn request_examples(&self) -> Vec<RequestExample<'a>> {
        let mut all = Vec::new();
        let contents = self.value["requestBody"]["content"].as_object();
        for (media_type, content) in contents.into_iter().flatten() {
            for (name, example) in content["examples"].as_object().unwrap() {
                let part = Part::Body { media_type };
                all.push(RequestExample::new(name, part, &example["value"], true));
            }
        }
        for parameter in self.parameters() {
            for (name, example) in parameter["examples"].as_object().into_iter().flatten() {
                let part = Part::Parameter(parameter);
                all.push(RequestExample::new(name, part, &example["value"], true));
            }
        }
        let of_operation = cases()["requests"][self.id()].as_object();
        for (name, case) in of_operation.into_iter().flatten() {
            let body = case.get("body").into_iter();
            let bodies = body.flat_map(|body| contents.unwrap().keys().map(move |of| (of, body)));
            for (media_type, body) in bodies {
                let part = Part::Body { media_type };
                all.push(RequestExample::new(name, part, body, false));
            }
            for (of, value) in case["parameters"].as_object().into_iter().flatten() {
                let mut known = self.parameters().into_iter();
                let parameter = known.find(|parameter| parameter["name"] == **of);
                let parameter = parameter.unwrap_or_else(|| panic!("{}: no {of}", self.id()));
                let part = Part::Parameter(parameter);
                all.push(RequestExample::new(name, part, value, false));
            }
        }
        all
    }

    pub fn parameters(&self) -> Vec<&'a Value> {
        let parameters = self.value["parameters"].as_array().into_iter().flatten();
        parameters
            .map(|parameter| described().resolve(parameter))
            .collect()
    }

    /// Returns the names of all examples of request bodies and parameters.
    pub fn request_names(&self) -> BTreeSet<&'a str> {
        let examples = self.request_examples().into_iter();
        examples.map(|example| example.name).collect()
    }
}

impl<'a> RequestExample<'a> {
    fn new(name: &'a str, part: Part<'a>, value: &'a Value, shown: bool) -> Self {
        Self {
            name,
            part,
            value,
            shown,
        }
    }
}

/// Returns the examples of one answer.
pub fn answer_examples(status: u16, response: &Value) -> Vec<AnswerExample<'_>> {
    let mut all = Vec::new();
    for (media_type, content) in response["content"].as_object().into_iter().flatten() {
        for (name, example) in content["examples"].as_object().unwrap() {
            let value = &described().resolve(example)["value"];
            all.push(AnswerExample {
                status,
                media_type,
                name,
                value,
            });
        }
    }
    all
}

/// Returns the media type without its parameters, such as the charset.
pub fn without_parameters(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default()
}

fn parsed(answer: &Answer) -> Option<Value> {
    serde_json::from_str(&answer.body).ok()
}

fn members(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_object_mut().into_iter().flat_map(Map::values_mut)
}

/// Forbids members that are not described, so that a new one fails the tests.
fn forbid_others(schema: &mut Value) {
    if schema["properties"].is_object() {
        schema["additionalProperties"] = json!(false);
        members(&mut schema["properties"]).for_each(forbid_others);
    }
    if schema["items"].is_object() {
        forbid_others(&mut schema["items"]);
    }
}
