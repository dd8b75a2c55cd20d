//! A transaction in which much is written.
//!
//! What the gateway writes of every call, it writes in batches, and there handing values to a database costs more than what the
//! database does with them. So there are two ways: over a connection like all others to a server, and, where the database is a
//! file, on that file itself (`file`), value by value and with nothing in between.

use sqlx::any::{AnyArguments, AnyRow, AnyTypeInfoKind};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Column as _, Row as _, Transaction};

use crate::error::StoreError;
use crate::rows::{Cell, Insert};

pub(crate) mod file;

/// A transaction. Dropped, it has done nothing.
pub(crate) trait Scribe {
    /// Adds rows; how many it touched.
    fn insert(&mut self, what: &Insert, rows: &[Vec<Cell<'_>>]) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// Adds rows that may be there; which of them were not.
    fn add(&mut self, what: &Insert, rows: &[Vec<Cell<'_>>]) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send;
    /// Runs a statement.
    fn change(&mut self, statement: &'static str, cells: &[Cell<'_>]) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Runs a statement and gives the first row it answers.
    fn first(&mut self, statement: &'static str, cells: &[Cell<'_>]) -> impl Future<Output = Result<Option<Found>, StoreError>> + Send;
    /// The connection, where other gateways may write at the same time.
    fn shared(&mut self) -> Option<&mut AnyConnection>;
    /// Makes it last.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A row that was found.
#[derive(Debug)]
pub(crate) struct Found(Vec<Cell<'static>>);

impl Found {
    /// What a column says, where it says anything.
    pub(crate) fn text(&self, at: usize) -> Option<&str> {
        match self.0.get(at) {
            Some(Cell::Text(text) | Cell::MaybeText(Some(text))) => Some(text),
            _ => None,
        }
    }

    /// The number in a column.
    pub(crate) fn number(&self, at: usize) -> Option<i64> {
        match self.0.get(at) {
            Some(Cell::Integer(number) | Cell::MaybeInteger(Some(number))) => Some(*number),
            _ => None,
        }
    }
}

/// Rows go in by so many at a time: few sizes, so that the database knows the statements.
const SIZES: [usize; 3] = [64, 8, 1];

impl Scribe for Transaction<'_, Any> {
    async fn insert(&mut self, what: &Insert, rows: &[Vec<Cell<'_>>]) -> Result<u64, StoreError> {
        let (mut left, mut touched) = (rows, 0);
        while !left.is_empty() {
            let size = SIZES.into_iter().find(|size| *size <= left.len()).unwrap_or(1);
            let (some, others) = left.split_at(size);
            left = others;
            let query = sqlx::query(AssertSqlSafe(what.statement(size)));
            touched += bound(query, some.iter().flatten()).execute(&mut **self).await?.rows_affected();
        }
        Ok(touched)
    }

    /// Almost always none was there: only where some were is each looked at.
    async fn add(&mut self, what: &Insert, rows: &[Vec<Cell<'_>>]) -> Result<Vec<bool>, StoreError> {
        sqlx::query("SAVEPOINT trial").execute(&mut **self).await?;
        if self.insert(what, rows).await? == rows.len() as u64 {
            sqlx::query("RELEASE SAVEPOINT trial").execute(&mut **self).await?;
            return Ok(vec![true; rows.len()]);
        }
        sqlx::query("ROLLBACK TO SAVEPOINT trial").execute(&mut **self).await?;
        let mut added = Vec::with_capacity(rows.len());
        for row in rows {
            added.push(self.insert(what, std::slice::from_ref(row)).await? > 0);
        }
        Ok(added)
    }

    async fn change(&mut self, statement: &'static str, cells: &[Cell<'_>]) -> Result<(), StoreError> {
        bound(sqlx::query(statement), cells).execute(&mut **self).await?;
        Ok(())
    }

    async fn first(&mut self, statement: &'static str, cells: &[Cell<'_>]) -> Result<Option<Found>, StoreError> {
        let row = bound(sqlx::query(statement), cells).fetch_optional(&mut **self).await?;
        Ok(row.map(|row| found(&row)).transpose()?)
    }

    fn shared(&mut self) -> Option<&mut AnyConnection> {
        Some(self)
    }

    async fn commit(self) -> Result<(), StoreError> {
        Ok(Transaction::commit(self).await?)
    }
}

fn bound<'q, 'c, 'v: 'c>(
    query: Query<'q, Any, AnyArguments>,
    cells: impl IntoIterator<Item = &'c Cell<'v>>,
) -> Query<'q, Any, AnyArguments> {
    cells.into_iter().fold(query, |query, cell| match cell {
        Cell::Text(text) => query.bind(&**text),
        Cell::Integer(number) => query.bind(*number),
        Cell::MaybeText(text) => query.bind(text.as_deref()),
        Cell::MaybeInteger(number) => query.bind(*number),
    })
}

fn found(row: &AnyRow) -> Result<Found, sqlx::Error> {
    let cell = |at: usize| {
        Ok(match row.column(at).type_info().kind() {
            AnyTypeInfoKind::Text => Cell::MaybeText(row.try_get::<Option<String>, _>(at)?.map(Into::into)),
            _ => Cell::MaybeInteger(row.try_get(at)?),
        })
    };
    (0..row.len()).map(cell).collect::<Result<_, _>>().map(Found)
}
