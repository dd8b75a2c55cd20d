//! Knobs that the target lacks, and fields of other dialects: recorded as lost.

use crate::chat::{ChatRequest, Citation, Number, Part, PartBody, Sampling, Tool};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::loss::{Losses, Why};
use crate::openai::{self, OF_MESSAGE};

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

/// Records the fields of another dialect than that one.
pub(crate) fn lose_foreign(losses: &mut Losses, extra: &Extra, here: Dialect) {
    foreign(extra, here).for_each(|key| losses.dropped(key.to_owned()));
}

/// The fields of another dialect than that one, but for what items of the responses API say of themselves, which its clients send back as
/// they got it.
pub(crate) fn foreign(extra: &Extra, here: Dialect) -> impl Iterator<Item = &str> {
    let of_item = |key: &str| matches!(key.strip_prefix(OF_MESSAGE).unwrap_or(key), "id" | "role" | "status" | "type");
    let fields = if extra.from() == Some(here) { &[] } else { extra.fields() };
    let keys = fields.iter().map(|(key, _)| key.as_str());
    keys.filter(move |key| !(extra.from() == Some(Dialect::OpenAiResponses) && of_item(key)))
}

/// Records what stands beside messages and their parts in another dialect's words, and sources that only another one can name.
pub(crate) fn lose_beside(losses: &mut Losses, request: &ChatRequest, here: Dialect) {
    lose_beside_parts(losses, &request.system, here);
    for message in &request.messages {
        foreign(&message.extra, here).for_each(|key| losses.dropped(format!("messages.{key}")));
        lose_beside_parts(losses, &message.parts, here);
    }
}

fn lose_beside_parts(losses: &mut Losses, parts: &[Part], here: Dialect) {
    for part in parts {
        for key in foreign(&part.extra, here) {
            let of_message = key.strip_prefix(OF_MESSAGE).map(|key| format!("messages.{key}"));
            losses.dropped(of_message.unwrap_or_else(|| format!("messages.content.{key}")));
        }
        match &part.body {
            PartBody::ToolResult(result) => lose_beside_parts(losses, &result.parts, here),
            PartBody::Text { citations, .. } if has_foreign(citations, here) => losses.dropped("messages.content.citations"),
            PartBody::Image(media) | PartBody::Audio(media) | PartBody::Video(media) if media.name.is_some() => {
                losses.dropped("messages.content.name");
            }
            _ => {}
        }
    }
}

/// Whether there are sources that an earlier answer named in another dialect. The responses API has words for any.
pub(crate) fn has_foreign(citations: &[Citation], here: Dialect) -> bool {
    let is_own = |citation: &Citation| citation.raw.as_ref().is_some_and(|(from, _)| *from == here);
    here != Dialect::OpenAiResponses && !citations.iter().all(is_own)
}

/// Records the marks of what to keep in a cache, wherever they stand, for an API that takes none.
pub(crate) fn lose_marks(losses: &mut Losses, request: &ChatRequest, here: Dialect) {
    fn is_marked(part: &Part, worded: bool) -> bool {
        let is_worded = openai::breakpoint(&part.extra).is_some();
        let is_usual = part.cache.is_some() && (!is_worded || openai::mark_beside(&part.extra).is_some());
        (if worded { is_worded } else { is_usual })
            || matches!(&part.body, PartBody::ToolResult(result) if result.parts.iter().any(|part| is_marked(part, worded)))
    }
    let any = |worded: bool| {
        let mut parts = request.system.iter().chain(request.messages.iter().flat_map(|message| &message.parts));
        parts.any(|part| is_marked(part, worded))
    };
    let on_tool = |tool: &Tool| matches!(tool, Tool::Function(function) if function.cache.is_some());
    let usual = any(false) || request.tools.iter().any(on_tool);
    // The responses API takes OpenAI's own.
    lose(losses, [(openai::MARK, usual), (openai::BREAKPOINT, here != Dialect::OpenAiResponses && any(true))]);
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
