//! `latchkey serve`: the whole of Latchkey on one machine, until a signal ends it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use shared::platform::clock::Clock;
use shared::platform::config::Env;
use shared::tokens::audience::IssuerName;

use super::find::Here;
use super::{Failure, serving};
use crate::mailbox::Mailbox;
use crate::mailbox::fault::Planned;
use crate::{Local, Options};

/// The flags of `serve`.
#[derive(clap::Args)]
pub(super) struct ServeFlags {
    /// Port of the gateway.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of DynamoDB.
    #[arg(long, default_value_t = 8000)]
    dynamodb_port: u16,
    /// Port of the stand-in for Amazon SES, which keeps each mail in the mailbox, and for EventBridge.
    #[arg(long, default_value_t = 8025)]
    mail_port: u16,
    /// Lets mails go wrong: throttle, reject, paused, unverified, broken, timeout, late, bounce or
    /// complaint; only the first three with `throttle:3`.
    #[arg(long, value_name = "FAULT")]
    mail_fault: Option<Planned>,
    /// Address of the gateway.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Folder of the signing key, of the stored accounts and of the mails [default: .latchkey, beside template.yaml].
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Discard all accounts and mails at the end.
    #[arg(long)]
    ephemeral: bool,
    /// Send each call to functions that run elsewhere: the URL of `cargo lambda watch`.
    #[arg(long, value_name = "URL")]
    functions: Option<String>,
    /// Issuer of tokens, if it is not the gateway's URL: the URL at which containers or phones reach
    /// the gateway. It may be of plain HTTP, unlike the parameter Issuer.
    #[arg(long, value_name = "URL", value_parser = issuer, conflicts_with = "functions")]
    issuer: Option<String>,
    /// Value of a parameter of template.yaml, in place of its default; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    parameter: Vec<(String, String)>,
}

/// Serves until `end` comes.
pub(super) async fn run(flags: ServeFlags, end: impl Future<Output = ()>) -> Result<(), Failure> {
    let here = Here::find()?;
    let data_dir = flags.data_dir.unwrap_or_else(|| here.data_dir());
    let location = if flags.ephemeral {
        "memory".to_owned()
    } else {
        data_dir.display().to_string()
    };
    let elsewhere = flags.functions.clone();
    let local = Local::start(Options {
        template: here.template,
        parameters: flags.parameter.into_iter().collect::<BTreeMap<_, _>>(),
        host: flags.host,
        port: flags.port,
        dynamodb_port: flags.dynamodb_port,
        mail_port: flags.mail_port,
        mail_fault: flags.mail_fault,
        data_dir: data_dir.clone(),
        ephemeral: flags.ephemeral,
        functions: flags.functions,
        issuer: flags.issuer,
        clock: Clock::System,
        weak_hashes: false,
    })
    .await?;
    let published = serving::publish(&data_dir, &local, flags.ephemeral).await;
    let _published = published.unwrap_or_else(|error| {
        let error = format!("{error:#}");
        tracing::warn!(
            error,
            "the commands of operators will not find this process"
        );
        None
    });
    greet(&local, &location, elsewhere.as_deref());
    let mailbox = Arc::clone(&local.mailbox);
    let seen = mailbox.arrived();
    let printed = tokio::spawn(async move { print_mails(&mailbox, seen).await });
    end.await;
    println!("\nStopping, as soon as the requests under way are answered.");
    local.stop().await;
    printed.abort();
    Ok(())
}

/// Prints one line for each mail after the first `seen`: when, to whom, its subject and its link.
async fn print_mails(mailbox: &Mailbox, mut seen: u64) {
    loop {
        let (mails, arrived) = mailbox.next(seen).await;
        seen = arrived;
        for mail in mails {
            let time = mail.sent_at.get(11..19).unwrap_or_default();
            let link = mail.links.first().map_or("", String::as_str);
            let line = format!("{time}Z mail to {}: {} {link}", mail.to, mail.subject);
            println!("{}", line.trim_end());
        }
    }
}

fn greet(local: &Local, location: &str, elsewhere: Option<&str>) {
    let url = &local.url;
    println!("Latchkey listens on {url} (Ctrl-C ends it)");
    println!("  functions  {}", elsewhere.unwrap_or("in this process"));
    let tables = local.tables.join(", ");
    println!("  DynamoDB   {}, in {location}", local.dynamodb_url);
    println!("  tables     {tables}");
    println!("  the API    {url}/docs");
    println!("  mails      {url}/mailbox");
    println!("  events     {url}/events");
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

fn issuer(text: &str) -> Result<String, String> {
    let lookup = |name: &str| (name == "ISSUER").then(|| text.to_owned());
    let issuer = IssuerName::from_env(&Env::new(&lookup)).map_err(|error| error.to_string())?;
    let issuer = issuer.at(None).ok_or("give a URL")?;
    Ok(issuer.into_owned())
}

/// Parses a parameter of the template.
pub(super) fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("give NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
