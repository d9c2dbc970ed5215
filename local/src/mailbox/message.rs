//! A request of SES v2 to send a mail (`SendEmail`), and what SES checks of it.
//!
//! The shapes and their limits are those of the service's model, 2019-09-27. Where SES would send a
//! mail that nobody can read, this refuses it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// How many recipients a mail may have.
const MOST_RECIPIENTS: usize = 50;
/// How many headers a mail may add.
const MOST_HEADERS: usize = 15;
/// How many tags a mail may have.
const MOST_TAGS: usize = 50;
/// The headers that SES writes itself.
const RESERVED_HEADERS: [&str; 12] = [
    "bcc",
    "cc",
    "content-disposition",
    "content-type",
    "date",
    "from",
    "message-id",
    "mime-version",
    "reply-to",
    "return-path",
    "subject",
    "to",
];

/// A checked mail.
pub(super) struct Message {
    pub(super) from: String,
    /// The bare addresses.
    pub(super) recipients: Vec<String>,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) configuration_set: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    from_email_address: Option<String>,
    #[serde(default)]
    destination: Destination,
    content: Content,
    #[serde(default)]
    email_tags: Vec<Pair>,
    configuration_set_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Destination {
    to_addresses: Vec<String>,
    cc_addresses: Vec<String>,
    bcc_addresses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    simple: Option<Simple>,
    raw: Option<Value>,
    template: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Simple {
    subject: Text,
    body: Body,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default)]
    attachments: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    text: Option<Text>,
    html: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Text {
    data: String,
    charset: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Pair {
    name: String,
    value: String,
}

impl Message {
    /// Reads and checks the body of a request.
    ///
    /// # Errors
    ///
    /// Returns the reason, for a `BadRequestException`, if SES would refuse the request.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let request: Request =
            shared::platform::json::parse(body).map_err(|error| error.to_string())?;
        let from = request.from_email_address;
        let from = from.filter(|from| !from.is_empty());
        let from = from.ok_or("FromEmailAddress is missing")?;
        address(&from)?;
        let Destination {
            to_addresses,
            cc_addresses,
            bcc_addresses,
        } = request.destination;
        let given = [to_addresses, cc_addresses, bcc_addresses].concat();
        let recipients = given.iter().map(|given| address(given));
        let recipients = recipients.collect::<Result<Vec<_>, _>>()?;
        if !(1..=MOST_RECIPIENTS).contains(&recipients.len()) {
            return Err(format!(
                "there must be 1 to {MOST_RECIPIENTS} recipients, not {}",
                recipients.len()
            ));
        }
        let Content {
            simple: Some(simple),
            raw: None,
            template: None,
        } = request.content
        else {
            return Err("Content must have Simple alone: nothing else is sent here".to_owned());
        };
        if !simple.attachments.is_empty() {
            return Err("attachments are not taken here".to_owned());
        }
        let subject = simple.subject.read("Subject")?;
        if subject.chars().any(char::is_control) {
            return Err("Subject has a control character".to_owned());
        }
        let read = |text: Option<Text>, part| text.map(|text| text.read(part)).transpose();
        let text = read(simple.body.text, "Body.Text")?;
        let html = read(simple.body.html, "Body.Html")?;
        if text.is_none() && html.is_none() {
            return Err("Body must have Text or Html".to_owned());
        }
        Ok(Self {
            from,
            recipients,
            subject,
            text: text.unwrap_or_default(),
            html,
            headers: headers(simple.headers)?,
            tags: tags(request.email_tags)?,
            configuration_set: configuration_set(request.configuration_set_name)?,
        })
    }
}

impl Text {
    /// Returns the text. Without a character set, SES sends ASCII, and `?` for all else.
    fn read(self, part: &str) -> Result<String, String> {
        let is_unicode = |charset: &str| charset.eq_ignore_ascii_case("utf-8");
        if !self.data.is_ascii() && !self.charset.as_deref().is_some_and(is_unicode) {
            return Err(format!("{part} is not ASCII, and its Charset is not UTF-8"));
        }
        Ok(self.data)
    }
}

/// Returns the bare address of `text`, which may have a name: `Ada <ada@example.com>`. SES takes
/// ASCII only: a name has encoded words (RFC 2047), and a domain its ASCII form.
fn address(text: &str) -> Result<String, String> {
    let bare = match text.strip_suffix('>') {
        Some(named) => named.rsplit_once('<').map(|(_, bare)| bare),
        None => Some(text),
    };
    let is_printable = text.bytes().all(|b| (b' '..=b'~').contains(&b));
    let is_part = |part: &str| {
        !part.is_empty() && !part.contains(|c: char| c == ' ' || "@<>(),;:\\\"[]".contains(c))
    };
    let bare = bare.filter(|bare| {
        let parts = bare.split_once('@');
        parts.is_some_and(|(local, domain)| is_part(local) && is_part(domain))
    });
    let bare = bare.filter(|_| is_printable);
    let bare = bare.ok_or("an address is illegal: it must be local@domain, in ASCII")?;
    Ok(bare.to_owned())
}

fn headers(given: Vec<Pair>) -> Result<BTreeMap<String, String>, String> {
    if given.len() > MOST_HEADERS {
        return Err(format!("there may be at most {MOST_HEADERS} headers"));
    }
    let mut headers = BTreeMap::new();
    for Pair { name, value } in given {
        let is_name = (1..=126).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        let is_value =
            (1..=995).contains(&value.len()) && value.bytes().all(|b| (b' '..=b'~').contains(&b));
        if !is_name || !is_value {
            return Err("a header has a name or a value that is not allowed".to_owned());
        }
        let lower = name.to_ascii_lowercase();
        if RESERVED_HEADERS.contains(&lower.as_str()) {
            return Err(format!("the header {name} may not be given"));
        }
        if headers.insert(name, value).is_some() {
            return Err("a header is given twice".to_owned());
        }
    }
    Ok(headers)
}

