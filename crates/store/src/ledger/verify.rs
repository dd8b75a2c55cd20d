//! Whether the ledger is as it must be.
//!
//! | | what must hold | how it is looked at |
//! |---|---|---|
//! | I1 | what is debited is owed | sum of rows against the counters of those who are owed |
//! | I2 | nothing negative is reserved | leases against counters |
//! | I3 | no budget is leased beyond its limit | leases against the limits of keys, teams and users |
//! | I4 | a counter is the sum of its rows | every counter |
//! | I5 | an attempt is over once, and a call costs what its attempts do | rows; the request log against rows |
//! | I6 | nothing ends that has not begun | the time in an attempt's id |
//! | I7 | at rest nothing is reserved | leases, where no gateway lives |
//! | I8 | a refused request costs nothing | the request log |
//! | I9 | no attempt costs less than nothing, or absurdly much | rows |
//! | I10 | whoever stands around a caller is debited with it | rows |
//! | I11 | windows begin where the calendar says | every counter |
//! | I13 | no row was changed or removed | seals; the audit log has a check of its own |
//!
//! I12 (places in use) lives in the memory of gateways alone, and I14 (the provider's own books) needs the provider: the command looks
//! at them where it is told of a gateway, or of a provider's export.

use std::collections::{BTreeMap, HashMap};

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};
use switchboard_engine::terms::Window;

use super::seal::Sum;
use super::{LIFETIME, MARGIN, OWED, SETTLE};
use crate::account::account;
use crate::error::StoreError;
use crate::open::Store;
use crate::rows::Cell;
use crate::sql::{Kind, Sql};

mod around;

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
    /// Seals.
    pub seals: u64,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

const COUNTERS: &str = "SELECT w.account, w.span, w.start, w.spent, w.leased, COALESCE(a.level, ''), COALESCE(a.name, '') FROM ledger_windows w LEFT JOIN ledger_accounts a ON a.id = w.account";
const ACCOUNTS: &str = "SELECT id, level, name FROM ledger_accounts";
const PAGE: &str = "SELECT attempt, kind, at, call, amount, reserved, estimated, debits, credit, input_tokens, output_tokens, reason, actor, instance, owed, basis, batch FROM ledger WHERE attempt > $1 OR (attempt = $1 AND kind > $2) ORDER BY attempt, kind LIMIT 1000";
const SEALS: &str = "SELECT instance, batch, rows, digest FROM ledger_seals ORDER BY instance, batch";

/// Nothing costs more.
const SANE: i64 = 10_000_000_000_000;
/// Clocks of gateways may differ by so many milliseconds.
const SKEW: i64 = 600_000;
/// Of one kind no more is told.
const TOLD: usize = 100;

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

/// What is summed of the rows.
#[derive(Default)]
struct Sums {
    counters: BTreeMap<Key, i64>,
    credits: i128,
    /// The attempt that was over last.
    over: String,
    /// By account: what it is.
    accounts: HashMap<i64, (String, String)>,
    whole: Option<i64>,
    batches: BTreeMap<(String, i64), Sum>,
}

async fn look(sql: &Sql) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut sums = Sums::default();
    let mut after = (String::new(), String::new());
    // One look at one state of the database, while gateways go on writing.
    let mut on = sql.pool.begin().await?;
    if sql.kind == Kind::Postgres {
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *on).await?;
    }
    let counters = sqlx::query(COUNTERS).fetch_all(&mut *on).await?;
    sums.know(&mut on).await?;
    loop {
        let rows = sqlx::query(PAGE).bind(after.0.clone()).bind(after.1.clone()).fetch_all(&mut *on).await?;
        let Some(last) = rows.last() else { break };
        after = (last.try_get(0)?, last.try_get(1)?);
        for row in &rows {
            sums.row(row, &mut report)?;
        }
    }
    let seals = sqlx::query(SEALS).fetch_all(&mut *on).await?;
    report.sealed(&seals, std::mem::take(&mut sums.batches))?;
    around::look(&mut on, &mut report).await?;
    on.commit().await?;
    report.compare(&counters, sums.counters, sums.credits)?;
    Ok(report)
}

