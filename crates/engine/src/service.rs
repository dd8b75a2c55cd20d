//! One call, served: what may happen to it before it is taken to a provider, and to its answer after that has begun.
//!
//! | file | what |
//! |---|---|
//! | [`early`] | the headers of a stream go out although there is no content yet |
//! | [`going_on`] | a text that breaks off goes on at another provider |
//! | [`shared`] | identical calls that are under way at once are one call to a provider |
//! | [`repeated`] | a call that was answered before gets that answer again |
//!
//! None of this is for every call. One that asks for none of it goes straight to [`Gateway::call`]; for the others the call and what it
//! needs are owned together ([`Ground`]), since the answer outlives the function that began it.

mod early;
mod going_on;
pub mod repeated;
pub(crate) mod shared;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::header::{HeaderMap, HeaderName};

use crate::answer::{Answer, AnswerBody};
use crate::asked;
use crate::board::Pending;
use crate::call::Call;
use crate::error::Error;
use crate::gateway::{Gateway, Worker};
use crate::hops;
use crate::purity;

/// What a call stands on for as long as its answer is under way.
pub trait Ground: Send + Sync {
    /// The gateway.
    fn gateway(&self) -> &Gateway;
    /// The worker it runs on.
    fn worker(&self) -> &Worker;
    /// The call.
    fn call(&self) -> &Call;
}

/// Whether that call needs more than [`Gateway::call`] does.
pub fn is_wanted(gateway: &Gateway, call: &Call) -> bool {
    Wanted::of(gateway, call).any()
}

const CONTINUE: HeaderName = HeaderName::from_static("x-switchboard-continue");
const COALESCE: HeaderName = HeaderName::from_static("x-switchboard-coalesce");

/// What is wanted of a call beside its answer.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    early: bool,
    going_on: bool,
    shared: bool,
    repeated: bool,
}

impl Wanted {
    fn of(gateway: &Gateway, call: &Call) -> Self {
        let settings = gateway.settings();
        let said = |name: HeaderName| call.headers.get(name).and_then(|value| value.to_str().ok()).and_then(asked::switch);
        Self {
            early: call.stream && settings.early_headers_after.is_some(),
            going_on: call.stream && said(CONTINUE).unwrap_or(settings.continue_streams),
            shared: said(COALESCE).unwrap_or(settings.service.coalesce)
                && purity::is_mere_inference(call)
                // It would wait for itself.
                && !hops::was_here(&call.headers),
            repeated: !settings.service.idempotency_ttl.is_zero() && call.headers.contains_key(&repeated::KEY),
        }
    }

    fn any(self) -> bool {
        self.early || self.going_on || self.shared || self.repeated
    }
}

/// Takes one call from its plan to its answer, with all that is wanted of it.
pub async fn serve(ground: Arc<dyn Ground>) -> Result<Answer, Error> {
    let wanted = Wanted::of(ground.gateway(), ground.call());
    let shown: Arc<AtomicBool> = Arc::default();
    let after = ground.gateway().settings().early_headers_after.filter(|_| wanted.early);
    let asked = early::Asked::of(ground.call());
    let (own, showing) = (ground.clone(), shown.clone());
    let begin = move || -> Pending { Box::pin(call(own, showing, wanted)) };
    let own = ground.clone();
    let shared = move || -> Pending { if wanted.shared { Box::pin(shared::serve(own, begin)) } else { begin() } };
    let pending: Pending = if wanted.repeated { Box::pin(repeated::serve(ground, shared)) } else { shared() };
    match after {
        Some(after) => early::serve(pending, asked, after, shown).await,
        None => pending.await,
    }
}

/// The call itself.
async fn call(ground: Arc<dyn Ground>, shown: Arc<AtomicBool>, wanted: Wanted) -> Result<Answer, Error> {
    let mut answer = ground.gateway().call_shown(ground.call(), ground.worker(), shown).await?;
    answer.body = match answer.body {
        AnswerBody::Stream(stream) if wanted.going_on && stream.is_resumable() => {
            AnswerBody::Made(Box::new(going_on::GoingOn::new(ground, stream)))
        }
        body => body,
    };
    Ok(answer)
}

/// Takes away what an answer's headers say of the one call it was made for.
fn strip(headers: &mut HeaderMap) {
    let own =
        |name: &str| name.starts_with("x-ratelimit-") || name.starts_with("x-litellm-key-") || name.starts_with("x-litellm-response-cost");
    let names: Vec<_> = headers.keys().filter(|name| own(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}
