//! One record: its length, its checksum, its kind, and what it says.
//!
//! What it says is its fields in their order, without names ([postcard](https://postcard.jamesmunns.com)): every call writes three
//! records while its caller waits, and a thread reads them again. So the fields of a kind never change: what is to say more is
//! another kind, beside the one that older gateways wrote.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize, Serializer};
use switchboard_engine::admit::journal::{AttemptId, Basis, Intent, Settlement};
use switchboard_engine::catalog::Component;
use switchboard_engine::terms::NanoUsd;

use crate::line::Passing;

/// An attempt is about to be sent, as older gateways write it: not of which model.
const INTENT: u8 = b'I';
/// An attempt of a model is about to be sent.
const INTENT_OF_MODEL: u8 = b'M';
/// It has cost so much by now.
const CHECKPOINT: u8 = b'C';
/// It is over.
const SETTLED: u8 = b'S';
/// A line of the request log.
const LOG: u8 = b'L';
/// Length and checksum.
pub(crate) const HEAD: usize = 8;
/// Nothing we write is longer: a longer length is damage.
pub(crate) const LONGEST: usize = 1 << 20;

/// Whom an attempt counts for: a scope's level, id and model, and the windows with their starts.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Line {
    /// The level's name.
    pub level: String,
    /// The scope's id.
    pub id: String,
    /// The model it is for alone.
    pub model: Option<String>,
    /// Windows beside the lifetime.
    pub windows: Vec<(String, i64)>,
}

/// The same, as it is written.
#[derive(Serialize)]
struct Lined<'a> {
    level: &'a str,
    id: &'a str,
    model: Option<&'a str>,
    windows: Windows<'a>,
}

struct Windows<'a>(&'a switchboard_engine::book::Line);

impl Serialize for Windows<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.0.windows.iter().map(|(window, start)| (window.name(), start)))
    }
}

/// What was written of an attempt before it was sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Intended {
    /// The call.
    pub call: String,
    /// When.
    pub at: i64,
    /// What it held.
    pub reserved: i64,
    /// What the prompt costs.
    pub begun: i64,
    /// Whom it counts for.
    pub lines: Vec<Line>,
    /// Who is owed.
    pub provider: String,
    /// By which deployment.
    pub deployment: String,
    /// The model, in the provider's words; not known of what an older gateway wrote.
    #[serde(skip)]
    pub model: String,
    /// The group of models whose member it is; the same.
    #[serde(skip)]
    pub group: String,
}

/// What was written of an attempt of a model.
#[derive(Deserialize)]
struct IntendedOfModel {
    intent: Intended,
    model: String,
    group: String,
}

/// The same, as it is written.
#[derive(Serialize)]
struct Intending<'a> {
    call: &'a str,
    at: i64,
    reserved: i64,
    begun: i64,
    #[serde(serialize_with = "as_lines")]
    lines: &'a [switchboard_engine::book::Line],
    provider: &'a str,
    deployment: &'a str,
    model: &'a str,
    group: &'a str,
}

fn as_lines<S: Serializer>(lines: &[switchboard_engine::book::Line], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(lines.iter().map(|line| Lined {
        level: line.scope.level.as_str(),
        id: &line.scope.id,
        model: line.scope.model.as_deref(),
        windows: Windows(line),
    }))
}

/// From what an amount was reckoned: the model, counts, pieces beside them, and terms of service.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Used {
    /// The model, in the provider's words.
    pub model: String,
    /// Counts of the report.
    pub counts: BTreeMap<String, u64>,
    /// What was counted beside tokens.
    pub pieces: BTreeMap<String, u64>,
    /// The terms of service.
    pub service: Option<String>,
}

/// The same, as it is written.
#[derive(Serialize)]
struct Using<'a> {
    model: &'a str,
    #[serde(serialize_with = "as_map")]
    counts: &'a [(&'static str, u64)],
    #[serde(serialize_with = "as_named")]
    pieces: &'a [(Component, u64)],
    service: Option<&'a str>,
}

