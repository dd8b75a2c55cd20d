//! What tells a conversation by what was said in it, so that its next request is known again.

use std::hash::{DefaultHasher, Hash, Hasher};

use switchboard_wire::chat::{ChatRequest, Message, Part, PartBody, Role};

use super::reading::is_reminder;

/// Digests of a request: of the one before it in its conversation, and of itself.
pub(super) struct Passages {
    /// Everything before the model's last turn is what the request before this one said. `None`: this is the first.
    pub(super) before: Option<u64>,
    pub(super) now: u64,
}

impl Passages {
    /// Two conversations that began alike are told apart from where they part.
    pub(super) fn of(request: &ChatRequest) -> Self {
        let is_answer = |message: &Message| message.role == Role::Assistant;
        let last = request.messages.iter().rposition(is_answer);
        let answered = last.map(|last| request.messages[..last].iter().rposition(|message| !is_answer(message)).map_or(0, |at| at + 1));
        let mut hasher = DefaultHasher::new();
        mix(&request.system, &mut hasher);
        let mut before = None;
        for (at, message) in request.messages.iter().enumerate() {
            if answered == Some(at) && at > 0 {
                before = Some(hasher.finish());
            }
            (message.role as u8).hash(&mut hasher);
            mix(&message.parts, &mut hasher);
        }
        Self { before, now: hasher.finish() }
    }
}

/// What is said, not how: marks of caches and ids may change from one request to the next.
fn mix(parts: &[Part], hasher: &mut DefaultHasher) {
    for part in parts {
        match &part.body {
            PartBody::Text { text, .. } if is_reminder(text) => {}
            PartBody::Text { text, .. } => text.hash(hasher),
            PartBody::ToolCall(call) => call.arguments.hash(hasher),
            PartBody::ToolResult(result) => mix(&result.parts, hasher),
            PartBody::Image(_)
            | PartBody::Audio(_)
            | PartBody::Video(_)
            | PartBody::File(_)
            | PartBody::Refusal(_)
            | PartBody::Reasoning(_)
            | PartBody::Hosted(_) => {}
        }
    }
}
