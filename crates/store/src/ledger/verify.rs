//! Whether the ledger is as it must be.

use std::collections::BTreeMap;

use sqlx::Row;
use switchboard_engine::admit::Window;

use super::LIFETIME;
use crate::error::StoreError;
use crate::open::Store;
use crate::sql::{Kind, Sql};

/// Something is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which invariant does not hold (`I4`).
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

/// What a look at the ledger found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Rows of the ledger.
    pub rows: u64,
    /// Counters.
    pub counters: u64,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

const COUNTERS: &str = "SELECT w.account, w.span, w.start, w.spent, w.leased, COALESCE(a.level, ''), COALESCE(a.name, '') FROM ledger_windows w LEFT JOIN ledger_accounts a ON a.id = w.account";
const PAGE: &str = "SELECT attempt, kind, amount, reserved, debits, credit FROM ledger WHERE attempt > $1 OR (attempt = $1 AND kind > $2) ORDER BY attempt, kind LIMIT 1000";

/// Nothing costs more.
const SANE: i64 = 10_000_000_000_000;

/// Sums the whole ledger and compares it with every counter.
pub async fn verify(store: &Store) -> Result<Report, StoreError> {
    let sql = store.sql().clone();
    store.thread().run(async move { look(&sql).await }).await
}

/// The same, for a thread that has nothing else to do.
pub fn verify_blocking(store: &Store) -> Result<Report, StoreError> {
    let sql = store.sql().clone();
    store.thread().block(async move { look(&sql).await })
}

type Key = (i64, String, i64);

async fn look(sql: &Sql) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut sums: BTreeMap<Key, i64> = BTreeMap::new();
    let (mut credits, mut over) = (0_i128, String::new());
    let mut after = (String::new(), String::new());
    // One look at one state of the database, while gateways go on writing.
    let mut on = sql.pool.begin().await?;
    if sql.kind == Kind::Postgres {
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *on).await?;
    }
    let counters = sqlx::query(COUNTERS).fetch_all(&mut *on).await?;
    loop {
        let rows = sqlx::query(PAGE).bind(after.0.clone()).bind(after.1.clone()).fetch_all(&mut *on).await?;
        let Some(last) = rows.last() else { break };
        after = (last.try_get(0)?, last.try_get(1)?);
        for row in &rows {
            let (attempt, kind): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let (amount, debits, credit): (i64, String, i64) = (row.try_get(2)?, row.try_get(4)?, row.try_get(5)?);
            report.rows += 1;
            credits += i128::from(amount);
            if matches!(kind.as_str(), "settle" | "void") {
                if over == attempt {
                    report.find("I5", format!("attempt {attempt} is over more than once"));
                }
                over.clone_from(&attempt);
                if !(0..=SANE).contains(&amount) {
                    report.find("I9", format!("attempt {attempt} is settled at {amount}"));
                }
            }
            let Ok(debits) = serde_json::from_str::<Vec<(i64, Vec<(String, i64)>)>>(&debits) else {
                report.find("I1", format!("attempt {attempt} is debited to nobody that can be read"));
                continue;
            };
            *sums.entry((credit, LIFETIME.to_owned(), 0)).or_default() += amount;
            for (account, windows) in debits {
                *sums.entry((account, LIFETIME.to_owned(), 0)).or_default() += amount;
                for (span, start) in windows {
                    *sums.entry((account, span, start)).or_default() += amount;
                }
            }
        }
    }
    on.commit().await?;
    report.compare(&counters, sums, credits)?;
    Ok(report)
}

impl Report {
    /// Whether everything holds.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, invariant: &'static str, what: String) {
        self.findings.push(Finding { invariant, what });
    }

    fn compare(&mut self, counters: &[sqlx::any::AnyRow], mut sums: BTreeMap<Key, i64>, credits: i128) -> Result<(), StoreError> {
        let mut owed = 0_i128;
        for row in counters {
            let (account, span, start): Key = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let (spent, leased): (i64, i64) = (row.try_get(3)?, row.try_get(4)?);
            let (level, name): (String, String) = (row.try_get(5)?, row.try_get(6)?);
            self.counters += 1;
            if level == super::OWED {
                owed += i128::from(spent);
            }
            if leased < 0 {
                self.find("I2", format!("{level} `{name}` has {leased} leased"));
            }
            let counted = sums.remove(&(account, span.clone(), start)).unwrap_or(0);
            if counted != spent {
                self.find("I4", format!("{level} `{name}` has spent {spent} ({span} from {start}), and its rows say {counted}"));
            }
            if let Some(window) = Window::parse(&span).filter(|window| window.start(start) != start) {
                self.find("I11", format!("{level} `{name}` has a window {} that begins at {start}", window.name()));
            }
        }
        for ((account, span, start), counted) in sums.into_iter().filter(|(_, counted)| *counted != 0) {
            self.find("I4", format!("account {account} has rows of {counted} ({span} from {start}) and no counter"));
        }
        if owed != credits {
            self.find("I1", format!("{credits} were debited and {owed} are owed"));
        }
        Ok(())
    }
}
