//! The conversation for a provider.

use super::{media, reasoning};
use crate::chat::{CacheMark, ChatRequest, Media, MediaSource, Message, Part, PartBody, Role, Thought, ToolCall, ToolResult};
use crate::dialect::Dialect;
use crate::half::Profile;
use crate::json::{self, Object};
use crate::loss::{Losses, Why};
use crate::openai::{self, BREAKPOINT, MARK};
use crate::pen::knob;
use crate::problem::Unsupported;
use crate::seal::{GOOGLE, Sealed};

const HERE: Dialect = Dialect::OpenAiChat;

/// Writes the conversation as one JSON array.
pub(super) fn write_messages(request: &ChatRequest, profile: &Profile, losses: &mut Losses) -> Result<String, Unsupported> {
    knob::lose_beside(losses, request, HERE);
    let mut writer = Writer { out: Vec::with_capacity(1024), profile, losses };
    writer.out.push(b'[');
    writer.system(&request.system, None)?;
    for message in &request.messages {
        match message.role {
            Role::System => writer.system(&message.parts, Some(message))?,
            Role::User => writer.user(message)?,
            Role::Assistant => writer.assistant(message)?,
        }
    }
    writer.out.push(b']');
    Ok(json::text(writer.out))
}

struct Writer<'a> {
    out: Vec<u8>,
    profile: &'a Profile,
    losses: &'a mut Losses,
}

