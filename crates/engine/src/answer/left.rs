//! What becomes of a stream whose client has left.
//!
//! The provider is stopped, but not at once where it is about to say what the answer took: after the end of the text nothing more is
//! made, and a model that thinks unseen has used what only it can tell. What is not heard in time is guessed.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::StreamBody;
use super::waiting::Waiting;
use crate::upstream::Late;

/// After its end an answer lacks nothing but its usage: nothing is made meanwhile.
const FINISHED: Duration = Duration::from_secs(5);
/// Before its end the provider is to stop, and what it makes until then is paid.
const THINKING: Duration = Duration::from_millis(200);

impl StreamBody {
    /// The same, read on by those where its client leaves before it is known what it took.
    #[must_use]
    pub(crate) fn read_on_by(self: Box<Self>, late: &Late) -> Box<Self> {
        let mut stream = self;
        stream.late = Some(late.clone());
        stream
    }

    /// How long what it took is worth waiting for, since its client left; `None`: not at all.
    fn patience(&self) -> Option<Duration> {
        let relay = self.relay.as_ref().filter(|relay| !self.ended && relay.has_content() && self.meter.is_watching())?;
        let is_told = || relay.has_ended() && self.meter.finish().1.is_some_and(|usage| usage.output.is_some());
        match relay.has_finished() {
            true => (!is_told()).then_some(FINISHED),
            false => self.meter.may_think().then_some(THINKING),
        }
    }

    /// Reads on, with nobody to read it to.
    async fn read_on(mut self) {
        let left = Instant::now();
        while let Some(patience) = self.patience().filter(|patience| left.elapsed() < *patience) {
            let more = std::future::poll_fn(|ctx| self.poll_upstream(ctx));
            if timeout_at(left + patience, more).await.is_err() {
                return;
            }
            self.waiting = Waiting::default();
        }
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        let Some(late) = self.late.take().filter(|_| self.patience().is_some()).filter(Late::has_room) else { return };
        let Some(upstream) = self.upstream.take() else { return };
        let rest = StreamBody::new(upstream, self.relay.take(), self.meter.hand_over(), self.door);
        late.add(rest.read_on());
    }
}
