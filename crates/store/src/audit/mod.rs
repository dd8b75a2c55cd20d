//! What administrators did, and what they were refused.
//!
//! The log is a chain: each row carries a keyed hash over itself and over the row before. Whoever can write to the database but
//! lacks the key can neither change a row nor leave one out, put one in or change the order without [`Audit::verify`] saying so.
//! That the end is cut off shows only beside a *head* that was kept elsewhere: the gateway writes the head to its own log, and
//! `verify` takes one. Rows are written by the [`chain`](crate::chain).

mod query;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use ring::hmac::{self, HMAC_SHA256};
use sqlx::Row;

pub use query::{Filter, Order, Page, SortBy};
pub use verify::{Fault, Verdict};

use crate::chain::{Chain, Entry, LAST, Record};
use crate::error::StoreError;
use crate::open::Store;
use crate::sql::Sql;
use crate::vault::{Vault, VaultError};

/// Where the chain ends: enough to notice later that something was cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The place of the last row; 0 for none.
    pub seq: i64,
    /// Its hash, in hex.
    pub mac: String,
}

impl std::fmt::Display for Head {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}", self.seq, self.mac)
    }
}

impl std::str::FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (seq, mac) = text.trim().split_once(':').ok_or("a head is written `NUMBER:HASH`, as the gateway logs it")?;
        let seq = seq.parse().map_err(|_| "a head begins with a number")?;
        let good = (seq == 0 && mac.is_empty()) || (mac.len() == 64 && mac.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if good { Ok(Self { seq, mac: mac.to_ascii_lowercase() }) } else { Err("a head ends with 64 hexadecimal digits") }
    }
}

/// The log of a database.
#[derive(Clone)]
pub struct Audit {
    store: Store,
    chain: Arc<Chain>,
}

impl Audit {
    /// The log of the vault's database. From now on every change of an object is written down in the transaction that makes it.
    pub async fn open(store: &Store, vault: &Vault) -> Result<Self, VaultError> {
        let bind = vault.purpose_key("audit chain").await?;
        let conceal = vault.purpose_key("audit concealment").await?;
        let key = |bytes: &[u8; 32]| hmac::Key::new(HMAC_SHA256, bytes);
        let chain = Arc::new(Chain { kind: store.sql().kind, bind: key(&bind), conceal: key(&conceal) });
        store.witness(chain.clone());
        Ok(Self { store: store.clone(), chain })
    }

    /// Writes a deed down. The deed itself is not to happen when this fails.
    pub async fn append(&self, entry: Entry) -> Result<Record, StoreError> {
        let (sql, chain) = (self.store.sql().clone(), self.chain.clone());
        let work = async move {
            let mut transaction = sql.writers.begin().await?;
            let record = chain.append(&mut transaction, entry).await?;
            transaction.commit().await?;
            Ok(record)
        };
        self.store.thread().run(work).await
    }

    /// Where the chain ends now.
    pub async fn head(&self) -> Result<Head, StoreError> {
        let sql = self.store.sql().clone();
        self.store.thread().run(async move { Head::read(&sql).await }).await
    }
}

impl Head {
    async fn read(sql: &Sql) -> Result<Self, StoreError> {
        let Some(row) = sqlx::query(LAST).fetch_optional(&sql.pool).await? else { return Ok(Head::default()) };
        Ok(Self { seq: row.try_get(0)?, mac: hex::encode(&row.try_get::<Vec<u8>, _>(1)?) })
    }
}

impl Store {
    /// Tells where the chain ends, as often as that, whenever it grew. What is told is to be kept where whoever writes to the
    /// database cannot write.
    pub fn announce(&self, every: Duration, tell: impl Fn(&Head) + Send + 'static) {
        let sql = self.sql().clone();
        // It ends with the store's thread, to which it belongs.
        self.thread().handle().spawn(async move {
            let mut told = Head::default();
            loop {
                tokio::time::sleep(every).await;
                match Head::read(&sql).await {
                    Ok(head) if head != told => {
                        tell(&head);
                        told = head;
                    }
                    Ok(_) => {}
                    Err(error) => tracing::debug!(%error, "the end of the audit log cannot be read"),
                }
            }
        });
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Audit").finish_non_exhaustive()
    }
}
