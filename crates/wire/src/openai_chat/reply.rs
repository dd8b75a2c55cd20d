//! Whole answers: a provider's, and the client's.

use serde_json::value::RawValue;

use super::finish::{read_finish, write_finish};
use super::read_messages::{Reading, read_assistant};
use super::text::{count, word};
use super::usage::{read_usage, tier_of, write_usage};
use super::write_messages::{write_call, write_images};
use super::{citations, error, likelihood, reasoning};
use crate::chat::{Citation, Part, PartBody, Thought, ToolCall};
use crate::dialect::{Dialect, Flavor};
use crate::extra::Extra;
use crate::fields::Fields;
use crate::half::{Memo, Stamp};
use crate::json::{self, Object};
use crate::problem::{Fault, Malformed};
use crate::reply::ChatReply;
use crate::tier;

const HERE: Dialect = Dialect::OpenAiChat;

/// Where in `ChatReply::extra` the fields of a choice and of its message stand.
const CHOICE: &str = "choice.";
const MESSAGE: &str = "choice.message.";

/// OpenRouter's clients refuse an answer without it; that it is unknown is enough for them.
const FINGERPRINT: &str = "system_fingerprint";

/// Reads a whole answer.
pub(super) fn read_reply(memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
    let unreadable = |malformed: Malformed| Fault { raw: body.to_vec().into(), ..Fault::protocol(&malformed.to_string()) };
    let mut fields = Fields::scan(body).map_err(unreadable)?;
    if let Some(fault) = error::reported(&mut fields, body) {
        return Err(fault);
    }
    let choices: Vec<&RawValue> = fields.take("choices").map_err(unreadable)?.unwrap_or_default();
    let Some(first) = choices.first() else { return Err(error::no_choices(fields, body)) };
    if let Some(fault) = error::of_choice(first, body) {
        return Err(fault);
    }
    read_answers(fields, &choices, memo).map_err(unreadable)
}

fn read_answers(mut fields: Fields<'_>, choices: &[&RawValue], memo: &Memo) -> Result<ChatReply, Malformed> {
    let id = word(fields.take_raw("id"));
    let read = |(at, raw): (usize, &&RawValue)| {
        let ids = if at == 0 { spare_id(id.as_deref()) } else { format!("{}_{at}", spare_id(id.as_deref())) };
        read_choice(raw, &format!("call_{ids}"), memo).map_err(|error| error.within(&format!("choices[{at}]")))
    };
    let mut answers = choices.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?.into_iter();
    let mut reply = ChatReply {
        id: id.clone(),
        model: word(fields.take_raw("model")),
        created: count(fields.take_raw("created")).filter(|created| *created > 0),
        service_tier: word(fields.take_raw("service_tier")).map(tier::read),
        usage: fields.take_raw("usage").and_then(read_usage),
        ..answers.next().unwrap_or_default()
    };
    if reply.usage.is_none()
        && let Some(raw) = fields.take_raw("x_groq")
    {
        reply.usage = Fields::nested(raw).ok().and_then(|mut inner| inner.take_raw("usage")).and_then(read_usage);
    }
    reply.service_tier = reply.service_tier.or_else(|| tier_of(reply.usage.as_ref()));
    fields.take_raw("object");
    add_sources(&mut fields, &mut reply.parts);
    fields.rest(HERE).fields().iter().for_each(|(key, value)| reply.extra.push(key.as_str(), value.clone()));
    reply.further = answers.collect();
    Ok(reply)
}

/// What one choice says; `ids`: what ids of calls begin with that are made up.
fn read_choice(raw: &RawValue, ids: &str, memo: &Memo) -> Result<ChatReply, Malformed> {
    let mut reply = ChatReply { extra: Extra::new(HERE), ..ChatReply::default() };
    let mut choice = Fields::nested(raw)?;
    let inside = |error: Malformed| error.within("message");
    let message = choice.take_raw("message").filter(|raw| raw.get() != "null");
    let mut message = match message {
        Some(message) => Fields::nested(message).map_err(inside)?,
        // A filter may leave nothing but the reason.
        None if choice.has("finish_reason") || choice.has("text") => Fields::default(),
        None => return Err(inside(Malformed::new("is missing"))),
    };
    message.take_raw("role");
    let reading = Reading { vendor: memo.vendor.as_deref(), ids };
    reply.parts = read_assistant(&mut message, &reading).map_err(inside)?.parts;
    // The older format's choices are texts.
    reply.parts.extend(choice.take::<String>("text")?.map(Part::text));
    let calls = reply.parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
    let finish = word(choice.take_raw("finish_reason")).or_else(|| finish_details(&mut choice));
    let stop_sequence = choice.take_raw("stop_reason").and_then(super::text::string).map(std::borrow::Cow::into_owned);
    reply.finish = read_finish(finish.as_deref(), stop_sequence, calls, memo);
    choice.take_raw("index");
    reply.likelihoods = likelihood::read(choice.peek_raw("logprobs"));
    for (prefix, fields) in [(CHOICE, choice), (MESSAGE, message)] {
        for (key, value) in fields.rest(HERE).fields().iter().filter(|(_, value)| value.get() != "null") {
            reply.extra.push(format!("{prefix}{key}"), value.clone());
        }
    }
    Ok(reply)
}

