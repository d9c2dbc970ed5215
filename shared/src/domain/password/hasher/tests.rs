use super::*;
use crate::domain::password::legacy::Secrets;

fn hasher(memory_kib: &str) -> Hasher {
    let lookup = |name: &str| match name {
        "ARGON2_MEMORY_KIB" => Some(memory_kib.to_owned()),
        "ARGON2_ITERATIONS" => Some("5".to_owned()),
        _ => None,
    };
    Hasher::from_env(&Env::new(&lookup)).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

async fn matches(hasher: &Hasher, password: &Password, stored: &PasswordHash) -> bool {
    let stored = stored.clone().into();
    let verified = hasher.verify(password, &stored, &Secrets::default()).await;
    verified.unwrap().matches
}

fn password(text: &str) -> Password {
    Password::presented(text).unwrap()
}

#[test]
fn a_password_matches_its_own_hash_and_no_other() {
    block_on(async {
        let hasher = hasher("7168");
        let stored = hasher
            .hash(&password("correct horse battery"))
            .await
            .unwrap();
        assert!(
            stored
                .to_phc()
                .starts_with("$argon2id$v=19$m=7168,t=5,p=1$")
        );
        let read = PasswordHash::from_phc(&stored.to_phc()).unwrap();
        assert!(matches(&hasher, &password("correct horse battery"), &read).await);
        for wrong in [
            "",
            "Correct horse battery",
            "correct horse battery ",
            "correct\0horse",
        ] {
            assert!(
                !matches(&hasher, &password(wrong), &read).await,
                "{wrong:?}"
            );
        }
        let unmatchable = hasher.unmatchable().unwrap();
        assert!(!matches(&hasher, &password(""), &unmatchable).await);
    });
}

#[test]
fn octets_after_a_nul_count() {
    block_on(async {
        let hasher = hasher("7168");
        let stored = hasher.hash(&password("nul\0one")).await.unwrap();
        assert!(!matches(&hasher, &password("nul\0two"), &stored).await);
    });
}

#[test]
fn two_ways_to_write_a_letter_are_one_password() {
    block_on(async {
        let hasher = hasher("7168");
        let stored = hasher.hash(&password("Ang\u{e9}lique")).await.unwrap();
        assert!(matches(&hasher, &password("Ange\u{301}lique"), &stored).await);
    });
}

#[test]
fn two_hashes_of_one_password_differ() {
    block_on(async {
        let hasher = hasher("7168");
        let one = hasher.hash(&password("the same password")).await.unwrap();
        let two = hasher.hash(&password("the same password")).await.unwrap();
        assert_ne!(one.to_phc(), two.to_phc());
    });
}

#[test]
fn the_memory_of_hashes_at_the_same_time_is_reused_and_grows_for_costlier_ones() {
    let small = hasher("7168");
    // The lock simulates another hash at work.
    let busy = MEMORY.lock();
    block_on(async {
        let stored = hasher("8192")
            .hash(&password("from another time"))
            .await
            .unwrap();
        for _ in 0..3 {
            small.hash(&password("again and again")).await.unwrap();
            assert!(matches(&small, &password("from another time"), &stored).await);
        }
    });
    drop(busy);
    let spare = small.spare.lock().unwrap();
    assert_eq!(spare.iter().map(Vec::len).collect::<Vec<_>>(), [8192]);
}

#[test]
fn parameters_weaker_than_owasp_s_stop_the_start() {
    let from = |memory: &'static str, passes: &'static str| {
        let lookup = |name: &str| match name {
            "ARGON2_MEMORY_KIB" => Some(memory.to_owned()),
            _ => Some(passes.to_owned()),
        };
        Hasher::from_env(&Env::new(&lookup)).map(|_| ())
    };
    for (memory, passes) in [
        ("19456", "2"),
        ("65536", "1"),
        ("7168", "5"),
        ("10000", "4"),
    ] {
        assert!(from(memory, passes).is_ok(), "{memory} {passes}");
    }
    for (memory, passes) in [("7168", "4"), ("19455", "2"), ("47103", "1")] {
        let sentence = from(memory, passes).unwrap_err().to_string();
        assert!(sentence.starts_with("ARGON2_MEMORY_KIB is"), "{sentence}");
    }
}

#[test]
fn a_hash_of_other_parameters_is_obsolete() {
    block_on(async {
        let (now, before) = (hasher("8192"), hasher("7168"));
        let stored = before.hash(&password("still valid")).await.unwrap();
        assert!(now.is_obsolete(&stored.clone().into()));
        assert!(!before.is_obsolete(&stored.clone().into()));
    });
}

#[test]
fn neither_a_password_nor_its_hash_shows_in_debug_output() {
    let hash = hasher("7168").unmatchable().unwrap();
    assert_eq!(
        format!("{:?} {hash:?}", password("secret")),
        "Password PasswordHash"
    );
}

#[test]
fn a_hash_of_another_kind_or_of_hostile_cost_is_unusable() {
    let salt_and_hash = "c29tZXNhbHRzb21lc2FsdA$\
                         MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";
    let phc = |head: &str| PasswordHash::from_phc(&format!("{head}${salt_and_hash}"));
    assert!(phc("$argon2id$v=19$m=19456,t=2,p=1").is_ok());
    for head in [
        "$argon2i$v=19$m=19456,t=2,p=1",
        "$argon2id$v=16$m=19456,t=2,p=1",
        "$argon2id$v=19$m=4194304,t=2,p=1",
        "$argon2id$v=19$m=19456,t=1000,p=1",
        "$argon2id$v=19$m=19456,t=2,p=8",
        "plain",
    ] {
        assert_eq!(phc(head), Err(UnusableHash), "{head}");
    }
    assert_eq!(
        PasswordHash::from_phc("$argon2id$v=19$m=19456,t=2,p=1"),
        Err(UnusableHash)
    );
    assert_eq!(PasswordHash::from_phc(""), Err(UnusableHash));
}
