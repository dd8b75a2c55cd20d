//! Why a deployment may not serve a call.

use crate::health::Why;

/// A reason to leave a deployment out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has failed too often of late, is resting, or its credential is used up.
    Health(Why),
    /// It does not serve what is asked for.
    Operation,
    /// It lacks what it is called with.
    Lacking,
    /// The operator has shut it.
    Blocked,
    /// The caller names others (`provider.only`).
    AllowedProviders,
    /// The caller does not want it (`provider.ignore`).
    IgnoredProviders,
    /// It is no first choice, and the caller wants no other (`provider.allow_fallbacks: false`).
    FallbacksDisabled,
    /// It may train on what it is sent.
    Training,
    /// It may keep what it is sent.
    Retention,
    /// It is not in a region that is allowed.
    Region,
    /// It costs more than the caller would pay.
    MaxPrice,
    /// Its weights are of another precision than the caller wants.
    Quantization,
    /// The request is too long for it.
    ContextLength,
    /// It does not take a parameter that the caller insists on.
    Parameters,
    /// It cannot search the web, and the caller wants it searched.
    Search,
    /// It does not read a kind of content that the request holds.
    Modality,
    /// Its licence does not allow distillation.
    Distillation,
    /// Its tags are not those of the request.
    Tags,
    /// Its requests or tokens of this minute are used up.
    RateLimit,
    /// The money set aside for its provider is spent.
    Budget,
    /// It may not see content of a class that the request holds.
    ContentClass,
    /// It is for another tier of service than the request.
    ServiceTier,
    /// It is not free, and the caller asked for the free variant.
    NotFree,
    /// The caller may not use it.
    Access,
    /// It may not serve now.
    AccessWindow,
}

impl Reason {
    /// The name in documents. Where OpenRouter has a name for it, it is that.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Health(why) => why.as_str(),
            Reason::Operation => "operation",
            Reason::Lacking => "lacking",
            Reason::Blocked => "blocked",
            Reason::AllowedProviders => "allowed_providers",
            Reason::IgnoredProviders => "ignored_providers",
            Reason::FallbacksDisabled => "fallbacks_disabled",
            Reason::Training => "data_policy:training",
            Reason::Retention => "data_policy:zdr",
            Reason::Region => "data_region",
            Reason::MaxPrice => "max_price",
            Reason::Quantization => "quantization",
            Reason::ContextLength => "context_length",
            Reason::Parameters => "require_parameters",
            Reason::Search => "web_search",
            Reason::Modality => "modality",
            Reason::Distillation => "distillable_text",
            Reason::Tags => "tags",
            Reason::RateLimit => "rate_limit",
            Reason::Budget => "provider_budget",
            Reason::ContentClass => "content_class",
            Reason::ServiceTier => "service_tier",
            Reason::NotFree => "not_free",
            Reason::Access => "access",
            Reason::AccessWindow => "access_window",
        }
    }

    /// Whether time alone takes it away.
    pub fn passes(self) -> bool {
        matches!(self, Reason::Health(_) | Reason::RateLimit | Reason::Budget)
    }
}
