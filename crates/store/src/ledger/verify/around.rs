//! What stands around the ledger: leases, limits and the request log.

use serde_json::Value;
use sqlx::{Any, Row, Transaction};
use switchboard_engine::terms::{Level, NanoUsd, ScopeId, Window};

use super::Report;
use crate::account::account_of;
use crate::error::StoreError;
use crate::object::Period;
use crate::time::Time;

const LEASES: &str = "SELECT w.account, w.span, w.start, w.leased, CAST(COALESCE(SUM(l.amount), 0) AS BIGINT) FROM ledger_windows w LEFT JOIN ledger_leases l ON l.account = w.account AND l.span = w.span AND l.start = w.start GROUP BY w.account, w.span, w.start, w.leased HAVING w.leased <> COALESCE(SUM(l.amount), 0)";
const ALIVE: &str = "SELECT COUNT(*) FROM gateways";
const LEASED: &str = "SELECT account, span, spent, leased FROM ledger_windows WHERE leased > 0";
const LIMITED: &str = "SELECT kind, id, document FROM objects WHERE kind IN ('key', 'team', 'user') AND updated_at < $1";
const UNLIKE: &str = "SELECT l.request_id, l.spend, CAST(COALESCE(s.total, 0) AS BIGINT) FROM spend_logs l LEFT JOIN (SELECT call, SUM(amount) AS total FROM ledger GROUP BY call) s ON s.call = l.request_id WHERE l.spend <> COALESCE(s.total, 0) LIMIT 100";
/// A limit that was changed so lately may not be known to every gateway.
const LATELY: i64 = 60_000_000;

pub(super) async fn look(on: &mut Transaction<'_, Any>, report: &mut Report) -> Result<(), StoreError> {
    for row in sqlx::query(LEASES).fetch_all(&mut **on).await? {
        let (account, span, leased, held): (i64, String, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(3)?, row.try_get(4)?);
        report.find("I2", format!("account {account} has {leased} leased ({span}), and gateways hold {held}"));
    }
    let leased = sqlx::query(LEASED).fetch_all(&mut **on).await?;
    let alive: i64 = sqlx::query(ALIVE).fetch_one(&mut **on).await?.try_get(0)?;
    if alive == 0 && !leased.is_empty() {
        report.find("I7", format!("no gateway lives, and {} windows have money leased", leased.len()));
    }
    if !leased.is_empty() {
        limits(on, &leased, report).await?;
    }
    for row in sqlx::query(UNLIKE).fetch_all(&mut **on).await? {
        let (call, spend, sum): (String, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let invariant = if sum == 0 { "I8" } else { "I5" };
        report.find(invariant, format!("the log says that call {call} cost {spend}, and its attempts cost {sum}"));
    }
    Ok(())
}

/// I3: what is spent and leased of a key's, team's or user's budget is no more than the budget.
async fn limits(on: &mut Transaction<'_, Any>, leased: &[sqlx::any::AnyRow], report: &mut Report) -> Result<(), StoreError> {
    let rows = sqlx::query(LIMITED).bind(crate::time::micros() - LATELY).fetch_all(&mut **on).await?;
    for row in rows {
        let (kind, id, document): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let Ok(document) = serde_json::from_str::<Value>(&document) else { continue };
        let raised = document["metadata"].get("temp_budget_increase").is_some();
        let Some(limit) = document["max_budget"].as_number().and_then(|limit| NanoUsd::parse(&limit.to_string())).filter(|_| !raised)
        else {
            continue;
        };
        let (level, name) = match kind.as_str() {
            "key" => (Level::Key, document["account"].as_str().unwrap_or(&id).to_owned()),
            "team" => (Level::Team, id),
            _ => (Level::User, id),
        };
        let since = document["budget_since"].as_str().and_then(Time::parse);
        let period = Period { duration: document["budget_duration"].as_str(), since };
        let is_its = |held: Window| held == period.window(held.calendar()).unwrap_or(Window::Lifetime);
        let account = account_of(&ScopeId::new(level, name.as_str()));
        for row in leased {
            let (held, span, spent, leased): (i64, String, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            if held == account && Window::read(&span).is_some_and(is_its) && spent + leased > limit.0 {
                report.find("I3", format!("{kind} `{name}` has spent {spent} and leased {leased} of {}", limit.0));
            }
        }
    }
    Ok(())
}
