//! Operations that are no chat: embeddings, reranking, images, audio, moderations, token counts.
//!
//! Where client and provider write them alike, the bytes pass with the model's name replaced ([`passed`]). Where they do not, the
//! small translations of [`wire::embed`](switchboard_wire::embed), [`wire::rerank`](switchboard_wire::rerank) and
//! [`wire::count`](switchboard_wire::count) are used. An operation that is written differently and has no translation is not
//! served, and the caller is told which and where.

mod count;
mod embed;
mod made;
mod passed;

mod rerank;
mod sound;

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use switchboard_wire::embed::Target;
use switchboard_wire::frames::Frames;
use switchboard_wire::half::Head;
use switchboard_wire::loss::Losses;
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::prepare;
use switchboard_wire::problem::{Fault, Kind, Problem, Unsupported};
use switchboard_wire::relay::Relay;
use switchboard_wire::usage::Spent;
use switchboard_wire::{Dialect, Operation};

use crate::answer::{Answer, AnswerBody, StreamBody};
use crate::answer_id;
use crate::call::{Call, Content};
use crate::catalog::Component;
use crate::deployment::{Deployment, Reach};
use crate::dispatch::Dispatch;
use crate::error::{Error, Retry};
use crate::estimate;
use crate::exchange::Made;
use crate::figures;
use crate::health::Failure;
use crate::judge::fault;
use crate::media::Room;
use crate::meter::{Meter, Outcome};
use crate::scrub;
use crate::strict;
use crate::upstream::{UpstreamBody, UpstreamReply};

/// The tokens of a chat, by estimate; `None` where it is no chat or cannot be read. Long texts take long, and the tokenizer is made
/// at its first use: neither holds up a worker.
pub(crate) async fn tokens(call: &Call) -> Option<u64> {
    let inbound = call.door.dialect.inbound().filter(|_| call.door.operation == Operation::Chat)?;
    let request = inbound.read_request(&call.head(), &call.body.join()).ok()?;
    tokio::task::spawn_blocking(move || estimate::tokens(&request)).await.ok().flatten()
}

/// Makes what tokens are counted with, so that the first call that is counted does not wait for it. Takes about half a second.
pub fn prepare_to_count() {
    estimate::make_ready();
}

/// The tokens of a chat in OpenAI's form, by estimate; `None` where it cannot be read.
pub async fn chat_tokens(body: Vec<u8>) -> Option<u64> {
    let request = Dialect::OpenAiChat.inbound()?.read_request(&Head::default(), &body).ok()?;
    tokio::task::spawn_blocking(move || estimate::tokens(&request)).await.ok().flatten()
}

/// Says of an answer that its counts are the gateway's and not the provider's.
const ESTIMATED: HeaderName = HeaderName::from_static("x-switchboard-estimated");

/// What a call ends in.
enum Product {
    /// A whole answer, as JSON unless its headers say otherwise.
    Whole(HeaderMap, Bytes),
    /// An answer under way, read for its usage where a relay can.
    Passing(HeaderMap, Box<(UpstreamBody, Option<Relay>)>),
}

/// One request to one target.
pub(crate) async fn run(
    dispatch: Dispatch<'_>,
    target: &Arc<Deployment>,
    room: Room<'_>,
    mut meter: Meter,
) -> Result<Made, (Error, Meter)> {
    let step = Step { dispatch, call: dispatch.call, target, room };
    let made = match step.call.door.operation {
        Operation::Embeddings => embed::run(&step, &mut meter).await,
        Operation::Rerank => rerank::run(&step, &mut meter).await,
        Operation::CountTokens => count::run(&step, &mut meter).await,
        _ => passed::run(&step, &mut meter).await,
    };
    let product = match made {
        Ok(product) => product,
        Err(error) => return Err((error, meter)),
    };
    meter.note(|record| record.status = 200);
    let (headers, body, meter) = match product {
        Product::Whole(mut headers, body) => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            meter.complete(None, None);
            if let Some(id) = answer_id::of(&body) {
                meter.answered(id);
            }
            figures::whole(&mut headers, &mut meter);
            (headers, AnswerBody::Whole(Some(body)), Some(meter))
        }
        Product::Passing(headers, passing) => {
            let (body, relay) = *passing;
            meter.note(|record| record.outcome = Outcome::Cancelled);
            (headers, AnswerBody::Stream(step.passing(body, relay, meter)), None)
        }
    };
    Ok((Answer { status: StatusCode::OK, headers, body }, meter))
}

