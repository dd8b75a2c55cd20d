//! What labels there are, and what they say of a row.

use std::borrow::Cow;

use http::HeaderName;
use switchboard_engine::deployment::Deployment;
use switchboard_engine::health::Failure;
use switchboard_engine::meter::Outcome;
use switchboard_engine::pattern::matches;
use switchboard_engine::principal::{MASTER, Principal};
use switchboard_engine::wire::problem::Kind;
use switchboard_engine::wire::{Dialect, Operation};

use super::row::{AttemptRow, CallRow};

/// What stands for the master key, as LiteLLM's dashboards know it: nobody who reads metrics gets something to try guesses against.
pub(crate) const MASTER_KEY: &str = "litellm_proxy_master_key";

/// Declares the labels, one row for each.
macro_rules! labels {
    ($($label:ident $name:literal,)*) => {
        /// LiteLLM's labels, in the order of their names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the name says it")]
        pub enum Label {
            $($label,)*
        }

        impl Label {
            /// Every label.
            pub const ALL: &'static [Label] = &[$(Label::$label,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Label::$label => $name,)*
                }
            }
        }
    };
}

labels! {
    ApiBase "api_base",
    ApiKeyAlias "api_key_alias",
    ApiProvider "api_provider",
    EndUser "end_user",
    ExceptionClass "exception_class",
    ExceptionStatus "exception_status",
    FallbackModel "fallback_model",
    HashedApiKey "hashed_api_key",
    LitellmModelName "litellm_model_name",
    Model "model",
    ModelGroup "model_group",
    ModelId "model_id",
    OrgAlias "org_alias",
    OrgId "org_id",
    RequestedModel "requested_model",
    Route "route",
    StatusCode "status_code",
    Team "team",
    TeamAlias "team_alias",
    User "user",
    UserEmail "user_email",
}

/// Which labels a metric has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Labels(u32);

impl Labels {
    /// Those labels.
    pub const fn of(list: &[Label]) -> Self {
        Self(0).with(list)
    }

    /// These and those labels.
    pub const fn with(mut self, list: &[Label]) -> Self {
        let mut at = 0;
        while at < list.len() {
            self.0 |= 1 << list[at] as u32;
            at += 1;
        }
        self
    }

    /// The labels of both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The labels, in the order of their names.
    pub fn iter(self) -> impl Iterator<Item = Label> {
        Label::ALL.iter().copied().filter(move |label| self.0 & (1 << *label as u32) != 0)
    }
}

/// How labels are to be shown.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// What stands for the master key, where there is one.
    pub master: Option<String>,
    /// Whether customers are named.
    pub customers: bool,
    /// What of a key's metadata becomes labels: paths into it.
    pub metadata: Vec<String>,
    /// Which tags become labels: names and patterns.
    pub tags: Vec<String>,
}

/// A row of which labels can be read.
pub trait Labelled {
    /// Who asked.
    fn principal(&self) -> &Principal;
    /// What the row says under that label, beside what its principal says.
    fn own(&self, label: Label) -> Option<Cow<'_, str>>;
}

impl Shown {
    /// What a row says under a label.
    pub fn read<'a>(&'a self, row: &'a dyn Labelled, label: Label) -> Option<Cow<'a, str>> {
        let principal = row.principal();
        let said = match label {
            Label::HashedApiKey => principal.key_hash.as_deref().or(self.master.as_deref().filter(|_| principal.key == MASTER)),
            Label::ApiKeyAlias => principal.key_alias.as_deref(),
            Label::Team => principal.team.as_deref(),
            Label::TeamAlias => principal.team_alias.as_deref(),
            Label::User => principal.user.as_deref(),
            Label::UserEmail => principal.user_email.as_deref(),
            Label::OrgId => principal.organization.as_deref(),
            Label::EndUser => principal.customer.as_deref().filter(|_| self.customers),
            _ => return row.own(label),
        };
        said.map(Cow::Borrowed)
    }

