//! Hearing what other gateways write.
//!
//! A task on the store's thread reads the number of the last change twice a second and, where it grew, what changed. Changes are
//! numbered in the order in which they are committed, so what was read once need not be read again.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::Row;
use switchboard_engine::{apart, failpoint};

use crate::change::{Action, Change};
use crate::error::StoreError;
use crate::heard::Heard;
use crate::open::Store;
use crate::sql::{Kind, Sql};
use crate::time::micros;

/// How often it is read whether something changed.
const PATIENCE: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_millis(500);
/// How long a start waits for a server.
const FIRST: Duration = Duration::from_secs(2);
/// A database that has not answered for so long is away.
const LATELY: Duration = Duration::from_secs(5);
/// How long changes are kept for other gateways.
const KEPT: i64 = 3_600_000_000;
/// How often old ones are removed, in readings.
const TIDY: u64 = 1200;

const LAST_SQLITE: &str = "SELECT seq, 0 FROM change_counter WHERE one = 1";
const LAST_POSTGRES: &str = "SELECT seq, CAST(CASE WHEN current_setting('transaction_read_only') = 'on' THEN 1 ELSE 0 END AS BIGINT) FROM change_counter WHERE one = 1";
const SINCE: &str = "SELECT seq, kind, id FROM changes WHERE seq > $1 ORDER BY seq";
const OLDEST: &str = "SELECT COALESCE(MIN(seq), 0) FROM changes";
const PRUNE: &str = "DELETE FROM changes WHERE changed_at < $1";

/// How a database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// As it should.
    Whole,
    /// It is a standby: what it has can be read.
    ReadOnly,
    /// Not at all.
    Silent,
}

impl Store {
    /// Brings the database to the form this gateway expects and, from then on, hears what others write. Where the database is
    /// away, it is tried again until it is there; anything else is told at once.
    pub fn follow(&self) -> Result<(), StoreError> {
        let migrated = match self.meet().and_then(|()| self.migrate()) {
            Ok(()) => true,
            Err(error) if error.is_outage() => {
                tracing::warn!(%error, "the gateway starts without its database, and goes on trying");
                self.thread().away().store(true, Ordering::Release);
                false
            }
            Err(error) => return Err(error),
        };
        let store = self.clone_for_task();
        self.thread().handle().spawn(async move {
            while apart::work("following", run(&store, migrated)).await.is_none() {
                tokio::time::sleep(apart::PAUSE).await;
            }
        });
        Ok(())
    }

    /// Waits for a server, no longer than a start may take.
    fn meet(&self) -> Result<(), StoreError> {
        let sql = self.sql().clone();
        if sql.kind == Kind::Sqlite {
            return Ok(());
        }
        self.thread().block(async move {
            let met = tokio::time::timeout(FIRST, sql.pool.acquire()).await;
            Ok(met.map_err(|_| StoreError::Silent)?.map(drop)?)
        })
    }

    /// How long ago the database last answered.
    pub fn silence(&self) -> Duration {
        let since = micros().saturating_sub(self.heard().at.load(Ordering::Relaxed));
        Duration::from_micros(u64::try_from(since).unwrap_or_default())
    }

    /// How the database answers.
    pub fn reach(&self) -> Reach {
        match self.heard().read_only.load(Ordering::Acquire) {
            _ if self.silence() > LATELY || self.heard().seq.load(Ordering::Acquire) < 0 => Reach::Silent,
            true => Reach::ReadOnly,
            false => Reach::Whole,
        }
    }
}

/// Ends with the store's thread, to which it belongs.
async fn run(store: &crate::open::Ties, mut migrated: bool) {
    let mut rounds: u64 = 0;
    loop {
        if !migrated {
            match crate::migrate::migrate(&store.sql, micros()).await {
                Ok(()) => {
                    migrated = true;
                    store.away.store(false, Ordering::Release);
                }
                Err(error) => tracing::debug!(%error, "the database is still away"),
            }
        }
        // A connection of which nothing is heard must not keep this from trying another one.
        if migrated && let Err(error) = tokio::time::timeout(PATIENCE, read(store)).await.unwrap_or(Err(StoreError::Silent)) {
            tracing::debug!(%error, "changes cannot be read");
        }
        failpoint::hit("following");
        rounds += 1;
        if rounds.is_multiple_of(TIDY)
            && let Err(error) = sqlx::query(PRUNE).bind(micros().saturating_sub(KEPT)).execute(&store.sql.writers).await
        {
            tracing::debug!(%error, "old changes cannot be removed");
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn read(store: &crate::open::Ties) -> Result<(), StoreError> {
    let heard: &Heard = &store.heard;
    let (last, is_read_only) = last(&store.sql).await?;
    heard.read_only.store(is_read_only, Ordering::Release);
    let before = heard.seq.swap(last, Ordering::AcqRel);
    heard.at.store(micros(), Ordering::Release);
    if before < 0 {
        // What was read before this may have changed since.
        store.listeners.tell(&[everything(last)]);
        return Ok(());
    }
    if last <= before {
        return Ok(());
    }
    let rows = sqlx::query(SINCE).bind(before).fetch_all(&store.sql.pool).await?;
    let own = std::mem::take(&mut *heard.own.lock().unwrap_or_else(PoisonError::into_inner));
    let mut changes = Vec::new();
    for row in &rows {
        let (seq, kind, id) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if !own.contains(&seq) {
            changes.push(Change { seq, action: Action::Updated, kind, id, actor: None, before: None, after: None });
        }
    }
    // What is not yet committed for this reader is heard of next time.
    heard.own.lock().unwrap_or_else(PoisonError::into_inner).extend(own.into_iter().filter(|seq| *seq > last));
    let oldest: i64 = sqlx::query(OLDEST).fetch_one(&store.sql.pool).await?.try_get(0)?;
    if oldest > before + 1 && rows.is_empty() {
        // More was missed than is kept: everything may have changed.
        changes.push(everything(last));
    }
    if !changes.is_empty() {
        store.listeners.tell(&changes);
    }
    Ok(())
}

/// The number of the last change, and whether whoever told it is a standby, which is not to be written.
async fn last(sql: &Sql) -> Result<(i64, bool), StoreError> {
    let mut on = sql.pool.acquire().await?;
    let row = sqlx::query(sqlx::AssertSqlSafe(sql.either(LAST_SQLITE, LAST_POSTGRES))).fetch_one(&mut *on).await?;
    let is_read_only = row.try_get::<i64, _>(1)? != 0;
    if is_read_only {
        // The next connection may find who has taken its place.
        on.close().await?;
    }
    Ok((row.try_get(0)?, is_read_only))
}

fn everything(seq: i64) -> Change {
    Change { seq, action: Action::Updated, kind: "*".to_owned(), id: String::new(), actor: None, before: None, after: None }
}
