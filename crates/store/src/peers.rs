//! Reports on deployments, left in Redis for the other gateways.
//!
//! Each gateway has one key, which it writes every second and which dies with it, and a place in one sorted set by the time it last
//! wrote: who is in the set is asked for. An exchange is two round trips.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{AsyncCommands, RedisError};
use serde::{Deserialize, Serialize};
use switchboard_engine::health::Report;
use switchboard_engine::health::peers::{Peers, Told};

use crate::redis::{BadAddress, Redis, Unanswered};

/// Who is there, by the time of their last word.
const SET: &str = "switchboard:peers";
/// How long a gateway is there without a word.
const LIFE: Duration = Duration::from_secs(5);

/// Peers that meet in Redis.
#[derive(Debug)]
pub struct RedisPeers {
    redis: Redis,
    name: String,
}

/// A report as it lies in Redis; what is absent is not written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(default)]
#[derive(Default)]
struct Line {
    id: String,
    #[serde(skip_serializing_if = "is_zero")]
    since: u64,
    #[serde(skip_serializing_if = "is_zero")]
    requests: u64,
    #[serde(skip_serializing_if = "is_zero")]
    tokens: u64,
    #[serde(skip_serializing_if = "is_zero")]
    attempts: u64,
    #[serde(skip_serializing_if = "is_zero")]
    failures: u64,
    #[serde(skip_serializing_if = "is_zero")]
    unanswered: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_content: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_token: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resting_until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limited_until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avoided_until: Option<u64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl RedisPeers {
    /// Peers that meet in the Redis at that address; `name` is this gateway's own and no other's.
    pub fn new(address: &str, name: impl Into<String>) -> Result<Self, BadAddress> {
        Ok(Self { redis: Redis::new(address)?, name: name.into() })
    }

    /// Whether Redis answered when it was last asked.
    pub fn is_up(&self) -> bool {
        self.redis.is_up()
    }

    /// This gateway's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn swap(&self, own: Vec<Report>) -> Result<Vec<Vec<Report>>, Unanswered> {
        let lines: Vec<Line> = own.into_iter().map(Line::from).collect();
        let Ok(text) = serde_json::to_string(&lines) else { return Ok(Vec::new()) };
        let (own, now) = (key(&self.name), unix_millis());
        let life = u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX);
        let names: Vec<String> = self
            .redis
            .with(async |mut connection| {
                let mut pipe = redis::pipe();
                pipe.pset_ex(&own, text, life).ignore();
                pipe.zadd(SET, &self.name, now).ignore();
                pipe.zrembyscore(SET, "-inf", now.saturating_sub(life)).ignore();
                pipe.zrange(SET, 0, -1);
                let (names,): (Vec<String>,) = pipe.query_async(&mut connection).await?;
                Ok::<_, RedisError>(names)
            })
            .await?;
        let others: Vec<String> = names.iter().filter(|name| **name != self.name).map(|name| key(name)).collect();
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let texts: Vec<Option<String>> = self.redis.with(async |mut connection| connection.mget(&others).await).await?;
        Ok(texts.into_iter().flatten().map(|text| read(&text)).collect())
    }
}

impl Peers for RedisPeers {
    fn exchange(&self, own: Vec<Report>) -> Told<'_> {
        Box::pin(async move { self.swap(own).await.map_err(|error| error.to_string()) })
    }
}

fn key(name: &str) -> String {
    format!("switchboard:health:{name}")
}

/// What another gateway wrote; what cannot be read tells nothing.
fn read(text: &str) -> Vec<Report> {
    match serde_json::from_str::<Vec<Line>>(text) {
        Ok(lines) => lines.into_iter().map(Report::from).collect(),
        Err(error) => {
            tracing::warn!(%error, "a report of another gateway cannot be read");
            Vec::new()
        }
    }
}

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl From<Report> for Line {
    fn from(report: Report) -> Self {
        Self {
            id: report.id,
            since: report.since,
            requests: report.requests.into(),
            tokens: report.tokens,
            attempts: report.attempts.into(),
            failures: report.failures.into(),
            unanswered: report.unanswered.into(),
            first_content: report.first_content,
            whole: report.whole,
            per_token: report.per_token,
            resting_until: report.resting_until,
            limited_until: report.limited_until,
            avoided_until: report.avoided_until,
        }
    }
}

impl From<Line> for Report {
    fn from(line: Line) -> Self {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            id: line.id,
            since: line.since,
            requests: small(line.requests),
            tokens: line.tokens,
            attempts: small(line.attempts),
            failures: small(line.failures),
            unanswered: small(line.unanswered),
            first_content: line.first_content,
            whole: line.whole,
            per_token: line.per_token,
            resting_until: line.resting_until,
            limited_until: line.limited_until,
            avoided_until: line.avoided_until,
        }
    }
}
