//! One structured line for each request, written out by a thread of its own.
//!
//! What a line holds is listed here and nowhere else: neither prompts nor answers nor keys can get in by accident. A line is put together
//! where the request ended, so that nothing but bytes goes from thread to thread. What waits to be written is bounded; a line that does
//! not fit is dropped and counted, and no request waits for the disk.

use std::cell::RefCell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use switchboard_engine::meter::{Outcome, Record, Recorder, Served};
use switchboard_engine::wire::json::write_text;
use switchboard_engine::wire::reply::Usage;
use switchboard_engine::{apart, failpoint};

/// Bytes that may wait to be written.
const WAITING: usize = 16 << 20;
/// How long lines are gathered before they are written: one write for many requests.
const GATHER: Duration = Duration::from_millis(100);
/// After so many gatherings of nothing the writer sleeps until it is woken. While requests come, none of them wakes it.
const PATIENCE: u32 = 10;

/// A buffer that once had to hold more than this is given back.
const KEPT: usize = 1 << 20;

thread_local! {
    /// Where this thread puts a line together.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Gives lines to the writer.
#[derive(Debug)]
pub struct RequestLog {
    shared: Arc<Shared>,
    writer: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Vec<u8>>,
    dropped: AtomicU64,
    /// The writer sleeps until it is woken.
    asleep: AtomicBool,
    /// No more lines will come.
    closed: AtomicBool,
}

impl RequestLog {
    /// Starts a writer to `out`. The thread ends when the log is dropped and everything is written.
    pub fn start(out: impl Write + Send + 'static) -> std::io::Result<(Self, JoinHandle<()>)> {
        let shared = Arc::new(Shared::default());
        let read = shared.clone();
        let writer = std::thread::Builder::new().name("request-log".to_owned()).spawn(move || {
            let mut out = out;
            while apart::step("request-log", || write_all(&read, &mut out)).is_none() {
                std::thread::sleep(apart::PAUSE);
            }
        })?;
        Ok((Self { shared, writer: writer.thread().clone() }, writer))
    }

    fn wake(&self) {
        if self.shared.asleep.swap(false, Ordering::AcqRel) {
            self.writer.unpark();
        }
    }
}

impl Recorder for RequestLog {
    fn record(&self, record: Box<Record>) {
        failpoint::hit("recording");
        LINE.with_borrow_mut(|written| {
            written.clear();
            line(&record, written);
            let mut lines = self.shared.lines();
            if lines.len() + written.len() <= WAITING {
                lines.extend_from_slice(written);
            } else {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
        });
        self.wake();
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.wake();
    }
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Vec<u8>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until there is something to write or nothing will be any more.
    fn sleep(&self) {
        self.asleep.store(true, Ordering::Release);
        // Whatever came before that was said wakes nobody.
        while self.lines().is_empty() && !self.closed.load(Ordering::Acquire) && self.asleep.load(Ordering::Acquire) {
            std::thread::park();
        }
        self.asleep.store(false, Ordering::Release);
    }
}

fn write_all(shared: &Shared, out: &mut impl Write) {
    let mut lines = Vec::new();
    let mut quiet = PATIENCE;
    loop {
        if quiet >= PATIENCE {
            shared.sleep();
        }
        let closed = shared.closed.load(Ordering::Acquire);
        if !closed {
            std::thread::sleep(GATHER);
        }
        failpoint::hit("writing_log");
        std::mem::swap(&mut *shared.lines(), &mut lines);
        let missed = shared.dropped.swap(0, Ordering::Relaxed);
        if missed > 0 {
            lines.extend_from_slice(format!("{{\"event\":\"log_overflow\",\"dropped\":{missed}}}\n").as_bytes());
        }
        quiet = if lines.is_empty() { quiet.saturating_add(1) } else { 0 };
        // Nobody is left to tell when the log itself cannot be written; the lines are counted as dropped.
        if !lines.is_empty() && out.write_all(&lines).and_then(|()| out.flush()).is_err() {
            let lost = memchr::memchr_iter(b'\n', &lines).count() as u64;
            shared.dropped.fetch_add(missed.saturating_add(lost), Ordering::Relaxed);
        }
        lines.clear();
        lines.shrink_to(KEPT);
        if closed {
            return;
        }
    }
}

/// A line under way. A field's `lead` is what stands before its value: comma, name and colon.
struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn text(&mut self, lead: &str, text: &str) {
        self.raw(lead);
        write_text(self.0, text);
    }

    /// What a client wrote: also what a terminal would obey is escaped.
    fn foreign(&mut self, lead: &str, text: &str) {
        if text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
            return self.text(lead, text);
        }
        let mut written = Vec::new();
        write_text(&mut written, text);
        self.raw(lead);
        for letter in String::from_utf8_lossy(&written).chars() {
            match letter {
                '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    self.raw(&format!("\\u{:04x}", u32::from(letter)))
                }
                _ => self.raw(letter.encode_utf8(&mut [0; 4])),
            }
        }
    }

    /// A name of ours, in which nothing must be escaped.
    fn name(&mut self, lead: &str, name: &'static str) {
        self.raw(lead);
        self.0.push(b'"');
        self.raw(name);
        self.0.push(b'"');
    }

    fn number(&mut self, lead: &str, number: u64) {
        self.raw(lead);
        self.raw(itoa::Buffer::new().format(number));
    }

    fn tokens(&mut self, usage: &Usage) {
        self.raw(",\"tokens\":{");
        let mut between = "\"";
        for (name, count) in usage.counts() {
            if let Some(count) = count {
                self.raw(between);
                self.raw(name);
                self.number("\":", count);
                between = ",\"";
            }
        }
        self.raw("}");
    }
}

