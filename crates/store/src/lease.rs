//! Budgets that several gateways share.
//!
//! The database alone decides on money. A gateway takes a slice of a budget and spends it without asking; near the limit slices
//! shrink to what one call needs, and before a call is refused what others hold unused is called back ([`recall`]), so that
//! it is refused only where the money is not there. A slice that is not used goes back within seconds, and what a gateway held that
//! is heard of no more goes back when its lease is over. A gateway that cannot reach the database knows that its leases end, and
//! spends nothing once they may have.

mod back;
mod beat;
mod beyond;
mod recall;
mod turns;

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sqlx::{Any, AnyConnection, Row, Transaction};
use switchboard_engine::book::Book;
use switchboard_engine::book::port::{Ask, Authority, Grant, Later, Outage, Slot};
use switchboard_engine::terms::NanoUsd;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{OnceCell, watch};

use crate::account::account_of;
use crate::error::StoreError;
use crate::open::Store;
use crate::sql::Sql;
use crate::thread::Thread;

use back::{Back, carry};
pub use beat::{EXPIRY, HEARTBEAT, Present, bury, time_blocking};
use beat::{beat, keep_on};
use beyond::Beyond;
pub use beyond::Budgets;
use recall::Recalls;
use turns::Turns;

/// A gateway stops this long before others take its leases.
const MARGIN: Duration = Duration::from_secs(5);
/// The longest a request waits for money,
const PATIENCE: Duration = Duration::from_secs(2);
/// and how long nobody asks after that, in microseconds.
const PAUSE: i64 = 1_000_000;
/// A slice is at most this part of a budget,
const SLICE_OF_LIMIT: i64 = 100;
/// and this part of what is left.
const SLICE_OF_REST: i64 = 8;

const ACCOUNT: &str = "INSERT INTO ledger_accounts (id, level, name, model) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING";
const WINDOW: &str = "INSERT INTO ledger_windows (account, span, start, spent, leased) VALUES ($1, $2, $3, 0, 0) ON CONFLICT (account, span, start) DO NOTHING";
const LOOK_SQLITE: &str = "SELECT spent, leased FROM ledger_windows WHERE account = $1 AND span = $2 AND start = $3";
const LOOK_POSTGRES: &str = "SELECT spent, leased FROM ledger_windows WHERE account = $1 AND span = $2 AND start = $3 FOR UPDATE";
const TAKE: &str = "UPDATE ledger_windows SET leased = leased + $4 WHERE account = $1 AND span = $2 AND start = $3";
const KEEP: &str = "INSERT INTO ledger_leases (instance, account, span, start, amount) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (instance, account, span, start) DO UPDATE SET amount = ledger_leases.amount + excluded.amount";
const HELD: &str = "SELECT amount FROM ledger_leases WHERE instance = $1 AND account = $2 AND span = $3 AND start = $4";
const LESS: &str = "UPDATE ledger_leases SET amount = amount - $5 WHERE instance = $1 AND account = $2 AND span = $3 AND start = $4";
const LEFT: &str = "SELECT account, span, start FROM ledger_leases WHERE instance = $1 ORDER BY account, span, start";
const FORGET: &str = "DELETE FROM ledger_leases WHERE instance = $1 AND amount = 0";

/// Leases slices of budgets from the database.
pub struct Lessor {
    sql: Sql,
    thread: Arc<Thread>,
    instance: String,
    /// When the database last heard of this gateway, in microseconds since it began; negative before it has.
    heard: AtomicI64,
    began: Instant,
    /// Until when the database is not asked, since it did not answer; in microseconds since this began.
    alone: AtomicI64,
    alive: AtomicBool,
    /// The database has all that the last gateway of this name left in the journal.
    caught_up: watch::Receiver<bool>,
    /// What that gateway had leased is given back.
    entered: OnceCell<()>,
    /// How often what was granted was lost: what it was is not given back any more.
    lost: AtomicU64,
    present: watch::Sender<Present>,
    book: Arc<Book>,
    recalls: Recalls,
    turns: Turns,
    /// What is lent while the database is away.
    beyond: Beyond,
    /// The leases have ended and what was free of them was given back, so that what is lent is all there is to spend.
    lapsed: AtomicBool,
    back: UnboundedSender<Back>,
    myself: Weak<Self>,
}

