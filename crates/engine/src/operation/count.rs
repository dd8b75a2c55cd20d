//! Counting tokens: by the provider where it can, else by estimate.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use switchboard_wire::outline::{Edits, Outline};
use switchboard_wire::prepare::{self, Source};
use switchboard_wire::problem::{Kind, Problem};
use switchboard_wire::{Dialect, count};

use super::{ESTIMATED, Product, Step};
use crate::control;
use crate::deployment::Reach;
use crate::error::Error;
use crate::estimate;
use crate::health::Failure;
use crate::meter::Meter;

pub(super) async fn run(step: &Step<'_>, meter: &mut Meter) -> Result<Product, Error> {
    let client = step.call.door.dialect;
    let outline = step.outline()?;
    count::check(client, &step.call.body.join()).map_err(Problem::from)?;
    let native = step.reach().ok().and_then(|(reach, shape)| Some((reach, count::dialect(shape)?)));
    // Who speaks OpenAI's chat elsewhere rarely counts: whose client does not ask for that form is not made to wait for a refusal.
    let counts = |dialect: Dialect| dialect == client || dialect != Dialect::OpenAiResponses || step.target.spec.base.is_none();
    let native = native.filter(|(_, dialect)| counts(*dialect));
    let Some((reach, dialect)) = native else { return estimated(step).await };
    // What a model would refuse in a chat it would refuse to count, too.
    let refused = dialect.outbound().is_some_and(|outbound| outbound.is_refused(outline, &step.call.body, &step.target.profile));
    if dialect == client && !refused {
        let body = count::same(dialect, &step.call.body, outline, &reach.model).map_err(Problem::from)?;
        return match step.ask(reach, body, dialect, Some(meter)).await {
            Ok((headers, body)) => Ok(Product::Whole(control::backward(&headers), body)),
            Err(error) if dialect == Dialect::OpenAiResponses && error.failure == Failure::ModelNotFound => estimated(step).await,
            Err(error) if error.failure == Failure::Denied => estimated(step).await,
            Err(error) => Err(error),
        };
    }
    let Some(body) = translated(step, reach, dialect)? else { return estimated(step).await };
    match step.ask(reach, body.into(), dialect, Some(meter)).await {
        Ok((headers, body)) => {
            let counted = count::read_reply(&body).map_err(|fault| step.unreadable(fault))?;
            Ok(Product::Whole(control::backward(&headers), count::write_reply(client, counted).into()))
        }
        // The provider has the operation, but not for this model (Bedrock counts for some only).
        Err(error) if error.failure == Failure::Denied => estimated(step).await,
        Err(error) if matches!(error.problem.kind, Kind::BadRequest | Kind::NotFound | Kind::Unsupported) => estimated(step).await,
        Err(error) => Err(error),
    }
}

/// The count request in the provider's dialect; `None` where it cannot say what the client said.
fn translated(step: &Step<'_>, reach: &Reach, dialect: Dialect) -> Result<Option<Bytes>, Error> {
    let client = step.call.door.dialect;
    let chat = count::chat_body(client, &step.call.body).map_err(Problem::from)?;
    let outline = Outline::scan(&chat).map_err(Problem::from)?;
    let mut edits = Edits::default();
    if let Some(key) = dialect.outbound().and_then(|outbound| outbound.model_key()) {
        edits.set.push((key.to_owned(), serde_json::Value::from(reach.model.as_str()).to_string()));
    }
    let route = prepare::Route {
        from: client,
        to: dialect,
        profile: &step.target.profile,
        edits: &edits,
        laid: &[],
        fitted: false,
        lenient: false,
    };
    match prepare::prepare(&route, &step.call.head(), &Source::Bytes(&chat, &outline)) {
        Ok(prepared) => Ok(Some(count::wrap(dialect, &prepared.body.join(), &reach.model).map_err(Problem::from)?.into())),
        Err(problem) if problem.kind == Kind::Unsupported => Ok(None),
        Err(problem) => Err(problem.into()),
    }
}

/// Counts here, and says so.
async fn estimated(step: &Step<'_>) -> Result<Product, Error> {
    let client = step.call.door.dialect;
    let chat = count::chat_body(client, &step.call.body).map_err(Problem::from)?;
    let request = prepare::read(client, &step.call.head(), &chat)?;
    // Long texts take long, and the tokenizer is made at its first use: neither may hold up a worker.
    let counted = tokio::task::spawn_blocking(move || estimate::tokens(&request)).await;
    let counted = counted.map_err(|error| Error::internal(format!("counting tokens failed: {error}")))?;
    let counted = counted.ok_or_else(|| Error::internal("the vocabulary for counting tokens cannot be read"))?;
    let mut headers = HeaderMap::new();
    headers.insert(ESTIMATED, HeaderValue::from_static("1"));
    Ok(Product::Whole(headers, count::write_reply(client, counted).into()))
}
