//! Answers of providers.

use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;

use super::{Ranked, RerankReply};
use crate::lenient::{self, Count};
use crate::problem::Malformed;
use crate::reply::Usage;
use crate::usage;

fn unreadable(error: serde_json::Error) -> Malformed {
    Malformed::new(&error.to_string())
}

#[derive(Deserialize)]
struct Cohere<'a> {
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow, alias = "data")]
    results: Vec<Item<'a>>,
    meta: Option<Meta>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    index: usize,
    #[serde(alias = "score")]
    relevance_score: Number,
    #[serde(borrow)]
    document: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Meta {
    billed_units: Option<Units>,
    tokens: Option<Units>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Units {
    search_units: Option<Number>,
    input_tokens: Option<Number>,
    total_tokens: Option<Number>,
}

/// Cohere's answer, and those like it: the results may be called `data`, the usage may be OpenAI's.
pub(super) fn cohere(body: &[u8]) -> Result<RerankReply, Malformed> {
    let reply: Cohere<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    let units = reply.usage.and_then(|raw| serde_json::from_str::<Units>(raw.get()).ok()).unwrap_or_default();
    let (billed, tokens) = reply.meta.map_or((None, None), |meta| (meta.billed_units, meta.tokens));
    let (billed, tokens) = (billed.unwrap_or_default(), tokens.unwrap_or_default());
    let count = |number: Option<Number>| number.as_ref().and_then(lenient::count);
    let queries = count(billed.search_units).or_else(|| count(units.search_units));
    let input = count(tokens.input_tokens).or_else(|| count(billed.input_tokens));
    let total = count(billed.total_tokens);
    let of_meta =
        (input.is_some() || total.is_some()).then(|| Usage { input: input.or(total), total: total.or(input), ..Usage::default() });
    let results = reply.results.into_iter();
    let results = results.map(|item| Ranked {
        index: item.index,
        score: item.relevance_score,
        document: item.document.filter(|raw| raw.get() != "null").map(wrapped),
    });
    let usage = reply.usage.and_then(usage::read).or(of_meta);
    Ok(RerankReply { id: reply.id, model: reply.model, results: results.collect(), usage, queries })
}

/// A document that is a bare text, as the object clients expect.
fn wrapped(raw: &RawValue) -> Box<RawValue> {
    if raw.get().starts_with('"')
        && let Some(object) = crate::json::raw(&format!("{{\"text\":{}}}", raw.get()))
    {
        return object;
    }
    raw.to_owned()
}

#[derive(Deserialize)]
struct Bedrock {
    results: Vec<BedrockItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BedrockItem {
    index: usize,
    relevance_score: Number,
}

pub(super) fn bedrock(body: &[u8]) -> Result<RerankReply, Malformed> {
    let reply: Bedrock = serde_json::from_slice(body).map_err(unreadable)?;
    let results = reply.results.into_iter().map(|item| Ranked { index: item.index, score: item.relevance_score, document: None });
    Ok(RerankReply { results: results.collect(), ..RerankReply::default() })
}

#[derive(Deserialize)]
struct Watsonx {
    model_id: Option<String>,
    results: Vec<Scored>,
    input_token_count: Count,
}

#[derive(Deserialize)]
struct Scored {
    index: usize,
    score: Number,
}

pub(super) fn watsonx(body: &[u8]) -> Result<RerankReply, Malformed> {
    let reply: Watsonx = serde_json::from_slice(body).map_err(unreadable)?;
    let usage = reply.input_token_count.map(|count| Usage { input: Some(count), total: Some(count), ..Usage::default() });
    Ok(RerankReply { model: reply.model_id, results: scored(reply.results), usage, ..RerankReply::default() })
}

pub(super) fn tei(body: &[u8]) -> Result<RerankReply, Malformed> {
    let results: Vec<Scored> = serde_json::from_slice(body).map_err(unreadable)?;
    Ok(RerankReply { results: scored(results), ..RerankReply::default() })
}

/// The most relevant first, whatever the order they came in.
fn scored(results: Vec<Scored>) -> Vec<Ranked> {
    let mut results: Vec<Ranked> =
        results.into_iter().map(|item| Ranked { index: item.index, score: item.score, document: None }).collect();
    let value = |ranked: &Ranked| ranked.score.as_f64().unwrap_or(f64::MIN);
    results.sort_by(|one, other| value(other).total_cmp(&value(one)));
    results
}
