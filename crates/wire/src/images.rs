//! Images by OpenAI's routes, from providers that make them in another form: the meaning, and the shapes it is written in.
//!
//! | meaning | openai | gemini | predict (Imagen) |
//! |---|---|---|---|
//! | the text | `prompt` | `contents[].parts[].text` | `instances[].prompt` |
//! | images to change | `image`, `image[]`, `images` | `inlineData` | — |
//! | how many | `n` | `candidateCount` | `sampleCount` |
//! | how large | `size` | `imageConfig.aspectRatio`, `.imageSize` | `aspectRatio`, `imageSize`, at Vertex `sampleImageSize` |
//! | the same in Google's words | `imageConfig` | `imageConfig` | `parameters` |
//! | a search | `web_search_options` | `tools[].googleSearch` | — |
//!
//! Google answers with the images themselves, never with addresses. Both sides' words for sizes differ: the nearest is sent.

mod google;
mod size;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::frames::Frames;
use crate::json;
use crate::loss::Losses;
use crate::multipart;
use crate::problem::{Fault, Malformed, Unsupported};
use crate::reply::Usage;

/// A way of asking for images that is not OpenAI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A chat of Gemini's that is answered with images.
    Gemini,
    /// `predict` of AI Studio's.
    GeminiPredict,
    /// `predict` of Vertex.
    VertexPredict,
}

/// One request for images.
#[derive(Clone, Debug, Default)]
pub struct ImageRequest {
    /// What is to be seen, or changed.
    pub prompt: String,
    /// The images to change.
    pub images: Vec<Picture>,
    /// How many are wanted.
    pub n: Option<u64>,
    /// How large, as OpenAI writes it.
    pub size: Option<String>,
    /// The same and more in Google's words.
    pub config: Option<Box<RawValue>>,
    /// Whether the model may search.
    pub searches: bool,
    /// Fields that mean nothing elsewhere.
    pub others: Vec<String>,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its bytes, in base64.
    pub data: String,
    /// What it is, where that is known.
    pub media_type: Option<String>,
}

/// A request in its target's form.
#[derive(Debug)]
pub struct Written {
    /// The body.
    pub body: Bytes,
    /// What could not be carried.
    pub losses: Losses,
}

/// The images that were made.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// They.
    pub images: Vec<Picture>,
    /// What the model says beside them, or why there are none.
    pub told: String,
    /// Whether a filter kept them back.
    pub filtered: bool,
    /// What it took.
    pub usage: Option<Usage>,
}

impl Shape {
    /// The shape that provider rows call so.
    pub fn of_row(name: &str) -> Option<Self> {
        match name {
            "gemini" => Some(Self::Gemini),
            "gemini-predict" => Some(Self::GeminiPredict),
            "vertex-predict" => Some(Self::VertexPredict),
            _ => None,
        }
    }

    /// Writes a request. `sized`: whether the model is told how large its images are to be, beside their form.
    pub fn write_request(self, request: &ImageRequest, sized: bool) -> Result<Written, Unsupported> {
        google::write_request(self, request, sized)
    }

    /// Reads an answer.
    pub fn read_reply(self, body: &[u8]) -> Result<Made, Fault> {
        google::read_reply(self, body)
    }
}

/// Reads a client's request in JSON.
pub fn read_request(body: &[u8]) -> Result<ImageRequest, Malformed> {
    let mut fields = Fields::scan(body)?;
    fields.take_raw("model");
    let mut request = ImageRequest {
        prompt: fields.require("prompt")?,
        n: fields.take("n")?,
        size: fields.take("size")?,
        config: fields.take_raw("imageConfig").or_else(|| fields.take_raw("image_config")).map(ToOwned::to_owned),
        searches: fields.take_raw("web_search_options").is_some_and(|options| options.get() != "null"),
        ..ImageRequest::default()
    };
    let listed = fields.take_raw("images");
    for raw in [fields.take_raw("image"), listed].into_iter().flatten() {
        pictures(raw, &mut request.images)?;
    }
    forget_bytes(fields.take::<String>("response_format")?.as_deref(), &mut request.others);
    if fields.take::<bool>("stream")? == Some(true) {
        request.others.push(STREAM.to_owned());
    }
    request.others.extend(fields.rest(Dialect::OpenAiChat).fields().iter().map(|(key, _)| key.clone()));
    Ok(request)
}

