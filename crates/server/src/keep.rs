//! What was asked and answered, kept sealed for those who asked, where their workspace or the operator says so.
//!
//! Nothing is kept unless it is switched on. What is kept is sealed by the vault, and wiped after thirty days.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use switchboard_engine::answer::{AnswerBody, Copied};
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::wire::Operation;
use switchboard_engine::wire::event::{BlockKind, Delta, Event, EventWriter};
use switchboard_engine::wire::half::{Memo, Outbound};
use switchboard_engine::wire::relay::{Output, Relay};
use switchboard_store::vault::Cell;
use zeroize::Zeroizing;

use crate::answered::Answered;
use crate::app::App;
use crate::auth::Caller;

/// The kind of the vault's cells for it.
pub(crate) const KIND: &str = "generation_content";
/// Longer requests and answers are not kept.
const LONGEST: usize = 4 << 20;
/// For how long it is kept.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// One in so many that are kept looks for what is too old.
const SWEEP: u32 = 64;

/// Where the content of that generation is.
pub(crate) fn cell(id: &str) -> Cell {
    Cell::new(KIND, id, "content")
}

/// What is to be kept of a call, if anything is.
pub(crate) fn page(app: &Arc<App>, caller: &Caller, call: &Call) -> Option<Page> {
    let config = app.config();
    let (general, logs) = (&config.general, &config.general.logs);
    let share = if general.stores_prompts { 1.0 } else { caller.kept_share };
    if share <= 0.0 || !logs.messages || logs.may_decline && is_declined(call) {
        return None;
    }
    let wanted = rand::random::<f64>() < share && call.body.len() <= LONGEST && app.trust.is_some();
    wanted.then(|| Page { app: app.clone(), id: call.id.clone(), door: call.door, stream: call.stream, input: input(call) })
}

/// Headers by which LiteLLM's clients keep what they ask out of the log.
const DECLINING: [&str; 2] = ["x-litellm-enable-message-redaction", "litellm-enable-message-redaction"];

/// Whether the caller wants nothing of it kept.
fn is_declined(call: &Call) -> bool {
    let said = |key: &str| match &call.content {
        Content::Json(outline) => outline.read::<bool>(&call.body, key).ok().flatten() == Some(true),
        Content::Form(_) => false,
    };
    let header = |name: &&str| call.headers.get(*name).is_some_and(|value| !value.is_empty() && value != "false");
    ["no-log", "turn_off_message_logging"].into_iter().any(said) || DECLINING.iter().any(header)
}

/// What was asked, as OpenRouter tells it: a list of messages, or one text.
fn input(call: &Call) -> Value {
    let Content::Json(_) = &call.content else { return json!({"prompt": ""}) };
    let Ok(body) = serde_json::from_slice::<Value>(&call.body.join()) else { return json!({"prompt": ""}) };
    let messages = ["messages", "contents", "input"].iter().find_map(|name| body[*name].as_array());
    if let Some(messages) = messages {
        return json!({"messages": messages});
    }
    let text = ["prompt", "input", "query"].iter().find_map(|name| body.get(*name));
    let text = text.map(|text| text.as_str().map_or_else(|| text.to_string(), str::to_owned));
    json!({"prompt": text.unwrap_or_default()})
}

/// One generation that is to be kept.
pub(crate) struct Page {
    app: Arc<App>,
    id: String,
    door: Door,
    stream: bool,
    input: Value,
}

impl Page {
    /// The answer as it goes out, of which a copy is kept.
    pub(crate) fn watch(self, mut answered: Answered) -> Answered {
        let status = answered.status().as_u16();
        let body = std::mem::replace(answered.body_mut(), AnswerBody::Whole(None));
        *answered.body_mut() = match body {
            AnswerBody::Whole(body) => {
                self.keep(status, body.as_ref());
                AnswerBody::Whole(body)
            }
            under_way => {
                let then = move |copy: Option<Vec<u8>>| self.keep(status, copy.map(Bytes::from).as_ref());
                Copied::of(under_way, LONGEST, Box::new(then))
            }
        };
        answered
    }

