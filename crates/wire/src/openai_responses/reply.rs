//! Whole answers, both ways.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::error::read_error;
use super::items::{Item, kind_of, read_item};
use super::output::{Ids, Response, response_id, write_output, write_response};
use super::runs::Runs;
use super::usage::{read_usage, write_usage, write_usage_and_searches};
use super::{DIALECT, content, likelihood};
use crate::chat::{Part, PartBody};
use crate::extra::Extra;
use crate::fields::Fields;
use crate::half::{Memo, Stamp};
use crate::json;
use crate::problem::{Fault, Malformed};
use crate::reply::{ChatReply, Finish, Reason};
use crate::seal::OPENAI;

/// Reads a whole answer.
pub(super) fn read_reply(memo: &Memo, body: &[u8]) -> Result<ChatReply, Fault> {
    let unreadable = |malformed: Malformed| Fault { raw: Bytes::copy_from_slice(body), ..Fault::protocol(&malformed.to_string()) };
    let mut fields = Fields::scan(body).map_err(unreadable)?;
    let status: Option<String> = fields.take("status").map_err(unreadable)?;
    let error = fields.take_raw("error").filter(|raw| raw.get() != "null");
    if error.is_some() && status.as_deref() != Some("completed") || status.as_deref() == Some("failed") {
        return Err(read_error(error, body));
    }
    if !fields.has("output") {
        return Err(unreadable(Malformed::field("output", "is missing")));
    }
    read_answer(memo, fields, status.as_deref()).map_err(unreadable)
}

fn read_answer(memo: &Memo, mut fields: Fields<'_>, status: Option<&str>) -> Result<ChatReply, Malformed> {
    let mut reply = ChatReply {
        id: fields.take("id")?,
        model: fields.take("model")?,
        created: read_time(fields.take_raw("created_at")),
        service_tier: fields.take("service_tier")?,
        usage: read_usage(fields.take_raw("usage")),
        ..ChatReply::default()
    };
    let vendor = memo.vendor.as_deref().unwrap_or(OPENAI);
    let output = fields.take_raw("output").filter(|raw| raw.get() != "null").map(content::list).transpose()?.unwrap_or_default();
    let (parts, runs) = read_output(&output, vendor)?;
    reply.parts = parts;
    reply.likelihoods = reply.parts.iter().flat_map(likelihood::of).collect();
    let seen = Seen::of(&reply.parts);
    reply.finish = read_finish(status, fields.take_raw("incomplete_details"), seen);
    fields.take_raw("object");
    let tool_usage = fields.take_raw("tool_usage");
    if let Some(usage) = &mut reply.usage {
        runs.add_to(usage, tool_usage);
    }
    reply.extra = fields.rest(DIALECT);
    if let Some(raw) = tool_usage {
        reply.extra.push("tool_usage", raw.to_owned());
    }
    Ok(reply)
}

/// Reads output items, and what the provider's tools did. The seal of a call goes to its call.
fn read_output(items: &[&RawValue], vendor: &str) -> Result<(Vec<Part>, Runs), Malformed> {
    let mut parts = Vec::new();
    let (mut seals, mut runs) = (Vec::new(), Runs::default());
    for (at, raw) in items.iter().enumerate() {
        let read = || read_item(&kind_of(raw)?, raw, vendor);
        let Item { parts: mut more, seal } = read().map_err(|malformed| malformed.within(&format!("output.{at}")))?;
        runs.see(raw);
        for part in &mut more {
            if let PartBody::Text { citations, .. } = &mut part.body {
                runs.give_found(citations);
            }
        }
        parts.extend(more);
        seals.extend(seal);
    }
    for (id, seal) in seals {
        let call = parts.iter_mut().find_map(|part: &mut Part| match &mut part.body {
            PartBody::ToolCall(call) if call.id == id => Some(call),
            _ => None,
        });
        if let Some(call) = call {
            call.seal = Some(seal);
        }
    }
    Ok((parts, runs))
}

/// A time in seconds, whole or not.
pub(super) fn read_time(raw: Option<&RawValue>) -> Option<u64> {
    let number: serde_json::Number = serde_json::from_str(raw?.get()).ok()?;
    number.as_u64().or_else(|| number.as_f64().filter(|time| *time >= 0.0).map(|time| time as u64))
}

