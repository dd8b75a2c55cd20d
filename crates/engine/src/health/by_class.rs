//! Numbers by the class of a failure.

use super::Failure;

/// A number for each class of failure, as LiteLLM's policies tell them apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ByClass {
    /// For requests that were refused.
    pub bad_request: Option<u32>,
    /// For refused credentials.
    pub authentication: Option<u32>,
    /// For timeouts.
    pub timeout: Option<u32>,
    /// For rate limits.
    pub rate_limit: Option<u32>,
    /// For content filters.
    pub content_policy: Option<u32>,
    /// For failures of the provider.
    pub internal: Option<u32>,
    /// For a provider that is too busy; where nothing is said of that, it is a failure like others.
    pub unavailable: Option<u32>,
    /// For models that are not there.
    pub not_found: Option<u32>,
    /// For all that another attempt may help and that has no number of its own.
    pub default: Option<u32>,
}

impl ByClass {
    /// The number for that failure.
    pub fn get(&self, failure: Failure) -> Option<u32> {
        self.named(failure).or_else(|| self.default.filter(|_| failure.is_repeated()))
    }

    fn named(&self, failure: Failure) -> Option<u32> {
        match failure {
            Failure::RateLimited => self.rate_limit,
            Failure::Quota | Failure::Credential | Failure::Denied => self.authentication,
            Failure::Timeout | Failure::Hurried => self.timeout,
            Failure::ContentPolicy => self.content_policy,
            Failure::Request | Failure::ContextWindow | Failure::Unsupported => self.bad_request,
            Failure::Overloaded => self.unavailable.or(self.internal),
            Failure::ModelNotFound => self.not_found,
            Failure::Server
            | Failure::Unreachable
            | Failure::Tls
            | Failure::Truncated
            | Failure::Protocol
            | Failure::TooLarge
            | Failure::Empty
            | Failure::Redirect => self.internal,
            Failure::Transient | Failure::Own => None,
        }
    }

    /// Sets the number of the class with that stem (`RateLimitError`). `false`: there is no such class.
    pub fn set(&mut self, stem: &str, number: u32) -> bool {
        let place = match stem {
            "BadRequestError" => &mut self.bad_request,
            "AuthenticationError" => &mut self.authentication,
            "TimeoutError" => &mut self.timeout,
            "RateLimitError" => &mut self.rate_limit,
            "ContentPolicyViolationError" => &mut self.content_policy,
            "InternalServerError" => &mut self.internal,
            "ServiceUnavailableError" => &mut self.unavailable,
            "NotFoundError" => &mut self.not_found,
            "Default" => &mut self.default,
            _ => return false,
        };
        *place = Some(number);
        true
    }
}
