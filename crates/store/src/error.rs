//! What can go wrong with memory.

use std::borrow::Cow;
use std::sync::Arc;

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use sqlx::sqlite::SqliteError;

/// A database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or broke off. The same may work in a moment.
    #[error("the database cannot be reached: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// Others were in the way: a lock that did not come free in time, a deadlock. The same may work in a moment.
    #[error("the database is busy with others: {0}")]
    Contended(#[source] sqlx::Error),
    /// It refused a statement, or answered what nobody expected.
    #[error("the database refused a statement: {0}")]
    Refused(#[source] sqlx::Error),
    /// The same, of the file that is the database.
    #[error("the database refused to be written: {0}")]
    Unwritten(#[from] rusqlite::Error),
    /// Something with that identity is there already.
    #[error("`{0}` exists already")]
    Conflict(String),
    /// What is stored cannot be read.
    #[error("a stored {what} cannot be read")]
    Unreadable {
        /// What it should have been.
        what: &'static str,
        /// Why it is not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database was made by a gateway that is newer than this one can follow.
    #[error("the database is at version {found}, and this gateway knows only up to {known}")]
    TooNew {
        /// The version found.
        found: i64,
        /// The newest this gateway knows.
        known: i64,
    },
    /// The address of the database cannot be understood.
    #[error("`{0}` is no address of a database; write `sqlite:FILE` or `postgresql://USER@HOST/NAME`")]
    Address(String),
    /// The database has not answered for so long that nothing known of it can be believed.
    #[error("the database has been silent for too long")]
    Silent,
    /// What is in the journal has not all come to the database in the time there was.
    #[error("what the journal holds is not all in the database yet{}", .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Behind {
        /// What kept the last of it, where something did.
        why: Option<Arc<StoreError>>,
    },
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Stopping,
}

impl StoreError {
    /// Whether the database is to blame and the same may work in a moment.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Contended(_) | Self::Silent | Self::Stopping => true,
            Self::Unwritten(error) => error.sqlite_error_code().is_some_and(|code| OF_DISK.contains(&code) || OF_OTHERS.contains(&code)),
            Self::Behind { why } => why.as_ref().is_none_or(|why| why.is_outage()),
            _ => false,
        }
    }
}

/// SQLite cannot read or write its file, the disk is full, or no more files can be opened.
const OF_DISK: [rusqlite::ErrorCode; 3] =
    [rusqlite::ErrorCode::SystemIoFailure, rusqlite::ErrorCode::DiskFull, rusqlite::ErrorCode::CannotOpen];
/// Others write to it.
const OF_OTHERS: [rusqlite::ErrorCode; 2] = [rusqlite::ErrorCode::DatabaseBusy, rusqlite::ErrorCode::DatabaseLocked];

/// Whether that is the database's trouble, and not the statement's.
pub(crate) fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        // A connection that ends in the middle of its own beginning is told as broken protocol.
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => match sqlite_code(&**refusal) {
            Some(code) => OF_DISK.contains(&code),
            None => is_of_server(&**refusal),
        },
        _ => false,
    }
}

/// Whether a server said that, and of no statement. What is fatal ended the connection or kept it from coming about: a password that is
/// another by now, a database that takes no connections. Classes 08 (connection), 53 (resources), 57 (operator intervention: the
/// server is stopping or starting); 25006: it is a standby, and another one is to be written.
fn is_of_server(refusal: &dyn DatabaseError) -> bool {
    let severity = refusal.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::severity);
    let is_of_class = |code: Cow<'_, str>| ["08", "53", "57", "25006"].iter().any(|class| code.starts_with(class));
    matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic)) || refusal.code().is_some_and(is_of_class)
}

/// Which kind of SQLite's errors that is, if it is one.
fn sqlite_code(refusal: &dyn DatabaseError) -> Option<rusqlite::ErrorCode> {
    let code = refusal.try_downcast_ref::<SqliteError>()?.code()?;
    code.parse().ok().map(|code| rusqlite::ffi::Error::new(code).code)
}

/// Whether others were in the way of that statement: a lock that did not come free in time (55P03), a deadlock or a conflict that
/// ended this transaction (class 40).
fn is_contended(error: &sqlx::Error) -> bool {
    let Some(refusal) = error.as_database_error() else { return false };
    match sqlite_code(refusal) {
        Some(code) => OF_OTHERS.contains(&code),
        None => refusal.code().is_some_and(|code| code == "55P03" || code.starts_with("40")),
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            error if is_outage(&error) => Self::Unavailable(error),
            error if is_contended(&error) => Self::Contended(error),
            error => Self::Refused(error),
        }
    }
}
