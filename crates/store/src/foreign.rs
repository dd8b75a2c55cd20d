//! Reading a PostgreSQL database that another program made.
//!
//! Rows come as JSON, whatever their columns' types are; nothing is written there.

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Row};

use crate::error::StoreError;
use crate::open::{Settings, Store};
use crate::sql::Kind;

/// Somebody else's database.
#[derive(Debug)]
pub struct Foreign {
    store: Store,
    schema: String,
}

const TABLES: &str = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1 AND table_type = 'BASE TABLE'";

impl Foreign {
    /// The tables of a schema at that address.
    pub fn open(address: &str, schema: &str) -> Result<Self, StoreError> {
        let store = Store::open(&Settings { address: address.to_owned(), connections: 1 })?;
        match store.sql().kind {
            Kind::Postgres => Ok(Self { store, schema: schema.to_owned() }),
            Kind::Sqlite => {
                store.close();
                Err(StoreError::Address("expected the address of a PostgreSQL database".to_owned()))
            }
        }
    }

    /// The names of its tables.
    pub fn tables(&self) -> Result<Vec<String>, StoreError> {
        let (sql, schema) = (self.store.sql().clone(), self.schema.clone());
        self.store.thread().block(async move {
            let rows = sqlx::query(TABLES).bind(schema).fetch_all(&sql.pool).await?;
            Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
        })
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> Result<i64, StoreError> {
        let (sql, text) = (self.store.sql().clone(), format!("SELECT COUNT(*) FROM {}", self.named(table)));
        self.store.thread().block(async move { Ok(sqlx::query(AssertSqlSafe(text)).fetch_one(&sql.pool).await?.try_get(0)?) })
    }

    /// Every row of a table.
    pub fn rows(&self, table: &str) -> Result<Vec<Map<String, Value>>, StoreError> {
        let (sql, text) = (self.store.sql().clone(), format!("SELECT row_to_json(one)::text FROM {} one", self.named(table)));
        self.store.thread().block(async move {
            let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(&sql.pool).await?;
            let mut read = Vec::with_capacity(rows.len());
            for row in rows {
                let text: String = row.try_get(0)?;
                let unreadable =
                    |error: serde_json::Error| StoreError::Unreadable { what: "row of another database", source: error.into() };
                read.push(serde_json::from_str(&text).map_err(unreadable)?);
            }
            Ok(read)
        })
    }

    /// Closes it.
    pub fn close(&self) {
        self.store.close();
    }

    fn named(&self, table: &str) -> String {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        format!("{}.{}", quoted(&self.schema), quoted(table))
    }
}