impl Lessor {
    /// Leases for that gateway and those scopes, and keeps the leases for as long as it lives. Nothing is leased before the journal is
    /// `caught_up` with.
    pub fn start(store: &Store, instance: String, book: Arc<Book>, caught_up: watch::Receiver<bool>) -> Arc<Self> {
        let (sql, thread) = (store.sql().clone(), store.thread().clone());
        let (heard, alive) = (AtomicI64::new(-1), AtomicBool::new(true));
        let (began, alone, lost) = (Instant::now(), AtomicI64::new(0), AtomicU64::new(0));
        let (back, backs) = unbounded_channel();
        let lessor = Arc::new_cyclic(|myself| {
            let (recalls, turns, beyond, lapsed) = (Recalls::default(), Turns::default(), Beyond::default(), AtomicBool::new(false));
            let (myself, entered, present) = (myself.clone(), OnceCell::new(), watch::Sender::default());
            Self {
                sql,
                thread,
                instance,
                heard,
                began,
                alone,
                alive,
                caught_up,
                entered,
                lost,
                present,
                book,
                recalls,
                turns,
                beyond,
                lapsed,
                back,
                myself,
            }
        });
        let handle = lessor.thread.handle();
        handle.spawn(keep_on(Arc::downgrade(&lessor)));
        handle.spawn(carry(Arc::downgrade(&lessor), backs));
        if let Some(heard) = &lessor.sql.heard {
            handle.spawn(recall::listen(Arc::downgrade(&lessor), heard.connect_options()));
        }
        lessor
    }

    /// Says what becomes of budgets while the database is away, from now on.
    pub fn without_database(&self, budgets: Budgets) {
        self.beyond.set(budgets);
    }

    /// Whether the database has heard of this gateway so lately that its leases hold.
    fn is_heard(&self) -> bool {
        let heard = self.heard.load(Ordering::Acquire);
        let longest = i64::try_from((EXPIRY - MARGIN).as_micros()).unwrap_or(0);
        heard >= 0 && self.elapsed() - heard < longest
    }

    /// Lends what the database cannot be asked for, where the operator wants that.
    fn lend(&self, asks: &[Ask]) -> Result<Vec<Grant>, Outage> {
        if !self.beyond.is_open() {
            return Err(Outage);
        }
        // Others may have what was leased by now.
        if !self.is_heard() && !self.lapsed.swap(true, Ordering::AcqRel) {
            self.book.free().into_iter().for_each(|(slot, amount)| self.give_back(slot, amount));
        }
        self.beyond.lend(asks, &self.book)
    }

    /// The database answers: nothing is lent any more.
    fn answered(&self) {
        self.beyond.over(&self.book);
        self.lapsed.store(false, Ordering::Release);
    }

    /// The gateway's name.
    fn instance(&self) -> &str {
        &self.instance
    }

    /// Who is there by the database's word, said again every few seconds.
    pub fn present(&self) -> watch::Receiver<Present> {
        self.present.subscribe()
    }

    /// What it has called back.
    fn recalls(&self) -> &Recalls {
        &self.recalls
    }

    /// Another gateway wants for that money.
    fn recalled(&self, slot: Slot, by: String) {
        let amount = self.book.recall(&slot, recall::SCARCE);
        self.send_back(slot, amount, Some(by));
    }

    /// How often what was granted was lost.
    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Acquire)
    }

    /// The database.
    fn sql(&self) -> &Sql {
        &self.sql
    }

    fn send_back(&self, slot: Slot, amount: NanoUsd, answers: Option<String>) {
        let back = Back { slot, amount, lost: self.lost(), answers };
        if self.back.send(back).is_err() {
            tracing::debug!("the store has ended; leased money goes back when the lease ends");
        }
    }

    /// The database hears of this gateway. Where it has been taken for dead, what it was granted is gone.
    async fn beat(&self) -> Result<(), StoreError> {
        self.entered.get_or_try_init(|| self.enter()).await?;
        let since = self.elapsed();
        if !beat(&self.sql, &self.instance).await? {
            self.lost.fetch_add(1, Ordering::AcqRel);
            self.book.forfeit();
        }
        self.heard.store(since, Ordering::Release);
        self.answered();
        Ok(())
    }

    /// What the last gateway of this name had leased goes back. Nobody else bears the name, which is the journal's; what that gateway
    /// spent of it is counted first.
    async fn enter(&self) -> Result<(), StoreError> {
        let mut caught_up = self.caught_up.clone();
        let met = tokio::time::timeout(PATIENCE, caught_up.wait_for(|met| *met)).await.map_err(|_| StoreError::Silent)?;
        met.map_err(|_| StoreError::Stopping)?;
        let mut on = self.sql.writers.begin().await?;
        release(&self.sql, &mut on, &self.instance).await?;
        Ok(on.commit().await?)
    }

    /// Microseconds since this began.
    fn elapsed(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    /// Calls back what others hold unused of those budgets. Of which of them there is enough then.
    async fn recall(&self, asks: impl Iterator<Item = &Ask>) -> Result<Vec<bool>, StoreError> {
        let called = asks.map(|ask| async {
            let taken = self.recalls.recall(&self.sql, &self.instance, &ask.slot).await?;
            Ok(taken.is_some_and(|taken| ask.limit.0.saturating_sub(taken) >= ask.least.0))
        });
        join_all(called).await.into_iter().collect()
    }

    /// Gives everything back: the gateway ends. Blocks.
    pub fn end(&self) -> Result<(), StoreError> {
        self.alive.store(false, Ordering::Release);
        let (sql, instance) = (self.sql.clone(), self.instance.clone());
        self.thread.block(async move {
            let mut on = sql.writers.begin().await?;
            release(&sql, &mut on, &instance).await?;
            sqlx::query("DELETE FROM gateways WHERE instance = $1").bind(instance).execute(&mut *on).await?;
            Ok(on.commit().await?)
        })
    }
}

