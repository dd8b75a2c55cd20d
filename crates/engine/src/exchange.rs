//! From a provider's reply to the client's answer, or to the failure it stands for.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use switchboard_wire::assemble::events_of;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::event::{Event, EventWriter};
use switchboard_wire::framing::Framing;
use switchboard_wire::half::{Glance, Inbound, Memo, Outbound, Stamp};
use switchboard_wire::relay::{Output, Relay, is_content};
use switchboard_wire::rename::{self, Renamer};
use switchboard_wire::reply::{ChatReply, Reason};
use switchboard_wire::stand_in;
use switchboard_wire::usage::of_answer;
use switchboard_wire::{Dialect, Operation};
use tokio::time::Instant;

use crate::answer::{Answer, AnswerBody, KeptAlive, StreamBody};
use crate::answer_id;
use crate::call::{Call, Content, Door};
use crate::control;
use crate::deployment::Deployment;
use crate::dispatch::Dispatch;
use crate::error::Error;
use crate::figures;
use crate::health::Failure;
use crate::judge::{fault, is_empty, reported};
use crate::merged::{self, Merged};
use crate::meter::Meter;
use crate::openrouter;
use crate::openrouter::Priced;
use crate::plugins::healing;
use crate::purity;
use crate::tool_calls::ToolCalls;
use crate::upstream::UpstreamReply;

/// A request that has been sent, waiting for its reply.
pub(crate) struct Exchange<'a> {
    pub(crate) dispatch: Dispatch<'a>,
    pub(crate) target: &'a Arc<Deployment>,
    pub(crate) spoken: Dialect,
    pub(crate) memo: Memo,
    /// When a stream must have begun to say something.
    pub(crate) due: Instant,
    /// Whether an answer without any content is taken as it is.
    pub(crate) accept_empty: bool,
    /// Whether an answer that a content filter cut is a failure, since there is somebody to ask then.
    pub(crate) filters_fail: bool,
}

/// An answer, and the meter of one that is known as a whole.
pub(crate) type Made = (Answer, Option<Meter>);

