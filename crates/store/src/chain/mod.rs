//! The rows of the audit log, each bound to the one before it ([`audit`] reads and checks them).
//!
//! Secrets in what was changed do not get here: their keyed hash does, so that one sees whether they are the same ([`conceal`]).
//!
//! [`audit`]: crate::audit

mod conceal;
mod witness;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;
use sqlx::{AnyConnection, Row};

use crate::binding::joined;
use crate::error::StoreError;
use crate::sql::Kind;
use crate::time::micros;

/// Whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was.
    Done,
    /// Whoever asked may not.
    Denied,
}

impl Outcome {
    /// How it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Denied => "denied",
        }
    }
}

/// One deed.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Who: a user's id, or what stands for one.
    pub actor: String,
    /// The SHA-256 of the key it was done with, in hex; empty for none.
    pub actor_key: String,
    /// What: `created`, `updated`, `deleted`, `blocked`, `rotated`, …
    pub action: String,
    /// Whether it was done.
    pub outcome: Outcome,
    /// The kind of object.
    pub kind: String,
    /// Which object.
    pub object: String,
    /// The team it belongs to; empty for none.
    pub team: String,
    /// The object before.
    pub before: Option<Value>,
    /// The object after, or what was asked for.
    pub after: Option<Value>,
    /// From where: an address, or `command line`.
    pub source: String,
    /// The id of the request.
    pub request_id: String,
}

/// One row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// Its id, for people.
    pub id: String,
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// The SHA-256 of the key it was done with.
    pub actor_key: String,
    /// What.
    pub action: String,
    /// `done` or `denied`.
    pub outcome: String,
    /// The kind of object.
    pub kind: String,
    /// Which object.
    pub object: String,
    /// The team it belongs to.
    pub team: String,
    /// The object before, as JSON, its secrets concealed.
    pub before: Option<String>,
    /// The object after, as JSON, its secrets concealed.
    pub after: Option<String>,
    /// From where.
    pub source: String,
    /// The id of the request.
    pub request_id: String,
    /// What binds it to the row before.
    pub(crate) mac: Vec<u8>,
}

/// What rows are bound and secrets concealed with.
pub struct Chain {
    pub(crate) kind: Kind,
    pub(crate) bind: hmac::Key,
    pub(crate) conceal: hmac::Key,
}

/// Any number will do, as long as it stays the same and no other lock has it.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7283946503)";
pub(crate) const LAST: &str = "SELECT seq, mac FROM audit_log ORDER BY seq DESC LIMIT 1";
const ADD: &str = "INSERT INTO audit_log (seq, id, at, actor, actor_key, action, outcome, kind, object, team, before_value, \
     after_value, source, request_id, mac) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
pub(crate) const COLUMNS: &str = "seq, id, at, actor, actor_key, action, outcome, kind, object, team, before_value, after_value, \
     source, request_id, mac";

impl Chain {
    /// Writes a deed down within the transaction that does it, on the store's thread: both happen, or neither.
    pub async fn append(&self, connection: &mut AnyConnection, entry: Entry) -> Result<Record, StoreError> {
        if self.kind == Kind::Postgres {
            sqlx::query(LOCK).execute(&mut *connection).await?;
        }
        let last = sqlx::query(LAST).fetch_optional(&mut *connection).await?;
        let (seq, former): (i64, Vec<u8>) = match last {
            Some(row) => (row.try_get(0)?, row.try_get(1)?),
            None => (0, Vec::new()),
        };
        let record = self.record(seq + 1, &former, entry)?;
        let add = sqlx::query(ADD).bind(record.seq).bind(&record.id).bind(record.at).bind(&record.actor).bind(&record.actor_key);
        let add = add.bind(&record.action).bind(&record.outcome).bind(&record.kind).bind(&record.object).bind(&record.team);
        let add = add.bind(&record.before).bind(&record.after).bind(&record.source).bind(&record.request_id).bind(&record.mac);
        add.execute(connection).await?;
        Ok(record)
    }

    fn record(&self, seq: i64, former: &[u8], entry: Entry) -> Result<Record, StoreError> {
        let shown = |value: Option<Value>| value.map(|value| conceal::conceal(&self.conceal, value).to_string());
        let mut record = Record {
            seq,
            id: id()?,
            at: micros(),
            actor: entry.actor,
            actor_key: entry.actor_key,
            action: entry.action,
            outcome: entry.outcome.as_str().to_owned(),
            kind: entry.kind,
            object: entry.object,
            team: entry.team,
            before: shown(entry.before),
            after: shown(entry.after),
            source: entry.source,
            request_id: entry.request_id,
            mac: Vec::new(),
        };
        record.mac = self.mac(former, &record);
        Ok(record)
    }

    /// The keyed hash over a row and the one before it.
    pub(crate) fn mac(&self, former: &[u8], record: &Record) -> Vec<u8> {
        let (seq, at) = (record.seq.to_be_bytes(), record.at.to_be_bytes());
        // That there is no value is not the same as an empty one.
        let optional = |value: &'_ Option<String>| value.as_ref().map_or_else(Vec::new, |text| [b"=", text.as_bytes()].concat());
        let (before, after) = (optional(&record.before), optional(&record.after));
        let texts = [&record.id, &record.actor, &record.actor_key, &record.action, &record.outcome, &record.kind, &record.object];
        let more = [&record.team, &record.source, &record.request_id];
        let parts = [former, seq.as_slice(), at.as_slice(), before.as_slice(), after.as_slice()];
        let parts = parts.into_iter().chain(texts.into_iter().chain(more).map(|text| text.as_bytes()));
        hmac::sign(&self.bind, &joined("audit", parts)).as_ref().to_vec()
    }
}

impl Record {
    pub(crate) fn read(row: &sqlx::any::AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            seq: row.try_get(0)?,
            id: row.try_get(1)?,
            at: row.try_get(2)?,
            actor: row.try_get(3)?,
            actor_key: row.try_get(4)?,
            action: row.try_get(5)?,
            outcome: row.try_get(6)?,
            kind: row.try_get(7)?,
            object: row.try_get(8)?,
            team: row.try_get(9)?,
            before: row.try_get(10)?,
            after: row.try_get(11)?,
            source: row.try_get(12)?,
            request_id: row.try_get(13)?,
            mac: row.try_get(14)?,
        })
    }
}

/// A random UUID, version 4.
fn id() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|error| StoreError::Unreadable { what: "random number", source: error.to_string().into() })?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = hex::encode(bytes);
    Ok([&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-"))
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Chain")
    }
}
