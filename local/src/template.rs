//! Reads template.yaml: routes, authorizer, CORS, environments, table.
//!
//! It understands the part of CloudFormation that the template uses for these: `Ref` to parameters,
//! `Fn::If`, `Fn::Split`, `Fn::FindInMap`, and conditions. What refers to a resource that its
//! conditions leave out is an error here, as it is at a deployment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};

/// A template as it is written, with no parameter put in.
#[derive(Clone)]
pub struct Document {
    path: PathBuf,
    value: Arc<Value>,
}

impl Document {
    /// Reads the template at `path`.
    ///
    /// # Errors
    ///
    /// Returns one sentence if the file cannot be read or is not YAML.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let value = document(&text).with_context(|| format!("{shown} is broken"))?;
        Ok(Self {
            path: path.to_path_buf(),
            value: Arc::new(value),
        })
    }

    /// Returns the template with `parameters` in place of their defaults.
    ///
    /// # Errors
    ///
    /// Returns one sentence if the template is broken or has no such parameter.
    pub fn with(&self, parameters: &BTreeMap<String, String>) -> anyhow::Result<Template> {
        Template::of(&self.value, parameters)
            .with_context(|| format!("{} is broken", self.path.display()))
    }
}

/// What the gateway needs to know of a template.
pub struct Template {
    routes: Vec<Route>,
    authorizer: Option<Authorizer>,
    cors: Option<Value>,
    environments: BTreeMap<String, BTreeMap<String, String>>,
    table: Value,
    resources: BTreeMap<String, Value>,
}

/// One route of the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The method, in upper case.
    pub method: String,
    /// The path, with `{parameters}`.
    pub path: String,
    /// The function's name: that of its binary.
    pub function: String,
    /// Whether the authorizer stands before it.
    pub authorized: bool,
}

/// The API's default authorizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// The function's name: that of its binary.
    pub function: String,
    /// The headers that identify the sender, in their order.
    pub identity_headers: Vec<String>,
    /// How long its answers are kept, in seconds.
    pub cache_seconds: u64,
}

impl Template {
    /// Reads the template at `path`, with `parameters` in place of their defaults.
    ///
    /// # Errors
    ///
    /// One sentence on what is broken.
    pub fn read(path: &Path, parameters: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        Document::read(path)?.with(parameters)
    }

    /// Parses a template, with `parameters` in place of their defaults.
    ///
    /// # Errors
    ///
    /// One sentence on what is broken.
    pub fn parse(text: &str, parameters: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        Self::of(&document(text)?, parameters)
    }

    fn of(document: &Value, parameters: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let resolver = Resolver::new(document, parameters)?;
        let resources = document["Resources"]
            .as_object()
            .context("it has no Resources")?;

        // In one stack some are there, in another others.
        let (there, left_out): (Vec<_>, Vec<_>) = resources
            .iter()
            .partition(|(_, resource)| resolver.has(resource));
        let left_out: BTreeSet<&str> = left_out.iter().map(|(id, _)| id.as_str()).collect();
        let mut resources = BTreeMap::new();
        for (id, resource) in there {
            let resolved = resolver.resolve(resource).unwrap_or_default();
            if let Some(absent) = refers(&resolver.chosen(resource), &left_out) {
                bail!("{id} refers to {absent}, which these parameters leave out");
            }
            resources.insert(id.clone(), resolved);
        }

        let mut names = BTreeMap::new();
        let mut table = None;
        let mut api = None;
        for (id, resource) in &resources {
            match resource["Type"].as_str() {
                Some("AWS::Serverless::Function") => {
                    // One in another language has its resource's name, and runs elsewhere.
                    let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str();
                    names.insert(id.as_str(), binary.unwrap_or(id));
                }
                Some("AWS::Serverless::HttpApi") => api = Some(&resource["Properties"]),
                Some("AWS::DynamoDB::Table") => table = Some(&resource["Properties"]),
                _ => {}
            }
        }
        let api = api.context("it has no AWS::Serverless::HttpApi")?;
        let table = table.context("it has no AWS::DynamoDB::Table")?;

        let authorizer = read_authorizer(api, &names)?;
        let mut routes = Vec::new();
        let mut environments = BTreeMap::new();
        for (id, name) in &names {
            let properties = &resources[*id]["Properties"];
            let variables = properties["Environment"]["Variables"].as_object();
            let variables = variables.into_iter().flatten();
            let texts = variables.map(|(name, value)| (name.clone(), scalar(value)));
            environments.insert((*name).to_owned(), texts.collect());
            for event in properties["Events"]
                .as_object()
                .into_iter()
                .flat_map(Map::values)
            {
                if event["Type"] == "HttpApi" {
                    let default = authorizer.is_some();
                    routes.push(read_route(id, name, &event["Properties"], default)?);
                }
            }
        }
        routes.sort();
        Ok(Self {
            routes,
            authorizer,
            cors: api.get("CorsConfiguration").cloned(),
            environments,
            table: table.clone(),
            resources,
        })
    }

