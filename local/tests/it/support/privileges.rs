//! What each function asks of DynamoDB, and what the template allows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use local::functions::Functions;
use local::gateway::Gateway;
use shared::platform::clock::Clock;
use testkit::dynamodb::{Proxy, Recorded};

use crate::support::app::{App, env, root};

/// Returns the app with a proxy in front of each function's DynamoDB, and the proxies by function.
pub async fn behind_proxies() -> (App, BTreeMap<String, Arc<Proxy>>) {
    let mut app = App::start().await;
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

/// Returns the actions of IAM that a request needs.
fn needed(request: &Recorded) -> Vec<String> {
    // A transaction needs the actions of its parts.
    if request.operation != "TransactWriteItems" {
        return vec![request.operation.clone()];
    }
    let parts = request.body["TransactItems"].as_array().unwrap().iter();
    let kinds = parts.flat_map(|part| part.as_object().unwrap().keys());
    kinds
        .map(|kind| match kind.as_str() {
            "ConditionCheck" => "ConditionCheckItem".to_owned(),
            kind => format!("{kind}Item"),
        })
        .collect()
}

/// Returns the actions of IAM that a function's requests need.
pub fn used(requests: &[Recorded]) -> BTreeSet<String> {
    requests.iter().flat_map(needed).collect()
}

/// Returns the actions of DynamoDB that the template allows each function.
pub fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let yaml = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let mut allowed = BTreeMap::new();
    for resource in yaml.split("\n\n  ") {
        let Some((_, binary)) = resource.split_once("{Binary: ") else {
            continue;
        };
        let function = binary.split('}').next().unwrap().to_owned();
        let actions = resource.split("dynamodb:").skip(1);
        let actions = actions.map(|rest| {
            let action = rest.split(|letter: char| !letter.is_alphanumeric() && letter != '*');
            action.into_iter().next().unwrap().to_owned()
        });
        // The first are keys of conditions, which tests of their own check; the last is in an ARN.
        let keys = ["Attributes", "LeadingKeys", "ReturnValues", "Select", ""];
        let actions = actions.filter(|action| !keys.contains(&action.as_str()));
        allowed.insert(function, actions.collect());
    }
    allowed
}
