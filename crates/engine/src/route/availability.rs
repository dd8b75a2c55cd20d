//! What a caller is told when no candidate may serve: why, for people and for machines.

use std::time::Instant;

use http::StatusCode;
use switchboard_wire::Dialect;
use switchboard_wire::dialect::Flavor;
use switchboard_wire::overflow;
use switchboard_wire::problem::{Availability, Constraint, Kind, Problem};

use crate::call::Call;
use crate::error::{Error, Origin, Retry};
use crate::health::Why;
use crate::route::plan::{Exclusion, Plan};
use crate::route::reason::Reason;

/// Where it is explained.
const DOCS: &str = "/docs";
/// Seconds to wait where nothing is known of when a deployment comes back.
const SOON: u64 = 5;

/// What it comes down to: OpenRouter's code, its status, and ours.
struct Verdict {
    code: &'static str,
    status: u16,
    kind: Kind,
}

impl Verdict {
    const fn new(code: &'static str, status: u16, kind: Kind) -> Self {
        Self { code, status, kind }
    }
}

/// What is told of a model that an administrator has blocked, in LiteLLM's words.
const BLOCKED: &str = "litellm.PermissionDeniedError: Model is blocked";

const CAPACITY: Verdict = Verdict::new("capacity_exhausted", 429, Kind::RateLimited);
const PAUSED: Verdict = Verdict::new("temporarily_unavailable", 503, Kind::Overloaded);
const PRIVACY: Verdict = Verdict::new("privacy_restricted", 404, Kind::NotFound);
const REGION: Verdict = Verdict::new("region_restricted", 403, Kind::Forbidden);
const NOT_FREE: Verdict = Verdict::new("free_variant_ended", 404, Kind::NotFound);
const WRONG_ENDPOINT: Verdict = Verdict::new("wrong_endpoint", 400, Kind::BadRequest);
const CONSTRAINED: Verdict = Verdict::new("constraint_filtered", 404, Kind::NotFound);
const LACKING: Verdict = Verdict::new("model_lacking", 401, Kind::Unauthenticated);
const NO_ENDPOINTS: Verdict = Verdict::new("no_endpoints", 404, Kind::NotFound);

impl Plan {
    /// Why there is nowhere to go, as the caller is told.
    pub fn refusal(&self, call: &Call, now: Instant) -> Error {
        self.refusal_until(None, call, now)
    }

    /// The same where there are others, the soonest of whom may be asked then.
    pub(crate) fn refusal_until(&self, others: Option<Instant>, call: &Call, now: Instant) -> Error {
        let fallbacks: Vec<String> = self.fallbacks.general.iter().map(|one| one.model.clone()).collect();
        refusal(call, (&self.excluded, others), &fallbacks, now)
    }
}

/// What OpenAI's and LiteLLM's clients are told of a name that no model goes by begins so.
pub const UNKNOWN_MODEL: &str = "Invalid model name passed in model=";

/// No model of that name.
pub(super) fn not_found(call: &Call, names: &[&str]) -> Error {
    let mut error = Error::model_not_found(names.first().copied().unwrap_or(&call.model));
    if call.door.flavor == Flavor::OpenRouter {
        error.problem.status = Some(StatusCode::BAD_REQUEST);
    } else if !matches!(call.door.dialect, Dialect::Anthropic | Dialect::Gemini) {
        // As LiteLLM's clients know it.
        let name = names.first().copied().unwrap_or(&call.model);
        error.problem.message = format!("{UNKNOWN_MODEL}{name}. Call `/v1/models` to view available models for your key.");
        error.problem.status = Some(StatusCode::BAD_REQUEST);
    }
    error.problem.availability = Some(Box::new(Availability {
        code: "model_not_found",
        requested_models: names.iter().map(|name| (*name).to_owned()).collect(),
        docs_url: DOCS,
        ..Availability::default()
    }));
    error
}

