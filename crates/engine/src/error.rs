//! What a call ends in when it does not end in an answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use switchboard_wire::overflow;
use switchboard_wire::problem::{Fault, Kind, Problem};

use crate::health::Failure;
use crate::sign::SignError;
use crate::terms::{Level, Refusal, Why};
use crate::upstream::{DialError, DialFault, Phase};

/// A longer code of a provider is no code but a text.
const LONGEST_CODE: usize = 64;

/// The code of a request that goes in circles.
const CIRCLES: &str = "request_loop";

/// No more of what a provider says of a failure is kept.
const LONGEST_TEXT: usize = 4096;
/// Under which headers providers tell the id of a request.
const REQUEST_IDS: [&str; 3] = ["llm_provider-x-request-id", "llm_provider-request-id", "llm_provider-x-amzn-requestid"];

/// What a provider told of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// In its words, without secrets.
    pub message: Option<String>,
    /// Its status.
    pub status: Option<u16>,
    /// The id it knows the request by.
    pub request_id: Option<String>,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The caller's.
    Caller,
    /// Ours.
    Gateway,
    /// The provider's.
    Provider,
}

/// What may still help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: every target would say the same.
    Never,
    /// The same target again, after a while.
    Same {
        /// How long to wait at least.
        after: Option<Duration>,
    },
    /// Another target.
    Next,
}

impl Retry {
    /// The same, where asking the same target again is no use.
    #[must_use]
    pub fn elsewhere(self) -> Self {
        match self {
            Retry::Same { .. } | Retry::Next => Retry::Next,
            Retry::Never => Retry::Never,
        }
    }
}

/// A failure, with the three answers a gateway needs: what to tell the caller, whose fault it is, what may still help.
#[derive(Debug)]
pub struct Error {
    /// What the caller is told. Holds no secret.
    pub problem: Box<Problem>,
    /// Whose fault it is.
    pub origin: Origin,
    /// What may still help.
    pub retry: Retry,
    /// What kind of failure it is for those who choose where to go.
    pub failure: Failure,
    /// The status the provider answered with, if one did.
    pub answered: Option<u16>,
    /// Whether the provider may charge for it although there is no answer.
    pub maybe_billed: bool,
    /// The provider's own error body, where a caller of the same dialect may have it as it came.
    pub verbatim: Option<Bytes>,
    /// Whose budget or limit was in the way, where one was.
    pub refusal: Option<Box<Refusal>>,
    /// How long was waited, where that was too long.
    pub waited: Option<Duration>,
    /// The provider's headers that its caller may have.
    pub headers: Option<Box<HeaderMap>>,
    /// For the log.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.problem.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::new(problem, Origin::Caller, Retry::Never)
    }
}

impl Error {
    /// A failure with those answers.
    pub fn new(problem: Problem, origin: Origin, retry: Retry) -> Self {
        let failure = if origin == Origin::Provider { Failure::Server } else { Failure::Own };
        let problem = Box::new(problem);
        Self {
            problem,
            origin,
            retry,
            failure,
            answered: None,
            maybe_billed: false,
            verbatim: None,
            refusal: None,
            waited: None,
            headers: None,
            source: None,
        }
    }

    /// The same for another one who is told of it.
    pub(crate) fn again(&self) -> Self {
        let (problem, verbatim, refusal) = (self.problem.clone(), self.verbatim.clone(), self.refusal.clone());
        let headers = self.headers.clone();
        let Self { origin, retry, failure, answered, maybe_billed, waited, .. } = *self;
        Self { problem, origin, retry, failure, answered, maybe_billed, verbatim, refusal, waited, headers, source: None }
    }

    /// The same, and how long was waited for it.
    #[must_use]
    pub fn after(self, waited: Duration) -> Self {
        Self { waited: Some(waited), ..self }
    }

    /// The same as that kind of failure.
    #[must_use]
    pub fn of(self, failure: Failure) -> Self {
        Self { failure, ..self }
    }

    /// No deployment goes by that name.
    pub fn model_not_found(name: &str) -> Self {
        let message = format!("the model `{name}` does not exist or is not accessible; `GET /v1/models` lists the models there are");
        Problem::new(Kind::NotFound, message).with_param("model").with_code("model_not_found").into()
    }

    /// The request names no model.
    pub fn model_missing() -> Self {
        Problem::new(Kind::BadRequest, "the request names no `model`").with_param("model").into()
    }

    /// No target of the plan serves that operation.
    pub fn not_served(model: &str, operation: &str) -> Self {
        let message = format!("the model `{model}` does not serve `{operation}`");
        Problem::new(Kind::BadRequest, message).with_param("model").with_code("operation_not_supported").into()
    }

