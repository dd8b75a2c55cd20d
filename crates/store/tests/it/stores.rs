//! A database for each test.

use switchboard_store::{Settings, Store};

/// Empty databases, one of each kind there is here.
pub(crate) fn each(test: impl Fn(&Store)) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = Settings { address: format!("sqlite:{}", folder.path().join("switchboard.db").display()), connections: 4 };
    run(&file, &test);
    match std::env::var("TEST_DATABASE_URL") {
        Ok(address) => run(&Settings { address: schema(&address), connections: 4 }, &test),
        Err(_) => println!("skipped on PostgreSQL: TEST_DATABASE_URL is not set"),
    }
}

/// Settings of an empty PostgreSQL database, where there is one.
pub(crate) fn postgres() -> Option<Settings> {
    match std::env::var("TEST_DATABASE_URL") {
        Ok(address) => Some(Settings { address: schema(&address), connections: 4 }),
        Err(_) => {
            println!("skipped on PostgreSQL: TEST_DATABASE_URL is not set");
            None
        }
    }
}

fn run(settings: &Settings, test: &impl Fn(&Store)) {
    let store = Store::open(settings).expect("an address");
    store.migrate().expect("a database");
    test(&store);
    store.close();
}

/// The same server with a schema of the test's own, so that tests run beside each other.
fn schema(address: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("t{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
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
