//! The request log by sessions: what a client did under one name, with one key. A request without a session is one of its own.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row};

use super::{LineSort, Lines, line, word};
use crate::desk::Order;
use crate::error::StoreError;
use crate::ledger::LogLine;
use crate::open::Store;

macro_rules! latest {
    () => {
        concat!(
            ", ROW_NUMBER() OVER (PARTITION BY COALESCE(NULLIF(session_id, ''), request_id), COALESCE(api_key, '') \
             ORDER BY started_at DESC, request_id DESC) AS place",
            condition!()
        )
    };
}

/// The latest line of each session.
const SELECT: &str = concat!("SELECT ", columns!(), " FROM (SELECT ", columns!(), latest!(), ") AS placed WHERE place = 1");
const COUNT: &str = concat!("SELECT COUNT(*) FROM (SELECT status", latest!(), ") AS placed WHERE place = 1");
const TOTALS: &str = "SELECT session_id, COALESCE(api_key, ''), COUNT(*), CAST(SUM(spend) AS BIGINT), \
     CAST(SUM((ended_at - started_at) / 1000) AS BIGINT), CAST(SUM(prompt_tokens) AS BIGINT), CAST(SUM(completion_tokens) AS BIGINT) \
     FROM spend_logs";
const MODELS: &str = "SELECT DISTINCT session_id, COALESCE(api_key, ''), model FROM spend_logs";
const OF: &str = " WHERE session_id IS NOT NULL AND session_id IN (SELECT value FROM json_each($1)) AND COALESCE(api_key, '') IN (SELECT value FROM json_each($2)) \
     AND ($3 = 0 OR user_id = $4 OR api_key = $5)";
const OF_POSTGRES: &str = " WHERE session_id IS NOT NULL AND session_id IN (SELECT json_array_elements_text($1::json)) AND COALESCE(api_key, '') IN \
     (SELECT json_array_elements_text($2::json)) AND ($3 = 0 OR user_id = $4 OR api_key = $5)";

/// All that was done in a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// How many requests.
    pub requests: i64,
    /// What they cost, in billionths of a dollar.
    pub spend: i64,
    /// How long they took together.
    pub milliseconds: i64,
    /// Tokens of prompts.
    pub prompt_tokens: i64,
    /// Tokens of answers.
    pub completion_tokens: i64,
    /// The models that answered.
    pub models: Vec<String>,
}

/// Sessions by their name and the key.
pub type Sessions = HashMap<(String, String), Session>;

/// One line of each session that has such lines: the latest of them; where a status is wanted, those whose latest has it.
pub async fn sessions(
    store: &Store,
    mut wanted: Lines,
    sort: (LineSort, Order),
    (limit, offset): (i64, i64),
) -> Result<Vec<LogLine>, StoreError> {
    let (by, order, status) = (sort.0.column(), word(sort.1), wanted.status.take());
    let text = format!("{SELECT} AND ($18 IS NULL OR status = $18) ORDER BY {by} {order}, request_id {order} LIMIT $19 OFFSET $20");
    let pool = store.sql().pool.clone();
    let query = async move {
        let query = wanted.bind(sqlx::query(AssertSqlSafe(text))).bind(status).bind(limit).bind(offset);
        query.fetch_all(&pool).await?.iter().map(line).collect()
    };
    store.thread().run(query).await
}

/// How many sessions there are.
pub async fn count_sessions(store: &Store, mut wanted: Lines) -> Result<i64, StoreError> {
    let (pool, status) = (store.sql().pool.clone(), wanted.status.take());
    let text = format!("{COUNT} AND ($18 IS NULL OR status = $18)");
    let query = async move { Ok(wanted.bind(sqlx::query(AssertSqlSafe(text))).bind(status).fetch_one(&pool).await?.try_get(0)?) };
    store.thread().run(query).await
}

/// What was done in the sessions of those lines, by the same keys; `own` is whose requests alone may be told of.
pub async fn totals(store: &Store, lines: &[LogLine], own: Option<(Option<String>, Option<String>)>) -> Result<Sessions, StoreError> {
    let list = |values: Vec<&str>| serde_json::Value::from(values).to_string();
    let named: Vec<&LogLine> = lines.iter().filter(|line| line.session_id.as_ref().is_some_and(|id| !id.is_empty())).collect();
    if named.is_empty() {
        return Ok(Sessions::new());
    }
    let names = list(named.iter().filter_map(|line| line.session_id.as_deref()).collect());
    let keys = list(named.iter().map(|line| line.api_key.as_deref().unwrap_or_default()).collect());
    let (is_own, (user, key)) = (i64::from(own.is_some()), own.unwrap_or_default());
    let of = store.sql().either(OF, OF_POSTGRES);
    let (totals, models) = (format!("{TOTALS}{of} GROUP BY session_id, COALESCE(api_key, '')"), format!("{MODELS}{of} ORDER BY model"));
    let pool = store.sql().pool.clone();
    let query = async move {
        let asked = |text: String| {
            let query = sqlx::query(AssertSqlSafe(text)).bind(names.clone()).bind(keys.clone());
            query.bind(is_own).bind(user.clone()).bind(key.clone())
        };
        let mut sessions = Sessions::new();
        for row in asked(totals).fetch_all(&pool).await? {
            let session = Session {
                requests: row.try_get(2)?,
                spend: row.try_get(3)?,
                milliseconds: row.try_get(4)?,
                prompt_tokens: row.try_get(5)?,
                completion_tokens: row.try_get(6)?,
                models: Vec::new(),
            };
            sessions.insert((row.try_get(0)?, row.try_get(1)?), session);
        }
        for row in asked(models).fetch_all(&pool).await? {
            if let Some(session) = sessions.get_mut(&(row.try_get(0)?, row.try_get(1)?)) {
                session.models.push(row.try_get(2)?);
            }
        }
        Ok(sessions)
    };
    store.thread().run(query).await
}