    /// A caller wants a failure made up, and may not, in LiteLLM's words.
    pub fn mock_refused(field: &str) -> Self {
        let message = format!(
            "Mock testing request params are disabled on this proxy: {field}. An admin can enable them by setting \
             `general_settings.dangerously_allow_mock_testing_request_params: true` in config.yaml. This setting cannot be changed from \
             the Admin UI or the API."
        );
        Problem::new(Kind::BadRequest, message).with_param(field).into()
    }

    /// The credential for a provider cannot be made, or was the caller's to bring, whom another target may not need it of.
    pub fn credential(provider: &str, error: SignError) -> Self {
        if let SignError::NotBrought(how) = error {
            let problem = Problem::new(Kind::Unauthenticated, format!("{provider} is called with a key of your own here: {how}"));
            let problem = problem.with_code("provider_key_missing");
            return Self::new(problem, Origin::Gateway, Retry::Next).of(Failure::Unsupported);
        }
        let problem = Problem::new(Kind::Overloaded, format!("the gateway has no usable credential for {provider}: {error}"))
            .with_code("upstream_auth");
        Self { source: Some(Box::new(error)), ..Self::new(problem, Origin::Gateway, Retry::Next) }.of(Failure::Credential)
    }

    /// A provider pointed elsewhere. Nobody goes there: a credential is for its own origin alone.
    pub fn redirect(status: StatusCode) -> Self {
        let number = status.as_u16();
        let message = match status.is_redirection() {
            true => format!("the provider answered with the redirect {number}, which is not followed"),
            false => format!("the provider answered with the status {number}, which has no meaning"),
        };
        let problem = Problem::new(Kind::Upstream, message).with_code("upstream_redirect");
        let answered = Some(status.as_u16());
        Self { answered, ..Self::new(problem, Origin::Provider, Retry::Next) }.of(Failure::Redirect)
    }

    /// A stream did not begin to say anything in time.
    pub fn late() -> Self {
        let problem = Problem::new(Kind::Timeout, "the provider's stream brought no content in time").with_code("upstream_timeout");
        Self { maybe_billed: true, ..Self::new(problem, Origin::Provider, Retry::Next) }.of(Failure::Timeout)
    }

    /// A success without any content.
    pub fn empty() -> Self {
        let problem = Problem::new(Kind::Upstream, "the provider's answer was empty").with_code("upstream_empty");
        Self { maybe_billed: true, ..Self::new(problem, Origin::Provider, Retry::Next) }.of(Failure::Empty)
    }

    /// An answer which the provider says it failed to make, or has not made yet: `said` is its word for it.
    pub fn unmade(said: Option<&str>) -> Self {
        let mut error = Self::empty();
        if let Some(said) = said {
            error.problem.message = format!("the provider ended the answer with `{said}`");
        }
        error
    }

    /// The provider's filter cut the answer, which is billed all the same.
    pub fn filtered() -> Self {
        let problem = Problem::new(Kind::Filtered, "the provider's content filter cut the answer").with_code("content_filter");
        Self { maybe_billed: true, ..Self::new(problem, Origin::Provider, Retry::Next) }.of(Failure::ContentPolicy)
    }

    /// A stream kept saying that it lives, and said nothing.
    pub fn stalled() -> Self {
        let problem = Problem::new(Kind::Timeout, "the provider's stream brought nothing for too long").with_code("upstream_stall");
        Self { maybe_billed: true, ..Self::new(problem, Origin::Provider, Retry::Next) }.of(Failure::Timeout)
    }

    /// The gateway stops before the answer is complete.
    pub fn stopping() -> Self {
        let problem = Problem::new(Kind::Overloaded, "the gateway stopped before the answer was complete").with_code("gateway_stopping");
        let problem = Problem { retry_after: Some(Duration::from_secs(1)), ..problem };
        Self { maybe_billed: true, ..Self::new(problem, Origin::Gateway, Retry::Never) }
    }

    /// What a log may say. What callers and providers write may hold a prompt, so that only codes are taken from it.
    pub fn for_log(&self) -> String {
        if self.origin == Origin::Gateway || self.source.is_some() {
            return self.problem.message.clone();
        }
        let code = self.problem.code.as_deref().filter(|code| {
            code.len() <= LONGEST_CODE && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        });
        code.unwrap_or(self.problem.kind.as_str()).to_owned()
    }

    /// What the log of requests says beside that, for those who may read it: what the provider said, and by which id it knows the
    /// request.
    pub(crate) fn told(&self) -> Option<Box<Told>> {
        let by_provider = self.origin == Origin::Provider && self.source.is_none();
        by_provider.then(|| {
            Box::new(Told {
                message: Some(shortened(&self.problem.message)).filter(|message| !message.is_empty()),
                status: self.answered,
                request_id: self.headers.as_deref().and_then(request_id),
            })
        })
    }

