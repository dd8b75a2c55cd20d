//! OpenAI's form, and Voyage's and Jina's, which grew from it.
//!
//! Documented at <https://platform.openai.com/docs/api-reference/embeddings>, <https://docs.voyageai.com/reference/embeddings-api>
//! and <https://jina.ai/embeddings/>.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::purpose::{Purpose, Vocabulary};
use super::vector::Vector;
use super::{EmbedInput, EmbedReply, EmbedRequest, Encoding, Shape, Truncate, Writing, input};
use crate::chat::{Media, PartBody};
use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::json::{self, Object};
use crate::loss::Why;
use crate::problem::{Malformed, Unsupported};
use crate::usage;

pub(super) fn read_request(body: &[u8]) -> Result<EmbedRequest, Malformed> {
    let mut fields = Fields::scan(body)?;
    let inputs = fields.take_raw("input").ok_or_else(|| Malformed::field("input", "is missing"))?;
    let inputs = input::read(inputs)?;
    fields.take_raw("model");
    let encoding: Option<String> = fields.take("encoding_format")?;
    let encoding = match encoding.as_deref() {
        None => None,
        Some("float") => Some(Encoding::Float),
        Some("base64") => Some(Encoding::Base64),
        Some(other) => return Err(Malformed::field("encoding_format", &format!("`{other}` is neither `float` nor `base64`"))),
    };
    let mut dimensions = fields.take("dimensions")?;
    for other in ["output_dimension", "output_dimensionality", "outputDimensionality"] {
        dimensions = dimensions.or(fields.take(other)?);
    }
    let mut purpose: Option<String> = None;
    for name in ["input_type", "task_type", "taskType", "task"] {
        purpose = purpose.or(fields.take(name)?);
    }
    Ok(EmbedRequest {
        from: Shape::OpenAi,
        inputs,
        dimensions,
        encoding,
        purpose: purpose.as_deref().map(Purpose::parse),
        title: fields.take("title")?,
        truncate: truncate(&mut fields)?,
        user: fields.take("user")?,
        rest: fields.rest(Dialect::OpenAiChat).fields().to_vec(),
    })
}

fn truncate(fields: &mut Fields<'_>) -> Result<Option<Truncate>, Malformed> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Flag(bool),
        Word(String),
    }
    for name in ["truncate", "truncation"] {
        let said = match fields.take::<Said>(name)? {
            None => continue,
            Some(Said::Flag(flag)) => {
                if flag {
                    Truncate::End
                } else {
                    Truncate::Never
                }
            }
            Some(Said::Word(word)) => match word.to_ascii_uppercase().as_str() {
                "NONE" => Truncate::Never,
                "START" => Truncate::Start,
                "END" => Truncate::End,
                _ => return Err(Malformed::field(name, "is none of `NONE`, `START`, `END`")),
            },
        };
        return Ok(Some(said));
    }
    Ok(None)
}

/// For a client of Gemini's, say: OpenAI's own form.
pub(super) fn write_request(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    let request = writing.request;
    writing.without(&["title"]);
    if request.from == Shape::OpenAi {
        writing.without(&["truncate"]);
    } else {
        writing.without(&["truncate", "input_type"]);
        writing.without_rest();
    }
    let purpose = if request.from == Shape::OpenAi { writing.purpose(Vocabulary::OpenAi) } else { None };
    let inputs = inputs(writing)?;
    let body = json::object(|out| {
        out.field("model", writing.target.model);
        out.raw("input", &inputs);
        out.option("dimensions", request.dimensions);
        out.option("input_type", purpose);
        out.option("user", request.user.as_deref());
        // Numbers are read exactly; packing is done for the client afterwards.
        out.text("encoding_format", "float");
        same_family(out, request);
    });
    Ok(vec![body])
}

pub(super) fn write_voyage(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    let texts = writing.texts()?;
    // `float` is not a word Voyage knows: numbers are what it sends when nothing is asked for.
    write_either_voyage(writing, ("input", &texts), "encoding_format")
}

