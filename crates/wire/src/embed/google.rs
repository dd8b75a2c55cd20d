//! Gemini's `embedContent` and `batchEmbedContents`, and Vertex's `predict`.
//!
//! Documented at <https://ai.google.dev/api/embeddings> and
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>. One `embedContent` is one content;
//! a batch is a list of them, whose models, purposes and sizes may differ on the wire but not in the meaning: a request in which
//! they do is refused rather than bent.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::purpose::{Purpose, Vocabulary};
use super::vector::Vector;
use super::{EmbedInput, EmbedReply, EmbedRequest, Shape, Truncate, Writing, input};
use crate::chat::{Media, MediaSource, PartBody};
use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::gemini::read_parts::to_standard_base64;
use crate::json::{self, Object};
use crate::problem::{Malformed, Unsupported};
use crate::reply::Usage;

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
    #[serde(rename = "inlineData", alias = "inline_data")]
    inline: Option<Inline>,
    #[serde(rename = "fileData", alias = "file_data")]
    file: Option<File>,
}

#[derive(Deserialize)]
struct Inline {
    #[serde(rename = "mimeType", alias = "mime_type")]
    kind: Option<String>,
    data: String,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "mimeType", alias = "mime_type")]
    kind: Option<String>,
    #[serde(rename = "fileUri", alias = "file_uri")]
    uri: String,
}

pub(super) fn read_request(shape: Shape, body: &[u8]) -> Result<EmbedRequest, Malformed> {
    if shape == Shape::GeminiOne {
        return one(Fields::scan(body)?);
    }
    let mut fields = Fields::scan(body)?;
    let requests: Vec<&RawValue> = fields.require("requests")?;
    let mut whole: Option<EmbedRequest> = None;
    for raw in requests {
        let next = Fields::nested(raw).and_then(one).map_err(|error| error.within("requests"))?;
        match &mut whole {
            None => whole = Some(next),
            Some(whole) if alike(whole, &next) => whole.inputs.extend(next.inputs),
            Some(_) => return Err(Malformed::field("requests", "all requests of a batch must agree in everything but their content")),
        }
    }
    let mut whole = whole.ok_or_else(|| Malformed::field("requests", "is empty"))?;
    whole.from = Shape::GeminiBatch;
    Ok(whole)
}

fn alike(one: &EmbedRequest, other: &EmbedRequest) -> bool {
    let rest = |request: &EmbedRequest| request.rest.iter().map(|(key, raw)| (key.clone(), raw.get().to_owned())).collect::<Vec<_>>();
    one.dimensions == other.dimensions && one.purpose == other.purpose && one.title == other.title && rest(one) == rest(other)
}

fn one(mut fields: Fields<'_>) -> Result<EmbedRequest, Malformed> {
    let content: Content = fields.require("content")?;
    let parts = content.parts.into_iter().filter_map(part).collect::<Vec<_>>();
    if parts.is_empty() {
        return Err(Malformed::field("content", "holds nothing to embed"));
    }
    fields.take_raw("model");
    let mut dimensions = fields.take("outputDimensionality")?;
    dimensions = dimensions.or(fields.take("output_dimensionality")?);
    let mut purpose: Option<String> = fields.take("taskType")?;
    purpose = purpose.or(fields.take("task_type")?);
    let input = match <[PartBody; 1]>::try_from(parts) {
        Ok([PartBody::Text { text, .. }]) => EmbedInput::Text(text),
        Ok([other]) => EmbedInput::Parts(vec![other]),
        Err(parts) => EmbedInput::Parts(parts),
    };
    Ok(EmbedRequest {
        from: Shape::GeminiOne,
        inputs: vec![input],
        dimensions,
        encoding: None,
        purpose: purpose.filter(|word| word != "TASK_TYPE_UNSPECIFIED").as_deref().map(Purpose::parse),
        title: fields.take("title")?,
        truncate: None,
        user: None,
        rest: fields.rest(Dialect::Gemini).fields().to_vec(),
    })
}

fn part(part: Part) -> Option<PartBody> {
    if let Some(text) = part.text {
        return Some(PartBody::Text { text, citations: Vec::new() });
    }
    let media = match (part.inline, part.file) {
        (Some(inline), _) => Media::new(MediaSource::Base64(to_standard_base64(inline.data)), inline.kind),
        (None, Some(file)) => Media::new(MediaSource::Url(file.uri), file.kind),
        (None, None) => return None,
    };
    Some(input::part_of(media))
}

