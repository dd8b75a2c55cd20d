//! From the record of a call to a line of the request log.

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use switchboard_engine::admit::NanoUsd;
use switchboard_engine::catalog::Exact;
use switchboard_engine::meter::{Attempt, Bill, Outcome, Record, Recorder};
use switchboard_engine::wire::Operation;
use switchboard_engine::wire::reply::Usage;

use super::line::{Part, Saving};
use super::routed::{self, Decided};
use crate::journal::Journal;

/// Writes every call to the journal, and hands it on.
pub struct SpendLog {
    journal: Arc<Journal>,
    next: Arc<dyn Recorder>,
}

impl SpendLog {
    /// Writes to that journal, and hands on to that recorder.
    pub fn new(journal: Arc<Journal>, next: Arc<dyn Recorder>) -> Self {
        Self { journal, next }
    }
}

impl Recorder for SpendLog {
    fn record(&self, record: Box<Record>) {
        let mut text = Vec::with_capacity(1024);
        match serde_json::to_writer(&mut text, &Written::of(&record)) {
            Ok(()) => self.journal.log(&text),
            Err(error) => tracing::error!(%error, "a line of the request log cannot be written"),
        }
        self.next.record(record);
    }
}

/// A [`LogLine`](super::LogLine) as it is written, of what the record holds.
#[derive(Serialize)]
struct Written<'a> {
    request_id: &'a str,
    call_type: &'static str,
    status: &'static str,
    spend: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    cache_read_tokens: i64,
    cache_write_tokens: i64,
    started_at: i64,
    ended_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_content_at: Option<i64>,
    api_key: &'a str,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<&'a str>,
    model_group: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_base: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_user: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_id: Option<&'a str>,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saving: Option<Saving>,
    #[serde(skip_serializing_if = "Option::is_none")]
    byok_cost: Option<i64>,
}

/// What has no column.
#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_api_key_alias: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_api_key_team_alias: Option<&'a str>,
    dialect: &'static str,
    streamed: bool,
    cancelled: bool,
    http_status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    attempts: u32,
    estimated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    native_finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_referer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_responses: Option<Providers<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_breakdown: Option<Breakdown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overhead_us: Option<u64>,
    /// [`super::line::BYOK_COST`]
    #[serde(skip_serializing_if = "Option::is_none")]
    byok_cost: Option<i64>,
    #[serde(flatten)]
    decided: Option<Decided<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Counts<'a>>,
}

/// The counts that a provider gave.
struct Counts<'a>(&'a Usage);

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.counts().into_iter().filter_map(|(name, count)| Some((name, count?))))
    }
}

impl<'a> Written<'a> {
    fn of(record: &'a Record) -> Self {
        let principal = &*record.principal;
        let target = record.deployment.as_deref();
        let usage = record.usage.as_ref();
        let count = |pick: fn(&Usage) -> Option<u64>| i64::try_from(usage.and_then(pick).unwrap_or(0)).unwrap_or(i64::MAX);
        let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self {
            request_id: &record.id,
            call_type: call_type(record.operation),
            status: if matches!(record.outcome, Outcome::Complete | Outcome::Cancelled) { "success" } else { "failure" },
            spend: record.charged.0,
            prompt_tokens: count(|usage| usage.input),
            completion_tokens: count(|usage| usage.output),
            cache_read_tokens: count(|usage| usage.cache_read),
            cache_write_tokens: count(|usage| usage.cache_write),
            started_at: record.started,
            ended_at: record.started + micros(record.duration),
            first_content_at: record.first_content.map(|first| record.started + micros(first)),
            api_key: principal.key_hash.as_deref().unwrap_or(&record.key),
            model: target.map_or(&record.model, |target| &target.spec.model),
            model_id: target.map(|target| &*target.spec.id),
            model_group: &record.model,
            provider: target.map(|target| &*target.spec.provider),
            api_base: target.and_then(|target| target.spec.base.as_deref()),
            user_id: principal.user.as_deref(),
            team_id: principal.team.as_deref(),
            organization_id: principal.organization.as_deref(),
            project_id: principal.project.as_deref(),
            end_user: principal.customer.as_deref(),
            tags: &principal.tags,
            session_id: record.session.as_deref(),
            answer_id: record.answer_id.as_deref(),
            metadata: Metadata::of(record),
            part: routed::part(record),
            saving: routed::saving(record),
            byok_cost: own_cost(record),
        }
    }
}

impl<'a> Metadata<'a> {
    fn of(record: &'a Record) -> Self {
        Self {
            user_api_key_alias: record.principal.key_alias.as_deref(),
            user_api_key_team_alias: record.principal.team_alias.as_deref(),
            dialect: record.dialect.as_str(),
            streamed: record.stream,
            cancelled: record.outcome == Outcome::Cancelled,
            http_status: record.status,
            error: record.error.as_deref(),
            attempts: record.attempts,
            estimated: record.estimated,
            finish_reason: record.finish.map(|reason| format!("{reason:?}").to_ascii_lowercase()),
            native_finish_reason: record.native_finish.as_deref(),
            service_tier: record.service.as_deref(),
            http_referer: record.client.referer.as_deref(),
            app_title: record.client.title.as_deref(),
            user_agent: record.client.agent.as_deref(),
            provider_responses: (!record.tried.is_empty()).then_some(Providers(&record.tried)),
            cost_breakdown: record.bill.as_ref().map(Breakdown),
            overhead_us: record.overhead.map(|overhead| u64::try_from(overhead.as_micros()).unwrap_or(u64::MAX)),
            byok_cost: own_cost(record),
            decided: Decided::of(record),
            usage: record.usage.as_ref().map(Counts),
        }
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
fn call_type(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "acompletion",
        Operation::Embeddings => "aembedding",
        Operation::Rerank => "arerank",
        Operation::Moderations => "amoderation",
        other => other.as_str(),
    }
}

/// How a cost came about, under LiteLLM's names.
struct Breakdown<'a>(&'a Bill);

impl Serialize for Breakdown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Breakdown(bill) = self;
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
        let mut map = serializer.serialize_map(None)?;
        let mut say = |name: &str, cost: Exact| {
            let number = cost.pico().written().as_str().parse::<f64>().unwrap_or_default();
            map.serialize_entry(name, &number)
        };
        for (name, cost) in always.into_iter().chain(some.into_iter().filter(|(_, cost)| *cost != Exact::ZERO)) {
            say(name, cost)?;
        }
        if !bill.markup.is_none() {
            say("original_cost", bill.list)?;
            say("upstream_cost", bill.owed)?;
        }
        map.end()
    }
}

/// Who was asked, in order, and what came of it, under OpenRouter's names.
struct Providers<'a>(&'a [Attempt]);

#[derive(Serialize)]
struct Provider<'a> {
    provider_name: &'a str,
    endpoint_id: &'a str,
    model_permaslug: &'a str,
    status: Option<u16>,
    latency: u64,
    is_byok: bool,
}

impl Serialize for Providers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|attempt| Provider {
            provider_name: &attempt.deployment.provider_name,
            endpoint_id: &attempt.deployment.spec.id,
            model_permaslug: &attempt.deployment.spec.model,
            status: attempt.answered.or_else(|| attempt.failure.is_none().then_some(200)),
            latency: u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
            is_byok: false,
        }))
    }
}

impl std::fmt::Debug for SpendLog {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SpendLog").field("journal", &self.journal).finish_non_exhaustive()
    }
}
