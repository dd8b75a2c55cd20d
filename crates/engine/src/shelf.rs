//! Answers that are kept for those who ask again: what is bounded in bytes and time lies in memory, and where there is an [`Archive`],
//! also there, for other gateways and the next start.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;

use crate::book::port::Later;
use crate::call::digest::Digest;

/// A caller's request, by its own name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The caller and its name for the request.
    pub name: Digest,
    /// The request.
    pub request: Digest,
}

/// What an archive has of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: it is the asking gateway's now.
    Taken,
    /// Another gateway has it under way.
    Running,
    /// That name stands for another request.
    Other,
    /// The answer.
    Kept(Bytes),
}

/// Where answers are kept beside this gateway's memory.
pub trait Archive: Send + Sync {
    /// Looks for the slot, and takes it for so long where there is nothing.
    fn claim(&self, slot: Slot, time: Duration) -> Later<'_, Result<Claim, String>>;

    /// Keeps the answer of a slot that was taken. Does not block.
    fn keep(&self, slot: Slot, answer: Bytes, time: Duration);

    /// Lets go of a slot that was taken. Does not block.
    fn release(&self, slot: Slot);
}

/// What is kept here.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    entries: HashMap<Digest, Entry>,
    /// The kept ones, the oldest first, and when each was put there.
    order: VecDeque<(Digest, Instant)>,
    bytes: u64,
}

struct Entry {
    request: Digest,
    held: Held,
}

enum Held {
    /// Under way; whoever waits is told when it no longer is.
    Running(watch::Receiver<()>),
    Answer(Arc<Packed>, Instant),
}

/// An answer as it is kept.
pub(crate) struct Packed {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What the shelf says to a call.
pub(crate) enum Found {
    /// It is the first of its name.
    First(watch::Sender<()>),
    Running(watch::Receiver<()>),
    Other,
    Answer(Arc<Packed>),
}

impl Shelf {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn find(&self, slot: Slot, now: Instant) -> Found {
        let mut kept = self.kept();
        kept.forget_old(now);
        match kept.entries.get(&slot.name) {
            Some(entry) if entry.request != slot.request => Found::Other,
            Some(Entry { held: Held::Answer(answer, _), .. }) => Found::Answer(answer.clone()),
            Some(Entry { held: Held::Running(ends), .. }) => Found::Running(ends.clone()),
            None => {
                let (end, ends) = watch::channel(());
                kept.entries.insert(slot.name, Entry { request: slot.request, held: Held::Running(ends) });
                Found::First(end)
            }
        }
    }

    pub(crate) fn keep(&self, slot: Slot, answer: Arc<Packed>, (until, most): (Instant, u64)) {
        let mut kept = self.kept();
        kept.bytes += answer.size();
        kept.entries.insert(slot.name, Entry { request: slot.request, held: Held::Answer(answer, until) });
        kept.order.push_back((slot.name, until));
        while kept.bytes > most && kept.forget_first() {}
    }

    /// Forgets that it is under way.
    pub(crate) fn release(&self, slot: Slot) {
        let mut kept = self.kept();
        if kept.entries.get(&slot.name).is_some_and(|entry| matches!(entry.held, Held::Running(_))) {
            kept.entries.remove(&slot.name);
        }
    }
}

impl Kept {
    fn forget_old(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(_, until)| *until <= now) {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) -> bool {
        let Some((name, until)) = self.order.pop_front() else { return false };
        let is_it = |entry: &Entry| matches!(entry.held, Held::Answer(_, at) if at == until);
        if self.entries.get(&name).is_some_and(is_it)
            && let Some(Entry { held: Held::Answer(answer, _), .. }) = self.entries.remove(&name)
        {
            self.bytes = self.bytes.saturating_sub(answer.size());
        }
        true
    }
}

impl Packed {
    pub(crate) fn size(&self) -> u64 {
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        (self.body.len() + headers) as u64
    }

    /// As bytes: the status, the headers line by line, an empty line, the body.
    pub(crate) fn write(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.body.len() + 512);
        out.put_slice(self.status.as_str().as_bytes());
        out.put_u8(b'\n');
        for (name, value) in &self.headers {
            out.put_slice(name.as_str().as_bytes());
            out.put_u8(b':');
            out.put_slice(value.as_bytes());
            out.put_u8(b'\n');
        }
        out.put_u8(b'\n');
        out.put_slice(&self.body);
        out.freeze()
    }

    pub(crate) fn read(bytes: &Bytes) -> Option<Self> {
        let mut at = 0;
        let mut line = || {
            let end = at + memchr::memchr(b'\n', &bytes[at..])?;
            let line = &bytes[at..end];
            at = end + 1;
            Some(line)
        };
        let status = StatusCode::from_bytes(line()?).ok()?;
        let mut headers = HeaderMap::new();
        loop {
            let line = line()?;
            if line.is_empty() {
                break;
            }
            let colon = memchr::memchr(b':', line)?;
            headers.append(HeaderName::from_bytes(&line[..colon]).ok()?, HeaderValue::from_bytes(&line[colon + 1..]).ok()?);
        }
        Some(Self { status, headers, body: bytes.slice(at..) })
    }
}

#[cfg(test)]
mod tests;