    /// A request has been here before: what becomes of it here, and at every gateway that it has been through.
    pub(crate) fn circles() -> Self {
        let message = "the request goes in circles: a deployment of this model leads back to a gateway that the request has been through";
        let problem = Problem { status: Some(StatusCode::LOOP_DETECTED), ..Problem::new(Kind::Upstream, message).with_code(CIRCLES) };
        Self::new(problem, Origin::Gateway, Retry::Never)
    }

    /// Something in the gateway is not as it should be.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Problem::new(Kind::Internal, message), Origin::Gateway, Retry::Never)
    }

    /// There is no descriptor for a connection to a provider: no fault of its, and no use in asking another one.
    fn exhausted(error: DialError) -> Self {
        let problem = Problem::new(Kind::Overloaded, "the gateway has no socket left to ask a provider with; ask again soon");
        let problem = Problem { retry_after: Some(Duration::from_secs(1)), ..problem.with_code("gateway_exhausted") };
        Self { source: Some(Box::new(error)), ..Self::new(problem, Origin::Gateway, Retry::Never) }
    }

    /// A provider could not be reached, or broke off.
    pub fn dial(error: DialError) -> Self {
        if error.fault() == DialFault::Exhausted {
            return Self::exhausted(error);
        }
        let (kind, code, failure) = match (error.phase(), error.fault()) {
            (Phase::Body, DialFault::Timeout) => (Kind::Timeout, "upstream_stall", Failure::Timeout),
            (_, DialFault::Timeout) => (Kind::Timeout, "upstream_timeout", Failure::Timeout),
            (_, DialFault::Tls) => (Kind::Upstream, "upstream_tls", Failure::Tls),
            (_, DialFault::Crowded) => (Kind::RateLimited, "upstream_crowded", Failure::RateLimited),
            (_, DialFault::TooLarge) => (Kind::Upstream, "response_too_large", Failure::TooLarge),
            (_, DialFault::Policy | DialFault::Exhausted) => (Kind::Internal, "upstream_policy", Failure::Own),
            (Phase::Resolve | Phase::Connect, _) => (Kind::Upstream, "upstream_unreachable", Failure::Unreachable),
            (Phase::Body, DialFault::Closed | DialFault::Protocol) => (Kind::Upstream, "upstream_truncated", Failure::Truncated),
            (_, DialFault::Protocol | DialFault::Encoding) => (Kind::Upstream, "upstream_protocol", Failure::Protocol),
            (_, DialFault::NoAddress | DialFault::Closed) => (Kind::Upstream, "upstream_closed", Failure::Truncated),
        };
        let retry = if error.fault() == DialFault::Policy { Retry::Never } else { Retry::Next };
        let problem = Problem::new(kind, error.to_string()).with_code(code);
        let maybe_billed = error.maybe_billed();
        Self { maybe_billed, source: Some(Box::new(error)), ..Self::new(problem, Origin::Provider, retry) }.of(failure)
    }

    /// The same of a place that the caller named: where that may not be reached, another one is the caller's to name.
    pub fn dial_elsewhere(error: DialError) -> Self {
        if !matches!((error.phase(), error.fault()), (Phase::Resolve | Phase::Connect, DialFault::Policy)) {
            return Self::dial(error);
        }
        let problem = Problem::new(Kind::BadRequest, "`api_base` must be a public address, as `https://host/…`").with_param("api_base");
        Self { source: Some(Box::new(error)), ..Self::new(problem, Origin::Caller, Retry::Never) }.of(Failure::Own)
    }

    /// A provider answered with an error. `guessed` says that the model's name is the caller's own and not an operator's.
    pub fn provider(fault: Fault, provider: &str, guessed: bool) -> Self {
        if fault.status == Some(StatusCode::LOOP_DETECTED) || fault.code.as_deref() == Some(CIRCLES) {
            return Self::circles();
        }
        let conflict = fault.status.is_some_and(|status| matches!(status.as_u16(), 409 | 425));
        let (kind, retry, own) = match fault.kind {
            // A state that passes.
            Kind::BadRequest if conflict => (fault.kind, Retry::Same { after: None }, None),
            Kind::BadRequest | Kind::TooLarge | Kind::Unsupported | Kind::Filtered => (fault.kind, Retry::Never, None),
            Kind::NotFound if guessed => (Kind::NotFound, Retry::Never, None),
            Kind::NotFound => (Kind::Upstream, Retry::Next, Some("upstream_model_not_found")),
            Kind::RateLimited => (Kind::RateLimited, Retry::Next, None),
            Kind::Overloaded => (Kind::Overloaded, Retry::Next, None),
            // That someone behind the provider was late is the provider's failure; we have waited for nothing.
            Kind::Timeout if fault.status.is_some_and(|status| status.is_server_error()) => {
                (Kind::Upstream, Retry::Same { after: None }, None)
            }
            Kind::Timeout => (Kind::Timeout, Retry::Same { after: None }, None),
            Kind::BudgetSpent => (Kind::Overloaded, Retry::Next, Some("upstream_quota")),
            Kind::Unauthenticated | Kind::Forbidden => (Kind::Overloaded, Retry::Next, Some("upstream_auth")),
            Kind::Upstream | Kind::Internal => (Kind::Upstream, Retry::Same { after: None }, None),
        };
        let (failure, answered) = (class(&fault, guessed), fault.status.map(|status| status.as_u16()));
        let same_status = own.is_none() && fault.status.is_some_and(|status| status.is_client_error());
        let verbatim = (same_status && !fault.raw.is_empty()).then(|| fault.raw.clone());
        let hide = matches!(own, Some("upstream_auth" | "upstream_quota"));
        let status = match hide {
            true => Some(StatusCode::SERVICE_UNAVAILABLE),
            false => fault.status.filter(|_| same_status),
        };
        let message = match own {
            // A provider's word on our credential is for the operator, not for the caller.
            Some("upstream_auth") => format!("{provider} refused the gateway's credential"),
            Some("upstream_quota") => format!("the gateway's quota at {provider} is used up"),
            _ => fault.message.clone(),
        };
        let mut problem: Problem = fault.into();
        if hide {
            problem.raw = None;
        }
        let problem = Problem {
            kind,
            message,
            status,
            code: own.map(str::to_owned).or(problem.code),
            provider: Some(provider.to_owned()),
            ..problem
        };
        Self { verbatim, answered, ..Self::new(problem, Origin::Provider, retry) }.of(failure)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        // Another deployment may be cheaper, or have another provider's budget; more requests a minute it cannot have.
        let retry = if refusal.is_of_target() || matches!(refusal.why, Why::Budget { .. }) { Retry::Next } else { Retry::Never };
        let origin = if matches!(refusal.why, Why::Unavailable | Why::Unshared) { Origin::Gateway } else { Origin::Caller };
        let mut problem = Problem { limit_source: refusal.limit_source(), ..refusal.problem() };
        // Budgets that only OpenRouter's API knows are refused as it does.
        if matches!(refusal.scope.level, Level::Workspace | Level::Guardrail) && matches!(refusal.why, Why::Budget { .. }) {
            problem.status = Some(StatusCode::FORBIDDEN);
        }
        Error { refusal: Some(Box::new(refusal)), ..Error::new(problem, origin, retry) }
    }
}