/// What of an answer decides why it ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// A tool of the client's was called.
    pub(super) call: bool,
    /// The model declined.
    pub(super) refusal: bool,
}

impl Seen {
    fn of(parts: &[Part]) -> Self {
        Self {
            call: parts.iter().any(|part| matches!(part.body, PartBody::ToolCall(_))),
            refusal: parts.iter().any(|part| matches!(part.body, PartBody::Refusal(_))),
        }
    }
}

/// Why an answer ended. The API says only whether it is complete; calls and refusals are told by what is in it.
pub(super) fn read_finish(status: Option<&str>, details: Option<&RawValue>, seen: Seen) -> Finish {
    #[derive(serde::Deserialize)]
    struct Details {
        reason: Option<String>,
    }
    let details: Option<Details> = details.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let why = details.and_then(|details| details.reason);
    match (status, why.as_deref()) {
        (Some("incomplete"), Some("max_output_tokens")) => Finish::new(Reason::Length, "max_output_tokens"),
        (Some("incomplete"), Some("content_filter")) => Finish::new(Reason::ContentFilter, "content_filter"),
        // Whatever cut it, it is no whole answer.
        (Some("incomplete"), why) => Finish::new(Reason::Length, why.unwrap_or("incomplete")),
        (Some(status @ ("cancelled" | "queued" | "in_progress")), _) => Finish::new(Reason::Other, status),
        (status, _) => {
            let reason = match seen {
                Seen { call: true, .. } => Reason::ToolCalls,
                Seen { refusal: true, .. } => Reason::Refusal,
                _ => Reason::Stop,
            };
            Finish { reason, raw: status.map(str::to_owned), ..Finish::default() }
        }
    }
}

/// The status that tells why an answer ended, and the reason where it is incomplete.
pub(super) fn write_finish(finish: &Finish) -> (&str, Option<&str>) {
    match (finish.reason, finish.raw.as_deref()) {
        (Reason::Length, _) => ("incomplete", Some("max_output_tokens")),
        // Elsewhere a refusal is a verdict on the answer, not something that the model says in it.
        (Reason::ContentFilter, _) | (Reason::Refusal, Some("refusal")) => ("incomplete", Some("content_filter")),
        (Reason::Other, Some(status @ ("cancelled" | "queued" | "in_progress"))) => (status, None),
        (Reason::Error, _) => ("incomplete", None),
        _ => ("completed", None),
    }
}

/// What an answer says, with what its provider says of why it gives none as the model's refusal, where that says nothing of it.
fn with_refusal(reply: &ChatReply) -> Cow<'_, [Part]> {
    let told = likelihood::told(reply);
    let Some(words) = reply.verdict() else { return told };
    let mut parts = told.into_owned();
    parts.push(Part::new(PartBody::Refusal(words.to_owned())));
    Cow::Owned(parts)
}

/// Writes a whole answer.
pub(super) fn write_reply(reply: &ChatReply, stamp: &Stamp) -> Vec<u8> {
    let output = write_output(&with_refusal(reply), &mut Ids::new(&stamp.id), stamp);
    let (status, incomplete) = write_finish(&reply.finish);
    let none = Extra::default();
    json::object(|object| {
        let response = Response {
            id: &response_id(reply.id.as_deref(), &stamp.id),
            created: reply.created.unwrap_or(stamp.created),
            model: reply.model.as_deref().unwrap_or(&stamp.model),
            status,
            incomplete,
            output: &output,
            service_tier: reply.service_tier.as_deref(),
            echo: &stamp.echo,
            extra: if reply.extra.from() == Some(DIALECT) { &reply.extra } else { &none },
            failed: None,
        };
        write_response(object, &response);
        // The provider's own `tool_usage` is written with what else it says.
        let is_told = reply.extra.of(DIALECT).iter().any(|(key, _)| key == "tool_usage");
        let write = if is_told { write_usage } else { write_usage_and_searches };
        write(object, reply.usage.as_ref());
    })
}
