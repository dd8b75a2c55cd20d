//! A text that breaks off goes on at another provider.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::Ground;
use crate::answer::{BrokenOff, Part, Source, StreamBody};

/// How often one text is continued.
const MOST: u32 = 3;

/// A stream that is continued where it breaks off.
pub(super) struct GoingOn {
    ground: Arc<dyn Ground>,
    state: State,
    continued: u32,
}

enum State {
    Saying(Box<StreamBody>),
    /// Another provider is being asked for the rest.
    Asking(Pin<Box<dyn Future<Output = Box<StreamBody>> + Send>>),
    Over {
        failed: bool,
    },
}

impl GoingOn {
    pub(super) fn new(ground: Arc<dyn Ground>, stream: Box<StreamBody>) -> Self {
        Self { ground, state: State::Saying(stream), continued: 0 }
    }

    /// Whether another provider may go on with what that one said.
    fn may_go_on(&self, stream: &StreamBody) -> bool {
        self.continued < MOST && stream.loose_end().is_some_and(|(error, _)| error.failure.counts())
    }
}

impl Source for GoingOn {
    fn poll_next(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            let state = std::mem::replace(&mut self.state, State::Over { failed: false });
            match state {
                State::Saying(mut stream) => match stream.poll_part(ctx) {
                    Poll::Pending => {
                        self.state = State::Saying(stream);
                        return Poll::Pending;
                    }
                    Poll::Ready(Part::Bytes(bytes)) => {
                        self.state = State::Saying(stream);
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    Poll::Ready(Part::End) => return Poll::Ready(None),
                    Poll::Ready(Part::Broken) if self.may_go_on(&stream) => {
                        self.continued += 1;
                        let ground = self.ground.clone();
                        self.state = State::Asking(Box::pin(async move {
                            ground.gateway().go_on(ground.call(), ground.worker(), &mut stream).await;
                            stream
                        }));
                    }
                    Poll::Ready(Part::Broken) => {
                        self.state = State::Over { failed: true };
                        return Poll::Ready(stream.last_words());
                    }
                },
                State::Asking(mut asking) => match asking.as_mut().poll(ctx) {
                    Poll::Pending => {
                        self.state = State::Asking(asking);
                        return Poll::Pending;
                    }
                    Poll::Ready(mut stream) if stream.loose_end().is_some() => {
                        self.state = State::Over { failed: true };
                        return Poll::Ready(stream.last_words());
                    }
                    Poll::Ready(stream) => self.state = State::Saying(stream),
                },
                over @ State::Over { .. } => {
                    self.state = over;
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn has_failed(&self) -> bool {
        match &self.state {
            State::Saying(stream) => stream.has_failed(),
            State::Asking(_) => false,
            State::Over { failed } => *failed,
        }
    }

    /// While another provider is being asked, nobody has a word for the client: its connection ends.
    fn stop(&mut self) {
        if let State::Saying(stream) = &mut self.state {
            stream.stop();
        }
    }
}
