//! How likely an answer's tokens were (`logprobs`).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::Number;
use crate::json::{Array, Object};
use crate::reply::Likelihood;

#[derive(Deserialize)]
struct Tokens {
    content: Option<Vec<Token>>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
    logprob: Number,
    bytes: Option<Vec<u8>>,
    top_logprobs: Option<Vec<Token>>,
}

/// Reads those of a choice; an older form than that of chats has none.
pub(super) fn read(raw: Option<&RawValue>) -> Vec<Likelihood> {
    let read = raw.and_then(|raw| serde_json::from_str::<Tokens>(raw.get()).ok());
    read.and_then(|tokens| tokens.content).unwrap_or_default().into_iter().map(likelihood).collect()
}

/// Reads a list of tokens.
pub(crate) fn read_list(raw: &RawValue) -> Vec<Likelihood> {
    serde_json::from_str::<Vec<Token>>(raw.get()).unwrap_or_default().into_iter().map(likelihood).collect()
}

fn likelihood(token: Token) -> Likelihood {
    let others = token.top_logprobs.unwrap_or_default().into_iter().map(likelihood).collect();
    Likelihood { token: token.token, logprob: token.logprob, bytes: token.bytes, others }
}

/// Writes those of a choice.
pub(super) fn write(choice: &mut Object<'_>, tokens: &[Likelihood]) {
    choice.object("logprobs", |object| {
        object.array("content", |list| tokens.iter().for_each(|token| write_token(list, token, true)));
        object.field("refusal", &());
    });
}

fn write_token(list: &mut Array<'_>, token: &Likelihood, is_chosen: bool) {
    list.object(|object| {
        object.text("token", &token.token);
        object.field("logprob", &token.logprob);
        object.field("bytes", &token.bytes);
        if is_chosen {
            object.array("top_logprobs", |list| token.others.iter().for_each(|other| write_token(list, other, false)));
        }
    });
}
