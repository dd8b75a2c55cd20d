//! What can go wrong, in words every dialect can render.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

/// What kind of thing went wrong. Each dialect has a row for each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request makes no sense.
    BadRequest,
    /// No key, or a wrong one.
    Unauthenticated,
    /// The key may not do this.
    Forbidden,
    /// No such model, or no such thing.
    NotFound,
    /// The body is larger than allowed.
    TooLarge,
    /// The target cannot express what was asked for.
    Unsupported,
    /// Too many requests or tokens.
    RateLimited,
    /// The budget or the credits are used up.
    BudgetSpent,
    /// A content filter said no.
    Filtered,
    /// The provider has no capacity.
    Overloaded,
    /// It took too long.
    Timeout,
    /// The provider failed, or spoke nonsense.
    Upstream,
    /// The gateway failed.
    Internal,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 13] = [
        Kind::BadRequest,
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::NotFound,
        Kind::TooLarge,
        Kind::Unsupported,
        Kind::RateLimited,
        Kind::BudgetSpent,
        Kind::Filtered,
        Kind::Overloaded,
        Kind::Timeout,
        Kind::Upstream,
        Kind::Internal,
    ];

    /// The name used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::BadRequest => "bad_request",
            Kind::Unauthenticated => "unauthenticated",
            Kind::Forbidden => "forbidden",
            Kind::NotFound => "not_found",
            Kind::TooLarge => "too_large",
            Kind::Unsupported => "unsupported",
            Kind::RateLimited => "rate_limited",
            Kind::BudgetSpent => "budget_spent",
            Kind::Filtered => "filtered",
            Kind::Overloaded => "overloaded",
            Kind::Timeout => "timeout",
            Kind::Upstream => "upstream",
            Kind::Internal => "internal",
        }
    }

    /// The status a client sees, unless its dialect has a better one.
    pub fn status(self) -> StatusCode {
        match self {
            Kind::BadRequest | Kind::Unsupported | Kind::Filtered => StatusCode::BAD_REQUEST,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Kind::BudgetSpent => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Kind::Upstream => StatusCode::BAD_GATEWAY,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The kind a provider's status stands for.
    pub fn of_status(status: StatusCode) -> Kind {
        match status.as_u16() {
            401 => Kind::Unauthenticated,
            402 => Kind::BudgetSpent,
            403 => Kind::Forbidden,
            404 | 410 => Kind::NotFound,
            408 | 504 | 524 => Kind::Timeout,
            413 => Kind::TooLarge,
            429 => Kind::RateLimited,
            503 | 529 => Kind::Overloaded,
            400..=499 => Kind::BadRequest,
            _ => Kind::Upstream,
        }
    }
}

/// Something went wrong, as the caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing.
    pub kind: Kind,
    /// What to tell the caller; holds no secret.
    pub message: String,
    /// The field at fault.
    pub param: Option<String>,
    /// A machine-readable code: the provider's own where there is one.
    pub code: Option<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The status, where it differs from the kind's.
    pub status: Option<StatusCode>,
    /// The provider that said so, if one did.
    pub provider: Option<String>,
    /// What the provider really said (scrubbed), if one did.
    pub raw: Option<String>,
    /// Why there was nowhere to go, where that is what went wrong.
    pub availability: Option<Box<Availability>>,
    /// Whose budget it is, in the words of OpenRouter's clients, where one is spent.
    pub limit_source: Option<&'static str>,
    /// How an answer would have come about, as JSON, for OpenRouter's clients that ask for it.
    pub account: Option<Box<str>>,
}

/// Why no endpoint could serve a request, for machines: OpenRouter's `error.availability`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Availability {
    /// What it comes down to, such as `constraint_filtered`.
    pub code: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Seconds until it is worth trying.
    pub retry_after: Option<u64>,
    /// The models asked for.
    pub requested_models: Vec<String>,
    /// The providers that would have served them.
    pub affected_providers: Vec<String>,
    /// What excluded them.
    pub excluded_by: Vec<&'static str>,
    /// Models that may be asked for instead.
    pub fallback_models: Vec<String>,
    /// The one demand that excluded all of them, where it is one.
    pub constraint: Option<Constraint>,
    /// Where it is explained.
    pub docs_url: &'static str,
}

