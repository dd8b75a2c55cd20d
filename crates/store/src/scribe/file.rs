//! Writing on SQLite's file.

use std::future::ready;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql, TransactionBehavior};
use sqlx::AnyConnection;

use super::{Found, Scribe};
use crate::error::StoreError;
use crate::rows::{Cell, Insert};

/// A connection of its own to the file, made when it is first needed.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    setup: &'static [&'static str],
    open: Mutex<Option<Connection>>,
}

impl File {
    pub(crate) fn at(path: PathBuf, setup: &'static [&'static str]) -> Self {
        Self { path, setup, open: Mutex::default() }
    }

    /// Does `work` in a transaction. It waits for the disk, and for whoever else writes.
    pub(crate) fn write<T>(&self, work: impl FnOnce(Leaf<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A connection that failed is not used again.
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let leaf = Leaf(connection.transaction_with_behavior(TransactionBehavior::Immediate)?);
        let done = work(leaf)?;
        *open = Some(connection);
        Ok(done)
    }

    /// Closes the connection; it is made again when it is needed.
    pub(crate) fn close(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.execute_batch(&self.setup.join("; "))?;
        Ok(connection)
    }
}

/// A transaction on the file. Nothing in it waits for anything but the file.
pub(crate) struct Leaf<'c>(rusqlite::Transaction<'c>);

impl Leaf<'_> {
    fn prepared(&self, statement: &str) -> Result<CachedStatement<'_>, StoreError> {
        Ok(self.0.prepare_cached(statement)?)
    }

    fn each(&self, what: &Insert, rows: &[Vec<Cell<'_>>], mut told: impl FnMut(usize)) -> Result<(), StoreError> {
        let mut statement = self.prepared(&what.statement_for_one())?;
        let mut before: &[Cell<'_>] = &[];
        for row in rows {
            for (at, cell) in row.iter().enumerate() {
                // Most of what a row says, the one before has said, and a value stays bound.
                if before.get(at) != Some(cell) {
                    statement.raw_bind_parameter(at + 1, cell)?;
                }
            }
            told(statement.raw_execute()?);
            before = row;
        }
        Ok(())
    }

    /// A statement with its values. SQLite counts `$1` and `$2` in the order they stand in; everybody else goes by what they say.
    fn bound(&self, statement: &'static str, cells: &[Cell<'_>]) -> Result<CachedStatement<'_>, StoreError> {
        let mut statement = self.prepared(statement)?;
        for (at, cell) in cells.iter().enumerate() {
            if let Some(place) = statement.parameter_index(&format!("${}", at + 1))? {
                statement.raw_bind_parameter(place, cell)?;
            }
        }
        Ok(statement)
    }

    fn asked(&self, statement: &'static str, cells: &[Cell<'_>]) -> Result<Option<Found>, StoreError> {
        let mut statement = self.bound(statement, cells)?;
        let width = statement.column_count();
        let mut rows = statement.raw_query();
        let Some(row) = rows.next()? else { return Ok(None) };
        let cell = |at: usize| {
            Ok(match row.get_ref(at)? {
                rusqlite::types::ValueRef::Text(_) => Cell::Text(row.get::<_, String>(at)?.into()),
                _ => Cell::MaybeInteger(row.get(at)?),
            })
        };
        let found = (0..width).map(cell).collect::<Result<_, StoreError>>()?;
        // A statement that changes what it answers has changed all of it only when it has been asked to the end.
        while rows.next()?.is_some() {}
        Ok(Some(Found(found)))
    }
}

/// All is done when it is asked for; nothing is left to be awaited.
impl Scribe for Leaf<'_> {
    fn insert(&mut self, what: &Insert, rows: &[Vec<Cell<'_>>]) -> impl Future<Output = Result<u64, StoreError>> + Send {
        let mut touched = 0;
        ready(self.each(what, rows, |changed| touched += changed as u64).map(|()| touched))
    }

    fn add(&mut self, what: &Insert, rows: &[Vec<Cell<'_>>]) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send {
        let mut added = Vec::with_capacity(rows.len());
        ready(self.each(what, rows, |changed| added.push(changed > 0)).map(|()| added))
    }

    fn change(&mut self, statement: &'static str, cells: &[Cell<'_>]) -> impl Future<Output = Result<(), StoreError>> + Send {
        ready(self.bound(statement, cells).and_then(|mut statement| Ok(statement.raw_execute()?)).map(|_| ()))
    }

    fn first(&mut self, statement: &'static str, cells: &[Cell<'_>]) -> impl Future<Output = Result<Option<Found>, StoreError>> + Send {
        ready(self.asked(statement, cells))
    }

    fn shared(&mut self) -> Option<&mut AnyConnection> {
        None
    }

    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send {
        ready(self.0.commit().map_err(StoreError::from))
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Text(text) | Self::MaybeText(Some(text)) => Ok((&**text).into()),
            Self::Integer(number) | Self::MaybeInteger(Some(number)) => Ok((*number).into()),
            Self::MaybeText(None) | Self::MaybeInteger(None) => Ok(rusqlite::types::Null.into()),
        }
    }
}
