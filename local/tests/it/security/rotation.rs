//! Keys are rotated while clients use their tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use shared::platform::clock::Clock;
use tokio::sync::{Notify, RwLock};
use tokio::task::JoinSet;

use crate::support::app::{BEGINNING, PASSWORD, claims, registration, segment, text};
use crate::support::stack::{self, keys_of};
use crate::support::stack::{Stack, Stage};

/// The state that clients share.
struct Load {
    stack: Stack,
    /// Locked for reading during each request, and for writing to move the clock, which so waits
    /// until no request is in progress.
    going: RwLock<()>,
    stop: AtomicBool,
    requests: AtomicUsize,
    answered: Notify,
}

impl Load {
    /// Runs a client that logs in, uses each of its tokens as long as it is valid, refreshes, and
    /// starts over. Every answer must be 200. Returns the ids of the keys that signed.
    async fn client(self: Arc<Self>, n: usize) -> BTreeSet<String> {
        let email = format!("user{n}@example.com");
        let body = registration(&email);
        assert_eq!(self.stack.post("register", "/register", body).await.0, 201);
        let mut kids = BTreeSet::new();
        let mut valid: Vec<String> = Vec::new();
        while !self.stop.load(Ordering::SeqCst) {
            let body = json!({"email": email, "password": PASSWORD});
            let mut tokens = self.post("login", "/login", body).await;
            for _ in 0..5 {
                let token = text(&tokens, "access_token");
                kids.insert(text(&segment(&token, 0), "kid"));
                valid.push(token);
                self.use_all(&mut valid).await;
                let body = json!({"refresh_token": tokens["refresh_token"]});
                tokens = self.post("session", "/refresh", body).await;
            }
        }
        kids
    }

    async fn post(&self, function: &str, path: &str, body: serde_json::Value) -> serde_json::Value {
        let _going = self.going.read().await;
        let (status, tokens) = self.stack.post(function, path, body).await;
        assert_eq!(status, 200, "{path}: {tokens}");
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.answered.notify_one();
        tokens
    }

    async fn use_all(&self, valid: &mut Vec<String>) {
        // The oldest tokens matter most, those in the middle least.
        while valid.len() > 8 {
            valid.remove(4);
        }
        let mut n = 0;
        while n < valid.len() {
            let _going = self.going.read().await;
            let exp = claims(&valid[n])["exp"].as_u64().unwrap();
            if exp <= Clock::Manual(self.stack.app.clock.clone()).now() {
                valid.remove(n);
                continue;
            }
            assert_eq!(
                self.stack.profile(&valid[n]).await,
                (200, 200),
                "{}",
                valid[n]
            );
            self.requests.fetch_add(1, Ordering::SeqCst);
            self.answered.notify_one();
            n += 1;
        }
    }
}

/// Running clients, and the deployments beside them.
struct Walk {
    load: Arc<Load>,
    clients: JoinSet<BTreeSet<String>>,
}

impl Walk {
    /// Waits until `requests` more requests were answered.
    async fn more(&mut self, requests: usize) {
        let enough = self.load.requests.load(Ordering::SeqCst) + requests;
        while self.load.requests.load(Ordering::SeqCst) < enough {
            tokio::select! {
                () = self.load.answered.notified() => {}
                ended = self.clients.join_next() => panic!("a client ended: {ended:?}"),
            }
        }
    }

    /// Deploys a stage as CloudFormation does, function by function, with traffic in between.
    async fn deploy(&mut self, stage: &Stage, order: &[&str]) {
        for function in order {
            self.load.stack.deploy(function, stage);
            self.more(20).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_without_a_failed_request() {
    let stack = Stack::start().await;
    let kms = Arc::clone(&stack.kms);
    let a = kms.make("RSA_2048");
    let b = kms.make("ECC_NIST_P256");
    let wrapping = kms.make("SYMMETRIC_DEFAULT");
    let (c_public, c) = stack
        .cloudformation
        .sealed_key(&kms, &wrapping, "RSA_2048")
        .await;
    // The template decides what is published and what signs.
    let mut made = BTreeMap::from([("SigningKeyA.Arn", a), ("SigningKeyB.Arn", b)]);
    let stage = async |made: &BTreeMap<&str, String>, signing_keys: &str, key_a: &str| {
        let (published, signer) = keys_of(&stack::stack(signing_keys, key_a, "P-256"));
        let published: Vec<_> = published.iter().map(|name| &*made[&**name]).collect();
        stack.stage(&published, &made[&*signer]).await
    };
    let only_a = stage(&made, "A", "RSA-2048").await;
    stack.deploy_all(&only_a);
    // A, AB, BA, B; then back to a sealed A. The same steps change the mode.
    let mut stages = Vec::new();
    for signing_keys in ["AB", "BA", "B"] {
        let retires = signing_keys == "B";
        stages.push((stage(&made, signing_keys, "RSA-2048").await, retires));
    }
    made.remove("SigningKeyA.Arn");
    made.extend([
        ("SealedKeyA.PublicKey", c_public),
        ("SealedKeyA.SigningKey", c),
    ]);
    for signing_keys in ["BA", "AB", "A"] {
        let retires = signing_keys == "A";
        stages.push((stage(&made, signing_keys, "sealed-RSA-2048").await, retires));
    }
    let load = Arc::new(Load {
        stack,
        going: RwLock::default(),
        stop: AtomicBool::new(false),
        requests: AtomicUsize::new(0),
        answered: Notify::new(),
    });
    let clients = (0..6).map(|n| Arc::clone(&load).client(n)).collect();
    let mut walk = Walk { load, clients };
    walk.more(50).await;
    let mut order = Stack::FUNCTIONS;
    for (stage, retires) in &stages {
        if *retires {
            // The wait of docs/operations.md: the longest lifetime of a token, and the leeway.
            let _nobody = walk.load.going.write().await;
            walk.load
                .stack
                .app
                .clock
                .advance(Duration::from_secs(900 + 30));
        }
        walk.deploy(stage, &order).await;
        // Verifiers first in one deployment, signers first in the next.
        order.reverse();
    }
    walk.load.stop.store(true, Ordering::SeqCst);
    let mut kids = BTreeSet::new();
    for seen in walk.clients.join_all().await {
        kids.extend(seen);
    }
    let expected = [&only_a.kid, &stages[2].0.kid, &stages[5].0.kid];
    assert_eq!(kids, expected.into_iter().cloned().collect());
}

#[tokio::test]
async fn removing_a_key_at_once_invalidates_its_tokens() {
    // The mistake that the test above avoids, which proves that it would be noticed.
    let stack = Stack::start().await;
    let (a, b) = (
        stack.kms.make("ECC_NIST_P256"),
        stack.kms.make("ECC_NIST_P256"),
    );
    stack.deploy_all(&stack.stage(&[&a], &a).await);
    stack
        .post("register", "/register", registration("ada@example.com"))
        .await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let (_, tokens) = stack.post("login", "/login", body).await;
    let token = text(&tokens, "access_token");
    assert!(claims(&token)["exp"].as_u64().unwrap() > BEGINNING);
    assert_eq!(stack.profile(&token).await, (200, 200));
    stack.deploy_all(&stack.stage(&[&b], &b).await);
    assert_eq!(stack.profile(&token).await, (403, 401));
    // The session survives: a refresh works.
    let body = json!({"refresh_token": tokens["refresh_token"]});
    let (status, tokens) = stack.post("session", "/refresh", body).await;
    assert_eq!(status, 200);
    assert_eq!(
        stack.profile(&text(&tokens, "access_token")).await,
        (200, 200)
    );
}
