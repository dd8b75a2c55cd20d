//! What of a stream waits for its client.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces up to this size together are written together.
const TOGETHER: usize = 8 * 1024;

/// Pieces in their order. Those that have to wait are put together at once, not only when they go: a piece by itself keeps alive all
/// that it was read with, which is many times its size.
#[derive(Default)]
pub(super) struct Waiting {
    pieces: VecDeque<Piece>,
    len: usize,
}

enum Piece {
    Alone(Bytes),
    Together(BytesMut),
}

impl Waiting {
    /// Bytes altogether.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        match self.pieces.back_mut() {
            Some(Piece::Together(last)) if last.len() + piece.len() <= TOGETHER => last.extend_from_slice(&piece),
            Some(last @ Piece::Alone(_)) => {
                let Piece::Alone(alone) = &*last else { return };
                if alone.len() + piece.len() > TOGETHER {
                    self.pieces.push_back(Piece::Alone(piece));
                    return;
                }
                let mut together = BytesMut::with_capacity((alone.len() + piece.len()).next_power_of_two());
                together.extend_from_slice(alone);
                together.extend_from_slice(&piece);
                *last = Piece::Together(together);
            }
            _ => self.pieces.push_back(Piece::Alone(piece)),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let first = match self.pieces.pop_front()? {
            Piece::Alone(piece) => piece,
            Piece::Together(pieces) => pieces.freeze(),
        };
        self.len -= first.len();
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_wait_as_one_and_large_ones_as_they_are() {
        let mut waiting = Waiting::default();
        let alone = Bytes::from_static(b"alone");
        waiting.push(alone.clone());
        assert_eq!(waiting.pop().map(|piece| piece.as_ptr()), Some(alone.as_ptr()), "what goes at once is not copied");
        let large = Bytes::from(vec![b'x'; TOGETHER]);
        for piece in [b"a", b"b"] {
            waiting.push(Bytes::from_static(piece));
        }
        waiting.push(large.clone());
        waiting.push(Bytes::from_static(b"c"));
        assert_eq!(waiting.len(), 3 + TOGETHER);
        let pieces: Vec<Bytes> = std::iter::from_fn(|| waiting.pop()).collect();
        assert_eq!(pieces, [Bytes::from_static(b"ab"), large, Bytes::from_static(b"c")]);
        assert_eq!(waiting.len(), 0);
    }
}
