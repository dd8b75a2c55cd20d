//! The one file that knows there are two databases.
//!
//! Statements are constants, written once: `$1` is understood by both, and so are `ON CONFLICT` and `RETURNING`. Columns are
//! `TEXT`, `BIGINT` and `BLOB`/`BYTEA` alone; flags are `BIGINT` 0 and 1, times are microseconds since 1970, money is
//! nano-dollars, and what nothing selects by is a JSON document in a `TEXT` column.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyPool, Executor, PgPool};

use crate::error::StoreError;
use crate::scribe::file::File;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Embedded, one file.
    Sqlite,
    /// A server that several gateways may share.
    Postgres,
}

/// A way to a database.
#[derive(Clone, Debug)]
pub struct Sql {
    /// Which one it is.
    pub kind: Kind,
    /// Connections for reading, and for writing too where several may write at once.
    pub pool: AnyPool,
    /// Connections for writing: one alone with SQLite, which lets only one write.
    pub writers: AnyPool,
    /// Knows how to connect where other gateways are heard, if several may share the database: a pool, since the options alone would
    /// show their password.
    pub(crate) heard: Option<PgPool>,
    /// The file, where the database is one: for what is written in batches.
    pub(crate) file: Option<Arc<File>>,
}

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

const SQLITE: &[&str] = &[
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 10000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -8192",
    // What a savepoint might take back is kept in memory, and not in a file made for each.
    "PRAGMA temp_store = MEMORY",
    // A page that many batches change goes into the database's own file once.
    "PRAGMA wal_autocheckpoint = 4000",
];
const POSTGRES: &[&str] = &["SET lock_timeout = '2s'", "SET statement_timeout = '30s'", "SET timezone = 'UTC'"];

impl Sql {
    /// Connections to that address; none is made before it is needed.
    pub fn open(address: &str, connections: u32) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let kind = kind_of(address).ok_or_else(|| StoreError::Address(without_secret(address)))?;
        let options = AnyConnectOptions::from_str(&address_for(kind, address)).map_err(|_| StoreError::Address(without_secret(address)))?;
        let pool = |most: u32| {
            let setup = if kind == Kind::Sqlite { SQLITE } else { POSTGRES };
            AnyPoolOptions::new().max_connections(most).acquire_timeout(CONNECT).after_connect(move |connection, _| {
                Box::pin(async move {
                    for statement in setup {
                        connection.execute(*statement).await?;
                    }
                    Ok(())
                })
            })
        };
        let readers = pool(connections).connect_lazy_with(options.clone());
        let writers = if kind == Kind::Sqlite { pool(1).connect_lazy_with(options) } else { readers.clone() };
        let heard = (kind == Kind::Postgres).then(|| PgConnectOptions::from_str(address)).transpose();
        let heard = heard.map_err(|_| StoreError::Address(without_secret(address)))?;
        let heard = heard.map(|options| PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT).connect_lazy_with(options));
        let path = file_of(kind, address);
        path.as_deref().into_iter().for_each(keep_for_owner);
        let file = path.map(|path| Arc::new(File::at(path, SQLITE)));
        Ok(Self { kind, pool: readers, writers, heard, file })
    }

    /// The same statement in the words of the database, for the few that have no common form.
    pub fn either<'a>(&self, sqlite: &'a str, postgres: &'a str) -> &'a str {
        match self.kind {
            Kind::Sqlite => sqlite,
            Kind::Postgres => postgres,
        }
    }

    /// Closes every connection, and waits for those in use.
    pub async fn close(&self) {
        self.writers.close().await;
        self.pool.close().await;
        if let Some(file) = &self.file {
            file.close();
        }
    }
}

fn kind_of(address: &str) -> Option<Kind> {
    let scheme = address.split(':').next()?;
    match scheme {
        "sqlite" => Some(Kind::Sqlite),
        "postgres" | "postgresql" => Some(Kind::Postgres),
        _ => None,
    }
}

/// A file of SQLite's is made where there is none.
fn address_for(kind: Kind, address: &str) -> String {
    match kind {
        Kind::Sqlite if !address.contains('?') => format!("{address}?mode=rwc"),
        Kind::Sqlite | Kind::Postgres => address.to_owned(),
    }
}

/// The file an address names; none where it says more than a name.
fn file_of(kind: Kind, address: &str) -> Option<PathBuf> {
    let plain = kind == Kind::Sqlite && !address.contains('?') && !address.contains(":memory:");
    let options = plain.then(|| SqliteConnectOptions::from_str(address).ok())??;
    Some(options.get_filename().to_owned())
}

/// Makes a database that is not there yet a file which its owner alone reads; what SQLite puts beside it is as the file is. What keeps it
/// from being made is told when it is opened.
fn keep_for_owner(path: &Path) {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => tracing::debug!(%error, "the database's file cannot be made yet"),
    }
}

/// An address as it may be told.
fn without_secret(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => address.to_owned(),
    }
}
