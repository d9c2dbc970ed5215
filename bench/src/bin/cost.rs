//! Writes docs/cost.md: the costs of logins and their limits, from a table of prices.
//!
//! `cargo run -p bench --bin cost > docs/cost.md`

use anyhow::Context as _;
use local::template::document;
use shared::observe::audit::LoginRefusal;
use shared::observe::emf::METRICS;

/// US dollars per million, unless stated otherwise. Commonly quoted for us-east-1; not taken from
/// price pages.
const HTTP_API: f64 = 1.00;
const LAMBDA_REQUEST: f64 = 0.20;
const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4 * 1e6;
const WRITE_UNIT: f64 = 0.625;
const READ_UNIT: f64 = 0.125;
const KMS_SIGNATURE: f64 = 3.00;
/// Per month.
const KMS_KEY: f64 = 1.00;
/// Per gigabyte.
const LOGS: f64 = 0.50;
/// In KB: the gateway's line for a call; for a function that runs, the request's line with its
/// metrics and Lambda's own two lines; a security event.
const LINE_OF_CALL: f64 = 0.4;
const LINES_OF_RUN: f64 = 1.6;
const LINE_OF_EVENT: f64 = 0.35;
/// Per month: the price, and the number that is free in an account. For a custom metric, a metric
/// that an alarm looks at, a dashboard.
const METRIC: (f64, f64) = (0.30, 10.0);
const ALARM: (f64, f64) = (0.10, 10.0);
const DASHBOARD: (f64, f64) = (3.00, 3.0);
/// Per month and user, beyond the first ten thousand: the size of a tier, and its price.
const COGNITO_LITE: [(f64, f64); 4] = [
    (90e3, 0.0055),
    (900e3, 0.0046),
    (9e6, 0.00325),
    (f64::INFINITY, 0.0025),
];
const COGNITO_ESSENTIALS: [(f64, f64); 1] = [(f64::INFINITY, 0.015)];
const COGNITO_FREE: f64 = 10e3;

/// The number of refreshes after a login: an app in use for 25 hours a month.
const REFRESHES: f64 = 100.0;
/// How much busier the busiest second is than the average one.
const PEAK: f64 = 10.0;
const SECONDS_A_MONTH: f64 = 30.0 * 86_400.0;

/// A call: what runs for it (GB of memory, milliseconds), its requests to DynamoDB and KMS, and its
/// security events.
struct Call {
    name: &'static str,
    runs: &'static [(f64, f64)],
    writes: f64,
    reads: f64,
    signatures: f64,
    events: f64,
}

const AUTHORIZER: (f64, f64) = (0.25, 2.0);

/// Durations are estimates for warm functions in AWS. Units are those that the tests count.
const CALLS: [Call; 13] = [
    call("register", &[(1.0, 60.0)], 10.0, 0.0, 0.0, 1.0),
    call(
        "login, from a known source",
        &[(1.0, 60.0)],
        4.0,
        4.0,
        1.0,
        1.0,
    ),
    call(
        "login, from a new source",
        &[(1.0, 60.0)],
        6.0,
        4.0,
        1.0,
        1.0,
    ),
    call("refresh", &[(0.25, 15.0)], 1.0, 2.0, 1.0, 0.0),
    call("logout", &[(0.25, 10.0)], 4.0, 0.0, 0.0, 1.0),
    call(
        "profile, authorizer cached",
        &[(0.25, 10.0)],
        0.0,
        2.0,
        0.0,
        0.0,
    ),
    call(
        "profile, authorizer called",
        &[(0.25, 10.0), AUTHORIZER],
        0.0,
        2.0,
        0.0,
        0.0,
    ),
    call(
        "password change",
        &[(1.0, 120.0), AUTHORIZER],
        11.0,
        7.0,
        1.0,
        2.0,
    ),
    call("forgotten password", &[(0.25, 15.0)], 3.0, 0.0, 0.0, 1.0),
    call(
        "a new password by a link",
        &[(1.0, 70.0)],
        13.0,
        2.0,
        0.0,
        3.0,
    ),
    call(
        "a proven address by a link",
        &[(1.0, 70.0)],
        7.0,
        5.0,
        0.0,
        1.0,
    ),
    call(
        "register, the proof first: asked",
        &[(1.0, 60.0)],
        7.0,
        0.0,
        0.0,
        1.0,
    ),
    call(
        "register, the proof first: confirmed",
        &[(1.0, 70.0)],
        14.0,
        3.0,
        0.0,
        1.0,
    ),
];
/// What a mail takes beside SES: the mailer's run, for one mail a batch, its reads and its writes.
const MAIL: Call = call("a mail", &[(0.25, 150.0)], 1.0, 2.0, 0.0, 1.0);
/// Of SES without a plan. A deployment on SES's plan Essentials pays 60% more.
const SES_MAIL: f64 = 100.00;
/// What an event takes that is published, beside EventBridge: the publisher's run, for one event a
/// batch.
const PUBLISHED: Call = call("a published event", &[(0.25, 30.0)], 0.0, 0.0, 0.0, 0.0);
/// Of EventBridge, for events of one's own. Rules cost nothing.
const EVENT: f64 = 1.00;
const LOGIN: &Call = &CALLS[1];
const REFRESH: &Call = &CALLS[3];