    /// The routes, sorted.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The default authorizer.
    pub fn authorizer(&self) -> Option<&Authorizer> {
        self.authorizer.as_ref()
    }

    /// The `CorsConfiguration`, if the API has one.
    pub fn cors(&self) -> Option<&Value> {
        self.cors.as_ref()
    }

    /// The environment of each function.
    pub fn environments(&self) -> &BTreeMap<String, BTreeMap<String, String>> {
        &self.environments
    }

    /// The properties of the table.
    pub fn table(&self) -> &Value {
        &self.table
    }

    /// The resources that these parameters give a stack, by their names, with conditions and
    /// parameters carried out.
    pub fn resources(&self) -> &BTreeMap<String, Value> {
        &self.resources
    }
}

fn read_authorizer(
    api: &Value,
    names: &BTreeMap<&str, &str>,
) -> anyhow::Result<Option<Authorizer>> {
    let auth = &api["Auth"];
    let Some(default) = auth["DefaultAuthorizer"].as_str() else {
        return Ok(None);
    };
    let authorizer = &auth["Authorizers"][default];
    let arn = authorizer["FunctionArn"]["Fn::GetAtt"]
        .as_str()
        .unwrap_or_default();
    let id = arn.strip_suffix(".Arn").unwrap_or_default();
    let function = names.get(id).with_context(|| {
        format!("the authorizer {default} has no FunctionArn that is a function of the template")
    })?;
    let headers = authorizer["Identity"]["Headers"]
        .as_array()
        .into_iter()
        .flatten();
    Ok(Some(Authorizer {
        function: (*function).to_owned(),
        identity_headers: headers
            .map(|name| scalar(name).to_ascii_lowercase())
            .collect(),
        cache_seconds: scalar(&authorizer["Identity"]["ReauthorizeEvery"])
            .parse()
            .unwrap_or(0),
    }))
}

fn read_route(
    id: &str,
    function: &str,
    event: &Value,
    default_authorizer: bool,
) -> anyhow::Result<Route> {
    let (Some(method), Some(path)) = (event["Method"].as_str(), event["Path"].as_str()) else {
        bail!("the function {id} has an HttpApi event without Method and Path");
    };
    Ok(Route {
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        function: function.to_owned(),
        authorized: default_authorizer && event["Auth"]["Authorizer"] != "NONE",
    })
}

/// Resolves intrinsic functions.
struct Resolver<'a> {
    parameters: BTreeMap<&'a str, Value>,
    mappings: &'a Value,
    declared: &'a Value,
    conditions: BTreeMap<&'a str, bool>,
}

