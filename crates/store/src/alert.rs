//! Which alerts have been told, so that of several gateways, and after a restart, one tells each of them once.

use switchboard_engine::clock::Micros;

use crate::error::StoreError;
use crate::object::{Key, Object};
use crate::open::Store;

const CLAIM: &str = "INSERT INTO told_alerts (name, told_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
const WITHDRAW: &str = "DELETE FROM told_alerts WHERE name = $1";
const FORGET: &str = "DELETE FROM told_alerts WHERE told_at < $1";
const EXPIRING: &str = "SELECT document FROM objects WHERE kind = $1 AND expires_at IS NOT NULL AND expires_at > $2 AND expires_at <= $3 ORDER BY expires_at LIMIT 1000";

/// Claims the telling of that alert. `false`: somebody else has told it.
pub async fn claim(store: &Store, name: String, now: Micros) -> Result<bool, StoreError> {
    let pool = store.sql().writers.clone();
    let claim = async move { Ok(sqlx::query(CLAIM).bind(name).bind(now).execute(&pool).await?.rows_affected() > 0) };
    store.thread().run(claim).await
}

/// It could not be told: another gateway may.
pub async fn withdraw(store: &Store, name: String) -> Result<(), StoreError> {
    let pool = store.sql().writers.clone();
    let statement = async move {
        sqlx::query(WITHDRAW).bind(name).execute(&pool).await?;
        Ok(())
    };
    store.thread().run(statement).await
}

/// What was told before that time need no longer be known.
pub async fn forget(store: &Store, before: Micros) -> Result<(), StoreError> {
    let pool = store.sql().writers.clone();
    let statement = async move {
        sqlx::query(FORGET).bind(before).execute(&pool).await?;
        Ok(())
    };
    store.thread().run(statement).await
}

/// The keys that expire after the one time and not after the other, the first first; a thousand at most.
pub async fn expiring(store: &Store, after: Micros, until: Micros) -> Result<Vec<Key>, StoreError> {
    use sqlx::Row;
    let pool = store.sql().pool.clone();
    let read = async move {
        let rows = sqlx::query(EXPIRING).bind(Key::KIND).bind(after).bind(until).fetch_all(&pool).await?;
        let key = |row: &sqlx::any::AnyRow| Ok::<_, StoreError>(serde_json::from_str::<Key>(row.try_get::<&str, _>(0)?).ok());
        Ok(rows.iter().map(key).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    };
    store.thread().run(read).await
}