fn as_map<S: Serializer>(pairs: &[(&'static str, u64)], out: S) -> Result<S::Ok, S::Error> {
    out.collect_map(pairs.iter().copied())
}

fn as_named<S: Serializer>(pairs: &[(Component, u64)], out: S) -> Result<S::Ok, S::Error> {
    out.collect_map(pairs.iter().map(|(component, count)| (component.as_str(), count)))
}

impl<'a> Using<'a> {
    fn of(model: &'a str, basis: &'a Basis) -> Self {
        Self { model, counts: &basis.counts, pieces: &basis.pieces, service: basis.service.as_deref() }
    }
}

/// What is written when an attempt is over.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Settled<U = Used> {
    /// When.
    pub at: i64,
    /// What it cost.
    pub amount: i64,
    /// Whether that is a guess.
    pub estimated: bool,
    /// Tokens of the prompt and of the answer.
    pub tokens: (u64, u64),
    /// What the provider is owed, where that is not the amount.
    pub owed: Option<i64>,
    /// From what it was reckoned.
    pub used: Option<U>,
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
    /// A line of the request log: a [`Passing`].
    Log(Box<[u8]>),
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

pub(crate) fn intended(intent: &Intent<'_>, out: &mut Vec<u8>) {
    let Intent { attempt, call, at, reserved, begun, lines, provider, deployment, model, group } = *intent;
    let intending = Intending { call, at, reserved: reserved.0, begun: begun.0, lines, provider, deployment, model, group };
    of_attempt(INTENT_OF_MODEL, attempt, &intending, out);
}

pub(crate) fn checkpoint(attempt: AttemptId, spent: NanoUsd, out: &mut Vec<u8>) {
    of_attempt(CHECKPOINT, attempt, &spent.0, out);
}

/// Settled by what was last known of it.
pub(crate) fn recovered(attempt: AttemptId, at: i64, amount: NanoUsd, out: &mut Vec<u8>) {
    let settled = Settled::<Using<'_>> { at, amount: amount.0, estimated: true, tokens: (0, 0), owed: None, used: None };
    of_attempt(SETTLED, attempt, &settled, out);
}

pub(crate) fn settled(settlement: &Settlement<'_>, out: &mut Vec<u8>) {
    let Settlement { attempt, at, amount, owed, basis, model, estimated, tokens, .. } = *settlement;
    let owed = (owed != amount).then_some(owed.0);
    let settled = Settled { at, amount: amount.0, estimated, tokens, owed, used: Some(Using::of(model, basis)) };
    of_attempt(SETTLED, attempt, &settled, out);
}

pub(crate) fn logged(line: &Passing<'_>, out: &mut Vec<u8>) {
    framed(LOG, &[], line, out);
}

fn of_attempt(kind: u8, attempt: AttemptId, said: &impl Serialize, out: &mut Vec<u8>) {
    framed(kind, &attempt.0.to_be_bytes(), said, out);
}

/// Puts a record of that kind at the end of `out`.
fn framed(kind: u8, id: &[u8], said: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    out.push(kind);
    out.extend_from_slice(id);
    // Plain structs of strings and numbers are always written.
    if postcard::serialize_with_flavor(said, Body(out)).is_err() {
        out.truncate(start);
    }
    if let Some((head, body)) = out.get_mut(start..).and_then(|frame| frame.split_at_mut_checked(HEAD)) {
        let (length, sum) = head.split_at_mut(4);
        length.copy_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        sum.copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    }
}

/// What a record says, text by text at its end; those that come with the format take each byte by itself.
struct Body<'a>(&'a mut Vec<u8>);

impl Flavor for Body<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// The first record of some bytes, and its length; none where they are not a whole and undamaged one.
pub(crate) fn first(bytes: &[u8]) -> Option<(Option<Entry>, usize)> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let number = |at: usize| head.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let (length, sum) = (usize::try_from(number(0)?).ok()?, number(4)?);
    let body = rest.get(..length).filter(|_| (1..=LONGEST).contains(&length))?;
    (crc32fast::hash(body) == sum).then(|| (entry(body), HEAD + length))
}

/// What a record says; none, and that is told, for one that another version of the gateway wrote and this one cannot read.
fn entry(body: &[u8]) -> Option<Entry> {
    let (kind, said) = body.split_first()?;
    if *kind == LOG {
        return Some(Entry::Log(said.into()));
    }
    let entry = of_kind(*kind, said);
    if entry.is_none() {
        tracing::error!(kind = %char::from(*kind), "a record of the journal cannot be read; let the version that wrote it carry it over");
    }
    entry
}

fn of_kind(kind: u8, said: &[u8]) -> Option<Entry> {
    let (id, said) = said.split_at_checked(16)?;
    let attempt = AttemptId(u128::from_be_bytes(id.try_into().ok()?));
    match kind {
        INTENT => Some(Entry::Intent(attempt, Box::new(postcard::from_bytes(said).ok()?))),
        INTENT_OF_MODEL => {
            let IntendedOfModel { intent, model, group } = postcard::from_bytes(said).ok()?;
            Some(Entry::Intent(attempt, Box::new(Intended { model, group, ..intent })))
        }
        CHECKPOINT => Some(Entry::Checkpoint(attempt, postcard::from_bytes(said).ok()?)),
        SETTLED => Some(Entry::Settled(attempt, postcard::from_bytes(said).ok()?)),
        _ => None,
    }
}
