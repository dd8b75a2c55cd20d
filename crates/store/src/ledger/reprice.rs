//! A period reckoned again at other prices.
//!
//! What differs is a correction of the attempt: a row with the attempt's own id, for the same accounts and windows. Rows are written page
//! by page, and named by how often the attempt was corrected before: a run that ends early is gone on with by the next one, of two at once
//! one writes, and a run that is repeated finds nothing that differs.
//!
//! The same holds for a single attempt of which its provider tells later what it took.

use std::collections::{BTreeSet, HashMap};

use sqlx::Row;
use switchboard_engine::terms::{Level, NanoUsd, ScopeId, Window};

use super::adjust::{ADJUST, write};
use super::attempts::{Attempted, Attempts, Pages, Reckoned, attempts};
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
}

/// A scope, its windows with their starts, and what it has spent more, or less.
pub type Difference = (ScopeId, Vec<(Window, i64)>, NanoUsd);

/// Attempts that are corrected in one transaction.
const BATCH: usize = 500;
const ACCOUNTS: &str = "SELECT id, level, name, model FROM ledger_accounts WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each($1))";
const ACCOUNTS_POSTGRES: &str =
    "SELECT id, level, name, model FROM ledger_accounts WHERE id IN (SELECT CAST(json_array_elements_text($1::json) AS BIGINT))";

/// Why amounts are corrected, and by whom.
#[derive(Clone, Copy)]
struct Run<'a> {
    reason: &'a str,
    actor: &'a str,
    dry: bool,
}

/// What an attempt comes to now, for its caller and as it is owed; from what, where that is new.
type Priced = (i64, i64, Option<Reckoned>);

/// Reckons attempts again by `price`, which gives what is charged and what is owed; what it does not know stays. Unless `dry`, what
/// differs is written down, and `written` is told each time what that adds to whom.
pub async fn reprice(
    (store, instance): (&Store, &str),
    wanted: &Attempts,
    (actor, dry): (&str, bool),
    price: impl Fn(&Attempted) -> Option<(i64, i64)>,
    written: impl FnMut(&[Difference]),
) -> Result<Changed, StoreError> {
    let run = Run { reason: "reckoned again at the prices that hold", actor, dry };
    corrected((store, instance), wanted, run, |one| price(one).map(|(amount, owed)| (amount, owed, None)), written).await
}

/// Corrects the one attempt of a call that was settled by guess, now that its provider has told what it took: once. `price` gives what
/// is charged, what is owed, and from what that is reckoned; of nobody or of several attempts nothing is changed.
pub async fn told_later(
    (store, instance): (&Store, &str),
    (wanted, call): (&Attempts, &str),
    actor: &str,
    price: impl Fn(&Attempted) -> Option<Priced>,
    written: impl FnMut(&[Difference]),
) -> Result<Changed, StoreError> {
    let price = |one: &Attempted| if is_guess(one, call) { price(one) } else { None };
    let run = Run { reason: "the provider has told what it took", actor, dry: true };
    let found = corrected((store, instance), wanted, run, price, |_| {}).await?;
    let run = Run { dry: false, ..run };
    if found.reckoned == 1 { corrected((store, instance), wanted, run, price, written).await } else { Ok(Changed::default()) }
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
    (store, instance): (&Store, &str),
    wanted: &Attempts,
    run: Run<'_>,
    price: impl Fn(&Attempted) -> Option<Priced>,
    mut written: impl FnMut(&[Difference]),
) -> Result<Changed, StoreError> {
    let mut changed = Changed::default();
    let mut pages = Pages::of(store, wanted);
    while let Some(page) = pages.next().await? {
        let mut differing: Vec<(Attempted, Priced)> = Vec::new();
        for one in page {
            changed.attempts += 1;
            let Some((amount, owed, basis)) = price(&one) else { continue };
            changed.reckoned += 1;
            if (amount, owed) != (one.amount, one.owed) {
                changed.changed += 1;
                changed.amount += amount - one.amount;
                changed.owed += owed - one.owed;
                differing.push((one, (amount, owed, basis)));
            }
        }
        while !run.dry && !differing.is_empty() {
            let rest = differing.split_off(differing.len().min(BATCH));
            let (postings, differences) = postings(store, std::mem::replace(&mut differing, rest), run).await?;
            write(store, instance, postings).await?;
            written(&differences);
        }
    }
    Ok(changed)
}

/// The rows that correct those attempts, and what they add to whom.
async fn postings(store: &Store, differing: Vec<(Attempted, Priced)>, run: Run<'_>) -> Result<(Vec<Posting>, Vec<Difference>), StoreError> {
    let debited: Vec<Debited> = differing.iter().map(|(one, _)| serde_json::from_str(&one.debits).unwrap_or_default()).collect();
    let owing = differing.iter().map(|(one, _)| one.credit);
    let accounts = accounts(store, debited.iter().flatten().map(|(account, _)| *account).chain(owing).collect()).await?;
    let mut scopes: HashMap<(ScopeId, Vec<(Window, i64)>), i64> = HashMap::new();
    let mut postings = Vec::with_capacity(differing.len());
    for ((one, (amount, owed, basis)), debited) in differing.into_iter().zip(debited) {
        let debits = debits(debited, &accounts);
        for (id, windows) in debits.iter().filter_map(scope) {
            *scopes.entry((id, windows)).or_default() += amount - one.amount;
        }
        postings.push(Posting {
            kind: format!("{ADJUST}/{}", one.corrections),
            attempt: one.attempt,
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
    Ok((postings, scopes.into_iter().map(|((id, windows), amount)| (id, windows, NanoUsd(amount))).collect()))
}

/// Whom that counts for, and in which windows.
fn scope(debit: &Debit) -> Option<(ScopeId, Vec<(Window, i64)>)> {
    let model = (!debit.model.is_empty()).then(|| debit.model.as_str().into());
    let id = ScopeId { level: Level::from_name(&debit.level)?, id: debit.name.as_str().into(), model };
    Some((id, debit.windows.iter().filter_map(|(span, start)| Some((Window::read(span)?, *start))).collect()))
}

type Accounts = HashMap<i64, [String; 3]>;
/// Who is debited, as the ledger has it: accounts and windows.
type Debited = Vec<(i64, Vec<(String, i64)>)>;

/// The level, name and model of those accounts.
async fn accounts(store: &Store, wanted: BTreeSet<i64>) -> Result<Accounts, StoreError> {
    let list = serde_json::Value::from_iter(wanted).to_string();
    let (pool, text) = (store.sql().pool.clone(), store.sql().either(ACCOUNTS, ACCOUNTS_POSTGRES));
    let rows = store.thread().run(async move { Ok(sqlx::query(text).bind(list).fetch_all(&pool).await?) }).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, [row.try_get(1)?, row.try_get(2)?, row.try_get(3)?]))).collect()
}

fn debits(debited: Debited, accounts: &Accounts) -> Vec<Debit> {
    let named = debited.into_iter().filter_map(|(account, windows)| Some((accounts.get(&account)?, windows)));
    named.map(|([level, name, model], windows)| Debit { level: level.clone(), name: name.clone(), model: model.clone(), windows }).collect()
}
