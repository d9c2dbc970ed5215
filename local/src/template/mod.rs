//! Reads template.yaml: routes, authorizer, CORS, environments, tables, other event sources.
//!
//! It supports the part of CloudFormation that the template uses for these: `Ref` to parameters and
//! tables, `Fn::If`, `Fn::Split`, `Fn::Join`, `Fn::FindInMap`, conditions, the constraints of
//! parameters, and rules; and of SAM's `Globals` the environment of functions. A reference to a
//! resource that a condition leaves out is an error, as in a deployment.

mod parameters;
mod resolver;
mod rules;
mod sources;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value};
use shared::platform::config::whole_part;

use self::resolver::{Resolver, refers};
pub use self::sources::Source;
pub use self::yaml::document;
use self::yaml::scalar;
pub(crate) use self::yaml::to_json;

/// A template before parameters are filled in.
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

    /// Returns the document as JSON, with short forms of functions in their long form.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the template with `parameters` in place of their defaults.
    ///
    /// # Errors
    ///
    /// Returns one sentence if the template is broken, has no such parameter, or does not allow its
    /// value.
    pub fn with(&self, parameters: &BTreeMap<String, String>) -> anyhow::Result<Template> {
        let template = Template::of(&self.value, parameters)
            .with_context(|| format!("{} is broken", self.path.display()))?;
        self.check(parameters)?;
        Ok(template)
    }

    /// Checks parameters as CloudFormation does before it changes anything.
    ///
    /// # Errors
    ///
    /// Returns one sentence if the template has no such parameter or does not allow its value.
    pub fn check(&self, parameters: &BTreeMap<String, String>) -> anyhow::Result<()> {
        check(&self.value, parameters)
    }
}

/// The parts of a template that the gateway needs.
pub struct Template {
    routes: Vec<Route>,
    sources: Vec<Source>,
    authorizer: Option<Authorizer>,
    cors: Option<Value>,
    environments: BTreeMap<String, BTreeMap<String, String>>,
    tables: BTreeMap<String, Value>,
    /// The names of the tables in local runs, by their logical ids.
    table_names: BTreeMap<String, String>,
    resources: BTreeMap<String, Value>,
}

/// One route of the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The method, in upper case.
    pub method: String,
    /// The path, with `{parameters}`.
    pub path: String,
    /// The function's name, which is that of its binary.
    pub function: String,
    /// Whether the route requires the authorizer.
    pub authorized: bool,
}

/// The API's default authorizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// The function's name, which is that of its binary.
    pub function: String,
    /// The headers that identify the client, in order.
    pub identity_headers: Vec<String>,
    /// How long answers are cached, in seconds.
    pub cache_seconds: u64,
}

impl Template {
    /// Reads the template at `path`, with `parameters` in place of their defaults.
    ///
    /// # Errors
    ///
    /// Returns an error of one sentence if the template is broken.
    pub fn read(path: &Path, parameters: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        Document::read(path)?.with(parameters)
    }

    /// Parses a template, with `parameters` in place of their defaults.
    ///
    /// # Errors
    ///
    /// Returns an error of one sentence if the template is broken.
    pub fn parse(text: &str, parameters: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let document = document(text)?;
        let template = Self::of(&document, parameters)?;
        check(&document, parameters)?;
        Ok(template)
    }

