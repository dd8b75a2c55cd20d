//! Operations that are no chat: embeddings, reranking, images, audio, moderations, token counts.
//!
//! Where client and provider write them alike, the bytes pass with the model's name replaced. Where they do not, the small
//! translations of `wire` are used.

use std::sync::Arc;

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use switchboard_wire::frames::Frames;
use switchboard_wire::multipart;

use crate::answer::{Answer, AnswerBody, StreamBody};
use crate::attempt::{Attempts, cost_header, fault};
use crate::call::{Call, Content};
use crate::control;
use crate::deployment::{Deployment, Reach};
use crate::error::{Error, Retry};
use crate::meter::{Meter, Outcome};
use crate::upstream::UpstreamReply;

/// One request to one target.
pub(crate) async fn run(attempts: &Attempts<'_>, target: &Arc<Deployment>, mut meter: Meter) -> Result<Answer, (Error, Meter)> {
    let call = attempts.call;
    let Some(reach) = target.reach(call.door.operation, None, false) else {
        let error = Error { retry: Retry::Next, ..Error::not_served(&call.model, call.door.operation.as_str()) };
        return Err((error, meter));
    };
    let prepared = match prepare(call, reach) {
        Ok(prepared) => prepared,
        Err(error) => return Err((error, meter)),
    };
    let reply = match attempts.send(target, reach, (prepared.0, Vec::new(), &prepared.1), &mut meter).await {
        Ok(reply) => reply,
        Err(error) => return Err((error, meter)),
    };
    if !reply.status.is_success() {
        let spoken = target.dialect_for(call.door.dialect).unwrap_or(call.door.dialect);
        return Err((fault(target, spoken, call.door.dialect, reply).await, meter));
    }
    meter.note(|record| record.status = 200);
    answer(call, reply, meter).await
}

/// The body for the target and its content type.
fn prepare(call: &Call, reach: &Reach) -> Result<(Frames, String), Error> {
    match &call.content {
        Content::Form(kind) => Ok((
            multipart::replace(&call.body, kind, "model", &reach.model).map_err(switchboard_wire::problem::Problem::from)?,
            kind.clone(),
        )),
        Content::Json(outline) => {
            let mut edits = reach.edits.clone();
            if outline.get("model").is_some() && call.model != reach.model {
                edits.set.push(("model".to_owned(), serde_json::Value::from(reach.model.as_str()).to_string()));
            }
            Ok((outline.apply(&call.body, &edits), "application/json".to_owned()))
        }
    }
}

async fn answer(call: &Call, reply: UpstreamReply, mut meter: Meter) -> Result<Answer, (Error, Meter)> {
    let mut headers = control::backward(&reply.headers);
    let kind = reply.headers.get(CONTENT_TYPE).cloned().unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"));
    let json = kind.to_str().is_ok_and(|kind| kind.starts_with("application/json"));
    headers.insert(CONTENT_TYPE, kind);
    if !json {
        // Sound, or a stream of it: it passes as it comes.
        meter.note(|record| record.outcome = Outcome::Cancelled);
        let stream = StreamBody::new(reply.body, None, meter, call.door);
        return Ok(Answer { status: StatusCode::OK, headers, body: AnswerBody::Stream(Box::new(stream)) });
    }
    let body = match reply.body.collect().await {
        Ok(body) => body,
        Err(error) => return Err((Error::dial(error), meter)),
    };
    meter.complete(None, None);
    cost_header(&mut headers, &meter);
    Ok(Answer { status: StatusCode::OK, headers, body: AnswerBody::Whole(Some(body)) })
}
