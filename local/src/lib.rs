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
//! - `guard`: keeps web pages out of DynamoDB, SES and the mailbox.
//! - [`openapi`]: the description of the API, docs/openapi.yaml.
//! - [`api_docs`]: the page that shows the description.
//!
//! The functions are the ones that Lambda runs, and receive the same events.

pub mod api_docs;
mod door;
pub mod dynamodb;
pub mod event;
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
use shared::platform::clock::Clock;
use shared::platform::config::Env;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::door::{Door, Peer};
use crate::dynamodb::Storage;
use crate::functions::Functions;
use crate::gateway::Gateway;
use crate::mailbox::Mailbox;
use crate::mailbox::fault::Planned;
use crate::streams::Streams;
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
    /// The port of the stand-in for SES. 0 chooses a free port.
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
    /// What feeds functions from the tables' streams.
    pub streams: Streams,
    /// The environment of each function of this process.
    pub environment: BTreeMap<String, BTreeMap<String, String>>,
    phase: watch::Sender<Phase>,
    gateway_server: JoinHandle<()>,
    dynamodb_server: JoinHandle<()>,
    mail_server: JoinHandle<()>,
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
    /// DynamoDB and the stand-in for SES end, which the functions used until now.
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
        let mut parameters = options.parameters.clone();
        let takes = |name: &str| options.template.value()["Parameters"].get(name).is_some();
        if takes("MailFrom") {
            let mail_from = parameters.entry("MailFrom".to_owned());
            mail_from.or_insert_with(|| MAIL_FROM.to_owned());
        }
        options.template.check(&parameters)?;
        // It names a table in AWS. Here the functions always use the template's own.
        parameters.remove("TableName");
        let template = options.template.with(&parameters)?;
        let gateway_port = listen(options.host, options.port, "--port").await?;
        // DynamoDB does not check who calls it, so it accepts connections from this machine only.
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let dynamodb_port = listen(loopback, options.dynamodb_port, "--dynamodb-port").await?;
        // Neither does the stand-in for SES.
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
        let (mailbox, published) =
            Mailbox::open(mail_url.clone(), options.clock.clone(), mails.as_deref())?;
        if let Some(fault) = options.mail_fault {
            mailbox.fail(fault);
        }

        // Local values for variables that the template gives a function. A function to which the
        // template does not give one does not start here either.
        let mut of_template = BTreeMap::from([
            ("SIGNING_KEY", signing_key.display().to_string()),
            ("SIGNING_KID", String::new()),
            ("JWKS", jwks.display().to_string()),
        ]);
        // In AWS it would be below the API's domain. The issuer is where phones reach the gateway.
        if parameters.get("LinkBase").is_none_or(String::is_empty) {
            let base = options.issuer.as_deref().unwrap_or(&url);
            of_template.insert("LINK_BASE", format!("{base}/pages"));
        }
        // Lambda sets these.
        let mut of_lambda = dynamodb::environment(&dynamodb_url).to_vec();
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
        let mails = (Arc::clone(&mailbox), published);
        let streams =
            Streams::start(&template, &database, &functions, position, &phases, mails).await?;
        let door = Door::new(gateway_port, phases.clone())?;
        let served = (Arc::clone(&gateway), Arc::clone(&mailbox));
        let gateway_server = serve_gateway(door, served, phases.clone());
        let mail_server = mailbox::serve(mail_port, Arc::clone(&mailbox), phases.clone());
        let dynamodb_server = dynamodb::serve(dynamodb_port, database, phases);
        Ok(Self {
            url,
            dynamodb_url,
            tables: template.tables().keys().cloned().collect(),
            gateway,
            functions,
            mailbox,
            streams,
            environment,
            phase,
            gateway_server: tokio::spawn(gateway_server),
            dynamodb_server: tokio::spawn(dynamodb_server),
            mail_server: tokio::spawn(mail_server),
        })
    }

    /// Stops in order: takes no more connections, completes the requests in progress, delivers what
    /// they left in the tables' streams, and then ends the gateway, DynamoDB and the stand-in for
    /// SES. What takes longer than seven seconds is cut off; what was not delivered is delivered
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
        let servers = async { (self.dynamodb_server.await, self.mail_server.await) };
        let _ = timeout(PATIENCE_OF_A_SERVER, servers).await;
    }
}

/// Returns the URL at which this machine reaches a listener.
fn url_of(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    format!("http://{address}")
}

/// Waits until the end has come as far as `phase`.
pub(crate) async fn reached(mut phases: watch::Receiver<Phase>, phase: Phase) {
    let _ = phases.wait_for(|now| *now >= phase).await;
}

async fn serve_gateway(
    door: Door,
    (gateway, mailbox): (Arc<Gateway>, Arc<Mailbox>),
    phases: watch::Receiver<Phase>,
) {
    let service = gateway::router(gateway, &mailbox).into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(door, service);
    let server = server.with_graceful_shutdown(reached(phases, Phase::Closing));
    if let Err(error) = server.into_future().await {
        tracing::error!(%error, "the gateway stopped");
    }
}

async fn listen(host: IpAddr, port: u16, flag: &str) -> anyhow::Result<TcpListener> {
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

fn make_folder(folder: &Path) -> anyhow::Result<()> {
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
