//! LiteLLM's metrics of calls and attempts, as projections of rows.

use switchboard_engine::meter::Outcome;

use super::label::{Label, Labelled, Labels, Shown};
use super::row::{AttemptRow, CallRow, Histogram, Latencies, Tokens};
use super::text::{Kind, Page, Value, dollars, number};

use Label::*;

/// One metric: what it says of a row, where it says anything.
struct Family<R: 'static> {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    labels: Labels,
    value: fn(&R) -> Option<Value>,
}

// Who asked.
const KEY: Labels = Labels::of(&[ApiKeyAlias, HashedApiKey]);
const TEAM: Labels = Labels::of(&[Team, TeamAlias]);
const ORGANIZATION: Labels = Labels::of(&[OrgAlias, OrgId]);
const CALLER: Labels = KEY.and(TEAM).with(&[EndUser, User]);
// What came of a call.
const CALL: Labels = CALLER.and(ORGANIZATION).with(&[ApiProvider, ModelId, RequestedModel, Route, UserEmail]);
const FAULT: Labels = Labels::of(&[ExceptionClass, ExceptionStatus]);
const USE: Labels = CALLER.with(&[ApiProvider, Model, ModelId, RequestedModel, UserEmail]);
const CACHE: Labels = CALLER.with(&[ApiProvider, Model, ModelId]);
const SPENT: Labels = USE.and(ORGANIZATION);
const QUEUED: Labels = CALLER.and(ORGANIZATION).with(&[ApiProvider, Model, ModelId, RequestedModel]);
const LATENCY: Labels = QUEUED.with(&[ModelGroup]);
// What came of an attempt.
const PLACE: Labels = KEY.with(&[ApiBase, ApiProvider, LitellmModelName, ModelGroup, ModelId]);
const ATTEMPT: Labels = PLACE.and(TEAM).with(&[RequestedModel]);
const FALLBACK: Labels = KEY.and(TEAM).and(FAULT).with(&[FallbackModel, ModelId, RequestedModel]);

const fn counter(name: &'static str, help: &'static str, labels: Labels, value: fn(&CallRow) -> Option<Value>) -> Family<CallRow> {
    Family { name, help, kind: Kind::Counter, labels, value }
}

const fn latency(name: &'static str, help: &'static str, labels: Labels, value: fn(&CallRow) -> Option<Value>) -> Family<CallRow> {
    Family { name, help, kind: Kind::Histogram, labels, value }
}

const CALLS: [Family<CallRow>; 21] = [
    counter("litellm_proxy_total_requests_metric", "Requests of clients, whatever came of them", CALL.with(&[StatusCode]), |row| {
        Some(Value::Number(number(row.calls)))
    }),
    counter("litellm_proxy_failed_requests_metric", "Requests of clients that were not answered", CALL.and(FAULT), |row| {
        matches!(row.outcome, Outcome::Failed(_)).then(|| Value::Number(number(row.calls)))
    }),
    counter(
        "litellm_llm_api_failed_requests_metric",
        "Requests that failed at a provider (deprecated)",
        CALLER.with(&[Model, ModelId]),
        |row| row.failure.map(|_| Value::Number(number(row.calls))),
    ),
    counter("litellm_requests_metric", "Requests that were answered", SPENT, |row| answered(row, row.calls)),
    counter("litellm_spend_metric", "US dollars spent", SPENT, |row| (row.spend != 0).then(|| Value::Number(dollars(row.spend)))),
    counter("litellm_total_tokens_metric", "Tokens of prompts and answers", SPENT, |row| {
        tokens(row, |tokens| tokens.input.saturating_add(tokens.output))
    }),
    counter("litellm_input_tokens_metric", "Tokens of prompts", SPENT, |row| tokens(row, |tokens| tokens.input)),
    counter("litellm_output_tokens_metric", "Tokens of answers", SPENT, |row| tokens(row, |tokens| tokens.output)),
    counter("litellm_input_cached_tokens_metric", "Tokens of prompts that were read from a cache", USE, |row| {
        some(row, |tokens| tokens.cache_read)
    }),
    counter("litellm_input_cache_creation_tokens_metric", "Tokens of prompts that were written to a cache", USE, |row| {
        some(row, |tokens| tokens.cache_write)
    }),
    counter("litellm_provider_cache_read_input_tokens_metric", "Tokens that providers read from their caches", CACHE, |row| {
        some(row, |tokens| tokens.cache_read)
    }),
    counter("litellm_provider_cache_creation_input_tokens_metric", "Tokens that providers wrote to their caches", CACHE, |row| {
        some(row, |tokens| tokens.cache_write)
    }),
    counter("litellm_input_audio_tokens_metric", "Tokens of prompts that are sound", USE, |row| some(row, |tokens| tokens.input_audio)),
    counter("litellm_output_reasoning_tokens_metric", "Tokens of answers that are thoughts", USE, |row| {
        some(row, |tokens| tokens.reasoning)
    }),
    counter("litellm_output_audio_tokens_metric", "Tokens of answers that are sound", USE, |row| some(row, |tokens| tokens.output_audio)),
    latency("litellm_request_total_latency_metric", "Seconds from a request to the end of its answer", LATENCY, |row| {
        took(row, |latencies| &latencies.total)
    }),
    latency("litellm_request_queue_time_seconds", "Seconds from a request until a provider is first asked", QUEUED, |row| {
        took(row, |latencies| &latencies.queued)
    }),
    latency("litellm_llm_api_latency_metric", "Seconds at the provider", LATENCY, |row| took(row, |latencies| &latencies.provider)),
    latency("litellm_llm_api_time_to_first_token_metric", "Seconds at the provider until the first content of a stream", LATENCY, |row| {
        took(row, |latencies| &latencies.first_content)
    }),
    latency("litellm_overhead_latency_metric", "Seconds in the gateway before the provider is asked", PLACE, |row| {
        took(row, |latencies| &latencies.overhead)
    }),
    latency(
        "litellm_deployment_latency_per_output_token",
        "Seconds at the provider for each token of the answer",
        PLACE.and(TEAM).and(ORGANIZATION),
        |row| took(row, |latencies| &latencies.per_token),
    ),
];

