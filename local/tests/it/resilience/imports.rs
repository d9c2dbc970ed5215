//! Imports if DynamoDB fails, and if several write the same accounts: none is lost, doubled, or
//! written in part.

use shared::domain::password::stored::{Absent, StoredPassword};
use shared::domain::{Account, Email, Name, NewAccount, UserId};
use shared::store::Store;
use shared::store::imports::{Imported, NewImport};
use testkit::dynamodb::Fault;

use crate::support::app::BEGINNING;
use crate::support::directory::filled;

fn account(number: usize) -> NewImport {
    let email = format!("user{number:04}@example.com");
    let new = NewAccount {
        email: Email::parse(&email).unwrap(),
        first_name: Name::parse("Ada").unwrap(),
        last_name: Name::parse("Lovelace").unwrap(),
        locale: None,
    };
    let mut account = Account::open(new, BEGINNING * 1000);
    account.id = UserId::derived(BEGINNING * 1000, ["django", "", &email]);
    NewImport {
        account,
        password: StoredPassword::Absent(Absent::Untold),
    }
}

fn accounts(count: usize) -> Vec<NewImport> {
    (0..count).map(account).collect()
}

/// Returns what keeps each account from being imported.
async fn hindrances(store: &Store, accounts: &[NewImport]) -> Vec<Option<Imported>> {
    let accounts: Vec<_> = accounts.iter().map(|new| &new.account).collect();
    store.hindrances(&accounts).await.unwrap()
}

/// Returns how many outcomes are this one.
fn count(outcomes: &[Imported], wanted: Imported) -> usize {
    outcomes
        .iter()
        .filter(|outcome| **outcome == wanted)
        .count()
}

#[tokio::test]
async fn fifty_accounts_take_one_request() {
    let (store, proxy) = filled(&[]).await;
    let accounts = accounts(120);
    assert_eq!(hindrances(&store, &accounts).await, vec![None; 120]);
    let looked_up = ["BatchGetItem 100", "BatchGetItem 100", "BatchGetItem 40"];
    assert_eq!(proxy.seen(), looked_up);
    let outcomes = store.import(&accounts).await.unwrap();
    assert_eq!(count(&outcomes, Imported::Done), 120);
    let written = [
        "TransactWriteItems 100",
        "TransactWriteItems 250",
        "TransactWriteItems 250",
    ];
    assert_eq!(
        proxy.seen(),
        written,
        "two units an item, and one for the directory"
    );
    let there = hindrances(&store, &accounts).await;
    assert_eq!(there, vec![Some(Imported::There); 120]);
}

#[tokio::test]
async fn the_embedded_dynamodb_remembers_nothing_of_an_import() {
    let (store, proxy) = filled(&[]).await;
    let _ = store.import(&accounts(60)).await.unwrap();
    let requests = proxy.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.operation, "TransactWriteItems");
        assert!(request.body["ClientRequestToken"].is_null());
    }
}

#[tokio::test]
async fn an_import_goes_on_after_conflicts_throttling_and_lost_answers() {
    for fault in [
        Fault::Conflict,
        Fault::ThrottledTransaction,
        Fault::Throttled,
        Fault::Broken,
        Fault::AnswerLost,
    ] {
        let (store, proxy) = filled(&[]).await;
        proxy.inject("TransactWriteItems", &[fault, fault]);
        let accounts = accounts(70);
        let outcomes = store.import(&accounts).await.unwrap();
        assert_eq!(count(&outcomes, Imported::Done), 70, "{fault:?}");
        let there = hindrances(&store, &accounts).await;
        assert_eq!(there, vec![Some(Imported::There); 70], "{fault:?}");
    }
}

#[tokio::test]
async fn an_import_waits_while_dynamodb_is_throttled_for_long() {
    let (store, proxy) = filled(&[]).await;
    // More than the tries of any other write.
    proxy.inject("TransactWriteItems", &[Fault::ThrottledTransaction; 12]);
    let outcomes = store.import(&accounts(3)).await.unwrap();
    assert_eq!(count(&outcomes, Imported::Done), 3);
}

#[tokio::test]
async fn of_several_imports_at_once_each_account_is_written_by_one() {
    let (store, _) = filled(&[]).await;
    let (all, later) = (accounts(90), accounts(90).split_off(40));
    let (one, other) = tokio::join!(store.import(&all), store.import(&later));
    let (one, other) = (one.unwrap(), other.unwrap());
    let sum = |outcome| count(&one, outcome) + count(&other, outcome);
    assert_eq!((sum(Imported::Done), sum(Imported::There)), (90, 50));
}

#[tokio::test]
async fn one_account_that_is_there_keeps_none_of_the_others_away() {
    let (store, _) = filled(&[]).await;
    let mut accounts = accounts(50);
    let _ = store.import(&accounts[20..22]).await.unwrap();
    // Another id: it is not the account that was imported.
    accounts[21].account.id = UserId::new(BEGINNING);
    let outcomes = store.import(&accounts).await.unwrap();
    assert_eq!(outcomes[20], Imported::There);
    assert_eq!(outcomes[21], Imported::EmailTaken);
    assert_eq!(count(&outcomes, Imported::Done), 48);
    let orphan = store.account(accounts[21].account.id).await.unwrap();
    assert!(orphan.is_none());
}

#[tokio::test]
async fn an_account_without_its_credential_is_completed() {
    let (store, _) = filled(&["user0000@example.com".to_owned()]).await;
    let found = store.scan_accounts(0, 1).next().await.unwrap().unwrap();
    let mut accounts = accounts(2);
    accounts[0].account.id = found.id;
    assert_eq!(hindrances(&store, &accounts).await, [None, None]);
    let outcomes = store.import(&accounts).await.unwrap();
    assert_eq!(outcomes, [Imported::Done; 2]);
    let owner = store.account_at(&accounts[0].account.email).await.unwrap();
    assert_eq!(owner.unwrap().id, found.id);
}
