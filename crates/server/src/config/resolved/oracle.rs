//! What automatic models ask other models: `switchboard.auto.classifier`, and LiteLLM's forms of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use switchboard_engine::classify::{Means, Oracle, Route, Tier, Toward};
use switchboard_engine::route::virtual_model::Classification;

/// How long an answer is waited for unless said.
const PATIENCE: Duration = Duration::from_millis(800);
/// How near a request must be to an example unless said: semantic-router's rule for OpenAI's encoders.
const THRESHOLD: f64 = 0.3;

/// `switchboard.auto.classifier`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassifierForm {
    model: Option<String>,
    embedding_model: Option<String>,
    timeout_ms: Option<u64>,
    instructions: Option<String>,
    #[serde(default)]
    examples: BTreeMap<String, Vec<String>>,
    threshold: Option<f64>,
    /// The hardest tier that is believed when it is told locally: only harder requests are asked about.
    local_up_to: Option<String>,
}

impl ClassifierForm {
    /// What is asked.
    pub(super) fn oracle(self, whys: &mut Vec<String>) -> Option<Oracle> {
        let timeout = self.timeout_ms.map_or(PATIENCE, Duration::from_millis);
        let above = self.local_up_to.as_deref().and_then(|name| tier(name, whys));
        let (model, means) = match (self.model, self.embedding_model) {
            (Some(model), None) => (model, Means::Words(self.instructions)),
            (None, Some(model)) => {
                let threshold = self.threshold.unwrap_or(THRESHOLD);
                let route = |(name, utterances): (String, Vec<String>)| {
                    Some(Route { toward: Toward::Tier(tier(&name, whys)?), utterances, threshold })
                };
                let routes: Vec<Route> = self.examples.into_iter().filter_map(route).collect();
                if routes.iter().all(|route| route.utterances.is_empty()) {
                    whys.push("`classifier.embedding_model` needs `examples` of each tier".to_owned());
                    return None;
                }
                (model, Means::Nearest(routes))
            }
            _ => {
                whys.push("`classifier` needs either `model` or `embedding_model`".to_owned());
                return None;
            }
        };
        Some(Oracle { model, timeout, means, above, or_default: false })
    }
}

pub(super) fn tier(name: &str, whys: &mut Vec<String>) -> Option<Tier> {
    let found = Tier::from_name(name);
    if found.is_none() {
        whys.push(format!("there is no tier `{name}`: write simple, standard, complex or reasoning"));
    }
    found
}

/// What LiteLLM's complexity router says of its classifier.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LitellmClassifier {
    classifier_type: Option<String>,
    classifier_llm_config: Option<LlmConfig>,
    classifier_fallback: Option<String>,
    heuristic_first_max_tier: Option<String>,
}

#[derive(Deserialize)]
struct LlmConfig {
    model: String,
    timeout_ms: Option<u64>,
    timeout: Option<f64>,
    system_prompt: Option<String>,
}

impl LitellmClassifier {
    pub(super) fn oracle(self, whys: &mut Vec<String>) -> Option<Oracle> {
        let kind = self.classifier_type.as_deref().unwrap_or("heuristic");
        let first = match kind {
            "llm" => None,
            "heuristic_first" => Some(self.heuristic_first_max_tier.as_deref().map_or(Some(Tier::Simple), |name| tier(name, whys))?),
            // Others are told locally.
            _ => return None,
        };
        let Some(config) = self.classifier_llm_config else {
            whys.push(format!("`classifier_type: {kind}` needs `classifier_llm_config` with a `model`"));
            return None;
        };
        let seconds = config.timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some(Oracle {
            model: config.model,
            timeout: config.timeout_ms.map(Duration::from_millis).or(seconds).unwrap_or(PATIENCE),
            means: Means::Words(config.system_prompt),
            above: first,
            or_default: self.classifier_fallback.as_deref() == Some("default_model"),
        })
    }
}

/// LiteLLM's `auto_router_config`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct SemanticForm {
    encoder_name: Option<String>,
    routes: Vec<SemanticRoute>,
}

#[derive(Deserialize)]
struct SemanticRoute {
    name: String,
    #[serde(default)]
    utterances: Vec<String>,
    score_threshold: Option<f64>,
}

/// What a semantic router asks, of its configuration as text or as a map; `None` where it has no routes.
pub(super) fn semantic(written: &Value, embedding_model: Option<&str>, whys: &mut Vec<String>) -> Option<Oracle> {
    let form = match written {
        Value::String(text) => serde_json::from_str::<SemanticForm>(text),
        other => serde_json::from_value(other.clone()),
    };
    let form = form.map_err(|error| whys.push(format!("`auto_router_config`: {error}"))).ok()?;
    let Some(model) = embedding_model.map(str::to_owned).or(form.encoder_name) else {
        whys.push("`auto_router_embedding_model` must name an embedding model".to_owned());
        return None;
    };
    let route = |route: SemanticRoute| Route {
        toward: Toward::Model(route.name),
        utterances: route.utterances,
        threshold: route.score_threshold.unwrap_or(THRESHOLD),
    };
    let routes: Vec<Route> = form.routes.into_iter().map(route).collect();
    let timeout = Duration::from_secs(5);
    (!routes.is_empty()).then_some(Oracle { model, timeout, means: Means::Nearest(routes), above: None, or_default: true })
}

/// TrueFoundry's `classification_strategy`.
#[derive(Deserialize)]
pub(super) struct StrategyForm {
    #[serde(rename = "type")]
    kind: String,
    model: Option<String>,
    timeout_ms: Option<u64>,
    fallback_strategy: Option<FallbackForm>,
}

#[derive(Deserialize)]
struct FallbackForm {
    default_tier: Option<String>,
}

impl StrategyForm {
    /// What is asked, if anything is; or what is wrong.
    pub(super) fn classification(self) -> Result<Option<Classification>, String> {
        match self.kind.as_str() {
            "heuristic" => Ok(None),
            "llm-classifier" => {
                let model = self.model.ok_or("`classification_strategy` needs a `model`")?;
                let mut whys = Vec::new();
                let fallback = self.fallback_strategy.and_then(|form| form.default_tier);
                let default_tier = fallback.as_deref().and_then(|name| tier(name, &mut whys));
                if let Some(why) = whys.pop() {
                    return Err(why);
                }
                let timeout = self.timeout_ms.map_or(PATIENCE, Duration::from_millis);
                let oracle = Oracle { model, timeout, means: Means::Words(None), above: None, or_default: false };
                Ok(Some(Classification { oracle, default_tier }))
            }
            other => Err(format!("`classification_strategy.type` may be heuristic or llm-classifier, not `{other}`")),
        }
    }
}
