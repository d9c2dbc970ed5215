use aws_sdk_sesv2::config::http::HttpResponse;
use aws_sdk_sesv2::error::ErrorMetadata;
use aws_sdk_sesv2::types::error::MessageRejected;
use aws_smithy_types::body::SdkBody;

use super::*;

const SENDER: &str = "no-reply@example.com";

fn refused(status: u16, fault: SendEmailError) -> SdkError<SendEmailError> {
    let status = status.try_into().unwrap();
    SdkError::service_error(fault, HttpResponse::new(status, SdkBody::empty()))
}

#[test]
fn a_fault_of_the_request_that_is_not_listed_is_not_tried_again() {
    let never_sent = SdkError::construction_failure("no such region");
    let bad_request = Unsent::Rejected("bad_request");
    assert_eq!(reason(&never_sent, SENDER), bad_request);
    let throttled = Unsent::Passing("throttled");
    for (status, code, expected) in [
        (400, "ValidationException", bad_request),
        (400, "OfALaterVersion", bad_request),
        (404, "UnknownOperationException", bad_request),
        (413, "RequestEntityTooLarge", bad_request),
        (408, "RequestTimeout", Unsent::Passing("timeout")),
        (429, "OfALaterVersion", throttled),
        (400, "ThrottlingException", throttled),
        (400, "RequestLimitExceeded", throttled),
        (503, "SlowDown", throttled),
        (500, "InternalFailure", Unsent::Passing("fault")),
        (503, "ServiceUnavailable", Unsent::Passing("fault")),
    ] {
        let fault = SendEmailError::generic(ErrorMetadata::builder().code(code).build());
        let told = reason(&refused(status, fault), SENDER);
        assert_eq!(told, expected, "{status} {code}");
    }
    for status in [401, 403] {
        let fault = SendEmailError::generic(ErrorMetadata::builder().build());
        let told = reason(&refused(status, fault), SENDER);
        let is_denied = matches!(
            told,
            Unsent::Operator {
                reason: "access_denied",
                ..
            }
        );
        assert!(is_denied, "{status}: {told:?}");
    }
}

#[test]
fn a_sender_without_an_identity_is_for_an_operator_and_a_recipient_is_not() {
    for (identities, is_sender) in [
        ("no-reply@example.com", true),
        ("example.com", true),
        ("ada@example.org, NO-REPLY@Example.com", true),
        ("\"A, B\" <no-reply@example.com>, ada@example.org", true),
        ("ada@example.org", false),
        // The same domain, and names that contain the sender's.
        ("ada@example.com", false),
        ("another-no-reply@example.com", false),
        ("ada@mail.example.com, example.com.example.org", false),
        ("", false),
    ] {
        let message = format!(
            "Email address is not verified. The following identities failed the check in region \
             EU-CENTRAL-1: {identities}"
        );
        let fault = MessageRejected::builder().message(message).build();
        let told = reason(
            &refused(400, SendEmailError::MessageRejected(fault)),
            SENDER,
        );
        let is_for_operator = matches!(
            told,
            Unsent::Operator {
                reason: "not_verified",
                ..
            }
        );
        assert_eq!(is_for_operator, is_sender, "{identities}: {told:?}");
        let is_lost = told == Unsent::Rejected("not_verified");
        assert_eq!(is_lost, !is_sender, "{identities}: {told:?}");
    }
    let other = MessageRejected::builder().message("Message contained a virus: example.com.");
    let other = SendEmailError::MessageRejected(other.build());
    let told = reason(&refused(400, other), SENDER);
    assert_eq!(told, Unsent::Rejected("message_rejected"));
}
