//! What a call ends in when it does not end in an answer.

use std::time::Duration;

use bytes::Bytes;
use switchboard_wire::problem::{Fault, Kind, Problem};

use crate::upstream::{DialError, DialFault, Phase};

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

/// A failure, with the three answers a gateway needs: what to tell the caller, whose fault it is, what may still help.
#[derive(Debug)]
pub struct Error {
    /// What the caller is told. Holds no secret.
    pub problem: Box<Problem>,
    /// Whose fault it is.
    pub origin: Origin,
    /// What may still help.
    pub retry: Retry,
    /// The provider's own error body, where a caller of the same dialect may have it as it came.
    pub verbatim: Option<Bytes>,
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
        Self { problem: Box::new(problem), origin, retry, verbatim: None, source: None }
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

    /// The gateway's own credential for a provider cannot be made.
    pub fn credential(provider: &str, error: crate::sign::SignError) -> Self {
        let problem = Problem::new(Kind::Overloaded, format!("the gateway has no usable credential for {provider}: {error}"))
            .with_code("upstream_auth");
        Self { source: Some(Box::new(error)), ..Self::new(problem, Origin::Gateway, Retry::Next) }
    }

    /// Something in the gateway is not as it should be.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Problem::new(Kind::Internal, message), Origin::Gateway, Retry::Never)
    }

    /// A provider could not be reached, or broke off.
    pub fn dial(error: DialError) -> Self {
        let (kind, code, retry) = match (error.phase(), error.fault()) {
            (_, DialFault::Timeout) => (Kind::Timeout, "upstream_timeout", Retry::Next),
            (_, DialFault::Tls) => (Kind::Upstream, "upstream_tls", Retry::Next),
            (_, DialFault::TooLarge) => (Kind::Upstream, "response_too_large", Retry::Next),
            (_, DialFault::Policy) => (Kind::Internal, "upstream_policy", Retry::Never),
            (Phase::Resolve | Phase::Connect, _) => (Kind::Upstream, "upstream_unreachable", Retry::Next),
            (Phase::Body, DialFault::Closed | DialFault::Protocol) => (Kind::Upstream, "upstream_truncated", Retry::Next),
            (_, DialFault::Protocol | DialFault::Encoding) => (Kind::Upstream, "upstream_protocol", Retry::Next),
            (_, DialFault::NoAddress | DialFault::Closed) => (Kind::Upstream, "upstream_closed", Retry::Next),
        };
        let problem = Problem::new(kind, error.to_string()).with_code(code);
        Self { source: Some(Box::new(error)), ..Self::new(problem, Origin::Provider, retry) }
    }

    /// A provider answered with an error. `guessed` says that the model's name is the caller's own and not an operator's.
    pub fn provider(fault: Fault, provider: &str, guessed: bool) -> Self {
        let (kind, retry, own) = match fault.kind {
            Kind::BadRequest | Kind::TooLarge | Kind::Unsupported | Kind::Filtered => (fault.kind, Retry::Never, None),
            Kind::NotFound if guessed => (Kind::NotFound, Retry::Never, None),
            Kind::NotFound => (Kind::Upstream, Retry::Next, Some("upstream_model_not_found")),
            Kind::RateLimited => (Kind::RateLimited, Retry::Next, None),
            Kind::Overloaded => (Kind::Overloaded, Retry::Next, None),
            Kind::Timeout => (Kind::Timeout, Retry::Same { after: None }, None),
            Kind::BudgetSpent => (Kind::Overloaded, Retry::Next, Some("upstream_quota")),
            Kind::Unauthenticated | Kind::Forbidden => (Kind::Overloaded, Retry::Next, Some("upstream_auth")),
            Kind::Upstream | Kind::Internal => (Kind::Upstream, Retry::Same { after: None }, None),
        };
        let same_status = own.is_none() && fault.status.is_some_and(|status| status.is_client_error());
        let verbatim = (same_status && !fault.raw.is_empty()).then(|| fault.raw.clone());
        let status = if same_status { fault.status } else { None };
        let message = match own {
            // A provider's word on our credential is for the operator, not for the caller.
            Some("upstream_auth") => format!("{provider} refused the gateway's credential"),
            Some("upstream_quota") => format!("the gateway's quota at {provider} is used up"),
            _ => fault.message.clone(),
        };
        let hide = matches!(own, Some("upstream_auth" | "upstream_quota"));
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
        Self { verbatim, ..Self::new(problem, Origin::Provider, retry) }
    }
}
