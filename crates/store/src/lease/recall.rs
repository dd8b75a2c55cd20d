//! Money that lies unused elsewhere is called back before a call is refused for want of it.
//!
//! Gateways that share a database hear each other over it (`LISTEN` and `NOTIFY`). One that finds too little left says which budget
//! it needs; whoever holds some of it gives back what no call holds, and what comes free for a while after, and answers when the
//! database has it. Nobody waits for long: who does not answer is left out for a while. A word that is lost costs a refusal,
//! never money: only the database moves that.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{AnyConnection, Row};
use switchboard_engine::apart;
use switchboard_engine::book::port::Slot;
use switchboard_engine::terms::{Level, ScopeId, Window};
use tokio::sync::watch;

use super::{Lessor, key};
use crate::error::StoreError;
use crate::sql::Sql;

/// Where gateways hear each other.
const CHANNEL: &str = "switchboard_money";
/// How long a call waits for the others.
const PATIENCE: Duration = Duration::from_millis(100);
/// For how long nobody waits for a gateway that did not answer.
const DEAF: Duration = Duration::from_secs(1);
/// For how long what comes free of such a budget goes back at once.
pub(super) const SCARCE: Duration = Duration::from_secs(10);
/// After so long without a word the connection is made anew: a dead one tells nothing.
const QUIET: Duration = Duration::from_secs(60);
/// What the database takes as one word, in bytes.
const LONGEST: usize = 7999;

const HOLDERS: &str =
    "SELECT instance FROM ledger_leases WHERE account = $1 AND span = $2 AND start = $3 AND instance <> $4 AND amount > 0";
const TAKEN: &str = "SELECT spent + leased FROM ledger_windows WHERE account = $1 AND span = $2 AND start = $3";
const ANYTHING: &str = "SELECT 1";
const TELL: &str = "SELECT CAST(pg_notify($1, $2) AS TEXT)";

/// What one gateway says to the others.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Word {
    /// Who says it.
    from: String,
    /// Whom it answers; without that, money is wanted.
    to: Option<String>,
    level: String,
    id: String,
    model: Option<String>,
    window: String,
    start: i64,
}

impl Word {
    pub(super) fn new(from: &str, to: Option<String>, slot: &Slot) -> Self {
        let Slot { scope, window, start } = slot;
        let (level, id, model) = (scope.level.as_str().to_owned(), scope.id.to_string(), scope.model.as_deref().map(str::to_owned));
        Self { from: from.to_owned(), to, level, id, model, window: window.name(), start: *start }
    }

    /// Which budget it is about; none where only a newer gateway knows.
    fn slot(&self) -> Option<Slot> {
        let scope =
            ScopeId { level: Level::from_name(&self.level)?, id: self.id.as_str().into(), model: self.model.as_deref().map(Into::into) };
        Some(Slot { scope, window: Window::read(&self.window)?, start: self.start })
    }

    /// Says it; in a transaction, when that is done.
    pub(super) async fn say(&self, on: &mut AnyConnection) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        if !text.is_empty() && text.len() <= LONGEST {
            sqlx::query(TELL).bind(CHANNEL).bind(text).fetch_one(on).await?;
        }
        Ok(())
    }
}

/// What this gateway has called back.
#[derive(Debug, Default)]
pub(super) struct Recalls {
    rounds: Mutex<HashMap<Slot, Round>>,
    deaf: Mutex<HashMap<String, Instant>>,
}

/// One budget called back once.
#[derive(Debug)]
struct Round {
    began: Instant,
    /// Who has not answered yet.
    awaited: HashSet<String>,
    answered: watch::Sender<bool>,
    /// What is taken of the budget after it.
    over: watch::Sender<Option<i64>>,
}

impl Recalls {
    /// Calls back what others hold unused of that budget. How much of it is spent and leased then; none where nobody holds any.
    pub(super) async fn recall(&self, sql: &Sql, instance: &str, slot: &Slot) -> Result<Option<i64>, StoreError> {
        if let Some(mut over) = self.going(slot) {
            // Its end is seen, or it is gone.
            let end = tokio::time::timeout(PATIENCE * 2, over.wait_for(Option::is_some)).await;
            return Ok(end.ok().and_then(Result::ok).and_then(|taken| *taken));
        }
        let taken = self.call(sql, instance, slot).await;
        self.end(slot, taken.as_ref().ok().copied().flatten());
        taken
    }

