//! The line of a request in the log.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::rows::{Cell, Insert};

/// One request, as LiteLLM's spend logs have it. Times are microseconds since 1970, money is nano-dollars.
#[derive(Clone, Debug, Default)]
pub struct LogLine {
    /// The call's id.
    pub request_id: String,
    /// What was asked for (`acompletion`, `aembedding`, …).
    pub call_type: String,
    /// `success` or `failure`.
    pub status: String,
    /// What it cost, all attempts together.
    pub spend: i64,
    /// Tokens of the prompt.
    pub prompt_tokens: i64,
    /// Tokens of the answer.
    pub completion_tokens: i64,
    /// When its head arrived.
    pub started_at: i64,
    /// When it was over.
    pub ended_at: i64,
    /// When the first content came.
    pub first_content_at: Option<i64>,
    /// The SHA-256 of the key, or the name of what stands for one.
    pub api_key: Option<String>,
    /// The model that served it.
    pub model: String,
    /// The deployment.
    pub model_id: Option<String>,
    /// The model asked for, or the one that answered in its place.
    pub model_group: String,
    /// The provider.
    pub provider: Option<String>,
    /// The provider's address.
    pub api_base: Option<String>,
    /// The user.
    pub user_id: Option<String>,
    /// The team.
    pub team_id: Option<String>,
    /// The organization.
    pub organization_id: Option<String>,
    /// The project.
    pub project_id: Option<String>,
    /// The customer.
    pub end_user: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// The session.
    pub session_id: Option<String>,
    /// The provider's id of the answer.
    pub answer_id: Option<String>,
    /// Everything else.
    pub metadata: Map<String, Value>,
}

/// The same on its way from a call to the database: what is known of it, where it stands. Its fields are written to the journal in
/// this order, and never change.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Passing<'a> {
    /// The call's id.
    pub request_id: &'a str,
    /// What was asked for.
    pub call_type: &'a str,
    /// `success` or `failure`.
    pub status: &'a str,
    /// What it cost.
    pub spend: i64,
    /// Tokens: of the prompt, of the answer, read from a cache, written to one.
    pub tokens: [i64; 4],
    /// When its head arrived, and when it was over.
    pub times: (i64, i64),
    /// When the first content came.
    pub first_content_at: Option<i64>,
    /// The SHA-256 of the key, or the name of what stands for one.
    pub api_key: Option<&'a str>,
    /// The model that served it.
    pub model: &'a str,
    /// The deployment.
    pub model_id: Option<&'a str>,
    /// The model asked for, or the one that answered in its place.
    pub model_group: &'a str,
    /// The provider.
    pub provider: Option<&'a str>,
    /// The provider's address.
    pub api_base: Option<&'a str>,
    /// The user.
    pub user_id: Option<&'a str>,
    /// The team.
    pub team_id: Option<&'a str>,
    /// The organization.
    pub organization_id: Option<&'a str>,
    /// The project.
    pub project_id: Option<&'a str>,
    /// The customer.
    pub end_user: Option<&'a str>,
    /// Tags.
    #[serde(borrow)]
    pub tags: Vec<&'a str>,
    /// The session.
    pub session_id: Option<&'a str>,
    /// The provider's id of the answer.
    pub answer_id: Option<&'a str>,
    /// Everything else, as JSON.
    pub metadata: &'a str,
    /// Its part in an experiment. Counted when the line is added; what is shown of it stands in the metadata.
    pub part: Option<Part>,
    /// What it would have cost elsewhere; the same.
    pub saving: Option<Saving>,
    /// What keys of the caller's own were billed for it, in nano-dollars; the same.
    pub byok_cost: Option<i64>,
}

/// Under which name the metadata of a line has what a key of the caller's own was billed, in nano-dollars.
pub const BYOK_COST: &str = "byok_cost";
/// A request's part in an experiment.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The experiment.
    pub experiment: String,
    /// The arm.
    pub arm: String,
    /// `live`, `shadow` or `judge`.
    pub role: String,
    /// Whether it was answered in full, so that its time says how long an answer takes.
    pub whole: bool,
}

/// What a request would have cost if nothing had chosen its model.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Saving {
    /// The group it would have gone to.
    pub reference: String,
    /// What it would have cost there, in nano-dollars.
    pub cost: i64,
}

pub(crate) const LOGS: Insert = Insert {
    head: "INSERT INTO spend_logs (request_id, call_type, status, spend, prompt_tokens, completion_tokens, started_at, ended_at, first_content_at, api_key, model, model_id, model_group, provider, api_base, user_id, team_id, organization_id, project_id, end_user, tags, session_id, metadata, answer_id)",
    width: 24,
    tail: "ON CONFLICT (request_id) DO NOTHING",
};

