//! The whole of Latchkey in one process, for laptops and tests.
//!
//! # Layout
//!
//! - [`template`]: reads routes, authorizer, CORS, environments and tables from template.yaml.
//! - [`dynamodb`]: an embedded DynamoDB with the template's tables.
//! - [`signing_key`]: the signing key, generated at the first start.
//! - [`functions`]: calls functions by name, in this process or under `cargo lambda watch`.
//! - [`event`]: converts between HTTP and events of payload format 2.0.
//! - [`gateway`]: routes, authorizer and CORS, as API Gateway implements them.
//! - [`streams`]: feeds functions from the tables' streams, as Lambda does.
//! - [`mailbox`]: stands in for Amazon SES, and shows what was sent.
//! - [`event_bus`]: stands in for EventBridge, and shows what was published.
//! - `guard`: keeps web pages out of DynamoDB, SES, EventBridge, the mailbox and the events.
//! - [`openapi`]: the description of the API, docs/openapi.yaml.
//! - [`api_docs`]: the page that shows the description.
//! - [`commands`]: the program's commands, of which `serve` starts all of this.
//!
//! The functions are the ones that Lambda runs, and receive the same events.

pub mod api_docs;
pub mod commands;
mod door;
pub mod dynamodb;
pub mod event;
pub mod event_bus;
pub mod functions;
pub mod gateway;
mod guard;
pub mod mailbox;
pub mod openapi;
pub mod signing_key;
pub mod streams;
pub mod template;
mod under_way;

use std::collections::BTreeMap;
use std::future::IntoFuture as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::middleware::from_fn;
use shared::platform::clock::Clock;
use shared::platform::config::Env;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::door::{Door, Peer};
use crate::dynamodb::Storage;
use crate::event_bus::EventBus;
use crate::functions::Functions;
use crate::gateway::Gateway;
use crate::mailbox::Mailbox;
use crate::mailbox::fault::Planned;
use crate::streams::{Outbox, Streams};
use crate::template::Document;

/// The address that mails come from, unless the parameter `MailFrom` says otherwise. No such domain
/// exists (RFC 2606 section 2).
pub const MAIL_FROM: &str = "no-reply@latchkey.example";

/// The settings of a start.
pub struct Options {
    /// The template.
    pub template: Document,
    /// Values for the template's parameters, which replace their defaults.
    pub parameters: BTreeMap<String, String>,
    /// The address that the gateway listens on.
    pub host: IpAddr,
    /// The gateway's port. 0 chooses a free port.
    pub port: u16,
    /// DynamoDB's port. 0 chooses a free port.
    pub dynamodb_port: u16,
    /// The port of the stand-in for SES and EventBridge. 0 chooses a free port.
    pub mail_port: u16,
    /// What goes wrong with mails.
    pub mail_fault: Option<Planned>,
    /// The folder of the signing key, of the stored accounts and of the mails.
    pub data_dir: PathBuf,
    /// Whether to discard all accounts and mails at the end.
    pub ephemeral: bool,
    /// The URL of `cargo lambda watch`, if the functions run there and not in this process.
    pub functions: Option<String>,
    /// The issuer of tokens, which may be a URL of plain HTTP. Without it, the issuer is the
    /// parameter `Issuer`, or else the gateway's URL.
    pub issuer: Option<String>,
    /// The clock of all functions.
    pub clock: Clock,
    /// Whether Argon2id may be weaker than OWASP asks for, and is as weak as possible unless the
    /// parameters say how strong. Tests need this, since they make thousands of hashes.
    pub weak_hashes: bool,
}

/// The name of the file of the secrets that imported passwords were mixed with, in the folder of the
/// data. `latchkey users import` writes it.
pub const IMPORT_SECRETS: &str = "import-secrets.json";

/// A running Latchkey.
pub struct Local {
    /// The URL of the gateway.
    pub url: String,
    /// The URL of DynamoDB, for any DynamoDB tool.
    pub dynamodb_url: String,
    /// The names of the tables.
    pub tables: Vec<String>,
    /// The gateway, which can be called without a socket.
    pub gateway: Arc<Gateway>,
    /// The functions, which can be called without the gateway.
    pub functions: Arc<Functions>,
    /// The mails that the functions sent.
    pub mailbox: Arc<Mailbox>,
    /// The events that the functions published.
    pub event_bus: Arc<EventBus>,
    /// What feeds functions from the tables' streams.
    pub streams: Streams,
    /// The environment of each function of this process.
    pub environment: BTreeMap<String, BTreeMap<String, String>>,
    phase: watch::Sender<Phase>,
    gateway_server: JoinHandle<()>,
    dynamodb_server: JoinHandle<()>,
    stand_in: JoinHandle<()>,
}

/// How far the end has come. Each phase includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It has not begun.
    Running,
    /// The gateway takes no more connections, and finishes what is under way.
    Draining,
    /// What was accepted is delivered to the functions that the streams feed.
    Delivering,
    /// The gateway ends.
    Closing,
    /// DynamoDB and the stand-in for other services end, which the functions used until now.
    Stopping,
}

