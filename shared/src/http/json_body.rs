//! A JSON text, read without losing anything that the client must be told about.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The value of a member. No request contains numbers or booleans but within arrays and objects, so
/// only their kind is stored.
pub(super) enum Member {
    Text(String),
    Null,
    Array(Value),
    Object(Value),
    /// An object that has a member twice.
    Ambiguous,
    Other(&'static str),
}

/// A JSON text: an object with all its members, including repeated ones, or something else.
pub(super) enum JsonBody {
    Object(Vec<(String, Member)>),
    /// An object with more members than any request has.
    TooManyMembers,
    Other,
}

struct JsonBodyVisitor;
struct MemberVisitor;

impl<'de> Deserialize<'de> for JsonBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonBodyVisitor)
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

/// The visits of scalars, for both visitors.
macro_rules! visit_scalars {
    ($value:ident: $other:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<$value, E> {
            Ok($other("true or false"))
        }

        fn visit_i64<E>(self, _: i64) -> Result<$value, E> {
            Ok($other("a number"))
        }

        fn visit_u64<E>(self, _: u64) -> Result<$value, E> {
            Ok($other("a number"))
        }

        fn visit_f64<E>(self, _: f64) -> Result<$value, E> {
            Ok($other("a number"))
        }
    };
}

impl<'de> Visitor<'de> for JsonBodyVisitor {
    type Value = JsonBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonBody, A::Error> {
        /// More members than any request has. A body with more is not answered member by member.
        const MAX_MEMBERS: usize = 64;
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            if members.len() == MAX_MEMBERS {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(JsonBody::TooManyMembers);
            }
            members.push(member);
        }
        Ok(JsonBody::Object(members))
    }

    fn visit_str<E>(self, _: &str) -> Result<JsonBody, E> {
        Ok(JsonBody::Other)
    }

    fn visit_unit<E>(self) -> Result<JsonBody, E> {
        Ok(JsonBody::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<JsonBody, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(JsonBody::Other)
    }

    visit_scalars!(JsonBody: |_| JsonBody::Other);
}

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Member, E> {
        Ok(Member::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Member, E> {
        Ok(Member::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
        let (mut object, mut is_ambiguous) = (Map::new(), false);
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            is_ambiguous |= object.insert(name, value).is_some();
        }
        Ok(match is_ambiguous {
            true => Member::Ambiguous,
            false => Member::Object(Value::Object(object)),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Member, A::Error> {
        let mut array = Vec::new();
        while let Some(value) = seq.next_element()? {
            array.push(value);
        }
        Ok(Member::Array(Value::Array(array)))
    }

    visit_scalars!(Member: Member::Other);
}