impl Exchange<'_> {
    /// Makes the answer of the reply.
    pub(crate) async fn answer(self, reply: UpstreamReply, mut meter: Meter) -> Result<Made, (Error, Meter)> {
        let call = self.dispatch.call;
        let (Some(outbound), Some(inbound)) = (self.spoken.outbound(), call.door.dialect.inbound()) else {
            return Err((Error::internal("a dialect has no such half"), meter));
        };
        if !reply.status.is_success() {
            return Err((Box::pin(fault(self.target, self.spoken, &call.door, reply)).await, meter));
        }
        meter.watch_tools(ToolCalls::of(call));
        if !call.stream {
            return self.whole(reply, meter, (outbound, inbound)).await;
        }
        match framing_of(outbound, &reply.headers) {
            Some(framing) => self.stream(reply, meter, (outbound, inbound), framing).await,
            None => Box::pin(self.unstreamed(reply, meter, (outbound, inbound))).await,
        }
    }

    async fn whole(
        self,
        reply: UpstreamReply,
        mut meter: Meter,
        (outbound, inbound): (&dyn Outbound, &dyn Inbound),
    ) -> Result<Made, (Error, Meter)> {
        let mut headers = control::backward(&reply.headers);
        let body = match reply.body.collect().await {
            Ok(body) => unmarked(body),
            Err(error) => return Err((Error::dial(error), meter)),
        };
        let call = self.dispatch.call;
        let same = self.spoken == call.door.dialect && !openrouter::is_rewritten(call, self.target);
        let (glance, body) = match same.then(|| glanced(outbound, &body, &meter)).flatten() {
            Some(glance) => {
                if glance.finish.reason == Reason::ToolCalls && meter.watches_tools() {
                    outbound.read_reply(&self.memo, &body).iter().for_each(|reading| see_tools(&mut meter, reading));
                }
                if meter.is_untold(glance.usage.as_ref()) {
                    meter.deliver_whole(outbound.read_reply(&self.memo, &body).ok().as_ref(), &body);
                }
                (glance, body)
            }
            None => {
                let mut reading = match self.read((outbound, inbound), &body, &mut meter, &mut headers) {
                    Ok(reading) => reading,
                    Err(error) => return Err((error, meter)),
                };
                see_tools(&mut meter, &reading);
                meter.cited_in(&reading);
                if meter.is_untold(reading.usage.as_ref()) {
                    meter.deliver_whole(Some(&reading), &body);
                }
                let told = reading.usage.clone();
                if let Some(usage) = reading.usage.as_mut().filter(|_| openrouter::is_wanted(call)) {
                    openrouter::add_cost(usage, &meter.tariff(), meter.service(reading.service_tier.as_deref()));
                }
                if self.names_asked() {
                    reading.model = None;
                }
                let body = if same { body } else { inbound.write_reply(&reading, &self.told(inbound)).into() };
                (Glance { usage: told, finish: reading.finish, service_tier: reading.service_tier, model: None }, body)
            }
        };
        let body = if same { self.named(body, glance.model) } else { body };
        let body = healing::healed(call, self.target, body);
        if let Some(usage) = glance.usage {
            meter.usage(usage);
        }
        if self.is_lost(glance.finish.reason) {
            return Err((Error::filtered(), meter));
        }
        if let Some(id) = answer_id::of(&body) {
            meter.answered(id);
        }
        meter.content();
        meter.complete(Some(glance.finish), glance.service_tier);
        meter.note(|record| record.status = 200);
        let mut answer = Answer { status: StatusCode::OK, headers, body: AnswerBody::Whole(Some(body)) };
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        figures::whole(&mut answer.headers, &mut meter);
        Ok((answer, Some(meter)))
    }

    async fn stream(
        self,
        reply: UpstreamReply,
        mut meter: Meter,
        (outbound, inbound): (&dyn Outbound, &dyn Inbound),
        framing: Framing,
    ) -> Result<Made, (Error, Meter)> {
        let door = self.dispatch.call.door;
        let mut headers = control::backward(&reply.headers);
        let rewritten = openrouter::is_rewritten(self.dispatch.call, self.target) || self.tells_cost(false);
        let resumable = self.is_resumable();
        let merged = merged::is_wanted(self.dispatch.call, &self.target.spec);
        let output = if resumable || rewritten || merged || self.spoken != door.dialect || framing != outbound.framing() && !door.array {
            Output::Written(self.writer(inbound, &meter))
        } else if door.array {
            Output::Array
        } else {
            Output::Verbatim {
                hide_usage: inbound.asks_for_usage() && !control::wants_stream_usage(self.dispatch.call),
                epilogue: inbound.epilogue(),
                rename: self.shown_model().and_then(|name| Renamer::new(door.dialect, name)).map(Box::new),
            }
        };
        let mut relay = Relay::new(framing, stand_in::event_reader(outbound, self.memo.clone()), output);
        if meter.watches_tools() && !relay.is_written() {
            match ToolCalls::is_sampled() {
                true => relay = relay.unskimmed(),
                false => meter.watch_tools(None),
            }
        }
        let stream = StreamBody::new(reply.body, Some(relay), meter, door).silent_for(self.dispatch.settings.silence);
        let stream = stream.kept_alive(KeptAlive::of(self.dispatch.call, &self.target.spec));
        let stream = Box::new(if resumable { stream.resumable() } else { stream }).read_on_by(self.dispatch.worker.upstream.late());
        let mut stream = stream.until_content(self.due).await?;
        if stream.reason_unsaid().is_some_and(|reason| self.is_lost(reason)) {
            return Err((Error::filtered(), stream.into_meter()));
        }
        if stream.is_empty() {
            let unmade = stream.meter().unmade();
            if unmade.is_some() || !self.accept_empty {
                return Err((unmade.unwrap_or_else(Error::empty), stream.into_meter()));
            }
            stream.meter().blame(Failure::Empty);
            headers.insert(EMPTY, HeaderValue::from_static("1"));
        }
        stream.meter().note(|record| record.status = 200);
        stream_headers(&mut headers, &door);
        figures::overhead(&mut headers, stream.meter());
        Ok((Answer { status: StatusCode::OK, headers, body: AnswerBody::Stream(stream) }, None))
    }

    /// A whole answer where a stream was asked for: a provider's error, or a provider that does not stream. It is streamed here.
    async fn unstreamed(
        self,
        reply: UpstreamReply,
        mut meter: Meter,
        (outbound, inbound): (&dyn Outbound, &dyn Inbound),
    ) -> Result<Made, (Error, Meter)> {
        let mut headers = control::backward(&reply.headers);
        let body = match reply.body.collect().await {
            Ok(body) => body,
            Err(error) => return Err((Error::dial(error), meter)),
        };
        let reading = match self.read((outbound, inbound), &body, &mut meter, &mut headers) {
            Ok(reading) => reading,
            Err(error) => return Err((error, meter)),
        };
        if self.is_lost(reading.finish.reason) {
            reading.usage.into_iter().for_each(|usage| meter.usage(usage));
            return Err((Error::filtered(), meter));
        }
        let mut writer = self.writer(inbound, &meter);
        let mut out = BytesMut::new();
        for event in events_of(&reading) {
            meter.see(&event);
            writer.write(&event, &mut out);
        }
        meter.note(|record| record.status = 200);
        stream_headers(&mut headers, &self.dispatch.call.door);
        figures::overhead(&mut headers, &meter);
        Ok((Answer { status: StatusCode::OK, headers, body: AnswerBody::Whole(Some(out.freeze())) }, Some(meter)))
    }

    /// Whether an answer that ended so is one of a content filter's, and somebody else is to be asked.
    fn is_lost(&self, reason: Reason) -> bool {
        // Anthropic's filter says that the model declined.
        let declined = reason == Reason::Refusal && self.spoken == Dialect::Anthropic;
        self.filters_fail && (reason == Reason::ContentFilter || declined)
    }

    /// Reads a whole answer. One without any content is a failure, or is marked where nobody else is to be asked; so is one that its
    /// provider did not complete, where the client would not be told.
    fn read(
        &self,
        (outbound, inbound): (&dyn Outbound, &dyn Inbound),
        body: &Bytes,
        meter: &mut Meter,
        headers: &mut HeaderMap,
    ) -> Result<ChatReply, Error> {
        let reading = match stand_in::read_reply(outbound, &self.memo, body) {
            Ok(reading) => reading,
            Err(fault) => {
                // What it took may be readable where it itself is not.
                let told = outbound.glance(body).and_then(|glance| glance.usage).or_else(|| of_answer(Operation::Chat, body).usage);
                told.into_iter().for_each(|usage| meter.usage(usage));
                return Err(reported(fault, self.target));
            }
        };
        let empty = is_empty(reading.finish.reason, reading.usage.as_ref()) && has_no_content(&reading);
        let failed = reading.finish.reason == Reason::Error && (empty || inbound.tells_failures_as_errors());
        // What is made in the background, nobody can fetch in another form.
        let pending = reading.finish.is_pending() && self.spoken != self.dispatch.call.door.dialect;
        if !(empty || failed || pending) {
            return Ok(reading);
        }
        let unmade = (failed || pending).then(|| Error::unmade(reading.finish.raw.as_deref()));
        if unmade.is_some() || !self.accept_empty {
            reading.usage.into_iter().for_each(|usage| meter.usage(usage));
            return Err(unmade.unwrap_or_else(Error::empty));
        }
        meter.blame(Failure::Empty);
        headers.insert(EMPTY, HeaderValue::from_static("1"));
        Ok(reading)
    }

    fn writer(&self, inbound: &dyn Inbound, meter: &Meter) -> Box<dyn EventWriter> {
        let mut writer = inbound.event_writer(self.told(inbound));
        if self.names_asked() {
            writer = Box::new(Unnamed(writer));
        }
        if merged::is_wanted(self.dispatch.call, &self.target.spec) {
            writer = Box::new(Merged::new(writer));
        }
        if openrouter::is_told_at_the_end(self.dispatch.call) || self.tells_cost(true) {
            return Box::new(Priced::new(writer, self.target.clone(), meter));
        }
        writer
    }

    /// Whether the usage of a stream says what the answer cost although its client is none of OpenRouter's: unless the operator says
    /// otherwise, where it is written here anyway.
    fn tells_cost(&self, written: bool) -> bool {
        let Dispatch { call, settings, .. } = self.dispatch;
        let may = written || call.door.dialect == Dialect::OpenAiChat;
        may && settings.told_cost.unwrap_or(written) && openrouter::may_tell_cost(call)
    }

    /// Whether the stream may go on elsewhere: then all of it is written here, as one.
    fn is_resumable(&self) -> bool {
        let Dispatch { call, asked, settings, .. } = self.dispatch;
        asked.resume.unwrap_or(settings.continue_streams) && purity::is_plain_text(call)
    }

    /// The model as an answer that passes as it came names it; `None`: the provider's name for it stays.
    fn shown_model(&self) -> Option<&str> {
        let openrouters = self.dispatch.call.door.flavor == Flavor::OpenRouter;
        ((self.dispatch.settings.asked_names || openrouters) && !self.is_a_gateways()).then(|| self.dispatch.model(self.target))
    }

    /// Whether an answer that is written here names the model as it was asked for. Gemini's clients expect a version there.
    fn names_asked(&self) -> bool {
        self.dispatch.call.door.dialect != Dialect::Gemini && !self.is_a_gateways()
    }

    /// Whether another gateway's name for the model is what the client knows it by.
    fn is_a_gateways(&self) -> bool {
        self.dispatch.call.door.flavor == Flavor::OpenRouter && self.target.gateway
    }

    /// An answer that passes as it came, with that name.
    fn named(&self, body: Bytes, place: Option<Range<usize>>) -> Bytes {
        match self.shown_model() {
            Some(name) => rename::whole(self.dispatch.call.door.dialect, &body, name, place),
            None => body,
        }
    }

    fn stamp(&self) -> Stamp {
        let model = self.dispatch.model(self.target);
        // In OpenAI's chats no thought is sealed, whoever made the model.
        let vendor = self.memo.vendor.clone().filter(|_| self.spoken != Dialect::OpenAiChat);
        Stamp { vendor, ..stamp(self.dispatch.call, model, Some(self.target.provider_name.clone())) }
    }

    /// The same of an answer that is written here, with what it repeats of its request.
    fn told(&self, inbound: &dyn Inbound) -> Stamp {
        Stamp { echo: echo(self.dispatch.call, inbound), ..self.stamp() }
    }
}

