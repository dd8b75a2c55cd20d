//! What is refused rather than left out where a caller or the operator says so (`drop_params: false`, `require_parameters`).
//!
//! Parameters are: a target that has no such parameter is not asked. What it has in another form, headers and marks within messages
//! are hints; they are left out and told of as always.

use switchboard_wire::Operation;
use switchboard_wire::loss::{Losses, Why};
use switchboard_wire::problem::{Kind, Problem};

use crate::call::Call;

/// Parameters of chats that a target must have: OpenAI's, and those of sampling that others have beside them.
const PARAMETERS: [&str; 30] = [
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "min_p",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "reasoning_effort",
    "repetition_penalty",
    "response_format",
    "seed",
    "service_tier",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_a",
    "top_k",
    "top_logprobs",
    "top_p",
    "verbosity",
    "web_search_options",
];

/// The refusal of what that model cannot take of that call, where anything is to be refused.
pub(crate) fn refusal(call: &Call, model: &str, losses: &Losses) -> Option<Problem> {
    if !call.strict {
        return None;
    }
    let lost = losses.list().iter().filter(|loss| loss.why == Why::NoEquivalent).map(|loss| &*loss.field);
    // What is no chat has few parameters; the names of headers have hyphens.
    let is_parameter = |field: &&str| match call.door.operation {
        Operation::Chat => PARAMETERS.contains(field),
        _ => !field.contains(['.', '-']),
    };
    let lost: Vec<&str> = lost.filter(is_parameter).collect();
    let message = format!("{model} cannot take: {}", lost.join(", "));
    Some(Problem::new(Kind::Unsupported, message).with_param(*lost.first()?).with_code("unsupported_parameter"))
}
