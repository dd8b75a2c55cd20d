//! Names that stand for the models of four tiers.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde::Deserialize;
use switchboard_wire::problem::{Kind, Problem};

use super::history::Passages;
use super::pool::{Ceiling, Member, Pool};
use super::reading::Reader;
use super::seats::Seats;
use crate::call::{Call, Content, conversation};
use crate::classify::{Classifier, Oracle, Tier, Toward};
use crate::error::Error;
use crate::pattern::matches;

/// A model of a tier, and what is different for requests that go there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The model.
    pub model: String,
    /// Body fields to set: (name, JSON text).
    pub params: Vec<(String, String)>,
}

/// A name that stands for the models of four tiers.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoModel {
    /// Its names.
    pub names: Vec<String>,
    /// Whether the operator chose the names; else a model that is really called so goes first.
    pub explicit: bool,
    /// The models of each tier, from simple to reasoning, the first choice first. All empty: by the prices of the models there are.
    pub tiers: [Vec<Choice>; 4],
    /// The model where no tier has one that may be used.
    pub default: Option<String>,
    /// How tiers are told.
    pub classifier: Classifier,
    /// What is asked first.
    pub oracle: Option<Oracle>,
    /// The model that savings are counted against; else the first choice for requests that need thought.
    pub reference: Option<String>,
    /// Words that decide by themselves.
    pub words: Vec<(Vec<String>, Tier)>,
    /// Patterns of the only models that may be chosen; none: any.
    pub allowed: Vec<String>,
    /// Patterns of models that may not.
    pub excluded: Vec<String>,
    /// The most that a token may cost.
    pub ceiling: Ceiling,
    /// How long a conversation keeps its tier after its last request; `None`: it does not.
    pub sticky: Option<Duration>,
    /// Whether only a session that the client names is such a conversation.
    pub by_session: bool,
    /// What explanations call it.
    pub strategy: &'static str,
}

impl Default for AutoModel {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            explicit: false,
            tiers: Default::default(),
            default: None,
            classifier: Classifier::default(),
            oracle: None,
            reference: None,
            words: Vec::new(),
            allowed: Vec::new(),
            excluded: Vec::new(),
            ceiling: Ceiling::default(),
            sticky: Some(Duration::from_secs(3600)),
            by_session: false,
            strategy: "auto",
        }
    }
}

/// What was chosen.
pub(super) struct Chosen {
    /// None where the model was found by itself.
    pub(super) tier: Option<Tier>,
    /// The models to go to, in order; at least one.
    pub(super) choices: Vec<Choice>,
    pub(super) told_by: &'static str,
}

/// What OpenRouter's plugin says.
#[derive(Clone, Debug, Default, Deserialize)]
struct Plugin {
    #[serde(default)]
    id: String,
    enabled: Option<bool>,
    #[serde(default)]
    allowed_models: Vec<String>,
    #[serde(default)]
    excluded_models: Vec<String>,
    cost_tier: Option<String>,
    cost_quality_tradeoff: Option<f64>,
    #[serde(default)]
    pin_model: bool,
}

/// Who said a message.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    role: String,
    model: Option<String>,
}

impl Choice {
    fn of(model: &str) -> Self {
        Self { model: model.to_owned(), params: Vec::new() }
    }
}

impl Chosen {
    /// Those models, each once.
    fn of(tier: Option<Tier>, mut choices: Vec<Choice>, told_by: &'static str) -> Result<Self, Error> {
        let mut seen = HashSet::new();
        choices.retain(|choice| seen.insert(choice.model.clone()));
        if choices.is_empty() { Err(nothing_matches()) } else { Ok(Self { tier, choices, told_by }) }
    }
}

const PLUGINS: [&str; 2] = ["auto-router", "auto-beta-router"];

impl Plugin {
    fn of(call: &Call) -> Option<Self> {
        let Content::Json(outline) = &call.content else { return None };
        let plugins: Vec<serde_json::Value> = outline.read(&call.body, "plugins").ok().flatten()?;
        let plugins = plugins.into_iter().filter_map(|plugin| serde_json::from_value::<Self>(plugin).ok());
        plugins.into_iter().find(|plugin| PLUGINS.contains(&plugin.id.as_str()) && plugin.enabled != Some(false))
    }

