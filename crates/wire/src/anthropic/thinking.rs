//! Whether and how much the model is told to think.

use super::HERE;
use super::pen::Pen;
use crate::chat::{ChatRequest, PartBody, Reasoning, Role, ToolChoice};
use crate::dialect::{Profile, Thinking};
use crate::loss::Why;

/// The least budget the API takes.
const LEAST: u64 = 1024;

/// The limit that is sent where the client named none and the model's is not known: the API requires one.
pub(super) const FLOOR: u64 = 4096;

/// Budgets by effort, lowest first.
const BUDGETS: [(&str, u64); 6] = [("minimal", LEAST), ("low", 1024), ("medium", 2048), ("high", 4096), ("xhigh", 8192), ("max", 16384)];

/// What is sent.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The `thinking` field.
    pub(super) mode: Option<Mode>,
    /// `output_config.effort`.
    pub(super) effort: Option<String>,
    /// `max_tokens`.
    pub(super) max_tokens: u64,
}

/// The `thinking` field.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// `disabled`.
    Disabled,
    /// `enabled`, with a budget and how thoughts are displayed.
    Enabled(Option<u64>, Option<String>),
    /// `adaptive`, and how thoughts are displayed.
    Adaptive(Option<String>),
}

impl Plan {
    /// Whether the model is told to think.
    pub(super) fn thinks(&self) -> bool {
        matches!(self.mode, Some(Mode::Enabled(..) | Mode::Adaptive(_)))
    }
}

/// Plans the thinking and the token limit, which depend on each other. `forced`: the answer must be a tool's call.
pub(super) fn plan(pen: &mut Pen<'_>, request: &ChatRequest, forced: bool) -> Plan {
    let mut plan = match &request.reasoning {
        Some(reasoning) if pen.native => native(reasoning),
        Some(reasoning) => translate(pen, reasoning),
        None => Plan::default(),
    };
    if !pen.native && plan.thinks() && (forced || is_refused(&plan, request)) {
        plan.mode = None;
        pen.losses.add("reasoning", Why::Approximated);
    }
    limit(pen, request, &mut plan);
    plan
}

/// A request of this dialect says itself what it wants.
fn native(reasoning: &Reasoning) -> Plan {
    let mode = match reasoning.enabled {
        _ if reasoning.adaptive => Some(Mode::Adaptive(reasoning.summary.clone())),
        Some(true) => Some(Mode::Enabled(reasoning.budget_tokens, reasoning.summary.clone())),
        Some(false) => Some(Mode::Disabled),
        None => None,
    };
    Plan { mode, effort: reasoning.effort.clone(), max_tokens: 0 }
}

fn translate(pen: &mut Pen<'_>, reasoning: &Reasoning) -> Plan {
    let kind = pen.profile.thinking;
    let effort = reasoning.effort.as_deref();
    let off = reasoning.enabled == Some(false) || effort == Some("none") || reasoning.budget_tokens == Some(0);
    if off {
        // Elsewhere silence means the same.
        return Plan { mode: (kind == Some(Thinking::Adaptive)).then_some(Mode::Disabled), ..Plan::default() };
    }
    let wanted = reasoning.enabled == Some(true) || reasoning.adaptive || effort.is_some() || reasoning.budget_tokens.is_some();
    if !wanted {
        return Plan::default();
    }
    match kind {
        Some(Thinking::Never) => {
            pen.losses.dropped("reasoning");
            Plan::default()
        }
        Some(Thinking::Effort) => Plan { effort: fit_effort(pen, reasoning), ..Plan::default() },
        Some(Thinking::Adaptive) => {
            let display = reasoning.summary.as_ref().map(|_| "summarized".to_owned());
            Plan { mode: Some(Mode::Adaptive(display)), effort: fit_effort(pen, reasoning), max_tokens: 0 }
        }
        Some(Thinking::Budget) | None => {
            let budget = reasoning.budget_tokens.unwrap_or_else(|| {
                pen.losses.add("reasoning.effort", Why::Approximated);
                BUDGETS.iter().find(|(name, _)| Some(*name) == effort).map_or(2048, |(_, budget)| *budget)
            });
            if budget < LEAST {
                pen.losses.add("reasoning.max_tokens", Why::Clamped);
            }
            Plan { mode: Some(Mode::Enabled(Some(budget.max(LEAST)), None)), ..Plan::default() }
        }
    }
}

