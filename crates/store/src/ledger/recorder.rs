//! From the record of a call to a line of the request log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use switchboard_engine::catalog::Exact;
use switchboard_engine::meter::{Attempt, Bill, Outcome, Record, Recorder};
use switchboard_engine::terms::NanoUsd;
use switchboard_engine::wire::json::{self, Object};
use switchboard_engine::wire::reply::{Reason, Usage};
use switchboard_engine::wire::{Dialect, Operation};

use super::routed::{self, Decided};
use crate::journal::Journal;
use crate::line::{BYOK_COST, Passing};

/// Writes every call to the journal, and hands it on.
pub struct SpendLog {
    journal: Arc<Journal>,
    /// Whether nothing that callers or providers write is written down.
    mute: Arc<AtomicBool>,
    next: Arc<dyn Recorder>,
}

impl SpendLog {
    /// Writes to that journal, and hands on to that recorder. While `mute` is set, what providers say of failures is left out.
    pub fn new(journal: Arc<Journal>, mute: Arc<AtomicBool>, next: Arc<dyn Recorder>) -> Self {
        Self { journal, mute, next }
    }
}

impl Recorder for SpendLog {
    fn record(&self, mut record: Box<Record>) {
        if let Some(told) = record.told.as_mut().filter(|_| self.mute.load(Ordering::Relaxed)) {
            told.message = None;
        }
        let metadata = json::object(|out| metadata(&record, out));
        match std::str::from_utf8(&metadata) {
            Ok(metadata) => self.journal.log(&passing(&record, metadata)),
            Err(error) => tracing::error!(%error, "a line of the request log cannot be written"),
        }
        self.next.record(record);
    }
}

/// What the record holds, where it stands.
fn passing<'a>(record: &'a Record, metadata: &'a str) -> Passing<'a> {
    let principal = &*record.principal;
    let target = record.deployment.as_deref();
    let usage = record.used();
    let count = |pick: fn(&Usage) -> Option<u64>| i64::try_from(usage.and_then(pick).unwrap_or(0)).unwrap_or(i64::MAX);
    let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    Passing {
        request_id: &record.id,
        call_type: call_type(record.operation, record.dialect),
        status: if matches!(record.outcome, Outcome::Complete | Outcome::Cancelled) { "success" } else { "failure" },
        spend: record.charged.0,
        tokens: [
            count(|usage| usage.input),
            count(|usage| usage.output),
            count(|usage| usage.cache_read),
            count(|usage| usage.cache_write),
        ],
        times: (record.started, record.started + micros(record.duration)),
        first_content_at: record.first_content.map(|first| record.started + micros(first)),
        api_key: Some(principal.key_hash.as_deref().unwrap_or(&record.key)),
        model: target.map_or(&record.model, |target| &target.spec.model),
        model_id: target.map(|target| &*target.spec.id),
        model_group: stand_in(record).unwrap_or(&record.model),
        provider: target.map(|target| &*target.spec.provider),
        api_base: target.and_then(|target| target.spec.base.as_deref()),
        user_id: principal.user.as_deref(),
        team_id: principal.team.as_deref(),
        organization_id: principal.organization.as_deref(),
        project_id: principal.project.as_deref(),
        end_user: principal.customer.as_deref(),
        tags: principal.tags.iter().map(|tag| &**tag).collect(),
        session_id: record.session.as_deref(),
        answer_id: record.answer_id.as_deref(),
        metadata,
        part: routed::part(record),
        saving: routed::saving(record),
        byok_cost: own_cost(record),
    }
}

/// The model that answered in the place of the one asked for, by the name it is meant by.
fn stand_in(record: &Record) -> Option<&str> {
    record.stand_in.as_deref().filter(|_| !matches!(record.outcome, Outcome::Failed(_)))
}