/// One call at one target.
struct Step<'a> {
    dispatch: Dispatch<'a>,
    call: &'a Call,
    target: &'a Arc<Deployment>,
    /// For media that have to be brought.
    room: Room<'a>,
}

impl<'a> Step<'a> {
    /// How the target is reached, and the name of the shape it wants.
    fn reach(&self) -> Result<(&'a Reach, &'a str), Error> {
        let reach = self.target.reach(self.call.door.operation, None, false);
        reach.and_then(|reach| Some((reach, reach.shape.as_deref()?))).ok_or_else(|| self.not_served())
    }

    fn not_served(&self) -> Error {
        let operation = self.call.door.operation;
        let message = format!("{} at {} does not serve `{operation}`", self.target.spec.model, self.target.provider_name);
        let problem = Problem::new(Kind::BadRequest, message).with_param("model").with_code("operation_not_supported");
        Error { retry: Retry::Next, ..problem.into() }.of(Failure::Unsupported)
    }

    /// The provider serves the operation, but in a form this door cannot be translated to.
    fn no_translation(&self, shape: &str) -> Error {
        let operation = self.call.door.operation;
        let message = format!(
            "`{operation}` at {} is written in a form (`{shape}`) that this gateway does not translate to",
            self.target.provider_name
        );
        let problem = Problem::new(Kind::Unsupported, message).with_param("model").with_code("operation_not_supported");
        Error { retry: Retry::Next, ..problem.into() }.of(Failure::Unsupported)
    }

    fn passing(&self, body: UpstreamBody, relay: Option<Relay>, meter: Meter) -> Box<StreamBody> {
        Box::new(StreamBody::new(body, relay, meter, self.call.door)).read_on_by(self.dispatch.worker.upstream.late())
    }

