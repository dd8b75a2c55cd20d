//! The tasks of one worker.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::task::JoinSet;

use super::pulse::{Clock, Limits, Stream};

/// The worker's tasks, all of them owned here and awaited at shutdown.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    set: RefCell<JoinSet<()>>,
    pub(super) clock: Rc<Clock>,
    streams: RefCell<Vec<Rc<Stream>>>,
    /// The stream whose task is being polled.
    current: RefCell<Option<Rc<Stream>>>,
}

impl Tasks {
    pub(super) fn spawn<F: Future<Output = ()> + 'static>(&self, task: F) {
        self.set.borrow_mut().spawn_local(task);
    }

    /// Runs one HTTP/2 stream, which the sweep may cut.
    pub(super) fn spawn_stream<F: Future<Output = ()> + 'static>(self: &Rc<Self>, task: F) {
        let stream = Stream::new(Rc::clone(&self.clock));
        self.streams.borrow_mut().push(Rc::clone(&stream));
        let tasks = Rc::clone(self);
        let ended = EndsStream(Rc::clone(&stream));
        self.spawn(async move {
            let _ended = ended;
            let mut task = pin!(task);
            poll_fn(|cx| {
                if stream.is_cut(cx.waker()) {
                    return Poll::Ready(());
                }
                tasks.current.replace(Some(Rc::clone(&stream)));
                task.as_mut().poll(cx)
            })
            .await;
        });
    }

    /// The stream whose task is being polled, once: its own first poll asks for it.
    pub(super) fn take_current(&self) -> Option<Rc<Stream>> {
        self.current.borrow_mut().take()
    }

    pub(super) fn sweep(&self, limits: &Limits) {
        self.streams.borrow_mut().retain(|stream| {
            stream.sweep(limits);
            !stream.is_ended()
        });
    }

    /// Takes note of ended tasks; ready when none is left.
    pub(super) fn poll_reap(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut tasks = self.set.borrow_mut();
        loop {
            match tasks.poll_join_next(cx) {
                Poll::Ready(Some(Err(error))) if error.is_panic() => {
                    tracing::error!("a handler panicked; its connection or stream was ended");
                }
                Poll::Ready(Some(_)) => {}
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Has every stream look at its connection's order.
    pub(super) fn wake_streams(&self) {
        self.streams.borrow().iter().for_each(|stream| stream.wake());
    }

    pub(super) fn abort_all(&self) {
        self.set.borrow_mut().abort_all();
    }
}

/// Tells the sweep that the stream is gone, however its task ended.
struct EndsStream(Rc<Stream>);

impl Drop for EndsStream {
    fn drop(&mut self) {
        self.0.end();
    }
}
