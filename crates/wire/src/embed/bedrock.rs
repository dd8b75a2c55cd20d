//! Amazon's own embedding models, through Bedrock's `invoke`: Titan and Nova. Both take one input a call.
//!
//! Documented in Bedrock's user guide under "Amazon Titan Embeddings Text", "Titan Multimodal Embeddings G1" and "Nova Multimodal
//! Embeddings".

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::purpose::Vocabulary;
use super::vector::Vector;
use super::{EmbedInput, EmbedReply, Truncate, Writing, input};
use crate::chat::PartBody;
use crate::json;
use crate::problem::{Malformed, Unsupported};
use crate::reply::Usage;

/// What an input is to Amazon's models: a text, an image, or both.
struct Plain<'a> {
    text: Option<&'a str>,
    image: Option<(&'a str, Option<&'a str>)>,
}

fn plain<'a>(writing: &Writing<'_>, input: &'a EmbedInput) -> Result<Plain<'a>, Unsupported> {
    let parts = match input {
        EmbedInput::Text(text) => return Ok(Plain { text: Some(text), image: None }),
        EmbedInput::Tokens(_) => return Err(writing.refusal(input)),
        EmbedInput::Parts(parts) => parts,
    };
    let mut plain = Plain { text: None, image: None };
    for part in parts {
        match part {
            PartBody::Text { text, .. } if plain.text.is_none() => plain.text = Some(text),
            PartBody::Image(image) if plain.image.is_none() => {
                let data = input::base64(image).ok_or_else(|| writing.unsupported("this provider takes images as base64 only"))?;
                plain.image = Some((data, image.media_type.as_deref()));
            }
            _ => return Err(writing.unsupported("this provider embeds one text and one image at a time")),
        }
    }
    Ok(plain)
}

pub(super) fn write_titan(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    let model = writing.target.model;
    let multimodal = model.contains("titan-embed-image");
    let first = model.contains("titan-embed-text-v1") || model.contains("titan-embed-g1");
    writing.without(&["title", "user", "input_type", "truncate"]);
    if first {
        writing.without(&["dimensions"]);
    }
    writing.without_rest();
    let request = writing.request;
    let body = |input: &EmbedInput| {
        let plain = plain(writing, input)?;
        if plain.image.is_some() && !multimodal {
            return Err(writing.unsupported("this model embeds text only"));
        }
        Ok(json::object(|out| {
            out.option("inputText", plain.text);
            out.option("inputImage", plain.image.map(|(data, _)| data));
            match request.dimensions {
                Some(dimensions) if multimodal => {
                    out.object("embeddingConfig", |out| out.field("outputEmbeddingLength", &dimensions));
                }
                Some(dimensions) if !first => out.field("dimensions", &dimensions),
                _ => {}
            }
        }))
    };
    request.inputs.iter().map(body).collect()
}

pub(super) fn write_nova(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    writing.without(&["title", "user"]);
    writing.without_rest();
    let purpose = writing.purpose(Vocabulary::Nova).unwrap_or_else(|| "GENERIC_INDEX".to_owned());
    let request = writing.request;
    let truncation = match request.truncate {
        Some(Truncate::Never) => "NONE",
        Some(Truncate::Start) => "START",
        Some(Truncate::End) | None => "END",
    };
    let body = |input: &EmbedInput| {
        let plain = plain(writing, input)?;
        if plain.text.is_some() && plain.image.is_some() {
            return Err(writing.unsupported("this model makes a vector of a text or of an image"));
        }
        Ok(json::object(|out| {
            out.text("schemaVersion", "nova-multimodal-embed-v1");
            out.text("taskType", "SINGLE_EMBEDDING");
            out.object("singleEmbeddingParams", |out| {
                out.field("embeddingPurpose", &purpose);
                out.option("embeddingDimension", request.dimensions);
                if let Some(text) = plain.text {
                    out.object("text", |out| {
                        out.field("truncationMode", truncation);
                        out.field("value", text);
                    });
                }
                if let Some((data, kind)) = plain.image {
                    out.object("image", |out| {
                        out.field("format", kind.and_then(|kind| kind.strip_prefix("image/")).unwrap_or("png"));
                        out.object("source", |out| out.field("bytes", data));
                    });
                }
            });
        }))
    };
    request.inputs.iter().map(body).collect()
}

#[derive(Deserialize)]
struct Titan<'a> {
    #[serde(borrow)]
    embedding: Option<&'a RawValue>,
    #[serde(borrow, rename = "embeddingsByType")]
    by_type: Option<ByType<'a>>,
    #[serde(rename = "inputTextTokenCount")]
    tokens: Option<serde_json::Number>,
}

#[derive(Deserialize)]
struct ByType<'a> {
    #[serde(borrow)]
    float: Option<&'a RawValue>,
}

pub(super) fn read_titan(body: &[u8]) -> Result<EmbedReply, Malformed> {
    let reply: Titan<'_> = serde_json::from_slice(body).map_err(|error| Malformed::new(&error.to_string()))?;
    let raw = reply.embedding.or(reply.by_type.and_then(|by_type| by_type.float));
    let vector = Vector::read(raw.ok_or_else(|| Malformed::field("embedding", "is missing"))?)?;
    let usage = reply.tokens.as_ref().and_then(crate::lenient::count).map(of_input);
    Ok(EmbedReply { vectors: vec![vector], usage, ..EmbedReply::default() })
}

#[derive(Deserialize)]
struct Nova<'a> {
    #[serde(borrow)]
    embeddings: Vec<NovaVector<'a>>,
}

#[derive(Deserialize)]
struct NovaVector<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
}

pub(super) fn read_nova(body: &[u8]) -> Result<EmbedReply, Malformed> {
    let reply: Nova<'_> = serde_json::from_slice(body).map_err(|error| Malformed::new(&error.to_string()))?;
    let vectors = reply.embeddings.iter().map(|one| Vector::read(one.embedding)).collect::<Result<Vec<_>, _>>()?;
    if vectors.len() != 1 {
        return Err(Malformed::field("embeddings", "must hold one vector"));
    }
    Ok(EmbedReply { vectors, ..EmbedReply::default() })
}

/// Bedrock counts the tokens of every call in a header; models that do not count in the body are counted there.
pub(super) fn header_usage(headers: &HeaderMap) -> Option<Usage> {
    let count = headers.get("x-amzn-bedrock-input-token-count")?.to_str().ok()?;
    count.parse().ok().map(of_input)
}

fn of_input(tokens: u64) -> Usage {
    Usage { input: Some(tokens), total: Some(tokens), ..Usage::default() }
}
