//! Calls functions by name. Events and answers are the JSON that Lambda passes.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use activity::Activity;
use admin::Admin;
use anyhow::{Context as _, anyhow, bail};
use authorizer::Authorizer;
use axum::body::{Body, Bytes};
use axum::http::{Request, Uri};
use discovery::Discovery;
use forgot::Forgot;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use keys::Keys;
use lambda_http::{Context, LambdaEvent};
use links::Links;
use login::Login;
use mailer::Mailer;
use pages::Pages;
use password::ChangePassword;
use profile::Profile;
use publisher::Publisher;
use register::Register;
use serde_json::Value;
use session::Sessions;
use shared::aws::batch::Invocation;
use shared::http::handler::{Handler, answer, warm_up};
use shared::platform::clock::Clock;
use shared::platform::config::Env;
use tokio::sync::watch;

use crate::under_way::UnderWay;

/// Defines the registry of the functions that can run in this process: for each, its name, which is
/// that of its crate, and how it is made from its environment.
macro_rules! functions {
    ($($name:ident => |$env:ident, $clock:ident| $made:expr,)*) => {
        /// The names of the functions that can run in this process.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        fn make(name: &str, env: &Env<'_>, clock: Clock) -> anyhow::Result<Option<Function>> {
            Ok(match name {
                $(stringify!($name) => {
                    let ($env, $clock) = (env, clock);
                    Some($made)
                })*
                _ => None,
            })
        }
    };
}

functions! {
    authorizer => |env, clock| in_process_authorizer(Authorizer::from_env(env, clock)?),
    discovery => |env, _clock| in_process(Discovery::from_env(env)?),
    keys => |env, _clock| in_process_keys(Keys::from_env(env)),
    activity => |env, clock| in_process(Activity::from_env(env, clock)?),
    admin => |env, clock| in_process(Admin::from_env(env, clock)?),
    forgot => |env, clock| in_process(Forgot::from_env(env, clock)?),
    links => |env, clock| in_process(Links::from_env(env, clock)?),
    login => |env, clock| in_process(Login::from_env(env, clock)?),
    mailer => |env, clock| in_process_mailer(Mailer::from_env(env, clock)?),
    pages => |env, _clock| in_process(Pages::from_env(env)?),
    password => |env, clock| in_process(ChangePassword::from_env(env, clock)?),
    profile => |env, clock| in_process(Profile::from_env(env, clock)?),
    publisher => |env, _clock| in_process_publisher(Publisher::from_env(env)?),
    register => |env, clock| in_process(Register::from_env(env, clock)?),
    session => |env, clock| in_process(Sessions::from_env(env, clock)?),
}

/// The functions of one gateway.
pub struct Functions {
    by_name: BTreeMap<String, Function>,
    client: Client<HttpConnector, Body>,
    under_way: UnderWay,
    /// Changes whenever a call has ended.
    ended: watch::Sender<()>,
}

type Answer = Pin<Box<dyn Future<Output = anyhow::Result<Value>> + Send>>;

type WarmUp = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Function {
    InProcess {
        call: Box<dyn Fn(Value) -> Answer + Send + Sync>,
        warm_up: Box<dyn Fn() -> WarmUp + Send + Sync>,
    },
    Remote(Uri),
}

impl Default for Functions {
    fn default() -> Self {
        Self {
            by_name: BTreeMap::new(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            under_way: UnderWay::default(),
            ended: watch::Sender::default(),
        }
    }
}

impl Functions {
    /// Adds the function `name`, made from `env`, to run in this process. Returns `false` if there
    /// is no such function in the registry.
    ///
    /// # Errors
    ///
    /// Returns an error if its configuration is wrong.
    pub fn add(&mut self, name: &str, env: &Env<'_>, clock: &Clock) -> anyhow::Result<bool> {
        let Some(function) = make(name, env, clock.clone())? else {
            return Ok(false);
        };
        self.by_name.insert(name.to_owned(), function);
        Ok(true)
    }

    /// Adds the function `name`, which runs under `cargo lambda watch` at `url`.
    ///
    /// # Errors
    ///
    /// Returns an error if `url` is not a URL.
    pub fn add_remote(&mut self, name: &str, url: &str) -> anyhow::Result<()> {
        let url = url.trim_end_matches('/');
        let invoke = format!("{url}/2015-03-31/functions/{name}/invocations");
        let invoke: Uri = invoke
            .parse()
            .ok()
            .filter(|uri: &Uri| uri.scheme_str() == Some("http") && uri.host().is_some())
            .with_context(|| {
                format!("--functions is \"{url}\": give a URL such as http://127.0.0.1:9000")
            })?;
        self.by_name
            .insert(name.to_owned(), Function::Remote(invoke));
        Ok(())
    }