fn tags(given: Vec<Pair>) -> Result<BTreeMap<String, String>, String> {
    if given.len() > MOST_TAGS {
        return Err(format!("there may be at most {MOST_TAGS} tags"));
    }
    let mut tags = BTreeMap::new();
    for Pair { name, value } in given {
        if !is_word(&name, 256) || !is_word(&value, 256) {
            return Err(
                "a tag has a name or a value other than 1 to 256 letters, digits, _ and -"
                    .to_owned(),
            );
        }
        if tags.insert(name, value).is_some() {
            return Err("a tag is given twice".to_owned());
        }
    }
    Ok(tags)
}

fn configuration_set(given: Option<String>) -> Result<Option<String>, String> {
    match given {
        Some(name) if !is_word(&name, 64) => {
            Err("ConfigurationSetName has other than 1 to 64 letters, digits, _ and -".to_owned())
        }
        other => Ok(other),
    }
}

fn is_word(text: &str, most: usize) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=most).contains(&text.len()) && text.bytes().all(is_word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request() -> Value {
        json!({
            "FromEmailAddress": "Latchkey <no-reply@latchkey.example>",
            "Destination": {"ToAddresses": ["ada@example.com"]},
            "Content": {"Simple": {
                "Subject": {"Data": "Hello", "Charset": "UTF-8"},
                "Body": {
                    "Text": {"Data": "Grüße", "Charset": "UTF-8"},
                    "Html": {"Data": "<p>Hi</p>", "Charset": "UTF-8"},
                },
                "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
            }},
            "EmailTags": [{"Name": "purpose", "Value": "password_reset"}],
            "ConfigurationSetName": "Mail-1_a",
        })
    }

    fn read(request: &Value) -> Result<Message, String> {
        Message::read(request.to_string().as_bytes())
    }

    #[test]
    fn a_request_is_read_with_all_its_parts() {
        let message = read(&request()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(message.from, "Latchkey <no-reply@latchkey.example>");
        assert_eq!(message.recipients, ["ada@example.com"]);
        assert_eq!(message.subject, "Hello");
        assert_eq!(message.text, "Grüße");
        assert_eq!(message.html.as_deref(), Some("<p>Hi</p>"));
        assert_eq!(message.headers["Auto-Submitted"], "auto-generated");
        assert_eq!(message.tags["purpose"], "password_reset");
        assert_eq!(message.configuration_set.as_deref(), Some("Mail-1_a"));
    }

    #[test]
    fn what_ses_refuses_is_refused_and_the_reason_names_the_place() {
        let simple = "/Content/Simple";
        let cases = [
            ("/FromEmailAddress", json!(null), "FromEmailAddress"),
            ("/FromEmailAddress", json!(""), "FromEmailAddress"),
            ("/FromEmailAddress", json!("nobody"), "address"),
            ("/FromEmailAddress", json!("Zoë <a@example.com>"), "address"),
            ("/Destination", json!({}), "recipients"),
            (
                "/Destination/ToAddresses",
                json!(vec!["a@b.c"; 51]),
                "recipients",
            ),
            ("/Destination/ToAddresses", json!(["a@b@c"]), "address"),
            ("/Destination/ToAddresses", json!(["a b@c.d"]), "address"),
            ("/Destination/ToAddresses", json!(["ä@c.d"]), "address"),
            (
                "/Destination/ToAddresses",
                json!(["a@c.d\r\nBcc: e@f.g"]),
                "address",
            ),
            ("/Content", json!({"Raw": {"Data": ""}}), "Simple"),
            (&format!("{simple}/Subject"), json!({}), "Data"),
            (
                &format!("{simple}/Subject/Data"),
                json!("a\r\nBcc: b"),
                "Subject",
            ),
            (&format!("{simple}/Body"), json!({}), "Body"),
            (
                &format!("{simple}/Body/Text/Charset"),
                json!(null),
                "Body.Text",
            ),
            (
                &format!("{simple}/Headers/0/Name"),
                json!("Reply-To"),
                "Reply-To",
            ),
            (&format!("{simple}/Headers/0/Name"), json!("A b"), "header"),
            (
                &format!("{simple}/Headers/0/Value"),
                json!("a\nb"),
                "header",
            ),
            (&format!("{simple}/Headers/0/Value"), json!("ü"), "header"),
            (
                &format!("{simple}/Headers"),
                json!(vec![json!({"Name": "A", "Value": "b"}); 16]),
                "15",
            ),
            ("/EmailTags/0/Value", json!("a@example.com"), "tag"),
            ("/EmailTags/0/Value", json!(""), "tag"),
            ("/EmailTags/0/Name", json!("a".repeat(257)), "tag"),
            (
                "/ConfigurationSetName",
                json!("a b"),
                "ConfigurationSetName",
            ),
        ];
        for (place, value, reason) in cases {
            let mut request = request();
            *request.pointer_mut(place).unwrap() = value.clone();
            let error = read(&request).err();
            let named = error.as_deref().is_some_and(|error| error.contains(reason));
            assert!(named, "{place} {value}: {error:?}");
        }
        assert!(Message::read(b"{").is_err());
    }
}
