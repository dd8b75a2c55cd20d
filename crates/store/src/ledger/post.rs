//! One batch, posted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures_util::FutureExt;
use sqlx::{AnyConnection, Row};
use switchboard_engine::admit::journal::AttemptId;

use super::attempts::basis;
use super::retention::Rule;
use super::{LIFETIME, MARGIN, OWED, SETTLE, seal};
use crate::account::account;
use crate::error::StoreError;
use crate::journal::frame::{Kept, Settled};
use crate::line::{DAILY, DayCounts, DayKey, LOGS, Passing, day_cells};
use crate::rows::{Cell, Insert};
use crate::scribe::{Found, Scribe};
use crate::sql::Sql;

const LEDGER: Insert = Insert {
    head: "INSERT INTO ledger (attempt, kind, at, call, amount, reserved, estimated, debits, credit, input_tokens, output_tokens, reason, actor, instance, owed, basis, batch)",
    width: 17,
    tail: "ON CONFLICT (attempt, kind) DO NOTHING",
};
const ACCOUNTS: Insert =
    Insert { head: "INSERT INTO ledger_accounts (id, level, name, model)", width: 4, tail: "ON CONFLICT (id) DO NOTHING" };
const WINDOWS: Insert = Insert {
    head: "INSERT INTO ledger_windows (account, span, start, spent, leased)",
    width: 5,
    tail: "ON CONFLICT (account, span, start) DO UPDATE SET spent = ledger_windows.spent + excluded.spent",
};
const RELOG: &str = "UPDATE spend_logs SET spend = spend + $2 WHERE request_id = $1 RETURNING call_type, started_at, api_key, model, model_group, provider, user_id, team_id, organization_id, end_user, tags";
const POSITION: &str = "INSERT INTO ledger_positions (instance, segment, place) VALUES ($1, $2, $3) ON CONFLICT (instance) DO UPDATE SET segment = excluded.segment, place = excluded.place";

/// Rows are made and handed over by so many at a time, so that the memory of one piece serves the next: above 128 KiB the C library
/// gives it back to the system in between.
const PIECE: usize = 64;

/// A row of the ledger to be added.
#[derive(Clone, Debug)]
pub(crate) struct Posting {
    pub(crate) attempt: String,
    pub(crate) kind: String,
    pub(crate) at: i64,
    pub(crate) call: String,
    pub(crate) amount: i64,
    /// What of it the provider is owed, where that is not all.
    pub(crate) owed: Option<i64>,
    pub(crate) reserved: i64,
    pub(crate) estimated: bool,
    /// Whom it counts for: level, id, model, and windows beside the lifetime.
    pub(crate) debits: Vec<Debit>,
    /// Who is owed.
    pub(crate) credit: String,
    pub(crate) tokens: (u64, u64),
    /// From what it was reckoned, as JSON.
    pub(crate) basis: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) actor: Option<String>,
}

/// One account that is debited.
#[derive(Clone, Debug)]
pub(crate) struct Debit {
    pub(crate) level: String,
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) windows: Vec<(String, i64)>,
}

impl Posting {
    pub(crate) fn settled(attempt: AttemptId, kept: Kept, settled: Settled) -> Self {
        let debit = |line: crate::journal::frame::Line| Debit {
            level: line.level,
            name: line.id,
            model: line.model.unwrap_or_default(),
            windows: line.windows,
        };
        Self {
            attempt: hex::encode(attempt.0.to_be_bytes()),
            kind: SETTLE.to_owned(),
            at: settled.at,
            basis: settled.used.as_ref().map(|used| basis(&kept.intent, used)),
            credit: [kept.intent.provider.as_str(), "/", &kept.intent.deployment].concat(),
            call: kept.intent.call,
            amount: settled.amount,
            owed: settled.owed,
            reserved: kept.intent.reserved,
            estimated: settled.estimated,
            debits: kept.intent.lines.into_iter().map(debit).collect(),
            tokens: settled.tokens,
            reason: None,
            actor: None,
        }
    }

