//! Knobs that the target lacks, and fields of other dialects: recorded as lost.

use crate::chat::{ChatRequest, Number, Part, PartBody, Sampling, Tool};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::loss::{Losses, Why};

/// Records the knobs that are set.
pub(crate) fn lose(losses: &mut Losses, knobs: impl IntoIterator<Item = (&'static str, bool)>) {
    knobs.into_iter().filter(|(_, is_set)| *is_set).for_each(|(name, _)| losses.dropped(name));
}

/// Records the numbers that are set; one that says what is so anyway is no loss.
pub(crate) fn lose_numbers<'a>(losses: &mut Losses, numbers: impl IntoIterator<Item = (&'static str, &'a Option<Number>, f64)>) {
    lose(
        losses,
        numbers.into_iter().map(|(name, value, neutral)| (name, value.as_ref().is_some_and(|value| value.as_f64() != Some(neutral)))),
    );
}

/// What that number says where it says what is so anyway.
pub(crate) fn neutral(name: &str) -> f64 {
    if matches!(name, "temperature" | "top_p" | "repetition_penalty") { 1.0 } else { 0.0 }
}

/// Records the knobs of sampling beyond temperature, `top_p`, `top_k` and stop sequences.
pub(crate) fn lose_rare(losses: &mut Losses, sampling: &Sampling) {
    let numbers = [
        ("min_p", &sampling.min_p, 0.0),
        ("top_a", &sampling.top_a, 0.0),
        ("frequency_penalty", &sampling.frequency_penalty, 0.0),
        ("presence_penalty", &sampling.presence_penalty, 0.0),
        ("repetition_penalty", &sampling.repetition_penalty, 1.0),
    ];
    lose_numbers(losses, numbers);
    lose(losses, [("seed", sampling.seed.is_some()), ("logit_bias", is_biased(sampling))]);
}

/// Whether some tokens are made likelier than others.
pub(crate) fn is_biased(sampling: &Sampling) -> bool {
    sampling.logit_bias.as_deref().is_some_and(|bias| bias.trim() != "{}")
}

/// Records the labels and knobs of service that are set, but for the `kept` ones, which the target has.
pub(crate) fn lose_labels(losses: &mut Losses, request: &ChatRequest, kept: &[&str]) {
    let labels = [
        ("user", request.user.is_some()),
        ("verbosity", request.verbosity.is_some()),
        ("prompt_cache_key", request.cache_key.is_some()),
        ("store", request.store == Some(true)),
        ("metadata", !request.metadata.is_empty()),
        ("service_tier", request.service_tier.as_deref().is_some_and(|tier| !matches!(tier, "auto" | "default"))),
    ];
    lose(losses, labels.into_iter().filter(|(name, _)| !kept.contains(name)));
}

/// The longest name of a user that OpenAI takes.
const MAX_USER: usize = 64;

/// The user as OpenAI takes it. A client of its own formats has written it for this API.
pub(crate) fn short_user<'a>(losses: &mut Losses, request: &'a ChatRequest) -> Option<&'a str> {
    let user = request.user.as_deref()?;
    let own = matches!(request.extra.from(), Some(Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::OpenAiCompletions));
    let end = user.char_indices().nth(MAX_USER).map(|(at, _)| at).filter(|_| !own);
    if end.is_some() {
        losses.add("user", Why::Clamped);
    }
    Some(&user[..end.unwrap_or(user.len())])
}

/// Records the fields of another dialect than that one.
pub(crate) fn lose_foreign(losses: &mut Losses, extra: &Extra, here: Dialect) {
    if extra.from() != Some(here) {
        extra.fields().iter().for_each(|(key, _)| losses.dropped(key.clone()));
    }
}

/// Records the marks of what to keep in a cache, wherever they stand, for an API that takes none.
pub(crate) fn lose_marks(losses: &mut Losses, request: &ChatRequest) {
    fn is_marked(part: &Part) -> bool {
        part.cache.is_some() || matches!(&part.body, PartBody::ToolResult(result) if result.parts.iter().any(is_marked))
    }
    let mut parts = request.system.iter().chain(request.messages.iter().flat_map(|message| &message.parts));
    let on_tool = |tool: &Tool| matches!(tool, Tool::Function(function) if function.cache.is_some());
    lose(losses, [("cache_control", parts.any(is_marked) || request.tools.iter().any(on_tool))]);
}

/// The stop sequences, as many as the target takes.
pub(crate) fn stops<'a>(losses: &mut Losses, stop: &'a [String], most: Option<usize>) -> &'a [String] {
    let most = most.unwrap_or(usize::MAX);
    if stop.len() > most {
        losses.add("stop", Why::Clamped);
    }
    &stop[..most.min(stop.len())]
}

/// The stop sequences that say something, as many as the target takes, for an API that refuses those of nothing but white space.
pub(crate) fn visible_stops<'a>(losses: &mut Losses, all: &'a [String], most: Option<usize>) -> Vec<&'a String> {
    let mut stop: Vec<&String> = all.iter().filter(|text| !text.trim().is_empty()).collect();
    if stop.len() < all.len() {
        losses.dropped("stop");
    }
    if let Some(most) = most.filter(|most| stop.len() > *most) {
        stop.truncate(most);
        losses.add("stop", Why::Clamped);
    }
    stop
}
