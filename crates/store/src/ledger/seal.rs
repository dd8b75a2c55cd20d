//! Seals over the ledger's rows.
//!
//! Each gateway seals the rows of a batch as it posts them: the digest of the rows, in their order, and of the seal before. Whoever
//! changes or removes a row afterwards breaks its seal and, by renewing it, all that follow.

use ring::digest::{Context, SHA256};

use crate::error::StoreError;
use crate::rows::Cell;
use crate::scribe::Scribe;
use crate::sql::{Kind, Sql};
use crate::time::micros;

/// Gateways seal one after another only with themselves.
const ALONE: &str = "SELECT pg_advisory_xact_lock(728394651, hashtext($1))";
const LAST: &str = "SELECT batch, digest FROM ledger_seals WHERE instance = $1 ORDER BY batch DESC LIMIT 1";
const SEAL: &str = "INSERT INTO ledger_seals (instance, batch, sealed_at, rows, digest) VALUES ($1, $2, $3, $4, $5)";

/// A gateway's last seal.
#[derive(Debug, Default)]
pub(super) struct Last {
    batch: i64,
    digest: String,
}

impl Last {
    /// The seal that comes next.
    pub(super) fn next(&self) -> i64 {
        self.batch + 1
    }
}

/// The last seal of that gateway, to be followed by nobody else's until the transaction is over.
pub(super) async fn last(on: &mut impl Scribe, sql: &Sql, instance: &str) -> Result<Last, StoreError> {
    if sql.kind == Kind::Postgres {
        on.change(ALONE, &[instance.into()]).await?;
    }
    let row = on.first(LAST, &[instance.into()]).await?;
    Ok(row.map_or_else(Last::default, |row| Last {
        batch: row.number(0).unwrap_or_default(),
        digest: row.text(1).unwrap_or_default().to_owned(),
    }))
}

/// Seals rows, which were added in the order of their keys.
pub(super) async fn seal(on: &mut impl Scribe, instance: &str, last: &Last, rows: Sum) -> Result<(), StoreError> {
    if rows.count == 0 {
        return Ok(());
    }
    let count = rows.count;
    let digest = rows.after(&last.digest);
    on.change(SEAL, &[instance.into(), last.next().into(), micros().into(), count.into(), digest.into()]).await
}

/// The digest of the rows of one batch.
#[derive(Clone)]
pub(super) struct Sum {
    rows: Context,
    /// What a row says, one after another.
    text: String,
    /// How many there are.
    pub(super) count: i64,
}

impl Default for Sum {
    fn default() -> Self {
        Self { rows: Context::new(&SHA256), text: String::new(), count: 0 }
    }
}

impl Sum {
    /// Adds a row.
    pub(super) fn add(&mut self, row: &[Cell<'_>]) {
        let (text, mut number) = (&mut self.text, itoa::Buffer::new());
        text.clear();
        for cell in row {
            match cell {
                Cell::Text(said) | Cell::MaybeText(Some(said)) => {
                    text.push('t');
                    text.push_str(number.format(said.len()));
                    text.push(':');
                    text.push_str(said);
                }
                Cell::Integer(whole) | Cell::MaybeInteger(Some(whole)) => {
                    text.push('i');
                    text.push_str(number.format(*whole));
                    text.push(';');
                }
                Cell::MaybeText(None) | Cell::MaybeInteger(None) => text.push('n'),
            }
        }
        self.rows.update(self.text.as_bytes());
        self.count += 1;
    }

    /// The seal over them, after that one.
    pub(super) fn after(self, before: &str) -> String {
        let mut chained = Context::new(&SHA256);
        chained.update(before.as_bytes());
        chained.update(self.rows.finish().as_ref());
        hex::encode(chained.finish())
    }
}
