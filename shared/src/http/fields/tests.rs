use lambda_http::http;

use super::*;
use proptest::prelude::*;

fn request(content_type: &str, body: impl Into<Body>) -> Request {
    let builder = http::Request::builder().header("content-type", content_type);
    builder.body(body.into()).unwrap()
}

fn json(body: impl Into<Body>) -> Result<Fields, Problem> {
    Fields::read(&request("application/json", body), Media::Json)
}

fn any(text: &str) -> Result<String, Violation> {
    Ok(text.to_owned())
}

fn errors(problem: Problem) -> Vec<(String, &'static str)> {
    match problem {
        Problem::InvalidFields(errors) => errors
            .into_iter()
            .map(|error| (error.pointer, error.code))
            .collect(),
        other => panic!("not a 422: {other:?}"),
    }
}

#[test]
fn every_error_of_a_body_is_named_at_once() {
    let body = r#"{"a": 1, "b": null, "c": "x", "e": "x", "e": "y", "f/~": [], "g": {"h": 1}}"#;
    let mut fields = json(body).unwrap();
    let a = fields.required("a", any);
    let b = fields.optional("b", any);
    let c = fields.required("c", |_| Err::<String, _>(Violation::new("bad", "is bad")));
    let d = fields.required("d", any);
    let e = fields.required("e", any);
    assert!([&a, &b, &c, &d, &e].iter().all(|taken| taken.is_none()));
    let problem = fields.finish(|| a).unwrap_err();
    let expected = [
        ("/a", "wrong-type"),
        ("/b", "null"),
        ("/c", "bad"),
        ("/d", "missing"),
        ("/e", "repeated"),
        ("/f~1~0", "unknown"),
        ("/g", "unknown"),
    ];
    assert_eq!(
        errors(problem),
        expected.map(|(pointer, code)| (pointer.to_owned(), code))
    );
}