fn refusal(call: &Call, (excluded, others): (&[Exclusion], Option<Instant>), fallbacks: &[String], now: Instant) -> Error {
    let openrouter = call.door.flavor == Flavor::OpenRouter;
    let mut reasons: Vec<Reason> = Vec::new();
    for reason in excluded.iter().flat_map(|exclusion| &exclusion.reasons) {
        if !reasons.contains(reason) {
            reasons.push(*reason);
        }
    }
    let verdict = verdict(excluded, &reasons);
    let retryable = matches!(verdict.code, "capacity_exhausted" | "temporarily_unavailable");
    let passing = excluded.iter().filter(|exclusion| exclusion.reasons.iter().all(|reason| reason.passes()));
    let until = passing.filter_map(|exclusion| exclusion.until).chain(others).min();
    let seconds = until.map(|until| until.saturating_duration_since(now).as_millis().div_ceil(1000) as u64);
    let retry_after = retryable.then(|| seconds.unwrap_or(SOON).max(1));
    let lacking = excluded.iter().find_map(|exclusion| exclusion.deployment.lacking.as_deref()).filter(|_| verdict.code == LACKING.code);
    let message = lacking.map(|why| format!("the model `{}` cannot be used: {why}", call.model));
    let mut problem = Problem::new(verdict.kind, message.unwrap_or_else(|| self::message(call, &verdict, &reasons, retry_after)));
    problem.status = StatusCode::from_u16(verdict.status).ok().filter(|_| openrouter);
    problem.code = Some(verdict.code.to_owned());
    // Clients shorten a conversation where they are told so as every provider tells it.
    if !retryable && (reasons == [Reason::ContextLength] || !openrouter && reasons.contains(&Reason::ContextLength)) {
        (problem.kind, problem.status) = (Kind::BadRequest, None);
        problem.code = Some(overflow::CODE.to_owned());
    } else if !openrouter {
        like_litellm(&mut problem, &verdict, &reasons);
        if reasons == [Reason::AccessWindow] {
            reserved(&mut problem, call, excluded);
        }
    }
    problem.retry_after = retry_after.map(std::time::Duration::from_secs);
    let mut providers: Vec<String> = excluded.iter().map(|exclusion| exclusion.deployment.provider_name.clone()).collect();
    providers.sort();
    providers.dedup();
    problem.availability = Some(Box::new(Availability {
        code: verdict.code,
        retryable,
        retry_after,
        requested_models: vec![call.model.clone()],
        affected_providers: providers,
        excluded_by: reasons.iter().map(|reason| reason.as_str()).collect(),
        fallback_models: fallbacks.to_vec(),
        constraint: constraint(&reasons).filter(|_| !retryable),
        docs_url: DOCS,
    }));
    let blocked = problem.message == BLOCKED && !matches!(call.door.dialect, Dialect::Anthropic | Dialect::Gemini);
    let error = Error::new(problem, if retryable || lacking.is_some() { Origin::Gateway } else { Origin::Caller }, Retry::Never);
    // The type that LiteLLM's clients know is none of the format's own.
    let told = || serde_json::json!({"error": {"message": BLOCKED, "type": "permission_error", "param": null, "code": "403"}});
    Error { verbatim: blocked.then(|| told().to_string().into()), ..error }
}

/// The reason that excludes every one tells most; what passes by itself tells most of all.
fn verdict(excluded: &[Exclusion], reasons: &[Reason]) -> Verdict {
    if excluded.is_empty() {
        return NO_ENDPOINTS;
    }
    let mut passing = excluded.iter().filter(|exclusion| exclusion.reasons.iter().all(|reason| reason.passes())).peekable();
    if passing.peek().is_some() {
        let used_up = |reason: &Reason| matches!(reason, Reason::RateLimit | Reason::Budget | Reason::Health(Why::RateLimited));
        return if passing.all(|exclusion| exclusion.reasons.iter().any(used_up)) { CAPACITY } else { PAUSED };
    }
    let everywhere = |wanted: &[Reason]| excluded.iter().all(|exclusion| exclusion.reasons.iter().any(|reason| wanted.contains(reason)));
    if everywhere(&[Reason::Lacking]) {
        LACKING
    } else if everywhere(&[Reason::Operation]) {
        WRONG_ENDPOINT
    } else if everywhere(&[Reason::Training, Reason::Retention, Reason::ContentClass]) {
        PRIVACY
    } else if everywhere(&[Reason::Region]) {
        REGION
    } else if everywhere(&[Reason::NotFree]) {
        NOT_FREE
    } else if reasons.iter().all(|reason| matches!(reason, Reason::Blocked | Reason::Access | Reason::AccessWindow)) {
        NO_ENDPOINTS
    } else {
        CONSTRAINED
    }
}