impl Local {
    /// Starts DynamoDB, the functions and the gateway.
    ///
    /// # Errors
    ///
    /// Returns an error of one sentence if the template is broken, a port is in use, or the folder
    /// cannot be written.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let parameters = local_parameters(&options.template, options.parameters.clone())?;
        let template = options.template.with(&parameters)?;
        let gateway_port = listen(options.host, options.port, "--port").await?;
        // DynamoDB does not check who calls it, so it accepts connections from this machine only.
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let dynamodb_port = listen(loopback, options.dynamodb_port, "--dynamodb-port").await?;
        // Neither does the stand-in for SES and EventBridge.
        let mail_port = listen(loopback, options.mail_port, "--mail-port").await?;
        let url = url_of(gateway_port.local_addr()?);
        let mail_url = url_of(mail_port.local_addr()?);
        let dynamodb_url = url_of(dynamodb_port.local_addr()?);

        make_folder(&options.data_dir)?;
        let signing_key = options.data_dir.join("signing-key.pem");
        let jwks = options.data_dir.join("jwks.json");
        signing_key::ensure(&signing_key, &jwks)?;
        let stored = |file: &str| (!options.ephemeral).then(|| options.data_dir.join(file));
        let storage = stored("dynamodb.sqlite").map_or(Storage::Memory, Storage::File);
        let database = dynamodb::open(&storage, template.tables())?;
        let mails = stored("mailbox.jsonl");
        let (rules, published) = Outbox::new();
        let clock = options.clock.clone();
        let mailbox = Mailbox::open(mail_url.clone(), clock, mails.as_deref(), rules.clone())?;
        let event_bus = EventBus::new(&template, options.clock.clone(), rules.clone());
        if let Some(fault) = options.mail_fault {
            mailbox.fail(fault);
        }

