//! Which tables a command works on: those of a stack in AWS, of two names in AWS, or the local ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use shared::domain::session::Device;
use shared::domain::{Account, Email, Event, Origin, UserId};
use shared::observe::audit::Entry;
use shared::platform::clock::Clock;
use shared::platform::config::{ConfigError, Env, process_env};
use shared::store::directory::Directory;
use shared::store::{EventReader, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::find::Here;
use super::listing::shown;
use super::reference::WHICH;
use super::serve::parameter;
use super::stack::Aws;
use super::{Failure, serving};
use crate::dynamodb::{self, Storage};
use crate::{Phase, listen, local_parameters, make_folder, url_of};

/// The variable with the keys that sign tokens.
const JWKS: &str = "JWKS";

/// What to work on. Without any of these: the local table, through `latchkey serve` if it runs.
#[derive(clap::Args)]
#[command(next_help_heading = WHICH)]
pub(super) struct TargetFlags {
    /// The stack in AWS, with the credentials that every AWS tool finds.
    #[arg(long, global = true, value_name = "NAME", conflicts_with_all = ["table", "event_table"])]
    stack: Option<String>,
    /// The table in AWS, if it belongs to no stack; with --event-table.
    #[arg(long, global = true, value_name = "NAME")]
    table: Option<String>,
    /// The event table in AWS, if it belongs to no stack; with --table.
    #[arg(long, global = true, value_name = "NAME")]
    event_table: Option<String>,
    /// The region in AWS.
    #[arg(long, global = true, value_name = "REGION")]
    region: Option<String>,
    /// The profile of AWS's files with credentials.
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// Folder of the local table [default: .latchkey, beside template.yaml].
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Value of a parameter of template.yaml that no stack and no running process tells; may be
    /// repeated.
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = parameter)]
    parameter: Vec<(String, String)>,
}

/// The tables that a command works on, and who works on them.
pub(super) struct Target {
    /// The accounts.
    pub(super) store: Store,
    /// The events.
    pub(super) events: EventReader,
    /// Whether the tables are on this machine.
    pub(super) is_local: bool,
    /// The folder of the data, if the tables are on this machine.
    pub(super) data_dir: Option<PathBuf>,
    /// Whether a key of Ed25519 may sign the tokens, whose tokens may say less than those of others.
    pub(super) may_have_ed25519: bool,
    /// The tables, in words.
    place: String,
    /// The environment of the function whose settings the command has.
    variables: BTreeMap<String, String>,
    aws: Option<Aws>,
    opened: Option<Opened>,
}

/// A database that this process has opened.
struct Opened {
    phase: watch::Sender<Phase>,
    server: JoinHandle<()>,
}

/// An account, as somebody names it.
#[derive(Clone)]
pub(super) enum Who {
    /// By its id.
    Id(UserId),
    /// By its address.
    Email(Email),
}

/// Parses the id or the address of an account.
pub(super) fn who(text: &str) -> Result<Who, String> {
    match UserId::given(text) {
        Ok(id) => Ok(Who::Id(id)),
        Err(_) => match Email::parse(text) {
            Ok(email) => Ok(Who::Email(email)),
            Err(_) => Err("give the id of an account, or its address".to_owned()),
        },
    }
}

impl TargetFlags {
    /// Opens the tables.
    ///
    /// # Errors
    ///
    /// Returns one sentence if the flags do not fit together, or the tables cannot be found.
    pub(super) async fn open(self) -> Result<Target, Failure> {
        let here = Here::find()?;
        let given: BTreeMap<_, _> = self.parameter.iter().cloned().collect();
        let aws = match (&self.stack, &self.table, &self.event_table) {
            (Some(stack), ..) => Some(of_stack(&self, &here, stack, given.clone()).await?),
            (None, Some(table), Some(events)) => {
                let aws = Aws::find(self.region.as_deref(), self.profile.as_deref()).await?;
                let place = format!("the table {table} in {}", aws.place());
                let mut variables = variables(&here, &given)?;
                variables.insert("TABLE_NAME".to_owned(), table.clone());
                variables.insert("EVENT_TABLE".to_owned(), events.clone());
                Some((aws, place, variables, true))
            }
            (None, None, None) => None,
            (None, Some(_), None) => {
                return Err(refused(
                    "give --event-table with --table: changes write events",
                ));
            }
            (None, None, Some(_)) => return Err(refused("give --table with --event-table")),
        };
        match aws {
            Some((aws, place, variables, may_have_ed25519)) => {
                let client = aws.dynamodb();
                let target = Target::new(client, place, variables, Some(aws), None)?;
                Ok(Target {
                    may_have_ed25519,
                    ..target
                })
            }
            None if self.region.is_some() || self.profile.is_some() => Err(refused(
                "--region and --profile are for AWS: give --stack, or --table and --event-table",
            )),
            None => {
                let data_dir = self.data_dir.clone().unwrap_or_else(|| here.data_dir());
                let target = Self::open_local(&data_dir, &here, given).await?;
                Ok(Target {
                    data_dir: Some(data_dir),
                    ..target
                })
            }
        }
    }

