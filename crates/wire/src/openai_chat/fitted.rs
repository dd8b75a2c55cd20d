//! Requests made for OpenRouter, for providers of the same format that know no more than OpenAI's own.
//!
//! OpenRouter has one way of asking for thoughts, whatever the model, and leaves out what a model does not take. So do we: thoughts are
//! asked for, and sent back, as the provider has them, and what it has nothing for is left out and told.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::reasoning::DETAILS;
use crate::chat::{ChatRequest, Part, PartBody};
use crate::frames::Frames;
use crate::half::Profile;
use crate::loss::Losses;
use crate::outline::Outline;
use crate::pen::knob;

/// Fields that OpenRouter has, and for which there are words elsewhere.
const WORDS: [&str; 6] = ["include_reasoning", "min_p", "reasoning", "repetition_penalty", "top_a", "top_k"];
/// Fields that OpenRouter alone has.
const OWN: [&str; 2] = ["cache_control", "image_config"];

/// Thoughts that are sent back, addresses of images in a shorter form, and documents where images belong.
static WITHIN: LazyLock<[Finder<'static>; 6]> = LazyLock::new(|| WORDS_WITHIN.map(|word| Finder::new(word).into_owned()));
const WORDS_WITHIN: [&str; 6] = [
    "\"reasoning\"",
    "\"reasoning_details\"",
    "\"image_url\":\"",
    "\"image_url\": \"",
    "\"url\":\"data:application/",
    "\"url\": \"data:application/",
];

/// Whether the request may say what OpenRouter alone understands.
pub(super) fn is_worded(outline: &Outline, body: &Frames) -> bool {
    outline.entries().iter().any(|entry| WORDS.contains(&&*entry.key) || OWN.contains(&&*entry.key))
        || WITHIN.iter().any(|word| body.has(word))
}

/// The request in the provider's words.
pub(super) fn fit(request: &mut ChatRequest, profile: &Profile, losses: &mut Losses) {
    for key in OWN {
        if request.extra.remove(key) {
            losses.dropped(key);
        }
    }
    // Without a note of its words, the wish is written as that of a client of another dialect.
    if request.extra.noted(super::HERE, "reasoning") != Some("reasoning_effort") {
        ["reasoning", "reasoning_rest", "thinking_rest"].into_iter().for_each(|note| request.extra.forget(note));
    }
    fit_knobs(request, profile, losses);
    for message in &mut request.messages {
        message.extra.forget(DETAILS);
        message.parts.iter_mut().for_each(fit_thought);
    }
}

/// Leaves out what the provider does not take, and what says nothing: some clients send every knob always.
fn fit_knobs(request: &mut ChatRequest, profile: &Profile, losses: &mut Losses) {
    let sampling = &mut request.sampling;
    let knobs = [
        ("top_k", &mut sampling.top_k),
        ("min_p", &mut sampling.min_p),
        ("top_a", &mut sampling.top_a),
        ("repetition_penalty", &mut sampling.repetition_penalty),
    ];
    for (name, value) in knobs {
        let is_known = profile.knobs.as_ref().is_none_or(|known| known.iter().any(|known| known == name));
        let lost = value.take_if(|value| !is_known || value.as_f64() == Some(knob::neutral(name)));
        knob::lose_numbers(losses, [(name, &lost, knob::neutral(name))]);
    }
}

/// A thought goes back in the field that the provider takes, not in the client's.
fn fit_thought(part: &mut Part) {
    if matches!(part.body, PartBody::Reasoning(_)) {
        part.extra.forget("fields");
    }
}
