//! Whether and how much the model is told to think.

use super::HERE;
use super::fit::{self, ALIAS};
use super::pen::Pen;
use crate::chat::{ChatRequest, Message, PartBody, Reasoning, Role, Thought, ToolChoice};
use crate::half::{Profile, Thinking};
use crate::loss::{Losses, Why};

/// The least budget Claude takes.
pub(crate) const LEAST: u64 = 1024;

/// The limit that is sent where the client named none and the model's is not known: the API requires one.
pub(super) const FLOOR: u64 = 4096;

/// Budgets by effort, lowest first.
const BUDGETS: [(&str, u64); 6] = [("minimal", LEAST), ("low", 1024), ("medium", 2048), ("high", 4096), ("xhigh", 8192), ("max", 16384)];

/// What is sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// The `thinking` field.
    pub(super) mode: Option<Mode>,
    /// `output_config.effort`.
    pub(super) effort: Option<String>,
    /// `max_tokens`.
    pub(super) max_tokens: u64,
    /// Whether no temperature is taken but the default.
    pub(super) cold: bool,
}

/// The `thinking` field.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        Some(reasoning) if pen.native && request.extra.noted(HERE, ALIAS).is_none() => native(reasoning),
        Some(reasoning) => translate(pen, reasoning),
        None => Plan::default(),
    };
    if pen.native {
        plan.mode = plan.mode.and_then(|mode| match request.extra.noted(HERE, ALIAS) {
            Some(_) => fit::cap(mode, request.max_output_tokens, &mut pen.losses),
            None => Some(mode),
        });
    }
    if let Some(ways) = pen.profile.ways {
        fit::fit(&mut plan, (ways, pen.profile), request.max_output_tokens, &mut pen.losses);
    }
    if !pen.native && plan.thinks() && (forced || forbids(&plan, request)) {
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
    Plan { mode, effort: reasoning.effort.clone(), ..Plan::default() }
}

fn translate(pen: &mut Pen<'_>, reasoning: &Reasoning) -> Plan {
    let kind = pen.profile.thinking;
    if reasoning.is_off() {
        // Elsewhere silence means the same.
        return Plan { mode: (kind == Some(Thinking::Adaptive)).then_some(Mode::Disabled), ..Plan::default() };
    }
    if !reasoning.is_wanted() {
        return Plan::default();
    }
    match kind {
        Some(Thinking::Never) => {
            pen.losses.dropped("reasoning");
            Plan::default()
        }
        Some(Thinking::Effort) => Plan { effort: fit_effort(pen, reasoning), ..Plan::default() },
        Some(Thinking::Adaptive) => {
            // Newer models show no thoughts unless asked for them; other vendors' clients expect them.
            let display = (reasoning.exclude != Some(true)).then(|| "summarized".to_owned());
            Plan { mode: Some(Mode::Adaptive(display)), effort: fit_effort(pen, reasoning), ..Plan::default() }
        }
        Some(Thinking::Budget) | None => {
            let budget = budget_of(reasoning, &mut pen.losses);
            Plan { mode: Some(Mode::Enabled(Some(budget), None)), ..Plan::default() }
        }
    }
}

/// The effort, or the one nearest to the budget, as far as the model knows it.
fn fit_effort(pen: &mut Pen<'_>, reasoning: &Reasoning) -> Option<String> {
    let wanted = match (&reasoning.effort, reasoning.budget_tokens) {
        (Some(effort), _) => effort.clone(),
        (None, Some(budget)) => {
            pen.losses.add("reasoning.max_tokens", Why::Approximated);
            effort_of(budget, |_| true).to_owned()
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

fn forbids(plan: &Plan, request: &ChatRequest) -> bool {
    is_forbidden(request, matches!(plan.mode, Some(Mode::Enabled(..))), |thought| thought.seal.is_some())
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

// === what Claude asks for wherever it runs ===

/// The budget, or the one an effort stands for.
pub(crate) fn budget_of(reasoning: &Reasoning, losses: &mut Losses) -> u64 {
    let budget = reasoning.budget_tokens.unwrap_or_else(|| {
        losses.add("reasoning.effort", Why::Approximated);
        let effort = reasoning.effort.as_deref();
        BUDGETS.iter().find(|(name, _)| Some(*name) == effort).map_or(2048, |(_, budget)| *budget)
    });
    if budget < LEAST {
        losses.add("reasoning.max_tokens", Why::Clamped);
    }
    budget.max(LEAST)
}

/// The effort a budget stands for, among those the model knows. None stands for the highest, which has no bound.
pub(crate) fn effort_of(budget: u64, knows: impl Fn(&str) -> bool) -> &'static str {
    let below = BUDGETS[1..5].iter().rev().find(|(name, least)| budget >= *least && knows(name));
    below.map_or("low", |(name, _)| *name)
}

/// Whether Claude refuses to think in this conversation: under a forced call, before an answer that has begun, and, with a budget,
/// amid calls whose thoughts are gone or sealed by others.
pub(crate) fn is_forbidden(request: &ChatRequest, budgeted: bool, is_own: impl Fn(&Thought) -> bool) -> bool {
    if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Tool(_) | ToolChoice::Among(_, true))) {
        return true;
    }
    let turns = || request.messages.iter().rev().filter(|message| message.role != Role::System);
    if request.messages.last().is_some_and(|message| message.role == Role::Assistant) {
        return true;
    }
    if !budgeted {
        return false;
    }
    let holds_result = |message: &Message| message.parts.iter().any(|part| matches!(part.body, PartBody::ToolResult(_)));
    let mut answered = turns().skip_while(|message| holds_result(message));
    let amid = turns().next().is_some_and(holds_result);
    let begins_sealed =
        |message: &Message| matches!(message.parts.first().map(|part| &part.body), Some(PartBody::Reasoning(thought)) if is_own(thought));
    amid && answered.next().is_some_and(|message| !begins_sealed(message))
}
