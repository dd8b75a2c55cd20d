//! What a deployment says of every chat, in the client's words, so that it is translated as what the client says is.
//!
//! What only the provider has a word for is laid into what is sent, as the operator wrote it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::value::RawValue;
use switchboard_wire::Dialect;
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::problem::Problem;

use crate::call::{Call, Content};
use crate::deployment::{Reach, TRANSLATED};

/// Of the fields that are translated from OpenAI's chats, those that mean the same in Anthropic's messages.
const ANTHROPIC: [&str; 5] = ["reasoning_effort", "temperature", "thinking", "top_k", "top_p"];

/// The header of Anthropic's features, which Converse takes in the body alone.
const FEATURES: &str = "anthropic-beta";

/// The call with what the deployment says in such fields and the client does not; `None` where there is nothing to add.
pub(crate) fn of(call: &Call, spoken: Dialect, reach: &Reach) -> Result<Option<Call>, Problem> {
    let Content::Json(outline) = &call.content else { return Ok(None) };
    if reach.edits.default.is_empty() && !reach.headers.contains_key(FEATURES) {
        return Ok(None);
    }
    let added = reach.edits.default.iter().filter(|(key, _)| !is_said(outline, key));
    let (default, others): (Vec<_>, Vec<_>) = added.cloned().partition(|(key, _)| is_clients(call.door.dialect, spoken, key));
    let mut edits = Edits { default, ..Edits::default() };
    let mut beside: BTreeMap<&'static str, BTreeMap<String, Box<RawValue>>> = BTreeMap::new();
    for (key, json) in others {
        let Some((place, value)) = below(spoken, &key).zip(RawValue::from_string(json).ok()) else { continue };
        let fields = match beside.entry(place) {
            Entry::Occupied(fields) => fields.into_mut(),
            Entry::Vacant(place) => {
                let said = outline.read(&call.body, place.key())?.unwrap_or_default();
                place.insert(said)
            }
        };
        fields.entry(key).or_insert(value);
    }
    for (place, fields) in beside {
        edits.set.push((place.to_owned(), serde_json::to_string(&fields).unwrap_or_default()));
    }
    let features = reach.headers.get_all(FEATURES).into_iter().filter(|_| spoken == Dialect::Bedrock);
    let mut features = features.peekable();
    if edits.is_empty() && features.peek().is_none() {
        return Ok(None);
    }
    let mut worded = call.clone().edited(&edits)?;
    for names in features {
        worded.headers.append(FEATURES, names.clone());
    }
    Ok(Some(worded))
}

/// What of a deployment's fields is still to be laid into what is sent of that call.
pub(crate) fn lay(edits: &mut Edits, call: &Call, spoken: Dialect) {
    let Content::Json(outline) = &call.content else { return };
    if let Some(outbound) = spoken.outbound() {
        edits.default.retain(|(key, _)| outbound.has(key));
    }
    if call.door.dialect != spoken {
        // What the call says is translated: it may have another name there.
        edits.default.retain(|(key, _)| !is_said(outline, key) && below(spoken, key).is_none());
    }
}

/// Whether a field is to be read as the client's.
fn is_clients(client: Dialect, spoken: Dialect, key: &str) -> bool {
    let reads = spoken.outbound().is_some_and(|outbound| outbound.reads(key));
    match client {
        _ if client == spoken => reads && spoken.outbound().is_some_and(|outbound| outbound.has(key)),
        Dialect::OpenAiChat => TRANSLATED.contains(&key) || reads,
        Dialect::Anthropic => ANTHROPIC.contains(&key),
        _ => false,
    }
}

/// The field below which that one stands, where the API has none of that name.
fn below(spoken: Dialect, key: &str) -> Option<&'static str> {
    spoken.outbound()?.below(key)
}

/// Whether a call says that field itself, under one of its names.
fn is_said(outline: &Outline, key: &str) -> bool {
    const LIMITS: [&str; 4] = ["max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"];
    outline.get(key).is_some() || LIMITS.contains(&key) && LIMITS.iter().any(|limit| outline.get(limit).is_some())
}
