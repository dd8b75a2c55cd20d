//! The turns of a client's request.

use serde_json::value::RawValue;

use super::keys::{Keys, items, snake};
use super::read_events::id_of;
use super::token;
use crate::chat::{Hosted, Media, MediaSource, Message, Part, PartBody, Role, Thought, ToolCall, ToolResult};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::problem::Malformed;

/// The members of a part that tell what it is, apart from `text`.
const MEMBERS: [&str; 8] =
    ["functionCall", "functionResponse", "inlineData", "fileData", "executableCode", "codeExecutionResult", "toolCall", "toolResponse"];

/// Reads turn after turn, and remembers the calls that still wait for their results: Gemini's calls need no ids, so a result without
/// one belongs to the first call of that name.
#[derive(Debug, Default)]
pub(super) struct Turns {
    waiting: Vec<(String, String)>,
    calls: usize,
    turn: usize,
}

impl Turns {
    /// Reads instructions: content, or plain text.
    pub(super) fn read_system(&mut self, raw: &RawValue) -> Result<Vec<Part>, Malformed> {
        Ok(self.read_content(raw)?.parts)
    }

    /// Reads one turn.
    pub(super) fn read_message(&mut self, raw: &RawValue) -> Result<Message, Malformed> {
        let message = self.read_content(raw);
        self.turn += 1;
        message
    }

    fn read_content(&mut self, raw: &RawValue) -> Result<Message, Malformed> {
        if raw.get().starts_with('"') {
            return Ok(Message::new(Role::User, vec![read_text(raw)?]));
        }
        let mut fields = Keys::nested(raw)?;
        let role: Option<String> = fields.take("role")?;
        let role = match role.as_deref() {
            None | Some("" | "user" | "function" | "tool") => Role::User,
            Some("model" | "assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some(other) => return Err(Malformed::field("role", &format!("`{other}` is none of `user` and `model`"))),
        };
        let Some(parts) = fields.take_raw("parts") else {
            // A bare part stands for the content that holds it.
            let is_part = ["text"].iter().chain(&MEMBERS).any(|key| fields.take_raw(key).is_some());
            let parts = if is_part { vec![self.read_part(raw)?] } else { Vec::new() };
            return Ok(Message::new(role, parts));
        };
        let mut message = Message::new(role, Vec::new());
        for (at, raw) in items(parts).map_err(|error| error.within("parts"))?.into_iter().enumerate() {
            let part = self.read_part(raw).map_err(|error| error.within(&format!("parts[{at}]")))?;
            message.parts.push(part);
        }
        message.extra = fields.rest(Dialect::Gemini);
        Ok(message)
    }

    fn read_part(&mut self, raw: &RawValue) -> Result<Part, Malformed> {
        if raw.get().starts_with('"') {
            return read_text(raw);
        }
        let mut fields = Keys::nested(raw)?;
        let signature: Option<String> = fields.take("thoughtSignature")?;
        let thought: Option<bool> = fields.take("thought")?;
        let Some((member, value)) = MEMBERS.iter().find_map(|key| Some((*key, fields.take_raw(key)?))) else {
            return read_words(fields, thought == Some(true), signature, raw);
        };
        let within = |error: Malformed| error.within(member);
        let nested = || Keys::nested(value).map_err(within);
        let (body, inner) = match member {
            "functionCall" => self.read_call(nested()?, signature.as_deref()).map_err(within)?,
            "functionResponse" => self.read_result(nested()?).map_err(within)?,
            "inlineData" | "fileData" => (read_media(member, value).map_err(within)?, Extra::default()),
            _ => {
                let hosted = Hosted { from: Dialect::Gemini, kind: snake(member), id: id_of(value), raw: raw.to_owned() };
                return Ok(Part::new(PartBody::Hosted(hosted)));
            }
        };
        let mut extra = fields.rest(Dialect::Gemini);
        inner.fields().iter().for_each(|(key, value)| extra.push(format!("{member}.{key}"), value.clone()));
        if member != "functionCall" {
            keep_signature(signature, &mut extra);
        }
        Ok(Part { body, cache: None, extra })
    }

    /// Reads a call, and what else is said of it.
    fn read_call(&mut self, mut fields: Keys<'_>, signature: Option<&str>) -> Result<(PartBody, Extra), Malformed> {
        let name: String = fields.take("name")?.ok_or_else(|| Malformed::field("name", "is missing"))?;
        let id: Option<String> = fields.take("id")?;
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| token::own_id(&format!("t{}", self.turn), self.calls));
        self.calls += 1;
        self.waiting.push((name.clone(), id.clone()));
        let arguments = fields.take_raw("args").map_or("{}", RawValue::get).to_owned();
        let seal = signature.map(token::read_signature);
        let call = ToolCall { id, name, arguments, custom: false, namespace: None, seal };
        Ok((PartBody::ToolCall(call), fields.rest(Dialect::Gemini)))
    }