impl Writer<'_> {
    fn message(&mut self, write: impl FnOnce(&mut Object<'_>)) {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        json::write_object(&mut self.out, write);
    }

    /// Instructions: one message, or as many as the client wrote.
    fn system(&mut self, parts: &[Part], message: Option<&Message>) -> Result<(), Unsupported> {
        let mut rest = parts;
        while let Some((first, tail)) = rest.split_first() {
            let until = tail.iter().position(|part| part.extra.noted(HERE, "role").is_some()).unwrap_or(tail.len());
            let (group, after) = (&rest[..=until], &tail[until..]);
            let content = self.content(group)?;
            let role = first.extra.noted(HERE, "role").unwrap_or("system");
            let name = message.and_then(|message| message.name.as_deref()).or_else(|| first.extra.noted(HERE, "name"));
            self.message(|object| {
                object.text("role", role);
                object.raw("content", &content);
                object.option("name", name);
                if let Some(message) = message {
                    object.extra(&message.extra, HERE);
                }
            });
            rest = after;
        }
        Ok(())
    }

    /// Results of tools are messages of their own, and come first: they must follow the call.
    fn user(&mut self, message: &Message) -> Result<(), Unsupported> {
        let is_result = |part: &&Part| matches!(part.body, PartBody::ToolResult(_));
        let lone = message.parts.iter().all(|part| is_result(&part));
        let mut rest: Vec<&Part> = Vec::new();
        for part in message.parts.iter().filter(is_result) {
            if let PartBody::ToolResult(result) = &part.body {
                rest.extend(self.result(part, result, (message, lone))?);
            }
        }
        rest.extend(message.parts.iter().filter(|part| !is_result(part)));
        if rest.is_empty() && !message.parts.is_empty() {
            return Ok(());
        }
        let content = self.content(rest)?;
        self.message(|object| {
            object.text("role", "user");
            object.raw("content", &content);
            object.option("name", message.name.as_ref());
            object.extra(&message.extra, HERE);
        });
        Ok(())
    }

    /// Writes the result of a tool. What is not text has no place there with most providers: it is given back, to be said by the
    /// user right after, unless a client of this format put it there itself.
    fn result<'p>(&mut self, part: &Part, result: &'p ToolResult, (message, lone): (&Message, bool)) -> Result<Vec<&'p Part>, Unsupported> {
        if result.is_error {
            self.losses.dropped("tool_result.is_error");
        }
        let native = message.extra.from() == Some(HERE);
        let stays = |part: &&Part| native || matches!(part.body, PartBody::Text { .. } | PartBody::Refusal(_));
        let (said, moved): (Vec<&Part>, Vec<&Part>) = result.parts.iter().partition(stays);
        if !moved.is_empty() {
            self.losses.add("tool_result.content", Why::Approximated);
        }
        let content = self.content(said)?;
        self.message(|object| {
            object.text("role", "tool");
            object.text("tool_call_id", &result.call);
            object.option("name", result.name.as_ref());
            object.raw("content", &content);
            write_cache(object, part.cache.as_ref());
            if lone {
                object.extra(&message.extra, HERE);
            }
        });
        Ok(moved)
    }

    fn assistant(&mut self, message: &Message) -> Result<(), Unsupported> {
        let mut turn = Turn::of(message, self.losses)?;
        let content = if turn.said.is_empty() { None } else { Some(self.content(turn.said.iter().copied())?) };
        let all = turn.thoughts.len();
        turn.thoughts.retain(|(_, thought)| !self.is_foreign(thought.seal.as_ref()));
        if turn.thoughts.len() < all {
            self.losses.add("messages.reasoning", Why::Approximated);
        }
        let mut spelled = self.spelling(&turn.thoughts);
        let details = self.unchanged_details(message, &turn);
        if details.is_some() {
            spelled.retain(|field| field != "reasoning_details");
        }
        if spelled.is_empty() && details.is_none() {
            turn.thoughts.clear();
        }
        if message.extra.from() != Some(HERE) && turn.is_empty() {
            // What was left out was all of it.
            return Ok(());
        }
        let vendor = self.profile.vendor.as_deref().unwrap_or(GOOGLE);
        self.message(|object| {
            object.text("role", "assistant");
            match &content {
                Some(content) => object.raw("content", content),
                None if turn.refusal.is_some() || !turn.calls.is_empty() || turn.spoken.is_some() => object.field("content", &()),
                None => object.text("content", ""),
            }
            object.option("name", message.name.as_ref());
            object.option("refusal", turn.refusal);
            write_thoughts(object, &turn.thoughts, &spelled);
            if let Some(details) = details {
                object.raw("reasoning_details", details);
            }
            turn.write_rest(object, |sealed| if sealed || details.is_none() { vendor } else { "" });
            object.extra(&message.extra, HERE);
        });
        Ok(())
    }

    /// The fields thoughts go back in: those the provider takes, else those the client used.
    fn spelling(&mut self, thoughts: &[(&Part, &Thought)]) -> Vec<String> {
        let Some((first, _)) = thoughts.first() else { return Vec::new() };
        let fields: Vec<String> = match (&self.profile.reasoning_field, first.extra.noted(HERE, "fields")) {
            (Some(field), _) => vec![field.clone()],
            (None, Some(fields)) => fields.split(',').map(str::to_owned).collect(),
            (None, None) => Vec::new(),
        };
        if fields.is_empty() {
            self.losses.add("messages.reasoning", Why::Approximated);
        }
        fields
    }

    fn is_foreign(&self, seal: Option<&Sealed>) -> bool {
        let vendor = self.profile.vendor.as_deref();
        seal.is_some_and(|seal| vendor.is_some_and(|vendor| vendor != seal.vendor))
    }

    /// `reasoning_details` as the client sent them, where the provider takes them and they still hold.
    fn unchanged_details<'m>(&self, message: &'m Message, turn: &Turn<'m>) -> Option<&'m str> {
        let details = message.extra.noted(HERE, "reasoning_details")?;
        let thoughts: Vec<&Thought> = turn.thoughts.iter().map(|(_, thought)| *thought).collect();
        let seals: Vec<&Sealed> = turn.calls.iter().filter_map(|(call, ..)| call.seal.as_ref()).collect();
        let all = thoughts.iter().filter_map(|thought| thought.seal.as_ref()).chain(seals.iter().copied());
        let taken = self.profile.reasoning_field.as_deref().is_none_or(|field| field == "reasoning_details");
        let own = all.into_iter().all(|seal| !self.is_foreign(Some(seal)));
        (taken && own && reasoning::is_unchanged(details, &thoughts, &seals)).then_some(details)
    }

    /// The content as JSON: a string where it is one plain text, else an array of parts.
    fn content<'p>(&mut self, parts: impl IntoIterator<Item = &'p Part>) -> Result<String, Unsupported> {
        let parts: Vec<&Part> = parts.into_iter().collect();
        let mut out = Vec::with_capacity(64);
        let profile = self.profile;
        match parts.as_slice() {
            [] => json::write_text(&mut out, ""),
            [part] if let Some(text) = plain_text(part, profile) => json::write_text(&mut out, text),
            several => {
                out.push(b'[');
                for part in several {
                    let Some(written) = self.part(part)? else { continue };
                    if out.len() > 1 {
                        out.push(b',');
                    }
                    out.extend_from_slice(&written);
                }
                out.push(b']');
            }
        }
        Ok(json::text(out))
    }

    fn part(&mut self, part: &Part) -> Result<Option<Vec<u8>>, Unsupported> {
        let profile = self.profile;
        let object = |kind: &str, write: &dyn Fn(&mut Object<'_>)| {
            Some(json::object(|object| {
                object.field("type", kind);
                write(object);
                write_mark(object, part, profile);
                object.extra(&part.extra, HERE);
            }))
        };
        Ok(match &part.body {
            PartBody::Text { text, .. } => object("text", &|object| object.text("text", text)),
            PartBody::Refusal(text) => object("refusal", &|object| object.text("refusal", text)),
            PartBody::Image(media) => {
                let url = media::to_url(media).ok_or_else(|| unsupported("image", "a file id is no image URL"))?;
                object("image_url", &|object| object.object("image_url", |inner| write_url(inner, &url, media)))
            }
            PartBody::Video(media) => {
                let url = media::to_url(media).ok_or_else(|| unsupported("video", "a file id is no video URL"))?;
                object("video_url", &|object| object.object("video_url", |inner| write_url(inner, &url, media)))
            }
            PartBody::Audio(media) if part.extra.noted(HERE, "type").is_some() => {
                let url = match &media.source {
                    MediaSource::Base64(data) if media.media_type.is_none() => Some(data.clone()),
                    _ => media::to_url(media),
                };
                object("input_audio", &|object| object.option("input_audio", url.as_ref()))
            }
            PartBody::Audio(media) => {
                let MediaSource::Base64(data) = &media.source else {
                    return Err(unsupported("audio", "only base64 can be sent"));
                };
                let format = media.media_type.as_deref().map(media::audio_format);
                object("input_audio", &|object| {
                    object.object("input_audio", |inner| {
                        inner.text("data", data);
                        inner.option("format", format);
                    });
                })
            }
            PartBody::File(media) => self.file(part, media)?,
            PartBody::Reasoning(thought) => object("thinking", &|object| match part.extra.noted(HERE, "type") {
                Some(_) if thought.seal.is_none() => object.array("thinking", |list| {
                    list.object(|text| {
                        text.text("type", "text");
                        text.text("text", &thought.text);
                    });
                }),
                _ => object.text("thinking", &thought.text),
            }),
            PartBody::Hosted(hosted) if hosted.from == HERE => Some(hosted.raw.get().as_bytes().to_vec()),
            PartBody::Hosted(_) => {
                self.losses.add("messages.content", Why::Approximated);
                None
            }
            PartBody::ToolCall(_) => return Err(unsupported("tool_use", "only an assistant can call tools")),
            PartBody::ToolResult(_) => return Err(unsupported("tool_result", "only a user's turn can hold results of tools")),
        })
    }

    fn file(&mut self, part: &Part, media: &Media) -> Result<Option<Vec<u8>>, Unsupported> {
        let native = part.extra.from() == Some(HERE);
        if let (Some(url), Some(_)) = (media::to_url(media), part.extra.noted(HERE, "type")) {
            return Ok(Some(json::object(|object| {
                object.text("type", "document_url");
                object.field("document_url", &url);
                object.option("document_name", media.name.as_ref());
                write_mark(object, part, self.profile);
                object.extra(&part.extra, HERE);
            })));
        }
        if let MediaSource::Text(text) = &media.source {
            self.losses.add("messages.content.document", Why::Approximated);
            return Ok(Some(json::object(|object| {
                object.text("type", "text");
                object.field("text", &media.name.as_ref().map_or_else(|| text.clone(), |name| format!("{name}\n\n{text}")));
                write_mark(object, part, self.profile);
            })));
        }
        let data = media::to_url(media);
        if matches!(media.source, MediaSource::Url(_)) && !native {
            return Err(unsupported("document", "a document can only be sent as base64 or as a file id"));
        }
        Ok(Some(json::object(|object| {
            object.text("type", "file");
            object.object("file", |file| {
                if let MediaSource::FileId(id) = &media.source {
                    file.field("file_id", id);
                }
                // A file that is sent along needs a name.
                let unnamed = !native || part.extra.noted(HERE, "unnamed").is_some();
                let spare = (unnamed && data.is_some()).then(|| "document.pdf".to_owned());
                file.option("filename", media.name.clone().or(spare));
                file.option("file_data", data.as_ref());
            });
            write_mark(object, part, self.profile);
            object.extra(&part.extra, HERE);
        })))
    }
}

