//! Thoughts that only one account can read, left out where another one answers.
//!
//! The Responses API gives thoughts back sealed, for clients that keep their own history. The seal is opened by the account that made
//! it; another one refuses the whole request for it.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use switchboard_wire::frames::Frames;
use switchboard_wire::loss::Why;
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::prepare::Prepared;
use switchboard_wire::problem::Problem;

/// Where the history stands.
const HISTORY: &str = "input";
/// What holds the seal.
const SEAL: &str = "encrypted_content";
/// How the loss is told.
const FIELD: &str = "input.encrypted_content";

/// Takes the seals out of a request in the form of the Responses API. What thoughts say in plain text stays; those that say nothing
/// go.
pub(crate) fn unseal(prepared: &mut Prepared) -> Result<(), Problem> {
    let outline = Outline::scan(&prepared.body)?;
    let Some(entry) = outline.get(HISTORY) else { return Ok(()) };
    let text = prepared.body.slice(entry.value.start, entry.value.end);
    if memchr::memmem::find(&text, SEAL.as_bytes()).is_none() {
        return Ok(());
    }
    let Ok(items) = serde_json::from_slice::<Vec<&RawValue>>(&text) else { return Ok(()) };
    let (mut kept, mut lost) = (Vec::with_capacity(items.len()), false);
    for item in items {
        match unsealed(item) {
            None => kept.push(item.get().to_owned()),
            Some(plain) => {
                lost = true;
                kept.extend(plain.map(|plain| Value::Object(plain).to_string()));
            }
        }
    }
    if !lost {
        return Ok(());
    }
    let edits = Edits { set: vec![(HISTORY.to_owned(), format!("[{}]", kept.join(",")))], ..Edits::default() };
    prepared.body = Frames::from(outline.apply(&prepared.body, &edits).join());
    prepared.losses.add(FIELD, Why::Approximated);
    Ok(())
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: Option<String>,
    encrypted_content: Option<Value>,
}

/// A thought without its seal, or nothing where it says nothing else; `None`: it is no sealed thought.
fn unsealed(item: &RawValue) -> Option<Option<Map<String, Value>>> {
    let kind: Kind = serde_json::from_str(item.get()).ok()?;
    if kind.kind.as_deref() != Some("reasoning") || kind.encrypted_content.is_none_or(|seal| seal.is_null()) {
        return None;
    }
    let mut thought: Map<String, Value> = serde_json::from_str(item.get()).ok()?;
    thought.remove(SEAL);
    thought.remove("id");
    let says = |name: &str| thought.get(name).and_then(Value::as_array).is_some_and(|parts| !parts.is_empty());
    let speaks = says("summary") || says("content");
    Some(speaks.then_some(thought))
}