    fn of(document: &Value, parameters: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let resolver = Resolver::new(document, parameters)?;
        let resources = document["Resources"]
            .as_object()
            .context("it has no Resources")?;

        // Conditions decide which resources are part of a stack.
        let (there, left_out): (Vec<_>, Vec<_>) = resources
            .iter()
            .partition(|(_, resource)| resolver.has(resource));
        let left_out: BTreeSet<&str> = left_out.iter().map(|(id, _)| id.as_str()).collect();
        let globals = &document["Globals"]["Function"]["Environment"]["Variables"];
        let mut resources = BTreeMap::new();
        for (id, resource) in there {
            let resource = &with_globals(resource, globals);
            let resolved = resolver.resolve(resource).unwrap_or_default();
            if let Some(absent) = refers(&resolver.chosen(resource), &left_out) {
                bail!("{id} refers to {absent}, which these parameters leave out");
            }
            resources.insert(id.clone(), resolved);
        }

        let mut names = BTreeMap::new();
        let mut tables = BTreeMap::new();
        let mut table_names = BTreeMap::new();
        let mut api = None;
        for (id, resource) in &resources {
            match resource["Type"].as_str() {
                Some("AWS::Serverless::Function") => {
                    // A function in another language is named after its resource, and runs
                    // elsewhere.
                    let binary = resource["Metadata"]["BuildProperties"]["Binary"].as_str();
                    names.insert(id.as_str(), binary.unwrap_or(id));
                }
                Some("AWS::Serverless::HttpApi") => api = Some(&resource["Properties"]),
                Some("AWS::DynamoDB::Table") => {
                    let name = resolver.table(id).unwrap_or(id);
                    let properties = resource["Properties"].clone();
                    let other = tables.insert(name.to_owned(), properties);
                    ensure!(other.is_none(), "two tables are called {name}");
                    table_names.insert(id.clone(), name.to_owned());
                }
                _ => {}
            }
        }
        let api = api.context("it has no AWS::Serverless::HttpApi")?;
        // Parameters may leave out a table that exists elsewhere.
        ensure!(resolver.declares_tables(), "it has no AWS::DynamoDB::Table");

        let authorizer = read_authorizer(api, &names)?;
        let (mut routes, mut sources) = (Vec::new(), Vec::new());
        let mut environments = BTreeMap::new();
        for (id, name) in &names {
            let properties = &resources[*id]["Properties"];
            let variables = properties["Environment"]["Variables"].as_object();
            let variables = variables.into_iter().flatten();
            // If the value of a global variable is known only in AWS, it is not set here.
            let known =
                |name: &str, value: &Value| globals.get(name).is_none() || !value.is_object();
            let texts = variables
                .filter(|(name, value)| known(name, value))
                .map(|(name, value)| (name.clone(), scalar(value)));
            environments.insert((*name).to_owned(), texts.collect());
            let of_all = &document["Globals"]["Function"];
            sources.extend(sources::read(name, properties, of_all));
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
            sources,
            authorizer,
            cors: api.get("CorsConfiguration").cloned(),
            environments,
            tables,
            table_names,
            resources,
        })
    }

    /// Returns the routes, sorted.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Returns the event sources of functions that are not routes.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Returns the default authorizer.
    pub fn authorizer(&self) -> Option<&Authorizer> {
        self.authorizer.as_ref()
    }

    /// Returns the `CorsConfiguration`, if the API has one.
    pub fn cors(&self) -> Option<&Value> {
        self.cors.as_ref()
    }

    /// Returns the environment of each function.
    pub fn environments(&self) -> &BTreeMap<String, BTreeMap<String, String>> {
        &self.environments
    }

    /// Returns the properties of the tables, by their names in local runs. The table `Table` is
    /// called [`TABLE`](crate::dynamodb::TABLE). Any other has the name that the template gives it,
    /// or else its logical id.
    pub fn tables(&self) -> &BTreeMap<String, Value> {
        &self.tables
    }

    /// Returns the name in local runs of the table with the logical id `id`, if it is part of the
    /// stack.
    pub fn table_named(&self, id: &str) -> Option<&str> {
        self.table_names.get(id).map(String::as_str)
    }

    /// Returns the resources of the stack by name, with conditions and parameters resolved.
    pub fn resources(&self) -> &BTreeMap<String, Value> {
        &self.resources
    }
}

/// Checks the given parameters, and what the template's rules say of all parameters together.
fn check(document: &Value, parameters: &BTreeMap<String, String>) -> anyhow::Result<()> {
    parameters::check(document, parameters)?;
    rules::check(&document["Rules"], &resolver::values(document, parameters))
}

/// Returns the resource after SAM has merged `Globals` into it. A function's own value of a
/// variable takes precedence over the global one.
fn with_globals(resource: &Value, globals: &Value) -> Value {
    let mut resource = resource.clone();
    if let Some(globals) = globals.as_object()
        && resource["Type"] == "AWS::Serverless::Function"
    {
        let mut variables = globals.clone();
        let own = &mut resource["Properties"]["Environment"]["Variables"];
        if let Value::Object(own) = own.take() {
            variables.extend(own);
        }
        *own = Value::Object(variables);
    }
    resource
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
        cache_seconds: whole_part(
            &scalar(&authorizer["Identity"]["ReauthorizeEvery"]),
            &(0..=3600),
        )
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
