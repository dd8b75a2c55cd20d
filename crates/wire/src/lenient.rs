//! Values as the many write them who speak another's format: `8.0` or `"8"` for `8`, `null` for what is not there.
//!
//! What an answer says is not lost because something beside it is written oddly: an unreadable count is none.

use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// A whole number that may be missing; anything that is none is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count(Option<u64>);

impl Count {
    /// The number as that of a place; what is no such number is the first.
    pub(crate) fn place(self) -> u32 {
        self.0.and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
    }
}

impl Deref for Count {
    type Target = Option<u64>;
    fn deref(&self) -> &Option<u64> {
        &self.0
    }
}

/// What is there, or what stands for nothing: to be named beside `default`, which alone does not take `null`.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(reader: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(reader)?.unwrap_or_default())
}

/// The number of a place: to be named beside `default`.
pub(crate) fn place<'de, D: Deserializer<'de>>(reader: D) -> Result<u32, D::Error> {
    Ok(Count::deserialize(reader)?.place())
}

/// The whole number that a text spells.
pub(crate) fn whole(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| text.parse().ok().and_then(whole_of))
}

/// A count, however it is written.
pub(crate) fn count(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| whole_of(number.as_f64()?))
}

/// The whole number that a number with a fraction is.
pub(crate) fn whole_of(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..9.0e15).contains(&number)).then_some(number as u64)
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_option(CountVisitor).map(Self)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Option<u64>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a whole number")
    }

    fn visit_some<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(number).ok())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(whole_of(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(whole(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{Count, or_default};

    #[derive(Deserialize)]
    struct Wire {
        count: Count,
        #[serde(default, deserialize_with = "or_default")]
        text: String,
    }

    fn read(json: &str) -> (Option<u64>, String) {
        let wire: Wire = serde_json::from_str(json).expect("an object");
        (*wire.count, wire.text)
    }

    #[test]
    fn counts_are_read_however_they_are_written() {
        for (written, count) in [
            ("8", Some(8)),
            ("8.0", Some(8)),
            ("8e0", Some(8)),
            ("\"8\"", Some(8)),
            ("18446744073709551615", Some(u64::MAX)),
            ("8.5", None),
            ("-1", None),
            ("null", None),
            ("true", None),
            ("[8]", None),
            ("{\"n\":8}", None),
            ("\"eight\"", None),
        ] {
            assert_eq!(read(&format!("{{\"count\":{written}}}")), (count, String::new()), "{written}");
        }
    }

    #[test]
    fn a_text_that_is_not_there_is_empty() {
        assert_eq!(read("{}"), (None, String::new()));
        assert_eq!(read("{\"text\":null}"), (None, String::new()));
        assert_eq!(read("{\"text\":\"a\\u0062\"}"), (None, "ab".to_owned()));
    }
}