#[test]
fn a_right_body_gives_its_value() {
    let mut fields = json(r#"{"name": "\u00e9\ud834\udd1e"}"#).unwrap();
    let name = fields.required("name", any);
    assert_eq!(fields.finish(|| name).unwrap(), "é𝄞");
}

#[test]
fn a_member_that_may_be_null_is_missing_null_or_a_string() {
    let read = |body: &str| {
        let mut fields = json(body).unwrap();
        let given = fields.nullable("a", |text| match text {
            "bad" => Err(Violation::new("bad", "is bad")),
            _ => any(text),
        });
        fields.finish(|| Some(given)).map_err(errors)
    };
    assert_eq!(read("{}"), Ok(None));
    assert_eq!(read(r#"{"a": null}"#), Ok(Some(None)));
    assert_eq!(read(r#"{"a": "x"}"#), Ok(Some(Some("x".to_owned()))));
    for (body, code) in [
        (r#"{"a": "bad"}"#, "bad"),
        (r#"{"a": 1}"#, "wrong-type"),
        (r#"{"a": null, "a": null}"#, "repeated"),
    ] {
        assert_eq!(read(body), Err(vec![("/a".to_owned(), code)]), "{body}");
    }
}

#[test]
fn what_is_not_json_is_a_400_that_quotes_nothing() {
    let deep = "[".repeat(200);
    for body in [
        "",
        "{",
        "{\"a\":}",
        "{\"a\":\"secret",
        "\u{feff}{}",
        "{} {}",
        "{'a':1}",
        "{\"a\":1,}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\0\"}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "nul",
        &deep,
    ] {
        match json(body) {
            Err(Problem::MalformedJson { place }) => assert!(!place.contains("secret")),
            Err(other) => panic!("{body:?} gave {other:?}"),
            Ok(_) => panic!("{body:?} was read"),
        }
    }
    // Also where nobody reads it.
    for text in [&b"\xff"[..], b"\xed\xa0\x80", b"\\ud800"] {
        for (before, after) in [
            (&b"{\"a\":[\""[..], &b"\"]}"[..]),
            (b"{\"a\":{\"b\":\"", b"\"}}"),
            (b"{\"a\":{\"", b"\":1}}"),
            (b"[\"", b"\"]"),
        ] {
            let body = [before, text, after].concat();
            let read = json(body.clone());
            assert!(
                matches!(read, Err(Problem::MalformedJson { .. })),
                "{body:?}"
            );
        }
    }
    assert!(matches!(
        json(vec![b'{', 0xff, b'}']),
        Err(Problem::MalformedJson { .. })
    ));
}

#[test]
fn json_that_is_no_object_is_a_fault_of_the_whole_body() {
    for body in [
        "[]", "null", "true", "1", "-1", "1.5", "1e400", "\"text\"", "[{}]",
    ] {
        match json(body) {
            // serde_json cannot represent 1e400.
            Err(Problem::MalformedJson { .. }) if body == "1e400" => {}
            Err(problem) => assert_eq!(errors(problem), [(String::new(), "wrong-type")]),
            Ok(_) => panic!("{body} was read"),
        }
    }
}

#[test]
fn a_body_full_of_members_is_one_fault() {
    let members = |count| format!("{{{}\"z\":0}}", "\"a\":0,".repeat(count));
    assert!(json(members(63)).is_ok());
    let Err(problem) = json(members(64)) else {
        panic!("65 members were read");
    };
    assert_eq!(errors(problem), [(String::new(), "too-many-members")]);
}

#[test]
fn the_body_is_bounded_before_its_type_and_its_type_before_its_text() {
    let long = "x".repeat(MAX_BODY + 1);
    let read =
        |content_type, body: &str| match Fields::read(&request(content_type, body), Media::Json) {
            Ok(_) => panic!("{body} was read"),
            Err(problem) => problem.code(),
        };
    assert_eq!(read("text/plain", &long), "body-too-large");
    assert_eq!(read("text/plain", "nonsense"), "unsupported-media-type");
    assert_eq!(read("application/json", "nonsense"), "malformed-json");
    assert!(json(format!("{{}}{}", " ".repeat(MAX_BODY - 2))).is_ok());
}

#[test]
fn media_types_are_compared_without_letter_case_and_parameters() {
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
        "application/json; profile=x",
        "application/json ; profile=\"a;b\"",
        // JSON has no such parameter, and the body is UTF-8 in any case (RFC 8259 section 11).
        "application/json; charset=latin1",
    ] {
        assert!(Media::Json.includes(content_type), "{content_type}");
    }
    for content_type in [
        "",
        "text/json",
        "application/jsonp",
        "application/merge-patch+json",
        "application/json; charset",
        "application/json, application/json",
        "application/x-www-form-urlencoded",
    ] {
        assert!(!Media::Json.includes(content_type), "{content_type}");
    }
    assert!(Media::MergePatch.includes("application/merge-patch+json"));
    assert!(Media::MergePatch.includes("application/json"));
}

proptest! {
    #![proptest_config(crate::properties::cases())]

    #[test]
    fn whatever_the_body_is_the_answer_is_no_fault_of_ours(
        body in prop_oneof![
            proptest::collection::vec(prop::num::u8::ANY, 0..300),
            "[\\[\\]{}:,\"\\\\udefnultr0-9. eE+-]{0,120}".prop_map(String::into_bytes),
            (".*", ".*")
                .prop_map(|(name, value)| serde_json::json!({name: value}).to_string().into_bytes()),
        ],
        content_type in prop_oneof![Just("application/json".to_owned()), "[ -~]{0,40}"],
    ) {
        let read = Fields::read(&request(&content_type, body), Media::Json);
        let outcome = read.and_then(|mut fields| {
            let email = fields.required("email", crate::domain::email::Email::parse);
            fields.finish(|| email)
        });
        if let Err(problem) = outcome {
            prop_assert!(problem.status().is_client_error(), "{problem:?}");
        }
    }
}

#[test]
fn oddities_of_json_are_refused_and_never_stored() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let huge = format!("{{\"email\":{}}}", "9".repeat(5000));
    let nested = format!("{{\"a\":{deep}}}");
    for body in [
        r#"{"email":"\ud800"}"#.as_bytes(),
        r#"{"email":"\udc00\ud800"}"#.as_bytes(),
        b"\xef\xbb\xbf{}",
        b"{\"email\":\"\xff\"}",
        b"{\"email\":\"a\0b\"}",
        br#"{"a":1e999999}"#,
        huge.as_bytes(),
        br#"{"a":NaN}"#,
        br#"{"a":1,}"#,
        br#"{'a':1}"#,
        b"{}{}",
        b"\xff\xfe{\0}\0",
        b"",
        b"\0",
        nested.as_bytes(),
    ] {
        let read = json(Body::from(body.to_vec()));
        let outcome = read.and_then(|mut fields| {
            let email = fields.required("email", any);
            fields.finish(|| email)
        });
        let problem = outcome.unwrap_err();
        assert!(problem.status().is_client_error(), "{body:?}: {problem:?}");
    }
}
