//! Errors: what providers of this format send, and what its clients expect.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;

use super::text::{string, word};
use crate::dialect::{Dialect, Flavor};
use crate::fields::Fields;
use crate::half::Begun;
use crate::json;
use crate::overflow;
use crate::problem::{Fault, Kind, Problem};

/// The longest message taken from a body that is not JSON.
const MAX_PLAIN: usize = 500;

/// What an error body says, wherever it says it.
#[derive(Debug, Default)]
struct Said {
    message: Option<String>,
    code: Option<String>,
    kind: Option<String>,
    param: Option<String>,
    /// Deeper reasons: Azure's inner error, what the provider behind a gateway said.
    inner: String,
}

/// Reads an error answer.
pub(crate) fn read_fault(status: StatusCode, body: &[u8]) -> Fault {
    let said = serde_json::from_slice::<&RawValue>(body).ok().map(read_said).unwrap_or_default();
    let message = said.message.clone().unwrap_or_else(|| plain_message(status, body));
    fault(said, message, Some(status), body)
}

/// The error that a success reports after all.
pub(crate) fn reported(fields: &mut Fields<'_>, body: &[u8]) -> Option<Fault> {
    let error = fields.take_raw("error").filter(|raw| says_something(raw)).map(|raw| read_error(raw, body));
    error.or_else(|| (!fields.has("choices") && is_error(fields.peek_raw("object"))).then(|| read_event(body)))
}

/// The error that a choice of a success reports.
pub(super) fn of_choice(choice: &RawValue, body: &[u8]) -> Option<Fault> {
    let raw = Fields::nested(choice).ok()?.take_raw("error").filter(|raw| says_something(raw))?;
    Some(read_error(raw, body))
}

/// Whether the place of an error holds one.
pub(super) fn says_something(raw: &RawValue) -> bool {
    !matches!(raw.get(), "null" | "{}" | "\"\"" | "false")
}

/// Whether an object says of itself that it is an error: vLLM and those after it have no other word for it in a stream.
pub(super) fn is_error(object: Option<&RawValue>) -> bool {
    object.is_some_and(|raw| raw.get() == "\"error\"")
}

/// The error object of a stream or of a success.
pub(crate) fn read_error(raw: &RawValue, body: &[u8]) -> Fault {
    let said = read_said(raw);
    let message = said.message.clone().unwrap_or_else(|| raw.get().to_owned());
    let status = said.code.as_deref().and_then(|code| code.parse().ok()).and_then(|code| StatusCode::from_u16(code).ok());
    fault(said, message, status.filter(|status| status.as_u16() >= 400), body)
}

/// An event that is named an error, whatever its form.
pub(super) fn read_event(payload: &[u8]) -> Fault {
    match serde_json::from_slice(payload) {
        Ok(raw) => read_error(raw, payload),
        Err(_) => fault(Said::default(), String::from_utf8_lossy(payload).chars().take(MAX_PLAIN).collect(), None, payload),
    }
}

/// A success without any choice: a filter that spoke, or nonsense.
pub(crate) fn no_choices(mut fields: Fields<'_>, body: &[u8]) -> Fault {
    let raw = Bytes::copy_from_slice(body);
    if fields.take_raw("prompt_filter_results").is_some() {
        let message = "the provider's content filter refused the prompt";
        return Fault { raw, ..Fault::seen(Kind::Filtered, "content_filter", message) };
    }
    Fault { raw, ..Fault::protocol("the answer has no choices") }
}

fn read_said(raw: &RawValue) -> Said {
    if let Some(text) = string(raw) {
        return Said { message: Some(text.into_owned()), ..Said::default() };
    }
    if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        return read_list(&list);
    }
    let Ok(mut fields) = Fields::nested(raw) else { return Said::default() };
    let wrapped = fields.take_raw("error").filter(|raw| raw.get() != "null");
    let wrapped = wrapped.or_else(|| fields.take_raw("errors").filter(|raw| raw.get() != "null"));
    let mut said = wrapped.map(read_said).unwrap_or_default();
    let message =
        ["message", "msg", "error_message", "detail"].into_iter().find_map(|key| fields.take_raw(key)).filter(|raw| raw.get() != "null");
    if said.message.is_none()
        && let Some(raw) = message
    {
        // FastAPI puts a list of complaints there, others the whole error.
        let deeper = read_said(raw);
        said = Said { message: deeper.message, param: said.param.or(deeper.param), inner: said.inner + &deeper.inner, ..said };
    }
    said.code = said.code.or_else(|| word(fields.take_raw("code")));
    said.kind = said.kind.or_else(|| word(fields.take_raw("type"))).or_else(|| word(fields.take_raw("status")));
    said.param = said.param.or_else(|| word(fields.take_raw("param")));
    for key in ["innererror", "metadata", "failed_generation", "content_filter_result"] {
        if let Some(inner) = fields.take_raw(key) {
            said.inner.push_str(inner.get());
        }
    }
    said
}

