use proptest::prelude::*;

use super::*;

const CURRENT: &str = "\"7-44136fa355b3678a\"";

fn request(method: Method, fields: &[(&str, &str)]) -> Preconditions {
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = method;
    for (name, value) in fields {
        let name: HeaderName = name.parse().unwrap();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().append(name, value);
    }
    Preconditions::of(&request)
}

fn parsed(value: &str) -> Tags {
    Tags::parse(value.as_bytes())
}

fn strong(opaque: &str) -> Tag {
    Tag {
        is_weak: false,
        opaque: opaque.to_owned(),
    }
}

#[test]
fn a_value_is_a_star_or_a_list_of_tags() {
    assert_eq!(parsed("*"), Tags::Any);
    assert_eq!(parsed(" * "), Tags::Any);
    // One tag, whose commas and star are of its own.
    assert_eq!(
        parsed("\"foo,*,bar\""),
        Tags::List(vec![strong("\"foo,*,bar\"")])
    );
    let weak = Tag {
        is_weak: true,
        opaque: "\"b\"".to_owned(),
    };
    assert_eq!(
        parsed(", \"a\" ,,\tW/\"b\",\"\" ,"),
        Tags::List(vec![strong("\"a\""), weak, strong("\"\"")])
    );
    assert_eq!(
        parsed("\"caf\u{e9}!#~\""),
        Tags::List(vec![strong("\"caf\u{e9}!#~\"")])
    );
    let latin_1 = Tags::parse(b"\"\xff\",\"a\"");
    assert!(matches!(latin_1, Tags::List(tags) if tags[1] == strong("\"a\"")));
    for empty in ["", " ", ",", " , ,"] {
        assert_eq!(parsed(empty), Tags::List(Vec::new()), "{empty:?}");
    }
}

#[test]
fn anything_else_is_malformed() {
    for value in [
        "7",
        "\"a",
        "a\"",
        "\"a\" \"b\"",
        "\"a\"\"b\"",
        "\"a\"x",
        "\"a b\"",
        "\"a\tb\"",
        "\"a\u{7f}\"",
        "w/\"a\"",
        "W\"a\"",
        "W/ \"a\"",
        "W/a",
        "*, \"a\"",
        "\"a\", *",
        "**",
        "*,*",
        "\"a\"; \"b\"",
    ] {
        assert_eq!(parsed(value), Tags::Malformed, "{value:?}");
    }
}

#[test]
fn if_match_compares_strongly_for_every_method() {
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let check = |value: &str| request(method.clone(), &[("if-match", value)]).check(CURRENT);
        for holds in ["*", CURRENT, &format!("\"x\", {CURRENT}")] {
            assert_eq!(check(holds), Ok(()), "{method} {holds}");
        }
        for value in [
            "",
            "\"7\"",
            "7-44136fa355b3678a",
            "\"x\"",
            "\"foo,*,bar\"",
            &format!("W/{CURRENT}"),
            &format!("*, {CURRENT}"),
            &format!("{CURRENT} {CURRENT}"),
        ] {
            assert_eq!(check(value), Err(Unmet::Failed), "{method} {value}");
        }
    }
}

#[test]
fn if_none_match_compares_weakly_and_is_304_for_reads_alone() {
    let check = |method, value: &str| request(method, &[("if-none-match", value)]).check(CURRENT);
    for known in ["*", CURRENT, &format!("\"x\",W/{CURRENT}")] {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(check(method, known), Err(Unmet::NotModified), "{known}");
        }
        for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::POST] {
            assert_eq!(check(method, known), Err(Unmet::Failed), "{known}");
        }
    }
    for other in ["", "\"x\"", "\"foo,*,bar\"", "\"7\""] {
        assert_eq!(check(Method::GET, other), Ok(()), "{other}");
        assert_eq!(check(Method::PUT, other), Ok(()), "{other}");
    }
    // What does not parse lets nobody write, and nobody be told 304 wrongly.
    for malformed in ["7", "*, \"x\"", "\"x"] {
        assert_eq!(check(Method::GET, malformed), Ok(()), "{malformed}");
        assert_eq!(check(Method::PUT, malformed), Err(Unmet::Failed));
    }
}

#[test]
fn if_match_is_evaluated_before_if_none_match() {
    let both = |first: &str, second: &str| {
        request(
            Method::GET,
            &[("if-match", first), ("if-none-match", second)],
        )
        .check(CURRENT)
    };
    assert_eq!(both("\"x\"", CURRENT), Err(Unmet::Failed));
    assert_eq!(both(CURRENT, CURRENT), Err(Unmet::NotModified));
    assert_eq!(both(CURRENT, "\"x\""), Ok(()));
}

#[test]
fn fields_of_one_name_are_one_list() {
    let check = |values: [&str; 2]| {
        let fields = values.map(|value| ("if-match", value));
        request(Method::PUT, &fields).check(CURRENT)
    };
    assert_eq!(check(["\"x\"", CURRENT]), Ok(()));
    assert_eq!(check(["", CURRENT]), Ok(()));
    assert_eq!(check(["*", CURRENT]), Err(Unmet::Failed));
}

#[test]
fn only_what_no_representation_fails_needs_none() {
    let holds = |fields: &[(&str, &str)]| request(Method::PUT, fields).hold_for_any();
    assert!(holds(&[]) && holds(&[("if-match", "*")]));
    for field in [
        ("if-match", CURRENT),
        ("if-match", ""),
        ("if-match", "x"),
        ("if-none-match", "*"),
        ("if-none-match", "\"x\""),
        ("if-none-match", "x"),
    ] {
        assert!(!holds(&[field]), "{field:?}");
    }
}

#[test]
fn a_304_has_the_headers_of_the_200_and_none_of_its_content() {
    let mut response = Response::new(Body::from("{}"));
    for (name, value) in [
        ("cache-control", "public"),
        ("vary", "origin"),
        ("content-type", "application/json"),
    ] {
        let name: HeaderName = name.parse().unwrap();
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    let conditions = request(Method::GET, &[("if-none-match", CURRENT)]);
    let answer = conditions.answer(response, CURRENT).unwrap();
    assert_eq!(answer.status(), 304);
    let mut names: Vec<_> = answer.headers().keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "etag", "vary"]);
    assert!(matches!(answer.body(), Body::Empty));
}

proptest! {
    #![proptest_config(crate::properties::cases())]

    #[test]
    fn lists_that_follow_the_grammar_are_read_as_they_were_written(
        tags in proptest::collection::vec((any::<bool>(), "[!#-~\u{80}-\u{ff}]{0,6}"), 0..5),
        gaps in proptest::collection::vec("[ \t]{0,2}(,[ \t]{0,2}){1,3}", 5),
    ) {
        let mut text = String::new();
        let mut expected = Vec::new();
        for ((is_weak, opaque), gap) in tags.into_iter().zip(gaps) {
            let opaque = format!("\"{opaque}\"");
            text.push_str(if is_weak { "W/" } else { "" });
            text.push_str(&opaque);
            text.push_str(&gap);
            expected.push(Tag { is_weak, opaque });
        }
        prop_assert_eq!(parsed(&text), Tags::List(expected), "{}", text);
    }

    #[test]
    fn no_value_is_too_odd_to_be_parsed(value in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Tags::List(tags) = Tags::parse(&value) {
            for tag in tags {
                prop_assert!(tag.opaque.len() >= 2 && !tag.opaque[1..tag.opaque.len() - 1].contains('"'));
            }
        }
    }
}
