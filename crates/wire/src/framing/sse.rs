//! Server-sent events, as the HTML standard defines them.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;

use super::{Piece, Scan};
use crate::problem::Malformed;

/// One past the blank line that ends the first event; the end of the slice where the stream has ended.
pub(super) fn frame_end(slice: &[u8], scan: &mut Scan, ended: bool) -> Option<usize> {
    while let Some(found) = memchr2(b'\n', b'\r', &slice[scan.at..]) {
        let at = scan.at + found;
        let mut next = at + 1;
        if slice[at] == b'\r' {
            match slice.get(next) {
                Some(b'\n') => next += 1,
                Some(_) => {}
                // The line feed may still come.
                None if !ended => return None,
                None => {}
            }
        }
        let blank = at == scan.line;
        (scan.at, scan.line) = (next, next);
        if blank {
            return Some(next);
        }
    }
    scan.at = slice.len();
    scan.cut = ended;
    ended.then_some(slice.len())
}

/// Reads one event. Several `data` lines are joined by line feeds. One that was cut has a payload only if that is whole.
pub(super) fn read_frame(raw: Bytes, cut: bool) -> Result<Piece, Malformed> {
    let mut piece = Piece { cut, ..Piece::default() };
    let mut joined: Option<BytesMut> = None;
    let mut seen = false;
    let mut at = 0;
    while at < raw.len() {
        let line_end = memchr2(b'\n', b'\r', &raw[at..]).map_or(raw.len(), |found| at + found);
        if let Some(value) = field(&raw, at, line_end, b"data") {
            if !seen {
                piece.payload = value;
            } else {
                let joined = joined.get_or_insert_with(|| BytesMut::from(&piece.payload[..]));
                joined.extend_from_slice(b"\n");
                joined.extend_from_slice(&value);
            }
            seen = true;
        } else if let Some(value) = field(&raw, at, line_end, b"event") {
            piece.name = value;
        }
        at = line_end + 1;
    }
    if let Some(joined) = joined {
        piece.payload = joined.freeze();
    }
    if cut && !is_whole(&piece.payload) {
        piece.payload = Bytes::new();
    }
    if simdutf8::basic::from_utf8(&piece.payload).is_err() {
        return Err(Malformed::new("an event is not valid UTF-8"));
    }
    piece.raw = raw;
    Ok(piece)
}

/// Whether that is all of a payload.
fn is_whole(payload: &[u8]) -> bool {
    payload.trim_ascii() == b"[DONE]" || serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_ok()
}

/// The value of a line `name: value`.
fn field(raw: &Bytes, start: usize, end: usize, name: &[u8]) -> Option<Bytes> {
    // A byte order mark may stand before the first line.
    let start = if raw[start..end].starts_with(b"\xef\xbb\xbf") { start + 3 } else { start };
    let rest = raw[start..end].strip_prefix(name)?;
    let from = match rest {
        [] => return Some(Bytes::new()),
        [b':', b' ', ..] => 2,
        [b':', ..] => 1,
        _ => return None,
    };
    Some(raw.slice(start + name.len() + from..end))
}