/// An assistant's turn, sorted into the fields it is written in.
#[derive(Default)]
struct Turn<'m> {
    said: Vec<&'m Part>,
    thoughts: Vec<(&'m Part, &'m Thought)>,
    refusal: Option<&'m String>,
    images: Vec<&'m Media>,
    spoken: Option<&'m String>,
    /// Calls, whether the client said their seal beside them, and where a cache may cut.
    calls: Vec<(&'m ToolCall, bool, Option<&'m CacheMark>)>,
}

impl<'m> Turn<'m> {
    fn of(message: &'m Message, losses: &mut Losses) -> Result<Self, Unsupported> {
        let mut turn = Self::default();
        for part in &message.parts {
            match &part.body {
                PartBody::ToolCall(call) => turn.calls.push((call, part.extra.noted(HERE, "seal").is_some(), part.cache.as_ref())),
                PartBody::Reasoning(_) if part.extra.noted(HERE, "type").is_some() => turn.said.push(part),
                PartBody::Reasoning(thought) => turn.thoughts.push((part, thought)),
                PartBody::Refusal(text) if turn.refusal.is_none() => turn.refusal = Some(text),
                PartBody::Image(media) if part.extra.from() == Some(HERE) => turn.images.push(media),
                PartBody::Image(_) => return Err(unsupported("image", "an assistant's turn holds no images")),
                PartBody::Audio(Media { id: Some(id), .. }) => turn.spoken = Some(id),
                PartBody::Hosted(hosted) if hosted.from != HERE => losses.add("messages.content", Why::Approximated),
                _ => turn.said.push(part),
            }
        }
        Ok(turn)
    }