/// A list of complaints: FastAPI's `[{"loc": […], "msg": …}]`, or errors.
fn read_list(list: &[&RawValue]) -> Said {
    let mut all = Said::default();
    for raw in list {
        let said = read_said(raw);
        let place = Fields::nested(raw).ok().and_then(|mut fields| fields.take::<Vec<serde_json::Value>>("loc").ok().flatten());
        let place = place.map(|path| {
            let steps: Vec<String> = path.iter().map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect();
            steps.join(".")
        });
        let text = match (&place, said.message) {
            (Some(place), Some(message)) => Some(format!("{place}: {message}")),
            (None, message) => message,
            (Some(_), None) => None,
        };
        all.message = match (all.message, text) {
            (Some(before), Some(more)) => Some(format!("{before}; {more}")),
            (before, more) => before.or(more),
        };
        all.code = all.code.or(said.code);
        all.kind = all.kind.or(said.kind);
        all.param = all.param.or(said.param).or(place);
        all.inner.push_str(&said.inner);
    }
    all
}

/// A body that is not JSON: its text, unless it is a page.
fn plain_message(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() || text.starts_with(['<', '{', '[']) {
        return format!("the provider answered with status {}", status.as_u16());
    }
    text.chars().take(MAX_PLAIN).collect()
}

fn fault(said: Said, message: String, status: Option<StatusCode>, body: &[u8]) -> Fault {
    let by_status = status.map(Kind::of_status);
    let (kind, code) = classify(&said, &message, by_status);
    let code = code.map(str::to_owned).or(said.code).or(said.kind);
    Fault { kind, status, message, code, param: said.param, raw: Bytes::copy_from_slice(body) }
}

/// What kind of failure it is: the code and the words say more than the status.
fn classify(said: &Said, message: &str, by_status: Option<Kind>) -> (Kind, Option<&'static str>) {
    let words = [said.code.as_deref(), said.kind.as_deref()].map(|word| word.unwrap_or_default().to_ascii_lowercase());
    let is = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
    let text = format!("{} {}", message.to_ascii_lowercase(), said.inner.to_ascii_lowercase());
    let tells = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    let clients =
        by_status.is_none_or(|kind| !matches!(kind, Kind::Unauthenticated | Kind::Forbidden | Kind::NotFound | Kind::RateLimited));
    // Gemini says so of a limit per minute, too.
    let limited = is(&["rate_limit_error", "rate_limit_exceeded", "resource_exhausted", "too_many_requests"]);
    if words.iter().any(|word| overflow::is_code(word)) || clients && !limited && overflow::is_said(&text) {
        return (Kind::BadRequest, Some(overflow::CODE));
    }
    if is(FILTERS) || tells(FILTERED) {
        return (Kind::Filtered, Some("content_filter"));
    }
    if is(QUOTA)
        || !limited && tells(&["exceeded your current quota", "insufficient balance", "insufficient credits", "credit balance is too low"])
    {
        return (Kind::BudgetSpent, Some("insufficient_quota"));
    }
    if by_status == Some(Kind::BadRequest) && tells(&["incorrect api key"]) {
        return (Kind::Unauthenticated, None);
    }
    let by_word = BY_WORD.iter().find(|(names, _)| is(names)).map(|(_, kind)| *kind);
    let kind = match (by_word, by_status) {
        // A word is more exact than a bare 400 or 500; any other status is more exact than a word.
        (Some(kind), None | Some(Kind::BadRequest | Kind::Upstream)) => kind,
        // That an account may not have a model says nothing of its key.
        (Some(Kind::NotFound), Some(Kind::Forbidden)) => Kind::NotFound,
        (_, Some(kind)) => kind,
        (None, None) => Kind::Upstream,
    };
    (kind, None)
}