    async fn open_local(
        data_dir: &Path,
        here: &Here,
        given: BTreeMap<String, String>,
    ) -> Result<Target, Failure> {
        if let Some(serving) = serving::find(data_dir).await? {
            let client = local_client(&serving.dynamodb_url)?;
            let place = format!("the running latchkey, in {}", data_dir.display());
            return Target::new(client, place, serving.environment, None, None);
        }
        let parameters = local_parameters(&here.template, given)?;
        let template = here.template.with(&parameters)?;
        make_folder(data_dir)?;
        let storage = Storage::File(data_dir.join("dynamodb.sqlite"));
        let database = dynamodb::open(&storage, template.tables())?;
        let listener = listen(std::net::Ipv4Addr::LOCALHOST.into(), 0, "--dynamodb-port").await?;
        let url = url_of(listener.local_addr()?);
        let (phase, phases) = watch::channel(Phase::Running);
        let opened = Opened {
            phase,
            server: tokio::spawn(dynamodb::serve(listener, database, phases)),
        };
        let place = format!("the accounts in {}", data_dir.display());
        let mut variables = variables(here, &parameters)?;
        let jwks = data_dir.join("jwks.json");
        if jwks.is_file() {
            variables.insert(JWKS.to_owned(), jwks.display().to_string());
        }
        let client = local_client(&url)?;
        Target::new(client, place, variables, None, Some(opened))
    }
}

/// Returns a client of a DynamoDB on this machine. A function would give up within seconds, but here
/// nobody waits for an answer of HTTP, and a part of a large table may take longer.
fn local_client(url: &str) -> anyhow::Result<Client> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let client = dynamodb::client(url)?;
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(PATIENCE)
        .operation_timeout(PATIENCE)
        .build();
    let config = client.config().to_builder().timeout_config(timeouts);
    Ok(Client::from_conf(config.build()))
}

/// Returns the stack `name`, in AWS, in words, with the variables of the function, and whether one
/// of its keys may be of Ed25519.
async fn of_stack(
    flags: &TargetFlags,
    here: &Here,
    name: &str,
    given: BTreeMap<String, String>,
) -> Result<(Aws, String, BTreeMap<String, String>, bool), Failure> {
    let aws = Aws::find(flags.region.as_deref(), flags.profile.as_deref()).await?;
    let mut stack = aws.stack(name).await?;
    // The stack may be of another version than this program.
    let declared = &here.template.value()["Parameters"];
    stack
        .parameters
        .retain(|name, _| declared.get(name).is_some());
    stack.parameters.extend(given);
    let mut variables = variables(here, &stack.parameters)
        .with_context(|| format!("the stack {name} does not fit this template.yaml"))?;
    for (variable, output) in [
        ("TABLE_NAME", "TableName"),
        ("EVENT_TABLE", "EventTableName"),
    ] {
        let table = stack.outputs.get(output).with_context(|| {
            format!("the stack {name} has no output {output}: is it one of Latchkey?")
        })?;
        variables.insert(variable.to_owned(), table.clone());
    }
    let place = format!("the stack {name} in {}", aws.place());
    let kinds = ["KeyA", "KeyB"].map(|key| stack.parameters.get(key));
    let may_have_ed25519 = kinds
        .iter()
        .any(|kind| kind.is_none_or(|kind| kind.contains("Ed25519")));
    Ok((aws, place, variables, may_have_ed25519))
}