    fn is_empty(&self) -> bool {
        let silent = self.refusal.is_none() && self.spoken.is_none();
        silent && self.said.is_empty() && self.thoughts.is_empty() && self.images.is_empty() && self.calls.is_empty()
    }

    /// Sources, images, sound and calls. `vendor` says who will see a call's seal: what `reasoning_details` said of a call need
    /// not be said again.
    fn write_rest<'v>(&self, object: &mut Object<'_>, vendor: impl Fn(bool) -> &'v str) {
        let annotations: Vec<_> = self.said.iter().flat_map(|part| citations_of(part)).collect();
        if !annotations.is_empty() {
            object.array("annotations", |list| annotations.iter().for_each(|citation| list.raw(citation)));
        }
        write_images(object, &self.images);
        if let Some(id) = self.spoken {
            object.object("audio", |audio| audio.field("id", id));
        }
        if !self.calls.is_empty() {
            object.array("tool_calls", |list| {
                for (call, sealed, mark) in &self.calls {
                    list.object(|object| {
                        write_call(object, call, Some(vendor(*sealed)));
                        write_cache(object, *mark);
                    });
                }
            });
        }
    }
}

fn unsupported(kind: &str, why: &str) -> Unsupported {
    Unsupported::new(format!("messages.content.{kind}"), HERE, why)
}

fn plain_text<'p>(part: &'p Part, profile: &Profile) -> Option<&'p str> {
    let marked = part.cache.is_some() || openai::taken_breakpoint(&part.extra, (HERE, profile)).is_some();
    match &part.body {
        PartBody::Text { text, .. } if !marked && part.extra.of(HERE).is_empty() => Some(text),
        _ => None,
    }
}

