//! `POST /spend/calculate`: what a request would cost, or what an answer did.

use serde_json::{Value, json};
use switchboard_engine::meter;
use switchboard_engine::wire::reply::Usage;

use crate::admin::{Answer, Request};
use crate::refused::Refused;

/// Bytes that a token is taken to have where none are counted: as the router does.
const BYTES_A_TOKEN: u64 = 4;

/// `POST /spend/calculate`
pub(super) fn calculate(request: &Request) -> Answer {
    let form = request.form("SpendCalculateRequest")?;
    let answer = form.get("completion_response");
    let model = form.owned("model").or_else(|| answer.and_then(|answer| answer["model"].as_str()).map(str::to_owned));
    let usage = match (answer, form.get("messages")) {
        (Some(answer), _) => said(&answer["usage"]),
        (None, Some(messages)) => estimated(messages),
        (None, None) => {
            return Err(Refused::said(400, "Bad Request - Either 'model' + 'messages' or 'completion_response' must be provided"));
        }
    };
    let Some(model) = model else {
        return Err(Refused::said(400, "Bad Request - 'model' is missing"));
    };
    let unknown =
        || Refused::new(400, "invalid_request_error", json!("model"), format!("Model not found: {model}. No price is known for it"));
    let card = crate::admin::tools::card(request, &model).ok_or_else(unknown)?;
    let cost = meter::cost(&card, Some(&usage), &[], None).ok_or_else(unknown)?;
    // Shown, never added up: a number of dollars as JSON has them.
    let cost: f64 = cost.to_string().parse().map_err(|_| unknown())?;
    Ok(json!({"cost": cost}))
}

fn said(usage: &Value) -> Usage {
    let count = |names: &[&str]| names.iter().find_map(|name| usage[*name].as_u64());
    Usage {
        input: count(&["prompt_tokens", "input_tokens"]),
        output: count(&["completion_tokens", "output_tokens"]),
        cache_read: usage["prompt_tokens_details"]["cached_tokens"].as_u64(),
        ..Usage::default()
    }
}

fn estimated(messages: &Value) -> Usage {
    Usage { input: Some((messages.to_string().len() as u64).div_ceil(BYTES_A_TOKEN)), output: Some(0), ..Usage::default() }
}
