//! The ledger attempt by attempt: what each cost, corrections included, and from what that was reckoned.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use sqlx::Row;
use sqlx::any::AnyRow;
use switchboard_engine::wire::json::{self, Object};

use super::SETTLE;
use crate::error::StoreError;
use crate::journal::frame::{Intended, Used};
use crate::open::Store;

/// From what an amount was reckoned: the model, counts, pieces beside them, and terms of service.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Reckoned {
    /// The provider.
    #[serde(rename = "p", default)]
    pub provider: String,
    /// The model, in the provider's words.
    #[serde(rename = "m", default)]
    pub model: String,
    /// The deployment.
    #[serde(rename = "d", default)]
    pub deployment: String,
    /// When the call began.
    #[serde(rename = "t", default)]
    pub at: i64,
    /// Counts of the report.
    #[serde(rename = "u", default)]
    pub counts: BTreeMap<String, u64>,
    /// What was counted beside tokens.
    #[serde(rename = "c", default)]
    pub pieces: BTreeMap<String, u64>,
    /// The terms of service.
    #[serde(rename = "s", default)]
    pub service: Option<String>,
}

/// The same, as it is written, field by field: there is one for each attempt. What is empty is left out.
pub(super) fn basis(intent: &Intended, used: &Used) -> String {
    let by = (intent.provider.as_str(), used.model.as_str(), intent.deployment.as_str());
    written(by, intent.at, (&used.counts, &used.pieces), used.service.as_deref())
}

impl Reckoned {
    /// As it is written.
    pub(super) fn written(&self) -> String {
        let by = (self.provider.as_str(), self.model.as_str(), self.deployment.as_str());
        written(by, self.at, (&self.counts, &self.pieces), self.service.as_deref())
    }
}

type Counts = BTreeMap<String, u64>;

fn written(
    (provider, model, deployment): (&str, &str, &str),
    at: i64,
    (counted, pieces): (&Counts, &Counts),
    service: Option<&str>,
) -> String {
    json::text(json::object(|out| {
        let text = |out: &mut Object<'_>, name: &str, said: &str| (!said.is_empty()).then(|| out.text(name, said));
        let counts = |out: &mut Object<'_>, name: &str, counts: &Counts| {
            let write = |out: &mut Object<'_>| counts.iter().for_each(|(name, count)| out.number(name, *count));
            (!counts.is_empty()).then(|| out.object(name, write))
        };
        text(out, "p", provider);
        out.text("m", model);
        text(out, "d", deployment);
        out.field("t", &at);
        counts(out, "u", counted);
        counts(out, "c", pieces);
        service.iter().for_each(|service| out.text("s", service));
    }))
}

/// Which attempts are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// That began no earlier.
    pub from: i64,
    /// That began earlier than this.
    pub until: i64,
    /// Of that provider.
    pub provider: Option<String>,
    /// Of that model, in the provider's words.
    pub model: Option<String>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// Its id.
    pub attempt: String,
    /// Its call.
    pub call: String,
    /// When it was over.
    pub at: i64,
    /// What it cost the caller, corrections included.
    pub amount: i64,
    /// What its provider is owed, corrections included.
    pub owed: i64,
    /// Whether that is a guess.
    pub estimated: bool,
    /// How often it was corrected.
    pub corrections: u64,
    /// Tokens of the prompt and of the answer.
    pub tokens: (u64, u64),
    /// From what it was reckoned; not known of attempts that ended with their gateway.
    pub basis: Option<Reckoned>,
    /// Who is debited, as the ledger has it: accounts and windows.
    pub(super) debits: String,
    pub(super) credit: i64,
}

/// Where the log of requests has them.
const SERVICE: &str = "service_tier";
const PAGE: &str = "SELECT attempt, kind, call, at, amount, owed, estimated, input_tokens, output_tokens, basis, debits, credit, (SELECT metadata FROM spend_logs WHERE request_id = call AND LOWER(status) = 'success') AS told, (SELECT model_id FROM spend_logs WHERE request_id = call) AS served FROM ledger WHERE attempt >= $1 AND attempt < $2 AND (attempt > $3 OR (attempt = $3 AND kind > $4)) ORDER BY attempt, kind LIMIT 2000";

/// What corrections of an attempt come to, and from what the attempt is reckoned since, where one of them says so.
#[derive(Default)]
struct Corrected {
    amount: i64,
    owed: i64,
    count: u64,
    basis: Option<Reckoned>,
}

/// Gives every attempt of that time to `each`, in the order in which they began.
pub async fn attempts(store: &Store, wanted: &Attempts, mut each: impl FnMut(Attempted)) -> Result<(), StoreError> {
    let mut pages = Pages::of(store, wanted);
    while let Some(page) = pages.next().await? {
        page.into_iter().for_each(&mut each);
    }
    Ok(())
}

/// Attempts of a time, some at once. Rows that are written of those that were given are not read again.
pub(super) struct Pages<'a> {
    store: &'a Store,
    wanted: &'a Attempts,
    /// The last row that was read.
    after: (String, String),
    /// An attempt of which further rows may follow.
    open: Option<Attempted>,
    early: HashMap<String, Corrected>,
    ended: bool,
}

impl<'a> Pages<'a> {
    pub(super) fn of(store: &'a Store, wanted: &'a Attempts) -> Self {
        Self { store, wanted, after: Default::default(), open: None, early: HashMap::new(), ended: false }
    }