    /// What the provider is owed, and what is left of it as the gateway's margin.
    fn shares(&self) -> (i64, i64) {
        let owed = self.owed.unwrap_or(self.amount);
        (owed, self.amount - owed)
    }

    fn cells<'a>(&'a self, instance: &'a str, batch: i64) -> Vec<Cell<'a>> {
        let debits: Vec<(i64, &[(String, i64)])> = self.debits.iter().map(|debit| (debit.account(), debit.windows.as_slice())).collect();
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        vec![
            self.attempt.as_str().into(),
            self.kind.as_str().into(),
            self.at.into(),
            self.call.as_str().into(),
            self.amount.into(),
            self.reserved.into(),
            i64::from(self.estimated).into(),
            serde_json::to_string(&debits).unwrap_or_else(|_| "[]".to_owned()).into(),
            account(OWED, &self.credit, "").into(),
            count(self.tokens.0).into(),
            count(self.tokens.1).into(),
            self.reason.as_deref().into(),
            self.actor.as_deref().into(),
            instance.into(),
            self.owed.into(),
            self.basis.as_deref().into(),
            batch.into(),
        ]
    }
}

impl Debit {
    fn account(&self) -> i64 {
        account(&self.level, &self.name, &self.model)
    }
}

/// What is posted at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) postings: Vec<Posting>,
    /// Lines of the request log, as the journal has them.
    pub(crate) lines: Vec<Box<[u8]>>,
    /// How far the journal has been read.
    pub(crate) place: (u64, u64),
    /// Which lines are kept.
    pub(crate) rule: Rule,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.postings.is_empty() && self.lines.is_empty()
    }
}

/// The accounts that the database has, as far as they are known.
pub(crate) type Known = Arc<HashSet<i64>>;

/// Posts a batch, whole or not at all.
pub(crate) async fn post(sql: &Sql, instance: &str, batch: &Arc<Batch>, known: &mut Known) -> Result<(), StoreError> {
    let unknown = match &sql.file {
        None => post_on(sql.writers.begin().await?, sql, instance, batch, known).await?,
        Some(file) => {
            // Nobody else here writes meanwhile: who waits for the file blocks a thread.
            let _alone = sql.writers.acquire().await?;
            let (file, sql, instance, batch, known) = (file.clone(), sql.clone(), instance.to_owned(), batch.clone(), known.clone());
            // On the file nothing is ever waited for but the file itself.
            let never = Err(StoreError::Stopping);
            let write = move || file.write(|leaf| post_on(leaf, &sql, &instance, &batch, &known).now_or_never().unwrap_or(never));
            tokio::task::spawn_blocking(write).await.map_err(|_| StoreError::Stopping)??
        }
    };
    Arc::make_mut(known).extend(unknown);
    switchboard_engine::failpoint::hit("after_commit");
    Ok(())
}

/// The same in that transaction. Gives the accounts that are new.
async fn post_on(mut on: impl Scribe, sql: &Sql, instance: &str, batch: &Batch, known: &HashSet<i64>) -> Result<Vec<i64>, StoreError> {
    let last = seal::last(&mut on, sql, instance).await?;
    let mut postings: Vec<&Posting> = batch.postings.iter().collect();
    postings.sort_by(|a, b| (&a.attempt, &a.kind).cmp(&(&b.attempt, &b.kind)));
    let (mut fresh, mut sum): (Vec<&Posting>, _) = (Vec::with_capacity(postings.len()), seal::Sum::default());
    for some in postings.chunks(PIECE) {
        let rows: Vec<Vec<Cell<'_>>> = some.iter().map(|posting| posting.cells(instance, last.next())).collect();
        let added = on.add(&LEDGER, &rows).await?;
        switchboard_engine::failpoint::hit("mid_batch");
        kept(rows, &added).iter().for_each(|row| sum.add(row));
        fresh.extend(kept(some.to_vec(), &added));
    }
    seal::seal(&mut on, instance, &last, sum).await?;
    let unknown = count(&mut on, &fresh, known, (sql, instance)).await?;
    log(&mut on, &batch.lines, batch.rule).await?;
    relog(&mut on, &fresh).await?;
    switchboard_engine::failpoint::hit("before_position");
    let (segment, place) = batch.place;
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    if segment > 0 {
        on.change(POSITION, &[instance.into(), whole(segment).into(), whole(place).into()]).await?;
    }
    on.commit().await?;
    Ok(unknown)
}