    /// The labels that come from metadata and from tags, by name.
    pub fn further(&self, principal: &Principal) -> Vec<(String, String)> {
        if self.metadata.is_empty() && self.tags.is_empty() {
            return Vec::new();
        }
        let metadata: serde_json::Value = principal.metadata.as_ref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let entry = |path: &String| {
            let below = path.strip_prefix("metadata.").unwrap_or(path);
            let found = below.split('.').try_fold(&metadata, |value, name| value.get(name));
            let value = found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned));
            (name_of(path), value.unwrap_or_else(|| "None".to_owned()))
        };
        let tag = |wanted: &String| {
            let is = principal.tags.iter().any(|tag| matches(wanted, tag));
            (name_of(&format!("tag_{wanted}")), is.to_string())
        };
        self.metadata.iter().map(entry).chain(self.tags.iter().map(tag)).collect()
    }
}

/// A label's name from any text.
fn name_of(path: &str) -> String {
    let name: String = path.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// What a deployment says under a label.
pub fn of_deployment(deployment: &Deployment, label: Label) -> Option<Cow<'_, str>> {
    let spec = &deployment.spec;
    let said = match label {
        Label::ModelId => &spec.id,
        Label::ModelGroup => &spec.group,
        Label::ApiProvider => &spec.provider,
        Label::Model | Label::LitellmModelName => &spec.model,
        Label::ApiBase => return base(deployment),
        _ => return None,
    };
    Some(Cow::Borrowed(said))
}

/// Where a deployment is reached, without what a URL may hold beside that.
fn base(deployment: &Deployment) -> Option<Cow<'_, str>> {
    let marked = deployment.marks.get(HeaderName::from_static("x-litellm-model-api-base")).and_then(|base| base.to_str().ok());
    let base = marked.or(deployment.spec.base.as_deref())?;
    let Some((scheme, rest)) = base.split_once("://") else { return Some(Cow::Borrowed(base)) };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, path) = (authority.rsplit('@').next().unwrap_or(authority), path.split('?').next().unwrap_or(path));
    Some(Cow::Owned(format!("{scheme}://{host}{path}")))
}

impl Labelled for CallRow {
    fn principal(&self) -> &Principal {
        &self.principal
    }

    fn own(&self, label: Label) -> Option<Cow<'_, str>> {
        match label {
            Label::RequestedModel => Some(Cow::Borrowed(&self.model)),
            Label::StatusCode | Label::ExceptionStatus => Some(Cow::Owned(self.status.to_string())),
            Label::ExceptionClass => {
                let provider = self.deployment.as_deref().filter(|_| self.failure.is_some());
                let class = self.failure.map(class_of_failure).or_else(|| class_of_outcome(self.outcome))?;
                Some(Cow::Owned(exception(provider, class)))
            }
            Label::Route => Some(Cow::Borrowed(route(self.operation, self.dialect))),
            // Of a group it is asked as one, wherever it was served.
            Label::ModelGroup => self.deployment.as_ref().map(|deployment| Cow::Borrowed(deployment.spec.group.as_str())),
            _ => of_deployment(self.deployment.as_deref()?, label),
        }
    }
}

impl Labelled for AttemptRow {
    fn principal(&self) -> &Principal {
        &self.principal
    }

    fn own(&self, label: Label) -> Option<Cow<'_, str>> {
        let (failure, answered) = self.instead_of.unwrap_or((self.failure, self.answered));
        match label {
            Label::RequestedModel => Some(Cow::Borrowed(&self.model)),
            Label::FallbackModel => Some(Cow::Borrowed(&self.deployment.spec.group)),
            Label::ExceptionStatus => Some(answered.map_or(Cow::Borrowed(status_of(failure?)), |status| Cow::Owned(status.to_string()))),
            Label::ExceptionClass => Some(Cow::Owned(exception(Some(&self.deployment), class_of_failure(failure?)))),
            _ => of_deployment(&self.deployment, label),
        }
    }
}

