//! Values: how attributes are written and read.

use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::StoreError;
use super::item::{Attributes, Key};
use crate::domain::email::Email;
use crate::domain::locale::Locale;

/// Writes an item, attribute by attribute.
pub(super) struct Writer(Attributes);

impl Writer {
    /// Starts an item with its key.
    pub(super) fn new(key: Key) -> Self {
        Self(key.attributes())
    }

    /// Adds a string.
    pub(super) fn text(self, name: &str, value: impl Into<String>) -> Self {
        self.attribute(name, text(value))
    }

    /// Adds a number.
    pub(super) fn number(self, name: &str, value: u64) -> Self {
        self.attribute(name, number(value))
    }

    /// Adds a text if there is one.
    pub(super) fn optional_text(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds a number if there is one.
    pub(super) fn optional_number(self, name: &str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(name, value),
            None => self,
        }
    }

    /// Adds octets.
    pub(super) fn octets(self, name: &str, value: &[u8]) -> Self {
        self.attribute(name, octets(value))
    }

    /// Adds a truth value. One that is false is left out.
    pub(super) fn truth(self, name: &str, value: bool) -> Self {
        match value {
            true => self.attribute(name, boolean(value)),
            false => self,
        }
    }

    /// Adds a list of strings.
    pub(super) fn texts(self, name: &str, values: impl Iterator<Item = String>) -> Self {
        self.attribute(name, texts(values))
    }

    /// Returns the item.
    pub(super) fn finish(self) -> Attributes {
        self.0
    }

    fn attribute(mut self, name: &str, value: AttributeValue) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
}

/// Reads an item, attribute by attribute. An error names the attribute that cannot be read and
/// never shows its value.
pub(super) struct Reader<'a> {
    /// The kind of item, for the error.
    pub(super) item: &'static str,
    /// Its attributes.
    pub(super) attributes: &'a Attributes,
}

impl Reader<'_> {
    /// Reads a string with `parse`.
    pub(super) fn text<T, E>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        match self.attributes.get(name) {
            Some(AttributeValue::S(text)) => parse(text).map_err(|_| self.corrupt(name)),
            _ => Err(self.corrupt(name)),
        }
    }

    /// Reads a string in the canonical form of its type.
    pub(super) fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, StoreError> {
        self.text(name, str::parse)
    }

    /// Reads a string that may be missing, in the canonical form of its type.
    pub(super) fn optional_text<T: FromStr>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, StoreError> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(_) => self.parsed(name).map(Some),
        }
    }

    /// Reads an address. `typed` is the attribute that it has too if it was typed in Unicode.
    pub(super) fn email(
        &self,
        name: &'static str,
        typed: &'static str,
    ) -> Result<Email, StoreError> {
        self.text(name, |ascii| {
            let typed = self.optional_text::<String>(typed);
            Email::stored(ascii, typed.map_err(drop)?).map_err(drop)
        })
    }

    /// Reads the language of mails, if one was chosen.
    pub(super) fn locale(&self) -> Result<Option<Locale>, StoreError> {
        match self.has("locale") {
            true => self.text("locale", Locale::stored).map(Some),
            false => Ok(None),
        }
    }

    /// Reads a number.
    pub(super) fn number(&self, name: &'static str) -> Result<u64, StoreError> {
        self.optional_number(name)?
            .ok_or_else(|| self.corrupt(name))
    }

    /// Reads a number that may be missing.
    pub(super) fn optional_number(&self, name: &'static str) -> Result<Option<u64>, StoreError> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(AttributeValue::N(digits)) => match digits.parse() {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(self.corrupt(name)),
            },
            Some(_) => Err(self.corrupt(name)),
        }
    }

    /// Reads exactly `N` octets.
    pub(super) fn octets<const N: usize>(&self, name: &'static str) -> Result<[u8; N], StoreError> {
        let octets = match self.attributes.get(name) {
            Some(AttributeValue::B(octets)) => octets.as_ref().try_into().ok(),
            _ => None,
        };
        octets.ok_or_else(|| self.corrupt(name))
    }

    /// Reads exactly `N` octets that may be missing.
    pub(super) fn optional_octets<const N: usize>(
        &self,
        name: &'static str,
    ) -> Result<Option<[u8; N]>, StoreError> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(_) => self.octets(name).map(Some),
        }
    }

    /// Reads a list of exactly `N` numbers that may be missing.
    pub(super) fn optional_numbers<const N: usize>(
        &self,
        name: &'static str,
    ) -> Result<Option<[u64; N]>, StoreError> {
        let values = match self.attributes.get(name) {
            None => return Ok(None),
            Some(AttributeValue::L(values)) => values,
            Some(_) => return Err(self.corrupt(name)),
        };
        let numbers = values.iter().map(|value| value.as_n().ok()?.parse().ok());
        let numbers: Option<Vec<u64>> = numbers.collect();
        let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
        numbers.map(Some).ok_or_else(|| self.corrupt(name))
    }

    /// Reads a list of strings in the canonical form of their type.
    pub(super) fn list<T: FromStr>(&self, name: &'static str) -> Result<Vec<T>, StoreError> {
        let Some(AttributeValue::L(values)) = self.attributes.get(name) else {
            return Err(self.corrupt(name));
        };
        let read = |value: &AttributeValue| value.as_s().ok().and_then(|text| text.parse().ok());
        values
            .iter()
            .map(|value| read(value).ok_or_else(|| self.corrupt(name)))
            .collect()
    }

    /// Reads a set of texts of `N` octets that may be missing.
    pub(super) fn octet_set<const N: usize>(
        &self,
        name: &'static str,
    ) -> Result<Vec<[u8; N]>, StoreError> {
        let values = match self.attributes.get(name) {
            None => return Ok(Vec::new()),
            Some(AttributeValue::Bs(values)) => values,
            Some(_) => return Err(self.corrupt(name)),
        };
        let read = |octets: &Blob| octets.as_ref().try_into().map_err(|_| self.corrupt(name));
        values.iter().map(read).collect()
    }

    /// Reads a truth value, which is false if it is missing.
    pub(super) fn truth(&self, name: &'static str) -> Result<bool, StoreError> {
        match self.attributes.get(name) {
            None => Ok(false),
            Some(AttributeValue::Bool(value)) => Ok(*value),
            Some(_) => Err(self.corrupt(name)),
        }
    }

    /// Returns whether the item has an attribute.
    pub(super) fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    pub(super) fn corrupt(&self, attribute: &'static str) -> StoreError {
        StoreError::Corrupt {
            item: self.item,
            attribute,
        }
    }
}

/// Returns octets as an attribute.
pub(super) fn octets(value: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

/// Returns a truth value as an attribute.
pub(super) fn boolean(value: bool) -> AttributeValue {
    AttributeValue::Bool(value)
}

/// Returns a string as an attribute.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// Returns a list of strings as an attribute.
pub(super) fn texts(values: impl Iterator<Item = String>) -> AttributeValue {
    AttributeValue::L(values.map(AttributeValue::S).collect())
}

/// Returns a list of numbers as an attribute.
pub(super) fn numbers<const N: usize>(values: [u64; N]) -> AttributeValue {
    AttributeValue::L(values.map(number).into())
}

/// Returns a number as an attribute.
pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
