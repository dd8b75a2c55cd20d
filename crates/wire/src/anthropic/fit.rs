//! A request of this dialect at a model of Anthropic's that would refuse it as it is.
//!
//! What a model takes is in its row. Nothing is changed that it takes, and nothing where that is not known.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use super::thinking::{LEAST, Mode, Plan, budget_of, effort_of};
use crate::chat::Reasoning;
use crate::frames::Frames;
use crate::half::{Profile, Ways};
use crate::loss::{Losses, Why};
use crate::outline::Outline;
use crate::seal::ANTHROPIC;

static SYSTEM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"system\""));

/// What the seals of another gateway begin with: the API refuses them as signatures that are wrong.
pub(super) const ELSEWHERE: &str = "litellm_encrypted_reasoning:";

static SEALED_ELSEWHERE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(ELSEWHERE));

/// The field of OpenAI's that callers send here too, and Anthropic's models refuse.
pub(super) const ALIAS: &str = "reasoning_effort";

/// A field that clients of this API send also where it says nothing; then it is left out.
pub(super) const BLANK: &str = "safeguards";

/// Whether the model would refuse what stands there, as far as its row tells.
pub(super) fn is_refused(outline: &Outline, body: &Frames, profile: &Profile) -> bool {
    let anthropics = profile.vendor.as_deref().is_none_or(|vendor| vendor == ANTHROPIC);
    let is_said = outline.get(ALIAS).is_some() || is_blank(outline, body) || body.has(&SEALED_ELSEWHERE);
    anthropics && (is_said || refuses_thinking(outline, body, profile) || refuses_turns(outline, body, profile))
}

fn is_blank(outline: &Outline, body: &Frames) -> bool {
    outline.get(BLANK).is_some_and(|entry| &*body.slice(entry.value.start, entry.value.end) == b"null")
}

fn refuses_thinking(outline: &Outline, body: &Frames, profile: &Profile) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Thinking<'a> {
        #[serde(rename = "type")]
        kind: Cow<'a, str>,
        budget_tokens: Option<u64>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        effort: Option<String>,
    }
    let Some(ways) = profile.ways else { return false };
    if outline.get("thinking").is_none() && outline.get("output_config").is_none() {
        return false;
    }
    let (Ok(thinking), Ok(config)) = (outline.read::<Thinking<'_>>(body, "thinking"), outline.read::<Config>(body, "output_config")) else {
        return false;
    };
    let mode = thinking.and_then(|thinking| match &*thinking.kind {
        "enabled" => Some(Mode::Enabled(thinking.budget_tokens, None)),
        "disabled" => Some(Mode::Disabled),
        "adaptive" => Some(Mode::Adaptive(None)),
        _ => None,
    });
    let asked = Plan { mode, effort: config.and_then(|config| config.effort), ..Plan::default() };
    let mut fitted = asked.clone();
    fit(&mut fitted, (ways, profile), None, &mut Losses::new());
    let warm = || outline.read::<f64>(body, "temperature").is_ok_and(|temperature| temperature.is_some_and(|value| value != 1.0));
    (&fitted.mode, &fitted.effort) != (&asked.mode, &asked.effort) || (fitted.cold && warm())
}

fn refuses_turns(outline: &Outline, body: &Frames, profile: &Profile) -> bool {
    #[derive(Deserialize)]
    struct Turn<'a> {
        role: Cow<'a, str>,
    }
    let (Some(takes), Some(messages)) = (profile.mid_system, outline.get("messages")) else { return false };
    let mut said = Frames::new();
    body.slice_into(messages.value.start, messages.value.end, &mut said);
    if !said.has(&SYSTEM) {
        return false;
    }
    let said = said.join();
    let Ok(turns) = serde_json::from_slice::<Vec<Turn<'_>>>(&said) else { return false };
    let is_system = |turn: &Turn<'_>| turn.role == "system";
    if takes { turns.first().is_some_and(is_system) } else { turns.iter().any(is_system) }
}

/// Makes the plan one that the model takes. `limit`: the most tokens it may answer.
pub(super) fn fit(plan: &mut Plan, (ways, profile): (Ways, &Profile), limit: Option<u64>, losses: &mut Losses) {
    match &plan.mode {
        Some(Mode::Disabled) if !ways.off => {
            losses.dropped("thinking");
            plan.mode = None;
        }
        Some(Mode::Enabled(budget, display)) if ways.adaptive && !ways.budget => {
            losses.add("thinking", Why::Approximated);
            let effort = effort_of(budget.unwrap_or(0), |name| knows(profile, name)).to_owned();
            plan.effort.get_or_insert(effort);
            plan.mode = Some(Mode::Adaptive(display.clone()));
        }
        Some(Mode::Adaptive(_)) if !ways.adaptive => {
            losses.add("thinking", Why::Approximated);
            let guided = ways.effort && plan.effort.as_deref().is_some_and(|effort| knows(profile, effort));
            plan.mode = None;
            if !guided {
                let effort = plan.effort.take();
                plan.mode = budget(ways, effort, limit, losses);
            }
        }
        _ => {}
    }
    if !ways.effort
        && let Some(effort) = plan.effort.take()
    {
        losses.add("output_config.effort", Why::Approximated);
        if plan.mode.is_none() {
            plan.mode = budget(ways, Some(effort), limit, losses);
        }
    }
    // Models that decide themselves take any, or none at all.
    plan.cold = !ways.adaptive && (matches!(plan.mode, Some(Mode::Enabled(..))) || plan.effort.is_some());
}

/// Whether the model knows that effort; of a model that tells nothing the usual ones are known.
fn knows(profile: &Profile, effort: &str) -> bool {
    match &profile.efforts {
        Some(efforts) => efforts.iter().any(|known| known == effort),
        None => matches!(effort, "low" | "medium" | "high"),
    }
}

/// The thinking that an effort stands for, where it fits below the limit.
fn budget(ways: Ways, effort: Option<String>, limit: Option<u64>, losses: &mut Losses) -> Option<Mode> {
    if !ways.budget {
        return None;
    }
    let effort = effort.or_else(|| Some("medium".to_owned()));
    let budget = budget_of(&Reasoning { effort, ..Reasoning::default() }, losses);
    cap(Mode::Enabled(Some(budget), None), limit, losses)
}

/// The mode with its budget below the limit; none where even the least does not fit.
pub(super) fn cap(mode: Mode, limit: Option<u64>, losses: &mut Losses) -> Option<Mode> {
    match (mode, limit) {
        (Mode::Enabled(Some(budget), display), Some(limit)) if budget >= limit => {
            losses.add("thinking", Why::Clamped);
            (limit > LEAST).then(|| Mode::Enabled(Some(limit - 1), display))
        }
        (mode, _) => Some(mode),
    }
}
