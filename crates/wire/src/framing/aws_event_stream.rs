//! Amazon's binary event stream: length, headers, payload, two checksums.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

use super::{MAX_FRAME, Piece};
use crate::problem::Malformed;

const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;
const STRING: u8 = 7;
const CHUNK: &[u8] = b"chunk";

/// One past the end of the first message, once it is all there.
pub(super) fn frame_end(slice: &[u8]) -> Result<Option<usize>, Malformed> {
    if slice.len() < PRELUDE {
        return Ok(None);
    }
    let (total, headers) = (number(slice, 0), number(slice, 4));
    if number(slice, 8) != crc32fast::hash(&slice[..8]) as usize {
        return Err(Malformed::new("the checksum of an event's prelude is wrong"));
    }
    if total > MAX_FRAME || headers > total || total < PRELUDE + headers + CHECKSUM {
        return Err(Malformed::new("the length of an event is impossible"));
    }
    Ok((slice.len() >= total).then_some(total))
}

fn number(slice: &[u8], at: usize) -> usize {
    slice[at..at + 4].iter().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

/// Reads one message. Its name is the event's type, the exception's type or the error's code.
pub(super) fn read_frame(raw: Bytes) -> Result<Piece, Malformed> {
    let body_end = raw.len() - CHECKSUM;
    if number(&raw, body_end) != crc32fast::hash(&raw[..body_end]) as usize {
        return Err(Malformed::new("the checksum of an event is wrong"));
    }
    let headers_end = PRELUDE + number(&raw, 4);
    let mut piece = Piece { payload: raw.slice(headers_end..body_end), ..Piece::default() };
    let mut at = PRELUDE;
    while at < headers_end {
        let (name, value, next) = header(&raw[..headers_end], at).ok_or_else(|| Malformed::new("a header of an event is cut"))?;
        match (&raw[name.0..name.1], value) {
            (b":event-type" | b":exception-type" | b":error-code", Some(value)) => piece.name = raw.slice(value.0..value.1),
            (b":error-message", Some(value)) if piece.payload.is_empty() => piece.payload = raw.slice(value.0..value.1),
            _ => {}
        }
        at = next;
    }
    if piece.name == CHUNK[..] {
        piece = unwrapped(piece)?;
    }
    piece.raw = raw;
    Ok(piece)
}

/// Whether a message that was read tells of a failure.
pub(super) fn is_failure(raw: &[u8]) -> bool {
    let headers = &raw[..(PRELUDE + number(raw, 4)).min(raw.len())];
    let mut at = PRELUDE;
    while let Some((name, _, next)) = header(headers, at) {
        if matches!(&raw[name.0..name.1], b":exception-type" | b":error-code") {
            return true;
        }
        at = next;
    }
    false
}

/// `InvokeModel` wraps each event of the model's own API: `{"bytes": "<base64>"}`.
fn unwrapped(piece: Piece) -> Result<Piece, Malformed> {
    #[derive(serde::Deserialize)]
    struct Chunk<'a> {
        #[serde(borrow)]
        bytes: Cow<'a, str>,
    }
    let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(&piece.payload) else { return Ok(piece) };
    let payload = BASE64.decode(chunk.bytes.as_bytes()).map_err(|_| Malformed::new("the bytes of a chunk are no base64"))?;
    Ok(Piece { name: Bytes::new(), payload: payload.into(), ..piece })
}

type Range = (usize, usize);

/// The name, the value where it is a string, and the end of the header at `at`.
fn header(raw: &[u8], at: usize) -> Option<(Range, Option<Range>, usize)> {
    let name = (at + 1, at + 1 + usize::from(*raw.get(at)?));
    let kind = *raw.get(name.1)?;
    let start = name.1 + 1;
    let fixed = |length: usize| (None, start + length);
    let (value, next) = match kind {
        0 | 1 => fixed(0),
        2 => fixed(1),
        3 => fixed(2),
        4 => fixed(4),
        5 | 8 => fixed(8),
        9 => fixed(16),
        6 | STRING => {
            let length = usize::from(*raw.get(start)?) << 8 | usize::from(*raw.get(start + 1)?);
            let value = (start + 2, start + 2 + length);
            ((kind == STRING).then_some(value), value.1)
        }
        _ => return None,
    };
    (next <= raw.len()).then_some((name, value, next))
}

/// Writes one message with string headers: for tests, and for upstreams that are played.
pub fn write_message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        block.extend_from_slice(name.as_bytes());
        block.push(STRING);
        block.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let total = PRELUDE + block.len() + payload.len() + CHECKSUM;
    let mut message = Vec::with_capacity(total);
    for length in [total, block.len()] {
        message.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message.extend_from_slice(&block);
    message.extend_from_slice(payload);
    message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
    message
}
