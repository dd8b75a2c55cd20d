//! HTTP/2 frames that ask for nothing: pings, settings, priorities, resets, empty data.
//!
//! Each costs the client nine bytes and us some work, and none is bounded by the number of streams. The frames are counted as they
//! pass, without being understood: so many within one tick are borne, and more where we have sent much, since a client that reads
//! gives back windows. The library behind this bounds what it keeps of them; this bounds what they may cost.

/// Frames within one tick that are borne.
const BORNE: u64 = 2000;
/// For so many bytes that we sent another one is borne: each frame of an answer may give back two windows.
const BYTES_EACH: u64 = 64;
/// What a client says first.
const PREFACE: usize = 24;
/// The fixed part of a frame.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const GO_AWAY: u8 = 7;
const END_STREAM: u8 = 1;

/// Follows one connection's frames.
#[derive(Debug)]
pub(super) struct Noise {
    /// Bytes to come that are not looked at.
    skip: usize,
    head: [u8; HEAD],
    read: usize,
    tick: u32,
    frames: u64,
    sent: u64,
}

/// There is too much of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many frames that ask for nothing")]
pub(super) struct TooMuch;

impl Noise {
    pub(super) fn new() -> Self {
        Self { skip: PREFACE, head: [0; HEAD], read: 0, tick: 0, frames: 0, sent: 0 }
    }

    /// Bytes went out.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Bytes came in.
    pub(super) fn received(&mut self, mut bytes: &[u8], tick: u32) -> Result<(), TooMuch> {
        if self.tick != tick {
            (self.tick, self.frames, self.sent) = (tick, 0, 0);
        }
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEAD - self.read).min(bytes.len());
            self.head[self.read..self.read + taken].copy_from_slice(&bytes[..taken]);
            self.read += taken;
            bytes = &bytes[taken..];
            if self.read < HEAD {
                break;
            }
            self.read = 0;
            let [first, second, third, kind, flags, ..] = self.head;
            self.skip = u32::from_be_bytes([0, first, second, third]) as usize;
            let asks = match kind {
                DATA => self.skip > 0 || flags & END_STREAM != 0,
                HEADERS | PUSH_PROMISE | GO_AWAY => true,
                _ => false,
            };
            self.frames += u64::from(!asks);
        }
        if self.frames > BORNE + self.sent / BYTES_EACH { Err(TooMuch) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        [&[0, 0, length, kind, flags, 0, 0, 0, 1][..], &vec![0xff; usize::from(length)]].concat()
    }

    /// How many frames count, with the bytes cut into pieces of that size.
    fn count(frames: &[Vec<u8>], piece: usize) -> u64 {
        let mut noise = Noise::new();
        for bytes in [&[0; PREFACE][..], &frames.concat()].concat().chunks(piece) {
            noise.received(bytes, 0).expect("borne");
        }
        noise.frames
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        let frames = [
            frame(HEADERS, 4, 20),
            frame(DATA, 0, 200),
            frame(DATA, END_STREAM, 0),
            frame(DATA, 0, 0),
            frame(6, 0, 8),
            frame(4, 0, 0),
            frame(9, 0, 30),
            frame(3, 0, 4),
            frame(8, 0, 4),
            frame(0xbe, 0, 3),
            frame(GO_AWAY, 0, 8),
        ];
        for piece in 1..60 {
            assert_eq!(count(&frames, piece), 7, "{piece}");
        }
    }

    #[test]
    fn what_is_borne_grows_with_what_was_sent_and_comes_back() {
        let mut noise = Noise::new();
        noise.received(&[0; PREFACE], 0).expect("borne");
        let ping = frame(6, 0, 8);
        for _ in 0..BORNE {
            noise.received(&ping, 0).expect("borne");
        }
        noise.sent(640);
        for _ in 0..10 {
            noise.received(&ping, 0).expect("borne");
        }
        assert_eq!(noise.received(&ping, 0), Err(TooMuch));
        assert_eq!(noise.received(&ping, 1), Ok(()));
    }
}
