//! The ledger: what every attempt cost, and what everybody has spent.
//!
//! One task carries the journal here, in batches, each in one transaction together with how far it has come: a batch that is
//! carried twice adds nothing the second time. Rows of counters are touched in the order of their keys, whoever touches them, so
//! that gateways that share a database do not wait for each other in circles.

mod adjust;
mod attempts;
mod carry;
mod past;
mod people;
mod post;
mod recorder;
pub mod report;
mod reprice;
mod retention;
mod routed;
mod seal;
mod verify;
mod writer;

use std::collections::HashMap;

use sqlx::Row;
use switchboard_engine::book::Openings;
use switchboard_engine::terms::{NanoUsd, ScopeId, Window};

use crate::account::account_of;
use crate::error::StoreError;
use crate::open::Store;

pub use crate::line::{BYOK_COST, LogLine, Part, Passing, Saving};
pub use adjust::{Correction, correct};
pub use attempts::{Attempted, Attempts, Reckoned, attempts};
pub use carry::{Balance, carry_blocking};
pub use past::Past;
pub use people::{Share, shares};
pub use recorder::SpendLog;
pub use reprice::{Changed, Difference, awaits, reprice, told_later};
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

const SPENT: &str = "SELECT span, start, spent FROM ledger_windows WHERE account = $1";
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