        // Local values for variables that the template gives a function. A function to which the
        // template does not give one does not start here either.
        let mut of_template = BTreeMap::from([
            ("SIGNING_KEY", signing_key.display().to_string()),
            ("SIGNING_KID", String::new()),
            ("JWKS", jwks.display().to_string()),
            ("IMPORT_SECRETS", import_secrets(&options.data_dir)),
        ]);
        // In AWS it would be below the API's domain. The issuer is where phones reach the gateway.
        if parameters.get("LinkBase").is_none_or(String::is_empty) {
            let base = options.issuer.as_deref().unwrap_or(&url);
            of_template.insert("LINK_BASE", format!("{base}/pages"));
        }
        // In AWS it would be a URN with the name of the stack.
        if parameters.get("Issuer").is_none_or(String::is_empty) {
            of_template.insert("EVENT_SOURCE", event_bus::SOURCE.to_owned());
        }
        // Lambda sets these.
        let mut of_lambda = dynamodb::environment(&dynamodb_url).to_vec();
        of_lambda.push(("AWS_ENDPOINT_URL_EVENTBRIDGE", mail_url.clone()));
        of_lambda.push(("AWS_ENDPOINT_URL_SESV2", mail_url));
        let mut environment = BTreeMap::new();
        let mut functions = Functions::default();
        for (name, given) in template.environments() {
            let mut variables = given.clone();
            for (variable, value) in &of_template {
                if let Some(given) = variables.get_mut(*variable) {
                    given.clone_from(value);
                }
            }
            let of_lambda = of_lambda.iter();
            variables.extend(of_lambda.map(|(name, value)| ((*name).to_owned(), value.clone())));
            match &options.issuer {
                Some(issuer) => variables.insert("ISSUER".to_owned(), issuer.clone()),
                // In AWS it would be the domain that a request reached.
                None if !variables.contains_key("ISSUER") => {
                    variables.insert("ISSUER".to_owned(), url.clone())
                }
                None => None,
            };
            if options.weak_hashes && !options.parameters.contains_key("Argon2MemoryKib") {
                let weakest = [("ARGON2_MEMORY_KIB", "8"), ("ARGON2_ITERATIONS", "1")];
                variables.extend(weakest.map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            match &options.functions {
                Some(url) => functions.add_remote(name, url)?,
                None => {
                    let lookup = |variable: &str| variables.get(variable).cloned();
                    #[expect(clippy::disallowed_methods, reason = "only tests set the option")]
                    let env = match options.weak_hashes {
                        true => Env::new(&lookup).with_weak_hashes(),
                        false => Env::new(&lookup),
                    };
                    if !functions.add(name, &env, &options.clock)? {
                        tracing::warn!(
                            function = name,
                            "this process does not have the function, so its routes answer 500: add \
                             it to local/src/functions.rs, or run it with cargo lambda watch"
                        );
                    }
                }
            }
            environment.insert(name.clone(), variables);
        }
        let functions = Arc::new(functions);
        let gateway = Gateway::new(&template, Arc::clone(&functions), options.clock)?;
        let gateway = Arc::new(gateway);

        let (phase, phases) = watch::channel(Phase::Running);
        let position = stored("streams.json");
        let rules = (rules, published);
        let streams =
            Streams::start(&template, &database, &functions, position, &phases, rules).await?;
        let door = Door::new(gateway_port, phases.clone())?;
        let service = gateway::router(Arc::clone(&gateway), &mailbox, &event_bus);
        let gateway_server = serve_gateway(door, service, phases.clone());
        let operations = mailbox::operations(Arc::clone(&mailbox), phases.clone())
            .merge(event_bus::operations(Arc::clone(&event_bus)))
            .layer(from_fn(mailbox::no_page));
        let stand_in = serve_stand_in(mail_port, operations, phases.clone());
        let dynamodb_server = dynamodb::serve(dynamodb_port, database, phases);
        Ok(Self {
            url,
            dynamodb_url,
            tables: template.tables().keys().cloned().collect(),
            gateway,
            functions,
            mailbox,
            event_bus,
            streams,
            environment,
            phase,
            gateway_server: tokio::spawn(gateway_server),
            dynamodb_server: tokio::spawn(dynamodb_server),
            stand_in: tokio::spawn(stand_in),
        })
    }

    /// Stops in order: takes no more connections, completes the requests in progress, delivers what
    /// they left in the tables' streams, and then ends the gateway, DynamoDB and the stand-in for
    /// other services. What takes longer than seven seconds is cut off; what was not delivered is delivered
    /// after the next start.
    pub async fn stop(mut self) {
        // Together they are less than the 10 seconds that Docker waits.
        const PATIENCE: Duration = Duration::from_secs(7);
        const PATIENCE_OF_A_SERVER: Duration = Duration::from_secs(1);
        let deadline = Instant::now() + PATIENCE;
        self.phase.send_replace(Phase::Draining);
        let left = self.functions.under_way().end(PATIENCE).await;
        if left > 0 {
            tracing::warn!(left, "some requests took too long and are cut off");
        }
        self.phase.send_replace(Phase::Delivering);
        let patience = deadline.saturating_duration_since(Instant::now());
        if !self.streams.end(patience).await {
            tracing::warn!("a function of a stream took too long and is cut off");
        }
        self.phase.send_replace(Phase::Closing);
        let _ = timeout(PATIENCE_OF_A_SERVER, self.gateway_server).await;
        self.phase.send_replace(Phase::Stopping);
        let servers = async { (self.dynamodb_server.await, self.stand_in.await) };
        let _ = timeout(PATIENCE_OF_A_SERVER, servers).await;
    }
}

/// Returns the parameters of a local run from the `given` ones.
///
/// # Errors
///
/// Returns one sentence if the template has no such parameter or does not allow its value.
pub(crate) fn local_parameters(
    template: &Document,
    mut given: BTreeMap<String, String>,
) -> anyhow::Result<BTreeMap<String, String>> {
    if template.value()["Parameters"].get("MailFrom").is_some() {
        let mail_from = given.entry("MailFrom".to_owned());
        mail_from.or_insert_with(|| MAIL_FROM.to_owned());
    }
    // Without rows there is nothing to publish, and the template's rules say so.
    let has_rows = given.get("Events").is_none_or(|kept| kept != "none");
    if template.value()["Parameters"]
        .get("PublishEvents")
        .is_some()
        && has_rows
    {
        let publish = given.entry("PublishEvents".to_owned());
        publish.or_insert_with(|| "on".to_owned());
    }
    template.check(&given)?;
    // It names a table in AWS. Here the functions always use the template's own.
    given.remove("TableName");
    Ok(given)
}

/// Returns the URL at which this machine reaches a listener.
pub(crate) fn url_of(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    format!("http://{address}")
}

/// Waits until the end has come as far as `phase`.
pub(crate) async fn reached(mut phases: watch::Receiver<Phase>, phase: Phase) {
    let _ = phases.wait_for(|now| *now >= phase).await;
}

async fn serve_gateway(door: Door, service: Router, phases: watch::Receiver<Phase>) {
    let service = service.into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(door, service);
    let server = server.with_graceful_shutdown(reached(phases, Phase::Closing));
    if let Err(error) = server.into_future().await {
        tracing::error!(%error, "the gateway stopped");
    }
}

/// Serves the stand-ins for SES and EventBridge until DynamoDB ends too.
async fn serve_stand_in(listener: TcpListener, operations: Router, phases: watch::Receiver<Phase>) {
    let stop = reached(phases, Phase::Stopping);
    let server = axum::serve(listener, operations).with_graceful_shutdown(stop);
    if let Err(error) = server.into_future().await {
        tracing::error!(%error, "the stand-in for SES and EventBridge stopped");
    }
}

pub(crate) async fn listen(host: IpAddr, port: u16, flag: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind((host, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!(
                "port {port} is in use: choose another with {flag}, or stop the process that uses it"
            )
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {host}, port {port}")),
    }
}

/// Returns the file of the secrets that imported passwords were mixed with, as `IMPORT_SECRETS` names
/// it.
fn import_secrets(data_dir: &Path) -> String {
    format!("file:{}", data_dir.join(IMPORT_SECRETS).display())
}

pub(crate) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    // The folder contains a private key and password hashes.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).with_context(|| {
        format!(
            "cannot make the data folder \"{}\": choose another with --data-dir",
            folder.display()
        )
    })
}