const fn call(
    name: &'static str,
    runs: &'static [(f64, f64)],
    writes: f64,
    reads: f64,
    signatures: f64,
    events: f64,
) -> Call {
    Call {
        name,
        runs,
        writes,
        reads,
        signatures,
        events,
    }
}

impl Call {
    fn lambda(&self) -> f64 {
        let runs = self.runs.iter();
        runs.map(|(gb, ms)| LAMBDA_REQUEST + gb * ms / 1e3 * LAMBDA_GB_SECOND)
            .sum()
    }

    fn dynamodb(&self) -> f64 {
        self.writes * WRITE_UNIT + self.reads * READ_UNIT
    }

    fn logs(&self) -> f64 {
        let kb = LINE_OF_CALL + self.runs.len() as f64 * LINES_OF_RUN + self.events * LINE_OF_EVENT;
        // A million KB are a GB.
        kb * LOGS
    }

    /// Returns the costs of a million calls, without signatures.
    fn unsigned(&self) -> f64 {
        HTTP_API + self.lambda() + self.dynamodb() + self.logs()
    }
}

fn tiered(users: f64, tiers: &[(f64, f64)]) -> f64 {
    let mut left = (users - COGNITO_FREE).max(0.0);
    let mut cost = 0.0;
    for (size, price) in tiers {
        let here = left.min(*size);
        cost += here * price;
        left -= here;
    }
    cost
}

