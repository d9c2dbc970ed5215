//! The directory: its order, its requests, and what happens while accounts come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::Method;
use local::dynamodb;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::json;
use shared::domain::{Email, UserId};
use shared::store::{Position, Store};
use testkit::dynamodb::{Fault, Proxy};

use crate::support::app::{App, PASSWORD, join_all};
use crate::support::directory::{filled, pages, put_accounts, shard, store, store_at, streamed};

/// Returns an address for a number, with many beginnings.
fn address(n: usize) -> String {
    let beginnings = ["ada", "bob.b", "carol+x", "d_d", "eve'", "0", "!z", "~"];
    format!("{}{}@example.com", beginnings[n % 8], (n * 7919) % 100_003)
}

#[tokio::test]
async fn ten_thousand_accounts_cost_a_fifth_more_requests_than_their_pages_at_most() {
    const ACCOUNTS: usize = 10_000;
    let mut all: Vec<String> = (0..ACCOUNTS).map(address).collect();
    let (store, proxy) = filled(&all).await;
    all.sort();
    // Each page needs a request for each of the 8 parts.
    let is_near = |pages: usize| {
        let requests = proxy.requests();
        assert!(requests.iter().all(|request| request.operation == "Query"));
        let (count, needed) = (requests.len(), pages * 8);
        assert!(
            count >= needed && count * 10 <= needed * 12,
            "{count} requests for {pages} pages"
        );
    };
    let (listed, count) = pages(&store, None, 100).await;
    assert!(listed == all);
    // The last page is full, and may not be known to be the last.
    assert!((100..=101).contains(&count), "{count}");
    is_near(count);
    for (prefix, most) in [("ADA1", 25), ("carol+x9", 10), ("~", 100), ("nobody", 100)] {
        let wanted = prefix.to_ascii_lowercase();
        let wanted = all.iter().filter(|address| address.starts_with(&wanted));
        let wanted: Vec<_> = wanted.cloned().collect();
        let (listed, count) = pages(&store, Some(prefix), most).await;
        assert!(listed == wanted, "{prefix}");
        is_near(count);
        // As a whole, it takes a request for each hundred of a part.
        assert!(streamed(&store, Some(prefix)).await == wanted);
        let (requests, parts) = (proxy.requests().len(), wanted.len() / 8);
        assert!(
            (8..=8 * (parts / 100 + 2)).contains(&requests),
            "{requests}"
        );
    }
}

/// What happens between two pages.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody registers.
    Comes(usize),
    /// Somebody's account is deleted.
    Goes(usize),
    /// Somebody's address becomes another.
    Moves(usize, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<usize>().prop_map(Step::Comes),
        any::<usize>().prop_map(Step::Goes),
        any::<(usize, usize)>().prop_map(|(who, to)| Step::Moves(who, to)),
    ];
    proptest::collection::vec(step, 0..4)
}

/// The accounts of a case, by address.
struct People<'a> {
    app: &'a App,
    case: usize,
    by_address: BTreeMap<String, UserId>,
    /// Those that came, went or moved during the list.
    changed: BTreeSet<String>,
}

impl People<'_> {
    fn address(&self, n: usize) -> String {
        format!("case{}.{}@example.com", self.case, n % 1000)
    }

    async fn take(&mut self, step: Step) {
        let somebody = |who: usize| {
            let at = who % self.by_address.len().max(1);
            self.by_address.keys().nth(at).cloned()
        };
        match step {
            Step::Comes(n) => {
                let address = self.address(n);
                if !self.by_address.contains_key(&address) {
                    let ids = put_accounts(self.app, std::slice::from_ref(&address)).await;
                    self.by_address.insert(address.clone(), ids[0]);
                    self.changed.insert(address);
                }
            }
            Step::Goes(who) => {
                let Some(address) = somebody(who) else { return };
                let id = self.by_address.remove(&address).unwrap();
                let delete = self.app.dynamodb().delete_item();
                let delete = delete.table_name(dynamodb::TABLE);
                let delete = delete.key("pk", AttributeValue::S(format!("USER#{id}")));
                let delete = delete.key("sk", AttributeValue::S("ACCOUNT".to_owned()));
                delete.send().await.unwrap();
                self.changed.insert(address);
            }
            Step::Moves(who, to) => {
                let (Some(from), to) = (somebody(who), self.address(to)) else {
                    return;
                };
                if self.by_address.contains_key(&to) {
                    return;
                }
                let id = self.by_address.remove(&from).unwrap();
                for name in ["email", "address"] {
                    let value = AttributeValue::S(to.clone());
                    self.app.set_attribute(&id.to_string(), name, value).await;
                }
                self.by_address.insert(to.clone(), id);
                self.changed.extend([from, to]);
            }
        }
    }
}

