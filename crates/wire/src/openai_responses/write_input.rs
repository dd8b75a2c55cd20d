//! A conversation, written as input items.

use super::DIALECT;
use super::items::own_reference;
use super::read_request::not_kept;
use super::write_content::{Side, unsupported, write_own, write_piece};
use crate::chat::{ChatRequest, Message, Part, PartBody, Role, Thought, ToolCall, ToolResult};
use crate::dialect::Dialect;
use crate::extra::Extra;
use crate::json::{Object, write_object, write_value};
use crate::loss::{Losses, Why};
use crate::openai::{self, OF_MESSAGE};
use crate::pen::knob;
use crate::problem::Unsupported;
use crate::seal::OPENAI;

/// The items of a conversation under way.
pub(super) struct Input<'a> {
    out: Vec<u8>,
    /// Who makes the model: the one whose seals it can open.
    vendor: &'a str,
    /// The ids of calls with free text.
    custom: Vec<&'a str>,
    losses: &'a mut Losses,
}

/// Writes the conversation as one JSON array.
pub(super) fn write_input(request: &ChatRequest, vendor: &str, losses: &mut Losses) -> Result<Vec<u8>, Unsupported> {
    let calls = request.messages.iter().flat_map(|message| &message.parts).filter_map(|part| match &part.body {
        PartBody::ToolCall(call) if call.custom => Some(call.id.as_str()),
        _ => None,
    });
    let mut input = Input { out: vec![b'['], vendor, custom: calls.collect(), losses };
    let first = request.system.iter().position(is_item).unwrap_or(request.system.len());
    knob::lose_beside(input.losses, request, DIALECT);
    input.write_instructions(&request.system[first..])?;
    for message in &request.messages {
        input.write_message(message)?;
    }
    input.out.push(b']');
    Ok(input.out)
}

/// Whether that piece of the instructions is said in the input: `instructions` are a text, without a place for marks.
pub(super) fn is_item(part: &Part) -> bool {
    of_message(part) || openai::breakpoint(&part.extra).is_some()
}

/// Whether that piece begins an input message of this API.
fn of_message(part: &Part) -> bool {
    part.extra.of(DIALECT).iter().any(|(key, _)| key.starts_with(OF_MESSAGE))
}

