//! Why answers end, in both vocabularies.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::Object;
use crate::reply::{Finish, Reason};

/// The field that says more of a stop reason.
pub(super) const DETAILS: &str = "stop_details";

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

/// Reads a stop reason; `details` says more of it.
pub(super) fn read(raw: Option<String>, sequence: Option<String>, details: Option<&RawValue>) -> Finish {
    #[derive(Deserialize)]
    struct Details {
        explanation: Option<String>,
    }
    let known = raw.as_deref().and_then(|raw| TABLE.iter().find(|(name, _)| *name == raw));
    let details: Option<Details> = details.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let finish = Finish { reason: known.map_or(Reason::Other, |(_, reason)| *reason), raw, stop_sequence: sequence, words: None };
    finish.with_words(details.and_then(|details| details.explanation))
}

/// Writes what is said of a refusal beyond that it is one.
pub(super) fn write_details(out: &mut Object<'_>, finish: &Finish) {
    if let Some(words) = finish.refusal() {
        out.object(DETAILS, |details| {
            details.text("type", "refusal");
            details.field("category", &());
            details.text("explanation", words);
        });
    }
}

/// What the end of a JSON answer is that came as a tool's input: not a call.
pub(super) fn of_json_answer(reason: Reason) -> Reason {
    if reason == Reason::ToolCalls { Reason::Stop } else { reason }
}

/// Writes a stop reason. A message that is whole has one, and for a failure there is no word.
pub(super) fn write(finish: &Finish, calls: bool, refusal: bool) -> &'static str {
    // The vendor's own word stands; two of them may share one of ours.
    let same = |&&(name, known): &&(&'static str, Reason)| known == finish.reason && finish.raw.as_deref() == Some(name);
    if let Some((name, _)) = TABLE.iter().find(same) {
        return name;
    }
    let reason = match finish.reason {
        Reason::Stop | Reason::Other if calls => Reason::ToolCalls,
        Reason::Stop if refusal => Reason::Refusal,
        reason => reason,
    };
    match reason {
        Reason::Other => "end_turn",
        reason => TABLE.iter().find(|(_, known)| *known == reason).map_or("end_turn", |(name, _)| name),
    }
}

/// The stop sequence that was met, where the answer ended by one.
pub(super) fn sequence(finish: &Finish) -> Option<&str> {
    finish.stop_sequence.as_deref().filter(|_| finish.reason == Reason::StopSequence)
}