fn write_url(object: &mut Object<'_>, url: &str, media: &Media) {
    object.field("url", url);
    object.option("detail", media.detail.as_ref());
}

/// Writes where a cache may cut behind a part, in OpenAI's words where they were used and are known.
fn write_mark(object: &mut Object<'_>, part: &Part, profile: &Profile) {
    match openai::taken_breakpoint(&part.extra, (HERE, profile)) {
        Some(raw) => {
            object.raw(BREAKPOINT, raw);
            if let Some(mark) = openai::mark_beside(&part.extra) {
                object.raw(MARK, mark);
            }
        }
        None => write_cache(object, part.cache.as_ref()),
    }
}

/// Writes a `cache_control`.
pub(super) fn write_cache(object: &mut Object<'_>, mark: Option<&CacheMark>) {
    if let Some(mark) = mark {
        object.object("cache_control", |inner| {
            inner.text("type", "ephemeral");
            inner.option("ttl", mark.ttl.as_ref());
        });
    }
}

/// Sources that a client of this format sent back.
fn citations_of(part: &Part) -> Vec<String> {
    let PartBody::Text { citations, .. } = &part.body else { return Vec::new() };
    let native = citations.iter().filter_map(|citation| citation.raw.as_ref()).filter(|(from, _)| *from == HERE);
    native.map(|(_, raw)| raw.get().to_owned()).collect()
}

fn write_thoughts(object: &mut Object<'_>, thoughts: &[(&Part, &Thought)], fields: &[String]) {
    for field in fields {
        match field.as_str() {
            "reasoning_details" => object.array("reasoning_details", |list| {
                for (at, (_, thought)) in thoughts.iter().enumerate() {
                    reasoning::write_details(list, thought, (at, None));
                }
            }),
            "thinking_blocks" => object.array("thinking_blocks", |list| {
                for (_, thought) in thoughts {
                    reasoning::write_block(list, thought, None);
                }
            }),
            plain => {
                let text: String = thoughts.iter().map(|(_, thought)| thought.text.as_str()).collect();
                let own = thoughts.iter().any(|(part, _)| part.extra.noted(HERE, "fields").is_some());
                if own || !text.is_empty() {
                    object.field(plain, &text);
                }
            }
        }
    }
}

/// Writes images an assistant made, as OpenRouter has them.
pub(super) fn write_images(object: &mut Object<'_>, images: &[&Media]) {
    let urls: Vec<String> = images.iter().filter_map(|media| media::to_url(media)).collect();
    if !urls.is_empty() {
        object.array("images", |list| {
            for (at, url) in urls.iter().enumerate() {
                list.object(|image| write_image(image, url, at));
            }
        });
    }
}

/// Writes one image of an answer.
pub(super) fn write_image(object: &mut Object<'_>, url: &str, at: usize) {
    object.text("type", "image_url");
    object.object("image_url", |inner| inner.field("url", url));
    object.field("index", &at);
}

/// Writes a call. Its seal goes to Google alone; `vendor` is who will read it, `None` where anyone may.
pub(super) fn write_call(object: &mut Object<'_>, call: &ToolCall, vendor: Option<&str>) {
    object.text("id", &call.id);
    if call.custom {
        object.text("type", "custom");
        object.object("custom", |custom| {
            custom.text("name", &call.name);
            custom.text("input", &call.arguments);
        });
    } else {
        object.text("type", "function");
        object.object("function", |function| {
            function.text("name", &call.name);
            function.field("arguments", if call.arguments.is_empty() { "{}" } else { &call.arguments });
        });
    }
    if let Some(seal) = call.seal.as_ref().filter(|seal| vendor.is_none_or(|vendor| vendor == seal.vendor)) {
        write_call_seal(object, &seal.to_token(GOOGLE, None));
    }
}

/// Writes the seal of a call.
pub(super) fn write_call_seal(object: &mut Object<'_>, token: &str) {
    object.object("extra_content", |extra| {
        extra.object("google", |google| google.field("thought_signature", token));
    });
}