#[tokio::test]
async fn who_is_there_during_a_whole_list_is_listed_once_and_in_order() {
    const CASES: usize = 16;
    let app = App::start().await;
    let directory = store(&app).directory();
    let mut runner = TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    });
    let cases = (
        proptest::collection::btree_set(0_usize..1000, 0..60),
        1_usize..12,
        proptest::collection::vec(steps(), 70),
    );
    for case in 0..CASES {
        let (there, most, steps) = cases.new_tree(&mut runner).unwrap().current();
        let mut people = People {
            app: &app,
            case,
            by_address: BTreeMap::new(),
            changed: BTreeSet::new(),
        };
        let addresses: Vec<_> = there.iter().map(|n| people.address(*n)).collect();
        let ids = put_accounts(&app, &addresses).await;
        people.by_address = addresses.iter().cloned().zip(ids).collect();
        let (prefix, mut after, mut listed) = (format!("Case{case}."), None, Vec::new());
        for step in steps {
            let page = directory.page(Some(&prefix), after.as_ref(), most).await;
            let page = page.unwrap();
            listed.extend(page.accounts.iter().map(|it| it.email.canonical()));
            after = page.next;
            if after.is_none() {
                break;
            }
            for step in step {
                people.take(step).await;
            }
        }
        assert!(after.is_none(), "{case}: the list has an end");
        // Strictly: so nobody is repeated.
        assert!(listed.is_sorted_by(|a, b| a < b), "{case}: {listed:?}");
        let stayed = people.by_address.keys();
        for address in stayed.filter(|it| !people.changed.contains(*it)) {
            assert!(listed.contains(address), "{case}: {address} {listed:?}");
        }
        let known: BTreeSet<_> = addresses.iter().chain(&people.changed).collect();
        assert!(listed.iter().all(|address| known.contains(address)));
    }
}

#[tokio::test]
async fn a_prefix_that_looks_like_an_expression_is_only_text() {
    let app = App::start().await;
    let odd = "o'brien_{x}+#a=b?%*@example.com".to_owned();
    let typed = "ada@b\u{fc}cher.example".to_owned();
    put_accounts(&app, &[odd.clone(), typed, "bob@example.com".to_owned()]).await;
    let store = store(&app);
    let all = ["ada@xn--bcher-kva.example", "bob@example.com", &odd];
    assert_eq!(streamed(&store, None).await, all);
    for end in 0..odd.len() {
        let prefix = odd[..end].to_uppercase();
        let found = pages(&store, Some(&prefix), 1).await.0;
        assert!(found.contains(&odd), "{prefix}");
        assert_eq!(found, streamed(&store, Some(&prefix)).await);
        assert_eq!(found.len(), if end == 0 { 3 } else { 1 }, "{prefix}");
    }
    for prefix in ["ada@b\u{fc}cher", "ADA@B\u{dc}CHER.ex", "ada@xn--b", " ada"] {
        assert_eq!(streamed(&store, Some(prefix)).await, all[..1], "{prefix}");
    }
    let long = "a".repeat(255);
    let hostile = [
        "begins_with(address, :from)",
        ":from",
        ":to OR address = :to",
        "#address",
        "$(reboot)",
        "'; DROP TABLE latchkey; --",
        "%",
        "*",
        "\\",
        "\"",
        "\0",
        "\u{7f}",
        "\u{e4}",
        "a\u{1f980}",
        "ada@b\u{fc}",
        "x",
        &long,
        &"a".repeat(5000),
        &"\u{e4}@\u{e4}".repeat(2000),
    ];
    for prefix in hostile {
        assert!(streamed(&store, Some(prefix)).await.is_empty(), "{prefix}");
        let page = store.directory().page(Some(prefix), None, 10).await;
        let page = page.unwrap();
        assert!(page.accounts.is_empty() && page.next.is_none(), "{prefix}");
    }
    // A place in another list: behind it or before it.
    for (after, count) in [("aaa", 1), ("zzz", 0), ("ada@xn--bcher-kva.example", 0)] {
        let after = Position::from_str(after).unwrap();
        let page = store.directory().page(Some("ada"), Some(&after), 10).await;
        assert_eq!(page.unwrap().accounts.len(), count, "{after:?}");
    }
    for text in ["", "A", "a b", "\u{e4}", &long, "a\0", "a\u{7f}"] {
        assert!(Position::from_str(text).is_err(), "{text:?}");
    }
}