fn answered(row: &CallRow, count: u64) -> Option<Value> {
    (row.outcome == Outcome::Complete).then(|| Value::Number(number(count)))
}

/// Tokens of answered calls, also where nobody counted any: dashboards divide by them.
fn tokens(row: &CallRow, pick: fn(&Tokens) -> u64) -> Option<Value> {
    let counted = pick(&row.tokens);
    (row.outcome == Outcome::Complete || counted > 0).then(|| Value::Number(number(counted)))
}

fn some(row: &CallRow, pick: fn(&Tokens) -> u64) -> Option<Value> {
    let counted = pick(&row.tokens);
    (counted > 0).then(|| Value::Number(number(counted)))
}

fn took(row: &CallRow, pick: fn(&Latencies) -> &Histogram) -> Option<Value> {
    let histogram = pick(row.latencies.as_ref()?);
    histogram.buckets.iter().any(|count| *count > 0).then_some(Value::Distribution(*histogram))
}

const fn tried(name: &'static str, help: &'static str, labels: Labels, value: fn(&AttemptRow) -> Option<Value>) -> Family<AttemptRow> {
    Family { name, help, kind: Kind::Counter, labels, value }
}

const ATTEMPTS: [Family<AttemptRow>; 6] = [
    tried("litellm_deployment_total_requests", "Requests to a deployment", ATTEMPT, |row| Some(Value::Number(number(row.attempts)))),
    tried("litellm_deployment_success_responses", "Requests that a deployment answered", ATTEMPT, |row| {
        (row.failure.is_none() && !row.is_left).then(|| Value::Number(number(row.attempts)))
    }),
    tried("litellm_deployment_failure_responses", "Requests that a deployment did not answer", ATTEMPT.and(FAULT), |row| {
        row.failure.map(|_| Value::Number(number(row.attempts)))
    }),
    tried(
        "litellm_deployment_cooled_down",
        "How often a deployment was made to rest",
        Labels::of(&[ApiBase, ApiProvider, ExceptionStatus, LitellmModelName, ModelId]),
        |row| (row.rests > 0).then(|| Value::Number(number(row.rests))),
    ),
    tried("litellm_deployment_successful_fallbacks", "Requests that another model answered", FALLBACK, |row| {
        (row.instead_of.is_some() && row.failure.is_none() && !row.is_left).then(|| Value::Number(number(row.attempts)))
    }),
    tried("litellm_deployment_failed_fallbacks", "Requests that another model did not answer either", FALLBACK, |row| {
        (row.instead_of.is_some() && row.failure.is_some()).then(|| Value::Number(number(row.attempts)))
    }),
];

/// Writes all of them.
pub(crate) fn write(page: &mut Page, shown: &Shown, calls: &[CallRow], attempts: &[AttemptRow]) {
    CALLS.iter().for_each(|family| project(page, shown, family, calls));
    ATTEMPTS.iter().for_each(|family| project(page, shown, family, attempts));
}

fn project<R: Labelled>(page: &mut Page, shown: &Shown, family: &Family<R>, rows: &[R]) {
    let Some(mut metric) = page.metric(family.name, family.help, family.kind) else { return };
    for row in rows {
        let Some(value) = (family.value)(row) else { continue };
        let said: Vec<_> = family.labels.iter().map(|label| (label.name(), shown.read(row, label))).collect();
        let mut labels: Vec<(&str, &str)> = said.iter().map(|(name, said)| (*name, said.as_deref().unwrap_or("None"))).collect();
        let further = shown.further(row.principal());
        if !further.is_empty() {
            labels.extend(further.iter().map(|(name, said)| (name.as_str(), said.as_str())));
            labels.sort_unstable();
        }
        metric.put(&labels, value);
    }
    page.add(&metric);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_in_the_order_of_their_names() {
        assert!(Label::ALL.windows(2).all(|pair| pair[0].name() < pair[1].name()));
    }

    #[test]
    fn a_metric_has_the_labels_of_its_parts() {
        let names: Vec<&str> = PLACE.and(TEAM).iter().map(Label::name).collect();
        let wanted = ["api_base", "api_key_alias", "api_provider", "hashed_api_key", "litellm_model_name", "model_group", "model_id"];
        assert_eq!(names, [&wanted[..], &["team", "team_alias"]].concat());
    }
}
