use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_types::sdk_config::TimeSource;
use serde_json::{Value, json};

use super::*;
use crate::aws::Stopwatch;
use crate::platform::config::Env;

/// Always 2027-01-15T08:00:00Z.
#[derive(Debug)]
struct ThatMorning;

impl TimeSource for ThatMorning {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }
}

/// Stores the requests, and answers each with the next status and body.
#[derive(Clone, Debug)]
struct Service {
    asked: Arc<Mutex<Vec<HttpRequest>>>,
    answers: Arc<Mutex<Vec<(u16, &'static str)>>>,
}

impl HttpConnector for Service {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.asked.lock().unwrap().push(request);
        let (status, body) = self.answers.lock().unwrap().remove(0);
        let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        HttpConnectorFuture::ready(Ok(answer))
    }
}

/// Calls KMS, which sends these answers. Also returns the requests.
async fn ask(answers: &[(u16, &'static str)]) -> (Result<Value, CallError>, Vec<HttpRequest>) {
    let service = Service {
        asked: Arc::default(),
        answers: Arc::new(Mutex::new(answers.to_vec())),
    };
    let lookup = |name: &str| {
        let value = match name {
            "AWS_REGION" => "eu-west-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "unused",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let token = Some("a/session+token==".to_owned());
    let credentials = Credentials::new("AKIDEXAMPLE", secret, token, None, "test");
    let connector = SharedHttpConnector::new(service.clone());
    let config = crate::aws::config(&Env::new(&lookup), "AWS_ENDPOINT_URL_KMS").unwrap();
    let config = config
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .time_source(ThatMorning)
        .build();
    let names = ServiceNames {
        signing: "kms",
        target: "TrentService",
    };
    let kms = JsonService::new(&config, names, Stopwatch::adding(|_, _| {})).unwrap();
    let answer = kms.call("Sign", &json!({"KeyId": "k"})).await;
    let asked = std::mem::take(&mut *service.asked.lock().unwrap());
    (answer, asked)
}

#[tokio::test]
async fn a_call_is_signed_as_botocore_signs_it() {
    let (answer, asked) = ask(&[(200, r#"{"Signature":"c2ln"}"#)]).await;
    assert_eq!(answer.unwrap()["Signature"], "c2ln");
    let [request] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "https://kms.eu-west-1.amazonaws.com/");
    assert_eq!(request.body().bytes(), Some(&br#"{"KeyId":"k"}"#[..]));
    let header = |name| request.headers().get(name).unwrap();
    assert_eq!(header("content-type"), "application/x-amz-json-1.1");
    assert_eq!(header("x-amz-target"), "TrentService.Sign");
    assert_eq!(header("x-amz-date"), "20270115T080000Z");
    assert_eq!(header("x-amz-security-token"), "a/session+token==");
    // The signature of botocore 1.43.127 for the same request at the same time.
    assert_eq!(
        header("authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20270115/eu-west-1/kms/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
         Signature=c52fc7e6258b794186c94f694809a24850963a9c8d625c1aa68d04be868d4e35"
    );
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_three_times_and_what_does_not_once() {
    let throttled = (400, r#"{"__type":"ThrottlingException"}"#);
    let broken = (500, r#"{"__type":"KMSInternalException"}"#);
    let good = (200, "{}");
    let denied = (400, r#"{"__type":"AccessDeniedException","message":"no"}"#);
    for (answers, tries) in [
        (&[throttled, broken, good][..], 3),
        (&[broken, broken, broken], 3),
        (&[denied], 1),
    ] {
        let (answer, asked) = ask(answers).await;
        assert_eq!(asked.len(), tries, "{answer:?}");
        assert_eq!(answer.is_ok(), answers.contains(&good), "{answer:?}");
    }
    let (answer, _) = ask(&[denied]).await;
    let fault = answer.unwrap_err();
    assert_eq!(
        (fault.code(), fault.message()),
        (Some("AccessDeniedException"), Some("no"))
    );
}

#[tokio::test]
async fn an_answer_that_is_not_what_was_asked_for_is_a_fault_without_its_words() {
    for answered in ["\"a secret\" and more", "{\"secret\":\"\\ud800\"}"] {
        let (answer, _) = ask(&[(200, answered)]).await;
        let fault = answer.unwrap_err();
        assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
    }
}

#[test]
fn the_code_of_a_fault_is_found_wherever_it_is() {
    for (header, body, code, message) in [
        (
            None,
            r#"{"__type":"A","message":"b"}"#,
            Some("A"),
            Some("b"),
        ),
        (
            None,
            r#"{"__type":"com.amazonaws.kms#A","Message":"b"}"#,
            Some("A"),
            Some("b"),
        ),
        (
            Some("A:http://example.com/"),
            r#"{"__type":"B"}"#,
            Some("A"),
            None,
        ),
        (None, r#"{"code":"A","__type":"B"}"#, Some("A"), None),
        (None, "<html>", None, None),
        (None, "", None, None),
    ] {
        let fault = fault(header, body.as_bytes());
        assert_eq!((fault.code(), fault.message()), (code, message), "{body}");
    }
}

#[test]
fn a_region_is_reached_in_its_partition() {
    for (region, suffix) in [
        ("eu-west-1", "amazonaws.com"),
        ("us-gov-west-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("eusc-de-east-1", "amazonaws.eu"),
    ] {
        assert_eq!(dns_suffix(region), suffix);
    }
}

#[test]
fn what_is_sent_and_what_comes_back_is_not_printed() {
    let call = Call {
        target: "TrentService.Decrypt".to_owned(),
        body: b"secret".to_vec(),
    };
    let printed = format!("{call:?} {:?}", Body(b"secret".to_vec()));
    assert_eq!(printed, "TrentService.Decrypt Body");
}