#[tokio::test]
async fn a_registration_a_change_of_address_and_a_deletion_are_listed() {
    let app = App::mailing(&[]).await;
    let store = store(&app);
    let ada = app.user("Ada@Example.com").await;
    app.user("bob@example.com").await;
    let both = ["ada@example.com", "bob@example.com"];
    assert_eq!(
        pages(&store, None, 10).await,
        (both.map(str::to_owned).into(), 1)
    );
    let listed = store.directory().page(None, None, 1).await.unwrap();
    let (listed, next) = (&listed.accounts[0], listed.next.unwrap());
    assert_eq!(listed.id.to_string(), ada.id());
    assert_eq!(listed.email.as_str(), "Ada@Example.com");
    assert_eq!(next.as_str(), "ada@example.com");
    let exact = async |email| {
        let email = Email::parse(email).unwrap();
        let account = store.account_at(&email).await.unwrap();
        account.map(|account| account.id.to_string())
    };
    assert_eq!(exact("ADA@example.com").await, Some(ada.id()));

    let body = json!({"email": "zoe@example.com", "password": PASSWORD});
    ada.post("/email/change", body).send().await.expect(202);
    let token = app.mailed("email_change").await.unwrap();
    let confirm = app.post(
        "/email/change/confirm",
        json!({"token": token, "password": PASSWORD}),
    );
    confirm.send().await.expect(204);
    let moved = ["bob@example.com", "zoe@example.com"];
    assert_eq!(streamed(&store, None).await, moved);
    assert_eq!(exact("ada@example.com").await, None);
    assert_eq!(exact("zoe@example.com").await, Some(ada.id()));

    let bob = app.login("bob@example.com", PASSWORD).await.json();
    let bob = bob["access_token"].as_str().unwrap();
    let delete = app.call(Method::DELETE, "/profile").bearer(bob);
    let delete = delete.json(json!({ "password": PASSWORD }));
    delete.send().await.expect(204);
    assert_eq!(streamed(&store, None).await, moved[1..]);
}

#[tokio::test]
async fn an_account_that_is_being_deleted_is_not_listed() {
    let app = App::start().await;
    let proxy = Proxy::start(&app.local.dynamodb_url).await;
    let store = store_at(&app, &proxy.url);
    let ada = app.user("ada@example.com").await;
    let account = store.account(ada.id().parse().unwrap()).await;
    let account = account.unwrap().unwrap();
    let begun = store.begin_deletion(&account, false, app.clock_now(), &[]);
    let _ = begun.await.unwrap();
    // It is there, and the address is another's by now.
    app.register("ada@example.com").await.expect(201);
    assert_eq!(streamed(&store, None).await, ["ada@example.com"]);
    let listed = store.directory().page(None, None, 10).await.unwrap();
    assert_ne!(listed.accounts[0].id, account.id);
    // Nothing puts it back.
    assert!(!store.reindex_account(&account).await.unwrap());
    assert_eq!(streamed(&store, None).await.len(), 1);
    let found = scanned(&store, 1).await;
    assert_eq!(found.len(), 2);
    assert!(found.values().all(|is_misplaced| !is_misplaced));
}

/// Returns the accounts that a scan in parts finds, and whether the directory lacks them.
async fn scanned(store: &Store, segments: i32) -> BTreeMap<String, bool> {
    let part = async |segment| {
        let (mut scan, mut found) = (store.scan_accounts(segment, segments), Vec::new());
        while let Some(scanned) = scan.next().await.unwrap() {
            found.push((scanned.id.to_string(), scanned.is_misplaced));
        }
        found
    };
    let found = join_all((0..segments).map(part)).await.concat();
    let count = found.len();
    let found: BTreeMap<_, _> = found.into_iter().collect();
    assert_eq!(found.len(), count, "each once");
    found
}

#[tokio::test]
async fn accounts_of_before_are_put_into_the_directory() {
    const ACCOUNTS: usize = 60;
    let app = App::start().await;
    let store = store(&app);
    // Items of other kinds lie between them.
    app.user("zoe@example.com").await;
    let mut all: Vec<_> = (0..ACCOUNTS).map(address).collect();
    let ids = put_accounts(&app, &all).await;
    for id in &ids {
        let update = app.dynamodb().update_item().table_name(dynamodb::TABLE);
        let update = update
            .key("pk", AttributeValue::S(format!("USER#{id}")))
            .key("sk", AttributeValue::S("ACCOUNT".to_owned()));
        let update = match id.as_bytes()[15] % 3 {
            0 => update.update_expression("REMOVE directory, address"),
            1 => update.update_expression("REMOVE address"),
            _ => update
                .update_expression("SET directory = :wrong")
                .expression_attribute_values(":wrong", AttributeValue::S("9".to_owned())),
        };
        update.send().await.unwrap();
    }
    assert_eq!(streamed(&store, None).await, ["zoe@example.com"]);
    for segments in [1, 3] {
        let found = scanned(&store, segments).await;
        assert_eq!(found.len(), ACCOUNTS + 1);
        assert_eq!(found.values().filter(|is| **is).count(), ACCOUNTS);
    }
    let mut scan = store.scan_accounts(0, 1);
    let mut mended = 0;
    while let Some(found) = scan.next().await.unwrap() {
        let account = found.account.unwrap();
        let version = account.version;
        assert_eq!(
            store.reindex_account(&account).await.unwrap(),
            found.is_misplaced
        );
        assert!(!store.reindex_account(&account).await.unwrap(), "twice");
        let after = store.account(found.id).await.unwrap().unwrap();
        assert_eq!(after.version, version, "its owner sees no change");
        mended += usize::from(found.is_misplaced);
    }
    assert_eq!(mended, ACCOUNTS);
    all.push("zoe@example.com".to_owned());
    all.sort();
    assert_eq!(streamed(&store, None).await, all);
    assert!(scanned(&store, 1).await.values().all(|is| !is));
}

