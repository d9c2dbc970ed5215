//! Reads the members of a JSON body, and names all that is wrong with them at once.

use lambda_http::http::header::CONTENT_TYPE;
use lambda_http::{Body, Request};

use super::json_body::{JsonBody, Member};
use super::problem::Problem;
use crate::domain::field_error::{FieldError, Violation};

/// The longest body that is read, in octets.
pub const MAX_BODY: usize = 16 * 1024;

/// The members of a request's body, taken one by one.
///
/// Take each with [`Fields::required`] or [`Fields::optional`], then build the value with
/// [`Fields::finish`]: it answers with every fault, and counts what was not taken as one, so that
/// no member is assigned that nobody meant to be.
pub struct Fields {
    members: Vec<(String, Member)>,
    faults: Vec<FieldError>,
}

/// Which media types a body may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/merge-patch+json` (RFC 7396 section 4), or `application/json`.
    MergePatch,
}

impl Media {
    fn expected(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::MergePatch => "application/merge-patch+json or application/json",
        }
    }

    /// Whether `content_type` (RFC 9110 section 8.3) is one of them, in UTF-8.
    fn includes(self, content_type: &str) -> bool {
        let mut parts = content_type.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let known = match self {
            Self::Json => essence == "application/json",
            Self::MergePatch => {
                essence == "application/json" || essence == "application/merge-patch+json"
            }
        };
        let in_utf8 = parts.all(|parameter| {
            let parameter = parameter.to_ascii_lowercase();
            match parameter.strip_prefix("charset=") {
                Some(charset) => charset.trim_matches('"') == "utf-8",
                None => true,
            }
        });
        known && in_utf8
    }
}

impl Fields {
    /// Reads the members of a body that is a JSON object.
    ///
    /// # Errors
    ///
    /// 413, 415, 400, in this order; 422 where the body is JSON but no object.
    pub fn read(request: &Request, media: Media) -> Result<Self, Problem> {
        let body: &[u8] = match request.body() {
            Body::Text(text) => text.as_bytes(),
            Body::Binary(octets) => octets,
            _ => &[],
        };
        if body.len() > MAX_BODY {
            return Err(Problem::BodyTooLarge { most: MAX_BODY });
        }
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !media.includes(content_type) {
            return Err(Problem::UnsupportedMediaType {
                expected: media.expected(),
            });
        }
        match serde_json::from_slice(body) {
            Ok(JsonBody::Object(members)) => Ok(Self {
                members,
                faults: Vec::new(),
            }),
            Ok(JsonBody::Other) => Err(of_body(Violation::new(
                "wrong-type",
                "is not a JSON object",
            ))),
            Ok(JsonBody::TooManyMembers) => Err(of_body(Violation::new(
                "too-many-members",
                "has more members than are read",
            ))),
            // The library's own words may quote the text, which may be a password.
            Err(error) => Err(Problem::MalformedJson {
                place: format!("line {}, column {}", error.line(), error.column()),
            }),
        }
    }

    /// Takes a member that must be there. `None` where anything is wrong with it.
    pub fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        let value = self.take(name, parse);
        if value.is_none() && !self.faults.iter().any(|fault| concerns(fault, name)) {
            self.fault(name, Violation::new("missing", "is missing"));
        }
        value
    }

    /// Takes a member that may be missing; where it is there, it must be right.
    pub fn optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        self.take(name, parse)
    }

    /// Builds the value from what was taken: `build` gives `None` only where something required
    /// was not.
    ///
    /// # Errors
    ///
    /// 422 with every fault, members that nobody took among them.
    pub fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, Problem> {
        for (name, _) in std::mem::take(&mut self.members) {
            self.fault(
                &name,
                Violation::new("unknown", "is not a member that can be given here"),
            );
        }
        match build() {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Problem::InvalidFields(self.faults)),
        }
    }

    fn take<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        let place = self.members.iter().position(|(other, _)| other == name)?;
        let (_, member) = self.members.remove(place);
        // RFC 8259 section 4 leaves open which one counts: none does.
        if self.members.iter().any(|(other, _)| other == name) {
            self.members.retain(|(other, _)| other != name);
            self.fault(name, Violation::new("repeated", "is given more than once"));
            return None;
        }
        let parsed = match member {
            Member::Text(text) => parse(&text),
            Member::Null => Err(Violation::new(
                "null",
                "is null; it is a text that cannot be removed",
            )),
            Member::Other(kind) => Err(Violation::new(
                "wrong-type",
                format!("is {kind}; it must be a text"),
            )),
        };
        match parsed {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fault(name, reason);
                None
            }
        }
    }

    fn fault(&mut self, name: &str, reason: Violation) {
        self.faults.push(FieldError::of_member(name, reason));
    }
}

fn of_body(reason: Violation) -> Problem {
    Problem::InvalidFields(vec![FieldError::of_body(reason)])
}

fn concerns(fault: &FieldError, name: &str) -> bool {
    fault.pointer.strip_prefix('/') == Some(name)
}

#[cfg(test)]
mod tests {
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

    fn faults(problem: Problem) -> Vec<(String, &'static str)> {
        match problem {
            Problem::InvalidFields(faults) => faults
                .into_iter()
                .map(|fault| (fault.pointer, fault.code))
                .collect(),
            other => panic!("not a 422: {other:?}"),
        }
    }

    #[test]
    fn every_fault_of_a_body_is_named_at_once() {
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
            faults(problem),
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
                // serde_json cannot hold 1e400; that is a matter of its numbers, not of ours.
                Err(Problem::MalformedJson { .. }) if body == "1e400" => {}
                Err(problem) => assert_eq!(faults(problem), [(String::new(), "wrong-type")]),
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
        assert_eq!(faults(problem), [(String::new(), "too-many-members")]);
    }

    #[test]
    fn the_body_is_bounded_before_its_type_and_its_type_before_its_text() {
        let long = "x".repeat(MAX_BODY + 1);
        let read = |content_type, body: &str| match Fields::read(
            &request(content_type, body),
            Media::Json,
        ) {
            Ok(_) => panic!("{body} was read"),
            Err(problem) => problem.code(),
        };
        assert_eq!(read("text/plain", &long), "body-too-large");
        assert_eq!(read("text/plain", "nonsense"), "unsupported-media-type");
        assert_eq!(read("application/json", "nonsense"), "malformed-json");
        assert!(json(format!("{{}}{}", " ".repeat(MAX_BODY - 2))).is_ok());
    }

    #[test]
    fn media_types_are_compared_without_letter_case_and_in_utf_8_only() {
        for content_type in [
            "application/json",
            "Application/JSON",
            "application/json; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; profile=x",
        ] {
            assert!(Media::Json.includes(content_type), "{content_type}");
        }
        for content_type in [
            "",
            "text/json",
            "application/jsonp",
            "application/merge-patch+json",
            "application/json; charset=latin1",
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
}
