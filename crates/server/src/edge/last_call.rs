//! The end of a drain: what still runs has a last word.

use std::{future::poll_fn, pin::Pin, rc::Rc, task::Poll};

use switchboard_engine::answer::AnswerBody;

use super::pulse::{Order, Pulse};

/// The moment at which the time of what still runs is up, as one connection hears of it.
#[derive(Clone, Debug)]
pub struct LastCall(Rc<Pulse>);

/// The body of an answer that may still run at that moment.
pub trait LastWords {
    /// The edge ends in a moment: the next frame is the last. May be said again.
    fn stop(self: Pin<&mut Self>);
}

impl LastCall {
    pub(super) fn of(pulse: &Rc<Pulse>) -> Self {
        Self(Rc::clone(pulse))
    }

    /// Whether it has come.
    pub(super) fn has_come(&self) -> bool {
        self.0.order() == Order::LastCall
    }

    /// What comes of the work; `None`: the time is up before it is done. Whoever gives the order wakes the task. The work stays with
    /// the caller: handed over it would be copied, and there would be room for it twice.
    pub async fn before<F: Future>(&self, mut work: Pin<&mut F>) -> Option<F::Output> {
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Pending if self.has_come() => Poll::Ready(None),
            polled => polled.map(Some),
        })
        .await
    }
}

impl LastWords for AnswerBody {
    fn stop(self: Pin<&mut Self>) {
        AnswerBody::stop(self.get_mut());
    }
}
