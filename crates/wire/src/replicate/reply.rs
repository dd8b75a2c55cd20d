//! A prediction that was waited for.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error;
use crate::chat::Part;
use crate::problem::{Fault, Kind};
use crate::reply::{ChatReply, Finish, Reason, Usage};
use crate::rfc3339::unix_seconds;

#[derive(Deserialize)]
struct Prediction<'a> {
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    metrics: Option<&'a RawValue>,
    #[serde(borrow)]
    created_at: Option<Cow<'a, str>>,
}

/// Text, whole or in the pieces that the model gave it in.
#[derive(Deserialize)]
#[serde(untagged)]
enum Output {
    Whole(String),
    Pieces(Vec<String>),
}

/// Numbers as they come: of a model that counts no tokens there are none.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Metrics {
    input_token_count: Option<serde_json::Number>,
    output_token_count: Option<serde_json::Number>,
}

/// Reads a whole answer.
pub(super) fn read(body: &[u8]) -> Result<ChatReply, Fault> {
    let prediction: Prediction<'_> = serde_json::from_slice(body).map_err(|error| Fault::protocol(&error.to_string()))?;
    let status = match prediction.status.as_deref() {
        Some(status @ "succeeded") => status,
        Some("failed") => return Err(error::in_prediction(prediction.error, "the prediction failed", body)),
        Some(status @ ("canceled" | "aborted")) => {
            let fault = error::in_prediction(prediction.error, "the provider gave the prediction up before it was finished", body);
            return Err(Fault { code: fault.code.or_else(|| Some(status.to_owned())), ..fault });
        }
        Some(status @ ("starting" | "processing" | "queued")) => return Err(unfinished(prediction.id.as_deref(), status)),
        Some(status) => return Err(Fault::protocol(&format!("a prediction with the status `{status}`"))),
        None => return Err(error::in_place(body).unwrap_or_else(|| Fault::protocol("no prediction"))),
    };
    let text = match prediction.output.map(|output| serde_json::from_str::<Option<Output>>(output.get())) {
        None | Some(Ok(None)) => String::new(),
        Some(Ok(Some(Output::Whole(text)))) => text,
        Some(Ok(Some(Output::Pieces(pieces)))) => pieces.concat(),
        Some(Err(_)) => return Err(Fault::protocol("the output of the prediction is no text")),
    };
    let mut reply = ChatReply {
        id: prediction.id,
        model: prediction.model,
        created: prediction.created_at.as_deref().and_then(unix_seconds),
        usage: prediction.metrics.and_then(usage),
        // Whether a limit or a stop sequence ended it is not said.
        finish: Finish::new(Reason::Stop, status),
        ..ChatReply::default()
    };
    if !text.is_empty() {
        reply.parts.push(Part::text(text));
    }
    Ok(reply)
}

fn unfinished(id: Option<&str>, status: &str) -> Fault {
    let id = id.map(|id| format!(" `{id}`")).unwrap_or_default();
    let message = format!("the prediction{id} was still {status} when the minute that this provider lets a caller wait was over");
    Fault::seen(Kind::Timeout, "upstream_timeout", message)
}

fn usage(metrics: &RawValue) -> Option<Usage> {
    let metrics: Metrics = serde_json::from_str(metrics.get()).ok()?;
    let count = |number: Option<serde_json::Number>| number?.as_u64();
    let (input, output) = (count(metrics.input_token_count), count(metrics.output_token_count));
    (input.is_some() || output.is_some()).then(|| Usage { input, output, ..Usage::default() })
}
