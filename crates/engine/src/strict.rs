//! What is refused rather than left out where a caller or the operator says so (`drop_params: false`, `require_parameters`), and what is
//! left out of requests that pass as they came where they say that (`drop_params: true`).
//!
//! Parameters are: a target that has no such parameter is not asked. What it has in another form, headers and marks within messages
//! are hints; they are left out and told of as always.

use switchboard_wire::frames::Frames;
use switchboard_wire::half::{Profile, Thinking};
use switchboard_wire::loss::{Losses, Why};
use switchboard_wire::outline::Outline;
use switchboard_wire::problem::{Kind, Problem};
use switchboard_wire::{Dialect, Operation};

use crate::call::Call;
use crate::deployment::Deployment;

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

/// The ways of asking for thoughts.
pub(crate) const THOUGHTS: [&str; 4] = ["include_reasoning", "reasoning", "reasoning_effort", "thinking"];
/// The knobs that models which cannot but think do not have. Where to stop some of them take, and others refuse themselves.
const SAMPLING: [&str; 7] = ["frequency_penalty", "logit_bias", "logprobs", "presence_penalty", "temperature", "top_logprobs", "top_p"];

/// Whether what the target lacks is left out (`drop_params: true`).
pub(crate) fn is_lenient(call: &Call, target: &Deployment) -> bool {
    target.spec.drops.unwrap_or(call.lenient)
}

/// The parameters of a chat in OpenAI's format that the model does not take, where they are to be left out. A translation leaves them out
/// in any case.
pub(crate) fn untaken(call: &Call, target: &Deployment, (spoken, outline): (Dialect, &Outline)) -> Vec<String> {
    let dropped =
        is_lenient(call, target) && call.door.operation == Operation::Chat && spoken == call.door.dialect && spoken == Dialect::OpenAiChat;
    if !dropped {
        return Vec::new();
    }
    let thoughts = THOUGHTS.iter().filter(|way| asks_in_vain(way, &target.profile));
    let knobs = SAMPLING.iter().filter(|knob| target.profile.sampling == Some(false) && !is_usual(knob, outline, &call.body));
    thoughts.chain(knobs).filter(|key| outline.get(key).is_some()).map(|key| (*key).to_owned()).collect()
}

/// Whether a model of which all knobs are known is not asked for thoughts that way.
fn asks_in_vain(way: &str, profile: &Profile) -> bool {
    match profile.thinking {
        Some(Thinking::Never) => true,
        Some(Thinking::Effort) => way != "reasoning_effort" && profile.knobs.is_some() && profile.thinking_switch != Some(true),
        Some(Thinking::Budget | Thinking::Adaptive) | None => false,
    }
}

/// Whether that knob stands where every model has it.
fn is_usual(knob: &str, outline: &Outline, body: &Frames) -> bool {
    let value = || outline.read::<f64>(body, knob).ok().flatten();
    matches!(knob, "temperature" | "top_p") && value() == Some(1.0)
}
