//! How likely an answer's tokens were (`logprobsResult`).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::Number;
use crate::json::{Array, Object};
use crate::reply::Likelihood;

/// The field of a candidate that says it.
pub(super) const RESULT: &str = "logprobsResult";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    chosen_candidates: Option<Vec<Token>>,
    top_candidates: Option<Vec<Top>>,
}

#[derive(Deserialize)]
struct Top {
    candidates: Option<Vec<Token>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    token: Option<String>,
    log_probability: Option<Number>,
}

/// Reads those of a candidate.
pub(super) fn read(raw: &RawValue) -> Vec<Likelihood> {
    let Ok(sent) = serde_json::from_str::<Tokens>(raw.get()) else { return Vec::new() };
    let read = |token: Token| Some(Likelihood { token: token.token?, logprob: token.log_probability?, bytes: None, others: Vec::new() });
    let mut tops = sent.top_candidates.unwrap_or_default().into_iter();
    let with_others = |token: Token| {
        let others = tops.next().and_then(|top| top.candidates).unwrap_or_default();
        Some(Likelihood { others: others.into_iter().filter_map(read).collect(), ..read(token)? })
    };
    sent.chosen_candidates.unwrap_or_default().into_iter().filter_map(with_others).collect()
}

/// Writes those of a candidate.
pub(super) fn write(candidate: &mut Object<'_>, tokens: &[Likelihood]) {
    if tokens.is_empty() {
        return;
    }
    let write = |list: &mut Array<'_>, token: &Likelihood| {
        list.object(|object| {
            object.text("token", &token.token);
            object.field("logProbability", &token.logprob);
        });
    };
    candidate.object(RESULT, |object| {
        if tokens.iter().any(|token| !token.others.is_empty()) {
            object.array("topCandidates", |list| {
                for token in tokens {
                    list.object(|top| top.array("candidates", |list| token.others.iter().for_each(|other| write(list, other))));
                }
            });
        }
        object.array("chosenCandidates", |list| tokens.iter().for_each(|token| write(list, token)));
    });
}