impl<'a> Resolver<'a> {
    fn new(document: &'a Value, given: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let declared = document["Parameters"].as_object();
        let mut parameters = BTreeMap::new();
        for (name, parameter) in declared.into_iter().flatten() {
            let value = given.get(name).cloned();
            let value = value.unwrap_or_else(|| scalar(&parameter["Default"]));
            parameters.insert(name.as_str(), Value::from(value));
        }
        if let Some(unknown) = given
            .keys()
            .find(|name| !parameters.contains_key(name.as_str()))
        {
            bail!("it has no parameter {unknown}");
        }
        let mut resolver = Self {
            parameters,
            mappings: &document["Mappings"],
            declared: &document["Conditions"],
            conditions: BTreeMap::new(),
        };
        for (name, condition) in document["Conditions"].as_object().into_iter().flatten() {
            let holds = resolver.holds(condition).with_context(|| {
                format!(
                    "the condition {name} has something other than Fn::Equals, Fn::Not, Fn::And, \
                     Fn::Or and Condition, which is all that is understood here"
                )
            })?;
            resolver.conditions.insert(name, holds);
        }
        Ok(resolver)
    }

    /// The value with its intrinsic functions carried out; `None` for `AWS::NoValue`. Functions
    /// that nothing here depends on stay as they are.
    fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Object(members) => {
                if let Some(name) = members.get("Ref").and_then(Value::as_str) {
                    return match self.parameters.get(name) {
                        Some(value) => Some(value.clone()),
                        None if name == "AWS::NoValue" => None,
                        None => Some(Value::from(name)),
                    };
                }
                if let Some([condition, yes, no]) = arguments(members, "Fn::If") {
                    let holds = condition
                        .as_str()
                        .and_then(|name| self.conditions.get(name));
                    return self.resolve(if holds == Some(&true) { yes } else { no });
                }
                if let Some([separator, text]) = arguments(members, "Fn::Split") {
                    let text = scalar(&self.resolve(text)?);
                    return Some(text.split(&scalar(separator)).map(Value::from).collect());
                }
                if let Some([map, first, second]) = arguments(members, "Fn::FindInMap") {
                    let key = |value| self.resolve(value).map(|key| scalar(&key));
                    let found = &self.mappings[scalar(map)][key(first)?][key(second)?];
                    return Some(found.clone());
                }
                let members = members.iter();
                let resolved = members.filter_map(|(k, v)| Some((k.clone(), self.resolve(v)?)));
                Some(Value::Object(resolved.collect()))
            }
            Value::Array(items) => {
                Some(items.iter().filter_map(|item| self.resolve(item)).collect())
            }
            other => Some(other.clone()),
        }
    }

    /// Whether a resource is part of the stack.
    fn has(&self, resource: &Value) -> bool {
        match resource["Condition"].as_str() {
            Some(name) => self.conditions.get(name) == Some(&true),
            None => true,
        }
    }

    /// The value with its conditions carried out, and nothing else.
    fn chosen(&self, value: &Value) -> Value {
        match value {
            Value::Object(members) => match arguments(members, "Fn::If") {
                Some([condition, yes, no]) => {
                    let holds = condition
                        .as_str()
                        .and_then(|name| self.conditions.get(name));
                    self.chosen(if holds == Some(&true) { yes } else { no })
                }
                None => {
                    let members = members.iter();
                    Value::Object(members.map(|(k, v)| (k.clone(), self.chosen(v))).collect())
                }
            },
            Value::Array(items) => items.iter().map(|item| self.chosen(item)).collect(),
            other => other.clone(),
        }
    }

    /// Whether a condition holds; `None` where it is of a kind that is not understood.
    fn holds(&self, condition: &Value) -> Option<bool> {
        let members = condition.as_object()?;
        if let Some([left, right]) = arguments(members, "Fn::Equals") {
            return Some(self.text(left)? == self.text(right)?);
        }
        if let Some([inner]) = arguments(members, "Fn::Not") {
            return self.holds(inner).map(|holds| !holds);
        }
        if let Some(name) = members.get("Condition") {
            return self.holds(self.declared.get(name.as_str()?)?);
        }
        let all = |name| {
            let conditions = members.get(name).and_then(Value::as_array)?;
            let held = conditions.iter().map(|condition| self.holds(condition));
            held.collect::<Option<Vec<_>>>()
        };
        all("Fn::And")
            .map(|held| !held.contains(&false))
            .or_else(|| all("Fn::Or").map(|held| held.contains(&true)))
    }

    /// A scalar, or a reference to a parameter.
    fn text(&self, value: &Value) -> Option<String> {
        match self.resolve(value)? {
            Value::Object(_) | Value::Array(_) => None,
            resolved => Some(scalar(&resolved)),
        }
    }
}

