//! The function `mailer` alone, between a DynamoDB that can fail and a stand-in for SES that can
//! fail, with batches of a stream that tests make up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use local::dynamodb;
use mailer::Mailer;
use serde_json::{Value, json};
use shared::aws::batch::Invocation;
use shared::domain::{Email, EventId, Link, LinkToken, UserId};
use shared::platform::clock::Clock;
use shared::store::Store;
use shared::store::events::EventReader;
use testkit::dynamodb::Proxy;
use testkit::ses::Ses;

use crate::support::app::{App, BEGINNING, env};

/// The address that mails come from.
pub const FROM: &str = "no-reply@example.com";

pub struct Post {
    pub app: App,
    pub ses: Arc<Ses>,
    pub proxy: Arc<Proxy>,
    pub mailer: Mailer,
    pub environment: BTreeMap<String, String>,
    records: AtomicUsize,
}

/// A mail that SES took.
#[derive(Debug)]
pub struct Taken {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The token of its link.
    pub token: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// As SES got it.
    pub request: Value,
}

impl Post {
    /// The timeout of one request to SES.
    pub const SES_TIMEOUT: Duration = Duration::from_secs(1);

    pub async fn start() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let app = App::with(&[("MailFrom", FROM)]).await;
        let ses = Ses::start().await;
        let proxy = Proxy::start(&app.local.dynamodb_url).await;
        let mut environment = app.local.environment["mailer"].clone();
        // In a process, all clients of a region share the SDK's budget of retries.
        let region = format!("mail-{}", MADE.fetch_add(1, Ordering::Relaxed));
        for (name, value) in [
            ("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url),
            ("AWS_ENDPOINT_URL_SESV2", &ses.url),
            ("AWS_REGION", &region),
            ("LINK_BASE", &"https://api.example.com/pages".to_owned()),
            ("CONFIGURATION_SET", &"latchkey-mail".to_owned()),
        ] {
            environment.insert(name.to_owned(), value.clone());
        }
        let lookup = |name: &str| environment.get(name).cloned();
        let mailer = Mailer::from_env(&env(&lookup), Clock::Manual(app.clock.clone()))
            .unwrap()
            .with_ses_timeout(Self::SES_TIMEOUT);
        Self {
            app,
            ses,
            proxy,
            mailer,
            environment,
            records: AtomicUsize::new(0),
        }
    }

    /// Returns the store without the proxy.
    pub fn store(&self) -> Store {
        Store::from_env(&env(&|name| self.variable(name))).unwrap()
    }

