//! `switchboard.experiments`: names that stand for several models, to find out which does best. `POST /v1/experiments` takes the same.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use switchboard_engine::deployment::Shadow;
use switchboard_engine::experiment::{Arm, Experiment, Goal, Policy, Sticky};

use super::routing::parse;
use crate::config::fields::Reader;
use crate::config::yaml::Node;

/// The most arms of one experiment.
const MOST_ARMS: usize = 16;

/// An experiment as it is written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentForm {
    /// What it is called.
    pub name: String,
    model: String,
    arms: Vec<ArmForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sticky_by: Option<OneOrMany>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traffic: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adapt: Option<AdaptForm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shadows: Vec<ShadowForm>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct ArmForm {
    model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    params: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// How shares are shifted; what is not said is as usual.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
struct AdaptForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<GoalForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    every_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_step: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_samples: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tolerance: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    promote: Option<bool>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct GoalForm {
    #[serde(default)]
    quality: f64,
    #[serde(default)]
    cost: f64,
    #[serde(default)]
    latency: f64,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct ShadowForm {
    model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    judge: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    charge_caller: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_concurrent: Option<usize>,
}

impl ExperimentForm {
    /// The experiment that is meant, or what is wrong with it.
    pub fn meant(&self) -> Result<Experiment, String> {
        if self.name.trim().is_empty() || self.name.len() > 200 || self.name.contains('/') {
            return Err("`name` must be there, without a slash and no longer than 200 bytes".to_owned());
        }
        if self.model.trim().is_empty() {
            return Err("`model` must be the name that callers use".to_owned());
        }
        if self.arms.is_empty() || self.arms.len() > MOST_ARMS {
            return Err(format!("`arms` must be a list of 1 to {MOST_ARMS} models"));
        }
        let arms: Vec<Arm> = self.arms.iter().map(ArmForm::arm).collect::<Result<_, _>>()?;
        for (at, arm) in arms.iter().enumerate() {
            if arms[..at].iter().any(|other| other.name == arm.name) {
                return Err(format!("two arms are called `{}`; give them different names", arm.name));
            }
        }
        if arms.iter().all(|arm| arm.weight <= 0.0) {
            return Err("one arm at least needs a `weight` above 0".to_owned());
        }
        let sticky = match &self.sticky_by {
            None => vec!["session".to_owned(), "user".to_owned(), "key".to_owned()],
            Some(OneOrMany::One(one)) => vec![one.clone()],
            Some(OneOrMany::Many(many)) => many.clone(),
        };
        let read = |name: &String| {
            Sticky::from_name(name).ok_or_else(|| format!("`sticky_by` may be session, user, key, request or header:NAME, not `{name}`"))
        };
        Ok(Experiment {
            name: self.name.clone(),
            model: self.model.clone(),
            arms,
            sticky: sticky.iter().map(read).collect::<Result<_, _>>()?,
            traffic: share("traffic", self.traffic.unwrap_or(1.0))?,
            shadows: self.shadows.iter().map(ShadowForm::shadow).collect::<Result<_, _>>()?,
            policy: self.adapt.as_ref().filter(|adapt| adapt.enabled != Some(false)).map(AdaptForm::policy).transpose()?,
        })
    }
}

impl ArmForm {
    fn arm(&self) -> Result<Arm, String> {
        let weight = self.weight.unwrap_or(1.0);
        if !weight.is_finite() || weight < 0.0 {
            return Err(format!("the `weight` of `{}` must be a number from 0", self.model));
        }
        if self.model.trim().is_empty() {
            return Err("every arm needs a `model`".to_owned());
        }
        let params = self.params.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
        let name = self.name.clone().unwrap_or_else(|| self.model.clone());
        Ok(Arm { name: Arc::from(name), model: self.model.clone(), weight, params })
    }
}

impl AdaptForm {
    fn policy(&self) -> Result<Policy, String> {
        let usual = Policy::default();
        let goal = match &self.goal {
            None => usual.goal,
            Some(goal) => {
                let parts = [goal.quality, goal.cost, goal.latency];
                if parts.iter().any(|part| !part.is_finite() || *part < 0.0) || parts.iter().sum::<f64>() <= 0.0 {
                    return Err("`adapt.goal` needs numbers from 0, one of them above it".to_owned());
                }
                Goal { quality: goal.quality, cost: goal.cost, latency: goal.latency }
            }
        };
        Ok(Policy {
            goal,
            every_seconds: self.every_seconds.unwrap_or(usual.every_seconds).max(1),
            floor: share("adapt.floor", self.floor.unwrap_or(usual.floor))?,
            max_step: share("adapt.max_step", self.max_step.unwrap_or(usual.max_step))?,
            min_samples: self.min_samples.unwrap_or(usual.min_samples),
            confidence: share("adapt.confidence", self.confidence.unwrap_or(usual.confidence))?,
            tolerance: share("adapt.tolerance", self.tolerance.unwrap_or(usual.tolerance))?,
            max_seconds: self.max_seconds,
            promote: self.promote.unwrap_or(usual.promote),
        })
    }
}

impl ShadowForm {
    fn shadow(&self) -> Result<Arc<Shadow>, String> {
        Ok(Arc::new(Shadow {
            model: self.model.clone(),
            share: share("shadows[].share", self.share.unwrap_or(1.0))?,
            judge: self.judge.clone(),
            charges_caller: self.charge_caller.unwrap_or(false),
            at_once: self.max_concurrent.unwrap_or(Shadow::AT_ONCE).max(1),
        }))
    }
}

fn share(name: &str, share: f64) -> Result<f64, String> {
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("`{name}` must be between 0 and 1, not {share}")) }
}

/// All of `switchboard.experiments`.
pub(super) fn read_all(reader: &mut Reader<'_>, items: &[Node]) -> Vec<Arc<Experiment>> {
    let mut found: Vec<Arc<Experiment>> = Vec::new();
    for item in items {
        let Some(form) = parse::<ExperimentForm>(reader, "switchboard.experiments[]", item) else { continue };
        let known = |name: &str| found.iter().any(|other| other.name == name);
        match form.meant() {
            Ok(experiment) if known(&experiment.name) => {
                let message = format!("two experiments are called `{}`", experiment.name);
                reader.found.error(&item.at, message, "give each a `name` of its own");
            }
            Ok(experiment) => found.push(Arc::new(experiment)),
            Err(why) => reader.found.error(&item.at, format!("`switchboard.experiments[]`: {why}"), "see docs/configuration.md"),
        }
    }
    found
}
