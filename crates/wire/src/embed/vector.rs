//! Vectors as numbers and as base64 of little-endian 32-bit floats.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::problem::Malformed;

/// One vector, as the provider wrote it.
#[derive(Clone, Debug)]
pub enum Vector {
    /// A JSON array of numbers.
    Floats(Box<RawValue>),
    /// Base64 of whatever the provider packs.
    Base64(String),
}

impl Vector {
    pub(super) fn read(raw: &RawValue) -> Result<Vector, Malformed> {
        match raw.get().as_bytes().first() {
            Some(b'[') => Ok(Vector::Floats(raw.to_owned())),
            Some(b'"') => serde_json::from_str(raw.get()).map(Vector::Base64).map_err(|error| Malformed::new(&error.to_string())),
            _ => Err(Malformed::field("embedding", "is neither numbers nor base64")),
        }
    }

    /// As base64; `None` where the numbers are no numbers.
    pub fn base64(&self) -> Option<Cow<'_, str>> {
        match self {
            Vector::Base64(text) => Some(Cow::Borrowed(text)),
            Vector::Floats(raw) => {
                let numbers: Vec<f32> = serde_json::from_str(raw.get()).ok()?;
                let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                Some(Cow::Owned(STANDARD.encode(bytes)))
            }
        }
    }

    /// As a JSON array; `None` where the base64 holds no whole 32-bit floats.
    pub fn floats(&self) -> Option<Cow<'_, str>> {
        match self {
            Vector::Floats(raw) => Some(Cow::Borrowed(raw.get())),
            Vector::Base64(text) => {
                let bytes = STANDARD.decode(text).ok()?;
                let (chunks, rest) = bytes.as_chunks::<4>();
                let numbers: Vec<f32> = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
                let finite = rest.is_empty() && numbers.iter().all(|number| number.is_finite());
                finite.then(|| serde_json::to_string(&numbers).ok()).flatten().map(Cow::Owned)
            }
        }
    }

    /// As the JSON value to send.
    pub(super) fn json(&self, base64: bool) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let wanted = if base64 { self.base64().map(|text| quoted(&text)) } else { self.floats().map(Cow::into_owned) };
        wanted.unwrap_or_else(|| match self {
            Vector::Floats(raw) => raw.get().to_owned(),
            Vector::Base64(text) => quoted(text),
        })
    }
}
