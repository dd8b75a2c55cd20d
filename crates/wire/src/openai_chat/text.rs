//! Strings and values of a stream's chunk, borrowed where they hold no escapes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

use crate::lenient::whole;

/// A string that borrows from the chunk where it can. (`Option<Cow>` would always own.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Text<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        reader.deserialize_str(Read)
    }
}

/// The string that a value is; `None` for anything else.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    raw.get().starts_with('"').then(|| serde_json::from_str::<Text<'_>>(raw.get()).ok()).flatten().map(|text| text.0)
}

/// A string or a number as text; empty counts as absent.
pub(crate) fn word(raw: Option<&RawValue>) -> Option<String> {
    let raw = raw?;
    let text = match raw.get().as_bytes().first() {
        Some(b'"') => string(raw)?.into_owned(),
        Some(b'0'..=b'9' | b'-') => raw.get().to_owned(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A whole number, however it is written.
pub(crate) fn count(raw: Option<&RawValue>) -> Option<u64> {
    whole(raw?.get().trim_matches('"'))
}

/// The arguments of a call: JSON text, whether the provider wrote it as a string or as an object.
pub(crate) fn arguments(raw: Option<&RawValue>) -> Cow<'_, str> {
    match raw {
        None => Cow::Borrowed(""),
        Some(raw) => string(raw).unwrap_or_else(|| Cow::Borrowed(if raw.get() == "null" { "" } else { raw.get() })),
    }
}
