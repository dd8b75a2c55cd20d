//! Ids in the alphabet of the API: `^[a-zA-Z0-9_-]+$`.

use std::borrow::Cow;

use crate::pen::{is_word, plain};

/// A call's id as the API takes it; call and result change alike.
pub(super) fn id(id: &str) -> Cow<'_, str> {
    if !id.is_empty() && id.chars().all(is_word) { Cow::Borrowed(id) } else { Cow::Owned(plain(id, is_word)) }
}