/// The first of `names` that the value refers to.
fn refers<'a>(value: &Value, names: &BTreeSet<&'a str>) -> Option<&'a str> {
    match value {
        Value::Object(members) => members.iter().find_map(|(function, value)| {
            let of = |name: &str| names.get(name.split('.').next()?).copied();
            match (function.as_str(), value) {
                ("Ref" | "Fn::GetAtt", Value::String(name)) => of(name),
                ("Fn::Sub", Value::String(text)) => {
                    let mut names = text.split("${").skip(1);
                    names.find_map(|rest| of(rest.split('}').next()?))
                }
                ("DependsOn", Value::String(name)) => of(name),
                ("DependsOn", Value::Array(items)) => {
                    items.iter().filter_map(Value::as_str).find_map(of)
                }
                _ => refers(value, names),
            }
        }),
        Value::Array(items) => items.iter().find_map(|item| refers(item, names)),
        _ => None,
    }
}

fn arguments<'a, const N: usize>(
    members: &'a Map<String, Value>,
    function: &str,
) -> Option<&'a [Value; N]> {
    members
        .get(function)?
        .as_array()?
        .as_slice()
        .try_into()
        .ok()
}

/// A scalar's text, as CloudFormation passes it on.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A template as JSON, with the short forms of functions (`!Ref X`) in their long form
/// (`{"Ref": "X"}`), and none of them carried out.
///
/// # Errors
///
/// One sentence on what is broken.
pub fn document(text: &str) -> anyhow::Result<Value> {
    let document = Yaml::load_from_str(text)?;
    to_json(document.first().context("it is empty")?)
}