    /// The highest tier that its cost tier allows, or else the older figure: up to the share of prices it stands for, 90 % at 0 and
    /// 10 % at 10.
    fn most(&self) -> Tier {
        match (self.cost_tier.as_deref(), self.cost_quality_tradeoff.map(|figure| 90.0 - 8.0 * figure)) {
            (Some("low" | "minimal"), _) => Tier::Simple,
            (Some("medium" | "standard"), _) => Tier::Standard,
            (Some("high"), _) => Tier::Complex,
            (None, Some(share)) if share <= 20.0 => Tier::Simple,
            (None, Some(share)) if share <= 40.0 => Tier::Standard,
            (None, Some(share)) if share <= 60.0 => Tier::Complex,
            _ => Tier::Reasoning,
        }
    }

    /// The model that its client wants to stay with: the one that said the latest answer.
    fn pinned(&self, call: &Call) -> Option<String> {
        let Content::Json(outline) = &call.content else { return None };
        let messages = || outline.read::<Vec<Said>>(&call.body, "messages").ok().flatten();
        let said = self.pin_model.then(messages)??;
        said.into_iter().rev().find(|said| said.role == "assistant")?.model
    }
}

impl AutoModel {
    /// Whether the operator said anything of it. One that is there of itself is rarely asked for: what it needs is made then, and a
    /// start is not kept waiting for it.
    pub(super) fn is_wanted(&self) -> bool {
        self.explicit || self.default.is_some() || self.tiers.iter().any(|tier| !tier.is_empty())
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }

    /// The tier of a request, and the models for it.
    pub(super) fn choose(
        &self,
        call: &Call,
        reader: &Reader<'_>,
        pool: &Pool,
        (seats, now, answer): (&Seats, Instant, Option<Toward>),
    ) -> Result<Chosen, Error> {
        let plugin = Plugin::of(call).unwrap_or_default();
        let told_by = if answer.is_some() { self.oracle.as_ref().map_or("local", Oracle::told_by) } else { "local" };
        let found = match answer {
            Some(Toward::Model(model)) => return self.named(call, pool, (model, told_by)),
            Some(Toward::Default) => match self.default.clone() {
                Some(model) => return self.named(call, pool, (model, told_by)),
                None => self.tier(reader),
            },
            Some(Toward::Tier(tier)) => tier,
            None => match self.default.clone().filter(|_| self.asks(reader).is_some_and(|oracle| oracle.or_default)) {
                Some(model) => return self.named(call, pool, (model, told_by)),
                None => self.tier(reader),
            },
        };
        let most = plugin.most();
        let tier = self.seated(call, reader, found, (seats, now)).min(most);
        let images = reader.has_images();
        let may = |member: &Member| {
            let named = |patterns: &[String]| patterns.iter().any(|pattern| member.fits(pattern));
            let allowed = |patterns: &[String]| patterns.is_empty() || named(patterns);
            allowed(&self.allowed)
                && allowed(&plugin.allowed_models)
                && !named(&self.excluded)
                && !named(&plugin.excluded_models)
                && member.is_within(&self.ceiling)
                && (member.sees || !images)
                && self.may_use(call, &member.name)
        };
        // A name that the pool does not know may be a pattern's match, an alias, a virtual model.
        let usable = |model: &str| pool.member(model).map_or_else(|| self.may_be(model), may);
        let mut choices = self.configured((tier, most), usable);
        if choices.is_empty() && (self.is_derived() || !plugin.allowed_models.is_empty()) {
            choices = pool.tier((tier, most), may).into_iter().map(|member| Choice::of(&member.name)).collect();
        }
        let default = self.default.as_deref().filter(|default| choices.is_empty() || usable(default));
        choices.extend(default.map(Choice::of));
        if let Some(pinned) = plugin.pinned(call) {
            let is_it =
                |choice: &Choice| choice.model == pinned || pool.member(&choice.model).is_some_and(|member| member.upstream == pinned);
            choices.iter().position(is_it).into_iter().for_each(|at| choices[..=at].rotate_right(1));
        }
        Chosen::of(Some(tier), choices, told_by)
    }