    /// Returns the count of what is under way: calls of functions, and requests to the gateway.
    pub(crate) fn under_way(&self) -> &UnderWay {
        &self.under_way
    }

    /// Returns a receiver that changes whenever a call has ended, which may have written something.
    pub(crate) fn ended(&self) -> watch::Receiver<()> {
        self.ended.subscribe()
    }

    /// Returns whether there is a function `name`, in this process or elsewhere.
    pub fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Returns whether the function `name` runs elsewhere.
    pub(crate) fn is_remote(&self, name: &str) -> bool {
        matches!(self.by_name.get(name), Some(Function::Remote(_)))
    }

    /// Warms up a function of this process, as Lambda does before its first request.
    pub async fn warm_up(&self, name: &str) {
        if let Some(Function::InProcess { warm_up, .. }) = self.by_name.get(name) {
            warm_up().await;
        }
    }

    /// Invokes a function, as Lambda's `Invoke` does.
    ///
    /// # Errors
    ///
    /// Returns an error if the function fails. API Gateway then answers 500.
    pub async fn invoke(&self, name: &str, event: Value) -> anyhow::Result<Value> {
        let answer = self.call(name, event).await;
        self.ended.send_replace(());
        answer
    }

    async fn call(&self, name: &str, event: Value) -> anyhow::Result<Value> {
        match self.by_name.get(name) {
            // Runs in its own task: as in Lambda, a panic ends the function but not the gateway,
            // and work continues if the client disconnects.
            Some(Function::InProcess { call, .. }) => {
                let (one_more, answer) = (self.under_way.begin(), call(event));
                let call = async move {
                    let _one_more = one_more;
                    answer.await
                };
                let answer = tokio::spawn(call).await;
                answer.map_err(|_| anyhow!("the function {name} panicked"))?
            }
            Some(Function::Remote(invoke)) => {
                let request = Request::post(invoke).header("content-type", "application/json");
                let answer = self
                    .client
                    .request(request.body(Body::from(event.to_string()))?)
                    .await;
                let answer = answer.with_context(|| {
                    format!("nothing answers at {invoke}: is `cargo lambda watch` running?")
                })?;
                let (head, body) = answer.into_parts();
                let body: Bytes = body.collect().await?.to_bytes();
                if !head.status.is_success() {
                    bail!(
                        "the function {name} failed: {}",
                        String::from_utf8_lossy(&body)
                    );
                }
                Ok(shared::platform::json::parse(&body)?)
            }
            None => bail!("the function {name} does not run here: see --functions"),
        }
    }
}

/// Wraps a function of the HTTP API. lambda_http reads the event and writes the answer.
fn in_process(handler: impl Handler) -> Function {
    let handler = Arc::new(handler);
    let to_warm_up = Arc::clone(&handler);
    Function::InProcess {
        call: Box::new(move |event| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let event = LambdaEvent::new(serde_json::from_value(event)?, Context::default());
                let answer = answer(handler.as_ref(), event).await?;
                Ok(serde_json::to_value(answer)?)
            })
        }),
        warm_up: Box::new(move || {
            let handler = Arc::clone(&to_warm_up);
            Box::pin(async move { warm_up(handler.as_ref()).await })
        }),
    }
}

fn in_process_authorizer(authorizer: Authorizer) -> Function {
    let authorizer = Arc::new(authorizer);
    without_warm_up(move |event| {
        let authorizer = Arc::clone(&authorizer);
        Box::pin(async move {
            let verdict = authorizer.authorize(&serde_json::from_value(event)?);
            Ok(serde_json::to_value(verdict)?)
        })
    })
}

fn in_process_keys(keys: Keys) -> Function {
    let keys = Arc::new(keys);
    without_warm_up(move |event| {
        let keys = Arc::clone(&keys);
        Box::pin(async move {
            keys.answer(&event).await?;
            Ok(Value::Null)
        })
    })
}

fn in_process_mailer(mailer: Mailer) -> Function {
    let mailer = Arc::new(mailer);
    without_warm_up(move |event| {
        let mailer = Arc::clone(&mailer);
        Box::pin(async move { Ok(mailer.handle(&event, Invocation::default()).await?) })
    })
}

fn in_process_publisher(publisher: Publisher) -> Function {
    let publisher = Arc::new(publisher);
    without_warm_up(move |event| {
        let publisher = Arc::clone(&publisher);
        Box::pin(async move { Ok(publisher.handle(&event, Invocation::default()).await?) })
    })
}

fn without_warm_up(call: impl Fn(Value) -> Answer + Send + Sync + 'static) -> Function {
    Function::InProcess {
        call: Box::new(call),
        warm_up: Box::new(|| Box::pin(async {})),
    }
}
