//! Where a request bounds its answer, in each dialect.

use switchboard_wire::Dialect;
use switchboard_wire::outline::Edits;

/// Where an answer's length is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapKey {
    /// The field of the body; of an object in it where `within` names one.
    key: &'static str,
    /// The object, and the other name that it may have.
    within: Option<(&'static str, &'static str)>,
}

/// The field that bounds an answer, in dialects that have one.
pub fn cap_key(dialect: Dialect, newer: bool) -> Option<CapKey> {
    let top = |key| Some(CapKey { key, within: None });
    let nested = |key, object, other| Some(CapKey { key, within: Some((object, other)) });
    match dialect {
        Dialect::OpenAiChat if newer => top("max_completion_tokens"),
        Dialect::OpenAiChat | Dialect::OpenAiCompletions | Dialect::Cohere | Dialect::Anthropic => top("max_tokens"),
        Dialect::OpenAiResponses => top("max_output_tokens"),
        Dialect::Gemini => nested("maxOutputTokens", "generationConfig", "generation_config"),
        Dialect::Bedrock => nested("maxTokens", "inferenceConfig", ""),
        Dialect::Replicate => None,
        Dialect::Ollama => nested("num_predict", "options", ""),
    }
}

impl CapKey {
    /// Bounds the answer at so many tokens, whatever else is said of its length.
    pub fn set(self, cap: u64, edits: &mut Edits) {
        let Some((object, other)) = self.within else {
            edits.set.retain(|(set, _)| set != self.key);
            edits.set.push((self.key.to_owned(), cap.to_string()));
            return;
        };
        // What stands beside it in its object stays, by whichever name that goes.
        if !other.is_empty() {
            edits.rename.push((other.to_owned(), object.to_owned()));
        }
        let (said, set) = std::mem::take(&mut edits.set).into_iter().partition(|(key, _)| key == object);
        edits.set = set;
        edits.lay.extend::<Vec<_>>(said);
        edits.lay.push((object.to_owned(), format!("{{\"{}\":{cap}}}", self.key)));
    }
}
