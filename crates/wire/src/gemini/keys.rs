//! Fields by either of their two names: JSON for protocol buffers takes `camelCase` and `snake_case`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::fields::Fields;
use crate::problem::Malformed;

/// The fields of one object, taken by their `camelCase` names; `null` is what is not there.
#[derive(Debug)]
pub(super) struct Keys<'a>(Fields<'a>);

impl<'a> Keys<'a> {
    pub(super) fn scan(body: &'a [u8]) -> Result<Self, Malformed> {
        Ok(Self(Fields::scan(body)?.said()))
    }

    pub(super) fn nested(value: &'a RawValue) -> Result<Self, Malformed> {
        Ok(Self(Fields::nested(value)?.said()))
    }

    /// The name under which that field was sent.
    fn sent(&self, key: &str) -> Option<String> {
        if self.0.has(key) {
            return Some(key.to_owned());
        }
        let snake = snake(key);
        self.0.has(&snake).then_some(snake)
    }

    pub(super) fn take<T: Deserialize<'a>>(&mut self, key: &str) -> Result<Option<T>, Malformed> {
        match self.sent(key) {
            Some(sent) => self.0.take(&sent),
            None => Ok(None),
        }
    }

    /// The whole number, however it is written.
    pub(super) fn take_count(&mut self, key: &str) -> Result<Option<u64>, Malformed> {
        match self.sent(key) {
            Some(sent) => self.0.take_count(&sent),
            None => Ok(None),
        }
    }

    /// The value as written, which stays.
    pub(super) fn peek_raw(&self, key: &str) -> Option<&'a RawValue> {
        self.0.peek_raw(&self.sent(key)?)
    }

    /// The value as written.
    pub(super) fn take_raw(&mut self, key: &str) -> Option<&'a RawValue> {
        self.0.take_raw(&self.sent(key)?)
    }

    pub(super) fn rest(self, from: Dialect) -> Extra {
        self.0.rest(from)
    }
}

/// `camelCase` in `snake_case`.
pub(super) fn snake(camel: &str) -> String {
    let mut out = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The items of an array; a single value stands for an array of it.
pub(super) fn items(raw: &RawValue) -> Result<Vec<&RawValue>, Malformed> {
    if !raw.get().starts_with('[') {
        return Ok(vec![raw]);
    }
    serde_json::from_str(raw.get()).map_err(|error| Malformed::new(&error.to_string()))
}
