//! Whether a deployment takes a parameter, and reads a kind of content.

use switchboard_wire::{Dialect, Operation};

use crate::deployment::Deployment;
use crate::route::ask::{Ask, Media};

/// Parameters that a model must be able to follow: the name in the body, and the ability in the catalog.
const ABILITIES: [(&str, &str); 9] = [
    ("tools", "function_calling"),
    ("tool_choice", "function_calling"),
    ("parallel_tool_calls", "parallel_function_calling"),
    ("response_format", "response_schema"),
    ("structured_outputs", "response_schema"),
    ("reasoning", "reasoning"),
    ("reasoning_effort", "reasoning"),
    ("include_reasoning", "reasoning"),
    ("web_search_options", "web_search"),
];

/// Parameters that are a matter of the format a provider speaks.
const SAMPLING: [&str; 14] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "top_a",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "stop",
    "verbosity",
];

/// What says only what is so anyway.
const USUAL: [(&str, &str); 2] = [("parallel_tool_calls", "true"), ("logprobs", "false")];

/// Parameters that endpoints which take them are preferred for, asked or not.
const PREFERRED: [&str; 4] = ["tools", "response_format", "verbosity", "web_search_options"];

/// Whether the deployment takes every parameter sent.
pub(super) fn takes_all(deployment: &Deployment, ask: &Ask<'_>) -> bool {
    let abilities = ABILITIES.iter().map(|(name, _)| *name);
    let asked = |name: &&str| ask.has(name) && !USUAL.iter().any(|(known, value)| known == name && ask.is_said(name, value));
    abilities.chain(SAMPLING).filter(asked).all(|name| takes(deployment, ask, name).unwrap_or(true))
}

/// Whether the deployment is known to lack a parameter for which others are preferred.
pub(super) fn lacks_preferred(deployment: &Deployment, ask: &Ask<'_>) -> bool {
    PREFERRED.iter().filter(|name| ask.has(name)).any(|name| takes(deployment, ask, name) == Some(false))
}

/// Whether the model is known to search the web by its provider's means.
pub(super) fn searches(deployment: &Deployment) -> bool {
    deployment.card.as_ref().is_some_and(|card| card.supports("web_search") == Some(true))
}

/// The parameters that a chat at that deployment is known to take, in OpenRouter's words, of a client of OpenAI's format.
pub fn supported(deployment: &Deployment) -> Vec<&'static str> {
    let takes = |name: &str| takes_from(deployment, (Dialect::OpenAiChat, Operation::Chat, false), name) == Some(true);
    let bound = deployment.serves(Operation::Chat).then_some("max_tokens");
    let named = SAMPLING.into_iter().chain(ABILITIES.into_iter().map(|(name, _)| name));
    bound.into_iter().chain(named.filter(|name| takes(name))).collect()
}

/// The parameters of which no card says whether that deployment's model can follow them, so that they are passed on to it. A search is
/// asked of models alone that are known to search.
pub fn passed_on(deployment: &Deployment) -> Vec<&'static str> {
    let unknown = |name: &str| takes_from(deployment, (Dialect::OpenAiChat, Operation::Chat, false), name).is_none();
    let abilities = ABILITIES.into_iter().map(|(name, _)| name).filter(|name| *name != "web_search_options");
    abilities.filter(|name| deployment.serves(Operation::Chat) && unknown(name)).collect()
}

/// Whether the deployment takes that parameter; `None` where it is not known.
fn takes(deployment: &Deployment, ask: &Ask<'_>, name: &str) -> Option<bool> {
    takes_from(deployment, (ask.dialect(), ask.call.door.operation, ask.call.stream), name)
}

/// Whether the deployment takes that parameter of a client of that dialect.
fn takes_from(deployment: &Deployment, (client, operation, stream): (Dialect, Operation, bool), name: &str) -> Option<bool> {
    let spoken = deployment.dialect_for(client)?;
    let reach = deployment.reach(operation, Some(spoken), stream)?;
    if deployment.spec.allowed.iter().any(|allowed| allowed == name) {
        return Some(true);
    }
    if reach.edits.lose.iter().any(|lost| lost == name) {
        return Some(false);
    }
    if name == "structured_outputs" && spoken == Dialect::OpenAiChat && deployment.profile.accent.json_schema == Some(false) {
        return Some(false);
    }
    if let Some((_, ability)) = ABILITIES.iter().find(|(known, _)| *known == name) {
        // Anthropic's format has a word for one call at a time, whatever the model.
        let ability = if name == "parallel_tool_calls" && spoken == Dialect::Anthropic { "function_calling" } else { *ability };
        // A card that is silent on an ability is one of a model without it.
        return deployment.card.as_ref().map(|card| card.supports(ability) == Some(true));
    }
    if deployment.profile.knobs.as_ref().is_some_and(|knobs| spoken == Dialect::OpenAiChat && knobs.iter().any(|known| known == name)) {
        return Some(true);
    }
    if deployment.profile.sampling == Some(false) && matches!(name, "temperature" | "top_p") {
        return Some(false);
    }
    in_format(spoken, name)
}

/// The parameters that formats have a place for, by the format's name.
const FORMATS: [(&str, &[&str]); 6] = [
    ("openai-responses", &["temperature", "top_p", "logprobs", "top_logprobs", "verbosity"]),
    ("anthropic", &["temperature", "top_p", "top_k", "stop"]),
    ("gemini", &["temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs", "seed", "stop"]),
    ("bedrock", &["temperature", "top_p", "stop"]),
    ("cohere", &["temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed", "stop"]),
    (
        "ollama",
        &[
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "frequency_penalty",
            "presence_penalty",
            "repetition_penalty",
            "logprobs",
            "top_logprobs",
            "seed",
            "stop",
        ],
    ),
];

/// Whether that format has a place for that parameter.
fn in_format(dialect: Dialect, name: &str) -> Option<bool> {
    if matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiCompletions) {
        // What is no field of OpenAI's own, servers of that format may take or not.
        return (!matches!(name, "top_k" | "min_p" | "top_a" | "repetition_penalty")).then_some(true);
    }
    let (_, known) = FORMATS.iter().find(|(format, _)| *format == dialect.as_str())?;
    Some(known.contains(&name))
}

/// Whether the deployment reads all those kinds of content; what is not known is taken to be read.
pub(super) fn reads(deployment: &Deployment, media: Media) -> bool {
    let Some(card) = &deployment.card else { return true };
    let kinds: [(bool, &str, &[&str]); 4] = [
        (media.image, "image", &["vision", "image_input"]),
        (media.audio, "audio", &["audio_input"]),
        (media.video, "video", &["video_input"]),
        (media.file, "pdf", &["pdf_input"]),
    ];
    kinds.into_iter().filter(|(present, ..)| *present).all(|(_, kind, abilities)| {
        let said: Vec<bool> = abilities.iter().filter_map(|ability| card.supports(ability)).collect();
        let able = said.contains(&true) || card.input_modalities.iter().any(|known| known == kind);
        // A card that names abilities names these too; but silence on documents says nothing: they are often turned into text.
        let told = !card.input_modalities.is_empty() || !card.supports.is_empty();
        let denied = said.contains(&false) || told && kind != "pdf";
        able || !denied
    })
}
