//! The model's side of a conversation: items read into parts.
//!
//! An item of the API is not always one part: a message has several pieces of content, a reasoning item several summaries. What
//! belongs to the item and not to a piece of it stands in the first piece's [`Extra`] under `message.…`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::DIALECT;
use super::content::{self, is_string};
use crate::chat::{Hosted, Media, MediaSource, Part, PartBody, Thought, ToolCall};
use crate::extra::Extra;
use crate::fields::Fields;
use crate::media::image_type;
use crate::openai::OF_MESSAGE;
use crate::problem::Malformed;
use crate::seal::{OPENAI, SealKind, Sealed};

/// What begins the id of an item that this gateway named: no provider knows it.
const OWN_ID: [&str; 4] = ["msg_swb1.", "rs_swb1.", "fc_swb1.", "ig_swb1."];

/// The same of a thought.
const OWN_THOUGHT: &str = OWN_ID[1];
/// An item that stands for one that the client has not sent.
pub(super) const REFERENCE: &str = "item_reference";

/// A reference to an item that this gateway named and did not keep: whether it is a thought, without which a conversation goes on.
pub(super) fn own_reference(hosted: &Hosted) -> Option<bool> {
    let id = hosted.id.as_deref().filter(|id| hosted.kind == REFERENCE && is_own_id(id))?;
    Some(id.starts_with(OWN_THOUGHT))
}

/// Whether this gateway gave that id.
pub(super) fn is_own_id(id: &str) -> bool {
    OWN_ID.iter().any(|prefix| id.starts_with(prefix))
}

/// What stands before the call's id in the token that carries the seal of a call.
pub(super) const CALL_SEAL: &str = "call:";

/// What one item holds.
#[derive(Debug, Default)]
pub(super) struct Item {
    /// Its pieces.
    pub(super) parts: Vec<Part>,
    /// The seal of a call, by the call's id; see [`CALL_SEAL`].
    pub(super) seal: Option<(String, Sealed)>,
}

/// Reads one item of the model's side. `vendor` is who sealed what stands bare.
pub(super) fn read_item(kind: &str, raw: &RawValue, vendor: &str) -> Result<Item, Malformed> {
    let mut fields = Fields::nested(raw)?;
    fields.take_raw("type");
    let parts = match kind {
        "message" => {
            fields.take_raw("role");
            let parts = content::read_content(fields.take_raw("content"))?;
            mark(parts, fields.rest(DIALECT))
        }
        "function_call" | "custom_tool_call" => vec![read_call(kind == "custom_tool_call", fields)?],
        "reasoning" => return read_reasoning(fields, vendor),
        _ => read_hosted(kind, raw, fields)?,
    };
    Ok(Item { parts, seal: None })
}

/// Puts a message's own fields on its first piece.
pub(super) fn mark(mut parts: Vec<Part>, rest: Extra) -> Vec<Part> {
    if let Some(first) = parts.first_mut() {
        if first.extra.from().is_none() {
            first.extra = Extra::new(DIALECT);
        }
        for (key, value) in without_own_id(rest).fields() {
            first.extra.push(format!("{OF_MESSAGE}{key}"), value.clone());
        }
    }
    parts
}

/// The fields without an `id` that this gateway gave.
fn without_own_id(rest: Extra) -> Extra {
    let own = |key: &str, value: &RawValue| key == "id" && is_own_id(value.get().trim_matches('"'));
    if !rest.fields().iter().any(|(key, value)| own(key, value)) {
        return rest;
    }
    let mut kept = Extra::new(DIALECT);
    for (key, value) in rest.fields().iter().filter(|(key, value)| !own(key, value)) {
        kept.push(key.clone(), value.clone());
    }
    kept
}

fn read_call(custom: bool, mut fields: Fields<'_>) -> Result<Part, Malformed> {
    let id = match fields.take("call_id")? {
        Some(id) => id,
        None => fields.require::<String>("id").map_err(|_| Malformed::field("call_id", "is missing"))?,
    };
    let name = fields.require("name")?;
    let namespace = fields.take("namespace")?;
    let arguments = match fields.take_raw(if custom { "input" } else { "arguments" }) {
        None => String::new(),
        // Some compatible servers send the arguments as an object.
        Some(raw) if !is_string(raw) => raw.get().to_owned(),
        Some(raw) => content::string(raw)?,
    };
    let mut part = Part::new(PartBody::ToolCall(ToolCall { id, name, arguments, custom, namespace, seal: None }));
    part.extra = without_own_id(fields.rest(DIALECT));
    Ok(part)
}