/// Writes `batchEmbedContents`, or one `embedContent` for each input.
pub(super) fn write_request(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    let family = matches!(writing.request.from, Shape::GeminiOne | Shape::GeminiBatch);
    writing.without(&["user", "truncate"]);
    if !family {
        writing.without_rest();
    }
    let purpose = writing.purpose(Vocabulary::Gemini);
    let contents = writing.request.inputs.iter().map(|input| content(writing, input)).collect::<Result<Vec<_>, _>>()?;
    let model = format!("models/{}", writing.target.model.trim_start_matches("models/"));
    let request = writing.request;
    let write = |out: &mut Object<'_>, content: &str| {
        if writing.shape == Shape::GeminiBatch {
            out.field("model", &model);
        }
        out.raw("content", content);
        out.option("taskType", purpose.as_deref());
        out.option("title", request.title.as_deref());
        out.option("outputDimensionality", request.dimensions);
        for (key, value) in request.rest.iter().filter(|_| family) {
            out.raw(key, value.get());
        }
    };
    if writing.shape == Shape::GeminiOne {
        return Ok(contents.iter().map(|content| json::object(|out| write(out, content))).collect());
    }
    let body = json::object(|out| {
        out.array("requests", |requests| contents.iter().for_each(|content| requests.object(|out| write(out, content))));
    });
    Ok(vec![body])
}

fn content(writing: &Writing<'_>, input: &EmbedInput) -> Result<String, Unsupported> {
    let parts = match input {
        EmbedInput::Text(text) => match input::stored(text) {
            Some(stored) => vec![part_json(writing, &stored)?],
            None => vec![serde_json::json!({ "text": text })],
        },
        EmbedInput::Tokens(_) => return Err(writing.refusal(input)),
        EmbedInput::Parts(parts) => parts.iter().map(|part| part_json(writing, part)).collect::<Result<_, _>>()?,
    };
    Ok(serde_json::json!({ "parts": parts }).to_string())
}

fn part_json(writing: &Writing<'_>, part: &PartBody) -> Result<serde_json::Value, Unsupported> {
    let media = match part {
        PartBody::Text { text, .. } => return Ok(serde_json::json!({ "text": text })),
        PartBody::Image(media) | PartBody::Audio(media) | PartBody::Video(media) | PartBody::File(media) => media,
        _ => return Err(writing.unsupported("this is nothing to embed")),
    };
    let kind = media.media_type.as_deref();
    match &media.source {
        MediaSource::Base64(data) => Ok(serde_json::json!({ "inlineData": { "mimeType": kind.unwrap_or("image/png"), "data": data } })),
        MediaSource::Url(uri) => {
            let mut file = serde_json::json!({ "fileUri": uri });
            if let (Some(kind), Some(file)) = (kind, file.as_object_mut()) {
                file.insert("mimeType".to_owned(), kind.into());
            }
            Ok(serde_json::json!({ "fileData": file }))
        }
        MediaSource::FileId(_) | MediaSource::Text(_) => Err(writing.unsupported("the medium is in another provider's store")),
    }
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    embedding: Option<Values<'a>>,
    embeddings: Option<Vec<Values<'a>>>,
    #[serde(rename = "usageMetadata")]
    usage: Option<UsageMetadata>,
}

