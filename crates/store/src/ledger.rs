//! The ledger: what every attempt cost, and what everybody has spent.
//!
//! One task carries the journal here, in batches, each in one transaction together with how far it has come: a batch that is
//! carried twice adds nothing the second time. Rows of counters are touched in the order of their keys, whoever touches them, so
//! that gateways that share a database do not wait for each other in circles.

mod adjust;
mod attempts;
mod carry;
mod line;
mod post;
mod recorder;
pub mod report;
mod reprice;
mod retention;
mod routed;
mod seal;
mod verify;
mod writer;

use std::cell::RefCell;
use std::collections::HashMap;

use sqlx::Row;
use switchboard_engine::admit::{Level, NanoUsd, Openings, ScopeId, Window};

use crate::error::StoreError;
use crate::open::Store;
use crate::sql::Sql;

pub use adjust::{Correction, correct};
pub use attempts::{Attempted, Attempts, Reckoned, attempts};
pub use carry::{Balance, carry_blocking};
pub use line::{BYOK_COST, LogLine, Part, Passing, Saving};
pub use recorder::SpendLog;
pub use reprice::{Changed, Difference, reprice};
pub use retention::{BATCH as DELETED_AT_ONCE, Lines, delete_lines};
pub use verify::{Finding, Report, verify, verify_blocking};
pub use writer::Writer;

/// The level of providers: what they are owed.
pub(crate) const OWED: &str = "owed";
/// What is left of what callers are charged when providers have been paid.
pub(crate) const MARGIN: &str = "gateway/margin";
/// What a row is called that says what an attempt cost.
pub(crate) const SETTLE: &str = "settle";
/// The name of the window that never ends.
pub(crate) const LIFETIME: &str = "lifetime";

/// The number of an account, made of what it is.
pub(crate) fn account(level: &str, name: &str, model: &str) -> i64 {
    // Sixty-three bits of SHA-256: among a million accounts two are the same once in eighteen million databases.
    let mut text = Vec::with_capacity(level.len() + name.len() + model.len() + 2);
    for part in [level, name, model] {
        text.extend_from_slice(part.as_bytes());
        text.push(0);
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some(number) = known.get(&text) {
            return *number;
        }
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, &text);
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest.as_ref()[..8]);
        let number = i64::from_be_bytes(bytes) & i64::MAX;
        known.insert(text, number);
        number
    })
}

/// Numbers of accounts that a thread remembers.
const MOST_KNOWN: usize = 8_192;

thread_local! {
    /// The same few accounts come again and again, and a digest of each would be most of what posting them takes.
    static KNOWN: RefCell<HashMap<Vec<u8>, i64>> = RefCell::default();
}

/// The number of a scope's account.
pub(crate) fn account_of(scope: &ScopeId) -> i64 {
    account(scope.level.as_str(), &scope.id, scope.model.as_deref().unwrap_or(""))
}

/// What so many accounts have spent in the last window of each kind, as one text: a row for each would take a second and more where
/// there are a hundred thousand keys.
const OPENINGS_SQLITE: &str = "SELECT json_group_array(json_array(a.level, a.name, a.model, w.span, w.start, w.spent)), MAX(a.id) FROM (SELECT id, level, name, model FROM ledger_accounts WHERE id > $1 AND level <> 'owed' ORDER BY id LIMIT 2000) a LEFT JOIN ledger_windows w ON w.account = a.id AND NOT EXISTS (SELECT 1 FROM ledger_windows n WHERE n.account = w.account AND n.span = w.span AND n.start > w.start)";
const OPENINGS_POSTGRES: &str = "SELECT json_agg(json_build_array(a.level, a.name, a.model, w.span, w.start, w.spent))::text, MAX(a.id) FROM (SELECT id, level, name, model FROM ledger_accounts WHERE id > $1 AND level <> 'owed' ORDER BY id LIMIT 2000) a LEFT JOIN ledger_windows w ON w.account = a.id AND NOT EXISTS (SELECT 1 FROM ledger_windows n WHERE n.account = w.account AND n.span = w.span AND n.start > w.start)";
const SPENT: &str = "SELECT span, start, spent FROM ledger_windows WHERE account = $1";
/// An account's level, name and model, and of one window its span, its start and what was spent in it.
type Opening = (String, String, String, Option<String>, Option<i64>, Option<i64>);

