use super::*;

fn mailbox(path: Option<&Path>) -> Arc<Mailbox> {
    let url = "http://127.0.0.1:1".to_owned();
    Mailbox::open(url, Clock::System, path, Outbox::new().0).unwrap()
}

fn message(to: &str, subject: &str) -> Message {
    Message {
        from: "no-reply@latchkey.example".to_owned(),
        recipients: vec![to.to_owned()],
        subject: subject.to_owned(),
        text: format!("{subject}: https://a.example/#{subject}"),
        html: None,
        headers: BTreeMap::new(),
        tags: BTreeMap::new(),
        configuration_set: Some("mails".to_owned()),
    }
}

fn subjects(mails: &[Arc<Mail>]) -> Vec<&str> {
    mails.iter().map(|mail| mail.subject.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_latest_mail_to_an_address_is_found_in_any_of_its_forms_and_waited_for() {
    let mailbox = mailbox(None);
    let first = mailbox.accept(message("Ada@Example.com", "one"));
    mailbox.accept(message("grace@example.com", "two"));
    let to = Some("ada@EXAMPLE.com");
    let found = mailbox.latest(to, None).unwrap();
    assert_eq!(found.id, first.id);
    assert_eq!(found.links, ["https://a.example/#one"]);
    assert_eq!(mailbox.latest(None, None).unwrap().subject, "two");
    assert!(mailbox.latest(to, Some(&first.id)).is_none());
    assert_eq!(mailbox.latest(to, Some("forgotten")).unwrap().id, first.id);

    let wait = Duration::from_secs(5);
    assert!(mailbox.wait(to, Some(&first.id), wait).await.is_none());
    let waiting = Arc::clone(&mailbox);
    let id = first.id.clone();
    let waiting = tokio::spawn(async move { waiting.wait(to, Some(&id), wait).await });
    tokio::task::yield_now().await;
    mailbox.accept(message("grace@example.com", "three"));
    tokio::task::yield_now().await;
    mailbox.accept(message("ada@example.com", "four"));
    assert_eq!(waiting.await.unwrap().unwrap().subject, "four");
}

#[tokio::test]
async fn each_mail_is_announced_once() {
    let mailbox = mailbox(None);
    mailbox.accept(message("ada@example.com", "one"));
    mailbox.accept(message("ada@example.com", "two"));
    let (mails, seen) = mailbox.next(0).await;
    assert_eq!(subjects(&mails), ["one", "two"]);
    mailbox.accept(message("ada@example.com", "three"));
    assert_eq!(subjects(&mailbox.next(seen).await.0), ["three"]);
    for _ in 0..KEPT {
        mailbox.accept(message("ada@example.com", "many"));
    }
    assert_eq!(mailbox.mails().len(), KEPT);
    assert_eq!(mailbox.next(seen).await.0.len(), KEPT);
}

#[test]
fn mails_survive_a_restart_and_their_file_is_for_its_owner_only() {
    let folder = std::env::temp_dir().join(format!("latchkey-mails-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("mailbox.jsonl");
    for n in 0..2 {
        let mailbox = mailbox(Some(&path));
        assert_eq!(mailbox.mails().len(), n);
        mailbox.accept(message("ada@example.com", "kept"));
    }
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("{\"id\": \"unfin");
    std::fs::write(&path, text).unwrap();
    let again = mailbox(Some(&path));
    assert_eq!(subjects(&again.mails()), ["kept", "kept"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_event_is_published_only_of_a_mail_with_a_configuration_set() {
    let url = "http://127.0.0.1:1".to_owned();
    let (rules, mut events) = Outbox::new();
    let mailbox = Mailbox::open(url, Clock::System, None, rules).unwrap();
    let without = Message {
        configuration_set: None,
        ..message("ada@example.com", "without")
    };
    let without = mailbox.accept(without);
    let detail = || ("Bounce", json!({"bounceType": "Permanent"}));
    mailbox.publish(&without, "Email Bounced", detail());
    let with = mailbox.accept(message("ada@example.com", "with"));
    mailbox.publish(&with, "Email Bounced", detail());
    let published = events.try_recv().unwrap();
    assert!(events.try_recv().is_err());
    assert_eq!(published.bus, None);
    let event = published.event;
    assert_eq!(event["source"], "aws.ses");
    assert_eq!(event["detail-type"], "Email Bounced");
    assert_eq!(event["detail"]["mail"]["messageId"], with.id);
    assert_eq!(event["detail"]["mail"]["destination"][0], "ada@example.com");
    assert_eq!(event["detail"]["bounce"]["bounceType"], "Permanent");
    let sets = &event["detail"]["mail"]["tags"]["ses:configuration-set"];
    assert_eq!(sets[0], "mails");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_mails_at_once_is_kept_and_announced_once() {
    let mailbox = mailbox(None);
    let senders = (0..8).map(|n| {
        let mailbox = Arc::clone(&mailbox);
        tokio::spawn(async move {
            for m in 0..10 {
                mailbox.accept(message("ada@example.com", &format!("{n}-{m}")));
                tokio::task::yield_now().await;
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    let (mut heard, mut seen) = (Vec::new(), 0);
    while seen < 80 {
        let (mails, arrived) = mailbox.next(seen).await;
        heard.extend(mails.iter().map(|mail| mail.id.clone()));
        seen = arrived;
    }
    for sender in senders {
        sender.await.unwrap();
    }
    let kept: Vec<_> = mailbox.mails().iter().map(|mail| mail.id.clone()).collect();
    assert_eq!(heard, kept);
}
