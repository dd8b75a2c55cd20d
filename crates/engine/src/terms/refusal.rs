//! Why a call may not go ahead, in the words its client knows.

use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use switchboard_wire::problem::{Kind, Problem};

use super::nano::NanoUsd;
use super::window::Window;
use super::{Level, ScopeId, Source, Unit};
use crate::clock::Micros;

/// A call was refused. Nothing was taken anywhere for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whose budget or limit it did not fit in.
    pub scope: ScopeId,
    /// What that is called.
    pub name: String,
    /// Why not.
    pub why: Why,
}

/// Why a call may not go ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The money is spent, or what is left is less than the call may cost.
    Budget {
        /// What is spent.
        spent: NanoUsd,
        /// What is held for calls under way.
        held: NanoUsd,
        /// How much there was.
        limit: NanoUsd,
        /// What this call may cost.
        needs: NanoUsd,
        /// The time the budget is for.
        window: Window,
        /// When it begins anew.
        resets_at: Option<Micros>,
        /// Where the money comes from.
        source: Source,
    },
    /// Too much at a time.
    Limit {
        /// Of what.
        unit: Unit,
        /// How much there may be.
        limit: u64,
        /// How much of it is left.
        remaining: u64,
        /// When there is more; none where nobody can know.
        resets_at: Option<Micros>,
        /// How long that is from now.
        retry_after: Duration,
    },
    /// Whoever decides on money cannot be asked. The caller has done nothing wrong.
    Unavailable,
    /// The other gateways cannot be asked how far a limit is used.
    Unshared,
}

impl Why {
    /// Whether a smaller call might fit.
    pub fn is_by_size(&self) -> bool {
        match self {
            Why::Budget { spent, held, limit, .. } => spent.plus(*held) < *limit,
            Why::Limit { unit, remaining, .. } => *remaining > 0 && !matches!(unit, Unit::Requests | Unit::Parallel),
            Why::Unavailable | Why::Unshared => false,
        }
    }

    /// Whether it is for want of money that is only held, so that the same call may fit in a moment.
    pub fn is_passing(&self) -> bool {
        match self {
            Why::Budget { spent, held, limit, needs, .. } => held.0 > 0 && spent.plus(*needs) <= *limit,
            Why::Limit { limit, .. } => *limit > 0,
            Why::Unavailable | Why::Unshared => true,
        }
    }
}

impl Refusal {
    /// Whether it is for want of something that belongs to the target, and another target may have.
    pub fn is_of_target(&self) -> bool {
        matches!(self.scope.level, Level::Provider | Level::Deployment)
    }

    /// What its client is told.
    pub(crate) fn problem(&self) -> Problem {
        match &self.why {
            Why::Budget { source: Source::Credits, held, .. } => {
                let (message, code) = match (self.why.is_passing(), held.0 > 0) {
                    (true, _) => (
                        "This request would exceed your available credits given your current in-flight requests; try again when they are done",
                        "in_flight_budget_exhausted",
                    ),
                    _ => ("Insufficient credits. Add more credits, or ask for fewer tokens with `max_tokens`", "insufficient_credits"),
                };
                let problem = Problem::new(Kind::BudgetSpent, message).with_code(code);
                let retry_after = self.why.is_passing().then_some(Duration::from_secs(1));
                Problem { status: Some(StatusCode::PAYMENT_REQUIRED), retry_after, ..problem }
            }
            Why::Budget { spent, limit, window, .. } => {
                let problem = Problem::new(Kind::BudgetSpent, self.budget_words(*spent, *limit, *window)).with_code("budget_exceeded");
                let retry_after = self.why.is_passing().then_some(Duration::from_secs(1));
                Problem { retry_after, ..problem }
            }
            Why::Limit { unit, limit, remaining, resets_at, retry_after } => {
                let resets = resets_at.map(|at| format!(". Limit resets at: {}", utc(at))).unwrap_or_default();
                let model = self.scope.model.as_ref().map(|model| format!(":{model}")).unwrap_or_default();
                let message = format!(
                    "Rate limit exceeded for {}: {}{model}. Limit type: {}. Current limit: {limit}, Remaining: {remaining}{resets}",
                    self.scope.descriptor(),
                    self.scope.id,
                    unit.as_str(),
                );
                let problem = Problem::new(Kind::RateLimited, message).with_code("throttling_error");
                Problem { retry_after: Some(*retry_after), ..problem }
            }
            Why::Unavailable => {
                Self::unasked("the gateway cannot ask whoever decides on budgets; try again soon", "budget_store_unavailable")
            }
            Why::Unshared => {
                Self::unasked("the gateway cannot ask the others how far a limit is used; try again soon", "limit_store_unavailable")
            }
        }
    }

    /// Somebody cannot be asked.
    fn unasked(message: &str, code: &str) -> Problem {
        Problem { retry_after: Some(Duration::from_secs(1)), ..Problem::new(Kind::Overloaded, message).with_code(code) }
    }

