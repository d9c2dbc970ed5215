use super::*;
use crate::domain::field_error::Violation;

fn body(response: &Response<Body>) -> serde_json::Value {
    crate::platform::json::parse(response.body()).unwrap()
}

#[test]
fn a_problem_has_the_members_of_the_contract() {
    let error = FieldError::of_member("email", Violation::new("missing", "is missing"));
    let response = Problem::InvalidFields(vec![error]).to_response("r-1");
    assert_eq!(response.status(), 422);
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(
        body(&response),
        serde_json::json!({
            "type": "urn:latchkey:problem:invalid-fields",
            "title": "Some members of the body are invalid",
            "status": 422,
            "detail": "The member \"errors\" lists every invalid member.",
            "code": "invalid-fields",
            "request_id": "r-1",
            "errors": [{ "pointer": "/email", "code": "missing", "detail": "is missing" }],
        })
    );
}

#[test]
fn a_cause_is_for_the_log_and_never_for_the_client() {
    let problem = Problem::Unavailable("password=hunter2 at 10.0.0.1".into());
    let response = problem.to_response("r-1");
    assert_eq!(response.headers()["retry-after"], "2");
    assert!(!body(&response).to_string().contains("hunter2"));
    assert!(
        problem
            .cause()
            .is_some_and(|cause| cause.to_string().contains("hunter2"))
    );
}

#[test]
fn only_a_token_that_was_presented_is_called_invalid() {
    let challenge = |problem: Problem| {
        problem.to_response("").headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    for problem in [
        Problem::MissingToken,
        Problem::InvalidCredentials,
        Problem::InvalidRefreshToken,
    ] {
        assert_eq!(challenge(problem), "Bearer realm=\"latchkey\"");
    }
    let invalid = challenge(TokenError::Expired.into());
    let expected = "Bearer realm=\"latchkey\", error=\"invalid_token\", ";
    assert!(invalid.starts_with(expected), "{invalid}");
}