/// What was granted to a call that may have gone by then. Dropped with anything in it, that goes back at once.
struct Untaken {
    lessor: Option<Arc<Lessor>>,
    slots: Vec<(Slot, NanoUsd)>,
}

impl Drop for Untaken {
    fn drop(&mut self) {
        let Some(lessor) = &self.lessor else { return };
        for (slot, amount) in self.slots.drain(..).filter(|(_, amount)| *amount > NanoUsd::ZERO) {
            lessor.give_back(slot, amount);
        }
    }
}

impl Authority for Lessor {
    fn lease(&self, mut asks: Vec<Ask>) -> Later<'_, Result<Vec<Grant>, Outage>> {
        Box::pin(async move {
            if self.elapsed() < self.alone.load(Ordering::Acquire) {
                return self.lend(&asks);
            }
            let asked = asks.clone();
            // Every gateway takes the rows in one order.
            let order: Vec<usize> = {
                let mut order: Vec<usize> = (0..asks.len()).collect();
                order.sort_by_key(|at| key(&asks[*at].slot));
                order
            };
            asks.sort_by_key(|ask| key(&ask.slot));
            let (sql, instance, stale) = (self.sql.clone(), self.instance.clone(), !self.is_heard());
            let (lessor, since) = (self.myself.upgrade(), Instant::now());
            let turn = asks.first().map(|ask| self.turns.of(&ask.slot)).unwrap_or_default();
            let granted = self.thread.run(async move {
                let _turn = turn.lock().await;
                if let Some(told) = lessor.as_ref().and_then(|lessor| lessor.turns.told(&asks, since)) {
                    return Ok((told, Untaken { lessor, slots: Vec::new() }));
                }
                let at = Instant::now();
                if let Some(lessor) = lessor.as_ref().filter(|_| stale) {
                    lessor.beat().await?;
                }
                let mut granted = lease(&sql, &instance, &asks).await?;
                let slots = asks.iter().map(|ask| ask.slot.clone()).zip(granted.iter().map(|grant| grant.granted)).collect();
                let mut untaken = Untaken { lessor, slots };
                let held: Vec<usize> = (0..asks.len()).filter(|at| is_held(&asks[*at], &granted[*at])).collect();
                if let Some(lessor) = untaken.lessor.clone().filter(|_| !held.is_empty()) {
                    let there = lessor.recall(held.iter().map(|at| &asks[*at])).await?;
                    let again: Vec<usize> = held.into_iter().zip(there).filter_map(|(at, there)| there.then_some(at)).collect();
                    let wanted: Vec<Ask> = again.iter().map(|at| asks[*at].clone()).collect();
                    for (at, grant) in again.into_iter().zip(lease(&sql, &instance, &wanted).await?) {
                        (granted[at], untaken.slots[at].1) = (grant, grant.granted);
                    }
                }
                if let Some(lessor) = &untaken.lessor {
                    lessor.turns.tell(&asks, &granted, at);
                }
                Ok((granted, untaken))
            });
            let granted = tokio::time::timeout(PATIENCE, granted).await.unwrap_or(Err(StoreError::Silent));
            let (granted, mut untaken) = match granted {
                Ok(granted) => granted,
                Err(error) => {
                    tracing::warn!(%error, "no money can be leased");
                    self.alone.store(self.elapsed().saturating_add(PAUSE), Ordering::Release);
                    return self.lend(&asked);
                }
            };
            untaken.slots.clear();
            let mut grants = vec![Grant::default(); granted.len()];
            order.into_iter().zip(granted).for_each(|(at, grant)| grants[at] = grant);
            self.answered();
            self.beyond.heard(&asked, &grants);
            Ok(grants)
        })
    }

    fn give_back(&self, slot: Slot, amount: NanoUsd) {
        self.send_back(slot, amount, None);
    }

    fn is_in_force(&self) -> bool {
        self.is_heard() || self.lapsed.load(Ordering::Acquire)
    }
}