/// The id that a provider told in the headers of a failure.
pub(crate) fn request_id(told: &HeaderMap) -> Option<String> {
    let id = REQUEST_IDS.iter().find_map(|name| told.get(*name))?;
    id.to_str().ok().map(str::to_owned)
}

/// A text of a provider's, no longer than is kept.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}... (truncated at {LONGEST_TEXT} chars)", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a provider's fault is for those who choose where to go.
fn class(fault: &Fault, guessed: bool) -> Failure {
    let code = fault.code.as_deref().unwrap_or_default();
    let status = fault.status.map_or(0, |status| status.as_u16());
    match fault.kind {
        Kind::Filtered => Failure::ContentPolicy,
        Kind::BadRequest if matches!(status, 409 | 425) => Failure::Transient,
        Kind::BadRequest | Kind::TooLarge | Kind::Unsupported if is_too_long(code, &fault.message) => Failure::ContextWindow,
        Kind::BadRequest | Kind::TooLarge | Kind::Unsupported => Failure::Request,
        Kind::NotFound if guessed => Failure::Request,
        Kind::NotFound => Failure::ModelNotFound,
        Kind::RateLimited => Failure::RateLimited,
        Kind::Overloaded => Failure::Overloaded,
        Kind::Timeout if status == 408 => Failure::Transient,
        // So much as this request may cost is not left; for a smaller one there may be enough.
        Kind::BudgetSpent if fault.message.contains("fewer max_tokens") => Failure::Transient,
        Kind::BudgetSpent => Failure::Quota,
        Kind::Unauthenticated => Failure::Credential,
        Kind::Forbidden => Failure::Denied,
        Kind::Upstream if code == "upstream_truncated" => Failure::Truncated,
        Kind::Upstream if code == "upstream_protocol" => Failure::Protocol,
        Kind::Timeout | Kind::Upstream | Kind::Internal => Failure::Server,
    }
}

fn is_too_long(code: &str, message: &str) -> bool {
    overflow::is_code(code) || code == "string_above_max_length" || overflow::is_said(message)
}
