//! Commands on tables in AWS: stand-ins for CloudFormation and STS, and an embedded DynamoDB.

use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use local::Local;
use tokio::net::TcpListener;
use tokio::task::block_in_place;

use super::import::{DJANGO, line};
use super::{Ran, latchkey, run};
use crate::support::app::{EVENT_TABLE, PASSWORD, folder, options, text};

/// What commands say of the place of the tables.
const PLACE: &str = "in eu-west-1 of the AWS account 000000000000";
const ARN: &str = "arn:aws:sts::000000000000:assumed-role/Operators/grace";

/// A stand-in for CloudFormation, with the stack `latchkey`, and for STS.
struct Aws {
    url: String,
    authorizations: Arc<Mutex<Vec<String>>>,
}

impl Aws {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let authorizations = Arc::<Mutex<Vec<String>>>::default();
        let state = Arc::clone(&authorizations);
        let router = Router::new().fallback(answer).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            authorizations,
        }
    }

    /// Returns a command that finds this AWS, and the tables of `local`.
    fn command(&self, local: &Local, arguments: &[&str]) -> Command {
        let mut command = latchkey();
        command
            .env("AWS_ENDPOINT_URL_STS", &self.url)
            .env("AWS_ENDPOINT_URL_CLOUDFORMATION", &self.url)
            .env("AWS_ENDPOINT_URL_DYNAMODB", &local.dynamodb_url)
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .args(arguments);
        command
    }

    /// Returns the same with credentials and a region in variables.
    fn with_credentials(&self, local: &Local, arguments: &[&str]) -> Command {
        let mut command = self.command(local, arguments);
        command
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "AKIAOFVARIABLES")
            .env("AWS_SECRET_ACCESS_KEY", "secret");
        command
    }
}

/// Runs a command of `users` on the tables of `local`, as an operator does in AWS.
pub async fn on_tables(local: &Local, arguments: &[&str], input: &str) -> Ran {
    let aws = Aws::start().await;
    let tables = ["--table", "latchkey", "--event-table", EVENT_TABLE];
    let users = [&["users"], arguments, &tables].concat();
    block_in_place(|| run(aws.with_credentials(local, &users), input))
}

