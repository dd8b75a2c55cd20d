//! From the record of a call to a line of the request log.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use switchboard_engine::catalog::Exact;
use switchboard_engine::meter::{Attempt, Bill, Outcome, Record, Recorder};
use switchboard_engine::wire::Operation;

use super::line::LogLine;
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
        if let Ok(line) = serde_json::to_vec(&line(&record)) {
            self.journal.log(&line);
        }
        self.next.record(record);
    }
}

fn line(record: &Record) -> LogLine {
    let principal = &record.principal;
    let target = record.deployment.as_deref();
    let usage = record.usage.clone().unwrap_or_default();
    let count = |count: Option<u64>| i64::try_from(count.unwrap_or(0)).unwrap_or(i64::MAX);
    let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    LogLine {
        request_id: record.id.clone(),
        call_type: call_type(record.operation).to_owned(),
        status: if matches!(record.outcome, Outcome::Complete | Outcome::Cancelled) { "success" } else { "failure" }.to_owned(),
        spend: record.charged.0,
        prompt_tokens: count(usage.input),
        completion_tokens: count(usage.output),
        cache_read_tokens: count(usage.cache_read),
        cache_write_tokens: count(usage.cache_write),
        started_at: record.started,
        ended_at: record.started + micros(record.duration),
        first_content_at: record.first_content.map(|first| record.started + micros(first)),
        api_key: Some(principal.key_hash.clone().unwrap_or_else(|| record.key.clone())),
        model: target.map_or_else(|| record.model.clone(), |target| target.spec.model.clone()),
        model_id: target.map(|target| target.spec.id.clone()),
        model_group: record.model.clone(),
        provider: target.map(|target| target.spec.provider.clone()),
        api_base: target.and_then(|target| target.spec.base.clone()),
        user_id: principal.user.clone(),
        team_id: principal.team.clone(),
        organization_id: principal.organization.clone(),
        project_id: principal.project.clone(),
        end_user: principal.customer.clone(),
        tags: principal.tags.clone(),
        session_id: record.session.clone(),
        metadata: metadata(record),
    }
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

/// What has no column.
fn metadata(record: &Record) -> Map<String, Value> {
    let mut said = Map::new();
    let mut say = |name: &str, value: Value| {
        if !value.is_null() {
            said.insert(name.to_owned(), value);
        }
    };
    say("user_api_key_alias", json!(record.principal.key_alias));
    say("user_api_key_team_alias", json!(record.principal.team_alias));
    say("dialect", json!(record.dialect.as_str()));
    say("streamed", json!(record.stream));
    say("cancelled", json!(record.outcome == Outcome::Cancelled));
    say("http_status", json!(record.status));
    say("error", json!(record.error));
    say("attempts", json!(record.attempts));
    say("estimated", json!(record.estimated));
    say("finish_reason", json!(record.finish.map(|reason| format!("{reason:?}").to_ascii_lowercase())));
    say("native_finish_reason", json!(record.native_finish));
    say("service_tier", json!(record.service));
    say("http_referer", json!(record.client.referer));
    say("app_title", json!(record.client.title));
    say("user_agent", json!(record.client.agent));
    say("provider_responses", providers(record));
    if let Some(bill) = &record.bill {
        say("cost_breakdown", breakdown(bill));
    }
    say("overhead_us", json!(record.overhead.map(|overhead| u64::try_from(overhead.as_micros()).unwrap_or(u64::MAX))));
    if let Some(usage) = &record.usage {
        let counts = usage.counts().into_iter().filter_map(|(name, count)| Some((name.to_owned(), json!(count?))));
        say("usage", Value::Object(counts.collect()));
    }
    said
}

/// How a cost came about, under LiteLLM's names.
fn breakdown(bill: &Bill) -> Value {
    let parts = &bill.parts;
    let mut said = Map::new();
    let all = [
        ("input_cost", parts.input),
        ("output_cost", parts.output),
        ("tool_usage_cost", parts.tools),
        ("cache_read_cost", parts.cache_read),
        ("cache_creation_cost", parts.cache_write),
        ("reasoning_cost", parts.reasoning),
        ("original_cost", bill.list),
        ("discount_amount", bill.discount()),
        ("margin_total_amount", bill.margin()),
        ("upstream_cost", bill.owed),
        ("total_cost", bill.charged),
    ];
    for (name, cost) in
        all.into_iter().filter(|(name, cost)| *cost != Exact::ZERO || matches!(*name, "input_cost" | "output_cost" | "total_cost"))
    {
        let number = cost.pico().written().as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
        said.insert(name.to_owned(), number.map_or(Value::Null, Value::Number));
    }
    Value::Object(said)
}

/// Who was asked, in order, and what came of it, under OpenRouter's names.
fn providers(record: &Record) -> Value {
    let one = |attempt: &Attempt| {
        let target = &attempt.deployment;
        let status = attempt.answered.or_else(|| attempt.failure.is_none().then_some(200));
        let latency = u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX);
        json!({
            "provider_name": target.provider_name, "endpoint_id": target.spec.id, "model_permaslug": target.spec.model, "status": status,
            "latency": latency, "is_byok": false,
        })
    };
    if record.tried.is_empty() { Value::Null } else { record.tried.iter().map(one).collect() }
}

impl std::fmt::Debug for SpendLog {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SpendLog").field("journal", &self.journal).finish_non_exhaustive()
    }
}
