//! One JSON object in one slice: take what is known, keep the rest.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::lenient::whole;
use crate::outline::{Entry, Outline};
use crate::problem::Malformed;

/// The fields of one JSON object. A dialect takes what it knows; what is left is [`Extra`].
#[derive(Debug, Default)]
pub struct Fields<'a> {
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    /// The fields of a whole body: depth and duplicate keys are checked, and that every value is JSON, also where nobody takes it.
    pub fn scan(body: &'a [u8]) -> Result<Self, Malformed> {
        let text = simdutf8::basic::from_utf8(body).map_err(|_| Malformed::new("the body is not valid UTF-8"))?;
        let read = |entry: Entry| match serde_json::from_str(&text[entry.value.start..entry.value.end]) {
            Ok(value) => Ok((entry.key, value)),
            Err(error) => Err(Malformed::field(&entry.key, &error.to_string())),
        };
        Ok(Self { entries: Outline::of_text(text)?.into_entries().into_iter().map(read).collect::<Result<_, _>>()? })
    }

    /// The fields of an object inside a body that was scanned before. Of a key that is there twice, the last counts.
    pub fn nested(value: &'a RawValue) -> Result<Self, Malformed> {
        #[derive(Deserialize)]
        struct Key<'k>(#[serde(borrow)] Cow<'k, str>);
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Self::Value = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    entries.retain(|(known, _)| *known != key);
                    entries.push((key, value));
                }
                Ok(entries)
            }
        }
        let mut reader = serde_json::Deserializer::from_str(value.get());
        let entries = serde::Deserializer::deserialize_map(&mut reader, Visitor).map_err(|error| Malformed::new(&error.to_string()))?;
        Ok(Self { entries })
    }

    /// The value of that key, removed and read; `null` counts as absent.
    pub fn take<T: Deserialize<'a>>(&mut self, key: &str) -> Result<Option<T>, Malformed> {
        let Some(raw) = self.take_raw(key) else { return Ok(None) };
        serde_json::from_str::<Option<T>>(raw.get()).map_err(|error| Malformed::field(key, &error.to_string()))
    }

    /// The value of that key, removed and read, or an error that names the key.
    pub fn require<T: Deserialize<'a>>(&mut self, key: &str) -> Result<T, Malformed> {
        self.take(key)?.ok_or_else(|| Malformed::field(key, "is missing"))
    }

    /// Without those that are `null`.
    pub(crate) fn said(mut self) -> Self {
        self.entries.retain(|(_, raw)| raw.get() != "null");
        self
    }

    /// The whole number of that key, removed and read, however it is written; `null` counts as absent.
    pub fn take_count(&mut self, key: &str) -> Result<Option<u64>, Malformed> {
        match self.peek_raw(key).and_then(|raw| whole(raw.get())) {
            Some(count) => {
                self.take_raw(key);
                Ok(Some(count))
            }
            None => self.take(key),
        }
    }

    /// The value of that key as written, removed.
    pub fn take_raw(&mut self, key: &str) -> Option<&'a RawValue> {
        let at = self.entries.iter().position(|(known, _)| known == key)?;
        Some(self.entries.remove(at).1)
    }

    /// The value of that key as written, left in place.
    pub fn peek_raw(&self, key: &str) -> Option<&'a RawValue> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, raw)| *raw)
    }

    /// Whether that key is (still) there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(known, _)| known == key)
    }

    /// What nobody took, as written.
    pub(crate) fn into_entries(self) -> Vec<(String, &'a RawValue)> {
        self.entries.into_iter().map(|(key, raw)| (key.into_owned(), raw)).collect()
    }

    /// What nobody took; `null` says nothing.
    pub fn rest(self, from: Dialect) -> Extra {
        let mut extra = Extra::new(from);
        for (key, raw) in self.said().entries {
            extra.push(key, raw.to_owned());
        }
        extra
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_refused_also_where_nobody_takes_it() {
        for bad in ["[1 2]", "[-]", "tru", "01", "{\"a\":}", "[\"\\x\"]", "1e"] {
            let body = format!("{{\"a\":1,\"b\":{bad}}}");
            assert!(Fields::scan(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Fields::scan(b"{\"a\":1,\"b\":[1, 2]}").expect("read").has("b"));
    }
}
