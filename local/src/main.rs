//! `cargo run`: the whole of Latchkey on one machine.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use local::template::Document;
use local::{Local, Options, functions};
use shared::observe::logging;
use shared::platform::clock::Clock;
use shared::platform::config::process_env;

/// Runs the whole of Latchkey in one process: DynamoDB, the gateway and all functions.
#[derive(Parser)]
#[command(name = "latchkey", bin_name = "cargo run --")]
struct Flags {
    /// Port of the gateway.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of DynamoDB.
    #[arg(long, default_value_t = 8000)]
    dynamodb_port: u16,
    /// Address of the gateway.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Folder of the signing key and of the stored accounts [default: .latchkey, beside template.yaml].
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Discard all accounts at the end.
    #[arg(long)]
    ephemeral: bool,
    /// Send each call to functions that run elsewhere: the URL of `cargo lambda watch`.
    #[arg(long, value_name = "URL")]
    functions: Option<String>,
    /// Value of a parameter of template.yaml, in place of its default; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    parameter: Vec<(String, String)>,
}

#[tokio::main]
async fn main() -> ExitCode {
    logging::init(&process_env(), &shown());
    match run(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("latchkey: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    let path = find_template()?;
    let template = Document::read(&path)?;
    let root = path.parent().unwrap_or(Path::new("."));
    let data_dir = flags.data_dir.unwrap_or_else(|| root.join(".latchkey"));
    let kept = if flags.ephemeral {
        "memory".to_owned()
    } else {
        data_dir.display().to_string()
    };
    let elsewhere = flags.functions.clone();
    let local = Local::start(Options {
        template,
        parameters: flags.parameter.into_iter().collect::<BTreeMap<_, _>>(),
        host: flags.host,
        port: flags.port,
        dynamodb_port: flags.dynamodb_port,
        data_dir,
        ephemeral: flags.ephemeral,
        functions: flags.functions,
        clock: Clock::System,
        weak_hashes: false,
    })
    .await?;
    greet(&local, &kept, elsewhere.as_deref());
    tokio::signal::ctrl_c()
        .await
        .context("cannot wait for Ctrl-C")?;
    println!("\nStopping.");
    local.stop().await;
    Ok(())
}

/// Returns the crates whose log is shown: this program and the functions.
fn shown() -> Vec<&'static str> {
    [&[env!("CARGO_CRATE_NAME"), "local"], functions::NAMES].concat()
}

fn greet(local: &Local, kept: &str, elsewhere: Option<&str>) {
    let url = &local.url;
    println!("Latchkey listens on {url} (Ctrl-C ends it)");
    println!("  functions  {}", elsewhere.unwrap_or("in this process"));
    let tables = local.tables.join(", ");
    println!("  DynamoDB   {}, in {kept}", local.dynamodb_url);
    println!("  tables     {tables}");
    println!("  the API    {url}/docs");
    println!(
        r#"
Try it:

  curl -i {url}/register -H 'content-type: application/json' \
    -d '{{"email":"ada@example.com","password":"correct horse battery staple","first_name":"Ada","last_name":"Lovelace"}}'

  TOKEN=$(curl -s {url}/login -H 'content-type: application/json' \
    -d '{{"email":"ada@example.com","password":"correct horse battery staple"}}' \
    | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

  curl -i {url}/profile -H "authorization: Bearer $TOKEN"
"#
    );
}

/// Returns the template.yaml of this folder or of the nearest one above it, as cargo finds
/// Cargo.toml.
fn find_template() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("the current folder is gone")?;
    let found = here
        .ancestors()
        .map(|folder| folder.join("template.yaml"))
        .find(|p| p.is_file());
    let found = found.context("there is no template.yaml in this folder or above it")?;
    // Paths below the current folder are shorter without it.
    Ok(found
        .strip_prefix(&here)
        .map(Path::to_path_buf)
        .unwrap_or(found))
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