    fn outline(&self) -> Result<&'a Outline, Error> {
        match &self.call.content {
            Content::Json(outline) => Ok(outline),
            Content::Form(_) => Err(Problem::new(Kind::BadRequest, "the request's body must be JSON").into()),
        }
    }

    /// What a request is written for.
    fn written_for(&self, reach: &'a Reach) -> Target<'a> {
        Target { model: &reach.model, project: self.target.spec.values.get("project_id").map(String::as_str) }
    }

    /// The client's own JSON with the model's name replaced and without what is meant for the gateway alone.
    fn spliced(&self, outline: &Outline, reach: &Reach) -> Frames {
        let mut edits: Edits = reach.edits.clone();
        let named = outline.get("model").is_some();
        if self.call.model_in_path || named && self.call.model != reach.model {
            edits.set.push(("model".to_owned(), serde_json::Value::from(reach.model.as_str()).to_string()));
        }
        let control = outline.entries().iter().filter(|entry| self.target.is_kept_from(self.call.door.dialect, &entry.key));
        edits.remove.extend(control.map(|entry| entry.key.clone().into_owned()));
        outline.apply(&self.call.body, &edits)
    }

    /// The body with what the deployment says where the caller does not, to be translated like the rest of it.
    fn worded(&self, reach: &Reach) -> Bytes {
        match &self.call.content {
            Content::Json(outline) if !reach.edits.default.is_empty() => {
                outline.apply(&self.call.body, &Edits { default: reach.edits.default.clone(), ..Edits::default() }).join()
            }
            Content::Json(_) | Content::Form(_) => self.call.body.join(),
        }
    }

    /// What caller and deployment want in the provider's own body and is in none that was written here: it is not lost.
    fn laid(&self, reach: &Reach, losses: &mut Losses) -> Edits {
        let mut fields = self.dispatch.laid(self.target);
        let is_said = |key: &str| matches!(&self.call.content, Content::Json(outline) if outline.get(key).is_some());
        fields.extend(reach.edits.default.iter().filter(|(key, _)| !is_said(key)).cloned());
        prepare::laid(&fields, losses)
    }

    /// Applies what caller and configuration change in every body to one that was written here.
    fn edited(&self, body: Bytes, reach: &Reach, laid: &Edits) -> Result<Frames, Error> {
        let mut body = Frames::from(body);
        let own = Edits { default: Vec::new(), ..reach.edits.clone() };
        for edits in [laid, &own].into_iter().filter(|edits| !edits.is_empty()) {
            body = Outline::scan(&body).map_err(Problem::from)?.apply(&body, edits);
        }
        Ok(body)
    }

    /// Sends a JSON body and takes the whole answer to it. A provider's error is `Err`.
    async fn ask(&self, reach: &Reach, body: Frames, dialect: Dialect, meter: Option<&mut Meter>) -> Result<(HeaderMap, Bytes), Error> {
        let reply = self.dispatch.send(self.target, reach, (body, Vec::new(), "application/json"), meter).await?;
        self.whole(reply, dialect).await
    }

    async fn whole(&self, reply: UpstreamReply, dialect: Dialect) -> Result<(HeaderMap, Bytes), Error> {
        if !reply.status.is_success() {
            return Err(fault(self.target, dialect, &self.call.door, reply).await);
        }
        let headers = reply.headers;
        let body = reply.body.collect().await.map_err(Error::dial)?;
        Ok((headers, body))
    }

    /// An answer that cannot be read.
    fn unreadable(&self, fault: Fault) -> Error {
        let fault = scrub::fault(fault, self.target);
        Error { verbatim: None, ..Error::provider(fault, &self.target.provider_name, self.target.spec.guessed) }
    }

    /// Tells what could not be carried; refuses where the caller wants nothing lost.
    fn losses(&self, losses: &Losses, headers: &mut HeaderMap, meter: &mut Meter) -> Result<(), Error> {
        meter.note(|record| record.losses = losses.list().len());
        if losses.is_empty() {
            return Ok(());
        }
        if let Some(problem) = strict::refusal(self.call, &self.target.spec.model, losses) {
            return Err(Error { retry: Retry::Next, ..problem.into() }.of(Failure::Unsupported));
        }
        if let Ok(value) = HeaderValue::try_from(losses.to_string()) {
            headers.insert(HeaderName::from_static("x-switchboard-dropped"), value);
        }
        Ok(())
    }
}

/// Content that one target cannot take may be what another can.
fn untaken(unsupported: Unsupported) -> Error {
    Error { retry: Retry::Next, ..Problem::from(unsupported).into() }.of(Failure::Unsupported)
}

/// The dialect a provider's errors are written in, by the shape of the operation.
fn spoken(target: &Deployment, shape: &str) -> Dialect {
    match shape {
        "gemini" | "gemini-embed-content" | "vertex-predict" | "gemini-predict" => Dialect::Gemini,
        "ollama" => Dialect::Ollama,
        "anthropic" => Dialect::Anthropic,
        shape if shape.starts_with("bedrock") => Dialect::Bedrock,
        "cohere" if target.chat.contains(&Dialect::Cohere) => Dialect::Cohere,
        _ => Dialect::OpenAiChat,
    }
}

/// Tells the meter what an answer took.
pub(crate) fn note(meter: &mut Meter, spent: Spent) {
    if let Some(usage) = spent.usage {
        meter.usage(usage);
    }
    let counts = [(Component::InputAudioTime, spent.heard), (Component::OutputImage, spent.images), (Component::Query, spent.queries)];
    for (component, count) in counts {
        if let Some(count) = count {
            meter.count(component, count);
        }
    }
}