/// Formats a number with commas between thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn main() -> anyhow::Result<()> {
    println!(
        "# Cost and bounds

Generated by `cargo run -p bench --bin cost > docs/cost.md`. To compute your own, change the prices and habits at the
head of `bench/src/bin/cost.rs`. All amounts are US dollars. **The prices are those commonly given for us-east-1 and
were not read from AWS's price pages; durations are guesses for warm functions in AWS.** Tests count the capacity units,
for items under 1 KB. Cold starts, storage (about 0.7 KB for an account, 0.3 KB for it in the directory, and 0.5 KB for
a session), data transfer and free tiers other than Cognito's are left out. The directory adds a write unit to a
registration and none to a login; `Directory=off` saves it.

## A million calls

| call | API | Lambda | DynamoDB | logs | without a signature | signed by KMS (RSA-2048) |
|---|---|---|---|---|---|---|"
    );
    for call in &CALLS {
        let signed = match call.signatures {
            0.0 => "-".to_owned(),
            signatures => format!("**{:.2}**", call.unsigned() + signatures * KMS_SIGNATURE),
        };
        println!(
            "| {} | {HTTP_API:.2} | {:.2} | {:.2} | {:.2} | **{:.2}** | {signed} |",
            call.name,
            call.lambda(),
            call.dynamodb(),
            call.logs(),
            call.unsigned(),
        );
    }
    println!(
        "
A million mails cost {:.2} beside SES, and {SES_MAIL:.0} for SES. Lambda reads the stream of events for nothing. The row of an
event takes about 0.4 KB of storage for `EventDays`.

With `PublishEvents=on`, a million events cost {EVENT:.2} for EventBridge and at most {:.2} beside it: less if many happen at
once, since up to ten share a call. A login and a logout are an event each, a change of the password is two; a refresh is
none.

A sealed key signs without KMS ([operations](operations.md#scale-mode-a-sealed-key)). A signature with any other kind of
key costs five times as much.

## A month of logins

Each login is by a different person and is followed by {REFRESHES} refreshes. Calls to your own API and mails are not
included on either side.

| logins | KMS signs | sealed key | Cognito Lite | Cognito Essentials |
|---|---|---|---|---|",
        MAIL.unsigned() - HTTP_API - LINE_OF_CALL * LOGS,
        PUBLISHED.unsigned() - HTTP_API - LINE_OF_CALL * LOGS,
    );
    let months = [10e3, 1e6, 100e6];
    for logins in months {
        let millions = logins / 1e6;
        let unsigned = millions * (LOGIN.unsigned() + REFRESHES * REFRESH.unsigned());
        let signed = unsigned + millions * (1.0 + REFRESHES) * KMS_SIGNATURE;
        println!(
            "| {} | {} | {} | {} | {} |",
            grouped(logins),
            grouped(signed + KMS_KEY),
            grouped(unsigned + KMS_KEY),
            grouped(tiered(logins, &COGNITO_LITE)),
            grouped(tiered(logins, &COGNITO_ESSENTIALS)),
        );
    }
    println!(
        "
Cognito costs nothing up to ten thousand people a month, and does more. Most of Latchkey's cost is refreshing; longer
access tokens (`AccessTokenSeconds`) reduce it in proportion.

## Monitoring"
    );
    let dimensions = LoginRefusal::ALL.len();
    let metrics = (METRICS.len() + dimensions + 1) as f64;
    let paid = |count: f64, (price, free): (f64, f64)| (count - free).max(0.0) * price;
    let row = |what: &str, count: f64, (price, free): (f64, f64)| {
        let (all, rest) = (count * price, paid(count, (price, free)));
        println!("| {what} | {count} | {all:.2} | {rest:.2} |");
    };
    println!(
        "
These costs are per month and do not depend on the number of logins. `Monitoring=metrics` leaves out alarms and
dashboard, `none` the metrics too. CloudWatch charges for a metric only in hours in which it has a value, so most cost
less. Log lines are in the first table.

| what | how many | at most | if the account has no others |
|---|---|---|---|"
    );
    row(
        "metrics, with refused logins once more for each reason, and gateway throttles",
        metrics,
        METRIC,
    );
    row(
        "alarms, by the metrics that they look at",
        alarmed()?,
        ALARM,
    );
    row("dashboard", 1.0, DASHBOARD);
    println!(
        "
X-Ray (`Tracing=Active`) charges for each trace, about 5.00 a million; it samples one a second and a twentieth of the
rest.

## What bounds it

Computed, not measured. The busiest second is assumed to have {PEAK} times the calls of the average one. Quotas are the
usual ones of a new account, and each can be raised.

| logins a month | logins a second | refreshes a second | KMS, 500 signatures a second | API Gateway, 10,000 requests a second | Lambda, 1,000 concurrent calls | DynamoDB, 4,000 write units a second at first |
|---|---|---|---|---|---|---|"
    );
    for logins in months {
        let logins_a_second = logins / SECONDS_A_MONTH * PEAK;
        let refreshes = logins_a_second * REFRESHES;
        let milliseconds = |call: &Call| call.runs.iter().map(|(_, ms)| ms).sum::<f64>();
        let at_once =
            (logins_a_second * milliseconds(LOGIN) + refreshes * milliseconds(REFRESH)) / 1e3;
        let writes = logins_a_second * LOGIN.writes + refreshes * REFRESH.writes;
        let against = |used: f64, quota: f64| {
            let share = used / quota * 100.0;
            let mark = if share > 100.0 { " **over**" } else { "" };
            format!("{share:.1}%{mark}")
        };
        println!(
            "| {} | {logins_a_second:.2} | {refreshes:.1} | {} | {} | {} | {} |",
            grouped(logins),
            against(logins_a_second + refreshes, 500.0),
            against(logins_a_second + refreshes, 10e3),
            against(at_once, 1e3),
            against(writes, 4e3),
        );
    }
    println!(
        "
| bound | lever |
|---|---|
| KMS signatures of an account in a region | a sealed key; or a higher quota |
| API Gateway requests of an account in a region | a higher quota; a second account or region |
| concurrent Lambda calls of an account in a region | a higher quota; more memory for `login` makes its hash shorter |
| DynamoDB write units | on demand, the table doubles by itself within minutes, up to its quota (40,000 write units a second, which can be raised); warm throughput set before a launch |
| one person's items | 1,000 write units a second, which no person needs |
| the template's own rates (`RatePerSecond` 100, `HashRatePerSecond` 20) | these parameters: they are a ceiling for the bill |"
    );
    Ok(())
}

/// Returns how many metrics the alarms of monitoring.yaml look at.
fn alarmed() -> anyhow::Result<f64> {
    let template = document(include_str!("../../../monitoring.yaml"))?;
    let resources = template["Resources"].as_object();
    let resources = resources
        .context("monitoring.yaml has no Resources")?
        .values();
    let alarms = resources.filter(|resource| resource["Type"] == "AWS::CloudWatch::Alarm");
    let metrics = alarms.map(|alarm| match alarm["Properties"]["Metrics"].as_array() {
        Some(queries) => queries
            .iter()
            .filter(|query| query["MetricStat"].is_object())
            .count(),
        None => 1,
    });
    Ok(metrics.sum::<usize>() as f64)
}