/// What has no column.
fn metadata(record: &Record, out: &mut Object<'_>) {
    let text = |out: &mut Object<'_>, name: &str, said: Option<&str>| said.into_iter().for_each(|said| out.text(name, said));
    text(out, "user_api_key_alias", record.principal.key_alias.as_deref());
    text(out, "user_api_key_team_alias", record.principal.team_alias.as_deref());
    text(out, "litellm_call_id", record.named.as_deref());
    out.text("dialect", record.dialect.as_str());
    let flags = [("streamed", record.stream), ("cancelled", record.outcome == Outcome::Cancelled), ("estimated", record.estimated)];
    flags.into_iter().for_each(|(name, is_so)| out.raw(name, if is_so { "true" } else { "false" }));
    out.number("http_status", record.status.into());
    text(out, "error", record.error.as_deref());
    if let Some(told) = &record.told {
        text(out, "error_message", told.message.as_deref());
        text(out, "error_provider_request_id", told.request_id.as_deref());
        out.option("error_status", told.status.map(i64::from));
    }
    out.number("attempts", record.attempts.into());
    out.number("attempted_retries", record.retries.into());
    out.number("attempted_fallbacks", record.fallbacks.into());
    text(out, "original_model_group", stand_in(record).map(|_| &*record.model));
    text(out, "finish_reason", record.finish.map(finish));
    text(out, "native_finish_reason", record.native_finish.as_deref());
    text(out, "service_tier", record.service.as_deref());
    text(out, "http_referer", record.client.referer.as_deref());
    text(out, "app_title", record.client.title.as_deref());
    text(out, "user_agent", record.client.agent.as_deref());
    if let Some(kept) = &record.kept {
        out.raw("spend_logs_metadata", kept);
    }
    if !record.tried.is_empty() {
        out.array("provider_responses", |list| record.tried.iter().for_each(|attempt| list.object(|out| asked(attempt, out))));
    }
    if let Some(bill) = record.billed() {
        out.object("cost_breakdown", |out| {
            breakdown(bill, out);
            text(out, "service_tier", record.service.as_deref());
        });
    }
    if let Some(overhead) = record.overhead {
        out.number("overhead_us", u64::try_from(overhead.as_micros()).unwrap_or(u64::MAX));
    }
    out.option(BYOK_COST, own_cost(record));
    if let Some(decided) = Decided::of(record) {
        decided.write(out);
    }
    if let Some(usage) = record.used() {
        let counts = usage.counts().into_iter().filter_map(|(name, count)| Some((name, count?)));
        out.object("usage", |out| counts.for_each(|(name, count)| out.number(name, count)));
    }
}

/// What the caller's own keys were billed, as far as prices are known; none where none was used.
fn own_cost(record: &Record) -> Option<i64> {
    let mut own = record.tried.iter().filter(|attempt| attempt.own).peekable();
    own.peek()?;
    let costs = own.filter_map(|attempt| attempt.cost);
    Some(costs.fold(NanoUsd::ZERO, |sum, cost| sum.plus(NanoUsd::from_pico(cost))).0)
}

/// LiteLLM's names of what a call is asked for.
fn call_type(operation: Operation, dialect: Dialect) -> &'static str {
    match operation {
        Operation::Chat => match dialect {
            Dialect::Anthropic => "anthropic_messages",
            Dialect::OpenAiResponses => "aresponses",
            Dialect::OpenAiCompletions => "atext_completion",
            Dialect::Gemini => "agenerate_content",
            _ => "acompletion",
        },
        Operation::Compact => "acompact_responses",
        Operation::Embeddings => "aembedding",
        Operation::Rerank => "arerank",
        Operation::Moderations => "amoderation",
        Operation::ImageGenerations => "aimage_generation",
        Operation::ImageEdits => "aimage_edit",
        Operation::ImageVariations => "aimage_variation",
        Operation::Speech => "aspeech",
        Operation::Transcriptions => "atranscription",
        Operation::PassThrough => "pass_through_endpoint",
        other => other.as_str(),
    }
}

fn finish(reason: Reason) -> &'static str {
    match reason {
        Reason::Stop => "stop",
        Reason::StopSequence => "stopsequence",
        Reason::Length => "length",
        Reason::ToolCalls => "toolcalls",
        Reason::ContentFilter => "contentfilter",
        Reason::Refusal => "refusal",
        Reason::Pause => "pause",
        Reason::Error => "error",
        Reason::Other => "other",
    }
}

/// How a cost came about, under LiteLLM's names.
fn breakdown(bill: &Bill, out: &mut Object<'_>) {
    let parts = &bill.parts;
    let always = [("input_cost", parts.input), ("output_cost", parts.output), ("total_cost", bill.charged)];
    let some = [
        ("tool_usage_cost", parts.tools),
        ("cache_read_cost", parts.cache_read),
        ("cache_creation_cost", parts.cache_write),
        ("reasoning_cost", parts.reasoning),
        ("discount_amount", bill.discount()),
        ("margin_total_amount", bill.margin()),
    ];
    let changed = [("original_cost", bill.list), ("upstream_cost", bill.owed)].into_iter().filter(|_| !bill.markup.is_none());
    let some = some.into_iter().filter(|(_, cost)| *cost != Exact::ZERO);
    for (name, cost) in always.into_iter().chain(some).chain(changed) {
        out.raw(name, cost.pico().written().as_str());
    }
}

/// Who was asked, and what came of it, under OpenRouter's names.
fn asked(attempt: &Attempt, out: &mut Object<'_>) {
    out.text("provider_name", &attempt.deployment.provider_name);
    out.text("endpoint_id", &attempt.deployment.spec.id);
    out.text("model_permaslug", &attempt.deployment.spec.model);
    out.field("status", &attempt.answered.or_else(|| attempt.failure.is_none().then_some(200)));
    out.number("latency", u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX));
    out.raw("is_byok", if attempt.own { "true" } else { "false" });
}

impl std::fmt::Debug for SpendLog {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SpendLog").field("journal", &self.journal).finish_non_exhaustive()
    }
}
