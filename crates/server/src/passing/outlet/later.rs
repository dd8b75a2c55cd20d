//! What an answer took that was made after its request was answered: its provider tells it to whoever asks for the answer later.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use switchboard_engine::answer::{AnswerBody, Copied};
use switchboard_engine::wire::Dialect;
use switchboard_engine::wire::event::Event;
use switchboard_engine::wire::reply::Usage;

use crate::answered::Answered;
use crate::app::App;
use crate::authz::answer;
use crate::keep::hear;
use crate::money::reprice;

/// Longer answers are not read.
const LONGEST: usize = 16 << 20;

/// The answer that a request asks for again, and nothing beside it.
pub(super) fn asked(method: &Method, path: &str) -> Option<String> {
    let whole = path.rsplit('/').nth(1) == Some("responses");
    answer::alone(method, path).filter(|_| *method == Method::GET && whole)
}

/// The answer of that provider's on its way, which is read for what it took.
pub(super) fn watch(app: &Arc<App>, (provider, id): (&str, String), mut answered: Answered) -> Answered {
    let Some(store) = app.store.clone().filter(|_| answered.status() == StatusCode::OK) else { return answered };
    let (app, provider) = (app.clone(), provider.to_owned());
    let then = move |copy: Option<Vec<u8>>| {
        let Some((usage, service)) = copy.and_then(|copy| told(&copy.into())) else { return };
        store.thread().handle().spawn(async move {
            if let Err(error) = reprice::told_later(&app, (&provider, &id), (&usage, service.as_deref())).await {
                tracing::warn!(%error, answer = %id, "what an answer took could not be charged");
            }
        });
    };
    let body = std::mem::replace(answered.body_mut(), AnswerBody::Whole(None));
    *answered.body_mut() = Copied::of(body, LONGEST, Box::new(then));
    answered
}

/// What an answer says that it took, and under which terms; none while it is being made.
fn told(body: &Bytes) -> Option<(Usage, Option<String>)> {
    let outbound = Dialect::OpenAiResponses.outbound()?;
    let (mut used, mut tier) = (None, None);
    let mut see = |event: &Event| match event {
        Event::Usage(usage) => used = Some((**usage).clone()),
        Event::End { service_tier, .. } => tier.clone_from(service_tier),
        _ => {}
    };
    hear(outbound, !body.trim_ascii_start().starts_with(b"{"), body, &mut see);
    used.filter(|usage: &Usage| usage.input.is_some()).map(|usage| (usage, tier))
}
