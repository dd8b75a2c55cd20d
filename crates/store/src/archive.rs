//! Answers that are kept for those who ask again, where other gateways and the next start find them.
//!
//! A slot is claimed before its request is made, so that of several gateways one makes it; a claim that nobody follows up ends by
//! itself. What is written at the end of an answer is handed over and not waited for.

mod sealed;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use redis::{ExistenceCheck, RedisError, Script, SetExpiry, SetOptions, Value};
use sqlx::Row;
use switchboard_engine::book::port::Later;
use switchboard_engine::shelf::{Archive, Claim, Slot};

use crate::error::StoreError;
use crate::open::Store;
use crate::redis::{BadAddress, Redis};
use crate::sql::Sql;
use crate::thread::Thread;
use crate::time::micros;

pub use sealed::SealedArchive;

/// How often what is too old is looked for, in microseconds.
const SWEEP: i64 = 60_000_000;
const OLD: &str = "DELETE FROM kept_answers WHERE until <= $1";
const OLD_ONE: &str = "DELETE FROM kept_answers WHERE name = $1 AND until <= $2";
const TAKE: &str = "INSERT INTO kept_answers (name, request, until) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
const LOOK: &str = "SELECT request, answer FROM kept_answers WHERE name = $1";
const KEEP: &str = "UPDATE kept_answers SET answer = $3, until = $4 WHERE name = $1 AND request = $2";
const RELEASE: &str = "DELETE FROM kept_answers WHERE name = $1 AND request = $2 AND answer IS NULL";

/// In the database.
#[derive(Debug)]
pub struct SqlArchive {
    sql: Sql,
    thread: Arc<Thread>,
    swept: AtomicI64,
}

impl SqlArchive {
    /// In that store.
    pub fn new(store: &Store) -> Self {
        Self { sql: store.sql().clone(), thread: store.thread().clone(), swept: AtomicI64::new(0) }
    }

    /// Does it on the store's thread, and tells only the log how it went.
    fn spawn(&self, work: impl Future<Output = Result<(), StoreError>> + Send + 'static) {
        self.thread.handle().spawn(async move {
            if let Err(error) = work.await {
                tracing::warn!(%error, "an answer could not be kept in the database");
            }
        });
    }
}

impl Archive for SqlArchive {
    fn claim(&self, slot: Slot, time: Duration) -> Later<'_, Result<Claim, String>> {
        let (sql, now) = (self.sql.clone(), micros());
        let last = self.swept.load(Ordering::Relaxed);
        let sweeps = last + SWEEP <= now && self.swept.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        Box::pin(async move {
            let claimed = self.thread.run(async move { claim(&sql, slot, (now, time), sweeps).await });
            claimed.await.map_err(|error| error.to_string())
        })
    }

    fn keep(&self, slot: Slot, answer: bytes::Bytes, time: Duration) {
        let sql = self.sql.clone();
        self.spawn(async move {
            let keep = sqlx::query(KEEP)
                .bind(hex::encode(slot.name))
                .bind(hex::encode(slot.request))
                .bind(answer.to_vec())
                .bind(after(micros(), time));
            keep.execute(&sql.writers).await?;
            Ok(())
        });
    }

    fn release(&self, slot: Slot) {
        let sql = self.sql.clone();
        self.spawn(async move {
            sqlx::query(RELEASE).bind(hex::encode(slot.name)).bind(hex::encode(slot.request)).execute(&sql.writers).await?;
            Ok(())
        });
    }
}

async fn claim(sql: &Sql, slot: Slot, (now, time): (i64, Duration), sweeps: bool) -> Result<Claim, StoreError> {
    let (name, request) = (hex::encode(slot.name), hex::encode(slot.request));
    if sweeps {
        sqlx::query(OLD).bind(now).execute(&sql.writers).await?;
    }
    sqlx::query(OLD_ONE).bind(&name).bind(now).execute(&sql.writers).await?;
    let taken = sqlx::query(TAKE).bind(&name).bind(&request).bind(after(now, time)).execute(&sql.writers).await?;
    if taken.rows_affected() == 1 {
        return Ok(Claim::Taken);
    }
    // Released in between: whoever asks again finds nothing.
    let Some(row) = sqlx::query(LOOK).bind(&name).fetch_optional(&sql.writers).await? else { return Ok(Claim::Running) };
    if row.try_get::<String, _>(0)? != request {
        return Ok(Claim::Other);
    }
    let answer: Option<Vec<u8>> = row.try_get(1)?;
    Ok(answer.map_or(Claim::Running, |answer| Claim::Kept(answer.into())))
}

fn after(now: i64, time: Duration) -> i64 {
    now.saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
}

/// In Redis: the request's digest, and behind it the answer, once there is one.
#[derive(Debug)]
pub struct RedisArchive {
    redis: Arc<Redis>,
    thread: Thread,
}

/// Lets go of a slot that is still only claimed.
const LET_GO: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

impl RedisArchive {
    /// In the Redis at that address; nothing is asked of it yet.
    pub fn new(address: &str) -> Result<Self, BadAddress> {
        let redis = Arc::new(Redis::new(address)?);
        let thread = Thread::start().map_err(|error| BadAddress::thread(&error))?;
        Ok(Self { redis, thread })
    }

    fn spawn<F>(&self, work: impl FnOnce(redis::aio::MultiplexedConnection) -> F + Send + 'static)
    where
        F: Future<Output = Result<(), RedisError>> + Send + 'static,
    {
        let redis = self.redis.clone();
        self.thread.handle().spawn(async move {
            if let Err(error) = redis.with(work).await {
                tracing::warn!(%error, "an answer could not be kept in Redis");
            }
        });
    }
}

impl Archive for RedisArchive {
    fn claim(&self, slot: Slot, time: Duration) -> Later<'_, Result<Claim, String>> {
        let redis = self.redis.clone();
        Box::pin(async move {
            let claimed = self.thread.run(async move { Ok(redis.with(move |connection| claim_in(connection, slot, time)).await) });
            claimed.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
        })
    }

    fn keep(&self, slot: Slot, answer: bytes::Bytes, time: Duration) {
        self.spawn(move |mut connection| async move {
            let value = [&slot.request[..], &answer].concat();
            let options = SetOptions::default().with_expiration(SetExpiry::PX(millis(time)));
            redis::cmd("SET").arg(key(&slot)).arg(value).arg(options).exec_async(&mut connection).await
        });
    }

    fn release(&self, slot: Slot) {
        self.spawn(move |mut connection| async move {
            let script = Script::new(LET_GO);
            script.key(key(&slot)).arg(&slot.request[..]).invoke_async::<()>(&mut connection).await
        });
    }
}

async fn claim_in(mut connection: redis::aio::MultiplexedConnection, slot: Slot, time: Duration) -> Result<Claim, RedisError> {
    let options = SetOptions::default().conditional_set(ExistenceCheck::NX).with_expiration(SetExpiry::PX(millis(time)));
    let set: Value = redis::cmd("SET").arg(key(&slot)).arg(&slot.request[..]).arg(options).query_async(&mut connection).await?;
    if set != Value::Nil {
        return Ok(Claim::Taken);
    }
    let found: Option<Vec<u8>> = redis::cmd("GET").arg(key(&slot)).query_async(&mut connection).await?;
    let Some(found) = found else { return Ok(Claim::Running) };
    Ok(match found.strip_prefix(&slot.request[..]) {
        None => Claim::Other,
        Some([]) => Claim::Running,
        Some(answer) => Claim::Kept(answer.to_vec().into()),
    })
}

fn key(slot: &Slot) -> String {
    format!("switchboard:answer:{}", hex::encode(slot.name))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
