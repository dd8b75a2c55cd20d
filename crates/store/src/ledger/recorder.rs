//! From the record of a call to a line of the request log.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use switchboard_engine::admit::NanoUsd;
use switchboard_engine::meter::{Outcome, Record, Recorder};
use switchboard_engine::wire::Operation;

use super::line::{BYOK_COST, LogLine};
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
    say("overhead_us", json!(record.overhead.map(|overhead| u64::try_from(overhead.as_micros()).unwrap_or(u64::MAX))));
    if record.tried.iter().any(|attempt| attempt.own) {
        say(BYOK_COST, json!(own_cost(record)));
    }
    if let Some(usage) = &record.usage {
        let counts = usage.counts().into_iter().filter_map(|(name, count)| Some((name.to_owned(), json!(count?))));
        say("usage", Value::Object(counts.collect()));
    }
    said
}

/// What the caller's own keys were billed, as far as prices are known.
fn own_cost(record: &Record) -> i64 {
    let costs = record.tried.iter().filter(|attempt| attempt.own).filter_map(|attempt| attempt.cost);
    costs.fold(NanoUsd::ZERO, |sum, cost| sum.plus(NanoUsd::from_pico(cost))).0
}

impl std::fmt::Debug for SpendLog {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SpendLog").field("journal", &self.journal).finish_non_exhaustive()
    }
}