impl Input<'_> {
    /// An item, after a comma where one is needed.
    fn item(&mut self, write: impl FnOnce(&mut Object<'_>)) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        write_object(&mut self.out, write);
    }

    /// Instructions that came as messages of the input, not as `instructions`.
    fn write_instructions(&mut self, parts: &[Part]) -> Result<(), Unsupported> {
        let mut rest = parts;
        while let Some((first, more)) = rest.split_first() {
            let end = 1 + more.iter().position(of_message).unwrap_or(more.len());
            let content = self.content(&rest[..end], Side::Input)?;
            self.item(|object| {
                object.text("type", "message");
                if !of_message(first) {
                    object.text("role", first.extra.noted(Dialect::OpenAiChat, "role").unwrap_or("system"));
                }
                write_of_message(object, &first.extra, "type");
                object.raw("content", &content);
            });
            rest = &rest[end..];
        }
        Ok(())
    }

    fn write_message(&mut self, message: &Message) -> Result<(), Unsupported> {
        if message.name.is_some() {
            self.losses.dropped("messages.name");
        }
        if message.role == Role::Assistant { self.write_turn(&message.parts) } else { self.write_side(message) }
    }

    /// A turn of the user's, or instructions: messages around the results of tools.
    fn write_side(&mut self, message: &Message) -> Result<(), Unsupported> {
        let alone = |part: &Part| matches!(part.body, PartBody::ToolResult(_) | PartBody::Hosted(_));
        let mut rest = message.parts.as_slice();
        if rest.is_empty() {
            self.write_said(message, rest)?;
        }
        while let Some((first, more)) = rest.split_first() {
            match &first.body {
                PartBody::ToolResult(result) => self.write_result(result, &first.extra)?,
                PartBody::Hosted(hosted) if hosted.from == DIALECT => self.raw(hosted.raw.get()),
                PartBody::Hosted(_) => self.losses.add("messages.content", Why::Approximated),
                _ => {
                    let end = more.iter().position(alone).unwrap_or(more.len());
                    self.write_said(message, &rest[..=end])?;
                    rest = &more[end..];
                    continue;
                }
            }
            rest = more;
        }
        Ok(())
    }

    fn write_said(&mut self, message: &Message, parts: &[Part]) -> Result<(), Unsupported> {
        let content = self.content(parts, Side::Input)?;
        let role = if message.role == Role::System { "system" } else { "user" };
        let own_role = message.extra.of(DIALECT).iter().any(|(key, _)| key == "role");
        self.item(|object| {
            object.text("type", "message");
            if !own_role {
                object.field("role", role);
            }
            object.raw("content", &content);
            object.extra(&message.extra, DIALECT);
        });
        Ok(())
    }

    fn raw(&mut self, json: &str) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        self.out.extend_from_slice(json.as_bytes());
    }

    /// A turn of the model's, item by item.
    fn write_turn(&mut self, parts: &[Part]) -> Result<(), Unsupported> {
        let mut rest = parts;
        let mut image_told = false;
        while let Some((first, more)) = rest.split_first() {
            let mut taken = 1;
            let mut told = false;
            match &first.body {
                PartBody::Reasoning(thought) => taken = self.write_thoughts(thought, rest),
                PartBody::ToolCall(call) => self.write_call(call, &first.extra),
                PartBody::ToolResult(result) => self.write_result(result, &first.extra)?,
                PartBody::Hosted(hosted) if own_reference(hosted) == Some(true) => {
                    self.losses.add("messages.reasoning", Why::Approximated);
                }
                PartBody::Hosted(hosted) if own_reference(hosted).is_some() => return Err(not_kept(hosted, DIALECT)),
                PartBody::Hosted(hosted) if hosted.from == DIALECT => {
                    self.raw(hosted.raw.get());
                    told = hosted.kind == "image_generation_call";
                }
                PartBody::Hosted(_) => self.losses.add("messages.content", Why::Approximated),
                // The image is in the item before.
                PartBody::Image(_) if image_told => {}
                PartBody::Text { .. } | PartBody::Refusal(_) => {
                    let more = more.iter().take_while(|part| is_said(part) && !of_message(part)).count();
                    taken = 1 + more;
                    self.write_answer(&rest[..taken])?;
                }
                PartBody::Image(_) | PartBody::Audio(_) | PartBody::Video(_) | PartBody::File(_) => {
                    return Err(unsupported("messages.content", "the model's own images, sounds and files are not taken back"));
                }
            }
            image_told = told;
            rest = &rest[taken..];
        }
        Ok(())
    }

    fn write_answer(&mut self, parts: &[Part]) -> Result<(), Unsupported> {
        let content = self.content(parts, Side::Output)?;
        self.item(|object| {
            object.text("type", "message");
            object.text("role", "assistant");
            object.raw("content", &content);
            if let Some(first) = parts.first() {
                write_of_message(object, &first.extra, "type");
            }
        });
        Ok(())
    }

    /// Thoughts with one id are one item. A thought that its reader cannot open is left out. Returns how many were read.
    fn write_thoughts(&mut self, first: &Thought, parts: &[Part]) -> usize {
        let thoughts: Vec<(&Thought, &Extra)> = parts
            .iter()
            .map_while(|part| match &part.body {
                PartBody::Reasoning(thought) => Some((thought, &part.extra)),
                _ => None,
            })
            .collect();
        let count = thoughts.iter().take_while(|(thought, _)| thought.id.is_some() && thought.id == first.id).count().max(1);
        let item = &thoughts[..count];
        let seal = item.iter().rev().find_map(|(thought, _)| thought.seal.as_ref());
        let ours = item.iter().all(|(_, extra)| extra.from() == Some(DIALECT));
        let opened = seal.and_then(|seal| seal.open(self.vendor));
        if opened.is_none() && (seal.is_some() || !ours) {
            self.losses.add("messages.reasoning", Why::Approximated);
            return count;
        }
        // What OpenAI shows of its thoughts are summaries, whatever another format calls them.
        let summary = self.vendor == OPENAI && opened.is_some() && !ours;
        self.item(|object| {
            object.text("type", "reasoning");
            object.option("id", first.id.as_ref());
            write_thought_texts(object, item.iter().map(|(thought, _)| *thought), summary);
            object.option("encrypted_content", opened);
            for (_, extra) in item {
                write_own(object, extra);
            }
        });
        count
    }

    fn write_call(&mut self, call: &ToolCall, extra: &Extra) {
        if call.seal.as_ref().is_some_and(|seal| seal.open(self.vendor).is_none()) {
            self.losses.add("messages.tool_calls.signature", Why::Approximated);
        }
        self.item(|object| {
            object.field("type", if call.custom { "custom_tool_call" } else { "function_call" });
            object.field("call_id", &call.id);
            object.field("name", &call.name);
            object.option("namespace", call.namespace.as_ref());
            object.field(if call.custom { "input" } else { "arguments" }, &call.arguments);
            write_own(object, extra);
        });
    }

    fn write_result(&mut self, result: &ToolResult, extra: &Extra) -> Result<(), Unsupported> {
        if result.is_error {
            self.losses.add("messages.tool_result.is_error", Why::NoEquivalent);
        }
        let content = self.content(&result.parts, Side::Input)?;
        let custom = self.custom.contains(&result.call.as_str());
        let own_type = extra.of(DIALECT).iter().any(|(key, _)| key == "type");
        self.item(|object| {
            if !own_type {
                object.field("type", if custom { "custom_tool_call_output" } else { "function_call_output" });
            }
            object.field("call_id", &result.call);
            object.raw("output", &content);
            write_own(object, extra);
        });
        Ok(())
    }

    /// Content: a string where it is plain text, else pieces.
    fn content(&mut self, parts: &[Part], side: Side) -> Result<String, Unsupported> {
        let mut out = Vec::new();
        match parts {
            [] => out.extend_from_slice(b"\"\""),
            [Part { body: PartBody::Text { text, citations }, extra, .. }]
                if citations.is_empty() && extra.of(DIALECT).iter().all(|(key, _)| key == "message.role") && !is_marked(extra) =>
            {
                write_value(&mut out, text);
            }
            parts => {
                for part in parts {
                    out.push(if out.is_empty() { b'[' } else { b',' });
                    write_piece(&mut out, part, side)?;
                }
                out.push(b']');
            }
        }
        Ok(String::from_utf8(out).unwrap_or_default())
    }
}

