//! The events of a stream, as bytes.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::content;
use crate::lenient::Count;
use crate::problem::Malformed;

/// Any event. Fields of one event are absent from others.
#[derive(Deserialize)]
pub(super) struct Wire<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Cow<'a, str>,
    pub(super) sequence_number: Count,
    pub(super) output_index: Count,
    pub(super) content_index: Count,
    pub(super) summary_index: Count,
    #[serde(borrow)]
    pub(super) item_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) delta: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) part: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) item: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) annotation: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// What of a response object matters in a stream.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    #[serde(borrow)]
    pub(super) created_at: Option<&'a RawValue>,
    pub(super) status: Option<String>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) incomplete_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) output: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_usage: Option<&'a RawValue>,
    pub(super) service_tier: Option<String>,
}

/// Whether the payload is an event that only adds to what has begun. A text cannot hold the marker: its quotes would be escaped.
pub(super) fn is_delta(payload: &[u8]) -> bool {
    static MARKERS: LazyLock<[Finder<'static>; 2]> =
        LazyLock::new(|| [Finder::new(br#""type":"response."#), Finder::new(br#""type": "response."#)]);
    const DELTAS: [&[u8]; 8] = [
        b"output_text.delta\"",
        b"function_call_arguments.delta\"",
        b"reasoning_summary_text.delta\"",
        b"reasoning_text.delta\"",
        b"refusal.delta\"",
        b"custom_tool_call_input.delta\"",
        b"code_interpreter_call_code.delta\"",
        b"mcp_call_arguments.delta\"",
    ];
    let after = MARKERS.iter().find_map(|marker| Some(marker.find(payload)? + marker.needle().len()));
    after.is_some_and(|at| DELTAS.iter().any(|delta| payload[at..].starts_with(delta)))
}

/// Reads the response object of an event, where there is one.
pub(super) fn read_answer(raw: Option<&RawValue>) -> Result<Option<Answer<'_>>, Malformed> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(None) };
    serde_json::from_str(raw.get()).map(Some).map_err(|error| Malformed::field("response", &error.to_string()))
}

/// A text; arguments may come as an object.
pub(super) fn text_of(raw: &RawValue) -> Result<String, Malformed> {
    match raw.get() {
        "null" => Ok(String::new()),
        _ if content::is_string(raw) => content::string(raw),
        json => Ok(json.to_owned()),
    }
}
