//! What an endpoint takes and gives, in OpenRouter's words.

use serde_json::{Value, json};

use switchboard_engine::route::{passed_on, supported};

use super::offer::{Endpoint, Offer};

/// Kinds of input, in the order in which they are told.
pub(super) const INPUTS: [&str; 5] = ["text", "image", "file", "audio", "video"];
/// Kinds of output, in the order in which they are told.
pub(super) const OUTPUTS: [&str; 8] = ["text", "image", "embeddings", "audio", "video", "rerank", "speech", "transcription"];

/// Parameters by the ability that lets a model take them.
const PARAMETERS: [(&str, &[&str]); 6] = [
    ("function_calling", &["tools"]),
    ("tool_choice", &["tool_choice"]),
    ("parallel_function_calling", &["parallel_tool_calls"]),
    ("response_schema", &["response_format", "structured_outputs"]),
    ("reasoning", &["reasoning", "include_reasoning"]),
    ("web_search", &["web_search_options"]),
];

/// The kinds of input that an ability stands for.
const ABLE: [(&str, &str); 5] =
    [("vision", "image"), ("image_input", "image"), ("pdf_input", "file"), ("audio_input", "audio"), ("video_input", "video")];

impl Endpoint {
    /// What a prompt may hold; empty where nothing is known.
    pub(crate) fn inputs(&self) -> Vec<&'static str> {
        let card = self.card.as_ref();
        let main = match self.mode.as_deref() {
            Some("audio_transcription") => Some("audio"),
            mode => mode.map(|_| "text"),
        };
        let listed = card.map(|card| card.input_modalities.as_slice()).unwrap_or_default();
        let able =
            |kind: &str| ABLE.iter().any(|(ability, of)| *of == kind && card.is_some_and(|card| card.supports(ability) == Some(true)));
        INPUTS.into_iter().filter(|kind| main == Some(*kind) || listed.iter().any(|known| known == kind) || able(kind)).collect()
    }

    /// What an answer may hold; empty where nothing is known.
    pub(crate) fn outputs(&self) -> Vec<&'static str> {
        let card = self.card.as_ref();
        let main = match self.mode.as_deref() {
            Some("chat" | "responses" | "completion") => "text",
            Some("embedding") => "embeddings",
            Some("rerank") => "rerank",
            Some("image_generation" | "image_edit") => "image",
            Some("video_generation") => "video",
            Some("audio_speech") => "speech",
            Some("audio_transcription") => "transcription",
            _ => return Vec::new(),
        };
        let gives = |kind: &str| card.is_some_and(|card| card.output_modalities.iter().any(|known| known == kind));
        let speaks = card.is_some_and(|card| card.supports("audio_output") == Some(true));
        let further = ["image", "audio", "video"].into_iter().filter(|kind| *kind != main && main == "text");
        let further = further.filter(|kind| gives(kind) || *kind == "audio" && speaks);
        [main].into_iter().chain(further).collect()
    }

    /// The parameters it takes: those it is known to, and those that are passed on to a model of which nothing is known. Clients offer
    /// no tools to a model that is said to lack them.
    pub(crate) fn parameters(&self) -> Vec<&'static str> {
        let mut all = self.known_parameters();
        if !all.is_empty() && self.measured {
            all.extend(passed_on(&self.deployment));
        }
        all
    }

    /// The parameters it is known to take; of a model that only a pattern knows, those of the card.
    pub(crate) fn known_parameters(&self) -> Vec<&'static str> {
        if !matches!(self.mode.as_deref(), Some("chat" | "responses" | "completion")) {
            return Vec::new();
        }
        let Some(card) = self.card.as_ref().filter(|_| !self.measured) else { return supported(&self.deployment) };
        let able = PARAMETERS.iter().filter(|(ability, _)| card.supports(ability) == Some(true));
        ["max_tokens"].into_iter().chain(able.flat_map(|(_, names)| names.iter().copied())).collect()
    }
}

impl Offer {
    /// What any endpoint takes, of that kind of fact.
    pub(crate) fn union(&self, of: impl Fn(&Endpoint) -> Vec<&'static str>) -> Vec<&'static str> {
        let mut all: Vec<&str> = Vec::new();
        for known in self.endpoints.iter().flat_map(of) {
            if !all.contains(&known) {
                all.push(known);
            }
        }
        all
    }

    /// OpenRouter's `architecture`.
    pub(super) fn architecture(&self, family: Option<&str>) -> Value {
        let (inputs, outputs) = (self.union(Endpoint::inputs), self.union(Endpoint::outputs));
        let known = !inputs.is_empty() && !outputs.is_empty();
        let modality = known.then(|| format!("{}->{}", inputs.join("+"), outputs.join("+")));
        let tokenizer = family.unwrap_or("Other");
        json!({"modality": modality, "input_modalities": inputs, "output_modalities": outputs, "tokenizer": tokenizer, "instruct_type": null})
    }
}
