//! A stream of which a copy is kept, for those who want to read later what was answered.

use std::task::{Context, Poll};

use bytes::Bytes;

use super::{BrokenOff, StreamBody};

/// What is done with the copy: none where the answer was too long for one.
pub type Then = Box<dyn FnOnce(Option<Vec<u8>>) + Send>;

/// A stream under way, and a copy of what has passed. The copy is handed over when the stream is dropped, however it ended.
pub struct Copied {
    inner: Box<StreamBody>,
    copy: Option<Vec<u8>>,
    most: usize,
    then: Option<Then>,
}

impl Copied {
    /// Keeps a copy of up to `most` bytes.
    pub fn new(inner: Box<StreamBody>, most: usize, then: Then) -> Self {
        Self { inner, copy: Some(Vec::new()), most, then: Some(then) }
    }

    pub(super) fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let polled = self.inner.poll(ctx);
        if let (Poll::Ready(Some(Ok(chunk))), Some(copy)) = (&polled, &mut self.copy) {
            if copy.len() + chunk.len() > self.most {
                self.copy = None;
            } else {
                copy.extend_from_slice(chunk);
            }
        }
        polled
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if let Some(then) = self.then.take() {
            then(self.copy.take());
        }
    }
}

impl std::fmt::Debug for Copied {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Copied").field("inner", &self.inner).finish_non_exhaustive()
    }
}