impl Sums {
    async fn know(&mut self, on: &mut Transaction<'_, Any>) -> Result<(), StoreError> {
        for row in sqlx::query(ACCOUNTS).fetch_all(&mut **on).await? {
            self.accounts.insert(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?));
        }
        let whole = account("proxy", "", "");
        self.whole = self.accounts.contains_key(&whole).then_some(whole);
        Ok(())
    }

    fn row(&mut self, row: &AnyRow, report: &mut Report) -> Result<(), StoreError> {
        let (attempt, kind): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let (at, amount, reserved): (i64, i64, i64) = (row.try_get(2)?, row.try_get(4)?, row.try_get(5)?);
        let (debits, credit, owed): (String, i64, Option<i64>) = (row.try_get(7)?, row.try_get(8)?, row.try_get(14)?);
        report.rows += 1;
        self.credits += i128::from(amount);
        if matches!(kind.as_str(), SETTLE | "void") {
            if self.over == attempt {
                report.find("I5", format!("attempt {attempt} is over more than once"));
            }
            self.over.clone_from(&attempt);
            if !(0..=SANE).contains(&amount) {
                report.find("I9", format!("attempt {attempt} is settled at {amount}"));
            }
            let began = attempt.get(..12).and_then(|millis| i64::from_str_radix(millis, 16).ok());
            if reserved < 0 || began.is_none_or(|began| began > at / 1000 + SKEW) {
                report.find("I6", format!("attempt {attempt} ended before it began"));
            }
        }
        self.seal(row)?;
        let Ok(debits) = serde_json::from_str::<Vec<(i64, Vec<(String, i64)>)>>(&debits) else {
            report.find("I1", format!("attempt {attempt} is debited to nobody that can be read"));
            return Ok(());
        };
        if kind == SETTLE {
            self.together(&attempt, &debits, report);
        }
        let mut add = |account: i64, span: &str, start: i64, amount: i64| {
            *self.counters.entry((account, span.to_owned(), start)).or_default() += amount;
        };
        let share = owed.unwrap_or(amount);
        add(credit, LIFETIME, 0, share);
        if share != amount {
            add(account(OWED, MARGIN, ""), LIFETIME, 0, amount - share);
        }
        for (account, windows) in debits {
            add(account, LIFETIME, 0, amount);
            windows.iter().for_each(|(span, start)| add(account, span, *start, amount));
        }
        Ok(())
    }

    /// I10: the whole gateway is debited with every caller, and a team with each of its members.
    fn together(&self, attempt: &str, debits: &[(i64, Vec<(String, i64)>)], report: &mut Report) {
        let known: Vec<&(String, String)> = debits.iter().filter_map(|(account, _)| self.accounts.get(account)).collect();
        let only_credits = known.iter().all(|(level, _)| level == "credits");
        if let Some(whole) = self.whole.filter(|_| !only_credits)
            && !debits.iter().any(|(account, _)| *account == whole)
        {
            report.find("I10", format!("attempt {attempt} is not debited to the whole gateway"));
        }
        for (level, name) in &known {
            let team = name.split_once('/').map(|(team, _)| team).filter(|_| level == "team_member");
            if team.is_some_and(|team| !known.iter().any(|(level, name)| level == "team" && name == team)) {
                report.find("I10", format!("attempt {attempt} is debited to the member {name} and not to its team"));
            }
        }
    }

    fn seal(&mut self, row: &AnyRow) -> Result<(), StoreError> {
        let Some(batch) = row.try_get::<Option<i64>, _>(16)? else { return Ok(()) };
        let text = |at: usize| row.try_get::<&str, _>(at).map(Cell::from);
        let whole = |at: usize| row.try_get::<i64, _>(at).map(Cell::Integer);
        let maybe = |at: usize| row.try_get::<Option<&str>, _>(at).map(Cell::from);
        let cells = [
            text(0)?,
            text(1)?,
            whole(2)?,
            text(3)?,
            whole(4)?,
            whole(5)?,
            whole(6)?,
            text(7)?,
            whole(8)?,
            whole(9)?,
            whole(10)?,
            maybe(11)?,
            maybe(12)?,
            text(13)?,
            row.try_get::<Option<i64>, _>(14).map(Cell::MaybeInteger)?,
            maybe(15)?,
            Cell::Integer(batch),
        ];
        self.batches.entry((row.try_get(13)?, batch)).or_default().add(&cells);
        Ok(())
    }
}

impl Report {
    /// Whether everything holds.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Notes something that is not as it must be.
    pub fn find(&mut self, invariant: &'static str, what: String) {
        if self.findings.iter().filter(|finding| finding.invariant == invariant).count() < TOLD {
            self.findings.push(Finding { invariant, what });
        }
    }

    /// I13: every row is under the seal it says, and every seal follows the one before.
    fn sealed(&mut self, seals: &[AnyRow], mut batches: BTreeMap<(String, i64), Sum>) -> Result<(), StoreError> {
        let mut before: (String, i64, String) = Default::default();
        for row in seals {
            let (instance, batch, rows, digest): (String, i64, i64, String) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            self.seals += 1;
            if before.0 != instance {
                before = (instance.clone(), 0, String::new());
            }
            let sum = batches.remove(&(instance.clone(), batch)).unwrap_or_default();
            if batch != before.1 + 1 {
                self.find("I13", format!("seal {batch} of {instance} does not follow the one before"));
            }
            if sum.count != rows || sum.after(&before.2) != digest {
                self.find("I13", format!("seal {batch} of {instance} is broken: a row under it was changed, added or removed"));
            }
            before = (instance, batch, digest);
        }
        for (instance, batch) in batches.into_keys() {
            self.find("I13", format!("rows of {instance} say that they are under seal {batch}, which is not there"));
        }
        Ok(())
    }

    fn compare(&mut self, counters: &[AnyRow], mut sums: BTreeMap<Key, i64>, credits: i128) -> Result<(), StoreError> {
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
            if let Some(window) = Window::read(&span).filter(|window| window.start(start) != start) {
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
