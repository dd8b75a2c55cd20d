//! Whether and how much the model is told to think, in each family's own words.

use super::pen::{Family, Pen};
use crate::anthropic::thinking::{LEAST, budget_of, effort_of, is_forbidden};
use crate::chat::{ChatRequest, Reasoning};
use crate::dialect::Dialect;
use crate::half::Thinking;
use crate::loss::Why;
use crate::seal::ANTHROPIC;

/// The efforts, lowest first.
const EFFORTS: [&str; 6] = ["minimal", "low", "medium", "high", "xhigh", "max"];

/// What thinking means for the rest of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The knobs of sampling must stay at their defaults.
    pub(super) fixed_sampling: bool,
    /// No token limit may be sent.
    pub(super) unlimited: bool,
}

/// Writes the thinking into the additional fields. `forced`: the answer must be a tool's call.
pub(super) fn write(pen: &mut Pen<'_>, request: &ChatRequest, forced: bool) -> Plan {
    let Some(reasoning) = &request.reasoning else { return Plan::default() };
    if reasoning.is_off() {
        return switch_off(pen);
    }
    if !reasoning.is_wanted() {
        return Plan::default();
    }
    if pen.profile.thinking == Some(Thinking::Never) {
        pen.losses.dropped("reasoning");
        return Plan::default();
    }
    match pen.family {
        Family::Claude => claude(pen, request, reasoning, forced),
        Family::Nova => nova(pen, reasoning),
        Family::GptOss => {
            let effort = fit_effort(pen, reasoning, &["low", "medium", "high"]);
            pen.add("reasoning_effort", effort);
            Plan::default()
        }
        Family::Mistral | Family::Command | Family::Other => {
            pen.losses.dropped("reasoning");
            Plan::default()
        }
    }
}

/// Elsewhere silence means the same.
fn switch_off(pen: &mut Pen<'_>) -> Plan {
    match pen.family {
        Family::Claude if pen.profile.ways.is_some_and(|ways| !ways.off) => pen.losses.dropped("reasoning"),
        Family::Claude if pen.profile.thinking == Some(Thinking::Adaptive) => {
            pen.add_object("thinking", |out| out.text("type", "disabled"));
        }
        Family::GptOss => pen.losses.dropped("reasoning"),
        Family::Claude | Family::Nova | Family::Mistral | Family::Command | Family::Other => {}
    }
    Plan::default()
}

fn claude(pen: &mut Pen<'_>, request: &ChatRequest, reasoning: &Reasoning, forced: bool) -> Plan {
    let thinks = Plan { fixed_sampling: true, unlimited: false };
    match pen.profile.thinking {
        Some(Thinking::Effort) => {
            let effort = fit_effort(pen, reasoning, &["low", "medium", "high"]);
            pen.add_object("output_config", |out| out.field("effort", effort));
            pen.beta("effort-2025-11-24");
            Plan::default()
        }
        _ if forced || forbids(pen, request) => {
            pen.losses.add("reasoning", Why::Approximated);
            Plan::default()
        }
        Some(Thinking::Adaptive) => {
            // Newer models show no thoughts unless asked for them; other vendors' clients expect them.
            let display = match request.extra.from() {
                Some(Dialect::Anthropic) => reasoning.summary.as_deref(),
                _ => (reasoning.exclude != Some(true)).then_some("summarized"),
            };
            pen.add_object("thinking", |out| {
                out.text("type", "adaptive");
                out.option("display", display);
            });
            if reasoning.effort.is_some() || reasoning.budget_tokens.is_some() {
                let effort = fit_effort(pen, reasoning, &["low", "medium", "high", "max"]);
                pen.add_object("output_config", |out| out.field("effort", effort));
            }
            thinks
        }
        Some(Thinking::Budget | Thinking::Never) | None => {
            let Some(budget) = budget(pen, request, reasoning) else { return Plan::default() };
            pen.add_object("thinking", |out| {
                out.text("type", "enabled");
                out.field("budget_tokens", &budget);
            });
            thinks
        }
    }
}

/// The budget, which must stay below the token limit.
fn budget(pen: &mut Pen<'_>, request: &ChatRequest, reasoning: &Reasoning) -> Option<u64> {
    let wanted = budget_of(reasoning, &mut pen.losses);
    match request.max_output_tokens {
        Some(limit) if limit <= LEAST => {
            pen.losses.add("reasoning", Why::Approximated);
            None
        }
        Some(limit) if limit <= wanted => {
            pen.losses.add("reasoning", Why::Clamped);
            Some(LEAST.max(limit / 2))
        }
        Some(_) | None => Some(wanted),
    }
}

fn nova(pen: &mut Pen<'_>, reasoning: &Reasoning) -> Plan {
    let effort = fit_effort(pen, reasoning, &["low", "medium", "high"]);
    pen.add_object("reasoningConfig", |out| {
        out.text("type", "enabled");
        out.field("maxReasoningEffort", effort);
    });
    // The API refuses the knobs and the limit beside the highest effort.
    let highest = effort == "high";
    Plan { fixed_sampling: highest, unlimited: highest }
}

/// The effort, or the one nearest to the budget, as far as the model knows it.
fn fit_effort(pen: &mut Pen<'_>, reasoning: &Reasoning, usual: &[&'static str]) -> &'static str {
    let wanted = match (reasoning.effort.as_deref(), reasoning.budget_tokens) {
        (Some(effort), _) => effort,
        (None, Some(budget)) => {
            pen.losses.add("reasoning.max_tokens", Why::Approximated);
            effort_of(budget, |_| true)
        }
        (None, None) => "medium",
    };
    let efforts = pen.profile.efforts.as_ref();
    let knows = |name: &&str| efforts.map_or(usual.contains(name), |efforts| efforts.iter().any(|effort| effort == name));
    let place = EFFORTS.iter().position(|name| *name == wanted);
    if let Some(name) = place.map(|place| EFFORTS[place]).filter(knows) {
        return name;
    }
    pen.losses.add("reasoning.effort", Why::Clamped);
    let place = place.unwrap_or(2);
    let nearest = EFFORTS[..place].iter().rev().chain(&EFFORTS[place..]).copied().find(knows);
    nearest.unwrap_or("medium")
}

fn forbids(pen: &Pen<'_>, request: &ChatRequest) -> bool {
    let own = super::sealer(Some(ANTHROPIC));
    let budgeted = pen.profile.thinking != Some(Thinking::Adaptive);
    is_forbidden(request, budgeted, |thought| thought.seal.as_ref().is_some_and(|seal| seal.vendor == own))
}