    /// Reads the result of a call, and what else is said of it.
    fn read_result(&mut self, mut fields: Keys<'_>) -> Result<(PartBody, Extra), Malformed> {
        let name: Option<String> = fields.take("name")?;
        let id: Option<String> = fields.take("id")?;
        let id = id.filter(|id| !id.is_empty());
        let known = id.as_ref().and_then(|id| self.waiting.iter().position(|(_, waiting)| waiting == id));
        // Some clients give the result alone an id: it belongs to a call that has none.
        let nameless = |waiting: &str| id.is_none() || token::is_own_id(waiting);
        let found = known.or_else(|| self.waiting.iter().position(|(called, waiting)| Some(called) == name.as_ref() && nameless(waiting)));
        let call = found.map(|at| self.waiting.remove(at).1).or(id).unwrap_or_default();
        let response = fields.take_raw("response").map_or("{}", RawValue::get);
        let is_error = serde_json::from_str::<std::collections::BTreeMap<&str, &RawValue>>(response)
            .is_ok_and(|response| response.len() == 1 && response.contains_key("error"));
        let mut parts = vec![Part::text(response)];
        if let Some(raw) = fields.take_raw("parts") {
            for raw in items(raw)? {
                parts.push(self.read_part(raw)?);
            }
        }
        let result = ToolResult { call, name, parts, is_error };
        Ok((PartBody::ToolResult(result), fields.rest(Dialect::Gemini)))
    }
}

fn read_text(raw: &RawValue) -> Result<Part, Malformed> {
    serde_json::from_str::<String>(raw.get()).map(Part::text).map_err(|error| Malformed::new(&error.to_string()))
}

/// Text and thoughts. A signature without a text is a thought that shows nothing.
fn read_words(mut fields: Keys<'_>, thought: bool, signature: Option<String>, raw: &RawValue) -> Result<Part, Malformed> {
    let text: Option<String> = fields.take("text")?;
    let rest = fields.rest(Dialect::Gemini);
    if text.is_none() && signature.is_none() {
        return match rest.fields().first() {
            Some((kind, value)) => {
                let hosted = Hosted { from: Dialect::Gemini, kind: kind.clone(), id: id_of(value), raw: raw.to_owned() };
                Ok(Part::new(PartBody::Hosted(hosted)))
            }
            None => Err(Malformed::new("the part is empty")),
        };
    }
    let text = text.unwrap_or_default();
    if thought || text.is_empty() && signature.is_some() {
        let seal = signature.as_deref().map(token::read_signature);
        let thought = Thought { id: None, text, summary: true, seal };
        return Ok(Part { body: PartBody::Reasoning(thought), cache: None, extra: rest });
    }
    let mut extra = rest;
    keep_signature(signature, &mut extra);
    Ok(Part { extra, ..Part::text(text) })
}

fn keep_signature(signature: Option<String>, extra: &mut Extra) {
    if let Some(raw) = signature.and_then(|text| crate::json::raw(&serde_json::Value::from(text).to_string())) {
        extra.push("thoughtSignature", raw);
    }
}

fn read_media(member: &str, raw: &RawValue) -> Result<PartBody, Malformed> {
    let mut fields = Keys::nested(raw)?;
    let media_type: Option<String> = fields.take("mimeType")?;
    let name: Option<String> = fields.take("displayName")?;
    let key = if member == "inlineData" { "data" } else { "fileUri" };
    let value: String = fields.take(key)?.ok_or_else(|| Malformed::field(key, "is missing"))?;
    let source = match member {
        "inlineData" => MediaSource::Base64(to_standard_base64(value)),
        _ if is_stored_file(&value) => MediaSource::FileId(value),
        _ => MediaSource::Url(value),
    };
    let family = media_type.as_deref().unwrap_or_default().split('/').next().unwrap_or_default().to_owned();
    let is_film = matches!(&source, MediaSource::Url(uri) if is_youtube(uri));
    let media = Media { name, ..Media::new(source, media_type) };
    Ok(match family.as_str() {
        "image" => PartBody::Image(media),
        "audio" => PartBody::Audio(media),
        "video" => PartBody::Video(media),
        "" if is_film => PartBody::Video(media),
        _ => PartBody::File(media),
    })
}

/// Google's clients send base64 in either alphabet, padded or not; other providers read the standard one alone.
pub(crate) fn to_standard_base64(mut text: String) -> String {
    let other_letters = memchr::memchr2(b'-', b'_', text.as_bytes()).is_some();
    let unpadded = !text.len().is_multiple_of(4);
    if !(other_letters || unpadded) || !text.bytes().all(is_base64) {
        return text;
    }
    if other_letters {
        text = text.replace('-', "+").replace('_', "/");
    }
    match text.len() % 4 {
        _ if text.ends_with('=') => {}
        2 => text.push_str("=="),
        3 => text.push('='),
        _ => {}
    }
    text
}

/// Whether that is a letter of either alphabet. Anything else is left for the provider to judge.
fn is_base64(letter: u8) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, b'+' | b'/' | b'-' | b'_' | b'=')
}

/// Whether that URI names a file in Google's file store.
pub(super) fn is_stored_file(uri: &str) -> bool {
    uri.strip_prefix("https://generativelanguage.googleapis.com/").is_some_and(|path| path.contains("/files/"))
}

/// Whether that URL is a film on YouTube.
pub(super) fn is_youtube(url: &str) -> bool {
    let host = url.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
    matches!(host, "youtube.com" | "www.youtube.com" | "m.youtube.com" | "youtu.be")
}
