//! What was spent before a gateway began.
//!
//! A start reads the windows of every account there is, which may be some hundred thousand. So names are not read: a scope finds its
//! windows by the number of its account, which is made of its name.

use std::borrow::Cow;

use serde::Deserialize;
use sqlx::Row;
use switchboard_engine::book;
use switchboard_engine::clock::Micros;
use switchboard_engine::terms::{NanoUsd, ScopeId, Window};

use crate::account::{named, number};
use crate::error::StoreError;
use crate::open::Store;
use crate::sql::{Kind, Sql};

/// Windows that are read together, as one text: a row for each would take a second and more where there are a hundred thousand keys.
/// SQLite reads them as they lie in its file.
const SQLITE: &str = "SELECT json_group_array(json_array(account, span, start, spent)), MAX(place) FROM (SELECT rowid AS place, account, span, start, spent FROM ledger_windows WHERE rowid > $1 ORDER BY rowid LIMIT 10000)";
const POSTGRES: &str = "SELECT json_agg(json_build_array(account, span, start, spent))::text, MAX(account) FROM ledger_windows WHERE account > $1 AND account <= (SELECT MAX(account) FROM (SELECT account FROM ledger_windows WHERE account > $1 ORDER BY account LIMIT 10000) AS page)";
/// The connection that read all of it keeps what it read no longer.
const FORGET: &str = "PRAGMA shrink_memory";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Opening {
    account: i64,
    window: Window,
    start: Micros,
    spent: NanoUsd,
}

#[derive(Deserialize)]
struct Read<'a>(i64, #[serde(borrow)] Cow<'a, str>, Micros, i64);

/// What every account had spent in the windows that were open when this was read.
#[derive(Debug, Default)]
pub struct Past {
    /// By account and window.
    openings: Vec<Opening>,
}

impl Past {
    /// Reads it.
    pub async fn read(store: &Store, now: Micros) -> Result<Self, StoreError> {
        let sql = store.sql().clone();
        store.thread().run(async move { read(&sql, now).await }).await
    }

    /// The same, for a thread that has nothing else to do.
    pub fn read_blocking(store: &Store, now: Micros) -> Result<Self, StoreError> {
        let sql = store.sql().clone();
        store.thread().block(async move { read(&sql, now).await })
    }

    /// How many windows are open.
    pub fn len(&self) -> usize {
        self.openings.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.openings.is_empty()
    }
}

impl book::port::Past for Past {
    fn of(&self, scope: &ScopeId) -> Vec<(Window, Micros, NanoUsd)> {
        let account = number(&named(scope.level.as_str(), &scope.id, scope.model.as_deref().unwrap_or("")));
        let from = self.openings.partition_point(|opening| opening.account < account);
        let own = self.openings[from..].iter().take_while(|opening| opening.account == account);
        own.map(|opening| (opening.window, opening.start, opening.spent)).collect()
    }
}

async fn read(sql: &Sql, now: Micros) -> Result<Past, StoreError> {
    let mut connection = sql.pool.acquire().await?;
    let (mut openings, mut after) = (Vec::new(), -1_i64);
    loop {
        let row = sqlx::query(sql.either(SQLITE, POSTGRES)).bind(after).fetch_one(&mut *connection).await?;
        let (text, last): (Option<String>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        let (Some(text), Some(last)) = (text, last) else { break };
        gather(&text, now, &mut openings)?;
        after = last;
    }
    if let Kind::Sqlite = sql.kind {
        sqlx::query(FORGET).execute(&mut *connection).await?;
    }
    // Of windows of one kind the last is open; the others are of another calendar, or of a clock that was wrong.
    openings.sort_unstable_by(|one, other| (one.account, one.window, other.start).cmp(&(other.account, other.window, one.start)));
    openings.dedup_by_key(|opening| (opening.account, opening.window));
    openings.shrink_to_fit();
    Ok(Past { openings })
}

/// Adds those that are still open: what is over counts no more.
fn gather(text: &str, now: Micros, into: &mut Vec<Opening>) -> Result<(), StoreError> {
    let unread = |source| StoreError::Unreadable { what: "balance", source: Box::new(source) };
    let windows: Vec<Read<'_>> = serde_json::from_str(text).map_err(unread)?;
    for Read(account, span, start, spent) in windows {
        let Some(window) = Window::read(&span) else { continue };
        if window.end(start).is_none_or(|end| end > now) {
            into.push(Opening { account, window, start, spent: NanoUsd(spent) });
        }
    }
    Ok(())
}
