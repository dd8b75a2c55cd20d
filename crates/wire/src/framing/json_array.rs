//! The items of one JSON array, as Gemini streams without `alt=sse`.
//!
//! Brackets, commas and blanks between the items belong to the item that follows, so that the frames' bytes put together are the
//! stream. A single object in place of the array is a frame too: errors come so.

use bytes::Bytes;

use super::{Piece, Scan};

/// One past the end of the first item, or of what closes the array; the end of the slice where the stream has ended.
pub(super) fn frame_end(slice: &[u8], scan: &mut Scan, ended: bool) -> Option<usize> {
    while let Some(&byte) = slice.get(scan.at) {
        scan.at += 1;
        if scan.quoted {
            match byte {
                b'\\' if scan.at == slice.len() => {
                    // The escaped byte is not here yet.
                    scan.at -= 1;
                    return ended.then_some(slice.len());
                }
                b'\\' => scan.at += 1,
                b'"' => scan.quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => scan.quoted = true,
            b'{' => scan.depth += 1,
            b'[' if scan.depth > 0 => scan.depth += 1,
            b'}' | b']' if scan.depth > 0 => {
                scan.depth -= 1;
                if scan.depth == 0 {
                    return Some(scan.at);
                }
            }
            b']' if slice[..scan.at - 1].trim_ascii().is_empty() => return Some(scan.at),
            _ => {}
        }
    }
    ended.then_some(slice.len())
}

/// Reads one item.
pub(super) fn read_frame(raw: Bytes) -> Piece {
    let between = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'[' | b',' | b']');
    let start = raw.iter().position(|byte| !between(byte)).unwrap_or(raw.len());
    let end = raw.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(start, |last| (last + 1).max(start));
    Piece { name: Bytes::new(), payload: raw.slice(start..end), raw, cut: false }
}