const FILTERED: &[&str] = &[
    "content management policy",
    "responsibleaipolicyviolation",
    "flagged as potentially violating",
    "violates usage guidelines",
    "requires moderation",
    "your input was flagged",
];

const FILTERS: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "moderation_blocked",
    "content_filtered",
    "data_inspection_failed",
    "image_content_policy_violation",
    "bio_policy",
];

const QUOTA: &[&str] =
    &["insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_balance", "payment_required"];

const BY_WORD: &[(&[&str], Kind)] = &[
    (&["model_not_found", "deploymentnotfound", "not_found", "not_found_error", "modelnotfound", "resource_not_found"], Kind::NotFound),
    (&["invalid_api_key", "authentication_error", "unauthenticated", "invalid_authentication", "unauthorized"], Kind::Unauthenticated),
    (&["permission_denied", "permission_error", "access_denied", "unsupported_country_region_territory"], Kind::Forbidden),
    (&["rate_limit_exceeded", "rate_limit_error", "resource_exhausted", "too_many_requests", "throttling_error"], Kind::RateLimited),
    (
        &[
            "overloaded_error",
            "server_is_overloaded",
            "slow_down",
            "engine_overloaded",
            "engine_overloaded_error",
            "unavailable",
            "service_unavailable",
            "no_capacity",
        ],
        Kind::Overloaded,
    ),
    (&["budget_exceeded"], Kind::BudgetSpent),
    (&["timeout", "deadline_exceeded", "timeout_error"], Kind::Timeout),
    (&["request_too_large", "payload_too_large"], Kind::TooLarge),
    (&["invalid_request_error", "invalid_argument", "bad_request", "invalid_parameter", "invalid_prompt"], Kind::BadRequest),
    (&["invalid_image", "invalid_image_url", "image_parse_error", "image_too_large", "unsupported_image_media_type"], Kind::BadRequest),
];

/// OpenAI's name of a kind of error.
fn openai_type(kind: Kind) -> &'static str {
    match kind {
        Kind::BadRequest | Kind::NotFound | Kind::TooLarge | Kind::Unsupported | Kind::Filtered => "invalid_request_error",
        Kind::Unauthenticated => "authentication_error",
        Kind::Forbidden => "permission_denied",
        Kind::RateLimited => "rate_limit_error",
        Kind::BudgetSpent => "budget_exceeded",
        Kind::Overloaded => "service_unavailable_error",
        Kind::Timeout => "timeout_error",
        Kind::Upstream => "api_error",
        Kind::Internal => "internal_server_error",
    }
}

/// OpenRouter's name and status of a kind of error.
fn openrouter_type(kind: Kind) -> (&'static str, u16) {
    match kind {
        Kind::BadRequest => ("invalid_request", 400),
        Kind::Unauthenticated => ("authentication", 401),
        Kind::Forbidden => ("permission_denied", 403),
        Kind::NotFound => ("not_found", 404),
        Kind::TooLarge => ("payload_too_large", 413),
        Kind::Unsupported => ("unprocessable", 422),
        Kind::RateLimited => ("rate_limit_exceeded", 429),
        Kind::BudgetSpent => ("payment_required", 402),
        Kind::Filtered => ("content_policy_violation", 403),
        Kind::Overloaded => ("provider_overloaded", 503),
        Kind::Timeout => ("timeout", 408),
        Kind::Upstream => ("provider_unavailable", 502),
        Kind::Internal => ("server", 500),
    }
}

/// What kind of error it is, in the words that OpenRouter's clients go by in each of its APIs.
pub(crate) fn error_type(problem: &Problem) -> &'static str {
    if problem.code.as_deref() == Some(overflow::CODE) { overflow::CODE } else { openrouter_type(problem.kind).0 }
}

/// Writes an error in place of an answer.
pub(crate) fn write_problem(problem: &Problem, flavor: Flavor) -> (StatusCode, Vec<u8>) {
    let status = status_of(problem, flavor);
    let body = json::object(|object| {
        write_error(object, problem, flavor);
        write_account(object, problem);
    });
    (status, body)
}

