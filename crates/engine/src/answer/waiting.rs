//! What of a stream waits for its client.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces up to this size together are written together.
const TOGETHER: usize = 8 * 1024;

/// A piece up to this size is copied where it has to wait.
const SMALL: usize = 2 * 1024;

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

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Alone(piece) => piece.len(),
            Self::Together(pieces) => pieces.len(),
        }
    }
}

impl Waiting {
    /// Bytes altogether.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        let next = match self.pieces.pop_back_if(|last| last.len() + piece.len() <= TOGETHER) {
            None if self.pieces.is_empty() || piece.len() > SMALL => Piece::Alone(piece),
            None => Piece::Together(BytesMut::from(&*piece)),
            Some(Piece::Together(mut together)) => {
                together.extend_from_slice(&piece);
                Piece::Together(together)
            }
            Some(Piece::Alone(alone)) => {
                let mut together = BytesMut::with_capacity((alone.len() + piece.len()).next_power_of_two());
                together.extend_from_slice(&alone);
                together.extend_from_slice(&piece);
                Piece::Together(together)
            }
        };
        self.pieces.push_back(next);
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
        let (small, held) = (Bytes::from_static(b"c"), large.as_ptr());
        for piece in [b"a", b"b"] {
            waiting.push(Bytes::from_static(piece));
        }
        waiting.push(large.clone());
        waiting.push(small.clone());
        assert_eq!(waiting.len(), 3 + TOGETHER);
        let pieces: Vec<Bytes> = std::iter::from_fn(|| waiting.pop()).collect();
        assert_eq!(pieces, [Bytes::from_static(b"ab"), large, Bytes::from_static(b"c")]);
        assert_eq!(pieces[1].as_ptr(), held, "what is large is not copied");
        assert_ne!(pieces[2].as_ptr(), small.as_ptr(), "what waits behind another keeps alive nothing but itself");
        assert_eq!(waiting.len(), 0);
    }
}