#[derive(Deserialize)]
struct Values<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsageMetadata {
    prompt_token_count: Option<u64>,
    total_token_count: Option<u64>,
    #[serde(default)]
    prompt_tokens_details: Vec<Modality>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Modality {
    modality: String,
    token_count: Option<u64>,
}

pub(super) fn read_reply(body: &[u8]) -> Result<EmbedReply, Malformed> {
    let reply: Reply<'_> = serde_json::from_slice(body).map_err(|error| Malformed::new(&error.to_string()))?;
    let all = match (reply.embeddings, reply.embedding) {
        (Some(all), _) => all,
        (None, Some(one)) => vec![one],
        (None, None) => return Err(Malformed::field("embeddings", "is missing")),
    };
    let vectors = all.iter().map(|one| Vector::read(one.values)).collect::<Result<_, _>>()?;
    let usage = reply.usage.map(|usage| {
        let of = |name: &str| usage.prompt_tokens_details.iter().find(|one| one.modality == name).and_then(|one| one.token_count);
        Usage {
            input: usage.prompt_token_count,
            total: usage.total_token_count,
            input_text: of("TEXT"),
            input_image: of("IMAGE"),
            input_audio: of("AUDIO"),
            input_video: of("VIDEO"),
            ..Usage::default()
        }
    });
    Ok(EmbedReply { vectors, usage, ..EmbedReply::default() })
}

pub(super) fn write_reply(shape: Shape, reply: &EmbedReply) -> Vec<u8> {
    json::object(|out| {
        if shape == Shape::GeminiOne {
            if let Some(vector) = reply.vectors.first() {
                out.object("embedding", |out| out.raw("values", &vector.json(false)));
            }
        } else {
            out.array("embeddings", |all| {
                reply.vectors.iter().for_each(|vector| all.object(|out| out.raw("values", &vector.json(false))));
            });
        }
        if let Some(usage) = &reply.usage {
            out.object("usageMetadata", |out| {
                out.option("promptTokenCount", usage.input);
                out.option("totalTokenCount", usage.total.or(usage.input));
            });
        }
    })
}

/// Writes `predict`. Gemini's own embedding model takes one instance a call there; the multimodal one has fields of its own.
pub(super) fn write_predict(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    let request = writing.request;
    writing.without(&["user"]);
    writing.without_rest();
    if writing.target.model.starts_with("multimodalembedding") {
        return write_multimodal(writing);
    }
    let purpose = writing.purpose(Vocabulary::Gemini);
    let truncate = request.truncate.map(|truncate| truncate != Truncate::Never);
    if request.truncate == Some(Truncate::Start) {
        writing.losses.add("truncate", crate::loss::Why::Approximated);
    }
    let texts = writing.texts()?;
    let write = |texts: &[&str]| {
        json::object(|out| {
            out.array("instances", |instances| {
                for text in texts {
                    instances.object(|out| {
                        out.field("content", text);
                        out.option("task_type", purpose.as_deref());
                        out.option("title", request.title.as_deref());
                    });
                }
            });
            if request.dimensions.is_some() || truncate.is_some() {
                out.object("parameters", |out| {
                    out.option("outputDimensionality", request.dimensions);
                    out.option("autoTruncate", truncate);
                });
            }
        })
    };
    let at_once = if writing.target.model.starts_with("gemini-") { 1 } else { texts.len().max(1) };
    Ok(texts.chunks(at_once).map(write).collect())
}

fn write_multimodal(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    let request = writing.request;
    writing.without(&["title", "truncate", "input_type"]);
    let mut bodies = Vec::with_capacity(request.inputs.len());
    for input in &request.inputs {
        let stored = input::plain_text(input).and_then(input::stored);
        let instance = match (input::plain_text(input), input) {
            (Some(_), _) if stored.is_some() => image(writing, stored.as_slice())?,
            (Some(text), _) => serde_json::json!({ "text": text }),
            (None, EmbedInput::Parts(parts)) => image(writing, parts)?,
            (None, _) => return Err(writing.refusal(input)),
        };
        bodies.push(json::object(|out| {
            out.raw("instances", &format!("[{instance}]"));
            if let Some(dimensions) = request.dimensions {
                out.object("parameters", |out| out.field("dimension", &dimensions));
            }
        }));
    }
    Ok(bodies)
}

/// An instance that is one image.
fn image(writing: &Writing<'_>, parts: &[PartBody]) -> Result<serde_json::Value, Unsupported> {
    let [PartBody::Image(image)] = parts else {
        return Err(writing.unsupported("this model makes one vector of one text or one image"));
    };
    match (&image.source, input::base64(image)) {
        (_, Some(data)) => Ok(serde_json::json!({ "image": { "bytesBase64Encoded": data } })),
        (MediaSource::Url(uri), None) if uri.starts_with("gs://") => Ok(serde_json::json!({ "image": { "gcsUri": uri } })),
        _ => Err(writing.unsupported("this provider takes images as base64 or from its own storage")),
    }
}

#[derive(Deserialize)]
struct Predicted<'a> {
    #[serde(borrow)]
    predictions: Vec<Prediction<'a>>,
}

#[derive(Deserialize)]
struct Prediction<'a> {
    #[serde(borrow)]
    embeddings: Option<Embedded<'a>>,
    #[serde(borrow, rename = "textEmbedding")]
    text: Option<&'a RawValue>,
    #[serde(borrow, rename = "imageEmbedding")]
    image: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Embedded<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
    statistics: Option<Statistics>,
}

#[derive(Deserialize)]
struct Statistics {
    token_count: Option<serde_json::Number>,
}

pub(super) fn read_predict(body: &[u8]) -> Result<EmbedReply, Malformed> {
    let reply: Predicted<'_> = serde_json::from_slice(body).map_err(|error| Malformed::new(&error.to_string()))?;
    let mut vectors = Vec::with_capacity(reply.predictions.len());
    let mut tokens = (!reply.predictions.is_empty()).then_some(0_u64);
    for prediction in &reply.predictions {
        let raw = prediction.embeddings.as_ref().map(|one| one.values).or(prediction.text).or(prediction.image);
        vectors.push(Vector::read(raw.ok_or_else(|| Malformed::field("predictions", "one holds no vector"))?)?);
        let count = prediction.embeddings.as_ref().and_then(|one| one.statistics.as_ref()?.token_count.as_ref());
        tokens = tokens.zip(count.and_then(crate::lenient::count)).map(|(sum, count)| sum.saturating_add(count));
    }
    let usage = tokens.map(|tokens| Usage { input: Some(tokens), total: Some(tokens), ..Usage::default() });
    Ok(EmbedReply { vectors, usage, ..EmbedReply::default() })
}