/// LiteLLM's name of an exception: the provider's name, and the class.
fn exception(provider: Option<&Deployment>, class: &str) -> String {
    let Some(provider) = provider.map(|deployment| deployment.spec.provider.as_str()) else { return class.to_owned() };
    let mut letters = provider.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(".".chars()).chain(class.chars()).collect()
}

fn class_of_failure(failure: Failure) -> &'static str {
    match failure {
        Failure::RateLimited | Failure::Quota => "RateLimitError",
        Failure::Credential => "AuthenticationError",
        Failure::Denied => "PermissionDeniedError",
        Failure::Overloaded => "ServiceUnavailableError",
        Failure::Server | Failure::Own => "InternalServerError",
        Failure::Timeout | Failure::Hurried => "Timeout",
        Failure::ModelNotFound => "NotFoundError",
        Failure::Request => "BadRequestError",
        Failure::ContextWindow => "ContextWindowExceededError",
        Failure::ContentPolicy => "ContentPolicyViolationError",
        Failure::Unsupported => "UnsupportedParamsError",
        Failure::Transient
        | Failure::Unreachable
        | Failure::Tls
        | Failure::Truncated
        | Failure::Protocol
        | Failure::TooLarge
        | Failure::Empty
        | Failure::Redirect => "APIConnectionError",
    }
}

/// The status that LiteLLM gives a failure that had none of its own.
fn status_of(failure: Failure) -> &'static str {
    match failure {
        Failure::RateLimited | Failure::Quota => "429",
        Failure::Credential => "401",
        Failure::Denied => "403",
        Failure::Overloaded => "503",
        Failure::Timeout | Failure::Hurried | Failure::Transient => "408",
        Failure::ModelNotFound => "404",
        Failure::Request | Failure::ContextWindow | Failure::ContentPolicy | Failure::Unsupported => "400",
        _ => "500",
    }
}

fn class_of_outcome(outcome: Outcome) -> Option<&'static str> {
    let Outcome::Failed(kind) = outcome else { return None };
    Some(match kind {
        Kind::BadRequest | Kind::TooLarge => "BadRequestError",
        Kind::Unauthenticated => "AuthenticationError",
        Kind::Forbidden => "PermissionDeniedError",
        Kind::NotFound => "NotFoundError",
        Kind::Unsupported => "UnsupportedParamsError",
        Kind::RateLimited => "RateLimitError",
        Kind::BudgetSpent => "BudgetExceededError",
        Kind::Filtered => "ContentPolicyViolationError",
        Kind::Overloaded => "ServiceUnavailableError",
        Kind::Timeout => "Timeout",
        Kind::Upstream => "APIConnectionError",
        Kind::Internal => "InternalServerError",
    })
}

/// The path of a request, without the prefix it may have come with.
fn route(operation: Operation, dialect: Dialect) -> &'static str {
    match (operation, dialect) {
        (Operation::Chat, Dialect::OpenAiCompletions) => "/completions",
        (Operation::Chat, Dialect::OpenAiResponses) => "/responses",
        (Operation::Chat, Dialect::Anthropic) => "/messages",
        (Operation::Chat, Dialect::Gemini) => "/models/{model}:generateContent",
        (Operation::Chat, _) => "/chat/completions",
        (Operation::Compact, _) => "/responses/compact",
        (Operation::CountTokens, Dialect::Gemini) => "/models/{model}:countTokens",
        (Operation::CountTokens, Dialect::OpenAiResponses) => "/responses/input_tokens",
        (Operation::CountTokens, _) => "/messages/count_tokens",
        (Operation::Embeddings, _) => "/embeddings",
        (Operation::Rerank, _) => "/rerank",
        (Operation::Moderations, _) => "/moderations",
        (Operation::ImageGenerations, _) => "/images/generations",
        (Operation::ImageEdits, _) => "/images/edits",
        (Operation::ImageVariations, _) => "/images/variations",
        (Operation::Speech, _) => "/audio/speech",
        (Operation::Transcriptions, _) => "/audio/transcriptions",
        (Operation::Translations, _) => "/audio/translations",
        (Operation::PassThrough, _) => "/pass_through",
    }
}
