//! Whose limits and budgets a call must fit in.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};

use super::nano::NanoUsd;
use super::state::{Standing, State};
use super::window::Window;
use crate::clock::Micros;

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
}

/// A scope with what it allows and what it has spent. There is one for each id; [`Book`](super::Book) keeps them.
pub struct Scope {
    /// Which one it is.
    pub id: ScopeId,
    /// Locks are taken in this order, whoever takes them.
    pub(super) order: u64,
    terms: ArcSwap<Terms>,
    limited: AtomicBool,
    /// Whether there is, or ever was, a budget: what is spent is counted for it even while it is away.
    purses: AtomicBool,
    spent: AtomicI64,
    pub(super) state: Mutex<State>,
    /// What the store knows it spent before this gateway began.
    opening: Vec<(Window, Micros, NanoUsd)>,
}

impl Scope {
    pub(super) fn new(id: ScopeId, order: u64, opening: Vec<(Window, Micros, NanoUsd)>, shared: bool) -> Self {
        let lifetime = opening.iter().find(|(window, ..)| *window == Window::Lifetime).map_or(NanoUsd::ZERO, |(_, _, spent)| *spent);
        Self {
            id,
            order,
            terms: ArcSwap::default(),
            limited: AtomicBool::new(false),
            purses: AtomicBool::new(false),
            spent: AtomicI64::new(lifetime.0),
            state: Mutex::default(),
            opening: if shared { Vec::new() } else { opening },
        }
    }

    /// What it allows.
    pub fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    pub(super) fn set(&self, terms: Terms, now: Micros) {
        let mut state = self.state();
        state.follow(&terms, &self.opening, now);
        self.purses.store(!state.purses.is_empty(), Ordering::Release);
        self.limited.store(!terms.are_empty(), Ordering::Release);
        self.terms.store(Arc::new(terms));
    }

    /// Whether anything is limited.
    pub(super) fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Acquire)
    }

    pub(super) fn has_purses(&self) -> bool {
        self.purses.load(Ordering::Acquire)
    }

    /// Whether there is, or a moment ago was, something counted for a limit.
    pub(super) fn has_limits(&self) -> bool {
        !self.guard().limits.is_empty()
    }

    pub(super) fn guard(&self) -> Guard<Arc<Terms>> {
        self.terms.load()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All it has ever spent, as far as this gateway knows.
    pub fn spent(&self) -> NanoUsd {
        NanoUsd(self.spent.load(Ordering::Relaxed))
    }

    /// What it has spent in the window of that kind that is open now; none where no budget of it has such windows.
    pub fn spent_in(&self, window: Window, now: Micros) -> Option<NanoUsd> {
        if window == Window::Lifetime {
            return Some(self.spent());
        }
        let state = self.state();
        let purse = state.purses.iter().find(|purse| purse.window == window)?;
        Some(if window.start(now) > purse.start { NanoUsd::ZERO } else { purse.spent })
    }

    /// How far its limits are used.
    pub fn standings(&self, now: Micros) -> Vec<Standing> {
        let (terms, state) = (self.guard(), self.state());
        state.standings_at(&terms, now)
    }

    /// Corrects what it has spent, for ever and in those of its windows that are open.
    pub(super) fn correct(&self, amount: NanoUsd, now: Micros, windows: &[Window]) {
        let mut state = self.state();
        let concerned = |window: Window| window == Window::Lifetime || windows.contains(&window);
        for purse in state.purses.iter_mut().filter(|purse| concerned(purse.window) && purse.window.start(now) <= purse.start) {
            purse.spent = purse.spent.plus(amount);
        }
        self.spend(amount);
    }

    /// Adds to what it has spent.
    pub(super) fn spend(&self, amount: NanoUsd) {
        self.spent.fetch_add(amount.0, Ordering::Relaxed);
    }

    /// Whether it is engaged for a call to that model.
    pub fn covers(&self, model: &str) -> bool {
        match &self.id.model {
            Some(pattern) => crate::principal::matches(pattern, model),
            None if self.id.level == Level::AccessGroup => {
                self.guard().models.iter().any(|pattern| crate::principal::matches(pattern, model))
            }
            None => true,
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Scope({})", self.id)
    }
}