/// A demand of a request that nothing meets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Constraint {
    /// The field, in OpenRouter's words.
    pub field: &'static str,
    /// What is known about it.
    pub detail: String,
}

impl Problem {
    /// A problem of that kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind,
            message,
            param: None,
            code: None,
            retry_after: None,
            status: None,
            provider: None,
            raw: None,
            availability: None,
            limit_source: None,
            account: None,
        }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Gives the machine-readable code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The status a client sees.
    pub fn status(&self) -> StatusCode {
        self.status.unwrap_or_else(|| self.kind.status())
    }
}

/// What a provider really said when it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of failure.
    pub kind: Kind,
    /// The HTTP status; none inside a stream.
    pub status: Option<StatusCode>,
    /// The provider's message, as sent.
    pub message: String,
    /// The provider's code or type, as sent.
    pub code: Option<String>,
    /// The field the provider names.
    pub param: Option<String>,
    /// The provider's body or event, as sent.
    pub raw: Bytes,
}

/// The most that is told of an error in words alone.
const MAX_WORDS: usize = 1000;

/// What a provider says that answers with an error in no form of its own: its words, unless they are a page that something in front
/// of it made.
pub(crate) fn in_words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    match text.is_empty() || text.starts_with('<') {
        true => "the provider reported an error without a message".to_owned(),
        false => text.chars().take(MAX_WORDS).collect(),
    }
}

impl Fault {
    /// A failure the gateway saw itself (a cut stream, say), not one the provider reported.
    pub fn seen(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status: None, message: message.into(), code: Some(code.to_owned()), param: None, raw: Bytes::new() }
    }

    /// What a client is to be told, as an event of its stream.
    pub fn of_problem(problem: &Problem) -> Self {
        let raw = problem.raw.clone().map(Bytes::from).unwrap_or_default();
        let (code, param) = (problem.code.clone(), problem.param.clone());
        Self { kind: problem.kind, status: problem.status, message: problem.message.clone(), code, param, raw }
    }

    /// The stream ended without saying that it was complete.
    pub fn truncated() -> Self {
        Self::seen(Kind::Upstream, "upstream_truncated", "the provider's stream ended before the answer was complete")
    }

    /// The stream broke its own protocol.
    pub fn protocol(why: &str) -> Self {
        Self::seen(Kind::Upstream, "upstream_protocol", format!("the provider sent something unreadable: {why}"))
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let raw = (!fault.raw.is_empty()).then(|| String::from_utf8_lossy(&fault.raw).into_owned());
        Problem { param: fault.param, code: fault.code, raw, ..Problem::new(fault.kind, fault.message) }
    }
}

/// Bytes that do not mean what they should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{why}", at.as_ref().map(|at| format!("`{at}`: ")).unwrap_or_default())]
pub struct Malformed {
    /// The field at fault, as a dotted path.
    pub at: Option<String>,
    /// What is wrong.
    pub why: String,
}

impl Malformed {
    /// Something wrong with the whole.
    pub fn new(why: &str) -> Self {
        Self { at: None, why: why.to_owned() }
    }

    /// Something wrong with that field.
    pub fn field(at: &str, why: &str) -> Self {
        Self { at: Some(at.to_owned()), why: why.to_owned() }
    }

    /// The same, seen from the object around it.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        self.at = Some(match self.at {
            Some(inner) => format!("{outer}.{inner}"),
            None => outer.to_owned(),
        });
        self
    }
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        let param = malformed.at.clone();
        Problem { param, ..Problem::new(Kind::BadRequest, malformed.to_string()) }
    }
}

/// Content that the target cannot express.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why} (`{field}` cannot be sent to a provider that speaks `{target}`)")]
pub struct Unsupported {
    /// The field, in the caller's words.
    pub field: String,
    /// The target's dialect.
    pub target: &'static str,
    /// What is not possible.
    pub why: String,
}

impl Unsupported {
    /// The target cannot express that field.
    pub fn new(field: impl Into<String>, target: crate::dialect::Dialect, why: impl Into<String>) -> Self {
        Self { field: field.into(), target: target.as_str(), why: why.into() }
    }
}

impl From<Unsupported> for Problem {
    fn from(unsupported: Unsupported) -> Self {
        let message = unsupported.to_string();
        Problem::new(Kind::Unsupported, message).with_param(unsupported.field).with_code("unsupported_content")
    }
}