#[tokio::test]
async fn a_change_of_address_puts_the_account_into_the_directory_and_wins_over_the_command() {
    let app = App::mailing(&[]).await;
    let store = store(&app);
    let ada = app.user("ada@example.com").await;
    let update = app.dynamodb().update_item().table_name(dynamodb::TABLE);
    let update = update
        .key("pk", AttributeValue::S(format!("USER#{}", ada.id())))
        .key("sk", AttributeValue::S("ACCOUNT".to_owned()))
        .update_expression("REMOVE directory, address");
    update.send().await.unwrap();
    let read = store.account(ada.id().parse().unwrap()).await;
    let read = read.unwrap().unwrap();
    let body = json!({"email": "zoe@example.com", "password": PASSWORD});
    ada.post("/email/change", body).send().await.expect(202);
    let token = app.mailed("email_change").await.unwrap();
    let confirm = app.post(
        "/email/change/confirm",
        json!({"token": token, "password": PASSWORD}),
    );
    confirm.send().await.expect(204);
    assert!(!store.reindex_account(&read).await.unwrap());
    assert_eq!(streamed(&store, None).await, ["zoe@example.com"]);
}

#[tokio::test]
async fn an_unreadable_account_is_left_out_and_a_scan_names_it() {
    let app = App::start().await;
    let store = store(&app);
    let ids = put_accounts(&app, &["a@b.example".to_owned(), "c@d.example".to_owned()]).await;
    let roles = AttributeValue::S("admin".to_owned());
    app.set_attribute(&ids[0].to_string(), "roles", roles).await;
    assert_eq!(streamed(&store, None).await, ["c@d.example"]);
    assert_eq!(pages(&store, None, 1).await.0, ["c@d.example"]);
    let mut scan = store.scan_accounts(0, 1);
    let mut found = BTreeMap::new();
    while let Some(scanned) = scan.next().await.unwrap() {
        found.insert(scanned.id.to_string(), scanned.account.is_ok());
    }
    let wanted = [(ids[0].to_string(), false), (ids[1].to_string(), true)];
    assert_eq!(found, wanted.into());
}

#[tokio::test]
async fn a_list_goes_on_after_a_fault_without_loss() {
    let app = App::start().await;
    let mut all: Vec<_> = (0..100).map(address).collect();
    let ids = put_accounts(&app, &all).await;
    all.sort();
    let proxy = Proxy::start(&app.local.dynamodb_url).await;
    let store = store_at(&app, &proxy.url);
    let in_use: BTreeSet<_> = ids.iter().map(|id| shard(*id)).collect();
    assert_eq!(in_use.len(), 8);
    let mut stream = store.directory().stream(None);
    // More than the SDK's tries of all 8 requests.
    proxy.inject("Query", &[Fault::Broken; 24]);
    assert!(stream.next().await.is_err());
    proxy.inject("Query", &[]);
    let mut listed = Vec::new();
    while let Some(account) = stream.next().await.unwrap() {
        listed.push(account.email.canonical());
    }
    assert_eq!(listed, all);
    proxy.inject("Scan", &[Fault::Broken; 3]);
    let mut scan = store.scan_accounts(0, 1);
    assert!(scan.next().await.is_err());
    let mut count = 0;
    while scan.next().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, all.len());
}

#[tokio::test]
async fn a_page_asks_all_parts_at_once() {
    let app = App::start().await;
    put_accounts(&app, &(0..50).map(address).collect::<Vec<_>>()).await;
    let proxy = Proxy::start(&app.local.dynamodb_url).await;
    let store = store_at(&app, &proxy.url);
    proxy.inject("Query", &[Fault::Held]);
    let directory = store.directory();
    let page = directory.page(None, None, 10);
    let others = async {
        proxy.held().await;
        // If they waited for the one that is held, this would never end.
        let mut answered = 0;
        while answered < 7 {
            answered += proxy.seen().len();
            tokio::task::yield_now().await;
        }
        proxy.release();
    };
    let (page, ()) = tokio::join!(page, others);
    assert_eq!(page.unwrap().accounts.len(), 10);
}