/// Reads a client's request in a form.
pub fn read_form(body: &Frames, content_type: &str) -> Result<ImageRequest, Malformed> {
    let mut request = ImageRequest::default();
    for part in multipart::each(body, content_type)? {
        let text = || std::str::from_utf8(&part.value).map(str::to_owned).map_err(|_| Malformed::field(&part.name, "is not valid UTF-8"));
        match part.name.as_str() {
            "model" => {}
            "prompt" => request.prompt = text()?,
            "n" => request.n = Some(text()?.trim().parse().map_err(|_| Malformed::field("n", "is not a number"))?),
            "size" => request.size = Some(text()?),
            "imageConfig" | "image_config" => {
                let config = RawValue::from_string(text()?).map_err(|error| Malformed::field(&part.name, &error.to_string()))?;
                request.config = Some(config);
            }
            "image" | "image[]" => request.images.push(Picture {
                data: BASE64_STANDARD.encode(&part.value),
                media_type: part.content_type.filter(|kind| kind.starts_with("image/")),
            }),
            "response_format" => forget_bytes(Some(&text()?), &mut request.others),
            STREAM if text()? == "false" => {}
            name => request.others.push(name.to_owned()),
        }
    }
    Ok(request)
}

/// The field that asks for a stream.
const STREAM: &str = "stream";

/// Bytes are what there is anyway.
fn forget_bytes(format: Option<&str>, others: &mut Vec<String>) {
    if format.is_some_and(|format| format != "b64_json") {
        others.push("response_format".to_owned());
    }
}

/// Images in JSON: data URLs, alone, in lists, or below `image_url`.
fn pictures(raw: &RawValue, out: &mut Vec<Picture>) -> Result<(), Malformed> {
    const PLACE: &str = "image";
    let unread = |_| Malformed::field(PLACE, "is not an image as a data URL");
    match raw.get().as_bytes().first() {
        Some(b'[') => {
            let list: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(unread)?;
            list.into_iter().try_for_each(|one| pictures(one, out))
        }
        Some(b'{') => {
            let mut fields = Fields::nested(raw)?;
            let url = fields.take_raw("image_url").or_else(|| fields.take_raw("url"));
            url.map_or_else(|| Err(Malformed::field(PLACE, "names no `image_url`")), |url| pictures(url, out))
        }
        _ => {
            let url: String = serde_json::from_str(raw.get()).map_err(unread)?;
            let (kind, data) = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")).unwrap_or(("", &url));
            if kind.is_empty() && url.contains(':') {
                return Err(Malformed::field(PLACE, "is an address; send the image itself"));
            }
            out.push(Picture { data: data.to_owned(), media_type: Some(kind.to_owned()).filter(|kind| !kind.is_empty()) });
            Ok(())
        }
    }
}

/// Writes an answer as OpenAI does.
pub fn write_reply(made: &Made, created: u64) -> Vec<u8> {
    json::object(|out| {
        out.number("created", created);
        out.array("data", |list| {
            for image in &made.images {
                list.object(|out| out.text("b64_json", &image.data));
            }
        });
        let Some(usage) = &made.usage else { return };
        out.object("usage", |out| {
            let (input, output) = (usage.input.unwrap_or(0), usage.output.unwrap_or(0));
            out.number("input_tokens", input);
            out.number("output_tokens", output);
            out.number("total_tokens", usage.total.unwrap_or_else(|| input.saturating_add(output)));
            let mut details = |key: &str, text: Option<u64>, image: Option<u64>, all: u64| {
                out.object(key, |out| {
                    out.number("text_tokens", text.unwrap_or_else(|| all.saturating_sub(image.unwrap_or(0))));
                    out.number("image_tokens", image.unwrap_or(0));
                });
            };
            details("input_tokens_details", usage.input_text, usage.input_image, input);
            details("output_tokens_details", None, usage.output_image, output);
        });
    })
}
