//! A body as the frames it arrived in.

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

/// A byte body kept as the pieces it arrived in, so that a large prompt is never joined or copied.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    parts: Vec<Bytes>,
    len: usize,
}

impl Frames {
    /// A body of no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a frame at the end.
    pub fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.len += part.len();
            self.parts.push(part);
        }
    }

    /// The number of bytes in all frames.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The frames, in order.
    pub fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// The frames, in order, given away.
    pub fn into_parts(self) -> Vec<Bytes> {
        self.parts
    }

    /// The whole body as one slice of memory; free where there is only one frame.
    pub fn join(&self) -> Bytes {
        match self.parts.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => {
                let mut joined = BytesMut::with_capacity(self.len);
                for part in many {
                    joined.extend_from_slice(part);
                }
                joined.freeze()
            }
        }
    }

    /// Whether those bytes stand somewhere in the body, across frames too.
    pub fn contains(&self, needle: &[u8]) -> bool {
        self.has(&Finder::new(needle))
    }

    /// The same, for what is searched for again and again.
    pub fn has(&self, needle: &Finder<'_>) -> bool {
        let keep = needle.needle().len().saturating_sub(1);
        let mut seam: Vec<u8> = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            if !seam.is_empty() {
                seam.extend_from_slice(&part[..part.len().min(keep)]);
            }
            if (!seam.is_empty() && needle.find(&seam).is_some()) || needle.find(part).is_some() {
                return true;
            }
            if at + 1 == self.parts.len() {
                break;
            }
            if part.len() >= keep {
                seam = part[part.len() - keep..].to_vec();
            } else if seam.is_empty() {
                seam.extend_from_slice(part);
            } else {
                seam.drain(..seam.len().saturating_sub(keep));
            }
        }
        false
    }

    /// Appends the bytes from `start` to `end` to `out`, without copying them.
    pub fn slice_into(&self, start: usize, end: usize, out: &mut Frames) {
        let mut offset = 0;
        for part in &self.parts {
            let from = start.max(offset);
            let to = end.min(offset + part.len());
            if from < to {
                out.push(part.slice(from - offset..to - offset));
            }
            offset += part.len();
            if offset >= end {
                break;
            }
        }
    }

    /// The bytes from `start` to `end` as one slice of memory.
    pub fn slice(&self, start: usize, end: usize) -> Bytes {
        let mut offset = 0;
        for part in &self.parts {
            if start >= offset && end <= offset + part.len() {
                return part.slice(start - offset..end - offset);
            }
            offset += part.len();
        }
        let mut out = Frames::new();
        self.slice_into(start, end, &mut out);
        out.join()
    }
}

impl From<Bytes> for Frames {
    fn from(part: Bytes) -> Self {
        let mut frames = Frames::new();
        frames.push(part);
        frames
    }
}

impl From<Vec<Bytes>> for Frames {
    fn from(mut parts: Vec<Bytes>) -> Self {
        parts.retain(|part| !part.is_empty());
        let len = parts.iter().map(Bytes::len).sum();
        Self { parts, len }
    }
}

impl From<Vec<u8>> for Frames {
    fn from(part: Vec<u8>) -> Self {
        Bytes::from(part).into()
    }
}

impl FromIterator<Bytes> for Frames {
    fn from_iter<I: IntoIterator<Item = Bytes>>(parts: I) -> Self {
        let mut frames = Frames::new();
        for part in parts {
            frames.push(part);
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_found_across_any_seam() {
        let text = b"aaswb1.zz";
        for width in 1..text.len() {
            let frames: Frames = text.chunks(width).map(Bytes::copy_from_slice).collect();
            assert!(frames.contains(b"swb1."), "{width}");
            assert!(!frames.contains(b"swb2."), "{width}");
        }
        assert!(!Frames::new().contains(b"swb1."));
        let split: Frames = ["sw", "x", "b1."].into_iter().map(Bytes::from).collect();
        assert!(!split.contains(b"swb1."));
    }
}
