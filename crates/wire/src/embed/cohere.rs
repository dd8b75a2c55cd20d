//! Cohere's `/v2/embed`, and Cohere's models on Bedrock.
//!
//! Documented at <https://docs.cohere.com/reference/embed> and in Bedrock's model parameters for Cohere Embed. `input_type` is
//! required for all but the oldest models; a client that names no purpose gets documents, and is told.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::purpose::{Purpose, Vocabulary};
use super::vector::Vector;
use super::{EmbedInput, EmbedReply, Shape, Truncate, Writing, input};
use crate::chat::PartBody;
use crate::json;
use crate::loss::Why;
use crate::problem::{Malformed, Unsupported};
use crate::reply::Usage;

pub(super) fn write_request(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    let request = writing.request;
    writing.without(&["title", "user"]);
    writing.without_rest();
    let texts: Option<Vec<&str>> = request.inputs.iter().map(input::plain_text).collect();
    if texts.is_none() && writing.target.model.contains("-v3") {
        return write_images(writing);
    }
    let purpose = match writing.purpose(Vocabulary::Cohere) {
        Some(word) => word,
        None => {
            let field = writing.word("input_type");
            writing.losses.add(field, Why::Approximated);
            "search_document".to_owned()
        }
    };
    let truncate = request.truncate.map(|truncate| match truncate {
        Truncate::Never => "NONE",
        Truncate::Start => "START",
        Truncate::End => "END",
    });
    let inputs = match &texts {
        Some(_) => None,
        None => Some(mixed(writing)?),
    };
    let body = json::object(|out| {
        if writing.shape == Shape::Cohere {
            out.field("model", writing.target.model);
        }
        match (&texts, &inputs) {
            (Some(texts), _) => out.field("texts", texts),
            (None, Some(inputs)) => out.field("inputs", inputs),
            (None, None) => {}
        }
        out.field("input_type", &purpose);
        out.field("embedding_types", &["float"]);
        out.option("output_dimension", request.dimensions);
        out.option("truncate", truncate);
    });
    Ok(vec![body])
}

/// The third generation has no contents of several parts: an image stands alone, one a call, and its purpose is to be one.
fn write_images(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    let request = writing.request;
    writing.without(&["dimensions", "truncate"]);
    if request.purpose.as_ref().is_some_and(|purpose| *purpose != Purpose::Image) {
        writing.dropped("input_type");
    }
    let one = |input: &EmbedInput| {
        let image = match input {
            EmbedInput::Parts(parts) => match parts.as_slice() {
                [PartBody::Image(image)] => input::base64(image).and_then(|_| input::url(image)),
                _ => None,
            },
            _ => None,
        };
        let image = image.ok_or_else(|| writing.unsupported("this model embeds texts, or images as base64, but not both at once"))?;
        Ok(json::object(|out| {
            if writing.shape == Shape::Cohere {
                out.field("model", writing.target.model);
            }
            out.field("images", &[image]);
            out.text("input_type", "image");
            out.field("embedding_types", &["float"]);
        }))
    };
    request.inputs.iter().map(one).collect()
}

fn mixed(writing: &Writing<'_>) -> Result<Vec<serde_json::Value>, Unsupported> {
    let part = |part: &PartBody| match part {
        PartBody::Text { text, .. } => Ok(serde_json::json!({ "type": "text", "text": text })),
        PartBody::Image(image) => {
            let url = input::url(image).ok_or_else(|| writing.unsupported("the image is in another provider's store"))?;
            Ok(serde_json::json!({ "type": "image_url", "image_url": { "url": url } }))
        }
        _ => Err(writing.unsupported("this provider embeds texts and images")),
    };
    let item = |input: &EmbedInput| match input {
        EmbedInput::Text(text) => Ok(serde_json::json!({ "content": [{ "type": "text", "text": text }] })),
        EmbedInput::Tokens(_) => Err(writing.refusal(input)),
        EmbedInput::Parts(parts) => {
            let content = parts.iter().map(part).collect::<Result<Vec<_>, _>>()?;
            Ok(serde_json::json!({ "content": content }))
        }
    };
    writing.request.inputs.iter().map(item).collect()
}

#[derive(Deserialize)]
struct Reply<'a> {
    id: Option<String>,
    #[serde(borrow)]
    embeddings: &'a RawValue,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    billed_units: Option<Billed>,
}

#[derive(Deserialize)]
struct Billed {
    input_tokens: Option<serde_json::Number>,
    image_tokens: Option<serde_json::Number>,
}

/// The vectors by their type.
#[derive(Deserialize)]
struct ByType<'a> {
    #[serde(borrow)]
    float: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    base64: Option<Vec<&'a RawValue>>,
}

pub(super) fn read_reply(body: &[u8]) -> Result<EmbedReply, Malformed> {
    let unreadable = |error: serde_json::Error| Malformed::new(&error.to_string());
    let reply: Reply<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    let raws = if reply.embeddings.get().starts_with('[') {
        serde_json::from_str::<Vec<&RawValue>>(reply.embeddings.get()).map_err(unreadable)?
    } else {
        let by_type: ByType<'_> = serde_json::from_str(reply.embeddings.get()).map_err(unreadable)?;
        by_type.float.or(by_type.base64).ok_or_else(|| Malformed::field("embeddings", "holds no floats"))?
    };
    let vectors = raws.into_iter().map(Vector::read).collect::<Result<_, _>>()?;
    let usage = reply.meta.and_then(|meta| meta.billed_units).map(usage);
    Ok(EmbedReply { id: reply.id, vectors, usage, ..EmbedReply::default() })
}

/// Images are billed apart from texts; the prompt is both.
fn usage(billed: Billed) -> Usage {
    let text = billed.input_tokens.as_ref().and_then(crate::lenient::count);
    let image = billed.image_tokens.as_ref().and_then(crate::lenient::count).filter(|count| *count > 0);
    let input = match (text, image) {
        (None, None) => None,
        (text, image) => Some(text.unwrap_or(0).saturating_add(image.unwrap_or(0))),
    };
    Usage { input, total: input, input_image: image, ..Usage::default() }
}
