//! How likely the tokens of a text were: `logprobs` of an `output_text`, told where `include` asks for them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::DIALECT;
use crate::chat::{Part, PartBody};
use crate::extra::Extra;
use crate::json::{self, Array, Object};
use crate::openai_chat::likelihood;
use crate::reply::{ChatReply, Likelihood};

/// What a request includes to be told.
pub(super) const ASKED: &str = "message.output_text.logprobs";
/// The field of a text that says it.
const FIELD: &str = "logprobs";

/// Reads those of a piece of text.
pub(super) fn read(raw: Option<&RawValue>) -> Vec<Likelihood> {
    raw.map(likelihood::read_list).unwrap_or_default()
}

/// Those of a text that was read.
pub(super) fn of(part: &Part) -> Vec<Likelihood> {
    read(own(part))
}

/// Those of a text, as they stand in it.
pub(super) fn own(part: &Part) -> Option<&RawValue> {
    part.extra.of(DIALECT).iter().find(|(key, _)| key == FIELD).map(|(_, raw)| &**raw)
}

/// What an answer says, with the likelihoods that another API tells of the answer told of its first text.
pub(super) fn told(reply: &ChatReply) -> Cow<'_, [Part]> {
    if reply.likelihoods.is_empty() || reply.parts.iter().any(|part| own(part).is_some()) {
        return Cow::Borrowed(&reply.parts);
    }
    let mut parts = reply.parts.clone();
    if let Some(first) = parts.iter_mut().find(|part| matches!(part.body, PartBody::Text { .. })) {
        tell(first, &reply.likelihoods);
    }
    Cow::Owned(parts)
}

/// Tells them of a text.
pub(super) fn tell(part: &mut Part, tokens: &[Likelihood]) {
    let Some(raw) = json::raw(&written(tokens)).filter(|_| !tokens.is_empty()) else { return };
    if part.extra.from() != Some(DIALECT) {
        part.extra = Extra::new(DIALECT);
    }
    part.extra.push(FIELD, raw);
}

/// Those tokens as this API lists them.
pub(super) fn written(tokens: &[Likelihood]) -> String {
    let mut out = Vec::new();
    json::write_array(&mut out, |list| tokens.iter().for_each(|token| write(list, token)));
    json::text(out)
}

fn write(list: &mut Array<'_>, token: &Likelihood) {
    list.object(|object| {
        write_one(object, token);
        object.array("top_logprobs", |list| token.others.iter().for_each(|other| list.object(|object| write_one(object, other))));
    });
}

fn write_one(object: &mut Object<'_>, token: &Likelihood) {
    object.text("token", &token.token);
    object.field("logprob", &token.logprob);
    // They are required here, and a token that is told as text is its bytes.
    object.field("bytes", token.bytes.as_deref().unwrap_or(token.token.as_bytes()));
}
