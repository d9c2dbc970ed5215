//! What CloudFormation takes, the functions take: no deployment succeeds with a value that keeps a
//! function from starting.

use std::cell::Cell;
use std::collections::BTreeMap;

use local::functions::Functions;
use serde_json::Value;
use shared::domain::password::hasher::Hasher;
use shared::platform::clock::Clock;
use shared::platform::config::Env;

use crate::support::app::{App, template_document};

/// Texts around what a parameter of text may be.
const TEXTS: [&str; 35] = [
    "",
    " ",
    "a",
    "a b",
    "open",
    "closed",
    "Closed",
    "*",
    "\u{e4}\u{f6}\u{fc}",
    "abc,def",
    "https://auth.example.com",
    "https://auth.example.com/",
    "https://auth.example.com/a/b",
    "https://auth.example.com/a/b/",
    "https://auth.example.com:8443",
    "https://auth.example.com:",
    "https://auth.example.com?a=b",
    "https://auth.example.com#a",
    "https://auth.example.com/a b",
    "http://auth.example.com",
    "https://",
    "https:///",
    "auth.example.com",
    "https://auth.example.com\n",
    "admin=users:read users:write;editor=notes:write",
    "admin=a;",
    "admin=a;;editor=b",
    ";admin=a",
    "admin=users:read;editor",
    "admin=a;Editor=b",
    "admin=a;editor=",
    "admin=a;admin=b",
    "admin=a=b",
    "admin=a  b",
    "admin=a ",
];

