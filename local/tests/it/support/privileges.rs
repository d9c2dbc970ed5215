//! What each function asks of DynamoDB, and what the template allows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use local::dynamodb::TABLE;
use local::functions::Functions;
use local::gateway::Gateway;
use serde_json::Value;
use shared::platform::clock::Clock;
use testkit::dynamodb::{Proxy, Recorded};

use crate::support::app::{App, env, text};

/// Returns the app with a proxy in front of each function's DynamoDB, and the proxies by function.
pub async fn behind_proxies() -> (App, BTreeMap<String, Arc<Proxy>>) {
    let mut app = App::with_mail().await;
    let mut proxies = BTreeMap::new();
    let clock = Clock::Manual(app.clock.clone());
    let mut functions = Functions::default();
    for (name, variables) in &app.local.environment {
        let proxy = Proxy::start(&app.local.dynamodb_url).await;
        let lookup = |variable: &str| match variable {
            "AWS_ENDPOINT_URL_DYNAMODB" => Some(proxy.url.clone()),
            other => variables.get(other).cloned(),
        };
        assert!(functions.add(name, &env(&lookup), &clock).unwrap());
        functions.warm_up(name).await;
        proxies.insert(name.clone(), proxy);
    }
    let template = crate::support::app::template([]);
    let gateway = Gateway::new(&template, Arc::new(functions), clock).unwrap();
    app.local.gateway = Arc::new(gateway);
    (app, proxies)
}

/// Returns the actions of IAM that a request needs, each with its table.
fn needed(request: &Recorded) -> Vec<String> {
    let Recorded { operation, body } = request;
    if let Some(parts) = body["TransactItems"].as_array() {
        // A transaction needs the actions of its parts.
        let parts = parts.iter().flat_map(|part| part.as_object().unwrap());
        let action = |(kind, part): (&String, &Value)| match kind.as_str() {
            "ConditionCheck" => format!("{} ConditionCheckItem", text(part, "TableName")),
            kind => format!("{} {kind}Item", text(part, "TableName")),
        };
        return parts.map(action).collect();
    }
    let tables = match body["RequestItems"].as_object() {
        Some(tables) => tables.keys().cloned().collect(),
        None => match body["IndexName"].as_str() {
            Some(index) => vec![format!("{}/index/{index}", text(body, "TableName"))],
            None => vec![text(body, "TableName")],
        },
    };
    let of_table = |table| format!("{table} {operation}");
    tables.into_iter().map(of_table).collect()
}

/// Returns the actions of IAM that a function's requests need, each with its table.
pub fn used(requests: &[Recorded]) -> BTreeSet<String> {
    requests.iter().flat_map(needed).collect()
}

/// Returns the actions of DynamoDB that the template allows each function, each with its table.
pub fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let template = crate::support::app::template([]);
    let resources = template.resources().values();
    let functions = resources.filter(|it| it["Type"] == "AWS::Serverless::Function");
    let mut allowed = BTreeMap::new();
    for function in functions {
        let mut actions = BTreeSet::new();
        for statement in statements(&function["Properties"]["Policies"]) {
            let granted = list(&statement["Action"]).into_iter();
            for action in granted.filter_map(|it| it.as_str()?.strip_prefix("dynamodb:")) {
                let resource = &statement["Resource"];
                let index = resource["Fn::Sub"].as_str();
                let table = match index.map(|arn| arn.strip_prefix("${Table.Arn}/").unwrap()) {
                    Some(index) => format!("{TABLE}/{index}"),
                    None => match text(resource, "Fn::GetAtt").strip_suffix(".Arn").unwrap() {
                        "Table" => TABLE.to_owned(),
                        other => other.to_owned(),
                    },
                };
                actions.insert(format!("{table} {action}"));
            }
        }
        let binary = text(&function["Metadata"]["BuildProperties"], "Binary");
        allowed.insert(binary, actions);
    }
    allowed
}

fn statements(policies: &Value) -> Vec<&Value> {
    let policies = list(policies).into_iter();
    policies
        .flat_map(|policy| list(&policy["Statement"]))
        .collect()
}

/// Returns the members of a list, or the one value that stands for it.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        one => vec![one],
    }
}