    /// The tier that its conversation keeps, where that is higher: told by the session that the client names, else by what was said in
    /// it. How it began does not tell it: half of all conversations begin with "hi".
    fn seated(&self, call: &Call, reader: &Reader<'_>, found: Tier, (seats, now): (&Seats, Instant)) -> Tier {
        let Some(ttl) = self.sticky else { return found };
        let own = (&call.principal.key, &self.names);
        if let Some(session) = conversation::session(call) {
            let key = (own, session);
            return seats.raise((Some(&key), &key), found, ttl, now);
        }
        match reader.meaning().filter(|_| !self.by_session).map(Passages::of) {
            Some(Passages { before, now: said }) => seats.raise((before.map(|before| (own, before)), (own, said)), found, ttl, now),
            None => found,
        }
    }

    /// A model that was found by itself, if it may be used, and the one for all that is left.
    fn named(&self, call: &Call, pool: &Pool, (model, told_by): (String, &'static str)) -> Result<Chosen, Error> {
        let may = |name: &String| {
            let bound = pool.member(name).is_none_or(|member| member.is_within(&self.ceiling));
            bound && self.may_be(name) && self.may_use(call, name)
        };
        let model = Some(model).filter(may);
        let default = self.default.clone().filter(|default| model.is_none() || may(default));
        Chosen::of(None, model.iter().chain(&default).map(|model| Choice::of(model)).collect(), told_by)
    }

    /// The model that savings are counted against.
    pub(super) fn reference(&self, pool: &Pool) -> Option<String> {
        let configured = || self.tiers.iter().rev().find_map(|choices| choices.first()).map(|choice| choice.model.clone());
        let named = |patterns: &[String], member: &Member| patterns.iter().any(|pattern| member.fits(pattern));
        let may = |member: &Member| {
            (self.allowed.is_empty() || named(&self.allowed, member)) && !named(&self.excluded, member) && member.is_within(&self.ceiling)
        };
        let derived = || pool.tier((Tier::Reasoning, Tier::Reasoning), may).first().map(|member| member.name.to_string());
        self.reference.clone().or_else(configured).or_else(derived)
    }

    /// What is asked about a request, if anything is: words decide without, and what is told to be easy may be believed.
    pub(super) fn asks(&self, reader: &Reader<'_>) -> Option<&Oracle> {
        let oracle = self.oracle.as_ref()?;
        let believed = oracle.above.is_some_and(|most| self.tier(reader) <= most);
        (!believed && self.word(reader).is_none()).then_some(oracle)
    }

    /// The tier that words decide.
    fn word(&self, reader: &Reader<'_>) -> Option<Tier> {
        if self.words.is_empty() {
            return None;
        }
        let asked = reader.asked().to_lowercase();
        let said = |words: &Vec<String>| words.iter().any(|word| asked.contains(&word.to_lowercase()));
        self.words.iter().find(|(words, _)| said(words)).map(|(_, tier)| *tier)
    }

    fn is_derived(&self) -> bool {
        self.tiers.iter().all(Vec::is_empty)
    }

    fn tier(&self, reader: &Reader<'_>) -> Tier {
        self.word(reader).unwrap_or_else(|| reader.tier(&self.classifier))
    }

    /// The models of the tier that may be used, then those of the tiers above it, the nearest first, then below; what is above the
    /// tier `most` only where there is nothing else.
    fn configured(&self, (tier, most): (Tier, Tier), usable: impl Fn(&str) -> bool) -> Vec<Choice> {
        let above = Tier::ALL.into_iter().filter(|other| *other >= tier && *other <= most);
        let below = Tier::ALL.into_iter().rev().filter(|other| *other < tier);
        let beyond = Tier::ALL.into_iter().filter(|other| *other > most);
        let of = |tier: Tier| self.tiers[tier as usize].iter().filter(|choice| usable(&choice.model)).cloned();
        let within: Vec<Choice> = above.chain(below).flat_map(of).collect();
        if within.is_empty() { beyond.flat_map(of).collect() } else { within }
    }

    fn may_be(&self, name: &str) -> bool {
        let named = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        (self.allowed.is_empty() || named(&self.allowed)) && !named(&self.excluded)
    }

    /// Whether the caller may use that model: by its own name, or because it was given this one and no other.
    fn may_use(&self, call: &Call, model: &str) -> bool {
        let principal = &call.principal;
        principal.may_use(model) || principal.allowed.iter().any(|allowed| self.is_named(allowed))
    }
}

fn nothing_matches() -> Error {
    let message = "No models match your request and model restrictions";
    let mut error = Error::from(Problem::new(Kind::NotFound, message).with_param("model"));
    error.problem.code = Some("no_matching_model".to_owned());
    error
}
