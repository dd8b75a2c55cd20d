//! Images in Google's two forms: as a chat that is answered with them, and as a prediction.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{ImageRequest, Made, Picture, STREAM, Shape, Written, size};
use crate::chat::{Media, MediaSource, PartBody};
use crate::dialect::Dialect;
use crate::fields::Fields;
use crate::gemini;
use crate::half::Memo;
use crate::json::{self, Object};
use crate::loss::{Losses, Why};
use crate::problem::{Fault, Unsupported};
use crate::reply::{Reason, Usage};

/// What an image is taken for of which nothing is said.
const PNG: &str = "image/png";
/// An edge that only the mask tells.
const MASK: &str = "mask";

pub(super) fn write_request(shape: Shape, request: &ImageRequest, sized: bool) -> Result<Written, Unsupported> {
    let refuse = |field: &str, why: &str| Err(Unsupported::new(field, Dialect::Gemini, why));
    if request.others.iter().any(|field| field == STREAM) {
        return refuse(STREAM, "images come whole");
    }
    if request.others.iter().any(|field| field == MASK) {
        return refuse(MASK, "what is to change is said in the prompt");
    }
    let mut losses = Losses::new();
    request.others.iter().for_each(|field| losses.dropped(field.clone()));
    let body = match shape {
        Shape::Gemini => write_chat(request, sized, &mut losses),
        Shape::GeminiPredict | Shape::VertexPredict if !request.images.is_empty() => {
            return refuse("image", "this model makes images and changes none");
        }
        Shape::GeminiPredict => write_prediction(request, "imageSize", &mut losses),
        Shape::VertexPredict => write_prediction(request, "sampleImageSize", &mut losses),
    };
    Ok(Written { body: Bytes::from(body), losses })
}

fn write_chat(request: &ImageRequest, sized: bool, losses: &mut Losses) -> Vec<u8> {
    json::object(|out| {
        out.array("contents", |turns| {
            turns.object(|turn| {
                turn.text("role", "user");
                turn.array("parts", |parts| {
                    for image in &request.images {
                        parts.object(|part| {
                            part.object("inlineData", |out| {
                                out.text("mimeType", image.media_type.as_deref().unwrap_or(PNG));
                                out.text("data", &image.data);
                            });
                        });
                    }
                    if !request.prompt.is_empty() {
                        parts.object(|part| part.text("text", &request.prompt));
                    }
                });
            });
        });
        if request.searches {
            out.raw("tools", r#"[{"googleSearch":{}}]"#);
        }
        out.object("generationConfig", |out| {
            out.field("responseModalities", &["TEXT", "IMAGE"]);
            match &request.config {
                Some(config) => out.raw("imageConfig", config.get()),
                None => write_size(request, losses, |sides, _| {
                    out.object("imageConfig", |out| {
                        out.text("aspectRatio", &size::form(sides, &size::GEMINI));
                        if sized {
                            out.text("imageSize", size::name(sides));
                        }
                    });
                }),
            }
            out.option("candidateCount", request.n.filter(|n| *n != 1));
        });
    })
}

fn write_prediction(request: &ImageRequest, size_key: &str, losses: &mut Losses) -> Vec<u8> {
    if request.searches {
        losses.dropped("web_search_options");
    }
    json::object(|out| {
        out.array("instances", |list| list.object(|out| out.text("prompt", &request.prompt)));
        out.object("parameters", |out| {
            // Imagen makes four where nobody says how many; OpenAI's clients mean one.
            out.number("sampleCount", request.n.unwrap_or(1));
            match &request.config {
                Some(config) => write_fields(config, size_key, out),
                None => write_size(request, losses, |sides, losses| {
                    out.text("aspectRatio", &size::form(sides, &size::IMAGEN));
                    match size::name(sides) {
                        "1K" => {}
                        "2K" => out.text(size_key, "2K"),
                        "4K" => {
                            losses.add("size", Why::Clamped);
                            out.text(size_key, "2K");
                        }
                        _ => losses.add("size", Why::Clamped),
                    }
                }),
            }
        });
    })
}

/// What a client says in Google's words, where predictions have it.
fn write_fields(config: &RawValue, size_key: &str, out: &mut Object<'_>) {
    let Ok(fields) = Fields::nested(config) else { return };
    for (key, value) in fields.rest(Dialect::Gemini).fields() {
        let key = if key == "imageSize" { size_key } else { key };
        if key != "sampleCount" {
            out.raw(key, value.get());
        }
    }
}

/// Writes the size that was asked for; what is none is lost.
fn write_size(request: &ImageRequest, losses: &mut Losses, write: impl FnOnce((u32, u32), &mut Losses)) {
    match request.size.as_deref().filter(|size| *size != "auto").map(size::read) {
        None => {}
        Some(Some(sides)) => write(sides, losses),
        Some(None) => losses.dropped("size"),
    }
}

pub(super) fn read_reply(shape: Shape, body: &[u8]) -> Result<Made, Fault> {
    match shape {
        Shape::Gemini => read_chat(body),
        Shape::GeminiPredict | Shape::VertexPredict => read_prediction(body),
    }
}

fn read_chat(body: &[u8]) -> Result<Made, Fault> {
    let reply = gemini::read_whole(&Memo::default(), body)?;
    let mut made = Made { filtered: reply.finish.reason == Reason::ContentFilter, ..Made::default() };
    for part in reply.parts.into_iter().chain(reply.further.into_iter().flat_map(|other| other.parts)) {
        match part.body {
            PartBody::Image(Media { source: MediaSource::Base64(data), media_type, .. }) => made.images.push(Picture { data, media_type }),
            PartBody::Text { text, .. } => made.told.push_str(&text),
            _ => {}
        }
    }
    if made.images.is_empty() && made.told.is_empty() {
        made.told = reply.finish.raw.unwrap_or_default();
    }
    made.usage = reply.usage.map(drawn);
    Ok(made)
}

/// What a model puts out that was asked for images is images, unless it says what else.
fn drawn(usage: Usage) -> Usage {
    let is_told = usage.output_image.is_some() || usage.output_text.is_some();
    let image = usage.output.map(|output| output.saturating_sub(usage.reasoning.unwrap_or(0)));
    if is_told { usage } else { Usage { output_image: image, ..usage } }
}

fn read_prediction(body: &[u8]) -> Result<Made, Fault> {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        predictions: Vec<Prediction>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Prediction {
        bytes_base64_encoded: Option<String>,
        mime_type: Option<String>,
        rai_filtered_reason: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|error| Fault::protocol(&error.to_string()))?;
    let mut made = Made::default();
    for prediction in answer.predictions {
        match prediction.bytes_base64_encoded {
            Some(data) => made.images.push(Picture { data, media_type: prediction.mime_type }),
            None => made.told = prediction.rai_filtered_reason.unwrap_or(made.told),
        }
    }
    // Imagen leaves out what its filters refuse.
    made.filtered = made.images.is_empty();
    Ok(made)
}
