//! How long the lines of the log stay, and which there are at all. The days' counters and the ledger stay in any case.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::StoreError;
use crate::line::Passing;
use crate::open::Store;
use crate::sql::{Kind, Sql};

/// Which requests have lines in the log, for whoever carries them there.
#[derive(Debug, Default)]
pub struct Lines(AtomicU8);

const NONE: u8 = 1;
const NO_FAILURES: u8 = 2;

impl Lines {
    /// Keeps those of requests, and those of requests that failed, from now on.
    pub fn keep(&self, requests: bool, failures: bool) {
        let rule = if requests { 0 } else { NONE } | if failures { 0 } else { NO_FAILURES };
        self.0.store(rule, Ordering::Relaxed);
    }

    pub(crate) fn rule(&self) -> Rule {
        Rule(self.0.load(Ordering::Relaxed))
    }
}

/// Which lines are kept at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rule(u8);

impl Rule {
    pub(super) fn keeps_all(self) -> bool {
        self.0 == 0
    }

    pub(super) fn keeps(self, line: &Passing<'_>) -> bool {
        self.0 & NONE == 0 && (self.0 & NO_FAILURES == 0 || line.status != "failure")
    }
}

/// So many at a time: a statement that is over soon, whatever there is to be deleted.
pub const BATCH: i64 = 1000;

const DELETE: &str =
    "DELETE FROM spend_logs WHERE request_id IN (SELECT request_id FROM spend_logs WHERE started_at < $1 ORDER BY started_at LIMIT $2)";
/// One gateway at a time; whoever else comes finds it done.
const ALONE: &str = "SELECT CASE WHEN pg_try_advisory_xact_lock(728394655, hashtext(CAST(current_schema() AS TEXT))) THEN 1 ELSE 0 END";

/// Deletes the oldest lines from before that time, at most [`BATCH`] of them; how many. `None`: another gateway is about it.
pub async fn delete_lines(store: &Store, before: i64) -> Result<Option<u64>, StoreError> {
    let sql = store.sql().clone();
    store.thread().run(async move { delete(&sql, before).await }).await
}

async fn delete(sql: &Sql, before: i64) -> Result<Option<u64>, StoreError> {
    let mut on = sql.writers.begin().await?;
    if sql.kind == Kind::Postgres {
        let mine: i32 = sqlx::query_scalar(ALONE).fetch_one(&mut *on).await?;
        if mine == 0 {
            return Ok(None);
        }
    }
    let deleted = sqlx::query(DELETE).bind(before).bind(BATCH).execute(&mut *on).await?.rows_affected();
    on.commit().await?;
    Ok(Some(deleted))
}