    /// Keeps it, beside whatever else goes on.
    fn keep(self, status: u16, body: Option<&Bytes>) {
        let Some(store) = self.app.store.clone() else { return };
        let body = body.cloned();
        store.thread().handle().spawn(async move {
            let Some(trust) = &self.app.trust else { return };
            let text = Zeroizing::new(self.content(status, body.as_ref()).to_string().into_bytes());
            let Ok(vault) = trust.vault().await else { return };
            if let Err(error) = vault.put(cell(&self.id), text).await {
                tracing::warn!(%error, call = %self.id, "what was asked and answered could not be kept");
            }
            if rand::random::<u32>().is_multiple_of(SWEEP)
                && let Err(error) = vault.remove_older(KIND, KEPT).await
            {
                tracing::warn!(%error, "what was kept long enough could not be wiped");
            }
        });
    }

    fn content(&self, status: u16, body: Option<&Bytes>) -> Value {
        let said = body.filter(|_| status == 200).map(|body| said(self.door, self.stream, body)).unwrap_or_default();
        let error = (status != 200).then(|| {
            let told: Option<Value> = body.and_then(|body| serde_json::from_slice(body).ok());
            let message = told.as_ref().and_then(|told| told["error"]["message"].as_str());
            json!({"message": message, "status": status, "provider_name": null, "raw": null, "previous_errors": []})
        });
        json!({"input": self.input, "output": {"completion": said.text, "reasoning": said.reasoning}, "error": error})
    }
}

/// What an answer says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    text: Option<String>,
    reasoning: Option<String>,
}

/// Reads an answer as its client would.
fn said(door: Door, stream: bool, body: &Bytes) -> Said {
    let Some(outbound) = door.dialect.outbound().filter(|_| door.operation == Operation::Chat && !door.array) else {
        return Said::default();
    };
    let (mut said, mut kinds) = (Said::default(), HashMap::new());
    let mut see = |event: &Event| match event {
        Event::BlockStart { block, kind } => {
            kinds.insert(*block, matches!(kind, BlockKind::Reasoning { .. }));
        }
        Event::BlockDelta { block, delta: Delta::Text(text) } => {
            let thought = kinds.get(block).copied().unwrap_or(false);
            let place = if thought { &mut said.reasoning } else { &mut said.text };
            place.get_or_insert_default().push_str(text);
        }
        _ => {}
    };
    hear(outbound, stream, body, &mut see);
    said
}

/// Reads an answer, event by event. A stream that broke off has said what it has said.
pub(crate) fn hear(outbound: &dyn Outbound, stream: bool, body: &Bytes, see: &mut impl FnMut(&Event)) {
    if stream {
        // What passes verbatim is read for its usage alone.
        let output = Output::Written(Box::new(Nothing));
        let mut relay = Relay::new(outbound.framing(), outbound.event_reader(Memo::default()), output);
        let mut passed = Vec::new();
        if relay.push(body.clone(), &mut *see, &mut passed).is_ok() {
            let _ = relay.finish(see, &mut passed);
        }
    } else if let Ok(reply) = outbound.read_reply(&Memo::default(), body) {
        switchboard_engine::wire::assemble::events_of(&reply).iter().for_each(see);
    }
}

/// Writes nothing: what is read is heard elsewhere.
struct Nothing;

impl EventWriter for Nothing {
    fn write(&mut self, _: &Event, _: &mut BytesMut) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchboard_engine::wire::Dialect;
    use switchboard_engine::wire::dialect::Flavor;

    #[test]
    fn an_answer_is_read_whole_or_streamed() {
        let door =
            Door { operation: Operation::Chat, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenRouter, shape: "openai", array: false };
        let whole = r#"{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Hello","reasoning":"Hm"}}]}"#;
        let wanted = Said { text: Some("Hello".to_owned()), reasoning: Some("Hm".to_owned()) };
        assert_eq!(said(door, false, &Bytes::from(whole)), wanted);
        let chunk = |delta: &str| {
            format!(
                r#"data: {{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{{"index":0,"delta":{delta}}}]}}"#
            )
        };
        let parts = [chunk(r#"{"role":"assistant","reasoning":"Hm"}"#), chunk(r#"{"content":"Hel"}"#), chunk(r#"{"content":"lo"}"#)];
        let streamed = format!("{}\n\n", parts.join("\n\n"));
        assert_eq!(said(door, true, &Bytes::from(streamed)), wanted);
        assert_eq!(said(door, false, &Bytes::from_static(b"{}")), Said::default());
    }
}
