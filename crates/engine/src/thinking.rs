//! Thoughts that the name of the model asks for, in OpenRouter's words: `model:thinking`.

use switchboard_wire::dialect::Flavor;
use switchboard_wire::outline::Edits;
use switchboard_wire::problem::Problem;
use switchboard_wire::{Dialect, Operation};

use crate::call::{Call, Content};
use crate::deployment::Deployment;
use crate::strict::THOUGHTS;

/// What ends the name of a model that is to think.
const VARIANT: &str = ":thinking";

/// Whether the call's model is named so, and nothing else in it says whether it is to think.
pub fn is_wanted(call: &Call) -> bool {
    let Content::Json(outline) = &call.content else { return false };
    call.door.operation == Operation::Chat && call.model.ends_with(VARIANT) && THOUGHTS.iter().all(|key| outline.get(key).is_none())
}

/// The call with that wish written into it, if it has it. `target` is a deployment that may answer it.
pub fn applied(call: Call, target: Option<&Deployment>) -> Result<Call, Problem> {
    // Another gateway knows what the name means.
    if !is_wanted(&call) || target.is_some_and(|target| target.gateway) {
        return Ok(call);
    }
    let (key, value) = match (call.door.dialect, call.door.flavor) {
        (Dialect::OpenAiChat, Flavor::OpenRouter) => ("reasoning", r#"{"enabled":true}"#),
        (Dialect::OpenAiChat, Flavor::OpenAi) => ("reasoning_effort", r#""medium""#),
        (Dialect::OpenAiResponses, _) => ("reasoning", r#"{"effort":"medium"}"#),
        // Other formats have no such names.
        _ => return Ok(call),
    };
    let edits = Edits { default: vec![(key.to_owned(), value.to_owned())], ..Edits::default() };
    Ok(call.edited(&edits)?)
}