/// Adds to the counters what was really added to the ledger.
async fn count(
    on: &mut impl Scribe,
    postings: &[&Posting],
    known: &HashSet<i64>,
    (sql, instance): (&Sql, &str),
) -> Result<Vec<i64>, StoreError> {
    let mut accounts: BTreeMap<i64, [&str; 3]> = BTreeMap::new();
    let mut windows: BTreeMap<(i64, &str, i64), i64> = BTreeMap::new();
    for posting in postings {
        let owed = account(OWED, &posting.credit, "");
        accounts.entry(owed).or_insert_with(|| [OWED, &posting.credit, ""]);
        let (share, margin) = posting.shares();
        *windows.entry((owed, LIFETIME, 0)).or_default() += share;
        if margin != 0 {
            let ours = account(OWED, MARGIN, "");
            accounts.entry(ours).or_insert_with(|| [OWED, MARGIN, ""]);
            *windows.entry((ours, LIFETIME, 0)).or_default() += margin;
        }
        for debit in &posting.debits {
            let account = debit.account();
            accounts.entry(account).or_insert_with(|| [&debit.level, &debit.name, &debit.model]);
            *windows.entry((account, LIFETIME, 0)).or_default() += posting.amount;
            for (span, start) in &debit.windows {
                *windows.entry((account, span, *start)).or_default() += posting.amount;
            }
        }
    }
    let unknown: Vec<i64> = accounts.keys().filter(|account| !known.contains(account)).copied().collect();
    let rows = accounts.into_iter().filter(|(account, _)| !known.contains(account));
    let rows: Vec<_> = rows.map(|(account, names)| std::iter::once(account.into()).chain(names.map(Cell::from)).collect()).collect();
    on.insert(&ACCOUNTS, &rows).await?;
    // What is spent is leased no more. The counters' rows come first, for everybody.
    let leases = match on.shared() {
        Some(on) => holds_leases(on, instance).await?,
        None => false,
    };
    let leased: Vec<((i64, String, i64), i64)> = match leases {
        true => windows.iter().map(|((account, span, start), spent)| ((*account, (*span).to_owned(), *start), *spent)).collect(),
        false => Vec::new(),
    };
    let cells = |((account, span, start), spent): ((i64, _, i64), i64)| {
        vec![account.into(), Cell::from(span), start.into(), spent.into(), 0.into()]
    };
    let rows: Vec<Vec<Cell<'_>>> = windows.into_iter().map(cells).collect();
    on.insert(&WINDOWS, &rows).await?;
    if let Some(on) = on.shared() {
        for (slot, spent) in leased {
            crate::lease::less(on, sql, instance, &slot, spent).await?;
        }
    }
    Ok(unknown)
}

/// Whether that gateway has leased anything.
async fn holds_leases(on: &mut AnyConnection, instance: &str) -> Result<bool, StoreError> {
    const ANY: &str = "SELECT account FROM ledger_leases WHERE instance = $1 LIMIT 1";
    Ok(sqlx::query(ANY).bind(instance.to_owned()).fetch_optional(on).await?.is_some())
}