/// Returns the variables of the function whose settings the commands have.
fn variables(
    here: &Here,
    parameters: &BTreeMap<String, String>,
) -> anyhow::Result<BTreeMap<String, String>> {
    let template = here.template.with(parameters)?;
    let of_function = template.environments().get(serving::FUNCTION);
    let of_function = of_function.cloned();
    let mut variables = of_function
        .with_context(|| format!("template.yaml has no function {}", serving::FUNCTION))?;
    // The template names a resource that makes the keys.
    variables.remove(JWKS);
    Ok(variables)
}

impl Target {
    fn new(
        client: Client,
        place: String,
        variables: BTreeMap<String, String>,
        aws: Option<Aws>,
        opened: Option<Opened>,
    ) -> Result<Self, Failure> {
        let lookup = |name: &str| variables.get(name).cloned();
        let env = Env::new(&lookup);
        let store = Store::with_client(client.clone(), &env).map_err(anyhow::Error::from)?;
        let events = EventReader::with_client(client, &env).map_err(anyhow::Error::from)?;
        Ok(Self {
            store,
            events,
            is_local: aws.is_none(),
            data_dir: None,
            may_have_ed25519: true,
            place,
            variables,
            aws,
            opened,
        })
    }

    /// Returns the tables, in words.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Returns what is behind a sentence that tells what was done: which tables in AWS it was done in.
    pub(super) fn suffix(&self) -> String {
        match self.is_local {
            true => String::new(),
            false => format!(", in {}", self.place),
        }
    }

    /// Reads a setting of the deployment.
    ///
    /// # Errors
    ///
    /// Returns an error if `read` does.
    pub(super) fn setting<T>(
        &self,
        read: impl FnOnce(&Env<'_>) -> Result<T, ConfigError>,
    ) -> anyhow::Result<T> {
        let lookup = |name: &str| self.variables.get(name).cloned();
        Ok(read(&Env::new(&lookup))?)
    }

    /// Returns the directory of the accounts, or `None` if the deployment has none.
    ///
    /// # Errors
    ///
    /// Returns an error if the deployment's setting is wrong.
    pub(super) fn directory(&self) -> anyhow::Result<Option<Directory>> {
        self.setting(|env| Directory::from_env(env, &self.store))
    }

    /// Returns who works on the tables: the ARN of an identity of AWS, or a user of this machine.
    pub(super) fn actor(&self) -> String {
        match &self.aws {
            Some(aws) => aws.caller().to_owned(),
            None => {
                let env = process_env();
                let names = ["USER", "LOGNAME", "USERNAME"];
                let name = names.iter().find_map(|name| env.optional(name));
                format!("local:{}", shown(name.as_deref().unwrap_or("unknown")))
            }
        }
    }

    /// Returns where and when what this command does comes from.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            device: Device::new("", concat!("latchkey/", env!("CARGO_PKG_VERSION"))),
            millis: Clock::System.millis(),
        }
    }

    /// Returns an event of this command about an account.
    pub(super) fn event(&self, entry: Entry, user: UserId, actor: &str) -> Event {
        Event::new(entry.actor(actor), user, &self.origin())
    }

    /// Returns an account.
    ///
    /// # Errors
    ///
    /// Returns one sentence if there is none.
    pub(super) async fn account(&self, who: &Who) -> Result<Account, Failure> {
        let account = match who {
            Who::Id(id) => self.store.account(*id).await?,
            Who::Email(email) => self.store.account_at(email).await?,
        };
        account.ok_or_else(|| {
            let place = &self.place;
            Failure::Missing(match who {
                Who::Id(id) => format!("there is no account {id} in {place}"),
                Who::Email(email) => {
                    format!("no account has the address {} in {place}", email.as_str())
                }
            })
        })
    }

    /// Closes a database that this process has opened.
    pub(super) async fn close(self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        // The server waits for connections that are open.
        drop((self.store, self.events));
        if let Some(opened) = self.opened {
            // It stops taking connections and finishes its requests.
            opened.phase.send_replace(Phase::Stopping);
            let _ = timeout(PATIENCE, opened.server).await;
        }
    }
}

fn refused(sentence: &str) -> Failure {
    Failure::Refused(sentence.to_owned())
}
