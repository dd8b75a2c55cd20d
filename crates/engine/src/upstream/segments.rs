//! A request body as the pieces it was put together from.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// A body of known length whose pieces are written one after the other, never joined.
///
/// A clone starts from the first piece again and shares the bytes.
#[derive(Debug)]
pub(crate) struct Segments {
    pieces: Arc<[Bytes]>,
    next: usize,
    left: u64,
}

impl Segments {
    pub(crate) fn new(pieces: Vec<Bytes>) -> Self {
        let pieces: Arc<[Bytes]> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        Self::from_start(pieces)
    }

    /// The bytes that are left.
    pub(crate) fn len(&self) -> u64 {
        self.left
    }

    fn from_start(pieces: Arc<[Bytes]>) -> Self {
        let left = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, next: 0, left }
    }
}

impl Clone for Segments {
    fn clone(&self) -> Self {
        Self::from_start(Arc::clone(&self.pieces))
    }
}

impl Body for Segments {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(piece) = self.pieces.get(self.next).cloned() else {
            return Poll::Ready(None);
        };
        self.next += 1;
        self.left -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.next == self.pieces.len()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