/// Voyage's form for texts and images that make one vector together; documented at
/// <https://docs.voyageai.com/reference/multimodal-embeddings-api>.
pub(super) fn write_voyage_parts(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    let inputs: Vec<Value> = writing.request.inputs.iter().map(|input| voyage_input(writing, input)).collect::<Result<_, _>>()?;
    write_either_voyage(writing, ("inputs", &inputs), "output_encoding")
}

fn write_either_voyage(
    writing: &mut Writing<'_>,
    (key, inputs): (&str, &impl Serialize),
    encoding: &str,
) -> Result<Vec<Vec<u8>>, Unsupported> {
    let request = writing.request;
    writing.without(&["title", "user"]);
    let purpose = writing.purpose(Vocabulary::Voyage);
    let truncation = truncation(writing);
    let body = json::object(|out| {
        out.field("model", writing.target.model);
        out.field(key, inputs);
        out.option("input_type", purpose);
        out.option("output_dimension", request.dimensions);
        out.option("truncation", truncation);
        if request.encoding == Some(Encoding::Base64) {
            out.field(encoding, "base64");
        }
        same_family(out, request);
    });
    Ok(vec![body])
}

fn voyage_input(writing: &Writing<'_>, input: &EmbedInput) -> Result<Value, Unsupported> {
    let text = |text: &str| json!({ "type": "text", "text": text });
    // Bytes are data URLs too, under another name.
    let medium = |kind: &str, media: &Media| {
        let place = input::url(media).ok_or_else(|| writing.unsupported("the medium is in another provider's store"))?;
        let key = format!("{kind}_{}", if input::base64(media).is_some() { "base64" } else { "url" });
        Ok(json!({ "type": key, key.clone(): place }))
    };
    let parts = match input {
        EmbedInput::Text(said) => vec![text(said)],
        EmbedInput::Tokens(_) => return Err(writing.refusal(input)),
        EmbedInput::Parts(parts) => {
            let written = parts.iter().map(|part| match part {
                PartBody::Text { text: said, .. } => Ok(text(said)),
                PartBody::Image(image) => medium("image", image),
                PartBody::Video(video) => medium("video", video),
                _ => Err(writing.unsupported("this provider embeds texts, images and videos")),
            });
            written.collect::<Result<_, _>>()?
        }
    };
    Ok(json!({ "content": parts }))
}

pub(super) fn write_jina(writing: &mut Writing<'_>) -> Result<Vec<Vec<u8>>, Unsupported> {
    let request = writing.request;
    writing.without(&["title", "user"]);
    let purpose = writing.purpose(Vocabulary::Jina);
    let truncation = truncation(writing);
    let inputs = inputs(writing)?;
    let body = json::object(|out| {
        out.field("model", writing.target.model);
        out.raw("input", &inputs);
        out.option("task", purpose);
        out.option("dimensions", request.dimensions);
        out.option("truncate", truncation);
        out.field("embedding_type", if request.encoding == Some(Encoding::Base64) { "base64" } else { "float" });
        same_family(out, request);
    });
    Ok(vec![body])
}

/// Unknown fields of an OpenAI client may be this provider's own.
fn same_family(out: &mut Object<'_>, request: &EmbedRequest) {
    if request.from == Shape::OpenAi {
        for (key, value) in &request.rest {
            out.raw(key, value.get());
        }
    }
}

fn truncation(writing: &mut Writing<'_>) -> Option<bool> {
    let truncate = writing.request.truncate?;
    if truncate == Truncate::Start {
        writing.losses.add("truncate", Why::Approximated);
    }
    Some(truncate != Truncate::Never)
}

