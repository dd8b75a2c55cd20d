//! One record: its length, its checksum, its kind and what it says, as JSON: a newer gateway must read what an older one wrote.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize, Serializer};
use switchboard_engine::admit::NanoUsd;
use switchboard_engine::admit::journal::{AttemptId, Intent, Settlement};
use switchboard_engine::catalog::Component;

/// An attempt is about to be sent.
const INTENT: u8 = b'i';
/// It has cost so much by now.
const CHECKPOINT: u8 = b'c';
/// It is over.
const SETTLED: u8 = b's';
/// A line of the request log.
pub(crate) const LOG: u8 = b'l';
/// Length and checksum.
pub(crate) const HEAD: usize = 8;
/// Nothing we write is longer: a longer length is damage.
pub(crate) const LONGEST: usize = 1 << 20;

/// Whom an attempt counts for: a scope's level, id and model, and the windows with their starts.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The level's name.
    #[serde(rename = "v")]
    pub level: String,
    /// The scope's id.
    #[serde(rename = "i")]
    pub id: String,
    /// The model it is for alone.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Windows beside the lifetime.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<(String, i64)>,
}

/// What was written of an attempt before it was sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Intended {
    /// The call.
    #[serde(rename = "c")]
    pub call: String,
    /// When.
    #[serde(rename = "t")]
    pub at: i64,
    /// What it held.
    #[serde(rename = "r")]
    pub reserved: i64,
    /// What the prompt costs.
    #[serde(rename = "b")]
    pub begun: i64,
    /// Whom it counts for.
    #[serde(rename = "l", default)]
    pub lines: Vec<Line>,
    /// Who is owed.
    #[serde(rename = "p")]
    pub provider: String,
    /// By which deployment.
    #[serde(rename = "d")]
    pub deployment: String,
}

/// From what an amount was reckoned: the model, counts, pieces beside them, and terms of service.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Reckoned {
    /// The provider; the journal has it in the intent.
    #[serde(rename = "p", default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// The model, in the provider's words.
    #[serde(rename = "m", default)]
    pub model: String,
    /// The deployment.
    #[serde(rename = "d", default, skip_serializing_if = "String::is_empty")]
    pub deployment: String,
    /// When the call began.
    #[serde(rename = "t", default)]
    pub at: i64,
    /// Counts of the report.
    #[serde(rename = "u", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
    /// What was counted beside tokens.
    #[serde(rename = "c", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pieces: BTreeMap<String, u64>,
    /// The terms of service.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// The same, as it is written.
#[derive(Serialize)]
struct Reckoning<'a> {
    m: &'a str,
    #[serde(serialize_with = "as_map")]
    u: &'a [(&'static str, u64)],
    #[serde(serialize_with = "as_named", skip_serializing_if = "<[_]>::is_empty")]
    c: &'a [(Component, u64)],
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'a str>,
}

fn as_map<S: Serializer>(pairs: &[(&'static str, u64)], out: S) -> Result<S::Ok, S::Error> {
    out.collect_map(pairs.iter().copied())
}

fn as_named<S: Serializer>(pairs: &[(Component, u64)], out: S) -> Result<S::Ok, S::Error> {
    out.collect_map(pairs.iter().map(|(component, count)| (component.as_str(), count)))
}

/// What is written when it is over.
#[derive(Serialize)]
struct Settling<'a> {
    t: i64,
    m: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    o: Option<i64>,
    e: bool,
    u: (u64, u64),
    q: Reckoning<'a>,
}

/// What was written when it was over.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// When.
    #[serde(rename = "t")]
    pub at: i64,
    /// What it cost.
    #[serde(rename = "m")]
    pub amount: i64,
    /// Whether that is a guess.
    #[serde(rename = "e", default)]
    pub estimated: bool,
    /// Tokens of the prompt and of the answer.
    #[serde(rename = "u", default)]
    pub tokens: (u64, u64),
    /// What the provider is owed, where that is not the amount.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<i64>,
    /// From what it was reckoned.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Reckoned>,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An attempt is about to be sent.
    Intent(AttemptId, Box<Intended>),
    /// It has cost so much by now.
    Checkpoint(AttemptId, i64),
    /// It is over.
    Settled(AttemptId, Settled),
    /// A line of the request log.
    Log(Vec<u8>),
}

/// An attempt that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its intent.
    pub intent: Intended,
    /// What it had cost when it was last heard of.
    pub last: i64,
    /// The number of the file its intent is in.
    pub segment: u64,
}

