//! What the function `mailer` may read and write: no hash of a password, and nothing that can be
//! presented as a token.
//!
//! IAM bounds the attributes that a request names. It does not bound what a write shows whose
//! condition fails, which may be the whole item: no request asks for that, and hashes of passwords
//! lie where the role may not write.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shared::aws::batch::Invocation;
use testkit::dynamodb::Recorded;
use testkit::ses::Fault;

use crate::support::app::{PASSWORD, template, text};
use crate::support::post::{Post, of_address};
use crate::support::privileges::{allowed, used};

/// Returns the statements of the mailer's policies.
fn statements(mail_from: &str) -> Vec<Value> {
    let template = template([("MailFrom", mail_from)]);
    let policies = &template.resources()["Mailer"]["Properties"]["Policies"];
    let policies = policies.as_array().unwrap().iter();
    policies
        .flat_map(|policy| policy["Statement"].as_array().unwrap().clone())
        .collect()
}

/// Returns the attributes that a statement for `action` allows, of the items whose partitions it
/// names, if it names any.
fn attributes((action, partitions): (&str, Option<&str>)) -> BTreeSet<String> {
    let statements = statements("");
    let of_partitions = |it: &Value| {
        let named = &it["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
        named.as_str() == partitions
    };
    let mut of_action = statements
        .iter()
        .filter(|it| it["Action"] == action && of_partitions(it))
        .map(|it| &it["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"]);
    let attributes = of_action.find_map(Value::as_array).unwrap();
    attributes
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

const READ: (&str, Option<&str>) = ("dynamodb:GetItem", None);
const WRITE: (&str, Option<&str>) = ("dynamodb:UpdateItem", Some("USER#*"));
const TELL: (&str, Option<&str>) = ("dynamodb:PutItem", Some("USER#*"));
const COUNT: (&str, Option<&str>) = ("dynamodb:UpdateItem", Some("LIMIT#MAIL#EMAIL#*"));

/// Returns the attributes that the expressions of a request name.
fn named(request: &Recorded) -> BTreeSet<String> {
    const WORDS: [&str; 9] = [
        "ADD",
        "AND",
        "OR",
        "REMOVE",
        "SET",
        "attribute_exists",
        "attribute_not_exists",
        "contains",
        "size",
    ];
    let expressions = [
        "ProjectionExpression",
        "UpdateExpression",
        "ConditionExpression",
    ];
    let expressions = expressions
        .iter()
        .filter_map(|it| request.body[it].as_str());
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_#:".contains(c);
    let words = expressions.flat_map(|it| it.split(move |c| !is_word(c)));
    let names = words.filter(|it| !it.is_empty() && !it.starts_with(':') && !WORDS.contains(it));
    names
        .map(|name| match name.starts_with('#') {
            true => text(&request.body["ExpressionAttributeNames"], name),
            false => name.to_owned(),
        })
        .collect()
}

/// Makes the mailer do all that it can do, and returns its requests to DynamoDB.
async fn everything(post: &Post) -> Vec<Recorded> {
    const ADA: &str = "ada@example.com";
    const EVE: &str = "eve@example.com";
    post.mailer.warm_up().await;
    let ada = post.app.register(ADA).await.expect(201).json();
    post.app.login(ADA, PASSWORD).await.expect(200);
    let id = text(&ada, "id");
    let user = format!("USER#{id}");
    let pending = post.register(EVE).await;
    let link = post.ask_for_change(&id, ADA, EVE, 1).await.to_string();
    for record in [
        post.record(&of_address(ADA), "password_reset", &[]),
        post.record(&of_address(ADA), "email_verification", &[]),
        post.record(&of_address(EVE), "password_reset", &[]),
        post.record(&of_address(EVE), "registration", &[("pending", &pending)]),
        post.record(&user, "email_change", &[("link", &link)]),
        post.record(&user, "email_changed", &[("link", &link)]),
        post.record(&user, "password_changed", &[]),
        post.record(&user, "new_source", &[]),
        post.record(&user, "token_reused", &[]),
    ] {
        assert!(post.is_done(&record).await);
    }
    // A notice that is tried again, without the letter before it.
    post.app.clock.advance(std::time::Duration::from_millis(1));
    let link = post.ask_for_change(&id, ADA, EVE, 1).await.to_string();
    let record = post.record(&user, "email_change", &[("link", &link)]);
    post.ses
        .inject(&[Fault::Passes, Fault::Throttled, Fault::Throttled]);
    assert!(!post.is_done(&record).await);
    assert!(post.is_done(&record).await);
    let reset = post.record(&of_address(ADA), "password_reset", &[]);
    // More secrets than a link keeps, and a delivery after the use of one.
    for _ in 0..9 {
        assert!(post.is_done(&reset).await);
    }
    let last = post.taken().pop().unwrap();
    let used = post.link(&last).await;
    post.use_link(&used).await;
    assert!(post.is_done(&reset).await);
    let bounce = json!({
        "source": "aws.ses", "detail-type": "Email Bounced",
        "detail": {
            "bounce": {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": ADA}]},
            "mail": {"tags": {"user": [id], "purpose": ["password_reset"]}},
        },
    });
    let heard = post.mailer.handle(&bounce, Invocation::default());
    heard.await.unwrap();
    post.proxy.requests()
}

#[tokio::test]
async fn it_asks_for_the_attributes_that_its_role_allows_and_for_no_others() {
    let post = Post::start().await;
    let requests = everything(&post).await;
    assert_eq!(used(&requests), allowed()["mailer"]);
    let mut asked: BTreeMap<(&str, Option<&str>), BTreeSet<String>> = BTreeMap::new();
    for request in &requests {
        let body = &request.body;
        let names = match request.operation.as_str() {
            "GetItem" if body["Key"]["pk"]["S"] == "NOTHING" => continue,
            "GetItem" => {
                // Without it, DynamoDB returns all.
                assert!(body["ProjectionExpression"].is_string(), "{body}");
                asked.entry(READ).or_default()
            }
            "UpdateItem" => {
                let key = text(&body["Key"]["pk"], "S");
                let is_count = key.starts_with("LIMIT#MAIL#EMAIL#");
                assert!(is_count || key.starts_with("USER#"), "{body}");
                for member in ["ReturnValues", "ReturnValuesOnConditionCheckFailure"] {
                    assert!(body[member].is_null() || body[member] == "NONE", "{body}");
                }
                asked
                    .entry(if is_count { COUNT } else { WRITE })
                    .or_default()
            }
            // An event, in the other table, which asks for no mail.
            "PutItem" => {
                assert_eq!(body["TableName"], "EventTable");
                let item = body["Item"].as_object().unwrap();
                let names: BTreeSet<_> = item.keys().cloned().collect();
                assert_eq!(names, attributes(TELL), "{body}");
                assert!(text(&item["pk"], "S").starts_with("USER#"), "{body}");
                continue;
            }
            other => panic!("{other}"),
        };
        names.extend(named(request));
    }
    assert_eq!(asked.len(), 3);
    for (action, mut asked) in asked {
        // DynamoDB counts the key among the attributes.
        asked.extend(["pk", "sk"].map(str::to_owned));
        let mut allowed = attributes(action);
        if action == WRITE {
            // Addresses that were typed in Unicode have it.
            allowed.remove("email_typed");
        }
        assert_eq!(asked, allowed, "{action:?}");
    }
}

#[tokio::test]
async fn its_role_names_no_hash_and_writes_where_none_of_a_password_is() {
    let post = Post::start().await;
    everything(&post).await;
    let readable = &(&attributes(READ) | &attributes(WRITE)) | &attributes(COUNT);
    let mut secret = BTreeSet::new();
    for item in post.app.all_items().await {
        let is_writable = item["pk"].as_s().unwrap().starts_with("USER#");
        for (name, value) in item {
            let is_of_password = format!("{value:?}").contains("$argon2");
            assert!(!(is_of_password && is_writable), "{name}");
            if is_of_password || name.ends_with("_hash") {
                assert!(!readable.contains(&name), "{name}");
                secret.insert(name);
            }
        }
    }
    let expected = ["password", "refresh_hash"].map(str::to_owned);
    assert_eq!(secret, BTreeSet::from(expected));
    assert!(!attributes(READ).contains("hashes"));
}

#[test]
fn its_role_has_a_condition_for_each_action_on_the_table() {
    let table = json!({"Fn::GetAtt": "Table.Arn"});
    let of_table: Vec<_> = statements("")
        .into_iter()
        .filter(|it| it["Resource"] == table)
        .collect();
    let actions: Vec<_> = of_table.iter().map(|it| it["Action"].clone()).collect();
    let expected = ["GetItem", "GetItem", "UpdateItem", "UpdateItem"];
    assert_eq!(actions, expected.map(|it| json!(format!("dynamodb:{it}"))));
    let [read, reach, write, count] = &of_table[..] else {
        panic!("{of_table:?}")
    };
    let select = json!({"dynamodb:Select": "SPECIFIC_ATTRIBUTES"});
    assert_eq!(read["Condition"]["StringEqualsIfExists"], select);
    let nothing = json!({"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "NOTHING"}});
    assert_eq!(reach["Condition"], nothing);
    let of_accounts = json!({"dynamodb:LeadingKeys": "USER#*"});
    assert_eq!(write["Condition"]["ForAllValues:StringLike"], of_accounts);
    let of_counts = json!({"dynamodb:LeadingKeys": "LIMIT#MAIL#EMAIL#*"});
    assert_eq!(count["Condition"]["ForAllValues:StringLike"], of_counts);
    let none = json!({"dynamodb:ReturnValues": "NONE"});
    for written in [write, count] {
        assert_eq!(written["Condition"]["StringEqualsIfExists"], none);
    }
}

#[test]
fn it_may_send_only_as_the_address_of_the_deployment() {
    let is_of_ses = |it: &Value| it["Action"].to_string().contains("ses:");
    assert!(!statements("").iter().any(is_of_ses));
    let of_ses: Vec<_> = statements("no-reply@example.com")
        .into_iter()
        .filter(is_of_ses)
        .collect();
    let [send] = &of_ses[..] else {
        panic!("{of_ses:?}")
    };
    assert_eq!(send["Action"], "ses:SendEmail");
    let from = json!({"StringEquals": {"ses:FromAddress": "no-reply@example.com"}});
    assert_eq!(send["Condition"], from);
    // The identity may be one for the address or for a domain above it: the condition bounds the
    // sender.
    let of_region = "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}";
    let resources = ["configuration-set/${MailConfiguration}", "identity/*"];
    let resources = resources.map(|it| json!({"Fn::Sub": format!("{of_region}:{it}")}));
    assert_eq!(send["Resource"], json!(resources));
}

#[tokio::test]
async fn nobody_reads_in_their_own_activity_what_became_of_a_mail_to_another_address() {
    const ADA: &str = "ada@example.com";
    let post = Post::start().await;
    let mallory = post.app.register("mallory@example.com").await;
    let id = text(&mallory.expect(201).json(), "id");
    let link = post.ask_for_change(&id, "mallory@example.com", ADA, 1);
    let link = link.await.to_string();
    let record = post.record(&format!("USER#{id}"), "email_change", &[("link", &link)]);
    assert!(post.is_done(&record).await);
    // SES says so too if an address is on the list of those that had complained or did not exist.
    for (kind, detail) in [
        (
            "Email Bounced",
            json!({"bounce": {
                "bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": ADA}],
            }}),
        ),
        (
            "Email Complaint Received",
            json!({"complaint": {"complainedRecipients": [{"emailAddress": ADA}]}}),
        ),
    ] {
        let mut detail = detail;
        detail["mail"] = json!({"tags": {"user": [id], "purpose": ["email_change"]}});
        let event = json!({"source": "aws.ses", "detail-type": kind, "detail": detail});
        let heard = post.mailer.handle(&event, Invocation::default());
        heard.await.unwrap();
    }
    assert_eq!(post.events_of(&id).await, ["registered"]);
}