fn inputs(writing: &Writing<'_>) -> Result<String, Unsupported> {
    let mut out = Vec::new();
    let mut failure = None;
    json::write_array(&mut out, |array| {
        for input in &writing.request.inputs {
            match input {
                EmbedInput::Text(text) => array.item(text),
                EmbedInput::Tokens(tokens) if writing.shape == Shape::OpenAi => array.item(tokens),
                EmbedInput::Parts(parts) => match object_input(writing, parts) {
                    Ok(json) => array.raw(&json),
                    Err(error) => failure = Some(error),
                },
                EmbedInput::Tokens(_) => failure = Some(writing.refusal(input)),
            }
        }
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(json::text(out)),
    }
}

/// An input that is more than a text: Jina takes one thing at a time, OpenRouter content parts.
fn object_input(writing: &Writing<'_>, parts: &[PartBody]) -> Result<String, Unsupported> {
    let jina = writing.shape == Shape::Jina;
    // Several texts are one where they are to have one vector; only OpenRouter knows parts.
    let texts = parts.iter().map(|part| if let PartBody::Text { text, .. } = part { Some(text.as_str()) } else { None });
    if let Some(texts) = texts.collect::<Option<Vec<&str>>>().filter(|texts| !texts.is_empty()) {
        return Ok(Value::from(texts.join("\n")).to_string());
    }
    let place = |media| input::url(media).ok_or_else(|| writing.unsupported("the medium is in another provider's store"));
    if jina {
        let [PartBody::Image(image)] = parts else {
            return Err(writing.unsupported("this provider embeds one text or one image at a time"));
        };
        // Bare base64 or a URL.
        let image = input::base64(image).map_or_else(|| place(image), |data| Ok(data.to_owned()))?;
        return Ok(json!({ "image": image }).to_string());
    }
    let mut content = Vec::with_capacity(parts.len());
    for part in parts {
        content.push(match part {
            PartBody::Text { text, .. } => json!({ "type": "text", "text": text }),
            PartBody::Image(image) => json!({ "type": "image_url", "image_url": { "url": place(image)? } }),
            PartBody::Video(video) => json!({ "type": "video_url", "video_url": { "url": place(video)? } }),
            _ => return Err(writing.unsupported("this provider embeds texts, images and videos")),
        });
    }
    Ok(json!({ "content": content }).to_string())
}

#[derive(Deserialize)]
struct Reply<'a> {
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    data: Vec<Item<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    index: Option<usize>,
    #[serde(borrow)]
    embedding: &'a RawValue,
}

pub(super) fn read_reply(body: &[u8]) -> Result<EmbedReply, Malformed> {
    let mut reply: Reply<'_> = serde_json::from_slice(body).map_err(|error| Malformed::new(&error.to_string()))?;
    // Order is promised by `index`, not by position.
    reply.data.sort_by_key(|item| item.index.unwrap_or(usize::MAX));
    let vectors = reply.data.iter().map(|item| Vector::read(item.embedding)).collect::<Result<_, _>>()?;
    Ok(EmbedReply { id: reply.id, model: reply.model, vectors, usage: reply.usage.and_then(usage::read) })
}

pub(super) fn write_reply(reply: &EmbedReply, encoding: Option<Encoding>, model: &str) -> Vec<u8> {
    json::object(|out| {
        out.option("id", reply.id.as_deref());
        out.text("object", "list");
        out.array("data", |data| {
            for (index, vector) in reply.vectors.iter().enumerate() {
                data.object(|item| {
                    item.text("object", "embedding");
                    item.field("index", &index);
                    item.raw("embedding", &vector.json(encoding == Some(Encoding::Base64)));
                });
            }
        });
        out.field("model", reply.model.as_deref().unwrap_or(model));
        if let Some(usage) = &reply.usage {
            out.object("usage", |out| {
                out.option("prompt_tokens", usage.input);
                out.option("total_tokens", usage.total.or(usage.input));
            });
        }
    })
}

pub(super) fn reencode(body: &[u8], encoding: Encoding) -> Option<Vec<u8>> {
    let wanted = if encoding == Encoding::Base64 { b'"' } else { b'[' };
    let reply: Reply<'_> = serde_json::from_slice(body).ok()?;
    if reply.data.iter().all(|item| item.embedding.get().as_bytes().first() == Some(&wanted)) {
        return None;
    }
    // The spans of the vectors stand in the body; everything between them stays as sent.
    let mut out = Vec::with_capacity(body.len());
    let mut copied = 0;
    for item in &reply.data {
        let text = item.embedding.get();
        let start = (text.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
        let vector = Vector::read(item.embedding).ok()?;
        out.extend_from_slice(body.get(copied..start)?);
        out.extend_from_slice(vector.json(encoding == Encoding::Base64).as_bytes());
        copied = start + text.len();
    }
    out.extend_from_slice(body.get(copied..)?);
    Some(out)
}
