//! Why an answer ended, in this format's words.

use crate::dialect::Flavor;
use crate::half::Memo;
use crate::reply::{Finish, Reason};

/// Reads a finish reason. `calls`: whether the answer calls tools, which not every provider then says.
pub(crate) fn read_finish(raw: Option<&str>, stop_sequence: Option<String>, calls: bool, memo: &Memo) -> Finish {
    let raw = raw.filter(|raw| !raw.is_empty());
    let reason = match raw {
        Some("stop" | "eos" | "eos_token" | "end_turn" | "stop_token" | "completed" | "STOP") => Reason::Stop,
        Some("stop_sequence") => Reason::StopSequence,
        Some("length" | "max_tokens" | "model_length" | "max_output_tokens" | "MAX_TOKENS") => Reason::Length,
        Some("tool_calls" | "function_call" | "tool_use" | "tool_call") => Reason::ToolCalls,
        Some("content_filter" | "content_filtered" | "safety" | "SAFETY" | "sensitive") => Reason::ContentFilter,
        Some("refusal") => Reason::Refusal,
        Some("pause_turn") => Reason::Pause,
        Some("error" | "network_error" | "insufficient_system_resource" | "malformed_function_call") => Reason::Error,
        Some(_) | None => Reason::Other,
    };
    let stop_sequence = stop_sequence.filter(|text| !text.is_empty());
    let reason = match reason {
        Reason::Stop | Reason::Other if calls => Reason::ToolCalls,
        Reason::Stop if stop_sequence.as_ref().is_some_and(|text| memo.stop.is_empty() || memo.stop.contains(text)) => Reason::StopSequence,
        reason => reason,
    };
    Finish { reason, raw: raw.map(str::to_owned), stop_sequence: stop_sequence.filter(|_| reason == Reason::StopSequence), words: None }
}

/// Writes a finish reason. `calls`: whether the answer calls tools; `refused`: whether it says in a refusal's own words that the model
/// will not answer, which ends an answer like any other. Where the provider ended the answer itself it was filtered. That it failed is
/// said to OpenRouter's clients alone: OpenAI has no word for it.
pub(crate) fn write_finish(finish: &Finish, calls: bool, refused: bool, flavor: Flavor) -> &'static str {
    match finish.reason {
        Reason::Refusal if refused && finish.raw.as_deref() != Some("refusal") => "stop",
        Reason::Other if calls => "tool_calls",
        Reason::Stop | Reason::StopSequence | Reason::Pause | Reason::Other => "stop",
        Reason::Length => "length",
        Reason::ToolCalls => "tool_calls",
        Reason::ContentFilter | Reason::Refusal => "content_filter",
        Reason::Error if flavor == Flavor::OpenRouter => "error",
        Reason::Error => "stop",
    }
}
