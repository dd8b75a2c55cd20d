//! Thinking, in a level or in a budget.

use super::read_request::THINKING;
use super::write_request::level;
use crate::chat::{ChatRequest, Reasoning};
use crate::dialect::Dialect;
use crate::half::{Budgets, Profile, Thinking};
use crate::json::Object;
use crate::loss::{Losses, Why};

/// Google's own table of efforts and budgets, for the models that know budgets.
const BUDGETS: [(&str, u64); 4] = [("minimal", 1024), ("low", 1024), ("medium", 8192), ("high", 24_576)];
const HIGHEST: u64 = 24_576;

/// What is written of `thinkingConfig`.
#[derive(Debug, Default)]
struct Config {
    level: Option<String>,
    budget: Option<i64>,
    include: Option<bool>,
}

/// Writes `thinkingConfig`.
pub(super) fn write_thinking(request: &ChatRequest, profile: &Profile, losses: &mut Losses, out: &mut Object<'_>) {
    let Some(reasoning) = &request.reasoning else {
        if let Some(level) = level(request) {
            out.object("thinkingConfig", |out| out.raw("thinkingLevel", level.get()));
        }
        return;
    };
    let own = request.extra.from() == Some(Dialect::Gemini);
    let config = if own { as_sent(reasoning) } else { for_model(reasoning, profile, losses) };
    let kept = request.extra.of(Dialect::Gemini).iter().filter_map(|(key, raw)| Some((key.strip_prefix(THINKING)?, raw)));
    let kept: Vec<_> = kept.collect();
    if !own && config.level.is_none() && config.budget.is_none() && config.include.is_none() {
        return;
    }
    out.object("thinkingConfig", |out| {
        out.option("thinkingLevel", config.level);
        out.option("thinkingBudget", config.budget);
        out.option("includeThoughts", config.include);
        kept.iter().for_each(|(key, raw)| out.raw(key, raw.get()));
    });
}

fn as_sent(reasoning: &Reasoning) -> Config {
    let budget = reasoning.budget_tokens.and_then(|budget| i64::try_from(budget).ok());
    Config {
        level: reasoning.effort.as_ref().map(|effort| effort.to_ascii_uppercase()),
        budget: budget.or(reasoning.adaptive.then_some(-1)),
        include: reasoning.exclude.map(|exclude| !exclude),
    }
}

fn for_model(reasoning: &Reasoning, profile: &Profile, losses: &mut Losses) -> Config {
    let off = reasoning.is_off();
    let mut config = Config { include: (!off).then_some(reasoning.exclude != Some(true)), ..Config::default() };
    match profile.thinking {
        Some(Thinking::Never) => {
            if !off {
                losses.dropped("reasoning");
            }
            config.include = None;
        }
        Some(Thinking::Effort | Thinking::Adaptive) => config.level = level_of(reasoning, off, profile, losses),
        // All models know budgets, not all know levels.
        Some(Thinking::Budget) | None => config.budget = budget_of(reasoning, off, profile.budgets, losses),
    }
    config
}

fn level_of(reasoning: &Reasoning, off: bool, profile: &Profile, losses: &mut Losses) -> Option<String> {
    let wanted = match (off, reasoning.effort.as_deref(), reasoning.budget_tokens) {
        (true, ..) => "none",
        (false, Some(effort), _) => effort,
        (false, None, Some(budget)) => {
            losses.add("reasoning.max_tokens", Why::Approximated);
            BUDGETS.iter().skip(1).find(|(_, most)| budget <= *most).map_or("high", |(level, _)| level)
        }
        (false, None, None) => return None,
    };
    let known = profile.efforts.as_ref();
    let is_known = |level: &str| known.is_none_or(|known| known.iter().any(|name| name == level));
    if wanted != "none" && is_known(wanted) && BUDGETS.iter().any(|(level, _)| *level == wanted) {
        return Some(wanted.to_owned());
    }
    // The nearest the model knows: these models cannot stop thinking altogether.
    let (upward, downward) = (["minimal", "low", "medium", "high"], ["high", "medium", "low", "minimal"]);
    let low = matches!(wanted, "none" | "minimal" | "low");
    let why = if off { Why::Approximated } else { Why::Clamped };
    losses.add("reasoning_effort", why);
    let order = if low { upward } else { downward };
    let fallback = if low { "low" } else { "high" };
    let nearest = known.and_then(|_| order.into_iter().find(|level| is_known(level)));
    Some(nearest.unwrap_or(fallback).to_owned())
}

fn budget_of(reasoning: &Reasoning, off: bool, known: Option<Budgets>, losses: &mut Losses) -> Option<i64> {
    if off {
        let least = known.filter(|known| !known.off).map(|known| known.least);
        if least.is_some() {
            // The model cannot stop thinking altogether.
            losses.add("reasoning", Why::Approximated);
        }
        return i64::try_from(least.unwrap_or(0)).ok();
    }
    let fitting = |budget: u64| known.map_or(budget, |known| budget.clamp(known.least, known.most));
    if let Some(budget) = reasoning.budget_tokens {
        if fitting(budget) != budget {
            losses.add("reasoning.max_tokens", Why::Clamped);
        }
        return i64::try_from(fitting(budget)).ok();
    }
    let Some(effort) = reasoning.effort.as_deref() else {
        return (reasoning.adaptive || reasoning.enabled == Some(true)).then_some(-1);
    };
    let found = BUDGETS.iter().find(|(level, _)| *level == effort).map(|(_, budget)| *budget);
    if found.is_none() {
        losses.add("reasoning_effort", Why::Clamped);
    }
    i64::try_from(fitting(found.unwrap_or(HIGHEST))).ok()
}