/// Follows what a record says of the attempts that are not over. Gives the intent of one that is over now.
pub(crate) fn follow(open: &mut HashMap<AttemptId, Kept>, entry: Entry, segment: u64) -> Option<(AttemptId, Kept, Settled)> {
    match entry {
        Entry::Intent(attempt, intent) => {
            if let Slot::Vacant(slot) = open.entry(attempt) {
                slot.insert(Kept { intent: *intent, last: 0, segment });
            }
            None
        }
        Entry::Checkpoint(attempt, amount) => {
            if let Some(kept) = open.get_mut(&attempt) {
                kept.last = kept.last.max(amount);
            }
            None
        }
        Entry::Settled(attempt, settled) => open.remove(&attempt).map(|kept| (attempt, kept, settled)),
        Entry::Log(_) => None,
    }
}

pub(crate) fn intended(intent: &Intent<'_>) -> Vec<u8> {
    let line = |line: &switchboard_engine::admit::Line| Line {
        level: line.scope.level.as_str().to_owned(),
        id: line.scope.id.to_string(),
        model: line.scope.model.as_deref().map(str::to_owned),
        windows: line.windows.iter().map(|(window, start)| (window.name(), *start)).collect(),
    };
    let intended = Intended {
        call: intent.call.to_owned(),
        at: intent.at,
        reserved: intent.reserved.0,
        begun: intent.begun.0,
        lines: intent.lines.iter().map(line).collect(),
        provider: intent.provider.to_owned(),
        deployment: intent.deployment.to_owned(),
    };
    of_attempt(INTENT, intent.attempt, &intended)
}

pub(crate) fn checkpoint(attempt: AttemptId, spent: NanoUsd) -> Vec<u8> {
    of_attempt(CHECKPOINT, attempt, &spent.0)
}

/// Settled by what was last known of it.
pub(crate) fn recovered(attempt: AttemptId, at: i64, amount: NanoUsd) -> Vec<u8> {
    of_attempt(SETTLED, attempt, &Settled { at, amount: amount.0, estimated: true, tokens: (0, 0), owed: None, basis: None })
}

pub(crate) fn settled(settlement: &Settlement<'_>) -> Vec<u8> {
    let Settlement { attempt, at, amount, owed, basis, model, estimated, tokens, .. } = *settlement;
    let q = Reckoning { m: model, u: &basis.counts, c: &basis.pieces, s: basis.service.as_deref() };
    let owed = (owed != amount).then_some(owed.0);
    of_attempt(SETTLED, attempt, &Settling { t: at, m: amount.0, o: owed, e: estimated, u: tokens, q })
}

fn of_attempt(kind: u8, attempt: AttemptId, said: &impl Serialize) -> Vec<u8> {
    let mut body = Vec::with_capacity(256);
    body.extend_from_slice(&attempt.0.to_be_bytes());
    // Plain structs of strings and numbers are always written.
    let _ = serde_json::to_writer(&mut body, said);
    framed(kind, &body)
}

/// A record of that kind.
pub(crate) fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[kind]);
    sum.update(body);
    let mut frame = Vec::with_capacity(HEAD + 1 + body.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&sum.finalize().to_le_bytes());
    frame.push(kind);
    frame.extend_from_slice(body);
    frame
}

/// The first record of some bytes, and its length; none where they are not a whole and undamaged one.
pub(crate) fn first(bytes: &[u8]) -> Option<(Option<Entry>, usize)> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let number = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let (length, sum) = (usize::try_from(number(0)?).ok()?, number(4)?);
    let body = rest.get(..length).filter(|_| (1..=LONGEST).contains(&length))?;
    (crc32fast::hash(body) == sum).then(|| (entry(body), HEAD + length))
}

/// What a record says; none for a kind that only a newer gateway knows.
fn entry(body: &[u8]) -> Option<Entry> {
    let (kind, said) = body.split_first()?;
    if *kind == LOG {
        return Some(Entry::Log(said.to_vec()));
    }
    let (id, said) = said.split_at_checked(16)?;
    let attempt = AttemptId(u128::from_be_bytes(id.try_into().ok()?));
    match *kind {
        INTENT => Some(Entry::Intent(attempt, Box::new(serde_json::from_slice(said).ok()?))),
        CHECKPOINT => Some(Entry::Checkpoint(attempt, serde_json::from_slice(said).ok()?)),
        SETTLED => Some(Entry::Settled(attempt, serde_json::from_slice(said).ok()?)),
        _ => None,
    }
}
