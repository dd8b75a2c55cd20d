//! Bringing in what was spent elsewhere, before this ledger began.
//!
//! Each account's balance is a row of its own, once: what was brought in before is not brought in again.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::Row;
use switchboard_engine::terms::{NanoUsd, ScopeId, Window};

use super::post::{Batch, Debit, Known, Posting, post};
use crate::error::StoreError;
use crate::open::Store;

/// What a scope has spent elsewhere.
#[derive(Clone, Debug)]
pub struct Balance {
    /// Whose it is.
    pub scope: ScopeId,
    /// All that was ever spent.
    pub total: NanoUsd,
    /// What of it was spent in a window that is still open, and when that began.
    pub present: Option<(Window, i64, NanoUsd)>,
}

const KIND: &str = "carry";
const KNOWN: &str = "SELECT attempt FROM ledger WHERE kind = 'carry'";
const SIZE: usize = 200;

/// Brings balances in; how many were not there yet. `source` names where they come from.
pub fn carry_blocking(store: &Store, source: &str, balances: Vec<Balance>, now: i64) -> Result<usize, StoreError> {
    let (sql, source) = (store.sql().clone(), source.to_owned());
    store.thread().block(async move {
        let rows = sqlx::query(KNOWN).fetch_all(&sql.pool).await?;
        let known: HashSet<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let fresh: Vec<Balance> = balances.into_iter().filter(|balance| !known.contains(&id(&source, &balance.scope, "past"))).collect();
        let mut accounts = Known::default();
        for some in fresh.chunks(SIZE) {
            let postings = some.iter().flat_map(|balance| postings(&source, balance, now)).collect();
            post(&sql, &source, &Arc::new(Batch { postings, ..Batch::default() }), &mut accounts).await?;
        }
        Ok(fresh.len())
    })
}

fn id(source: &str, scope: &ScopeId, part: &str) -> String {
    format!("{source}/{}/{}/{}/{part}", scope.level.as_str(), scope.id, scope.model.as_deref().unwrap_or(""))
}

/// What was spent before the present window, and what in it.
fn postings(source: &str, balance: &Balance, now: i64) -> [Posting; 2] {
    let present = balance.present.map_or(NanoUsd::ZERO, |(_, _, amount)| amount);
    let windows = balance.present.map(|(window, start, _)| vec![(window.name(), start)]).unwrap_or_default();
    let posting = |part: &str, amount: i64, windows: Vec<(String, i64)>| Posting {
        attempt: id(source, &balance.scope, part),
        kind: KIND.to_owned(),
        owed: None,
        basis: None,
        at: now,
        call: String::new(),
        amount,
        reserved: 0,
        estimated: false,
        debits: vec![Debit {
            level: balance.scope.level.as_str().to_owned(),
            name: balance.scope.id.to_string(),
            model: balance.scope.model.as_deref().unwrap_or_default().to_owned(),
            windows,
        }],
        credit: source.to_owned(),
        tokens: (0, 0),
        reason: Some("brought in".to_owned()),
        actor: Some(source.to_owned()),
    };
    [posting("past", balance.total.0.saturating_sub(present.0).max(0), Vec::new()), posting("present", present.0, windows)]
}