async fn answer(
    State(authorizations): State<Arc<Mutex<Vec<String>>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let authorization = headers["authorization"].to_str().unwrap().to_owned();
    authorizations.lock().unwrap().push(authorization);
    let answer = |action: &str, result: String| {
        format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>")
    };
    if body.contains("Action=GetCallerIdentity") {
        let result = format!("<Arn>{ARN}</Arn><UserId>x</UserId><Account>000000000000</Account>");
        return (StatusCode::OK, answer("GetCallerIdentity", result));
    }
    if !body.contains("StackName=latchkey&") && !body.ends_with("StackName=latchkey") {
        let error = "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code>\
                     <Message>Stack with id other does not exist</Message></Error></ErrorResponse>";
        return (StatusCode::BAD_REQUEST, error.to_owned());
    }
    let members = |kind: &str, values: &[(&str, &str)]| {
        let member = |(key, value): &(&str, &str)| {
            format!(
                "<member><{kind}Key>{key}</{kind}Key><{kind}Value>{value}</{kind}Value></member>"
            )
        };
        values.iter().map(member).collect::<String>()
    };
    // One parameter is that of a later version.
    let parameters = members(
        "Parameter",
        &[
            ("PasswordMinLength", "30"),
            ("Argon2MemoryKib", "7168"),
            ("Argon2Iterations", "5"),
            ("OfLater", "1"),
        ],
    );
    let outputs = members(
        "Output",
        &[("TableName", "latchkey"), ("EventTableName", EVENT_TABLE)],
    );
    let result = format!(
        "<Stacks><member><StackName>latchkey</StackName>\
         <CreationTime>2026-01-01T00:00:00Z</CreationTime>\
         <StackStatus>CREATE_COMPLETE</StackStatus><Parameters>{parameters}</Parameters>\
         <Outputs>{outputs}</Outputs></member></Stacks>"
    );
    (StatusCode::OK, answer("DescribeStacks", result))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_that_does_not_level_costly_passwords_gets_none() {
    let local = Local::start(options()).await.unwrap();
    let aws = Aws::start().await;
    let file = folder("aws-import-file").join("users.ndjson");
    let mut costly = line("ada@example.com");
    // It takes as many rounds as it says.
    costly["password_hash"] = DJANGO.replace("$1000$", "$1000000$").into();
    std::fs::write(&file, format!("{costly}\n")).unwrap();
    let file = file.display().to_string();
    let import = [
        "users", "import", "--from", "latchkey", &file, "--stack", "latchkey",
    ];
    let ran = |more: &[&str]| {
        let command = aws.with_credentials(&local, &[&import[..], more].concat());
        block_in_place(|| run(command, ""))
    };
    let refused = ran(&["--yes"]).expect(2);
    assert!(
        refused.stderr.contains("ImportedHashMillis="),
        "{}",
        refused.stderr
    );
    let dry = ran(&["--dry-run"]).expect(0);
    assert!(dry.stdout.contains("ImportedHashMillis"), "{}", dry.stdout);
    let level = ["--parameter", "ImportedHashMillis=2500"];
    let unsure = ran(&level).expect(2);
    let question = format!("Import 1 records into the stack latchkey {PLACE}?");
    assert!(unsure.stderr.contains(&question), "{}", unsure.stderr);
    ran(&[&level[..], &["--yes"]].concat()).expect(0);
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_tells_its_tables_and_its_policy_and_events_name_who_did_it() {
    let local = Local::start(options()).await.unwrap();
    let aws = Aws::start().await;
    let create = [
        "users",
        "create",
        "--email",
        "ada@example.com",
        "--password-stdin",
        "--stack",
        "latchkey",
    ];
    let refused = block_in_place(|| run(aws.with_credentials(&local, &create), PASSWORD));
    let refused = refused.expect(2);
    assert!(
        refused.stderr.contains("fewer than 30"),
        "{}",
        refused.stderr
    );
    let longer = format!("{PASSWORD}, {PASSWORD}");
    let made = block_in_place(|| run(aws.with_credentials(&local, &create), &longer)).expect(0);
    assert!(
        made.stdout
            .ends_with(&format!("in the stack latchkey {PLACE}.\n")),
        "{}",
        made.stdout
    );
    let events = ["events", "--stack", "latchkey", "--json"];
    let events = block_in_place(|| run(aws.with_credentials(&local, &events), "")).expect(0);
    assert_eq!(text(&events.lines()[0], "actor"), ARN);
    // What is done without a question says where, too.
    let disable = ["users", "disable", "ada@example.com", "--stack", "latchkey"];
    let done = block_in_place(|| run(aws.with_credentials(&local, &disable), "")).expect(0);
    assert!(
        done.stdout
            .ends_with(&format!(", in the stack latchkey {PLACE}.\n")),
        "{}",
        done.stdout
    );
    let delete = ["users", "delete", "ada@example.com", "--stack", "latchkey"];
    let unsure = block_in_place(|| run(aws.with_credentials(&local, &delete), "")).expect(2);
    assert!(unsure.stderr.contains(PLACE), "{}", unsure.stderr);
    let follow = ["events", "--stack", "latchkey", "--follow"];
    let refused = block_in_place(|| run(aws.with_credentials(&local, &follow), "")).expect(2);
    assert!(refused.stderr.contains("give --user"), "{}", refused.stderr);
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_named_too_and_credentials_come_from_a_profile() {
    let local = Local::start(options()).await.unwrap();
    let aws = Aws::start().await;
    let files = folder("commands-profile");
    let config = files.join("config");
    let key = r#"{"Version":1,"AccessKeyId":"AKIAOFPROCESS","SecretAccessKey":"secret"}"#;
    let profile = format!("[profile ops]\nregion = eu-west-2\ncredential_process = echo '{key}'\n");
    std::fs::write(&config, profile).unwrap();
    let on_tables = |arguments: &[&str]| {
        let tables = [
            "--table",
            "latchkey",
            "--event-table",
            EVENT_TABLE,
            "--profile",
            "ops",
        ];
        let mut command = aws.command(&local, &[arguments, &tables].concat());
        // A profile that is named is meant, whatever the variables say.
        command
            .env("AWS_ACCESS_KEY_ID", "AKIAOFVARIABLES")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_PROFILE", "other");
        // The shell of the process.
        command
            .env("AWS_CONFIG_FILE", &config)
            .env("PATH", "/usr/bin:/bin");
        command
    };
    let create = [
        "users",
        "create",
        "--email",
        "ada@example.com",
        "--password-stdin",
    ];
    let made = block_in_place(|| run(on_tables(&create), PASSWORD)).expect(0);
    assert!(
        made.stdout
            .ends_with("in the table latchkey in eu-west-2 of the AWS account 000000000000.\n"),
        "{}",
        made.stdout
    );
    let list = block_in_place(|| run(on_tables(&["users", "list", "--json"]), "")).expect(0);
    assert_eq!(list.lines().len(), 1);
    let authorizations = aws.authorizations.lock().unwrap().concat();
    assert!(authorizations.contains("AKIAOFPROCESS"), "{authorizations}");
    assert!(
        !authorizations.contains("AKIAOFVARIABLES"),
        "{authorizations}"
    );
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_does_not_have_is_one_sentence() {
    let local = Local::start(options()).await.unwrap();
    let aws = Aws::start().await;
    let list = ["users", "list", "--stack", "other"];
    let missing = block_in_place(|| run(aws.with_credentials(&local, &list), "")).expect(2);
    assert_eq!(
        missing.stderr,
        format!("latchkey: there is no stack other {PLACE}\n")
    );
    let list = ["users", "list", "--stack", "latchkey"];
    let nowhere = block_in_place(|| run(aws.command(&local, &list), "")).expect(2);
    assert!(
        nowhere.stderr.contains("no region is set"),
        "{}",
        nowhere.stderr
    );
    let list = [&list[..], &["--region", "eu-west-1"]].concat();
    let stranger = block_in_place(|| run(aws.command(&local, &list), "")).expect(2);
    let sentence = "there are no credentials of AWS";
    assert!(stranger.stderr.contains(sentence), "{}", stranger.stderr);
    local.stop().await;
}
