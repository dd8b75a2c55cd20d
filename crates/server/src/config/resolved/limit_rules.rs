//! `switchboard.limit_rules`: rules for limits and budgets, written as TrueFoundry's manifests write them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use switchboard_engine::terms::{Budget, Limit, Mode, NanoUsd, Terms, Unit, Window};

use super::routing::parse;
use crate::config::fields::Reader;
use crate::config::yaml::Node;
use crate::limit_rules::{Among, Per, Rule};

/// A manifest, or a rule that stands for itself.
#[derive(Deserialize)]
struct Form {
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    id: Option<String>,
    #[serde(default)]
    rules: Vec<Form>,
    #[serde(default)]
    when: When,
    limit_to: Option<serde_json::Number>,
    unit: Option<String>,
    #[serde(default, alias = "budget_applies_per")]
    rate_limit_applies_per: Vec<String>,
    #[serde(default)]
    audit_mode: bool,
    /// The newer form of budgets: several at once.
    #[serde(default)]
    limits: BTreeMap<String, serde_json::Number>,
    applies_to: Option<AppliesTo>,
    mode: Option<String>,
    team_name: Option<String>,
}

#[derive(Default, Deserialize)]
struct When {
    #[serde(default)]
    subjects: AmongForm,
    #[serde(default)]
    models: AmongForm,
    #[serde(default)]
    metadata: BTreeMap<String, AmongForm>,
}

/// A list, one text, or `{in, not_in}`.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum AmongForm {
    #[default]
    Nothing,
    One(String),
    Many(Vec<String>),
    Both {
        #[serde(default, rename = "in")]
        any_of: Vec<String>,
        #[serde(default)]
        not_in: Vec<String>,
    },
}

#[derive(Deserialize)]
struct AppliesTo {
    #[serde(rename = "type")]
    kind: String,
    metadata: Option<String>,
    #[serde(default)]
    overrides: Vec<Override>,
}

#[derive(Deserialize)]
struct Override {
    users: Vec<String>,
    limits: BTreeMap<String, serde_json::Number>,
}

impl From<AmongForm> for Among {
    fn from(form: AmongForm) -> Self {
        match form {
            AmongForm::Nothing => Self::default(),
            AmongForm::One(one) => Self { any_of: vec![one], none_of: Vec::new() },
            AmongForm::Many(any_of) => Self { any_of, none_of: Vec::new() },
            AmongForm::Both { any_of, not_in } => Self { any_of, none_of: not_in },
        }
    }
}

/// Reads the rules of a list. What cannot be a rule is an error where it stands.
pub(super) fn read_all(reader: &mut Reader<'_>, nodes: &[Node]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let Some(form) = parse::<Form>(reader, "switchboard.limit_rules", node) else { continue };
        if let Err(message) = read(form, &format!("rule-{}", at + 1), &mut rules) {
            let hint = "write `{id, when: {subjects, models, metadata}, limit_to, unit: requests_per_minute, rate_limit_applies_per}`";
            reader.found.error(&node.at, format!("`switchboard.limit_rules`: {message}"), hint);
        }
    }
    rules
}