/// What every scope has spent in the windows that may still be open: where a gateway begins.
pub async fn openings(store: &Store, now: i64) -> Result<Openings, StoreError> {
    let sql = store.sql().clone();
    store.thread().run(async move { read_openings(&sql, now).await }).await
}

async fn read_openings(sql: &Sql, now: i64) -> Result<Openings, StoreError> {
    let statement = sql.either(OPENINGS_SQLITE, OPENINGS_POSTGRES);
    let (mut openings, mut after) = (Openings::new(), -1_i64);
    loop {
        let row = sqlx::query(statement).bind(after).fetch_one(&sql.pool).await?;
        let (text, last): (Option<String>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        let (Some(text), Some(last)) = (text, last) else { return Ok(openings) };
        let unread = |source| StoreError::Unreadable { what: "balance", source: Box::new(source) };
        let accounts: Vec<Opening> = serde_json::from_str(&text).map_err(unread)?;
        for (level, name, model, span, start, spent) in accounts {
            let (Some(span), Some(start), Some(spent)) = (span, start, spent) else { continue };
            let (Some(level), Some(window)) = (Level::from_name(&level), Window::read(&span)) else { continue };
            // What is over counts no more.
            if window.end(start).is_none_or(|end| end > now) {
                let id = ScopeId { level, id: name.into(), model: (!model.is_empty()).then(|| model.into()) };
                openings.entry(id).or_default().push((window, start, NanoUsd(spent)));
            }
        }
        after = last;
    }
}

/// The same, for a thread that has nothing else to do.
pub fn openings_blocking(store: &Store, now: i64) -> Result<Openings, StoreError> {
    let sql = store.sql().clone();
    store.thread().block(async move { read_openings(&sql, now).await })
}

const SEVERAL: &str =
    "SELECT account, span, start, spent, leased FROM ledger_windows WHERE account IN (SELECT CAST(value AS BIGINT) FROM json_each($1))";
const SEVERAL_POSTGRES: &str = "SELECT account, span, start, spent, leased FROM ledger_windows WHERE account IN (SELECT CAST(json_array_elements_text($1::json) AS BIGINT))";

/// What those scopes have spent, in every window there is of them, and what gateways have leased of their lifetime's money.
pub async fn spends(store: &Store, scopes: &[ScopeId]) -> Result<(Openings, HashMap<ScopeId, NanoUsd>), StoreError> {
    let by_account: HashMap<i64, ScopeId> = scopes.iter().map(|scope| (account_of(scope), scope.clone())).collect();
    let mut found: Openings = scopes.iter().map(|scope| (scope.clone(), Vec::new())).collect();
    let mut leased = HashMap::new();
    let list = serde_json::Value::from(by_account.keys().copied().collect::<Vec<i64>>()).to_string();
    let (pool, text) = (store.sql().pool.clone(), store.sql().either(SEVERAL, SEVERAL_POSTGRES).to_owned());
    let rows = store.thread().run(async move { Ok(sqlx::query(sqlx::AssertSqlSafe(text)).bind(list).fetch_all(&pool).await?) }).await?;
    for row in rows {
        let (account, span, start, spent): (i64, String, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let (Some(scope), Some(window)) = (by_account.get(&account), Window::read(&span)) else { continue };
        if window == Window::Lifetime {
            leased.insert(scope.clone(), NanoUsd(row.try_get(4)?));
        }
        found.entry(scope.clone()).or_default().push((window, start, NanoUsd(spent)));
    }
    Ok((found, leased))
}

/// What a scope has spent, by window and its start, as the database has it.
pub async fn spent(store: &Store, scope: &ScopeId) -> Result<Vec<(Window, i64, NanoUsd)>, StoreError> {
    let (pool, account) = (store.sql().pool.clone(), account_of(scope));
    let rows = store.thread().run(async move { Ok(sqlx::query(SPENT).bind(account).fetch_all(&pool).await?) }).await?;
    let mut spent = Vec::new();
    for row in rows {
        let span: String = row.try_get(0)?;
        spent.extend(
            Window::read(&span).map(|window| Ok::<_, StoreError>((window, row.try_get(1)?, NanoUsd(row.try_get(2)?)))).transpose()?,
        );
    }
    Ok(spent)
}
