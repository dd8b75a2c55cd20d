//! The small ones: Ollama's `/api/embed`, IBM watsonx, Hugging Face feature extraction. All take texts only.
//!
//! Documented at <https://github.com/ollama/ollama/blob/main/docs/api.md#generate-embeddings>,
//! <https://cloud.ibm.com/apidocs/watsonx-ai#text-embeddings> and
//! <https://huggingface.co/docs/inference-providers/tasks/feature-extraction>.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::vector::Vector;
use super::{EmbedReply, Truncate, Writing};
use crate::json;
use crate::problem::{Malformed, Unsupported};
use crate::reply::Usage;

/// Fields of an OpenAI client that Ollama knows itself.
const OLLAMA: [&str; 2] = ["options", "keep_alive"];
/// Fields of an OpenAI client that Hugging Face knows itself.
const HUGGING_FACE: [&str; 3] = ["normalize", "prompt_name", "truncation_direction"];

pub(super) fn write_ollama(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    writing.without(&["title", "user", "input_type"]);
    let texts = writing.texts()?;
    let truncate = whether(writing);
    let request = writing.request;
    let body = json::object(|out| {
        out.field("model", writing.target.model);
        out.field("input", &texts);
        out.option("truncate", truncate);
        out.option("dimensions", request.dimensions);
        known(&OLLAMA, writing, out);
    });
    lost(&OLLAMA, writing);
    Ok(vec![body])
}

pub(super) fn write_watsonx(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    writing.without(&["title", "user", "input_type", "truncate", "dimensions"]);
    let texts = writing.texts()?;
    let body = json::object(|out| {
        out.field("model_id", writing.target.model);
        out.option("project_id", writing.target.project);
        out.field("inputs", &texts);
        known(&["parameters"], writing, out);
    });
    lost(&["parameters"], writing);
    Ok(vec![body])
}

pub(super) fn write_huggingface(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    writing.without(&["title", "user", "input_type", "dimensions"]);
    let texts = writing.texts()?;
    let truncate = whether(writing);
    let body = json::object(|out| {
        out.field("inputs", &texts);
        out.option("truncate", truncate);
        known(&HUGGING_FACE, writing, out);
    });
    lost(&HUGGING_FACE, writing);
    Ok(vec![body])
}

fn known(names: &[&str], writing: &Writing<'_>, out: &mut json::Object<'_>) {
    for (key, value) in writing.request.rest.iter().filter(|(key, _)| names.contains(&key.as_str())) {
        out.raw(key, value.get());
    }
}

fn lost(names: &[&str], writing: &mut Writing<'_>) {
    for (key, _) in writing.request.rest.iter().filter(|(key, _)| !names.contains(&key.as_str())) {
        writing.losses.dropped(key.clone());
    }
}

fn whether(writing: &mut Writing<'_>) -> Option<bool> {
    let truncate = writing.request.truncate?;
    if truncate == Truncate::Start {
        writing.losses.add("truncate", crate::loss::Why::Approximated);
    }
    Some(truncate != Truncate::Never)
}

#[derive(Deserialize)]
struct Ollama<'a> {
    model: Option<String>,
    #[serde(borrow)]
    embeddings: Vec<&'a RawValue>,
    prompt_eval_count: Option<u64>,
}

pub(super) fn read_ollama(body: &[u8]) -> Result<EmbedReply, Malformed> {
    let reply: Ollama<'_> = serde_json::from_slice(body).map_err(|error| Malformed::new(&error.to_string()))?;
    let vectors = reply.embeddings.into_iter().map(Vector::read).collect::<Result<_, _>>()?;
    Ok(EmbedReply { model: reply.model, vectors, usage: reply.prompt_eval_count.map(of_input), ..EmbedReply::default() })
}

#[derive(Deserialize)]
struct Watsonx<'a> {
    model_id: Option<String>,
    #[serde(borrow)]
    results: Vec<Item<'a>>,
    input_token_count: Option<u64>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
}

pub(super) fn read_watsonx(body: &[u8]) -> Result<EmbedReply, Malformed> {
    let reply: Watsonx<'_> = serde_json::from_slice(body).map_err(|error| Malformed::new(&error.to_string()))?;
    let vectors = reply.results.iter().map(|item| Vector::read(item.embedding)).collect::<Result<_, _>>()?;
    Ok(EmbedReply { model: reply.model_id, vectors, usage: reply.input_token_count.map(of_input), ..EmbedReply::default() })
}

/// A list of vectors. Models without pooling answer with a matrix for each text, which is no embedding of it.
pub(super) fn read_huggingface(body: &[u8]) -> Result<EmbedReply, Malformed> {
    let raws: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| Malformed::new(&error.to_string()))?;
    let nested = |raw: &&RawValue| raw.get().get(1..).is_some_and(|rest| rest.trim_start().starts_with('['));
    if raws.iter().any(nested) {
        return Err(Malformed::new("the model answers with a vector for each token; it has no pooling"));
    }
    let vectors = raws.into_iter().map(Vector::read).collect::<Result<_, _>>()?;
    Ok(EmbedReply { vectors, ..EmbedReply::default() })
}

fn of_input(tokens: u64) -> Usage {
    Usage { input: Some(tokens), total: Some(tokens), ..Usage::default() }
}
