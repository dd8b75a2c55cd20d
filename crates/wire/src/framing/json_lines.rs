//! One JSON value a line.

use bytes::Bytes;
use memchr::memchr;

use super::{Piece, Scan};

/// One past the end of the first line; the end of the slice where the stream has ended.
pub(super) fn frame_end(slice: &[u8], scan: &mut Scan, ended: bool) -> Option<usize> {
    if let Some(found) = memchr(b'\n', &slice[scan.at..]) {
        return Some(scan.at + found + 1);
    }
    scan.at = slice.len();
    ended.then_some(slice.len())
}

/// Reads one line.
pub(super) fn read_frame(raw: Bytes) -> Piece {
    let start = raw.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(raw.len());
    let end = raw.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(start, |last| last + 1);
    Piece { name: Bytes::new(), payload: raw.slice(start..end), raw, cut: false }
}
