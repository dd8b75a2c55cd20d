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

use switchboard_engine::meter::{Outcome, Record, Recorder};
use switchboard_engine::wire::Dialect;
use switchboard_engine::wire::json::write_object;

/// Records that may wait to be written.
const WAITING: usize = 16_384;
/// How long lines may be gathered before they are written.
const GATHER: Duration = Duration::from_millis(50);

/// Sends records to the writer.
#[derive(Debug)]
pub struct RequestLog {
    sender: SyncSender<Box<Record>>,
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
    fn record(&self, record: Box<Record>) {
        if self.sender.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_all(receiver: &Receiver<Box<Record>>, mut out: impl Write, dropped: &AtomicU64) {
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
            let lost = memchr::memchr_iter(b'\n', &lines).count() as u64;
            dropped.fetch_add(missed.saturating_add(lost), Ordering::Relaxed);
        }
        lines.clear();
    }
}

fn line(record: &Record, out: &mut Vec<u8>) {
    write_object(out, |line| {
        let target = record.deployment.as_deref();
        line.field("event", "request");
        line.field("id", &record.id);
        line.field("key", &record.key);
        line.field("operation", record.operation.as_str());
        line.field("dialect", record.dialect.as_str());
        line.field("model", &record.model);
        line.option("provider", target.map(|target| &target.spec.provider));
        line.option("deployment", target.map(|target| &target.spec.id));
        line.option("spoken", record.spoken.map(Dialect::as_str));
        line.field("stream", &record.stream);
        line.field("outcome", outcome(record.outcome));
        line.field("status", &record.status);
        line.option("error", record.error.as_deref());
        line.field("attempts", &record.attempts);
        line.field("losses", &record.losses);
        if let Some(usage) = &record.usage {
            line.object("tokens", |tokens| usage.counts().into_iter().for_each(|(name, count)| tokens.option(name, count)));
        }
        line.option("cost_usd", record.cost.map(|cost| cost.to_string()));
        line.field("duration_us", &micros(record.duration));
        line.option("first_content_us", record.first_content.map(micros));
        line.option("overhead_us", record.overhead.map(micros));
    });
    out.push(b'\n');
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