pub(crate) const DAILY: Insert = Insert {
    head: "INSERT INTO daily_spend (day, entity_type, entity, api_key, model, model_group, provider, endpoint, spend, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, requests, succeeded, failed)",
    width: 16,
    tail: "ON CONFLICT (day, entity_type, entity, api_key, model, model_group, provider, endpoint) DO UPDATE SET spend = daily_spend.spend + excluded.spend, prompt_tokens = daily_spend.prompt_tokens + excluded.prompt_tokens, completion_tokens = daily_spend.completion_tokens + excluded.completion_tokens, cache_read_tokens = daily_spend.cache_read_tokens + excluded.cache_read_tokens, cache_write_tokens = daily_spend.cache_write_tokens + excluded.cache_write_tokens, requests = daily_spend.requests + excluded.requests, succeeded = daily_spend.succeeded + excluded.succeeded, failed = daily_spend.failed + excluded.failed",
};

/// What a day's counter is kept by: the day, whose it is, and what was asked.
pub(crate) type DayKey<'a> = (i64, [&'a str; 7]);

/// A day's counters: spend, four kinds of tokens, requests, those that succeeded, those that failed.
pub(crate) type DayCounts = [i64; 8];

/// A day's counter as a row.
pub(crate) fn day_cells<'a>(((day, key), counts): (DayKey<'a>, DayCounts)) -> Vec<Cell<'a>> {
    let texts = std::iter::once(Cell::from(date_of(day))).chain(key.map(Cell::from));
    texts.chain(counts.map(Cell::from)).collect()
}

impl<'a> Passing<'a> {
    pub(crate) fn cells(&self) -> Vec<Cell<'a>> {
        let [prompt, completion, ..] = self.tokens;
        vec![
            self.request_id.into(),
            self.call_type.into(),
            self.status.into(),
            self.spend.into(),
            prompt.into(),
            completion.into(),
            self.times.0.into(),
            self.times.1.into(),
            self.first_content_at.into(),
            self.api_key.into(),
            self.model.into(),
            self.model_id.into(),
            self.model_group.into(),
            self.provider.into(),
            self.api_base.into(),
            self.user_id.into(),
            self.team_id.into(),
            self.organization_id.into(),
            self.project_id.into(),
            self.end_user.into(),
            tags(&self.tags).into(),
            self.session_id.into(),
            self.metadata.into(),
            self.answer_id.into(),
        ]
    }

    /// The days' counters it adds to.
    pub(crate) fn days(&self) -> impl Iterator<Item = (DayKey<'a>, DayCounts)> + '_ {
        let entities = [
            // Every request is in some workspace; the one without a name is that of keys without a team.
            ("all", Some("")),
            ("workspace", Some(self.team_id.unwrap_or(""))),
            ("user", self.user_id),
            ("team", self.team_id),
            ("organization", self.organization_id),
            ("end_user", self.end_user),
        ];
        let named = entities.into_iter().filter_map(|(kind, id)| Some((kind, id?)));
        let tagged = self.tags.iter().map(|tag| ("tag", *tag));
        let success = i64::from(self.status == "success");
        let [prompt, completion, read, written] = self.tokens;
        let counts = move |spend: i64| [spend, prompt, completion, read, written, 1, success, 1 - success];
        // What a key of the caller's own was billed stands apart: nobody here spent it.
        let own = self.byok_cost.map(|cost| ("byok", "", counts(cost)));
        let spend = self.spend;
        let all = named.chain(tagged).map(move |(kind, entity)| (kind, entity, counts(spend)));
        let day = self.times.0.div_euclid(DAY);
        all.chain(own).map(move |(kind, entity, counts)| {
            let (key, provider) = (self.api_key.unwrap_or(""), self.provider.unwrap_or(""));
            ((day, [kind, entity, key, self.model, self.model_group, provider, self.call_type]), counts)
        })
    }
}

fn tags(tags: &[&str]) -> Cow<'static, str> {
    match tags {
        [] => "[]".into(),
        tags => serde_json::to_string(tags).map_or("[]".into(), Cow::Owned),
    }
}

/// Microseconds.
const DAY: i64 = 86_400_000_000;

/// The day of a time, `YYYY-MM-DD` in UTC.
pub(crate) fn day(at: i64) -> String {
    let (year, month, day) = switchboard_engine::terms::date(at);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The same of a day since 1970.
fn date_of(number: i64) -> String {
    day(number.saturating_mul(DAY))
}