/// The effort, or the one nearest to the budget, as far as the model knows it.
fn fit_effort(pen: &mut Pen<'_>, reasoning: &Reasoning) -> Option<String> {
    let from_budget = |budget: u64| BUDGETS.iter().rev().find(|(_, least)| budget >= *least).map_or("low", |(name, _)| *name);
    let wanted = match (&reasoning.effort, reasoning.budget_tokens) {
        (Some(effort), _) => effort.clone(),
        (None, Some(budget)) => {
            pen.losses.add("reasoning.max_tokens", Why::Approximated);
            from_budget(budget).to_owned()
        }
        (None, None) => return None,
    };
    let known = |profile: &Profile, name: &str| match &profile.efforts {
        Some(efforts) => efforts.iter().any(|effort| effort == name),
        None => name != "minimal",
    };
    if known(pen.profile, &wanted) {
        return Some(wanted);
    }
    pen.losses.add("reasoning.effort", Why::Clamped);
    let place = BUDGETS.iter().position(|(name, _)| *name == wanted)?;
    let below = BUDGETS[..place].iter().rev();
    let above = BUDGETS[place + 1..].iter();
    below.chain(above).find(|(name, _)| known(pen.profile, name)).map(|(name, _)| (*name).to_owned())
}

/// Whether the API refuses to think in this conversation: under a forced call, before an answer that has begun, and, with a
/// budget, amid calls whose thoughts are gone.
fn is_refused(plan: &Plan, request: &ChatRequest) -> bool {
    if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Among(_, true))) {
        return true;
    }
    let turns = || request.messages.iter().rev().filter(|message| message.role != Role::System);
    if turns().next().is_some_and(|message| message.role == Role::Assistant) {
        return true;
    }
    if !matches!(plan.mode, Some(Mode::Enabled(..))) {
        return false;
    }
    let is_result = |body: &PartBody| matches!(body, PartBody::ToolResult(_));
    let mut answered = turns().skip_while(|message| message.parts.iter().any(|part| is_result(&part.body)));
    let amid = turns().next().is_some_and(|message| message.parts.iter().any(|part| is_result(&part.body)));
    let is_sealed = |body: &PartBody| matches!(body, PartBody::Reasoning(thought) if thought.seal.is_some());
    amid && answered.next().is_some_and(|message| !message.parts.first().is_some_and(|part| is_sealed(&part.body)))
}

/// The token limit, which is required and above the budget.
fn limit(pen: &mut Pen<'_>, request: &ChatRequest, plan: &mut Plan) {
    let budget = match plan.mode {
        Some(Mode::Enabled(budget, _)) => budget.unwrap_or(0),
        _ => 0,
    };
    let Some(asked) = request.max_output_tokens else {
        if !pen.counting {
            pen.losses.add("max_tokens", Why::Approximated);
        }
        plan.max_tokens = match pen.profile.max_output_tokens {
            Some(most) => most,
            None => FLOOR + budget,
        };
        shrink(pen, plan);
        return;
    };
    plan.max_tokens = asked;
    if request.extra.from() != Some(HERE) {
        shrink(pen, plan);
    }
}

/// Keeps the budget below the limit, which the client meant to hold for thoughts and answer together.
fn shrink(pen: &mut Pen<'_>, plan: &mut Plan) {
    let Some(Mode::Enabled(Some(budget), _)) = &mut plan.mode else { return };
    if *budget < plan.max_tokens {
        return;
    }
    pen.losses.add("reasoning", Why::Clamped);
    if plan.max_tokens > LEAST {
        *budget = LEAST.max(plan.max_tokens / 2);
    } else {
        plan.mode = None;
    }
}