fn read_reasoning(mut fields: Fields<'_>, vendor: &str) -> Result<Item, Malformed> {
    let given: Option<String> = fields.take("id")?;
    let named_here = given.as_deref().is_some_and(is_own_id);
    let mut id = given.filter(|id| !id.is_empty() && !named_here);
    let mut seal = None;
    if let Some(text) = fields.take::<String>("encrypted_content")?.filter(|text| !text.is_empty()) {
        let (mut sealed, tag) = Sealed::from_token(OPENAI, SealKind::Encrypted, &text);
        if sealed.bytes == text && vendor != OPENAI {
            sealed.vendor = Cow::Owned(vendor.to_owned());
        }
        if let Some(call) = tag.as_deref().and_then(|tag| tag.strip_prefix(CALL_SEAL)) {
            return Ok(Item { parts: Vec::new(), seal: Some((call.to_owned(), sealed)) });
        }
        id = tag.or(id);
        seal = Some(sealed);
    }
    let foreign = named_here && seal.is_none();
    let thought = |text: String, summary| {
        let mut part = Part::new(PartBody::Reasoning(Thought { id: id.clone(), text, summary, seal: None }));
        // A thought of another format, of which the client kept only the text, is of no use to a provider of this one.
        part.extra = if foreign { Extra::default() } else { Extra::new(DIALECT) };
        part
    };
    let mut parts: Vec<Part> = texts(fields.take_raw("summary"))?.into_iter().map(|text| thought(text, true)).collect();
    parts.extend(texts(fields.take_raw("content"))?.into_iter().map(|text| thought(text, false)));
    if parts.is_empty() {
        parts.push(thought(String::new(), true));
    }
    if let Some(last) = parts.last_mut() {
        if !foreign {
            last.extra = fields.rest(DIALECT);
        }
        if let PartBody::Reasoning(thought) = &mut last.body {
            thought.seal = seal;
        }
    }
    Ok(Item { parts, seal: None })
}

/// The texts of a list of summaries or of reasoning content; empty ones say nothing.
fn texts(raw: Option<&RawValue>) -> Result<Vec<String>, Malformed> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(Vec::new()) };
    if is_string(raw) {
        return Ok(vec![content::string(raw)?]);
    }
    let mut texts = Vec::new();
    for piece in content::list(raw)? {
        if let Some(text) = Fields::nested(piece)?.take::<String>("text")?.filter(|text| !text.is_empty()) {
            texts.push(text);
        }
    }
    Ok(texts)
}

/// An item of a tool that the provider runs, and the image where it made one.
fn read_hosted(kind: &str, raw: &RawValue, mut fields: Fields<'_>) -> Result<Vec<Part>, Malformed> {
    let id: Option<String> = fields.take_raw("id").and_then(|id| serde_json::from_str(id.get()).ok());
    let hosted = Hosted { from: DIALECT, kind: kind.to_owned(), id: id.clone(), raw: raw.to_owned() };
    // An image that this gateway put into such an item is only an image. A reference says what is missing.
    let mut parts = Vec::new();
    if kind == REFERENCE || !id.as_deref().is_some_and(is_own_id) {
        parts.push(Part::new(PartBody::Hosted(hosted)));
    }
    if kind == "image_generation_call"
        && let Some(data) = fields.take::<String>("result")?.filter(|data| !data.is_empty())
    {
        parts.push(Part::new(PartBody::Image(generated_image(data, fields.take("output_format")?, id))));
    }
    Ok(parts)
}

/// The image that `image_generation` made.
fn generated_image(data: String, format: Option<String>, id: Option<String>) -> Media {
    let media_type = match format {
        Some(format) => format!("image/{format}"),
        None => image_type(&data).to_owned(),
    };
    Media { id, ..Media::new(MediaSource::Base64(data), Some(media_type)) }
}

/// The type of an item; a message where none is given.
pub(super) fn kind_of(raw: &RawValue) -> Result<String, Malformed> {
    #[derive(serde::Deserialize)]
    struct Head {
        r#type: Option<String>,
    }
    let head: Head = serde_json::from_str(raw.get()).map_err(|error| Malformed::new(&error.to_string()))?;
    Ok(head.r#type.unwrap_or_else(|| "message".to_owned()))
}

/// A string as JSON text.
pub(super) fn quoted(text: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(text).unwrap_or_default()
}
