//! Prepaid credits: who has an account spends no more than is in it.
//!
//! An account is a budget whose limit is all that was put in, and whose spend is all that went out: for calls, paid back or
//! expired. So every call holds what it may need, no two have the same money, and what is paid back or expires is taken as a call
//! takes it. Of several grants the one that expires first is spent first.

use std::sync::Arc;
use std::time::Duration;

use switchboard_engine::admit::Withheld;
use switchboard_engine::terms::{NanoUsd, Window};
use switchboard_store::object::{CreditAccount, CreditEntry, CreditExpiry, GATEWAY};
use switchboard_store::{Desk, Money, StoreError, Time, ledger};

use crate::alerts::Note;
use crate::alerts::alert::Alert;
use crate::app::App;
use crate::books::accounts::scope;

/// How often it is looked for what has expired.
const SWEEP: Duration = Duration::from_secs(1);
/// How often balances are looked at, in sweeps.
const BALANCES: u32 = 10;

/// What an account has: put in, gone out, held by calls under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// All that was put in.
    pub granted: NanoUsd,
    /// All that went out.
    pub spent: NanoUsd,
    /// What calls under way hold, or other gateways.
    pub held: NanoUsd,
}

/// What that account has now.
pub async fn balance(app: &App, account: &CreditAccount) -> Result<Balance, StoreError> {
    let id = CreditAccount::scope_of(&account.account_id);
    let own = (app.book.known(&id), app.book.held(&id));
    let (spent, held) = match (&app.store, app.book.is_shared()) {
        (Some(store), true) => {
            app.books.settled(Duration::from_secs(5)).await?;
            let (spends, leased) = ledger::spends(store, std::slice::from_ref(&id)).await?;
            let whole = spends.get(&id).into_iter().flatten().find(|(window, ..)| *window == Window::Lifetime);
            (whole.map_or(NanoUsd::ZERO, |(_, _, spent)| *spent), leased.get(&id).copied().unwrap_or_default())
        }
        _ => (own.0.unwrap_or_else(|| app.book.spent(&id, Window::Lifetime)), own.1),
    };
    Ok(Balance { granted: account.granted.0, spent, held })
}

/// Puts everybody's account in force, where there is one.
pub async fn follow_gateway(app: &App) -> Result<(), StoreError> {
    let Some(store) = &app.store else { return Ok(()) };
    let account = store.read::<_, StoreError, _, _>(|desk| async move { desk.get::<CreditAccount>(GATEWAY).await }).await?;
    if let Some(account) = account {
        scope(&app.book, &account);
    }
    Ok(())
}

/// Something is put into an account, which is opened by that. Gives the account, and whether the entry is new.
pub async fn put(desk: &Desk, entry: CreditEntry) -> Result<(CreditAccount, CreditEntry, bool), StoreError> {
    let now = Time::now();
    let mut account = desk.get::<CreditAccount>(&entry.account_id).await?.unwrap_or_else(|| CreditAccount {
        account_id: entry.account_id.clone(),
        created_at: now,
        ..CreditAccount::default()
    });
    if let Some(known) = desk.get::<CreditEntry>(&entry.entry_id).await? {
        return Ok((account, known, false));
    }
    account.granted = Money(account.granted.0.plus(entry.amount.0));
    (account.updated_at, account.alerted_at) = (now, None);
    desk.put(&account).await?;
    desk.put(&entry).await?;
    if let Some(at) = entry.expires_at {
        let expiry = CreditExpiry { entry_id: entry.entry_id.clone(), account_id: entry.account_id.clone(), expires_at: at };
        desk.put(&expiry).await?;
    }
    Ok((account, entry, true))
}

/// Looks for what has expired and for low balances, for as long as the gateway runs.
pub(crate) async fn watch(app: Arc<App>) {
    let mut round: u32 = 0;
    loop {
        if app.books.prices.is_stirred()
            && let Err(error) = super::refresh(&app).await
        {
            tracing::debug!(%error, "prices cannot be read");
        }
        if let Err(error) = sweep(&app, round.is_multiple_of(BALANCES)).await {
            tracing::debug!(%error, "credits cannot be looked at");
        }
        round = round.wrapping_add(1);
        tokio::time::sleep(SWEEP).await;
    }
}

/// One look.
pub async fn sweep(app: &Arc<App>, balances: bool) -> Result<(), StoreError> {
    let Some(store) = &app.store else { return Ok(()) };
    let now = Time::now();
    let due = store.read::<_, StoreError, _, _>(|desk| async move { desk.all::<CreditExpiry>().await }).await?;
    for expiry in due.into_iter().filter(|expiry| expiry.expires_at <= now) {
        expire(app, expiry).await?;
    }
    if balances {
        alert(app).await?;
    }
    Ok(())
}

/// Takes out what is left of a grant that has expired. Of several gateways one does it.
async fn expire(app: &Arc<App>, expiry: CreditExpiry) -> Result<(), StoreError> {
    let Some(store) = &app.store else { return Ok(()) };
    let id = expiry.entry_id.clone();
    let claimed = store.write::<_, StoreError, _, _>("gateway", move |desk| async move { desk.delete::<CreditExpiry>(&id).await });
    if !claimed.await? {
        return Ok(());
    }
    let account_id = expiry.account_id.clone();
    let read = store.read::<_, StoreError, _, _>(move |desk| async move {
        Ok((desk.get::<CreditAccount>(&account_id).await?, desk.named::<CreditEntry>(&account_id).await?))
    });
    let (Some(account), entries) = read.await? else { return Ok(()) };
    let spent = balance(app, &account).await?.spent;
    let left = CreditEntry::left(&entries, &expiry.entry_id, spent);
    if left <= NanoUsd::ZERO {
        return Ok(());
    }
    if withdraw(app, &account, left, "credits expired").await.is_ok() {
        tracing::info!(account = %account.account_id, amount = %left, "credits have expired");
        return Ok(());
    }
    // Calls under way hold some of it: it is tried again.
    let back = store.write::<_, StoreError, _, _>("gateway", move |desk| async move { desk.put(&expiry).await });
    back.await
}

/// Takes money out of an account, all or nothing.
pub async fn withdraw(app: &App, account: &CreditAccount, amount: NanoUsd, reason: &str) -> Result<(), Withheld> {
    app.gateway.admission().withdraw(scope(&app.book, account), amount, (&crate::id::mint(), reason)).await
}

/// Tells once of each balance that is low.
async fn alert(app: &Arc<App>) -> Result<(), StoreError> {
    let Some(store) = &app.store else { return Ok(()) };
    let accounts = store.read::<_, StoreError, _, _>(|desk| async move { desk.all::<CreditAccount>().await }).await?;
    for account in accounts.into_iter().filter(|account| account.low_balance.is_some() && account.alerted_at.is_none()) {
        let balance = balance(app, &account).await?;
        let left = balance.granted.minus(balance.spent);
        if account.low_balance.is_none_or(|low| left >= low.0) {
            continue;
        }
        let id = account.account_id.clone();
        let claimed = store.write::<_, StoreError, _, _>("gateway", move |desk| async move {
            let Some(mut account) = desk.get::<CreditAccount>(&id).await?.filter(|account| account.alerted_at.is_none()) else {
                return Ok(false);
            };
            account.alerted_at = Some(Time::now());
            desk.put(&account).await?;
            Ok(true)
        });
        if claimed.await? {
            tracing::warn!(account = %account.account_id, balance = %left, "the balance of prepaid credits is low");
            app.alerts.note(Note::Said(Box::new(Alert::low_balance(&account, left))));
        }
    }
    Ok(())
}
