//! One structured line for each request, written by a thread of its own.
//!
//! What a line holds is listed here and nowhere else: neither prompts nor answers nor keys can get in by accident. The channel is
//! bounded; a line that does not fit is dropped and counted, and no request waits for the disk.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Map, Value};
use switchboard_engine::meter::{Outcome, Record, Recorder};

/// Records that may wait to be written.
const WAITING: usize = 65_536;
/// How long lines may be gathered before they are written.
const GATHER: Duration = Duration::from_millis(50);

/// Sends records to the writer.
#[derive(Debug)]
pub struct RequestLog {
    sender: SyncSender<Record>,
    dropped: Arc<AtomicU64>,
}

impl RequestLog {
    /// Starts a writer to `out`. The thread ends when the log is dropped and everything is written.
    pub fn start(out: impl Write + Send + 'static) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, receiver) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = dropped.clone();
        let writer = std::thread::Builder::new().name("request-log".to_owned()).spawn(move || write_all(&receiver, out, &counted))?;
        Ok((Self { sender, dropped }, writer))
    }
}

impl Recorder for RequestLog {
    fn record(&self, record: Record) {
        if self.sender.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_all(receiver: &Receiver<Record>, mut out: impl Write, dropped: &AtomicU64) {
    let mut lines = Vec::new();
    while let Ok(first) = receiver.recv() {
        // Lines are gathered for a moment: one write for many requests, and no wake-up for each.
        std::thread::sleep(GATHER);
        line(&first, &mut lines);
        for record in receiver.try_iter() {
            line(&record, &mut lines);
        }
        let missed = dropped.swap(0, Ordering::Relaxed);
        if missed > 0 {
            lines.extend_from_slice(format!("{{\"event\":\"log_overflow\",\"dropped\":{missed}}}\n").as_bytes());
        }
        // Nobody is left to tell when the log itself cannot be written; the lines are counted as dropped.
        if out.write_all(&lines).and_then(|()| out.flush()).is_err() {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
        lines.clear();
    }
}

fn line(record: &Record, out: &mut Vec<u8>) {
    let mut fields = Map::new();
    let mut add = |key: &str, value: Value| {
        if !value.is_null() {
            fields.insert(key.to_owned(), value);
        }
    };
    let target = record.deployment.as_deref();
    add("event", "request".into());
    add("id", record.id.as_str().into());
    add("key", record.key.as_str().into());
    add("operation", record.operation.as_str().into());
    add("dialect", record.dialect.as_str().into());
    add("model", record.model.as_str().into());
    add("provider", target.map(|target| target.spec.provider.as_str()).into());
    add("deployment", target.map(|target| target.spec.id.as_str()).into());
    add("spoken", record.spoken.map(|spoken| spoken.as_str()).into());
    add("stream", record.stream.into());
    add("outcome", outcome(record.outcome).into());
    add("status", record.status.into());
    add("error", record.error.as_deref().into());
    add("attempts", record.attempts.into());
    add("losses", record.losses.into());
    if let Some(usage) = &record.usage {
        for (name, count) in usage.counts() {
            add(&format!("tokens_{name}"), count.into());
        }
    }
    add("cost_usd", record.cost.map(|cost| cost.to_string()).into());
    add("duration_us", micros(record.duration).into());
    add("first_content_us", record.first_content.map(micros).into());
    add("overhead_us", record.overhead.map(micros).into());
    if serde_json::to_writer(&mut *out, &Value::Object(fields)).is_ok() {
        out.push(b'\n');
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Cancelled => "cancelled",
        Outcome::Failed(kind) => kind.as_str(),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