/// YAML as JSON, with short forms (`!Ref X`) in their long form (`{"Ref": "X"}`).
pub(crate) fn to_json(yaml: &Yaml<'_>) -> anyhow::Result<Value> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => Value::from(*value),
        Yaml::Value(Scalar::Integer(value)) => Value::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Value::from(value.into_inner()),
        Yaml::Value(Scalar::String(text)) => Value::from(text.as_ref()),
        Yaml::Sequence(items) => items.iter().map(to_json).collect::<anyhow::Result<_>>()?,
        Yaml::Mapping(entries) => {
            let mut members = Map::new();
            for (name, value) in entries {
                members.insert(scalar(&to_json(name)?), to_json(value)?);
            }
            Value::Object(members)
        }
        Yaml::Tagged(tag, value) => {
            let function = match tag.suffix.as_str() {
                plain @ ("Ref" | "Condition") => plain.to_owned(),
                other => format!("Fn::{other}"),
            };
            Value::Object(Map::from_iter([(function, to_json(value)?)]))
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            bail!("it has YAML that is neither a scalar, a list nor a mapping")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
Parameters:
  Seconds: {Type: Number, Default: 60}
  Origins: {Type: String, Default: ""}
  Name: {Type: String, Default: ""}
Conditions:
  HasOrigins: !Not [!Equals [!Ref Origins, ""]]
  HasName: !Not [!Equals [!Ref Name, ""]]
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: !If [HasOrigins, {AllowOrigins: !Split [",", !Ref Origins]}, !Ref AWS::NoValue]
      Auth:
        DefaultAuthorizer: Token
        Authorizers:
          Token:
            FunctionArn: !GetAtt Guard.Arn
            Identity: {Headers: [Authorization], ReauthorizeEvery: !Ref Seconds}
  Guard:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: guard}}
  Things:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: things}}
    Properties:
      Environment:
        Variables: {LIMIT: 7, NAME: !If [HasName, !Ref Name, !Ref "AWS::NoValue"]}
      Events:
        Open: {Type: HttpApi, Properties: {Method: POST, Path: /things, Auth: {Authorizer: NONE}}}
        Closed: {Type: HttpApi, Properties: {Method: get, Path: "/things/{id}"}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties: {BillingMode: PAY_PER_REQUEST}
"#;

    fn parse(parameters: &[(&str, &str)]) -> anyhow::Result<Template> {
        let owned = parameters
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Template::parse(TEXT, &owned.collect())
    }

    #[test]
    fn routes_authorizer_and_environment_are_read() {
        let template = parse(&[]).unwrap();
        let routes: Vec<_> = template
            .routes()
            .iter()
            .map(|r| {
                (
                    r.method.as_str(),
                    r.path.as_str(),
                    r.function.as_str(),
                    r.authorized,
                )
            })
            .collect();
        assert_eq!(
            routes,
            [
                ("GET", "/things/{id}", "things", true),
                ("POST", "/things", "things", false)
            ]
        );
        let authorizer = template.authorizer().unwrap();
        assert_eq!(authorizer.function, "guard");
        assert_eq!(authorizer.identity_headers, ["authorization"]);
        assert_eq!(authorizer.cache_seconds, 60);
        assert_eq!(
            template.environments()["things"],
            BTreeMap::from([("LIMIT".to_owned(), "7".to_owned())])
        );
        assert!(template.cors().is_none());
    }

    #[test]
    fn given_parameters_replace_the_defaults() {
        let given = [
            ("Seconds", "0"),
            ("Origins", "http://a,http://b"),
            ("Name", "n"),
        ];
        let template = parse(&given).unwrap();
        assert_eq!(template.authorizer().unwrap().cache_seconds, 0);
        assert_eq!(template.environments()["things"]["NAME"], "n");
        let origins = &template.cors().unwrap()["AllowOrigins"];
        assert_eq!(*origins, serde_json::json!(["http://a", "http://b"]));
    }

    #[test]
    fn a_parameter_that_the_template_lacks_is_named() {
        let error = parse(&[("Second", "0")]).err().unwrap();
        assert_eq!(error.to_string(), "it has no parameter Second");
    }

    #[test]
    fn what_refers_to_a_resource_that_is_left_out_is_named() {
        let table = "Table:\n    Type: AWS::DynamoDB::Table\n";
        for reference in [
            "!GetAtt Extra.Arn",
            "!Ref Extra",
            "!Sub \"${Extra}/x\"",
            "[!Sub \"${AWS::Region}${Extra.Arn}\"]",
        ] {
            let text = TEXT.replace("LIMIT: 7", &format!("LIMIT: {reference}"));
            let extra = "Extra:\n    Type: AWS::SNS::Topic\n    Condition: HasName\n  ";
            let text = text.replace(table, &format!("{extra}{table}"));
            let given = BTreeMap::from([("Name".to_owned(), "n".to_owned())]);
            let whole = Template::parse(&text, &given).unwrap();
            assert!(whole.resources().contains_key("Extra"));
            let error = Template::parse(&text, &BTreeMap::new()).err().unwrap();
            assert_eq!(
                error.to_string(),
                "Things refers to Extra, which these parameters leave out"
            );
        }
    }

    #[test]
    fn a_broken_template_is_one_sentence() {
        let none = BTreeMap::new();
        let broken = |text: &str| Template::parse(text, &none).err().unwrap().to_string();
        assert_eq!(broken(""), "it is empty");
        assert_eq!(broken("a: 1"), "it has no Resources");
        assert_eq!(
            broken("Resources: {}"),
            "it has no AWS::Serverless::HttpApi"
        );
        let condition = TEXT.replace("!Not [!Equals [!Ref Name, \"\"]]", "!Or [1, 2]");
        assert!(broken(&condition).starts_with("the condition HasName has something other than"));
        assert!(broken("a: [").contains("line"), "{}", broken("a: ["));
    }
}