/// What older vision models say instead of a finish reason.
fn finish_details(choice: &mut Fields<'_>) -> Option<String> {
    let mut details = Fields::nested(choice.take_raw("finish_details")?).ok()?;
    word(details.take_raw("type"))
}

/// Ids are only made up where the provider sent none; the answer's own id keeps them apart between turns.
pub(super) fn spare_id(id: Option<&str>) -> String {
    let plain = |id: &str| id.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect::<String>();
    id.map(plain).filter(|id| !id.is_empty()).unwrap_or_else(|| "0".to_owned())
}

/// Perplexity's sources stand beside the choices.
fn add_sources(fields: &mut Fields<'_>, parts: &mut Vec<Part>) {
    let has_own = parts.iter().any(|part| matches!(&part.body, PartBody::Text { citations, .. } if !citations.is_empty()));
    if has_own {
        return;
    }
    let found = sources(fields.take_raw("search_results"), fields.take_raw("citations"));
    citations::add(found, parts);
}

/// Sources from `search_results`, which say more, or from `citations`.
pub(super) fn sources(results: Option<&RawValue>, urls: Option<&RawValue>) -> Vec<Citation> {
    let list = |raw: Option<&RawValue>| -> Vec<Citation> {
        let items: Vec<&RawValue> = raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        items.into_iter().filter_map(citations::read).collect()
    };
    let found = list(results);
    if found.is_empty() { list(urls) } else { found }
}

/// Writes a whole answer.
pub(super) fn write_reply(reply: &ChatReply, stamp: &Stamp) -> Vec<u8> {
    json::object(|object| {
        object.text("id", reply.id.as_deref().unwrap_or(&stamp.id));
        object.text("object", "chat.completion");
        object.field("created", &reply.created.unwrap_or(stamp.created));
        object.text("model", reply.model.as_deref().unwrap_or(&stamp.model));
        if stamp.flavor == Flavor::OpenRouter {
            object.option("provider", stamp.provider.as_ref());
        }
        object.array("choices", |choices| {
            let answers = std::iter::once(reply).chain(&reply.further).enumerate();
            answers.for_each(|(at, answer)| choices.object(|choice| write_choice(choice, (at, answer), stamp)));
        });
        if let Some(usage) = &reply.usage {
            write_usage(object, usage, stamp.flavor);
        }
        object.option("service_tier", reply.service_tier.as_ref());
        if stamp.flavor == Flavor::OpenRouter && !reply.extra.of(HERE).iter().any(|(key, _)| key == FINGERPRINT) {
            object.field(FINGERPRINT, &());
        }
        let written = |key: &str| key == "provider" && stamp.flavor == Flavor::OpenRouter && stamp.provider.is_some();
        for (key, value) in reply.extra.of(HERE).iter().filter(|(key, _)| !key.starts_with(CHOICE) && !written(key)) {
            object.raw(key, value.get());
        }
    })
}

fn write_choice(choice: &mut Object<'_>, (at, reply): (usize, &ChatReply), stamp: &Stamp) {
    choice.field("index", &at);
    choice.object("message", |message| write_message(message, reply, stamp));
    let calls = reply.parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_)));
    let refused = reply.parts.iter().any(|part| matches!(part.body, PartBody::Refusal(_)));
    choice.text("finish_reason", write_finish(&reply.finish, calls, refused, stamp.flavor));
    if stamp.flavor == Flavor::OpenRouter {
        choice.field("native_finish_reason", &reply.finish.raw);
    }
    choice.option("stop_reason", reply.finish.stop_sequence.as_ref());
    let own = reply.extra.of(HERE);
    let native = |key: &str| key == "native_finish_reason" && stamp.flavor == Flavor::OpenRouter;
    for (key, value) in own {
        match key.strip_prefix(CHOICE) {
            Some(key) if !key.starts_with("message.") && !native(key) => choice.raw(key, value.get()),
            _ => {}
        }
    }
    if !own.iter().any(|(key, _)| key.strip_prefix(CHOICE) == Some("logprobs")) {
        match &reply.likelihoods[..] {
            [] => choice.field("logprobs", &()),
            tokens => likelihood::write(choice, tokens),
        }
    }
}

