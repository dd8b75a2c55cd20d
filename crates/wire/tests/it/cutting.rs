//! Cutting bytes at random, the same way every time.

use bytes::Bytes;
use switchboard_wire::framing::{Framer, Framing};

/// A small generator of numbers: the same seed, the same numbers.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The same for the same name.
    pub(crate) fn named(name: &str) -> Self {
        Self::new(name.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte))))
    }

    /// A number below `limit`; 0 where that is 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let number = usize::try_from(self.0 >> 16).unwrap_or_default();
        number.checked_rem(limit).unwrap_or_default()
    }
}

/// How a stream arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// At once.
    Whole,
    /// Byte by byte.
    Bytes,
    /// Frame by frame.
    Frames,
    /// In pieces of any size up to that.
    Random(usize),
}

impl Cut {
    pub(crate) const ALL: [Cut; 5] = [Cut::Whole, Cut::Bytes, Cut::Frames, Cut::Random(9), Cut::Random(700)];
}

/// The pieces in which those bytes arrive.
pub(crate) fn pieces(body: &Bytes, cut: Cut, framing: Framing, dice: &mut Dice) -> Vec<Bytes> {
    let mut rest = body.clone();
    let mut out = Vec::new();
    match cut {
        Cut::Whole => out.push(rest),
        Cut::Bytes => out.extend((0..body.len()).map(|at| body.slice(at..=at))),
        Cut::Frames => {
            let mut framer = Framer::new(framing);
            framer.push(rest);
            framer.end();
            while let Some(Ok(piece)) = framer.next_piece() {
                out.push(piece.raw);
            }
            let cut: usize = out.iter().map(Bytes::len).sum();
            out.push(body.slice(cut..));
        }
        Cut::Random(largest) => {
            while !rest.is_empty() {
                let size = (1 + dice.below(largest)).min(rest.len());
                out.push(rest.split_to(size));
            }
        }
    }
    out.retain(|piece| !piece.is_empty());
    out
}
