//! One chat request to several models, as LiteLLM's clients write it: their names with commas between. The answers are a list, in
//! the order of the names, or with `fastest_response` the first that is no failure.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::BodyExt;
use serde_json::value::RawValue;
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::call::{Call, Content};
use switchboard_engine::wire::dialect::Flavor;
use switchboard_engine::wire::problem::{Kind, Problem};
use switchboard_engine::wire::{Dialect, Operation};

use crate::answered::Answered;
use crate::app::{Acceptor, App};
use crate::ask::one;
use crate::auth::Caller;
use crate::refusal::{Refusal, refuse};
use crate::together;

/// A client asks for an answer once; of several each is another one.
const IDEMPOTENCY: HeaderName = HeaderName::from_static("idempotency-key");
/// No request asks for more.
const MOST: usize = 20;

/// The models of a request for several; none where it is for one, whose name may have a comma.
pub(crate) fn named(call: &Call, app: &App) -> Option<Vec<String>> {
    let of_litellm = call.door.operation == Operation::Chat
        && call.door.dialect == Dialect::OpenAiChat
        && call.door.flavor == Flavor::OpenAi
        && !call.model_in_path;
    if !of_litellm || !call.model.contains(',') || app.gateway.fleet().names().iter().any(|(name, _)| **name == *call.model) {
        return None;
    }
    Some(call.model.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Asks all of them.
pub(crate) async fn ask(acceptor: &Arc<Acceptor>, caller: &Arc<Caller>, call: Call, models: Vec<String>) -> Result<Answered, Refusal> {
    let told = |problem: Problem| Refusal { error: problem.into(), dialect: call.door.dialect, flavor: call.door.flavor };
    let bad = |message: &str| Err(told(Problem::new(Kind::BadRequest, message).with_param("model")));
    if call.stream {
        return bad("the answers of several models are no stream");
    }
    if models.is_empty() || models.len() > MOST {
        return bad("so many models are not asked at once");
    }
    let fastest = match &call.content {
        Content::Json(outline) => outline.read::<bool>(&call.body, "fastest_response").ok().flatten().unwrap_or(false),
        Content::Form(_) => false,
    };
    let calls = models.into_iter().map(|model| {
        let mut call = Call { id: crate::id::of_call(), model, model_in_path: true, ..call.clone() };
        call.headers.remove(IDEMPOTENCY);
        async { one(acceptor, caller, call).await.unwrap_or_else(|refusal| refuse(&refusal)) }
    });
    if fastest {
        let good = calls.map(|call| async { Some(call.await).filter(|answered| answered.status().is_success()) });
        let none = || told(Problem::new(Kind::Overloaded, "none of the models has answered"));
        return together::first(good).await.ok_or_else(none);
    }
    let mut bodies: Vec<Box<RawValue>> = Vec::new();
    for answered in together::all(calls, MOST).await {
        let whole = answered.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let json = serde_json::from_slice(&whole).map_err(|_| told(Problem::new(Kind::Internal, "an answer is no JSON")))?;
        bodies.push(json);
    }
    let list = serde_json::to_vec(&bodies).map_err(|_| told(Problem::new(Kind::Internal, "the answers are no list")))?;
    let mut response = Response::new(AnswerBody::Whole(Some(list.into())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