    /// Returns the names of an account's events, latest first.
    pub async fn events_of(&self, user: &str) -> Vec<String> {
        let reader = EventReader::from_env(&env(&|name| self.variable(name))).unwrap();
        let now = Clock::Manual(self.app.clock.clone()).now();
        let page = reader.events_of(user.parse().unwrap(), None, 10, now);
        let events = page.await.unwrap().events;
        events.into_iter().map(|event| event.name).collect()
    }

    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "AWS_ENDPOINT_URL_DYNAMODB" => Some(self.app.local.dynamodb_url.clone()),
            other => self.environment.get(other).cloned(),
        }
    }

    /// Returns a record of the stream: an event about `subject`, the partition key, now.
    pub fn record(&self, subject: &str, mail: &str, others: &[(&str, &str)]) -> Value {
        let id = EventId::new(Clock::Manual(self.app.clock.clone()).millis());
        let number = self.records.fetch_add(1, Ordering::Relaxed);
        let mut image = json!({
            "pk": {"S": subject}, "sk": {"S": id.to_string()}, "event": {"S": "of_a_test"},
            "ip": {"S": "203.0.113.7"}, "user_agent": {"S": "Firefox"},
            "mail": {"S": mail}, "expires_at": {"N": (BEGINNING + 90 * 86400).to_string()},
        });
        for (name, value) in others {
            image[name] = json!({"S": value});
        }
        let keys = json!({"pk": image["pk"], "sk": image["sk"]});
        json!({
            "eventID": number.to_string(), "eventName": "INSERT", "eventVersion": "1.1",
            "eventSource": "aws:dynamodb", "awsRegion": "local",
            "dynamodb": {
                "ApproximateCreationDateTime": BEGINNING, "Keys": keys, "NewImage": image,
                "SequenceNumber": format!("1000000000000000000{number:05}"), "SizeBytes": 200,
                "StreamViewType": "NEW_IMAGE",
            },
            "eventSourceARN": "arn:aws:dynamodb:local:000000000000:table/EventTable/stream/1",
        })
    }

    /// Passes records on, as Lambda does. Returns the sequence numbers to repeat from.
    pub async fn deliver(&self, records: &[&Value]) -> Vec<String> {
        let event = json!({ "Records": records });
        let answer = self.mailer.handle(&event, Invocation::default()).await;
        let failures = answer.unwrap()["batchItemFailures"].clone();
        let failures = failures.as_array().unwrap().iter();
        failures
            .map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Passes one record on. Returns whether it is done.
    pub async fn is_done(&self, record: &Value) -> bool {
        self.deliver(&[record]).await.is_empty()
    }

    /// Returns the mails that SES took since the last call.
    pub fn taken(&self) -> Vec<Taken> {
        self.ses.sent().into_iter().map(read).collect()
    }

    /// Returns the one mail that SES took since the last call.
    #[track_caller]
    pub fn one(&self) -> Taken {
        let mut taken = self.taken();
        assert_eq!(taken.len(), 1, "{taken:?}");
        taken.remove(0)
    }

    /// Returns the link of a mail, after a check that its token is one of the link's.
    #[track_caller]
    pub fn link(&self, taken: &Taken) -> impl Future<Output = Link> + use<> {
        let token = LinkToken::parse(taken.token.as_ref().unwrap()).unwrap();
        let store = self.store();
        async move {
            let (link, _) = store.link_and_account(&token).await.unwrap();
            let link = link.unwrap();
            assert!(link.hashes.contains(&token.hash()));
            link
        }
    }

    /// Puts the request for a change of address into the table, as `POST /email/change` does.
    pub async fn ask_for_change(&self, user_id: &str, from: &str, to: &str, epoch: u64) -> EventId {
        let id = EventId::new(Clock::Manual(self.app.clock.clone()).millis());
        let number = |value: u64| AttributeValue::N(value.to_string());
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let item = [
            ("pk", text(&format!("USER#{user_id}"))),
            ("sk", text(&format!("TOKEN#{id}"))),
            ("purpose", text("email_change")),
            ("email", text(to)),
            ("from", text(from)),
            ("password_epoch", number(epoch)),
            ("expires_at", number(id.millis() / 1000 + 3600)),
        ];
        self.put(item).await;
        id
    }

    /// Puts a pending registration into the table. Returns the id of its future account.
    pub async fn register(&self, email: &str) -> String {
        let id = UserId::new(BEGINNING * 1000).to_string();
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let end = AttributeValue::N((BEGINNING + 86400).to_string());
        let item = [
            ("pk", text(&format!("PENDING#{id}"))),
            ("sk", text("REGISTRATION")),
            ("email", text(email)),
            ("first_name", text("<b>Eve</b>{{7*7}}")),
            ("last_name", text("\r\nBcc: eve@evil.example")),
            ("password", text("$argon2id$of-a-test")),
            ("expires_at", end),
        ];
        self.put(item).await;
        id
    }

    async fn put<const N: usize>(&self, item: [(&str, AttributeValue); N]) {
        let item: HashMap<_, _> = item.map(|(name, value)| (name.to_owned(), value)).into();
        let put = self.app.dynamodb().put_item().table_name(dynamodb::TABLE);
        put.set_item(Some(item)).send().await.unwrap();
    }

    /// Marks a link as used, as the function `links` does.
    pub async fn use_link(&self, link: &Link) {
        let key = |text: String| AttributeValue::S(text);
        let update = self
            .app
            .dynamodb()
            .update_item()
            .table_name(dynamodb::TABLE)
            .key("pk", key(format!("USER#{}", link.user_id)))
            .key("sk", key(format!("TOKEN#{}", link.id)))
            .update_expression("SET used = :use REMOVE hashes")
            .expression_attribute_values(":use", AttributeValue::B(Blob::new([1; 16])));
        update.send().await.unwrap();
    }
}

/// Returns the partition key of an address's events.
pub fn of_address(email: &str) -> String {
    format!("EMAIL#{}", Email::parse(email).unwrap().fingerprint())
}

fn read(request: Value) -> Taken {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let simple = &request["Content"]["Simple"];
    let body = text(&simple["Body"]["Text"]["Data"]);
    let token = body.split("#lkm_").nth(1);
    let token = token.map(|rest| format!("lkm_{}", rest.split_whitespace().next().unwrap()));
    let tags = request["EmailTags"].as_array().unwrap().iter();
    Taken {
        to: text(&request["Destination"]["ToAddresses"][0]),
        subject: text(&simple["Subject"]["Data"]),
        html: text(&simple["Body"]["Html"]["Data"]),
        text: body,
        token,
        tags: tags
            .map(|tag| (text(&tag["Name"]), text(&tag["Value"])))
            .collect(),
        request,
    }
}
