//! Paths to fields below a key: `a.b`, `a[0].b`, `a[*].b`.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Edits, Outline};
use crate::frames::Frames;

/// What such a path says below that key.
pub(super) fn below<'p>(path: &'p str, key: &str) -> Option<&'p str> {
    path.strip_prefix(key).filter(|rest| rest.starts_with(['.', '[']))
}

/// The value without the field that what is left of a path leads to; `None` where it leads nowhere. Items of lists stay.
pub(super) fn without(json: &str, path: &str) -> Option<String> {
    if let Some(path) = path.strip_prefix('.') {
        let edits = Edits { remove: vec![path.to_owned()], ..Edits::default() };
        let body = Frames::from(Bytes::copy_from_slice(json.as_bytes()));
        let body = Outline::scan(&body).ok()?.apply(&body, &edits).join();
        return String::from_utf8(body.to_vec()).ok();
    }
    let (which, path) = path.strip_prefix('[')?.split_once(']')?;
    let which = if which == "*" { None } else { Some(which.parse::<usize>().ok()?) };
    let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    let items = items.into_iter().enumerate().map(|(at, item)| {
        let pruned = which.is_none_or(|which| which == at).then(|| without(item.get(), path)).flatten();
        pruned.unwrap_or_else(|| item.get().to_owned())
    });
    Some(format!("[{}]", items.collect::<Vec<_>>().join(",")))
}
