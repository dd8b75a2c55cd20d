//! Opening, and coming back.

use sqlx::Row;
use switchboard_store::{Settings, Store, StoreError};

use crate::stores::each;

#[test]
fn what_is_written_is_there_after_the_next_start() {
    each(|store| {
        let sql = store.sql().clone();
        let read = store.thread().block(async move {
            sqlx::query("INSERT INTO marks (name, value) VALUES ($1, $2)").bind("a").bind("b").execute(&sql.writers).await?;
            let row = sqlx::query("SELECT value FROM marks WHERE name = $1").bind("a").fetch_one(&sql.pool).await?;
            Ok(row.try_get::<String, _>(0)?)
        });
        assert_eq!(read.expect("a row"), "b");
        store.migrate().expect("twice is as once");
    });
}

#[test]
fn an_address_that_is_none_is_refused_without_its_secret() {
    let settings = Settings { address: "mysql://user:hush@host/name".to_owned(), connections: 1 };
    let error = Store::open(&settings).expect_err("no address");
    assert!(matches!(&error, StoreError::Address(told) if told == "mysql://…@host/name"), "{error}");
}

#[test]
fn a_database_that_is_away_is_an_outage() {
    let store = Store::open(&Settings { address: "postgresql://nobody@127.0.0.1:1/none".to_owned(), connections: 1 }).expect("an address");
    let error = store.migrate().expect_err("nobody is there");
    assert!(error.is_outage(), "{error:?}");
}
