//! What is allowed, and to whom: the words of limits and budgets, and of refusals. Nothing here is counted; [`book`](crate::book) does.

mod calendar;
mod nano;
mod refusal;
mod window;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use calendar::{BadCalendar, Calendar, Span};
pub use nano::NanoUsd;
pub use refusal::{Refusal, Why};
pub(crate) use window::micros;
pub use window::{Window, date, length};

/// What kind of thing a scope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The whole gateway.
    Proxy,
    /// An organization.
    Organization,
    /// A workspace, as OpenRouter has them.
    Workspace,
    /// A team.
    Team,
    /// A user within a team; the id is `team/user`.
    TeamMember,
    /// A user.
    User,
    /// A key; the id is the SHA-256 of the key in hex.
    Key,
    /// A customer of the caller.
    Customer,
    /// A tag.
    Tag,
    /// A project.
    Project,
    /// A group of models.
    AccessGroup,
    /// A guardrail with a budget.
    Guardrail,
    /// A provider.
    Provider,
    /// A deployment.
    Deployment,
    /// Prepaid credits; the id is the level's name and whose they are.
    Credits,
    /// One share of a rule; the id is the rule's and what it is counted by.
    Rule,
}

impl Level {
    /// Every level.
    pub const ALL: [Level; 16] = [
        Level::Proxy,
        Level::Organization,
        Level::Workspace,
        Level::Team,
        Level::TeamMember,
        Level::User,
        Level::Key,
        Level::Customer,
        Level::Tag,
        Level::Project,
        Level::AccessGroup,
        Level::Guardrail,
        Level::Provider,
        Level::Deployment,
        Level::Credits,
        Level::Rule,
    ];

    /// The name in the store, in headers and in LiteLLM's descriptors.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Proxy => "proxy",
            Level::Organization => "organization",
            Level::Workspace => "workspace",
            Level::Team => "team",
            Level::TeamMember => "team_member",
            Level::User => "user",
            Level::Key => "api_key",
            Level::Customer => "end_user",
            Level::Tag => "tag",
            Level::Project => "project",
            Level::AccessGroup => "access_group",
            Level::Guardrail => "guardrail",
            Level::Provider => "provider",
            Level::Deployment => "deployment",
            Level::Credits => "credits",
            Level::Rule => "rule",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

/// Which scope: what it is, which one, and whether for one model alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId {
    /// What it is.
    pub level: Level,
    /// Which one.
    pub id: Arc<str>,
    /// The model (or pattern with `*`) it is for, where it is for one alone.
    pub model: Option<Arc<str>>,
}

impl ScopeId {
    /// A scope for every model.
    pub fn new(level: Level, id: impl Into<Arc<str>>) -> Self {
        Self { level, id: id.into(), model: None }
    }

    /// The same scope for one model alone.
    #[must_use]
    pub fn of_model(self, model: impl Into<Arc<str>>) -> Self {
        Self { model: Some(model.into()), ..self }
    }
}

impl ScopeId {
    /// What LiteLLM calls it in headers and messages.
    pub fn descriptor(&self) -> &'static str {
        match (self.level, &self.model) {
            (Level::Key, Some(_)) => "model_per_key",
            (Level::Team, Some(_)) => "model_per_team",
            (Level::Project, Some(_)) => "model_per_project",
            (level, _) => level.as_str(),
        }
    }
}

impl fmt::Display for ScopeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.level.as_str(), self.id)?;
        self.model.as_ref().map_or(Ok(()), |model| write!(out, "@{model}"))
    }
}

/// What happens when a budget is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Calls are refused before they would exceed it.
    #[default]
    Enforce,
    /// It is told and nothing else (LiteLLM's `soft_budget`, TrueFoundry's `audit`).
    Audit,
    /// Calls are refused unless another enforced budget of theirs has room (TrueFoundry's `soft_enforce`).
    Soft,
}

/// Where a budget's money comes from, which decides how a refusal is worded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// A limit somebody set.
    #[default]
    Limit,
    /// Credits somebody bought or was granted: the limit is their sum.
    Credits,
}

/// Money for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How much.
    pub limit: NanoUsd,
    /// For how long.
    pub window: Window,
    /// What happens when it is spent.
    pub mode: Mode,
    /// Where the money comes from.
    pub source: Source,
}

impl Budget {
    /// A budget that is enforced.
    pub fn new(limit: NanoUsd, window: Window) -> Self {
        Self { limit, window, mode: Mode::Enforce, source: Source::Limit }
    }

    /// A budget that only tells.
    pub fn soft(limit: NanoUsd, window: Window) -> Self {
        Self { mode: Mode::Audit, ..Self::new(limit, window) }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    /// Requests.
    Requests,
    /// Tokens, in and out.
    #[default]
    Tokens,
    /// Tokens of prompts.
    InputTokens,
    /// Tokens of answers.
    OutputTokens,
    /// Requests at one time; they have no window.
    Parallel,
}

impl Unit {
    /// The name in LiteLLM's headers and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Requests => "requests",
            Unit::Tokens => "tokens",
            Unit::InputTokens => "input_tokens",
            Unit::OutputTokens => "output_tokens",
            Unit::Parallel => "max_parallel_requests",
        }
    }
}

/// So much of something within so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Of what.
    pub unit: Unit,
    /// How much.
    pub amount: u64,
    /// Within how long: a window that opens with the first request. Not used for [`Unit::Parallel`].
    pub within: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Limit {
    /// So many requests a minute.
    pub fn rpm(amount: u64) -> Self {
        Self { unit: Unit::Requests, amount, within: MINUTE }
    }

    /// So many tokens a minute.
    pub fn tpm(amount: u64) -> Self {
        Self { unit: Unit::Tokens, amount, within: MINUTE }
    }

    /// So many requests at one time.
    pub fn parallel(amount: u64) -> Self {
        Self { unit: Unit::Parallel, amount, within: Duration::ZERO }
    }
}

/// What a scope allows. Empty terms allow everything, and cost a call nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What a refusal calls it: an alias or a shortened key.
    pub name: String,
    /// Its budgets; several windows may hold at once.
    pub budgets: Vec<Budget>,
    /// Its limits.
    pub limits: Vec<Limit>,
    /// The scope that also counts everything this one does, directly above it.
    pub parent: Option<ScopeId>,
    /// The models (or patterns with `*`) of a group of models: others do not concern it.
    pub models: Vec<String>,
}

impl Terms {
    /// Whether nothing is limited.
    pub fn are_empty(&self) -> bool {
        self.budgets.is_empty() && self.limits.is_empty()
    }

    /// Whether prompts may have to be counted to know that they fit.
    pub fn are_of_tokens(&self) -> bool {
        !self.budgets.is_empty() || self.limits.iter().any(|limit| matches!(limit.unit, Unit::Tokens | Unit::InputTokens))
    }
}