fn message(call: &Call, verdict: &Verdict, reasons: &[Reason], retry_after: Option<u64>) -> String {
    let model = &call.model;
    let names: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
    let names = names.join(", ");
    match (verdict.code, retry_after) {
        (_, Some(seconds)) => {
            format!("no deployments available for the model `{model}` ({names}); try again in {seconds} seconds")
        }
        ("wrong_endpoint", _) => format!("the model `{model}` does not serve `{}`", call.door.operation.as_str()),
        ("no_endpoints", _) => format!("no endpoints found for the model `{model}`"),
        _ => format!("no endpoint of the model `{model}` meets the request's requirements: {names}"),
    }
}

/// What LiteLLM's clients expect: wrong tags have an error of their own, and a rest is a rate limit.
fn like_litellm(problem: &mut Problem, verdict: &Verdict, reasons: &[Reason]) {
    if verdict.code == "temporarily_unavailable" && !reasons.iter().any(is_outage) {
        problem.kind = Kind::RateLimited;
    } else if reasons == [Reason::Blocked] {
        problem.kind = Kind::Forbidden;
        problem.message = BLOCKED.to_owned();
    } else if reasons == [Reason::Tags] {
        problem.kind = Kind::Unauthenticated;
        problem.message = "not allowed to access model due to tags configuration".to_owned();
    } else if verdict.code == "wrong_endpoint" {
        problem.param = Some("model".to_owned());
        problem.code = Some("operation_not_supported".to_owned());
    }
}

/// What LiteLLM says of models that are kept for others at this time.
fn reserved(problem: &mut Problem, call: &Call, excluded: &[Exclusion]) {
    let reserved = excluded.iter().filter_map(|exclusion| exclusion.deployment.spec.traits.reserved.as_deref());
    let window = reserved.filter_map(|reserved| reserved.closed_by(&call.principal, jiff::Timestamp::now())).next();
    problem.kind = Kind::BadRequest;
    if let Some(window) = window {
        let (end, zone) = (window.end.strftime("%H:%M"), &window.zone_name);
        problem.message = format!("Deployment {} is reserved for another team until {end} {zone}", call.model);
    }
}

/// Deployments that fail, or whose credential is refused, are no rate limit.
fn is_outage(reason: &Reason) -> bool {
    matches!(reason, Reason::Health(Why::Open | Why::Probing | Why::Ramping | Why::Region | Why::Quarantined))
}

fn constraint(reasons: &[Reason]) -> Option<Constraint> {
    let [reason] = reasons else { return None };
    let (field, detail) = match reason {
        Reason::AllowedProviders => ("provider.only", "none of the named providers serves the model"),
        Reason::IgnoredProviders => ("provider.ignore", "every provider of the model is ignored"),
        Reason::FallbacksDisabled => ("provider.allow_fallbacks", "none of the providers in `order` serves the model"),
        Reason::Training => ("provider.data_collection", "every provider of the model may train on what it is sent, or does not say"),
        Reason::Retention => ("provider.zdr", "every provider of the model retains what it is sent, or does not say"),
        Reason::MaxPrice => ("provider.max_price", "every provider of the model is dearer, or its price is not known"),
        Reason::Quantization => ("provider.quantizations", "no provider of the model has weights of these precisions"),
        Reason::Parameters => ("provider.require_parameters", "no provider of the model takes every parameter sent"),
        Reason::Search => ("plugins", "no provider of the model is known to search the web by its own means"),
        Reason::Distillation => ("provider.enforce_distillable_text", "no licence of the model is known to allow distillation"),
        Reason::ContextLength => ("messages", "the prompt is longer than any provider of the model takes"),
        Reason::Modality => ("messages", "no provider of the model reads every kind of content in the request"),
        Reason::Region => ("region", "no provider of the model is known to be in the region"),
        _ => return None,
    };
    Some(Constraint { field, detail: detail.to_owned() })
}
