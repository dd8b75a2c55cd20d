//! Why answers end, in both vocabularies.

use crate::reply::{Finish, Reason};

const TABLE: [(&str, Reason); 9] = [
    ("end_turn", Reason::Stop),
    ("max_tokens", Reason::Length),
    ("stop_sequence", Reason::StopSequence),
    ("tool_use", Reason::ToolCalls),
    ("pause_turn", Reason::Pause),
    ("refusal", Reason::Refusal),
    ("refusal", Reason::ContentFilter),
    ("model_context_window_exceeded", Reason::Length),
    ("compaction", Reason::Other),
];

/// Reads a stop reason.
pub(super) fn read(raw: Option<String>, sequence: Option<String>) -> Finish {
    let known = raw.as_deref().and_then(|raw| TABLE.iter().find(|(name, _)| *name == raw));
    Finish { reason: known.map_or(Reason::Other, |(_, reason)| *reason), raw, stop_sequence: sequence }
}

/// What the end of a JSON answer is that came as a tool's input: not a call.
pub(super) fn of_json_answer(reason: Reason) -> Reason {
    if reason == Reason::ToolCalls { Reason::Stop } else { reason }
}

/// Writes a stop reason; `None` where there is none to tell.
pub(super) fn write(finish: &Finish, calls: bool, refusal: bool) -> Option<&'static str> {
    // The vendor's own word stands; two of them may share one of ours.
    let same = |&&(name, known): &&(&'static str, Reason)| known == finish.reason && finish.raw.as_deref() == Some(name);
    if let Some((name, _)) = TABLE.iter().find(same) {
        return Some(name);
    }
    let reason = match finish.reason {
        Reason::Stop | Reason::Other if calls => Reason::ToolCalls,
        Reason::Stop if refusal => Reason::Refusal,
        reason => reason,
    };
    match reason {
        Reason::Error => None,
        Reason::Other => Some("end_turn"),
        reason => TABLE.iter().find(|(_, known)| *known == reason).map(|(name, _)| *name),
    }
}

/// The stop sequence that was met, where the answer ended by one.
pub(super) fn sequence(finish: &Finish) -> Option<&str> {
    finish.stop_sequence.as_deref().filter(|_| finish.reason == Reason::StopSequence)
}