    /// LiteLLM's words for a spent budget; they differ from level to level.
    fn budget_words(&self, spent: NanoUsd, limit: NanoUsd, window: Window) -> String {
        let (name, id) = (&self.name, &self.scope.id);
        let (spent, limit) = (dollars(spent), dollars(limit));
        match (&self.scope.model, self.scope.level) {
            (Some(model), _) => {
                format!("ExceededBudget: {} {name} over budget for model={model}. Spend={spent}, Budget={limit}", self.subject())
            }
            (None, Level::User) => format!("ExceededBudget: User={id} over budget. Spend={spent}, Budget={limit}"),
            (None, Level::Customer) => format!("ExceededBudget: End User={name} over budget. Spend={spent}, Budget={limit}"),
            (None, Level::Key) if window != Window::Lifetime => {
                format!("ExceededBudget: Key over {} budget. Spend={spent}, Budget={limit}", window.plain().name())
            }
            (None, Level::TeamMember) => {
                let (team, user) = id.split_once('/').unwrap_or(("", id));
                format!("Budget has been exceeded! User={user} in Team={team} Current cost: {spent}, Max budget: {limit}")
            }
            (None, Level::Team) => format!("Budget has been exceeded! Team={id} Current cost: {spent}, Max budget: {limit}"),
            (None, _) => format!("Budget has been exceeded! {}={name} Current cost: {spent}, Max budget: {limit}", self.subject()),
        }
    }

    fn subject(&self) -> &'static str {
        match self.scope.level {
            Level::Proxy => "Proxy",
            Level::Organization => "Organization",
            Level::Workspace => "Workspace",
            Level::Team | Level::TeamMember => "Team",
            Level::User => "User",
            Level::Key => "Key",
            Level::Customer => "End User",
            Level::Tag => "Tag",
            Level::Project => "Project",
            Level::AccessGroup => "Model access group",
            Level::Guardrail => "Guardrail",
            Level::Provider => "Provider",
            Level::Deployment => "Deployment",
            Level::Credits => "Credits",
            Level::Rule => "Rule",
        }
    }

    /// The headers of LiteLLM's answer, beside `retry-after`.
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let Why::Limit { unit, resets_at, .. } = &self.why else { return Vec::new() };
        let mut headers = vec![(HeaderName::from_static("rate_limit_type"), HeaderValue::from_static(unit.as_str()))];
        let reset = resets_at.and_then(|at| HeaderValue::try_from(utc(at)).ok());
        headers.extend(reset.map(|reset| (HeaderName::from_static("reset_at"), reset)));
        headers
    }

    /// Where the limit comes from, as OpenRouter's clients know it (`metadata.limit_source`).
    pub fn limit_source(&self) -> Option<&'static str> {
        let Why::Budget { source, .. } = &self.why else { return None };
        Some(match (source, self.scope.level) {
            (Source::Credits, _) if self.why.is_passing() => "openrouter_in_flight_budget",
            (Source::Credits, _) => "openrouter_credits",
            (Source::Limit, Level::Workspace | Level::Team | Level::Organization) => "openrouter_workspace_budget",
            (Source::Limit, Level::Guardrail) => "openrouter_guardrail_budget",
            (Source::Limit, _) => "openrouter_key_limit",
        })
    }
}

/// Dollars as LiteLLM writes them, with a decimal point at least.
fn dollars(amount: NanoUsd) -> String {
    let text = amount.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// A time as LiteLLM writes it.
fn utc(at: Micros) -> String {
    let time = std::time::UNIX_EPOCH + Duration::from_micros(u64::try_from(at).unwrap_or(0));
    // `Sat, 21 Nov 2026 06:20:00 GMT`: the parts are all there, in another order.
    let text = httpdate::fmt_http_date(time);
    let parts: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, clock, _] = parts[..] else { return text };
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| *name == month).map_or(0, |at| at + 1);
    format!("{year}-{month:02}-{day} {clock} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_litellm_says() {
        let id = ScopeId::new(Level::Key, "a1b2");
        let budget = |window| Why::Budget {
            spent: NanoUsd(2_000_000_000),
            held: NanoUsd::ZERO,
            limit: NanoUsd(1_000_000_000),
            needs: NanoUsd(1),
            window,
            resets_at: None,
            source: Source::Limit,
        };
        let told = |scope: &ScopeId, why| {
            let problem = Refusal { scope: scope.clone(), name: "al (sk-...dget)".into(), why }.problem();
            (problem.status().as_u16(), problem.code.clone().unwrap(), problem.message)
        };
        let (status, code, message) = told(&id, budget(Window::Lifetime));
        assert_eq!((status, code.as_str()), (422, "budget_exceeded"));
        assert_eq!(message, "Budget has been exceeded! Key=al (sk-...dget) Current cost: 2.0, Max budget: 1.0");
        let (_, _, message) = told(&id, budget(Window::DAILY));
        assert_eq!(message, "ExceededBudget: Key over 1d budget. Spend=2.0, Budget=1.0");
        let at = 1_795_242_000_000_000;
        let why = Why::Limit { unit: Unit::Requests, limit: 1, remaining: 0, resets_at: Some(at), retry_after: Duration::from_secs(60) };
        let (status, code, message) = told(&id, why);
        assert_eq!((status, code.as_str()), (429, "throttling_error"));
        assert_eq!(
            message,
            "Rate limit exceeded for api_key: a1b2. Limit type: requests. Current limit: 1, Remaining: 0. Limit resets at: 2026-11-21 06:20:00 UTC"
        );
    }
}