/// Writes an error inside a stream that has begun.
pub(crate) fn write_stream_problem(problem: &Problem, flavor: Flavor, begun: &Begun<'_>) -> Vec<u8> {
    let mut out = b"data: ".to_vec();
    json::write_object(&mut out, |object| {
        if flavor == Flavor::OpenRouter {
            object.option("id", begun.id);
            object.field("object", "chat.completion.chunk");
            object.option("created", begun.created);
            object.option("model", begun.model);
            object.option("provider", problem.provider.as_ref());
        }
        write_break(object, problem, flavor);
    });
    out.extend_from_slice(b"\n\n");
    out
}

/// Writes why a stream breaks off, and, in a chunk, that it does.
pub(super) fn write_break(object: &mut json::Object<'_>, problem: &Problem, flavor: Flavor) {
    write_error(object, problem, flavor);
    if flavor == Flavor::OpenRouter {
        object.raw("choices", r#"[{"index":0,"delta":{"content":""},"finish_reason":"error"}]"#);
    }
}

/// The status of a problem, in the API the client expects.
pub(crate) fn status_of(problem: &Problem, flavor: Flavor) -> StatusCode {
    match flavor {
        Flavor::OpenAi if problem.code.as_deref() == Some(overflow::CODE) => StatusCode::BAD_REQUEST,
        Flavor::OpenAi => problem.status(),
        Flavor::OpenRouter => {
            let own = StatusCode::from_u16(openrouter_type(problem.kind).1);
            if problem.code.as_deref() == Some(overflow::CODE) {
                return StatusCode::BAD_REQUEST;
            }
            problem.status.or(own.ok()).unwrap_or_else(|| problem.kind.status())
        }
    }
}

/// Writes the field `error`.
pub(crate) fn write_error(object: &mut json::Object<'_>, problem: &Problem, flavor: Flavor) {
    let status = status_of(problem, flavor).as_u16();
    object.object("error", |error| {
        write_words(error, problem, flavor, status);
        write_availability(error, problem);
    });
}

/// The message, in words upon which clients of this format shorten a conversation that is too long, or see that a provider's filter spoke.
pub(crate) fn told(problem: &Problem) -> Cow<'_, str> {
    /// What LiteLLM's own client makes its exception of.
    const FILTERED: &str = "litellm.ContentPolicyViolationError";
    if problem.kind == Kind::Filtered && problem.provider.is_some() && !problem.message.contains(FILTERED) {
        return Cow::Owned(format!("{FILTERED}: {}", problem.message));
    }
    overflow::told(Dialect::OpenAiChat, problem.code.as_deref(), &problem.message)
}

fn write_words(error: &mut json::Object<'_>, problem: &Problem, flavor: Flavor, status: u16) {
    match flavor {
        Flavor::OpenAi => {
            // What a gateway says of its own limits, LiteLLM's clients look for in the type.
            let own = problem.code.as_deref().filter(|code| matches!(*code, "throttling_error" | "budget_exceeded"));
            let code = problem.code.as_ref().filter(|_| own.is_none()).cloned();
            error.field("message", &told(problem));
            error.field("type", own.unwrap_or(openai_type(problem.kind)));
            error.field("param", &problem.param);
            error.field("code", &code.unwrap_or_else(|| status.to_string()));
        }
        Flavor::OpenRouter => {
            error.field("code", &status);
            error.field("message", &problem.message);
            error.object("metadata", |metadata| {
                metadata.field("error_type", error_type(problem));
                metadata.option("limit_source", problem.limit_source.as_ref());
                metadata.option("provider_name", problem.provider.as_ref());
                metadata.option("provider_code", problem.code.as_ref().filter(|_| problem.provider.is_some()));
                metadata.option("raw", problem.raw.as_ref());
            });
        }
    }
}

/// Writes how an answer would have come about, where the client asks for it.
pub(crate) fn write_account(object: &mut json::Object<'_>, problem: &Problem) {
    if let Some(account) = &problem.account {
        object.raw("openrouter_metadata", account);
    }
}

/// Writes why there was nowhere to go, where that is what went wrong.
pub(crate) fn write_availability(error: &mut json::Object<'_>, problem: &Problem) {
    error.option("availability", problem.availability.as_deref());
}
