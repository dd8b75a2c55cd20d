//! Comments in a stream that is silent, for clients behind something that closes silent connections.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep};

use crate::call::Call;
use crate::deployment::Spec;

/// What breaks the silence: a comment, as LiteLLM writes it.
const PING: &[u8] = b": ping\n\n";
/// No silence is broken sooner, and none later than this.
const BOUNDS: (f64, f64) = (1.0, 300.0);
/// Where a caller may say how long a silence may be, beside the body.
const HEADER: &str = "x-litellm-keepalive-seconds";

/// The silence of one stream.
pub(crate) struct KeptAlive {
    pause: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether what was passed last ends an event: nothing may stand within one.
    between: bool,
}

impl KeptAlive {
    /// For a call that this deployment answers, where its silence is to be broken.
    pub(crate) fn of(call: &Call, spec: &Spec) -> Option<Self> {
        let own = spec.keepalive;
        if own.is_none() && !spec.keepalive_override || call.door.array || own.is_some_and(|own| own <= 0.0) {
            return None;
        }
        let asked = if spec.keepalive_override { asked(call) } else { None };
        let seconds = asked.or(own).filter(|seconds| *seconds > 0.0)?;
        let pause = Duration::try_from_secs_f64(seconds.clamp(BOUNDS.0, BOUNDS.1)).ok()?;
        Some(Self { pause, timer: Box::pin(tokio::time::sleep(pause)), between: true })
    }

    /// Something was passed on.
    pub(crate) fn passed(&mut self, chunk: &[u8]) {
        self.between = chunk.ends_with(b"\n\n") || chunk.ends_with(b"\r\n\r\n");
        self.timer.as_mut().reset(Instant::now() + self.pause);
    }

    /// What the client is sent when it has been silent for too long.
    pub(crate) fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<Bytes> {
        while self.timer.as_mut().poll(ctx).is_ready() {
            self.timer.as_mut().reset(Instant::now() + self.pause);
            if self.between {
                return Poll::Ready(Bytes::from_static(PING));
            }
        }
        Poll::Pending
    }
}

/// What the caller says: a header, which comes first, or a field of the body.
fn asked(call: &Call) -> Option<f64> {
    use crate::call::Content;
    let header = call.headers.get(HEADER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let field = || match &call.content {
        Content::Json(outline) => outline.read::<f64>(&call.body, "keepalive_seconds").ok().flatten(),
        Content::Form(_) => None,
    };
    header.or_else(field).filter(|seconds: &f64| seconds.is_finite())
}