/// Adds lines to the request log, and to the days' counters what was really added, or is not to be in the log.
async fn log(on: &mut impl Scribe, lines: &[Box<[u8]>], rule: Rule) -> Result<(), StoreError> {
    let mut days = Days::new();
    for some in lines.chunks(PIECE) {
        let lines = some.iter().filter_map(|line| read(line));
        let (lines, unlogged): (Vec<Passing<'_>>, Vec<_>) = lines.partition(|line| rule.keeps_all() || rule.keeps(line));
        let rows: Vec<Vec<Cell<'_>>> = lines.iter().map(Passing::cells).collect();
        let mut lines = kept(lines, &on.add(&LOGS, &rows).await?);
        lines.extend(unlogged);
        sum_up(&mut days, lines.iter().flat_map(Passing::days));
        super::routed::count(on, &lines).await?;
    }
    on.insert(&DAILY, &days.into_iter().map(day_cells).collect::<Vec<_>>()).await?;
    Ok(())
}

fn read(line: &[u8]) -> Option<Passing<'_>> {
    match postcard::from_bytes(line) {
        Ok(line) => Some(line),
        Err(error) => {
            tracing::error!(%error, "a line of the request log cannot be read");
            None
        }
    }
}

/// What is added to the days' counters.
type Days<'a> = BTreeMap<DayKey<'a>, DayCounts>;

fn sum_up<'a>(days: &mut Days<'a>, counted: impl Iterator<Item = (DayKey<'a>, DayCounts)>) {
    for (key, counts) in counted {
        let sums = days.entry(key).or_default();
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
}

/// Lines of the request log whose call was corrected say so, and so do the days' counters.
async fn relog(on: &mut impl Scribe, postings: &[&Posting]) -> Result<(), StoreError> {
    let mut corrected = Vec::new();
    for posting in postings.iter().filter(|posting| posting.kind != SETTLE && !posting.call.is_empty()) {
        if let Some(row) = on.first(RELOG, &[posting.call.as_str().into(), posting.amount.into()]).await? {
            let unread = |source| StoreError::Unreadable { what: "a line of the request log", source: Box::new(source) };
            let tags: Vec<String> = serde_json::from_str(row.text(10).unwrap_or("[]")).map_err(unread)?;
            corrected.push((row, tags, posting.amount));
        }
    }
    let lines: Vec<(Passing<'_>, i64)> = corrected.iter().map(|(row, tags, amount)| (logged(row, tags), *amount)).collect();
    let mut days = Days::new();
    sum_up(&mut days, lines.iter().flat_map(|(line, amount)| line.days().map(|(key, _)| (key, [*amount, 0, 0, 0, 0, 0, 0, 0]))));
    on.insert(&DAILY, &days.into_iter().map(day_cells).collect::<Vec<_>>()).await?;
    Ok(())
}

/// A line as far as days' counters are kept by it.
fn logged<'a>(row: &'a Found, tags: &'a [String]) -> Passing<'a> {
    Passing {
        call_type: row.text(0).unwrap_or_default(),
        times: (row.number(1).unwrap_or_default(), 0),
        api_key: row.text(2),
        model: row.text(3).unwrap_or_default(),
        model_group: row.text(4).unwrap_or_default(),
        provider: row.text(5),
        user_id: row.text(6),
        team_id: row.text(7),
        organization_id: row.text(8),
        end_user: row.text(9),
        tags: tags.iter().map(String::as_str).collect(),
        ..Passing::default()
    }
}

/// Those of some that were added.
fn kept<T>(all: Vec<T>, added: &[bool]) -> Vec<T> {
    all.into_iter().zip(added).filter_map(|(one, added)| added.then_some(one)).collect()
}

/// How far the journal of that gateway has been carried.
pub(crate) async fn position(sql: &Sql, instance: &str) -> Result<(u64, u64), StoreError> {
    const POSITION: &str = "SELECT segment, place FROM ledger_positions WHERE instance = $1";
    let row = sqlx::query(POSITION).bind(instance.to_owned()).fetch_optional(&sql.writers).await?;
    let Some(row) = row else { return Ok((0, 0)) };
    let whole = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok((whole(row.try_get(0)?), whole(row.try_get(1)?)))
}

/// The attempts that are not over, by their ids.
pub(crate) type Open = HashMap<AttemptId, Kept>;