fn read(form: Form, fallback: &str, into: &mut Vec<Rule>) -> Result<(), String> {
    let id = form.id.clone().or_else(|| form.name.clone()).unwrap_or_else(|| fallback.to_owned());
    if !form.rules.is_empty() {
        return form.rules.into_iter().enumerate().try_for_each(|(at, rule)| read(rule, &format!("{id}-{}", at + 1), into));
    }
    let mode = match form.mode.as_deref() {
        _ if form.audit_mode => Mode::Audit,
        None | Some("enforce") => Mode::Enforce,
        Some("audit") => Mode::Audit,
        Some("soft_enforce") => Mode::Soft,
        Some(other) => return Err(format!("`{other}` is no mode; there are `enforce`, `audit` and `soft_enforce`")),
    };
    let terms = |limits: Vec<(&String, &serde_json::Number)>| {
        let mut terms = Terms { name: id.clone(), ..Terms::default() };
        limits.into_iter().try_for_each(|(unit, number)| add(&mut terms, unit, number, mode)).map(|()| terms)
    };
    let single = form.unit.as_ref().zip(form.limit_to.as_ref());
    let own = terms(form.limits.iter().chain(single).collect())?;
    if own.are_empty() && mode != Mode::Audit {
        return Err(format!("the rule `{id}` ({}) has no limit", form.kind.as_deref().unwrap_or("without a type")));
    }
    let mut per = form.rate_limit_applies_per.iter().map(|name| per(name)).collect::<Result<Vec<_>, _>>()?;
    let mut overrides = Vec::new();
    if let Some(applies) = form.applies_to {
        per.extend(applies_to(&applies)?);
        for other in applies.overrides {
            overrides.push((other.users, terms(other.limits.iter().collect())?));
        }
    }
    let mut subjects = Among::from(form.when.subjects);
    if let Some(team) = form.team_name.filter(|_| subjects.any_of.is_empty()) {
        subjects.any_of.push(format!("team:{team}"));
    }
    let metadata = form.when.metadata.into_iter().map(|(name, among)| (name, among.into())).collect();
    into.push(Rule { id, subjects, models: form.when.models.into(), metadata, terms: own, per, overrides });
    Ok(())
}

fn per(name: &str) -> Result<Per, String> {
    match name {
        "user" => Ok(Per::User),
        "model" => Ok(Per::Model),
        "virtualaccount" | "virtual-account" | "virtual_account" => Ok(Per::Account),
        _ => match name.strip_prefix("metadata.") {
            Some(key) if !key.is_empty() => Ok(Per::Metadata(key.to_owned())),
            _ => Err(format!("nothing is counted by `{name}`; there are `user`, `model`, `virtualaccount` and `metadata.NAME`")),
        },
    }
}

fn applies_to(form: &AppliesTo) -> Result<Option<Per>, String> {
    Ok(match (form.kind.as_str(), &form.metadata) {
        ("aggregate", _) => None,
        ("per-user", _) => Some(Per::User),
        ("per-model", _) => Some(Per::Model),
        ("per-virtual-account", _) => Some(Per::Account),
        ("metadata", Some(name)) => Some(Per::Metadata(name.clone())),
        (other, _) => return Err(format!("`applies_to` cannot be of the type `{other}`")),
    })
}

/// Adds so much of a unit.
fn add(terms: &mut Terms, unit: &str, number: &serde_json::Number, mode: Mode) -> Result<(), String> {
    let unknown = || format!("`{unit}` is no unit; there are requests, tokens and cost, `_per_` minute, hour, day, …");
    let (what, time) = unit.split_once("_per_").ok_or_else(unknown)?;
    if what == "cost" {
        let window = match time {
            "day" => Window::DAILY,
            "week" => Window::WEEKLY,
            "month" => Window::MONTHLY,
            "quarter" => Window::QUARTERLY,
            "lifetime" => Window::Lifetime,
            _ => return Err(unknown()),
        };
        let limit = NanoUsd::parse(&number.to_string()).ok_or_else(|| format!("`{number}` is no amount of US dollars"))?;
        terms.budgets.push(Budget { mode, ..Budget::new(limit, window) });
        return Ok(());
    }
    let unit = match what {
        "requests" => Unit::Requests,
        "tokens" => Unit::Tokens,
        _ => return Err(unknown()),
    };
    const DAY: u64 = 86_400;
    let seconds = match time {
        "minute" => 60,
        "hour" => 3_600,
        "day" => DAY,
        "week" => 7 * DAY,
        "month" => 30 * DAY,
        _ => return Err(unknown()),
    };
    let amount = number.as_u64().ok_or_else(|| format!("`{number}` is no number of {what}"))?;
    // What is only watched limits nothing.
    if mode != Mode::Audit {
        terms.limits.push(Limit { unit, amount, within: Duration::from_secs(seconds) });
    }
    Ok(())
}
