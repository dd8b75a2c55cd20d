//! Where it is written what money was spent on: the journal beside the gateway, and the ledger in the database.

pub(crate) mod absurd;
pub mod accounts;
pub mod prices;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use switchboard_engine::admit::Admission;
use switchboard_engine::book::{Book, MachineClock};
use switchboard_engine::catalog::Catalog;
use switchboard_engine::meter::Recorder;
use switchboard_engine::terms::{Budget, Level, Limit, ScopeId, Terms};
use switchboard_store::journal::{BadJournal, Durability, Journal, Standing};
use switchboard_store::lease::{self, Lessor, Present};
use switchboard_store::ledger::{Past, SpendLog, Writer};
use switchboard_store::sql::Kind;
use switchboard_store::{Store, StoreError};
use tokio::sync::watch;

use crate::config::Config;
use prices::PriceLists;

/// The folder with the journal, in the data directory.
pub(crate) const FOLDER: &str = "journal";
/// How long a start waits for a database that takes nothing of what the last gateway left in the journal. With one that is away the
/// gateway starts all the same;
const START: Duration = Duration::from_secs(5);
/// a file that others hold comes free, or the gateway does not start: longer than its lock is waited for.
const START_ON_FILE: Duration = Duration::from_secs(15);
/// How long a stop waits for that.
const STOP: Duration = Duration::from_secs(30);

/// The books of one gateway. Without a place for files nothing is written, and budgets hold for as long as the gateway runs.
#[derive(Debug, Default)]
pub struct Books {
    /// What every key, team and user has spent.
    pub book: Arc<Book>,
    /// What calls are charged by.
    pub prices: Arc<PriceLists>,
    kept: Option<Kept>,
    /// Whether nothing that providers say is written down.
    mute: Arc<AtomicBool>,
    /// Held by whoever corrects a charge.
    correcting: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Kept {
    journal: Arc<Journal>,
    writer: Writer,
    lessor: Option<Arc<Lessor>>,
}

/// The books cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The journal cannot.
    #[error(transparent)]
    Journal(#[from] BadJournal),
    /// The ledger in the data directory cannot.
    #[error("the ledger in `{}` cannot be used: {source}{}", .at.display(), advice(.source))]
    Ledger {
        /// The data directory.
        at: PathBuf,
        /// Why.
        source: StoreError,
    },
}

/// What to do about that.
fn advice(error: &StoreError) -> &'static str {
    match error {
        StoreError::TooNew { .. } => "",
        error if error.is_outage() => "; see that nothing else holds its file, and start again: nothing that was spent is lost",
        _ => "; see that its disk has room and is sound, or bring a backup back with `switchboard restore`",
    }
}

/// What time it is for windows. Gateways that share a database agree on it, whatever their own clocks say; while the database is away
/// there is only one's own.
fn clock(store: &Store, is_there: bool) -> MachineClock {
    let shared = is_there && store.sql().kind == Kind::Postgres;
    match shared.then(|| lease::time_blocking(store)) {
        Some(Ok(now)) => MachineClock::at(now),
        Some(Err(error)) => {
            tracing::warn!(%error, "the database does not say what time it is; budgets keep to this machine's clock");
            MachineClock::default()
        }
        None => MachineClock::default(),
    }
}

impl Books {
    /// Opens them, settles what the last gateway left open, and reads what everybody has spent.
    pub fn open(config: &Config, store: Option<&Store>) -> Result<Self, BooksError> {
        let (Some(store), Some(folder)) = (store, &config.switchboard.data_dir) else { return Ok(Self::default()) };
        let (journal, recovered) = Journal::open(&folder.join(FOLDER), Durability::default())?;
        if recovered.attempts > 0 {
            tracing::warn!(attempts = recovered.attempts, amount = %recovered.amount, "requests that the last gateway left under way are settled by estimate");
        }
        let journal = Arc::new(journal);
        let formed = store.migrate();
        let writer = Writer::start(store, journal.clone());
        let book = Arc::new(Book::new(Arc::new(clock(store, formed.is_ok()))));
        let lessor = (store.sql().kind == Kind::Postgres).then(|| {
            book.share();
            Lessor::start(store, journal.instance(), book.clone(), writer.caught_up())
        });
        let on_file = store.sql().kind == Kind::Sqlite;
        let patience = if on_file { START_ON_FILE } else { START };
        let ready = formed.and_then(|()| writer.catch_up_blocking(patience)).and_then(|()| Past::read_blocking(store, book.now()));
        match ready {
            Ok(past) => book.open(past),
            Err(source) if on_file => return Err(BooksError::Ledger { at: folder.clone(), source }),
            Err(error) => tracing::error!(%error, "the ledger cannot be read; calls with budgets are refused until it can"),
        }
        Ok(Self { book, prices: Arc::default(), kept: Some(Kept { journal, writer, lessor }), ..Self::default() })
    }

