//! What tells one conversation from another: a name the client gives, else how it began.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use switchboard_wire::Dialect;
use switchboard_wire::outline::Outline;

use crate::call::{Call, Content};

/// The longest name of a session that is one.
const LONGEST: usize = 256;

/// What a conversation is told by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Conversation {
    /// The client's name for it.
    Named(String),
    /// A digest of how it began.
    Begun(u64),
}

impl Conversation {
    /// Whether the client says which it is.
    pub(crate) fn is_named(&self) -> bool {
        matches!(self, Self::Named(_))
    }
}

/// The session that the client names: `session_id`, `x-session-id`, LiteLLM's names of it.
pub(crate) fn session(call: &Call) -> Option<String> {
    let keys = ["session_id", "litellm_session_id"];
    let named = keys.into_iter().find_map(|key| call.text(key));
    let headers = ["x-session-id", "x-litellm-session-id"];
    let header = || headers.into_iter().find_map(|name| Some(call.headers.get(name)?.to_str().ok()?.to_owned()));
    named.or_else(header).filter(|name| !name.is_empty() && name.len() <= LONGEST)
}

/// The session that a body names, in any of the places that LiteLLM's clients write one in.
pub fn session_said(call: &Call) -> Option<String> {
    let keys = ["litellm_session_id", "session_id", "litellm_trace_id"];
    let named = keys.into_iter().find_map(|key| call.text(key));
    let within = || call.beside("session_id")?.as_str().map(str::to_owned);
    named.or_else(within).filter(|name| !name.is_empty() && name.len() <= LONGEST)
}

/// The conversation that a request belongs to.
pub(crate) fn of(call: &Call) -> Option<Conversation> {
    if let Some(name) = session(call).or_else(|| call.text("prompt_cache_key")) {
        return Some(Conversation::Named(name));
    }
    let Content::Json(outline) = &call.content else { return None };
    let (system, messages) = match call.door.dialect {
        Dialect::Anthropic => ("system", "messages"),
        Dialect::OpenAiResponses => ("instructions", "input"),
        Dialect::Gemini => ("systemInstruction", "contents"),
        _ => ("", "messages"),
    };
    let mut hasher = DefaultHasher::new();
    if let Some(entry) = outline.get(system) {
        call.body.slice(entry.value.start, entry.value.end).hash(&mut hasher);
    }
    begin(call, outline, messages, &mut hasher)?;
    Some(Conversation::Begun(hasher.finish()))
}

fn begin(call: &Call, outline: &Outline, key: &str, hasher: &mut DefaultHasher) -> Option<()> {
    let entry = outline.get(key)?;
    let raw = call.body.slice(entry.value.start, entry.value.end);
    if !raw.starts_with(b"[") {
        raw.hash(hasher);
        return Some(());
    }
    let Opening(messages) = serde_json::from_slice(&raw).ok()?;
    for message in messages {
        message.hash(hasher);
    }
    Some(())
}

/// The first system message, and the first that is none, as written; the others are passed over unread.
struct Opening<'a>(Vec<&'a str>);

impl<'de> Deserialize<'de> for Opening<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Collect)
    }
}

#[derive(Deserialize)]
struct Role<'a> {
    #[serde(borrow, default)]
    role: Option<std::borrow::Cow<'a, str>>,
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
    type Value = Opening<'de>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a list of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut opening = Vec::with_capacity(2);
        let mut has_system = false;
        while let Some(raw) = items.next_element::<&'de RawValue>()? {
            let role = serde_json::from_str::<Role<'_>>(raw.get()).ok().and_then(|role| role.role);
            let is_system = matches!(role.as_deref(), Some("system" | "developer"));
            if is_system && has_system {
                continue;
            }
            has_system |= is_system;
            opening.push(raw.get());
            if !is_system {
                break;
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Opening(opening))
    }
}

/// A digest of the prompt up to the last mark of what is to be cached, where there is one.
pub(crate) fn marked_prompt(call: &Call) -> Option<u64> {
    const MARK: &[u8] = b"\"cache_control\"";
    if !call.mentions().cache() {
        return None;
    }
    let body = call.body.join();
    let at = memchr::memmem::rfind(&body, MARK)?;
    let Content::Json(outline) = &call.content else { return None };
    let mut hasher = DefaultHasher::new();
    // Only what the model reads, in whatever order: other fields may change from one request to the next.
    for key in ["system", "tools", "messages", "input"] {
        if let Some(entry) = outline.get(key).filter(|entry| entry.value.start < at) {
            body[entry.value.start..entry.value.end.min(at)].hash(&mut hasher);
        }
    }
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(json: &str) -> Vec<String> {
        let Opening(messages) = serde_json::from_str(json).expect("a list");
        messages.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_conversation_is_known_by_its_first_system_and_first_other_message() {
        let one = r#"[{"role":"system","content":"a"},{"role":"system","content":"b"},{"role":"user","content":"c"},{"role":"user","content":"d"}]"#;
        assert_eq!(opening(one), [r#"{"role":"system","content":"a"}"#, r#"{"role":"user","content":"c"}"#]);
        assert_eq!(opening(r#"[{"content":"c"},{"role":"system"}]"#), [r#"{"content":"c"}"#]);
        assert!(opening("[]").is_empty());
    }
}
