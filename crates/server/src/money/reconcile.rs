//! The ledger against what a provider says: its invoice, or an export of usage.
//!
//! Both are summed by day and model, and every sum that is not the same is told, with what it means: usage that only one of the two
//! has, usage that is counted otherwise, or the same usage at another price. Money is compared as the ledger has it, to the
//! nano-dollar.

mod export;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use switchboard_engine::terms::NanoUsd;
use switchboard_store::ledger::{Attempts, attempts};
use switchboard_store::{Money, Store, StoreError, Time};

pub use export::{BadExport, Columns, Line, Unit, read};

/// What was used on one day of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// What it costs; none where the export does not say.
    pub cost: Option<Money>,
    /// Tokens of prompts.
    pub input_tokens: Option<u64>,
    /// Tokens of answers.
    pub output_tokens: Option<u64>,
    /// Requests.
    pub requests: Option<u64>,
}

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The provider bills what the ledger does not have.
    MissingInLedger,
    /// The ledger has what the provider does not bill.
    MissingInExport,
    /// Both have it, and not as much of it.
    UsageDiffers,
    /// Both have as much of it, and not at the same price.
    PriceDiffers,
}

/// One day's difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The day, in UTC.
    pub day: String,
    /// The model, in the provider's words.
    pub model: String,
    /// What it means.
    pub kind: Kind,
    /// By the ledger.
    pub ledger: Sum,
    /// By the export.
    pub export: Sum,
    /// What the export has more.
    pub difference: Money,
}

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Days and models that were compared.
    pub compared: usize,
    /// What the provider is owed by the ledger.
    pub ledger_total: Money,
    /// What it says it is owed.
    pub export_total: Money,
    /// Attempts whose usage nobody reported, and what they are taken to have cost: they cannot be found in an export.
    pub estimated: (u64, Money),
    /// What is not the same.
    pub differences: Vec<Difference>,
}

type Cells = BTreeMap<(String, String), Sum>;

fn add(sum: &mut Option<u64>, more: Option<u64>) {
    if let Some(more) = more {
        *sum = Some(sum.unwrap_or(0) + more);
    }
}

fn add_money(sum: &mut Option<Money>, more: Option<Money>) {
    if let Some(more) = more {
        *sum = Some(Money(sum.unwrap_or_default().0.plus(more.0)));
    }
}

/// Compares what the ledger has of a provider in that time with the lines of an export. What differs by no more than `tolerance`
/// is the same.
pub async fn reconcile(store: &Store, wanted: &Attempts, lines: &[Line], tolerance: NanoUsd) -> Result<Report, StoreError> {
    let mut ledger = Cells::new();
    let mut report = Report::default();
    attempts(store, wanted, |one| {
        let Some(basis) = &one.basis else { return };
        if one.estimated {
            report.estimated.0 += 1;
            report.estimated.1 = Money(report.estimated.1.0.plus(NanoUsd(one.owed)));
        }
        if basis.counts.is_empty() && basis.pieces.is_empty() && one.owed == 0 {
            return;
        }
        let sum = ledger.entry((day(basis.at), basis.model.clone())).or_default();
        add_money(&mut sum.cost, Some(Money(NanoUsd(one.owed))));
        add(&mut sum.input_tokens, Some(one.tokens.0));
        add(&mut sum.output_tokens, Some(one.tokens.1));
        add(&mut sum.requests, Some(1));
    })
    .await?;
    let until = Time(wanted.until.saturating_sub(1)).to_string();
    let (first, last) = (day(wanted.from), until.chars().take(10).collect::<String>());
    let mut export = Cells::new();
    for line in lines.iter().filter(|line| (first.as_str()..=last.as_str()).contains(&line.day.as_str())) {
        let model = known_as(&ledger, line);
        let sum = export.entry((line.day.clone(), model)).or_default();
        add_money(&mut sum.cost, line.sum.cost);
        add(&mut sum.input_tokens, line.sum.input_tokens);
        add(&mut sum.output_tokens, line.sum.output_tokens);
        add(&mut sum.requests, line.sum.requests);
    }
    report.compare(&ledger, &export, tolerance);
    Ok(report)
}

fn day(at: i64) -> String {
    Time(at).to_string().chars().take(10).collect()
}

/// The ledger's name of an export's model: exports often name the dated form of what was asked for.
fn known_as(ledger: &Cells, line: &Line) -> String {
    let of_day = || ledger.keys().filter(|(day, _)| *day == line.day).map(|(_, model)| model);
    if of_day().any(|model| *model == line.model) {
        return line.model.clone();
    }
    let dated = |model: &&String| {
        let rest = line.model.strip_prefix(model.as_str()).and_then(|rest| rest.strip_prefix(['-', '@', ':']));
        rest.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
    };
    of_day().filter(dated).max_by_key(|model| model.len()).cloned().unwrap_or_else(|| line.model.clone())
}

impl Report {
    /// Whether both say the same.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty()
    }

    /// Whether the ledger has nothing at all.
    pub fn is_all_missing(&self) -> bool {
        let is_missing = |one: &Difference| one.kind == Kind::MissingInLedger;
        self.estimated.0 == 0 && self.compared == self.differences.len() && self.differences.iter().all(is_missing)
    }

    fn compare(&mut self, ledger: &Cells, export: &Cells, tolerance: NanoUsd) {
        let cells: BTreeSet<&(String, String)> = ledger.keys().chain(export.keys()).collect();
        for cell in cells {
            self.compared += 1;
            let (ours, theirs) = (ledger.get(cell), export.get(cell));
            let cost = |sum: Option<&Sum>| sum.and_then(|sum| sum.cost).unwrap_or_default();
            self.ledger_total = Money(self.ledger_total.0.plus(cost(ours).0));
            self.export_total = Money(self.export_total.0.plus(cost(theirs).0));
            let difference = cost(theirs).0.minus(cost(ours).0);
            let Some(kind) = kind(ours, theirs, difference, tolerance) else { continue };
            self.differences.push(Difference {
                day: cell.0.clone(),
                model: cell.1.clone(),
                kind,
                ledger: ours.copied().unwrap_or_default(),
                export: theirs.copied().unwrap_or_default(),
                difference: Money(difference),
            });
        }
    }
}

fn kind(ours: Option<&Sum>, theirs: Option<&Sum>, difference: NanoUsd, tolerance: NanoUsd) -> Option<Kind> {
    let (ours, theirs) = match (ours, theirs) {
        (None, None) => return None,
        (None, Some(_)) => return Some(Kind::MissingInLedger),
        (Some(_), None) => return Some(Kind::MissingInExport),
        (Some(ours), Some(theirs)) => (ours, theirs),
    };
    let differs = |ours: Option<u64>, theirs: Option<u64>| theirs.is_some() && ours != theirs;
    let usage = differs(ours.input_tokens, theirs.input_tokens)
        || differs(ours.output_tokens, theirs.output_tokens)
        || differs(ours.requests, theirs.requests);
    let priced = theirs.cost.is_some() && difference.0.abs() > tolerance.0;
    match (usage, priced) {
        (true, _) => Some(Kind::UsageDiffers),
        (false, true) => Some(Kind::PriceDiffers),
        (false, false) => None,
    }
}
