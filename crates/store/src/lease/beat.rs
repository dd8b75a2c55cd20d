//! Gateways say that they live, and bury those that do not say so any more.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sqlx::{Any, Row, Transaction};
use switchboard_engine::apart;
use switchboard_engine::book::port::Authority;

use super::{Lessor, release};
use crate::error::StoreError;
use crate::open::Store;
use crate::sql::Sql;

/// How often a gateway says that it lives.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a gateway that says nothing keeps its leases.
pub const EXPIRY: Duration = Duration::from_secs(30);
/// How often what is not used goes back, and the dead are looked for.
const SWEEP: Duration = Duration::from_secs(5);

const NOW_SQLITE: &str = "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)";
const NOW_POSTGRES: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
const BEAT: &str = "UPDATE gateways SET beat_at = $2 WHERE instance = $1";
const ENTER: &str =
    "INSERT INTO gateways (instance, beat_at) VALUES ($1, $2) ON CONFLICT (instance) DO UPDATE SET beat_at = excluded.beat_at";
const DEAD: &str = "SELECT instance FROM gateways WHERE beat_at < $1 ORDER BY instance";
const BURY: &str = "DELETE FROM gateways WHERE instance = $1 AND beat_at < $2";
const PRESENT: &str = "SELECT COUNT(*), COUNT(CASE WHEN instance < $1 THEN 1 END) FROM gateways WHERE beat_at >= $2";

/// The gateways that share a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// How many the database has heard of lately; none before it was asked.
    pub gateways: u64,
    /// Which of them this one is, from 0.
    pub rank: u64,
}

pub(super) async fn keep_on(lessor: Weak<Lessor>) {
    while apart::work("leases", keep(lessor.clone())).await.is_none() {
        tokio::time::sleep(apart::PAUSE).await;
    }
}

/// Beats, gives back what is idle, and buries the dead.
async fn keep(lessor: Weak<Lessor>) {
    let mut since_beat = HEARTBEAT;
    let mut reachable_since: Option<Instant> = None;
    loop {
        {
            let Some(lessor) = lessor.upgrade().filter(|lessor| lessor.alive.load(Ordering::Acquire)) else { return };
            if since_beat >= HEARTBEAT || reachable_since.is_none() {
                match lessor.beat().await {
                    Ok(()) => {
                        reachable_since.get_or_insert_with(Instant::now);
                        since_beat = Duration::ZERO;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the database does not hear this gateway; its leases will end");
                        reachable_since = None;
                    }
                }
            }
            if reachable_since.is_some() {
                match count(&lessor.sql, &lessor.instance).await {
                    Ok(present) => drop(lessor.present.send_replace(present)),
                    Err(error) => tracing::debug!(%error, "who else is there cannot be asked"),
                }
                lessor.book.idle().into_iter().for_each(|(slot, amount)| lessor.give_back(slot, amount));
            }
            // Who has been away itself does not know who else has.
            if reachable_since.is_some_and(|since| since.elapsed() >= EXPIRY)
                && let Err(error) = bury(&lessor.sql).await
            {
                tracing::warn!(%error, "the leases of gateways that are gone stay for now");
            }
        }
        tokio::time::sleep(SWEEP).await;
        since_beat += SWEEP;
    }
}

/// The database hears of the gateway. Whether it knew it still.
pub(super) async fn beat(sql: &Sql, instance: &str) -> Result<bool, StoreError> {
    let mut on = sql.writers.begin().await?;
    let now = now(sql, &mut on).await?;
    let known = sqlx::query(BEAT).bind(instance).bind(now).execute(&mut *on).await?.rows_affected() > 0;
    if !known {
        sqlx::query(ENTER).bind(instance).bind(now).execute(&mut *on).await?;
    }
    on.commit().await?;
    Ok(known)
}

/// Who is there now.
async fn count(sql: &Sql, instance: &str) -> Result<Present, StoreError> {
    let mut on = sql.pool.begin().await?;
    let since = now(sql, &mut on).await? - micros(EXPIRY);
    let row = sqlx::query(PRESENT).bind(instance).bind(since).fetch_one(&mut *on).await?;
    let number = |at| Ok::<_, sqlx::Error>(u64::try_from(row.try_get::<i64, _>(at)?).unwrap_or(0));
    Ok(Present { gateways: number(0)?, rank: number(1)? })
}

/// What time it is by the database's clock: those of its gateways may differ.
pub fn time_blocking(store: &Store) -> Result<i64, StoreError> {
    let sql = store.sql().clone();
    store.thread().block(async move {
        let mut on = sql.pool.begin().await?;
        now(&sql, &mut on).await
    })
}

async fn now(sql: &Sql, on: &mut Transaction<'_, Any>) -> Result<i64, StoreError> {
    let now = sqlx::query(sqlx::AssertSqlSafe(sql.either(NOW_SQLITE, NOW_POSTGRES))).fetch_one(&mut **on).await?;
    Ok(now.try_get(0)?)
}

/// Gives back what gateways hold that are gone: those the database has not heard of for [`EXPIRY`].
pub async fn bury(sql: &Sql) -> Result<(), StoreError> {
    let mut on = sql.writers.begin().await?;
    let before = now(sql, &mut on).await? - micros(EXPIRY);
    let dead: Vec<String> =
        sqlx::query(DEAD).bind(before).fetch_all(&mut *on).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    for instance in dead {
        // It may have come back in between.
        if sqlx::query(BURY).bind(instance.clone()).bind(before).execute(&mut *on).await?.rows_affected() > 0 {
            release(sql, &mut on, &instance).await?;
        }
    }
    Ok(on.commit().await?)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