/// Of which window: its account, span and start.
fn key(slot: &Slot) -> (i64, String, i64) {
    (account_of(&slot.scope), slot.window.name(), slot.start)
}

async fn lease(sql: &Sql, instance: &str, asks: &[Ask]) -> Result<Vec<Grant>, StoreError> {
    if asks.is_empty() {
        return Ok(Vec::new());
    }
    let mut on = sql.writers.begin().await?;
    let mut grants = Vec::with_capacity(asks.len());
    for ask in asks {
        let (account, span, start) = key(&ask.slot);
        let look = sql.either(LOOK_SQLITE, LOOK_POSTGRES);
        let mut found =
            sqlx::query(sqlx::AssertSqlSafe(look)).bind(account).bind(span.clone()).bind(start).fetch_optional(&mut *on).await?;
        if found.is_none() {
            let scope = &ask.slot.scope;
            let model = scope.model.as_deref().unwrap_or("").to_owned();
            let account_row = sqlx::query(ACCOUNT).bind(account).bind(scope.level.as_str()).bind(scope.id.to_string()).bind(model);
            account_row.execute(&mut *on).await?;
            sqlx::query(WINDOW).bind(account).bind(span.clone()).bind(start).execute(&mut *on).await?;
            found = sqlx::query(sqlx::AssertSqlSafe(look)).bind(account).bind(span.clone()).bind(start).fetch_optional(&mut *on).await?;
        }
        let (spent, leased): (i64, i64) = match found {
            Some(row) => (row.try_get(0)?, row.try_get(1)?),
            None => (0, 0),
        };
        let granted = slice(ask, spent, leased);
        if granted > 0 {
            sqlx::query(TAKE).bind(account).bind(span.clone()).bind(start).bind(granted).execute(&mut *on).await?;
            sqlx::query(KEEP).bind(instance).bind(account).bind(span).bind(start).bind(granted).execute(&mut *on).await?;
        }
        grants.push(Grant { granted: NanoUsd(granted), spent: NanoUsd(spent), held: NanoUsd(leased) });
    }
    on.commit().await?;
    Ok(grants)
}

/// How much is granted: a slice where there is plenty, what is needed where there is not, nothing where there is less.
fn slice(ask: &Ask, spent: i64, leased: i64) -> i64 {
    let left = ask.limit.0.saturating_sub(spent).saturating_sub(leased);
    if left < ask.least.0 {
        return 0;
    }
    (ask.limit.0 / SLICE_OF_LIMIT).min(left / SLICE_OF_REST).max(ask.least.0)
}

/// Whether nothing was granted for want of money that gateways hold and have not spent.
fn is_held(ask: &Ask, grant: &Grant) -> bool {
    grant.granted < ask.least && grant.held > NanoUsd::ZERO && grant.spent.plus(ask.least) <= ask.limit
}

/// A lease is less by so much, or by all there is of it. Whoever changes a lease has the window's row first.
pub(crate) async fn less(
    on: &mut AnyConnection,
    sql: &Sql,
    instance: &str,
    (account, span, start): &(i64, String, i64),
    amount: i64,
) -> Result<(), StoreError> {
    let look = sqlx::AssertSqlSafe(sql.either(LOOK_SQLITE, LOOK_POSTGRES));
    sqlx::query(look).bind(*account).bind(span.clone()).bind(*start).fetch_optional(&mut *on).await?;
    let held = sqlx::query(HELD).bind(instance).bind(*account).bind(span.clone()).bind(*start).fetch_optional(&mut *on).await?;
    let held: i64 = held.map_or(Ok(0), |row| row.try_get(0))?;
    let amount = amount.min(held);
    if amount > 0 {
        sqlx::query(TAKE).bind(*account).bind(span.clone()).bind(*start).bind(-amount).execute(&mut *on).await?;
        sqlx::query(LESS).bind(instance).bind(*account).bind(span.clone()).bind(*start).bind(amount).execute(&mut *on).await?;
    }
    Ok(())
}

/// Gives back all that gateway has leased.
async fn release(sql: &Sql, on: &mut Transaction<'_, Any>, instance: &str) -> Result<(), StoreError> {
    let rows = sqlx::query(LEFT).bind(instance).fetch_all(&mut **on).await?;
    for row in &rows {
        less(on, sql, instance, &(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?), i64::MAX).await?;
    }
    sqlx::query(FORGET).bind(instance).execute(&mut **on).await?;
    Ok(())
}

impl std::fmt::Debug for Lessor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Lessor").field("instance", &self.instance).field("in_force", &self.is_in_force()).finish_non_exhaustive()
    }
}
