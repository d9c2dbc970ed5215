//! `cargo xtask generate`: writes what follows from template.yaml and from the commands of `latchkey`.
//!
//! - docs/configuration.md: the table of the parameters.
//! - docs/command-line.md: the `--help` of each command.
//! - docs/events/: the schemas of published events, which follow from the list of events.
//! - Cargo.toml: the routes of `cargo lambda watch`, and the settings in its environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use local::commands::reference;
use local::template::Document;
use serde_json::Value;
use shared::platform::settings;

use crate::schemas;

/// Writes the files below `root`; or, to `check`, only compares them.
///
/// # Errors
///
/// Returns an error if a file cannot be read or written, if it lacks the place to write to, or, to
/// `check`, if it is out of date.
pub fn all(root: &Path, check: bool) -> anyhow::Result<()> {
    let template = Document::read(&root.join("template.yaml"))?;
    let routes = router(&template)?;
    let page = root.join("docs/configuration.md");
    write(&page, check, |text| {
        between(
            text,
            "<!-- cargo xtask generate -->\n",
            "\n<!-- end -->",
            &parameters(template.value()),
        )
    })?;
    write(&root.join("docs/command-line.md"), check, |text| {
        between(
            text,
            "<!-- cargo xtask generate -->\n",
            "<!-- end -->",
            &reference(),
        )
    })?;
    write(&root.join("Cargo.toml"), check, |text| {
        let header = "[workspace.metadata.lambda.watch.router]\n";
        let text = between(text, header, "\n[", &routes)?;
        environment(&text)
    })?;
    schemas::write(root, check)
}

/// Replaces a file by what `change` makes of it.
fn write(
    path: &Path,
    check: bool,
    change: impl Fn(&str) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let changed = change(&text).with_context(|| format!("{shown} is not as expected"))?;
    if check && changed != text {
        bail!("{shown} is out of date: run `cargo xtask generate`");
    }
    if changed != text {
        fs::write(path, changed).with_context(|| format!("cannot write {shown}"))?;
    }
    Ok(())
}

/// Returns `text` with `new` in place of what stands between `begin` and the next `end`.
fn between(text: &str, begin: &str, end: &str, new: &str) -> anyhow::Result<String> {
    let missing = || format!("it has no \"{}\"", begin.trim());
    let (before, rest) = text.split_once(begin).with_context(missing)?;
    let at = rest
        .find(end)
        .with_context(|| format!("nothing ends \"{}\"", begin.trim()))?;
    let (_, behind) = rest.split_at(at);
    Ok([before, begin, new, behind].concat())
}

/// Returns the table of the parameters: name, variable, default, the allowed values, and what it is.
fn parameters(template: &Value) -> String {
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    let variables = variables.as_object().into_iter().flatten();
    let by_parameter: BTreeMap<_, _> = variables
        .filter_map(|(name, value)| {
            let value = value["Fn::If"].get(1).unwrap_or(value);
            Some((value["Ref"].as_str()?, name))
        })
        .collect();
    let mut table =
        "| parameter | variable | default | allowed | |\n|---|---|---|---|---|\n".to_owned();
    for (name, parameter) in template["Parameters"].as_object().into_iter().flatten() {
        let variable = by_parameter.get(name.as_str());
        let cells = [
            format!("`{name}`"),
            variable.map_or(String::new(), |variable| format!("`{variable}`")),
            scalar(&parameter["Default"]).map_or("none".to_owned(), |text| format!("`{text}`")),
            allowed(parameter),
            parameter["Description"]
                .as_str()
                .unwrap_or_default()
                .trim()
                .replace('|', "\\|"),
        ];
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    table
}

/// Returns the allowed values of a parameter, in words.
fn allowed(parameter: &Value) -> String {
    if let Some(values) = parameter["AllowedValues"].as_array() {
        let values = values.iter().filter_map(scalar);
        return values
            .map(|text| format!("`{text}`"))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let range = |least: &str, most: &str, unit: &str| {
        let [least, most] = [least, most].map(|name| scalar(&parameter[name]));
        Some(format!("{} to {}{unit}", least?, most?))
    };
    let described = parameter["ConstraintDescription"].as_str();
    range("MinValue", "MaxValue", "")
        .or_else(|| range("MinLength", "MaxLength", " characters"))
        .or_else(|| described.map(str::to_owned))
        .unwrap_or_default()
}

/// Returns a scalar's text, if it is not empty.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns the routes of `cargo lambda watch`.
fn router(template: &Document) -> anyhow::Result<String> {
    let template = template.with(&BTreeMap::new())?;
    let mut by_path: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for route in template.routes() {
        let method = format!(
            "{{ method = \"{}\", function = \"{}\" }}",
            route.method, route.function
        );
        by_path.entry(&route.path).or_default().push(method);
    }
    let lines = by_path.into_iter().map(|(path, methods)| match &*methods {
        [method] => format!("\"{path}\" = [{method}]\n"),
        _ => {
            let methods: String = methods
                .iter()
                .map(|method| format!("    {method},\n"))
                .collect();
            format!("\"{path}\" = [\n{methods}]\n")
        }
    });
    Ok(lines.collect())
}

/// Returns Cargo.toml with the settings' defaults in the environment of `cargo lambda watch`.
fn environment(text: &str) -> anyhow::Result<String> {
    let mut text = text.to_owned();
    for setting in settings::ALL {
        let begin = format!("\n{} = \"", setting.variable);
        text = between(&text, &begin, "\"\n", &setting.default.to_string())?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_text_is_replaced() {
        let text = "a\n[b]\nold\n\n[c]\n";
        assert_eq!(
            between(text, "[b]\n", "\n[", "new\n").unwrap(),
            "a\n[b]\nnew\n\n[c]\n"
        );
        let error = between(text, "[d]\n", "\n[", "").unwrap_err();
        assert_eq!(error.to_string(), "it has no \"[d]\"");
    }

    #[test]
    fn what_is_generated_is_up_to_date() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        all(root, true).unwrap();
    }
}
