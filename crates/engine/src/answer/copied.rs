//! An answer of which a copy is kept, for those who want to read later what was answered.

use std::task::{Context, Poll};

use bytes::Bytes;

use super::{AnswerBody, BrokenOff, Source};

/// What is done with the copy: none where the answer was too long for one.
pub type Then = Box<dyn FnOnce(Option<Vec<u8>>) + Send>;

/// An answer under way, and a copy of what has passed. The copy is handed over when it is dropped, however it ended.
pub struct Copied {
    inner: AnswerBody,
    copy: Option<Vec<u8>>,
    most: usize,
    then: Option<Then>,
}

impl Copied {
    /// The answer, with a copy of up to `most` bytes kept.
    pub fn of(inner: AnswerBody, most: usize, then: Then) -> AnswerBody {
        AnswerBody::Made(Box::new(Self { inner, copy: Some(Vec::new()), most, then: Some(then) }))
    }
}

impl Source for Copied {
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let polled = self.inner.poll_next(ctx);
        if let (Poll::Ready(Some(Ok(chunk))), Some(copy)) = (&polled, &mut self.copy) {
            if copy.len() + chunk.len() > self.most {
                self.copy = None;
            } else {
                copy.extend_from_slice(chunk);
            }
        }
        polled
    }

    fn has_failed(&self) -> bool {
        self.inner.has_failed()
    }

    fn stop(&mut self) {
        self.inner.stop();
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if let Some(then) = self.then.take() {
            then(self.copy.take());
        }
    }
}
