//! A text that broke off goes on at another target: asked for the rest by what was said already.
//!
//! Where the format lets a model be given the beginning of its own answer, it is given that; elsewhere, or where the model refuses it,
//! it is asked in words. What of the answer repeats what was said is left out by [`switchboard_wire::resume`].

use switchboard_wire::Dialect;
use switchboard_wire::chat::{ChatRequest, Message, OutputFormat, Part, PartBody, Role};
use switchboard_wire::prepare::{self, Prepared, Source};
use switchboard_wire::stand_in;

use super::{Attempts, rest};
use crate::admit::Tab;
use crate::answer::StreamBody;
use crate::clock;
use crate::deployment::JSON;
use crate::dispatch::Dispatch;
use crate::error::Error;
use crate::exchange::framing_of;
use crate::health::Failure;
use crate::judge::fault;
use crate::route::{Plan, Target};

/// How many targets are asked for the rest of one text.
const TARGETS: usize = 2;
/// Asks for the rest in words.
const GO_ON: &str = "Your last message was cut off. Continue it exactly where it stops: do not repeat any of it, and write nothing else.";

/// How a model is told what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    /// As the beginning of the answer it is to give.
    Begun,
    /// As its last turn, and asked to go on.
    InWords,
}

/// Gives the stream another provider's rest, if one has it; else it is as it was, with what broke it.
pub(super) async fn go_on(attempts: &Attempts<'_>, plan: &Plan, stream: &mut StreamBody) {
    let Some(request) = request(attempts, stream) else { return };
    let Some((_, said)) = stream.loose_end() else { return };
    let said = said.to_owned();
    let broken_at = stream.meter().deployment().map(|deployment| deployment.spec.id.clone());
    stream.settle_broken();
    let is_other = |target: &&Target| Some(&target.deployment.spec.id) != broken_at.as_ref();
    let beyond = if plan.targets.iter().filter(is_other).count() < TARGETS { beyond(attempts, plan) } else { Vec::new() };
    for target in plan.targets.iter().chain(&beyond).filter(is_other).take(TARGETS) {
        let now = clock::now();
        let Ok(ticket) = target.deployment.health.begin(now) else { continue };
        let Some(retrying) = attempts.budget.take(attempts.in_flight) else { return };
        stream.meter().bring(target.own.as_deref().map(|_| attempts.call.principal.own_keys_count()));
        if stream.meter().enter(attempts.call, &target.deployment, ticket).await.is_err() {
            continue;
        }
        let mut ended = ask(attempts, target, &request, (&said, None), stream).await;
        if let Err((error, Telling::Begun)) = &ended
            && error.failure == Failure::Request
        {
            ended = ask(attempts, target, &request, (&said, Some(Telling::InWords)), stream).await;
        }
        drop(retrying);
        match ended {
            Ok(()) => {
                stream.goes_on(target);
                return;
            }
            Err((error, _)) => {
                stream.meter().end(&error);
                rest::after(&error, &target.deployment, attempts.settings, false, clock::now());
            }
        }
    }
}

/// The targets of the groups that may answer for this one.
fn beyond(attempts: &Attempts<'_>, plan: &Plan) -> Vec<Target> {
    if !plan.policy.allow_fallbacks {
        return Vec::new();
    }
    let groups = plan.fallbacks.general.iter().filter_map(|fallback| attempts.fleet.load().plan_fallback(attempts.call, fallback).ok());
    let targets = groups.flat_map(|mut group| {
        group.bring(attempts.call);
        group.targets
    });
    targets.take(TARGETS).collect()
}

/// What the client asked, read.
fn request(attempts: &Attempts<'_>, stream: &StreamBody) -> Option<ChatRequest> {
    stream.loose_end()?;
    let call = attempts.call;
    let request = prepare::read(call.door.dialect, &call.head(), &call.body).ok();
    // Whoever is asked for a form of its own begins it anew, and two beginnings are no such thing.
    request.filter(|request| matches!(request.output, OutputFormat::Text))
}

/// Asks one target for the rest, and joins its stream to what was said.
async fn ask(
    attempts: &Attempts<'_>,
    target: &Target,
    request: &ChatRequest,
    (said, telling): (&str, Option<Telling>),
    stream: &mut StreamBody,
) -> Result<(), (Error, Telling)> {
    let dispatch = Dispatch {
        call: attempts.call,
        worker: attempts.worker,
        asked: attempts.asked,
        settings: attempts.settings,
        overrides: target.overrides.as_deref(),
        own: target.own.as_deref(),
        other_model: false,
        estranged: true,
    };
    let target = &target.deployment;
    let (spoken, reach) = dispatch.choose(target).map_err(|error| (error, Telling::InWords))?;
    let begun = matches!(spoken, Dialect::Anthropic | Dialect::Bedrock) && request.reasoning.is_none();
    let telling = telling.unwrap_or(if begun { Telling::Begun } else { Telling::InWords });
    let request = told(request, said, telling);
    let failed = |error| (error, telling);
    let cap = stream.meter().tab().and_then(Tab::cap);
    let prepared = dispatch.prepare_from(target, (spoken, reach), cap, &Source::Rewritten(&request)).map_err(failed)?;
    let Prepared { body, headers, losses: _, memo } = prepared;
    let reply = dispatch.send(target, reach, (body, headers, JSON), Some(stream.meter())).await.map_err(failed)?;
    let Some(outbound) = spoken.outbound() else { return Err(failed(Error::internal("a dialect has no such half"))) };
    if !reply.status.is_success() {
        return Err(failed(fault(target, spoken, &attempts.call.door, reply).await));
    }
    let Some(framing) = framing_of(outbound, &reply.headers) else {
        return Err(failed(Error::empty()));
    };
    stream.resume(reply.body, framing, stand_in::event_reader(outbound, memo));
    Ok(())
}

/// The request for the rest.
fn told(request: &ChatRequest, said: &str, telling: Telling) -> ChatRequest {
    let mut request = request.clone();
    // No model takes a beginning that ends in a blank.
    let said = Part::text(said.trim_end());
    match request.messages.last_mut().filter(|last| last.role == Role::Assistant) {
        Some(last) => last.parts.push(said),
        None => request.messages.push(Message::new(Role::Assistant, vec![said])),
    }
    if telling == Telling::InWords {
        let words = PartBody::Text { text: GO_ON.to_owned(), citations: Vec::new() };
        request.messages.push(Message::new(Role::User, vec![Part::new(words)]));
    }
    request
}
