//! A period reckoned again at other prices.
//!
//! What differs is a correction of the attempt: a row with the attempt's own id and the run's name, for the same accounts and
//! windows. A run that is repeated finds nothing that differs.

use std::collections::HashMap;

use sqlx::Row;
use switchboard_engine::admit::{Level, NanoUsd, ScopeId, Window};

use super::adjust::{ADJUST, write};
use super::attempts::{Attempted, Attempts, attempts};
use super::post::{Debit, Posting};
use crate::error::StoreError;
use crate::open::Store;
use crate::time::micros;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Attempts of the period.
    pub attempts: u64,
    /// Of those: reckoned again, since what they took is known.
    pub reckoned: u64,
    /// Of those: at another amount now.
    pub changed: u64,
    /// What callers pay more, or less.
    pub amount: i64,
    /// What providers are owed more, or less.
    pub owed: i64,
    /// What each scope has spent more, or less, by window and its start.
    pub scopes: Vec<Difference>,
}

/// A scope, its windows with their starts, and what it has spent more, or less.
pub type Difference = (ScopeId, Vec<(Window, i64)>, NanoUsd);

/// Attempts that are corrected in one transaction.
const BATCH: usize = 500;
const ACCOUNTS: &str = "SELECT id, level, name, model FROM ledger_accounts";

/// Reckons attempts again by `price`, which gives what is charged and what is owed; what it does not know stays. Unless `dry`, what
/// differs is written down.
pub async fn reprice(
    store: &Store,
    instance: &str,
    wanted: &Attempts,
    (actor, dry): (&str, bool),
    price: impl Fn(&Attempted) -> Option<(i64, i64)>,
) -> Result<Changed, StoreError> {
    let mut changed = Changed::default();
    let mut differing: Vec<(Attempted, i64, i64)> = Vec::new();
    attempts(store, wanted, |one| {
        changed.attempts += 1;
        let Some((amount, owed)) = price(&one) else { return };
        changed.reckoned += 1;
        if (amount, owed) != (one.amount, one.owed) {
            changed.changed += 1;
            changed.amount += amount - one.amount;
            changed.owed += owed - one.owed;
            differing.push((one, amount, owed));
        }
    })
    .await?;
    let accounts = accounts(store).await?;
    let run = format!("{ADJUST}/{:013x}", micros());
    let mut scopes: HashMap<(ScopeId, Vec<(Window, i64)>), i64> = HashMap::new();
    let mut postings = Vec::with_capacity(differing.len());
    for (one, amount, owed) in differing {
        let debits = debits(&one.debits, &accounts);
        for debit in &debits {
            if let Some(level) = Level::from_name(&debit.level) {
                let id = ScopeId {
                    level,
                    id: debit.name.as_str().into(),
                    model: (!debit.model.is_empty()).then(|| debit.model.as_str().into()),
                };
                let windows = debit.windows.iter().filter_map(|(span, start)| Some((Window::read(span)?, *start))).collect();
                *scopes.entry((id, windows)).or_default() += amount - one.amount;
            }
        }
        postings.push(Posting {
            attempt: one.attempt,
            kind: run.clone(),
            at: micros(),
            call: one.call,
            amount: amount - one.amount,
            owed: Some(owed - one.owed),
            reserved: 0,
            estimated: one.estimated,
            debits,
            credit: accounts.get(&one.credit).map(|[_, name, _]| name.clone()).unwrap_or_default(),
            tokens: (0, 0),
            basis: None,
            reason: Some("reckoned again at the prices that hold".to_owned()),
            actor: Some(actor.to_owned()),
        });
    }
    changed.scopes = scopes.into_iter().map(|((id, windows), amount)| (id, windows, NanoUsd(amount))).collect();
    if !dry {
        while !postings.is_empty() {
            let rest = postings.split_off(postings.len().min(BATCH));
            write(store, instance, std::mem::replace(&mut postings, rest)).await?;
        }
    }
    Ok(changed)
}

async fn accounts(store: &Store) -> Result<HashMap<i64, [String; 3]>, StoreError> {
    let pool = store.sql().pool.clone();
    let rows = store.thread().run(async move { Ok(sqlx::query(ACCOUNTS).fetch_all(&pool).await?) }).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?]))).collect()
}

fn debits(text: &str, accounts: &HashMap<i64, [String; 3]>) -> Vec<Debit> {
    let read: Vec<(i64, Vec<(String, i64)>)> = serde_json::from_str(text).unwrap_or_default();
    let named = read.into_iter().filter_map(|(account, windows)| Some((accounts.get(&account)?, windows)));
    named.map(|([level, name, model], windows)| Debit { level: level.clone(), name: name.clone(), model: model.clone(), windows }).collect()
}
