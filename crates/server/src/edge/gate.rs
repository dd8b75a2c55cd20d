//! Strict HTTP/1 framing, checked on the bytes as they arrive.
//!
//! The parser behind this one is right for most purposes and forgiving in a few: it lets `Transfer-Encoding` win over
//! `Content-Length`, merges equal lengths, accepts unknown codings before `chunked`, and takes a bare line feed for a
//! line end. Whatever stands in front of the gateway may read the same bytes differently, so all of these are refused.
//! To know where heads begin, the gate follows the bodies too. It is pure: bytes in, a verdict out.

use memchr::memchr2;

/// Longest chunk-size line, extensions included.
const MAX_CHUNK_LINE: usize = 4096;
/// Blank lines tolerated before a request line.
const MAX_BLANK_LINES: u8 = 4;

/// Follows the framing of one connection's requests.
#[derive(Debug)]
pub(super) struct Gate {
    state: State,
    /// The line begun in earlier reads.
    line: Vec<u8>,
    blank_lines: u8,
    length: Option<u64>,
    chunked: bool,
    max_line: usize,
}

/// Where in the message the next byte lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    RequestLine,
    Field,
    Sized(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    /// Nothing more is checked: the parser refuses what follows, or has been made to.
    Blind,
}

/// The request is refused; the input ends at this offset of the bytes just read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) at: usize,
    pub(super) part: Part,
}

/// The part of a message that is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Head,
    Body,
}

/// A line or head that must not be accepted.
struct Bad;

impl Gate {
    /// A gate before the first request. The parser refuses heads beyond `max_line` bytes, so longer lines are not kept.
    pub(super) fn new(max_line: usize) -> Self {
        Self { state: State::RequestLine, line: Vec::new(), blank_lines: 0, length: None, chunked: false, max_line }
    }

    /// A gate that lets everything pass, for HTTP/2.
    pub(super) fn open() -> Self {
        Self { state: State::Blind, ..Self::new(0) }
    }

    /// Whether a request's head has begun and not ended.
    pub(super) fn is_mid_head(&self) -> bool {
        self.state == State::Field || (self.state == State::RequestLine && !self.line.is_empty())
    }

    /// Whether more of a message is to come, or input was refused: closing now would reset the client's sending.
    pub(super) fn is_mid_message(&self) -> bool {
        self.state != State::RequestLine || !self.line.is_empty()
    }

    /// Looks at the next bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.state {
                State::Blind => return Ok(()),
                State::Sized(left) => at += self.skip(rest, left, State::Sized, State::RequestLine),
                State::Chunk(left) => at += self.skip(rest, left, State::Chunk, State::ChunkEnd),
                State::RequestLine | State::Field | State::ChunkSize | State::ChunkEnd | State::Trailer => {
                    let Some(end) = memchr::memchr(b'\n', rest) else {
                        return self.keep(rest).map_err(|Bad| self.refuse(bytes.len() - 1));
                    };
                    let taken = self.take_line(&rest[..=end]);
                    at += end + 1;
                    taken.map_err(|Bad| self.refuse(at - 1))?;
                }
            }
        }
        Ok(())
    }

    /// Passes over body bytes; says how many.
    fn skip(&mut self, rest: &[u8], left: u64, more: fn(u64) -> State, done: State) -> usize {
        let taken = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
        let left = left - taken as u64;
        self.state = if left == 0 { done } else { more(left) };
        taken
    }

    fn refuse(&mut self, at: usize) -> Refused {
        let part = if matches!(self.state, State::RequestLine | State::Field) { Part::Head } else { Part::Body };
        self.state = State::Blind;
        self.line = Vec::new();
        Refused { at, part }
    }

    /// Keeps the beginning of a line for the next read.
    fn keep(&mut self, rest: &[u8]) -> Result<(), Bad> {
        let size = self.line.len() + rest.len();
        if matches!(self.state, State::RequestLine | State::Field | State::Trailer) {
            if size > self.max_line {
                // the parser has at least as much of this head in hand and refuses it as too large
                self.state = State::Blind;
                self.line = Vec::new();
                return Ok(());
            }
        } else if size > MAX_CHUNK_LINE {
            return Err(Bad);
        }
        self.line.extend_from_slice(rest);
        Ok(())
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), Bad> {
        if self.line.is_empty() {
            return self.judge(line);
        }
        let mut whole = std::mem::take(&mut self.line);
        whole.extend_from_slice(line);
        self.judge(&whole)
    }

    /// Judges one line, its line feed included.
    fn judge(&mut self, line: &[u8]) -> Result<(), Bad> {
        let line = line.strip_suffix(b"\r\n").ok_or(Bad)?;
        if memchr2(b'\r', 0, line).is_some() {
            return Err(Bad);
        }
        match self.state {
            State::RequestLine => self.on_request_line(line),
            State::Field => self.on_field(line),
            State::ChunkSize => self.on_chunk_size(line),
            State::ChunkEnd => {
                self.state = State::ChunkSize;
                if line.is_empty() { Ok(()) } else { Err(Bad) }
            }
            State::Trailer => self.on_trailer(line),
            State::Sized(_) | State::Chunk(_) | State::Blind => Ok(()),
        }
    }

    fn on_request_line(&mut self, line: &[u8]) -> Result<(), Bad> {
        if line.is_empty() {
            self.blank_lines += 1;
            return if self.blank_lines > MAX_BLANK_LINES { Err(Bad) } else { Ok(()) };
        }
        self.blank_lines = 0;
        self.length = None;
        self.chunked = false;
        self.state = State::Field;
        Ok(())
    }

    fn on_field(&mut self, line: &[u8]) -> Result<(), Bad> {
        match line.first() {
            None => {
                self.state = match self.length {
                    _ if self.chunked => State::ChunkSize,
                    None | Some(0) => State::RequestLine,
                    Some(length) => State::Sized(length),
                };
                return Ok(());
            }
            Some(b' ' | b'\t') => return Err(Bad),
            Some(_) => {}
        }
        if let Some(value) = value_of(line, b"content-length") {
            if self.length.is_some() || self.chunked {
                return Err(Bad);
            }
            self.length = Some(decimal(value)?);
        } else if let Some(value) = value_of(line, b"transfer-encoding") {
            if self.length.is_some() || self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Bad);
            }
            self.chunked = true;
        }
        Ok(())
    }

    fn on_chunk_size(&mut self, line: &[u8]) -> Result<(), Bad> {
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, rest) = line.split_at(digits);
        if size.is_empty() || size.len() > 16 || !matches!(rest.trim_ascii_start().first(), None | Some(b';')) {
            return Err(Bad);
        }
        let size = std::str::from_utf8(size).map_err(|_| Bad)?;
        self.state = match u64::from_str_radix(size, 16).map_err(|_| Bad)? {
            0 => State::Trailer,
            size => State::Chunk(size),
        };
        Ok(())
    }

    fn on_trailer(&mut self, line: &[u8]) -> Result<(), Bad> {
        match line.first() {
            None => self.state = State::RequestLine,
            Some(b' ' | b'\t') => return Err(Bad),
            Some(_) => {}
        }
        Ok(())
    }
}

/// The trimmed value, if the field has this name (in lower case).
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    head.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn decimal(value: &[u8]) -> Result<u64, Bad> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Bad);
    }
    std::str::from_utf8(value).map_err(|_| Bad)?.parse().map_err(|_| Bad)
}

#[cfg(test)]
mod tests;
