//! Whether the log is as it was written.

use super::{Audit, Head};
use crate::chain::{COLUMNS, Record};
use crate::error::StoreError;

/// What a look at the whole log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Rows that were read and are good.
    pub good: u64,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
    /// Where the chain ends.
    pub head: Head,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no row of that number, though there are later ones.
    Missing(i64),
    /// The row of that number is not what was written, or not where it was written.
    Changed(i64),
    /// The log ends before the head that was kept elsewhere, or the row there is another one.
    CutOff(i64),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(seq) => write!(out, "row {seq} is missing"),
            Self::Changed(seq) => write!(out, "row {seq} is not what was written there"),
            Self::CutOff(seq) => write!(out, "the log does not contain the head that was kept: row {seq} is gone or another one"),
        }
    }
}

/// Rows read at a time.
const BATCH: i64 = 500;

impl Audit {
    /// Reads the whole log and says whether it is as it was written. `kept` are heads that were written down elsewhere.
    pub async fn verify(&self, kept: Vec<Head>) -> Result<Verdict, StoreError> {
        let audit = self.clone();
        self.store.thread().run(async move { audit.walk(&kept).await }).await
    }

    async fn walk(&self, kept: &[Head]) -> Result<Verdict, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM audit_log WHERE seq > $1 ORDER BY seq LIMIT $2");
        let mut verdict = Verdict { good: 0, fault: None, head: Head::default() };
        let mut former: Vec<u8> = Vec::new();
        let mut at = i64::MIN;
        loop {
            let query = sqlx::query(sqlx::AssertSqlSafe(statement.clone())).bind(at).bind(BATCH);
            let rows = query.fetch_all(&self.store.sql().pool).await?;
            for row in &rows {
                let Ok(record) = Record::read(row) else {
                    // What cannot even be read was not written by us.
                    verdict.fault = Some(Fault::Changed(verdict.head.seq + 1));
                    return Ok(verdict);
                };
                let expected = verdict.head.seq + 1;
                if record.seq != expected {
                    verdict.fault = Some(if record.seq > expected { Fault::Missing(expected) } else { Fault::Changed(record.seq) });
                    return Ok(verdict);
                }
                let mac = self.chain.mac(&former, &record);
                if mac != record.mac {
                    verdict.fault = Some(Fault::Changed(record.seq));
                    return Ok(verdict);
                }
                let head = Head { seq: record.seq, mac: hex::encode(&mac) };
                if let Some(other) = kept.iter().find(|kept| kept.seq == head.seq && kept.mac != head.mac) {
                    verdict.fault = Some(Fault::CutOff(other.seq));
                    return Ok(verdict);
                }
                (verdict.head, former, at) = (head, mac, record.seq);
                verdict.good += 1;
            }
            if rows.is_empty() {
                break;
            }
        }
        verdict.fault = kept.iter().find(|kept| kept.seq > verdict.head.seq).map(|kept| Fault::CutOff(kept.seq));
        Ok(verdict)
    }
}