    /// Keeps the whole gateway within what that configuration says, from now on.
    pub fn follow(&self, config: &Config, catalog: &Catalog) {
        self.prices.follow(config, catalog);
        self.book.keep_to(config.litellm.calendar);
        // What a provider says of a failure may repeat what it was asked.
        let kept = config.general.stores_prompts && config.general.logs.messages;
        self.mute.store(!kept, Ordering::Relaxed);
        if let Some(kept) = &self.kept {
            if let Some(lessor) = &kept.lessor {
                lessor.without_database(config.switchboard.limit_rules.without_database);
            }
            kept.writer.lines().keep(config.general.logs.requests, config.general.logs.failures);
        }
        let said = &config.litellm.budget;
        let budgets = said.limit.map(|limit| Budget::new(limit, said.window)).into_iter().collect();
        let limits = config.general.gates.parallel.map(Limit::parallel).into_iter().collect();
        let terms = Terms { name: "litellm-proxy-budget".to_owned(), budgets, limits, ..Terms::default() };
        self.book.scope(ScopeId::new(Level::Proxy, ""), terms);
    }

    /// Admits up to so many calls at a time, by these books.
    pub fn admission(&self, bound: usize) -> Admission {
        let admission = Admission::new(bound).with_book(self.book.clone()).with_tariffs(self.prices.tariffs().clone());
        let Some(kept) = &self.kept else { return admission };
        let admission = admission.with_journal(kept.journal.clone());
        match &kept.lessor {
            Some(lessor) => admission.with_authority(lessor.clone()),
            None => admission,
        }
    }

    /// A recorder that writes to the request log, and hands on.
    pub fn recorder(&self, next: Arc<dyn Recorder>) -> Arc<dyn Recorder> {
        match &self.kept {
            Some(kept) => Arc::new(SpendLog::new(kept.journal.clone(), self.mute.clone(), next)),
            None => next,
        }
    }

    /// The gateway's own name among those that share a database.
    pub fn instance(&self) -> String {
        self.kept.as_ref().map(|kept| kept.journal.instance()).unwrap_or_default()
    }

    /// Who is there by the database's word, where gateways share one.
    pub(crate) fn present(&self) -> Option<watch::Receiver<Present>> {
        self.kept.as_ref()?.lessor.as_ref().map(|lessor| lessor.present())
    }

    /// How the journal takes what is to be written.
    pub(crate) fn standing(&self) -> Standing {
        self.kept.as_ref().map_or(Standing::Open, |kept| kept.journal.standing())
    }

    /// What is spent by now is known to the database when this returns.
    pub async fn settled(&self, patience: Duration) -> Result<(), StoreError> {
        match &self.kept {
            Some(kept) => kept.writer.flush(patience).await,
            None => Ok(()),
        }
    }

    /// Until it is let go, nobody else corrects a charge by what a provider told later.
    pub(crate) async fn correcting(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.correcting.lock().await
    }

    /// What is spent is known to the database when this returns, but for what an outage keeps in the journal.
    pub fn flush(&self, patience: Duration) {
        if let Some(kept) = &self.kept
            && let Err(error) = kept.writer.flush_blocking(patience)
        {
            tracing::error!(%error, "the ledger lacks what was spent last; it is in the journal, and the next start carries it over");
        }
    }

    /// Writes the last, and gives back what is leased. For a gateway that serves no more.
    pub fn close(&self) {
        self.flush(STOP);
        if let Some(lessor) = self.kept.as_ref().and_then(|kept| kept.lessor.as_ref())
            && let Err(error) = lessor.end()
        {
            tracing::warn!(%error, "leased money could not be given back; it goes back by itself within half a minute");
        }
    }
}
