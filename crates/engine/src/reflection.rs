//! Calls of the gateway's own: copies of a caller's call, and questions to models.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use switchboard_wire::dialect::Flavor;
use switchboard_wire::frames::Frames;
use switchboard_wire::outline::Outline;
use switchboard_wire::{Dialect, Operation};
use tokio::sync::oneshot;

use crate::answer::{Answer, AnswerBody};
use crate::call::{Call, Content, Door};
use crate::clock;
use crate::experiment::shadow::Tap;
use crate::experiment::{Job, Mirror, Trial};
use crate::hops;
use crate::principal::Principal;
use crate::route::Plan;

/// The longest answer to a question of our own.
const LONGEST: usize = 4 * 1024 * 1024;
/// What shadows of no experiment are counted under.
const SILENT: &str = "silent";

/// Hands copies of a call to the mirror; gives what must hear its answer, where one is to be compared.
pub(crate) fn copies(call: &Call, plan: &Plan, mirror: &dyn Mirror) -> Option<Box<Tap>> {
    let advised = plan.advice.as_ref().map_or(&[][..], |advice| &advice.shadows);
    let silent = plan.targets.first().map_or(&[][..], |target| &target.deployment.spec.shadows);
    if advised.is_empty() && silent.is_empty() || call.door.operation != Operation::Chat {
        return None;
    }
    let trial = plan.advice.as_ref().and_then(|advice| advice.trial.as_ref());
    let experiment = trial.map_or_else(|| Arc::from(SILENT), |trial| trial.experiment.clone());
    let live = trial.map_or_else(|| plan.group.clone(), |trial| trial.arm.clone());
    let mut tap = None;
    for shadow in advised.iter().chain(silent).filter(|shadow| shadow.takes(call)) {
        // One comparison for each answer: a second one would keep it twice.
        let answer = (shadow.judge.is_some() && tap.is_none()).then(|| {
            let (done, kept) = oneshot::channel();
            tap = Some(Box::new(Tap::new(call.door.dialect, call.stream, done)));
            kept
        });
        let trial = Trial::copy_of(call, &experiment, &shadow.model);
        let copy = copy(call, &shadow.model, shadow.charges_caller);
        mirror.reflect(Job { call: copy, shadow: shadow.clone(), trial, live: live.clone(), answer });
    }
    tap
}

/// The call again, to that model.
fn copy(call: &Call, model: &str, charges_caller: bool) -> Call {
    let principal = if charges_caller {
        let open = Principal { allowed: Vec::new(), aliases: Default::default(), ..(*call.principal).clone() };
        Arc::new(open)
    } else {
        ours("switchboard-shadow", call)
    };
    let headers = if charges_caller { call.headers.clone() } else { hops::carried(&call.headers) };
    Call { id: format!("{}-shadow", call.id), principal, model: model.to_owned(), model_in_path: true, headers, ..call.clone() }
}

/// Whoever stands for the gateway itself: nobody's budgets, but where data may go stays as it is.
fn ours(name: &str, call: &Call) -> Arc<Principal> {
    Arc::new(Principal { guidance: call.principal.guidance.clone(), ..Principal::named(name) })
}

/// A question to a model on behalf of a call.
pub fn question(call: &Call, operation: Operation, (model, name): (&str, &str), body: &serde_json::Value) -> Option<Call> {
    let body = Frames::from(Bytes::from(body.to_string()));
    let content = Content::Json(Outline::scan(&body).ok()?);
    let door = Door { operation, dialect: Dialect::OpenAiChat, flavor: Flavor::OpenAi, shape: "openai", array: false };
    Some(Call {
        id: format!("{}-{name}", call.id),
        door,
        principal: ours(name, call),
        model: model.to_owned(),
        model_in_path: false,
        stream: false,
        headers: hops::carried(&call.headers),
        body,
        content,
        strict: false,
        lenient: false,
        received: clock::now(),
        created: call.created,
        mentioned: Default::default(),
        laid: Default::default(),
    })
}

/// The body of an answer, all of it.
pub async fn whole(answer: Answer) -> Option<Bytes> {
    match answer.body {
        AnswerBody::Whole(body) => body,
        AnswerBody::Stream(_) | AnswerBody::Made(_) => {
            Limited::new(answer.body, LONGEST).collect().await.ok().map(http_body_util::Collected::to_bytes)
        }
    }
}
