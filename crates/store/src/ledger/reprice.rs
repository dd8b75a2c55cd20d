//! A period reckoned again at other prices.
//!
//! What differs is a correction of the attempt: a row with the attempt's own id and the run's name, for the same accounts and
//! windows. A run that is repeated finds nothing that differs.
//!
//! The same holds for a single attempt of which its provider tells later what it took.

use std::collections::HashMap;

use sqlx::Row;
use switchboard_engine::terms::{Level, NanoUsd, ScopeId, Window};

use super::adjust::{ADJUST, write};
use super::attempts::{Attempted, Attempts, Reckoned, attempts};
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

/// Why amounts are corrected.
struct Run<'a> {
    /// The name of the rows: of an attempt and a name there is one row.
    name: String,
    reason: &'a str,
    actor: &'a str,
    dry: bool,
}

/// What an attempt comes to now, for its caller and as it is owed; from what, where that is new.
type Priced = (i64, i64, Option<Reckoned>);

/// Reckons attempts again by `price`, which gives what is charged and what is owed; what it does not know stays. Unless `dry`, what
/// differs is written down.
pub async fn reprice(
    store: &Store,
    instance: &str,
    wanted: &Attempts,
    (actor, dry): (&str, bool),
    price: impl Fn(&Attempted) -> Option<(i64, i64)>,
) -> Result<Changed, StoreError> {
    let reason = "reckoned again at the prices that hold";
    let run = Run { name: format!("{ADJUST}/{:013x}", micros()), reason, actor, dry };
    corrected(store, instance, wanted, &run, |one| price(one).map(|(amount, owed)| (amount, owed, None))).await
}

/// Corrects the one attempt of a call that was settled by guess, now that its provider has told what it took: once. `price` gives what
/// is charged, what is owed, and from what that is reckoned; of nobody or of several attempts nothing is changed.
pub async fn told_later(
    store: &Store,
    instance: &str,
    (wanted, call): (&Attempts, &str),
    actor: &str,
    price: impl Fn(&Attempted) -> Option<Priced>,
) -> Result<Changed, StoreError> {
    let price = |one: &Attempted| if is_guess(one, call) { price(one) } else { None };
    let reason = "the provider has told what it took";
    let run = |dry| Run { name: format!("{ADJUST}/told"), reason, actor, dry };
    let found = corrected(store, instance, wanted, &run(true), price).await?;
    if found.reckoned == 1 { corrected(store, instance, wanted, &run(false), price).await } else { Ok(Changed::default()) }
}

/// Whether the one attempt of a call was settled by guess, and its provider has not told yet what it took.
pub async fn awaits(store: &Store, (wanted, call): (&Attempts, &str)) -> Result<bool, StoreError> {
    let mut found = 0_u32;
    attempts(store, wanted, |one| found += u32::from(is_guess(&one, call))).await?;
    Ok(found == 1)
}

fn is_guess(one: &Attempted, call: &str) -> bool {
    one.call == call && one.estimated && one.corrections == 0
}

async fn corrected(
    store: &Store,
    instance: &str,
    wanted: &Attempts,
    run: &Run<'_>,
    price: impl Fn(&Attempted) -> Option<Priced>,
) -> Result<Changed, StoreError> {
    let mut changed = Changed::default();
    let mut differing: Vec<(Attempted, Priced)> = Vec::new();
    attempts(store, wanted, |one| {
        changed.attempts += 1;
        let Some((amount, owed, basis)) = price(&one) else { return };
        changed.reckoned += 1;
        if (amount, owed) != (one.amount, one.owed) {
            changed.changed += 1;
            changed.amount += amount - one.amount;
            changed.owed += owed - one.owed;
            differing.push((one, (amount, owed, basis)));
        }
    })
    .await?;
    let accounts = accounts(store).await?;
    let mut scopes: HashMap<(ScopeId, Vec<(Window, i64)>), i64> = HashMap::new();
    let mut postings = Vec::with_capacity(differing.len());
    for (one, (amount, owed, basis)) in differing {
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
            kind: run.name.clone(),
            at: micros(),
            call: one.call,
            amount: amount - one.amount,
            owed: Some(owed - one.owed),
            reserved: 0,
            estimated: one.estimated,
            debits,
            credit: accounts.get(&one.credit).map(|[_, name, _]| name.clone()).unwrap_or_default(),
            tokens: (0, 0),
            basis: basis.as_ref().map(Reckoned::written),
            reason: Some(run.reason.to_owned()),
            actor: Some(run.actor.to_owned()),
        });
    }
    changed.scopes = scopes.into_iter().map(|((id, windows), amount)| (id, windows, NanoUsd(amount))).collect();
    if !run.dry {
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