/// Whether a cache may cut behind that piece, in words that are written.
fn is_marked(extra: &Extra) -> bool {
    extra.noted(DIALECT, openai::MARK).is_some() || openai::breakpoint(extra).is_some()
}

/// Whether that piece belongs to what the model says.
fn is_said(part: &Part) -> bool {
    matches!(part.body, PartBody::Text { .. } | PartBody::Refusal(_))
}

/// The fields of a message that stand on its first piece.
fn write_of_message(object: &mut Object<'_>, extra: &Extra, except: &str) {
    for (key, value) in extra.of(DIALECT) {
        if let Some(key) = key.strip_prefix(OF_MESSAGE).filter(|key| *key != except) {
            object.raw(key, value.get());
        }
    }
}

/// Writes `summary` and, where there is some, `content`. `summaries`: all of them are.
pub(super) fn write_thought_texts<'t>(object: &mut Object<'_>, thoughts: impl Iterator<Item = &'t Thought> + Clone, summaries: bool) {
    let shown =
        |summary: bool| thoughts.clone().filter(move |thought| (thought.summary || summaries) == summary && !thought.text.is_empty());
    object.array("summary", |array| {
        for thought in shown(true) {
            array.object(|piece| {
                piece.text("type", "summary_text");
                piece.field("text", &thought.text);
            });
        }
    });
    if shown(false).next().is_some() {
        object.array("content", |array| {
            for thought in shown(false) {
                array.object(|piece| {
                    piece.text("type", "reasoning_text");
                    piece.field("text", &thought.text);
                });
            }
        });
    }
}
