//! What went wrong with an attempt, in the terms that resting, retrying and falling back need.

/// The kinds of failure of one attempt at one deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Too many requests or tokens for the credential (429).
    RateLimited,
    /// The credential's money is gone.
    Quota,
    /// The credential was refused.
    Credential,
    /// The provider says that it has too much to do (503, 529).
    Overloaded,
    /// The provider failed (other 5xx).
    Server,
    /// A passing state (408, 409, 425).
    Transient,
    /// No connection: refused, no address.
    Unreachable,
    /// TLS could not be agreed on.
    Tls,
    /// No answer, no first content or no next piece in time.
    Timeout,
    /// The answer was cut.
    Truncated,
    /// The answer broke the rules of its format.
    Protocol,
    /// The answer was larger than allowed.
    TooLarge,
    /// A success without any content.
    Empty,
    /// A redirect.
    Redirect,
    /// The provider does not know the model.
    ModelNotFound,
    /// The request was refused for what it is (400, 413, 422, 404 of the caller's own name).
    Request,
    /// The input is longer than the model takes.
    ContextWindow,
    /// A content filter refused.
    ContentPolicy,
    /// The request cannot be said to this deployment; nothing was sent.
    Unsupported,
    /// The caller's or the gateway's own limits or faults.
    Own,
    /// What was asked for is not allowed to the credential (403): a model, a place, a kind of content.
    Denied,
    /// No answer in the time that the caller gave, which is less than the operator does.
    Hurried,
}

impl Failure {
    /// Whether LiteLLM's `num_retries` repeats such a failure.
    pub fn is_repeated(self) -> bool {
        match self {
            Failure::RateLimited
            | Failure::Overloaded
            | Failure::Server
            | Failure::Transient
            | Failure::Unreachable
            | Failure::Timeout
            | Failure::Hurried
            | Failure::Truncated
            | Failure::Protocol
            | Failure::Empty
            // Where there are others.
            | Failure::Credential
            | Failure::Denied
            | Failure::Quota
            | Failure::Tls
            | Failure::Redirect
            | Failure::TooLarge
            | Failure::Unsupported
            | Failure::ModelNotFound => true,
            Failure::Request | Failure::ContextWindow | Failure::ContentPolicy | Failure::Own => false,
        }
    }

    /// Every kind.
    pub const ALL: [Failure; 22] = [
        Failure::RateLimited,
        Failure::Quota,
        Failure::Credential,
        Failure::Overloaded,
        Failure::Server,
        Failure::Transient,
        Failure::Unreachable,
        Failure::Tls,
        Failure::Timeout,
        Failure::Truncated,
        Failure::Protocol,
        Failure::TooLarge,
        Failure::Empty,
        Failure::Redirect,
        Failure::ModelNotFound,
        Failure::Request,
        Failure::ContextWindow,
        Failure::ContentPolicy,
        Failure::Unsupported,
        Failure::Own,
        Failure::Denied,
        Failure::Hurried,
    ];

    /// Whether it tells against the deployment. What a caller can bring about alone never does, or one tenant could eject a model
    /// for all; a rate limit has a rest of its own, and so have refused credentials.
    pub fn counts(self) -> bool {
        match self {
            Failure::Overloaded
            | Failure::Server
            | Failure::Unreachable
            | Failure::Tls
            | Failure::Timeout
            | Failure::Truncated
            | Failure::Protocol
            | Failure::Redirect => true,
            Failure::RateLimited
            | Failure::Quota
            | Failure::Credential
            | Failure::Transient
            | Failure::TooLarge
            | Failure::Empty
            | Failure::ModelNotFound
            | Failure::Request
            | Failure::ContextWindow
            | Failure::ContentPolicy
            | Failure::Unsupported
            | Failure::Own
            | Failure::Denied
            | Failure::Hurried => false,
        }
    }

    /// Whether an endpoint that answers so is down for its callers, as uptime is told.
    pub fn is_outage(self) -> bool {
        self.counts() || matches!(self, Failure::Quota | Failure::Credential | Failure::Denied | Failure::ModelNotFound | Failure::Empty)
    }

    /// Whether it says nothing about the deployment: the caller, or the gateway itself, brought it about.
    pub fn is_callers(self) -> bool {
        match self {
            Failure::Request | Failure::ContextWindow | Failure::ContentPolicy | Failure::Unsupported => true,
            other => matches!(other, Failure::Own | Failure::Hurried),
        }
    }

    /// Its name in records, metrics and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Failure::RateLimited => "rate_limited",
            Failure::Quota => "quota",
            Failure::Credential => "credential",
            Failure::Overloaded => "overloaded",
            Failure::Server => "server_error",
            Failure::Transient => "transient",
            Failure::Unreachable => "unreachable",
            Failure::Tls => "tls",
            Failure::Timeout => "timeout",
            Failure::Truncated => "truncated",
            Failure::Protocol => "protocol",
            Failure::TooLarge => "too_large",
            Failure::Empty => "empty",
            Failure::Redirect => "redirect",
            Failure::ModelNotFound => "model_not_found",
            Failure::Request => "request",
            Failure::ContextWindow => "context_window",
            Failure::ContentPolicy => "content_policy",
            Failure::Unsupported => "unsupported",
            Failure::Own => "gateway",
            Failure::Denied => "denied",
            Failure::Hurried => "callers_timeout",
        }
    }

    /// Its place in [`Self::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}