/// A writer that is not told what the provider calls the model, and names it as it was asked for.
struct Unnamed(Box<dyn EventWriter>);

impl EventWriter for Unnamed {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Start { id, created, .. } => self.0.write(&Event::Start { id: id.clone(), model: None, created: *created }, out),
            other => self.0.write(other, out),
        }
    }

    fn held(&self) -> usize {
        self.0.held()
    }
}

/// What an answer to that call is told to be, where it is written here.
pub(crate) fn stamp(call: &Call, model: &str, provider: Option<String>) -> Stamp {
    Stamp {
        id: call.id.clone(),
        created: call.created,
        model: model.to_owned(),
        stream_usage: control::wants_stream_usage(call),
        hide_reasoning: control::hides_reasoning(call),
        flavor: call.door.flavor,
        provider,
        json_array: call.door.array,
        vendor: None,
        echo: Vec::new(),
    }
}

/// What an answer in the client's form repeats of the call's body.
pub(crate) fn echo(call: &Call, inbound: &dyn Inbound) -> Vec<(&'static str, String)> {
    match &call.content {
        Content::Json(outline) => inbound.echo(outline, &call.body),
        Content::Form(_) => Vec::new(),
    }
}

/// What there is to know of an ordinary answer; of one that must be read, nothing.
fn glanced(outbound: &dyn Outbound, body: &Bytes, meter: &Meter) -> Option<Glance> {
    let glance = outbound.glance(body).filter(|glance| !is_empty(glance.finish.reason, glance.usage.as_ref()))?;
    (!meter.may_be_cited_in(body)).then_some(glance)
}

/// Marks an answer without any content.
const EMPTY: HeaderName = HeaderName::from_static("x-switchboard-empty");

/// The body without the mark that some servers put before a text.
fn unmarked(body: Bytes) -> Bytes {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    if body.starts_with(MARK) { body.slice(MARK.len()..) } else { body }
}

/// Looks at the tool calls of an answer that is known as a whole.
fn see_tools(meter: &mut Meter, reply: &ChatReply) {
    if meter.watches_tools() {
        events_of(reply).iter().for_each(|event| meter.see_tools(event));
    }
}

fn has_no_content(reply: &ChatReply) -> bool {
    // One that is still to be made in the background has none yet.
    !reply.finish.is_pending() && !events_of(reply).iter().any(is_content)
}

pub(crate) fn framing_of(outbound: &dyn Outbound, headers: &HeaderMap) -> Option<Framing> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    outbound.framing_of(kind)
}

/// The headers of a stream.
pub(crate) fn stream_headers(headers: &mut HeaderMap, door: &Door) {
    let kind = if door.array { "application/json" } else { "text/event-stream" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies in front must not gather what is to be seen as it comes.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
}