fn write_message(message: &mut Object<'_>, reply: &ChatReply, stamp: &Stamp) {
    let mut text: Option<String> = None;
    let (mut refusal, mut thoughts, mut calls, mut images, mut sources): (Option<String>, Vec<&Thought>, _, _, _) =
        (None, Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut spoken = None;
    for part in &reply.parts {
        match &part.body {
            PartBody::Text { text: more, citations } => {
                let text = text.get_or_insert_default();
                let length = |text: &str| text.chars().count() as u64;
                let from = if citations.is_empty() { 0 } else { length(text) };
                text.push_str(more);
                sources.extend(citations.iter().map(|citation| (citation, from..from + length(more))));
            }
            PartBody::Refusal(more) => refusal.get_or_insert_default().push_str(more),
            PartBody::Reasoning(thought) if !stamp.hide_reasoning => thoughts.push(thought),
            PartBody::ToolCall(call) => calls.push(call),
            PartBody::Image(media) => images.push(media),
            PartBody::Audio(media) => spoken = Some(media),
            PartBody::Reasoning(_) | PartBody::Video(_) | PartBody::File(_) | PartBody::ToolResult(_) | PartBody::Hosted(_) => {}
        }
    }
    message.text("role", "assistant");
    message.field("content", &text);
    message.field("refusal", &refusal.as_deref().or_else(|| reply.verdict()));
    write_thoughts(message, &thoughts, &calls, stamp);
    if !calls.is_empty() {
        // A name that is nobody's: OpenRouter's clients find seals among the thoughts.
        let reader = (stamp.flavor == Flavor::OpenRouter).then_some("");
        message.array("tool_calls", |list| calls.iter().for_each(|call| list.object(|object| write_call(object, call, reader))));
    }
    citations::write_all(message, &sources);
    write_images(message, &images);
    if let Some(media) = spoken {
        message.object("audio", |audio| {
            audio.field("id", media.id.as_deref().unwrap_or(&stamp.id));
            if let crate::chat::MediaSource::Base64(data) = &media.source {
                audio.field("data", data);
            }
            // Nothing is kept here that could be named again.
            audio.field("expires_at", &reply.created.unwrap_or(stamp.created));
            audio.field("transcript", media.transcript.as_deref().unwrap_or_default());
        });
    }
    for (key, value) in reply.extra.of(HERE) {
        if let Some(key) = key.strip_prefix(MESSAGE) {
            message.raw(key, value.get());
        }
    }
}

/// Thoughts: `reasoning_content` and, where sealed, `thinking_blocks`; with OpenRouter `reasoning` and `reasoning_details`.
fn write_thoughts(message: &mut Object<'_>, thoughts: &[&Thought], calls: &[&ToolCall], stamp: &Stamp) {
    let seals = calls.iter().filter_map(|call| Some(reasoning::of_call(&call.id, call.seal.as_ref()?)));
    let seals: Vec<Thought> = seals.filter(|_| stamp.flavor == Flavor::OpenRouter).collect();
    if thoughts.is_empty() && seals.is_empty() {
        return;
    }
    let text: String = thoughts.iter().map(|thought| thought.text.as_str()).collect();
    let visible = (!text.is_empty()).then_some(text);
    match stamp.flavor {
        Flavor::OpenAi => {
            message.option("reasoning_content", visible);
            if thoughts.iter().any(|thought| thought.seal.is_some()) {
                message.array("thinking_blocks", |list| thoughts.iter().for_each(|thought| reasoning::write_block(list, thought, None)));
            }
        }
        Flavor::OpenRouter => {
            let format = reasoning::told_format(stamp.vendor.as_deref());
            message.field("reasoning", &visible);
            message.array(reasoning::DETAILS, |list| {
                let all = thoughts.iter().copied().chain(&seals).enumerate();
                all.for_each(|(at, thought)| reasoning::write_details(list, thought, (at, Some(&format))));
            });
        }
    }
}
