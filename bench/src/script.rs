//! What the mock upstream is told to play, and the text it then says.
//!
//! The words come from the model name (`mock-50x260-pace20ms`), from path segments before `/v1`, from the query and
//! from the `x-mock` header, so that a script survives whatever a gateway in between drops. The load generator reads
//! the same model name and therefore knows the exact text to expect.

use std::time::Duration;

/// A way in which the mock misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status and the error body of its dialect.
    Status(u16),
    /// 429 with the code that means "the money is gone".
    Quota,
    /// Resets the connection before any byte of the answer.
    Reset,
    /// Resets the connection after the head, before any content.
    ResetAfterHead,
    /// Closes the connection in the middle of the body.
    Cut,
    /// Resets the connection in the middle of the body.
    Abort,
    /// Stops sending in the middle of the body, connection left open.
    Stall,
    /// Never answers, connection left open.
    Hang,
    /// Takes two seconds before the first byte.
    Slow,
    /// Sends JSON that is none.
    Malformed,
    /// Sends an error event in a stream, an error body with status 200 otherwise.
    ErrorEvent,
    /// A well formed answer without any content.
    Empty,
    /// A web page with status 200.
    Html,
    /// The JSON value `null` with status 200.
    Null,
    /// A redirect to a place that must not be followed.
    Redirect,
    /// Ends the stream properly in HTTP, but without the last event of its dialect.
    NoEnd,
    /// Leaves usage out.
    NoUsage,
}

const NAMED_FAULTS: &[(&str, Fault)] = &[
    ("quota", Fault::Quota),
    ("reset", Fault::Reset),
    ("resethead", Fault::ResetAfterHead),
    ("cut", Fault::Cut),
    ("abort", Fault::Abort),
    ("stall", Fault::Stall),
    ("hang", Fault::Hang),
    ("slow", Fault::Slow),
    ("malformed", Fault::Malformed),
    ("errorevent", Fault::ErrorEvent),
    ("empty", Fault::Empty),
    ("html", Fault::Html),
    ("null", Fault::Null),
    ("redirect", Fault::Redirect),
    ("noend", Fault::NoEnd),
    ("nousage", Fault::NoUsage),
];

impl Fault {
    /// Reads `500`, `reset`, `cut` and so on.
    pub fn read(word: &str) -> Option<Self> {
        if let Ok(status) = word.parse::<u16>() {
            return (400..600).contains(&status).then_some(Self::Status(status));
        }
        NAMED_FAULTS.iter().find(|(name, _)| *name == word).map(|(_, fault)| *fault)
    }

    /// The name under which the books count it.
    pub fn name(self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            named => NAMED_FAULTS.iter().find(|(_, fault)| *fault == named).map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }
}

/// One answer, as ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Content chunks of a stream.
    pub chunks: u32,
    /// Approximate bytes of one stream event.
    pub chunk_bytes: usize,
    /// Bytes of text in an answer that is no stream.
    pub answer_bytes: usize,
    /// Wait before the head.
    pub latency: Duration,
    /// Wait after a stream's head, before its first content.
    pub first: Duration,
    /// Wait between two chunks; with zero each chunk is still its own write.
    pub pace: Duration,
    /// What goes wrong, if anything.
    pub fault: Option<Fault>,
    /// How many of a hundred requests the fault hits.
    pub fault_percent: u64,
    /// After how many chunks a mid-stream fault strikes.
    pub fault_after: u32,
    /// The `retry-after` header of an error, in seconds.
    pub retry_after: Option<u32>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            chunks: 10,
            chunk_bytes: 260,
            answer_bytes: 300,
            latency: Duration::ZERO,
            first: Duration::ZERO,
            pace: Duration::ZERO,
            fault: None,
            fault_percent: 100,
            fault_after: 3,
            retry_after: None,
        }
    }
}

/// The part of a stream event that is not text, roughly; what is left of `chunk_bytes` is text.
const EVENT_SKELETON: usize = 220;

impl Script {
    /// The script a model name orders.
    pub fn of_model(model: &str) -> Self {
        let mut script = Self::default();
        script.apply(model);
        script
    }

    /// Applies every word it knows; a model name is full of words that order nothing.
    pub fn apply(&mut self, words: &str) {
        for word in words.split(['-', '/', '&', ',', '?', ' ']) {
            self.apply_word(word);
        }
    }

    fn apply_word(&mut self, word: &str) {
        if let Some((chunks, bytes)) = read_shape(word) {
            self.chunks = chunks;
            self.chunk_bytes = bytes;
            return;
        }
        let Some((key, value)) = split_word(word) else {
            return;
        };
        match key {
            "pace" => set(&mut self.pace, read_duration(value)),
            "lat" => set(&mut self.latency, read_duration(value)),
            "ttft" => set(&mut self.first, read_duration(value)),
            "size" => set(&mut self.answer_bytes, value.parse().ok().map(|n: usize| n.min(64 << 20))),
            "fault" => self.fault = Fault::read(value).or(self.fault),
            "rate" => set(&mut self.fault_percent, value.parse().ok()),
            "after" => set(&mut self.fault_after, value.parse().ok()),
            "retryafter" => self.retry_after = value.parse().ok(),
            _ => {}
        }
    }

