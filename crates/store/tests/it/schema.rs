//! A schema of a test's own on a PostgreSQL that tests share. Other crates' tests and benches take this file in by its path.

use std::sync::atomic::{AtomicU32, Ordering};

use switchboard_store::{Settings, Store, micros};

/// The same server with a new schema, so that tests run beside each other.
pub(crate) fn own(address: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("t{}_{}_{}", std::process::id(), micros(), NEXT.fetch_add(1, Ordering::Relaxed));
    let store = Store::open(&Settings { address: address.to_owned(), connections: 1 }).expect("an address");
    let (sql, made) = (store.sql().clone(), format!("CREATE SCHEMA {name}"));
    let done = store.thread().block(async move {
        sqlx::query(sqlx::AssertSqlSafe(made)).execute(&sql.writers).await?;
        Ok(())
    });
    done.expect("a schema");
    store.close();
    let joined = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joined}options=-c%20search_path%3D{name}")
}