    /// The next of them; none where there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Attempted>>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let (pool, page) = (self.store.sql().pool.clone(), self.after.clone());
        let (from, until) = (bound(self.wanted.from), bound(self.wanted.until));
        let rows = self.store.thread().run(async move {
            let query = sqlx::query(PAGE).bind(from).bind(until).bind(page.0).bind(page.1);
            Ok(query.fetch_all(&pool).await?)
        });
        let rows = rows.await?;
        let mut whole = Vec::new();
        match rows.last() {
            Some(last) => self.after = (last.try_get(0)?, last.try_get(1)?),
            None => self.ended = true,
        }
        for row in &rows {
            self.take(row, &mut whole)?;
        }
        if self.ended {
            whole.extend(self.open.take());
        }
        whole.retain(|one| self.wanted.holds(one));
        Ok(Some(whole))
    }

    /// Reads a row; what it shows to be whole goes `into` the page.
    fn take(&mut self, row: &AnyRow, into: &mut Vec<Attempted>) -> Result<(), StoreError> {
        let (attempt, kind): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if self.open.as_ref().is_some_and(|open| open.attempt != attempt) {
            self.early.clear();
            into.extend(self.open.take());
        }
        let (amount, owed): (i64, Option<i64>) = (row.try_get(4)?, row.try_get(5)?);
        let owed = owed.unwrap_or(amount);
        if kind == SETTLE {
            let mut found = read(row, attempt.clone(), (amount, owed))?;
            // Corrections sort before what they correct.
            if let Some(Corrected { amount, owed, count, basis }) = self.early.remove(&attempt) {
                (found.amount, found.owed, found.corrections) = (found.amount + amount, found.owed + owed, count);
                found.basis = basis.or(found.basis);
            }
            self.open = Some(found);
        } else {
            let before = self.early.entry(attempt).or_default();
            (before.amount, before.owed, before.count) = (before.amount + amount, before.owed + owed, before.count + 1);
            let basis: Option<String> = row.try_get(9)?;
            before.basis = basis.and_then(|text| serde_json::from_str(&text).ok()).or(before.basis.take());
        }
        Ok(())
    }
}

/// The least id of an attempt that begins then.
fn bound(at: i64) -> String {
    format!("{:012x}", u64::try_from(at / 1000).unwrap_or(0).min((1 << 48) - 1))
}

fn read(row: &AnyRow, attempt: String, (amount, owed): (i64, i64)) -> Result<Attempted, StoreError> {
    let (estimated, input, output): (i64, i64, i64) = (row.try_get(6)?, row.try_get(7)?, row.try_get(8)?);
    let basis: Option<String> = row.try_get(9)?;
    let count = |tokens: i64| u64::try_from(tokens).unwrap_or(0);
    let mut basis: Option<Reckoned> = basis.and_then(|text| serde_json::from_str(&text).ok());
    if let Some(basis) = basis.as_mut().filter(|basis| basis.service.is_none()) {
        basis.service = served(row, &basis.deployment)?;
    }
    Ok(Attempted {
        attempt,
        call: row.try_get(2)?,
        at: row.try_get(3)?,
        amount,
        owed,
        estimated: estimated != 0,
        corrections: 0,
        tokens: (count(input), count(output)),
        basis,
        debits: row.try_get(10)?,
        credit: row.try_get(11)?,
    })
}

/// The terms of service by which that deployment answered, as the log of requests has them: rows of the ledger that were written while
/// they were forgotten before settlement do not have them.
fn served(row: &AnyRow, deployment: &str) -> Result<Option<String>, StoreError> {
    let (told, by): (Option<String>, Option<String>) = (row.try_get(12)?, row.try_get(13)?);
    let Some(told) = told.filter(|told| by.as_deref() == Some(deployment) && told.contains(SERVICE)) else { return Ok(None) };
    let told: serde_json::Value = serde_json::from_str(&told).unwrap_or_default();
    Ok(told.get(SERVICE).and_then(serde_json::Value::as_str).map(str::to_owned))
}

impl Attempts {
    fn holds(&self, one: &Attempted) -> bool {
        let said = |wanted: &Option<String>, found: fn(&Reckoned) -> &str| {
            wanted.as_deref().is_none_or(|wanted| one.basis.as_ref().is_some_and(|basis| found(basis) == wanted))
        };
        said(&self.provider, |basis| &basis.provider) && said(&self.model, |basis| &basis.model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_amount_was_reckoned_from_is_read_as_it_was_written() {
        let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<BTreeMap<_, _>>();
        let text = |text: &str| text.to_owned();
        let intent = Intended {
            call: text("c"),
            at: -7,
            reserved: 0,
            begun: 0,
            lines: Vec::new(),
            provider: text("openai"),
            deployment: text("a \"b\"\n"),
            model: text("gpt"),
            group: text("fast"),
        };
        let used = Used {
            model: text("gpt"),
            counts: counts(&[("input", 3), ("output", 4)]),
            pieces: counts(&[("query", 1)]),
            service: Some(text("flex")),
        };
        let written = basis(&intent, &used);
        assert_eq!(written, r#"{"p":"openai","m":"gpt","d":"a \"b\"\n","t":-7,"u":{"input":3,"output":4},"c":{"query":1},"s":"flex"}"#);
        let Intended { provider, deployment, at, .. } = intent.clone();
        let Used { model, counts, pieces, service } = used;
        let reckoned = Reckoned { provider, model, deployment, at, counts, pieces, service };
        assert_eq!(serde_json::from_str::<Reckoned>(&written).expect("a basis"), reckoned);
        assert_eq!(basis(&Intended { provider: text(""), deployment: text(""), ..intent }, &Used::default()), r#"{"m":"","t":-7}"#);
    }
}