    /// The text of chunk `index`: its number, so that a lost or swapped chunk shows, and letters.
    pub fn chunk_text(&self, index: u32) -> String {
        let length = self.chunk_bytes.saturating_sub(EVENT_SKELETON).max(6);
        let mut text = format!("{index:05} ");
        text.extend(letters(index as usize).take(length - 6));
        text
    }

    /// The text of an answer that is no stream.
    pub fn answer_text(&self) -> String {
        letters(0).take(self.answer_bytes).collect()
    }

    /// The completion tokens an answer that is no stream reports: four bytes of text to a token.
    pub fn answer_tokens(&self) -> u32 {
        u32::try_from(self.answer_bytes.div_ceil(4)).unwrap_or(u32::MAX)
    }

    /// All text of a stream, in order.
    pub fn stream_text(&self) -> String {
        (0..self.chunks).map(|index| self.chunk_text(index)).collect()
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn letters(start: usize) -> impl Iterator<Item = char> {
    (start..).map(|n| if n % 8 == 7 { ' ' } else { char::from(b'a' + (n % 26) as u8) })
}

/// `50x260` is fifty chunks of 260 bytes.
fn read_shape(word: &str) -> Option<(u32, usize)> {
    let (chunks, bytes) = word.split_once('x')?;
    Some((chunks.parse::<u32>().ok()?.min(1_000_000), bytes.parse::<usize>().ok()?.min(16 << 20)))
}

/// `pace20ms`, `pace=20ms` and `fault.reset` are a key and a value.
fn split_word(word: &str) -> Option<(&str, &str)> {
    let end = word.find(|c: char| !c.is_ascii_alphabetic())?;
    let (key, value) = word.split_at(end);
    Some((key, value.trim_start_matches(['=', '.', ':'])))
}

/// Reads `20ms`, `2s`, `500us`.
pub fn read_duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    match unit {
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

/// What marks the nonce in a prompt; sixteen hexadecimal digits follow.
pub const NONCE_MARK: &str = "nonce:";

/// How long a nonce is, with its mark.
pub const NONCE_LENGTH: usize = NONCE_MARK.len() + 16;

/// Finds the nonce of a prompt, so that the answer can repeat it and a swapped answer shows.
pub fn find_nonce(body: &[u8]) -> Option<&str> {
    let at = memchr::memmem::find(body, NONCE_MARK.as_bytes())?;
    let nonce = std::str::from_utf8(body.get(at..at + NONCE_LENGTH)?).ok()?;
    nonce[NONCE_MARK.len()..].bytes().all(|b| b.is_ascii_hexdigit()).then_some(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_name_orders_shape_and_pace() {
        let script = Script::of_model("mock-50x260-pace20ms-ttft1s-lat500us-size12");
        assert_eq!((script.chunks, script.chunk_bytes, script.answer_bytes), (50, 260, 12));
        assert_eq!(script.pace, Duration::from_millis(20));
        assert_eq!(script.first, Duration::from_secs(1));
        assert_eq!(script.latency, Duration::from_micros(500));
        assert_eq!(Script::of_model("gpt-4o-mini"), Script::default());
    }

    #[test]
    fn faults_are_read_from_any_place() {
        let mut script = Script::default();
        script.apply("/fault=reset/rate=30/v1/chat/completions");
        assert_eq!((script.fault, script.fault_percent), (Some(Fault::Reset), 30));
        script.apply("fault=529&after=7");
        assert_eq!((script.fault, script.fault_after), (Some(Fault::Status(529)), 7));
        assert_eq!(Fault::read("nonsense"), None);
        assert_eq!(Fault::read("200"), None);
        for (name, fault) in NAMED_FAULTS {
            assert_eq!(fault.name(), *name);
        }
    }

    #[test]
    fn texts_have_the_ordered_length_and_their_number() {
        let script = Script::of_model("mock-3x260-size77");
        assert_eq!(script.answer_text().len(), 77);
        assert_eq!(script.chunk_text(2).len(), 40);
        assert!(script.stream_text().contains("00002 "));
    }

    #[test]
    fn a_nonce_is_sixteen_digits() {
        assert_eq!(find_nonce(b"x nonce:0123456789abcdef y"), Some("nonce:0123456789abcdef"));
        assert_eq!(find_nonce(b"x nonce:0123"), None);
        assert_eq!(find_nonce(b"x nonce:0123456789abcdeZ y"), None);
    }
}
