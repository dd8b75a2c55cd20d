//! Opening and closing.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use crate::chain::Chain;
use crate::change::{Listener, Listeners};
use crate::error::StoreError;
use crate::heard::Heard;
use crate::migrate::migrate;
use crate::sql::Sql;
use crate::thread::Thread;
use crate::time::micros;

/// Where memory is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `sqlite:FILE`, `sqlite::memory:` or `postgresql://…`.
    pub address: String,
    /// The most connections at a time.
    pub connections: u32,
}

/// The gateway's memory.
#[derive(Clone, Debug)]
pub struct Store {
    sql: Sql,
    thread: Arc<Thread>,
    listeners: Listeners,
    heard: Arc<Heard>,
    chain: Arc<OnceLock<Arc<Chain>>>,
}

/// What a task on the store's thread holds: not the thread itself, which would then never end.
#[derive(Clone, Debug)]
pub(crate) struct Ties {
    pub(crate) sql: Sql,
    pub(crate) listeners: Listeners,
    pub(crate) heard: Arc<Heard>,
    pub(crate) away: Arc<AtomicBool>,
}

impl Store {
    /// A way to that memory. Nothing is asked of it yet: a gateway starts also while its database is away.
    pub fn open(settings: &Settings) -> Result<Self, StoreError> {
        let thread = Thread::start().map_err(|error| StoreError::Unavailable(sqlx::Error::Io(error)))?;
        // A pool keeps house with timers of the runtime it is made on.
        let sql = {
            let _on = thread.handle().enter();
            Sql::open(&settings.address, settings.connections)?
        };
        Ok(Self { sql, thread: Arc::new(thread), listeners: Listeners::default(), heard: Arc::default(), chain: Arc::default() })
    }

    /// Brings the database to the form this gateway expects.
    pub fn migrate(&self) -> Result<(), StoreError> {
        let sql = self.sql.clone();
        self.thread.block(async move { migrate(&sql, micros()).await })
    }

    /// The database.
    pub fn sql(&self) -> &Sql {
        &self.sql
    }

    /// Tells `listener` of every change of an object from now on.
    pub fn listen(&self, listener: Arc<dyn Listener>) {
        self.listeners.add(listener);
    }

    /// Writes every change down from now on. The first log that is given stays.
    pub(crate) fn witness(&self, chain: Arc<Chain>) {
        let _ = self.chain.set(chain);
    }

    pub(crate) fn chain(&self) -> Option<&Arc<Chain>> {
        self.chain.get()
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    pub(crate) fn heard(&self) -> &Arc<Heard> {
        &self.heard
    }

    pub(crate) fn clone_for_task(&self) -> Ties {
        Ties { sql: self.sql.clone(), listeners: self.listeners.clone(), heard: self.heard.clone(), away: self.thread.away().clone() }
    }

    /// The thread on which it is spoken to.
    pub fn thread(&self) -> &Arc<Thread> {
        &self.thread
    }

    /// Closes every connection and ends the thread.
    pub fn close(&self) {
        let sql = self.sql.clone();
        let closed = self.thread.wait_for(async move {
            sql.close().await;
            Ok(())
        });
        if let Err(error) = closed {
            tracing::error!(%error, "the database did not close");
        }
        self.thread.stop();
    }
}