    /// The end of a round that is going on; without one it begins.
    fn going(&self, slot: &Slot) -> Option<watch::Receiver<Option<i64>>> {
        let mut rounds = self.rounds();
        let going = rounds.get(slot).filter(|round| round.began.elapsed() < DEAF).map(|round| round.over.subscribe());
        if going.is_none() {
            let (began, awaited) = (Instant::now(), HashSet::new());
            rounds.insert(slot.clone(), Round { began, awaited, answered: watch::Sender::new(false), over: watch::Sender::new(None) });
        }
        going
    }

    /// A round is over; who has not answered is deaf.
    fn end(&self, slot: &Slot, taken: Option<i64>) {
        let Some(round) = self.rounds().remove(slot) else { return };
        self.deaf().extend(round.awaited.into_iter().map(|instance| (instance, Instant::now())));
        // Whoever waits sees an end without it, too.
        round.over.send_replace(taken);
    }

    /// What is taken after all who hold any have answered or had the time to.
    async fn call(&self, sql: &Sql, instance: &str, slot: &Slot) -> Result<Option<i64>, StoreError> {
        let (account, span, start) = key(slot);
        let mut on = sql.writers.acquire().await?;
        let holders = sqlx::query(HOLDERS).bind(account).bind(span.clone()).bind(start).bind(instance).fetch_all(&mut *on).await?;
        let mut holders: HashSet<String> = holders.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        {
            let mut deaf = self.deaf();
            deaf.retain(|_, since| since.elapsed() < DEAF);
            holders.retain(|holder| !deaf.contains_key(holder));
        }
        let mut answered = {
            let mut rounds = self.rounds();
            let Some(round) = rounds.get_mut(slot).filter(|_| !holders.is_empty()) else { return Ok(None) };
            round.awaited = holders;
            round.answered.subscribe()
        };
        Word::new(instance, None, slot).say(&mut on).await?;
        drop(on);
        // Who was slow may have given some back all the same.
        let _ = tokio::time::timeout(PATIENCE, answered.wait_for(|all| *all)).await;
        let taken = sqlx::query(TAKEN).bind(account).bind(span).bind(start).fetch_optional(&sql.writers).await?;
        Ok(taken.map(|row| row.try_get(0)).transpose()?)
    }

    /// Somebody has given back what there was.
    fn answered(&self, slot: &Slot, by: &str) {
        self.deaf().remove(by);
        if let Some(round) = self.rounds().get_mut(slot)
            && round.awaited.remove(by)
            && round.awaited.is_empty()
        {
            round.answered.send_replace(true);
        }
    }

    fn rounds(&self) -> MutexGuard<'_, HashMap<Slot, Round>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deaf(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.deaf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears what the others say, for as long as the gateway leases anything.
pub(super) async fn listen(lessor: Weak<Lessor>, address: Arc<PgConnectOptions>) {
    while lessor.strong_count() > 0 {
        match apart::work("hearing of money", hear(&lessor, &address)).await {
            Some(Ok(())) => continue,
            Some(Err(error)) => tracing::debug!(%error, "other gateways are not heard"),
            None => {}
        }
        tokio::time::sleep(apart::PAUSE).await;
    }
}

async fn hear(lessor: &Weak<Lessor>, address: &Arc<PgConnectOptions>) -> Result<(), sqlx::Error> {
    let Some(sql) = lessor.upgrade().map(|lessor| lessor.sql().clone()) else { return Ok(()) };
    // Where connections are scarce, the first is for calls.
    sqlx::query(ANYTHING).execute(&sql.pool).await?;
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(DEAF).connect_lazy_with((**address).clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        let Ok(heard) = tokio::time::timeout(QUIET, listener.recv()).await else { return Ok(()) };
        let heard = heard?;
        let Some(lessor) = lessor.upgrade() else { return Ok(()) };
        // What cannot be read was said by a gateway that is newer.
        let Ok(word) = serde_json::from_str::<Word>(heard.payload()) else { continue };
        let Some(slot) = word.slot().filter(|_| word.from != lessor.instance()) else { continue };
        match word.to {
            None => lessor.recalled(slot, word.from),
            Some(to) if to == lessor.instance() => lessor.recalls().answered(&slot, &word.from),
            Some(_) => {}
        }
    }
}
