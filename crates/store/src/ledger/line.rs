//! The line of a request in the log.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::rows::{Cell, Insert};

/// One request, as LiteLLM's spend logs have it. Times are microseconds since 1970, money is nano-dollars.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct LogLine<M = Map<String, Value>> {
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
    /// Of the prompt: read from a cache.
    pub cache_read_tokens: i64,
    /// Of the prompt: written to a cache.
    pub cache_write_tokens: i64,
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
    /// The model asked for.
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
    /// Everything else, as JSON.
    pub metadata: M,
    /// Its part in an experiment. Counted when the line is added; what is shown of it stands in the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// What it would have cost elsewhere; the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saving: Option<Saving>,
    /// What keys of the caller's own were billed for it, in nano-dollars; the same.
    #[serde(skip_serializing_if = "Option::is_none")]
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

/// A line on its way from the journal to the database: what has no column is not looked into.
pub(crate) type Passing = LogLine<Box<RawValue>>;

pub(super) const LOGS: Insert = Insert {
    head: "INSERT INTO spend_logs (request_id, call_type, status, spend, prompt_tokens, completion_tokens, started_at, ended_at, first_content_at, api_key, model, model_id, model_group, provider, api_base, user_id, team_id, organization_id, project_id, end_user, tags, session_id, metadata, answer_id)",
    width: 24,
    tail: "ON CONFLICT (request_id) DO NOTHING RETURNING request_id",
};

pub(super) const DAILY: Insert = Insert {
    head: "INSERT INTO daily_spend (day, entity_type, entity, api_key, model, model_group, provider, endpoint, spend, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, requests, succeeded, failed)",
    width: 16,
    tail: "ON CONFLICT (day, entity_type, entity, api_key, model, model_group, provider, endpoint) DO UPDATE SET spend = daily_spend.spend + excluded.spend, prompt_tokens = daily_spend.prompt_tokens + excluded.prompt_tokens, completion_tokens = daily_spend.completion_tokens + excluded.completion_tokens, cache_read_tokens = daily_spend.cache_read_tokens + excluded.cache_read_tokens, cache_write_tokens = daily_spend.cache_write_tokens + excluded.cache_write_tokens, requests = daily_spend.requests + excluded.requests, succeeded = daily_spend.succeeded + excluded.succeeded, failed = daily_spend.failed + excluded.failed",
};

/// What a day's counter is kept by.
pub(super) type DayKey = [String; 8];

/// A day's counters: spend, four kinds of tokens, requests, those that succeeded, those that failed.
pub(super) type DayCounts = [i64; 8];

impl Passing {
    pub(super) fn cells(&self) -> Vec<Cell> {
        vec![
            self.request_id.clone().into(),
            self.call_type.clone().into(),
            self.status.clone().into(),
            self.spend.into(),
            self.prompt_tokens.into(),
            self.completion_tokens.into(),
            self.started_at.into(),
            self.ended_at.into(),
            self.first_content_at.into(),
            self.api_key.clone().into(),
            self.model.clone().into(),
            self.model_id.clone().into(),
            self.model_group.clone().into(),
            self.provider.clone().into(),
            self.api_base.clone().into(),
            self.user_id.clone().into(),
            self.team_id.clone().into(),
            self.organization_id.clone().into(),
            self.project_id.clone().into(),
            self.end_user.clone().into(),
            tags(&self.tags).into(),
            self.session_id.clone().into(),
            self.metadata.get().into(),
            self.answer_id.clone().into(),
        ]
    }
}

impl<M> LogLine<M> {
    /// The days' counters it adds to.
    pub(super) fn days(&self) -> impl Iterator<Item = (DayKey, DayCounts)> + '_ {
        let entities = [
            ("user", self.user_id.as_deref()),
            ("team", self.team_id.as_deref()),
            ("organization", self.organization_id.as_deref()),
            ("end_user", self.end_user.as_deref()),
        ];
        let named = entities.into_iter().filter_map(|(kind, id)| Some((kind, id?)));
        let tagged = self.tags.iter().map(|tag| ("tag", tag.as_str()));
        let success = i64::from(self.status == "success");
        let counts = [
            self.spend,
            self.prompt_tokens,
            self.completion_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
            1,
            success,
            1 - success,
        ];
        let day = day(self.started_at);
        // Every request is in some workspace; the one without a name is that of keys without a team.
        let workspace = ("workspace", self.team_id.as_deref().unwrap_or(""));
        // What a key of the caller's own was billed stands apart: nobody here spent it.
        let own = self.byok_cost.map(|cost| ("byok", "", [cost, counts[1], counts[2], counts[3], counts[4], 1, success, 1 - success]));
        let all = [("all", ""), workspace].into_iter().chain(named).chain(tagged).map(move |(kind, entity)| (kind, entity, counts));
        all.chain(own).map(move |(kind, entity, counts)| {
            let text = |part: Option<&str>| part.unwrap_or("").to_owned();
            let key = [
                day.clone(),
                kind.to_owned(),
                entity.to_owned(),
                text(self.api_key.as_deref()),
                self.model.clone(),
                self.model_group.clone(),
                text(self.provider.as_deref()),
                self.call_type.clone(),
            ];
            (key, counts)
        })
    }
}

fn tags(tags: &[String]) -> String {
    match tags {
        [] => "[]".to_owned(),
        tags => serde_json::to_string(tags).unwrap_or_else(|_| "[]".to_owned()),
    }
}

/// The day of a time, `YYYY-MM-DD` in UTC.
pub(crate) fn day(at: i64) -> String {
    let (year, month, day) = switchboard_engine::admit::date(at);
    format!("{year:04}-{month:02}-{day:02}")
}