/// Returns the parameters that functions get as variables: each parameter with its variable.
fn variables() -> Vec<(String, String)> {
    let document = template_document();
    let globals = &document.value()["Globals"]["Function"]["Environment"]["Variables"];
    let variables = globals.as_object().unwrap().iter();
    let variables = variables.filter_map(|(variable, value)| {
        let value = value["Fn::If"].get(1).unwrap_or(value);
        Some((value["Ref"].as_str()?.to_owned(), variable.clone()))
    });
    variables.collect()
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Returns values at, within and beyond the borders of a number, in all forms that a number can
/// have, and texts that are none.
fn numbers_around(parameter: &Value) -> Vec<String> {
    let limit = |name: &str| parameter[name].as_f64();
    let listed = parameter["AllowedValues"].as_array().cloned();
    let mut borders: Vec<f64> = listed
        .into_iter()
        .flatten()
        .filter_map(|v| v.as_f64())
        .collect();
    borders.extend(
        ["MinValue", "MaxValue", "Default"]
            .into_iter()
            .filter_map(limit),
    );
    let mut values: Vec<String> = Vec::new();
    for border in borders {
        let near = [-1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0];
        values.extend(near.map(|distance| (border + distance).to_string()));
        values.push(format!("{border:e}"));
        values.push(format!("{border:E}"));
        values.push(format!("{border:.1}"));
        values.push(format!("+{border}"));
        values.push(format!("-{border}"));
        values.push(format!("00{border}"));
        values.push(format!(" {border} "));
        values.push(format!("{border}."));
        values.push(format!("{border}e400"));
        values.push(format!("{border}s"));
        values.push(format!("{border} {border}"));
        values.push(format!("0x{border}"));
    }
    values.extend(["", " ", ".", "e", "-", "NaN", "inf", "Infinity", "1_000"].map(str::to_owned));
    values
}

/// Returns whether CloudFormation may take a value as a number. Its documents say "an integer or
/// float" and no more, so this takes every form that a decimal number can have.
fn may_be_taken(parameter: &Value, value: &str) -> bool {
    let value = value.trim();
    let decimal = |octet: u8| octet.is_ascii_digit() || b"+-.eE".contains(&octet);
    let Some(number) = value
        .bytes()
        .all(decimal)
        .then(|| value.parse::<f64>().ok())
        .flatten()
    else {
        return false;
    };
    let limit = |name: &str| parameter[name].as_f64();
    let listed = parameter["AllowedValues"].as_array();
    number.is_finite()
        && limit("MinValue").is_none_or(|least| number >= least)
        && limit("MaxValue").is_none_or(|most| number <= most)
        && listed.is_none_or(|values| values.iter().any(|v| v.as_f64() == Some(number)))
}

/// Makes a function with this value of a variable. Returns whether it read the variable, and the
/// sentence with which it did not start.
fn start(
    function: &str,
    environment: &BTreeMap<String, String>,
    variable: &str,
    value: &str,
) -> (bool, Option<String>) {
    let reads = Cell::new(false);
    let lookup = |wanted: &str| match wanted == variable {
        true => {
            reads.set(true);
            Some(value.to_owned())
        }
        false => environment.get(wanted).cloned(),
    };
    let made = Functions::default().add(function, &Env::new(&lookup), &Clock::System);
    let sentence = made.err().map(|error| format!("{function}: {error:#}"));
    (reads.get(), sentence)
}

#[tokio::test]
async fn the_functions_start_with_each_value_that_cloudformation_takes() {
    let document = template_document();
    // With the strongest of one, each value of the other is strong enough.
    let strongest = [("Argon2MemoryKib", "65536"), ("Argon2Iterations", "10")];
    let app = App::with(&strongest).await;
    let (mut taken, mut refused) = (0, 0);
    for (name, variable) in variables() {
        let parameter = &document.value()["Parameters"][&name];
        let is_number = parameter["Type"] == "Number";
        let readers: Vec<_> = app.local.environment.iter().collect();
        let reads = |(function, environment): &(&String, &BTreeMap<_, _>)| {
            start(function, environment, &variable, "").0
        };
        let readers: Vec<_> = readers.into_iter().filter(reads).collect();
        assert!(!readers.is_empty(), "no function reads {variable}");
        let values = match is_number {
            true => numbers_around(parameter),
            false => {
                let long = [64, 255, 256].map(|length| "a".repeat(length));
                TEXTS.map(str::to_owned).into_iter().chain(long).collect()
            }
        };
        for value in values {
            let mut parameters = BTreeMap::from(strongest.map(owned));
            parameters.insert(name.clone(), value.clone());
            let may_be_taken = document.check(&parameters).is_ok()
                || (is_number && may_be_taken(parameter, &value));
            if !may_be_taken {
                refused += 1;
                continue;
            }
            taken += 1;
            for (function, environment) in &readers {
                let (_, sentence) = start(function, environment, &variable, &value);
                assert_eq!(sentence, None, "{name} may be {value:?}");
            }
        }
    }
    assert!(taken > 200 && refused > 200, "{taken} {refused}");
}

#[test]
fn the_template_and_the_hasher_refuse_the_same_pairs_of_memory_and_iterations() {
    let document = template_document();
    let listed = |name: &str| -> Vec<u64> {
        let values = document.value()["Parameters"][name]["AllowedValues"].as_array();
        values
            .unwrap()
            .iter()
            .map(|value| value.as_u64().unwrap())
            .collect()
    };
    let (memories, iterations) = (listed("Argon2MemoryKib"), listed("Argon2Iterations"));
    let mut counts = BTreeMap::from([(true, 0), (false, 0)]);
    let near = memories.iter().flat_map(|kib| [kib - 1, *kib, kib + 1]);
    for (kib, passes) in near.flat_map(|kib| (0..=11).map(move |passes| (kib, passes))) {
        let (kib_text, passes_text) = (kib.to_string(), passes.to_string());
        let given = [
            ("Argon2MemoryKib", &*kib_text),
            ("Argon2Iterations", &*passes_text),
        ];
        let by_template = document.check(&given.map(owned).into());
        let lookup = |name: &str| match name {
            "ARGON2_MEMORY_KIB" => Some(kib_text.clone()),
            "ARGON2_ITERATIONS" => Some(passes_text.clone()),
            _ => None,
        };
        let by_hasher = Hasher::from_env(&Env::new(&lookup)).is_ok();
        if memories.contains(&kib) && iterations.contains(&passes) {
            assert_eq!(
                by_template.is_ok(),
                by_hasher,
                "{kib} {passes}: {by_template:?}"
            );
            *counts.get_mut(&by_hasher).unwrap() += 1;
        } else {
            assert!(by_template.is_err(), "{kib} {passes}");
        }
    }
    assert!(counts.values().all(|count| *count > 20), "{counts:?}");
}

#[test]
fn the_pairs_of_owasp_can_be_deployed() {
    for (kib, passes) in [
        ("47104", "1"),
        ("19456", "2"),
        ("12288", "3"),
        ("9216", "4"),
        ("7168", "5"),
    ] {
        let given = [("Argon2MemoryKib", kib), ("Argon2Iterations", passes)];
        template_document().check(&given.map(owned).into()).unwrap();
    }
}

/// Returns whether the template takes this value of this parameter, with the defaults of the others.
fn takes(name: &str, value: &str) -> bool {
    let given = BTreeMap::from([owned((name, value))]);
    template_document().check(&given).is_ok()
}

#[test]
fn origins_are_written_as_browsers_send_them_and_api_gateway_takes_them() {
    for value in [
        "",
        "*",
        "https://app.example.com",
        "http://localhost:5173",
        "http://127.0.0.1:65535,https://a-b.example",
        "https://xn--bcher-kva.example",
    ] {
        assert!(takes("CorsOrigins", value), "{value:?}");
    }
    for value in [
        "app.example.com",
        "localhost:5173",
        "https://app.example.com/",
        "https://app.example.com/app",
        "https://app.example.com, https://b.example",
        " https://app.example.com",
        "https://app.example.com ",
        "https://app.example.com,",
        ",https://app.example.com",
        "https://a.example,,https://b.example",
        "https://a.example;https://b.example",
        "https://App.Example.com",
        "HTTPS://app.example.com",
        "https://",
        "https://a..example",
        "https://.example",
        "https://app.example.com:",
        "https://app.example.com:080",
        "https://*.example.com",
        "https://*",
        "*,https://app.example.com",
        "https://user@app.example.com",
        "null",
        // API Gateway refuses schemes other than these two, and the deployment is rolled back.
        "capacitor://localhost",
        "chrome-extension://abcdefghijklmnop",
        "https://app.example.com\n",
    ] {
        assert!(!takes("CorsOrigins", value), "{value:?}");
    }
}

#[test]
fn headers_and_the_name_of_a_table_are_what_aws_takes() {
    for (name, good, bad) in [
        (
            "CorsHeaders",
            &["", "traceparent", "sentry-trace,baggage,traceparent"][..],
            &["sentry-trace, baggage", "a,", ",a", "a b", "a:b", "*"][..],
        ),
        (
            "TableName",
            &["", "abc", "latchkey-Table-1ABC-restored", "a.b_c"],
            &[
                "ab",
                "a b c",
                "arn:aws:dynamodb:eu-west-1:1:table/abc",
                "t\u{e4}ble",
            ],
        ),
        ("Registration", &["open", "closed"], &["", "Closed", "true"]),
    ] {
        for value in good {
            assert!(takes(name, value), "{name}: {value:?}");
        }
        for value in bad {
            assert!(!takes(name, value), "{name}: {value:?}");
        }
    }
    assert!(takes("TableName", &"a".repeat(255)));
    assert!(!takes("TableName", &"a".repeat(256)));
}

#[test]
fn every_default_is_allowed() {
    let document = template_document();
    let parameters = document.value()["Parameters"].as_object().unwrap();
    let defaults = parameters.iter().map(|(name, parameter)| {
        let default = match &parameter["Default"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (name.clone(), default)
    });
    document.check(&defaults.collect()).unwrap();
}