fn line(record: &Record, out: &mut Vec<u8>) {
    let mut line = Line(out);
    line.text("{\"event\":\"request\",\"id\":", &record.id);
    line.text(",\"key\":", &record.key);
    line.name(",\"operation\":", record.operation.as_str());
    line.name(",\"dialect\":", record.dialect.as_str());
    line.foreign(",\"model\":", &record.model);
    if let Some(target) = record.deployment.as_deref() {
        line.text(",\"provider\":", &target.spec.provider);
        line.text(",\"deployment\":", &target.spec.id);
    }
    if let Some(spoken) = record.spoken {
        line.name(",\"spoken\":", spoken.as_str());
    }
    line.raw(if record.stream { ",\"stream\":true" } else { ",\"stream\":false" });
    line.name(",\"outcome\":", outcome(record.outcome));
    line.number(",\"status\":", record.status.into());
    if let Some(error) = &record.error {
        line.text(",\"error\":", error);
    }
    line.number(",\"attempts\":", record.attempts.into());
    line.number(",\"losses\":", record.losses as u64);
    // What is not so for nearly every request is only said where it is.
    if record.served != Served::Asked {
        line.name(",\"served\":", record.served.as_str());
    }
    if record.continued > 0 {
        line.number(",\"continued\":", record.continued.into());
    }
    if record.tried.iter().any(|attempt| attempt.hedge) {
        line.raw(",\"hedged\":true");
    }
    if let Some(usage) = &record.usage {
        line.tokens(usage);
    }
    if let Some(cost) = record.cost {
        line.text(",\"cost_usd\":", cost.written().as_str());
    }
    if let Some(trial) = record.decision.as_ref().and_then(|decision| decision.trial.as_ref()) {
        line.text(",\"experiment\":", &trial.experiment);
        line.text(",\"arm\":", &trial.arm);
        line.name(",\"role\":", trial.role.as_str());
    }
    line.number(",\"duration_us\":", micros(record.duration));
    if let Some(first_content) = record.first_content {
        line.number(",\"first_content_us\":", micros(first_content));
    }
    if let Some(overhead) = record.overhead {
        line.number(",\"overhead_us\":", micros(overhead));
    }
    line.raw("}\n");
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
