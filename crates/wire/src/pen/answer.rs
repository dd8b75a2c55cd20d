//! The form of an answer, asked for in words where the target has no field for it.

use super::schema::described;
use crate::chat::{ChatRequest, JsonSchema, Part, PartBody};

/// Asks for JSON.
pub(crate) const JSON_ONLY: &str = "Answer with a single JSON object and nothing else: no prose before or after it, no code fence.";

/// Asks for JSON of that schema.
pub(crate) fn of_schema(schema: &JsonSchema) -> String {
    format!("{JSON_ONLY} It must follow this JSON schema: {}", described(schema).get())
}

/// The request with one more instruction before its conversation.
pub(crate) fn told(request: &ChatRequest, instruction: &str) -> ChatRequest {
    let mut told = request.clone();
    match told.system.last_mut() {
        // Some models take one instruction before all others.
        Some(Part { body: PartBody::Text { text, .. }, cache: None, .. }) => {
            text.push_str("\n\n");
            text.push_str(instruction);
        }
        _ => told.system.push(Part::text(instruction)),
    }
    told
}
