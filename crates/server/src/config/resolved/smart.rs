//! `switchboard.auto`, `switchboard.content_rules` and LiteLLM's `auto_router/…` deployments: routing by what a request says.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use switchboard_engine::catalog::Rate;
use switchboard_engine::classify::{Boundaries, Classifier, Dimension, Tier, Weights};
use switchboard_engine::recognize;
use switchboard_engine::smart::{AutoModel, Ceiling, Choice, ContentRule, Settings};

use super::Deployment;
use super::oracle::{self, ClassifierForm, LitellmClassifier};
use super::routing::parse;
use crate::config::diagnostic::{Diagnostics, Location};
use crate::config::fields::{Fields, Reader};

/// The names that are automatic unless the operator gives them to a model.
const NAMES: [&str; 4] = ["auto", "switchboard/auto", "openrouter/auto", "openrouter/auto-beta"];
/// How the model of a LiteLLM router begins.
const ROUTER: &str = "auto_router/";
/// The weights that LiteLLM's dimensions have unless said, and what they are here.
const DIMENSIONS: [(&str, f32, &[Dimension]); 6] = [
    ("tokenCount", 0.10, &[Dimension::Length]),
    ("codePresence", 0.30, &[Dimension::Code]),
    ("reasoningMarkers", 0.25, &[Dimension::ReasoningMarkers, Dimension::Mathematics, Dimension::Puzzle]),
    ("technicalTerms", 0.25, &[Dimension::TechnicalTerms, Dimension::Engineering]),
    ("simpleIndicators", 0.05, &[Dimension::SimpleIndicators]),
    ("multiStepPatterns", 0.03, &[Dimension::MultiStep]),
];

/// `switchboard.auto`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Form {
    enabled: Option<bool>,
    names: Option<OneOrMany<String>>,
    models: Tiers,
    default_model: Option<String>,
    allowed_models: Vec<String>,
    excluded_models: Vec<String>,
    max_prompt_usd_per_million: Option<serde_json::Number>,
    max_completion_usd_per_million: Option<serde_json::Number>,
    sticky_seconds: Option<u64>,
    boundaries: BoundariesForm,
    weights: std::collections::BTreeMap<String, f32>,
    keyword_rules: Vec<KeywordRule>,
    classifier: Option<ClassifierForm>,
    reference_model: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BoundariesForm {
    #[serde(alias = "simple_medium")]
    standard: Option<f32>,
    #[serde(alias = "medium_complex")]
    complex: Option<f32>,
    #[serde(alias = "complex_reasoning")]
    reasoning: Option<f32>,
}

#[derive(Deserialize)]
struct KeywordRule {
    keywords: Vec<String>,
    tier: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// The models of tiers, by any name of a tier.
type Tiers = std::collections::BTreeMap<String, OneOrMany<Entry>>;

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Name(String),
    With {
        #[serde(alias = "model_name")]
        model: String,
        #[serde(alias = "litellm_params", default)]
        params: serde_json::Map<String, Value>,
    },
}

impl Entry {
    fn choice(self) -> Choice {
        match self {
            Self::Name(model) => Choice { model, params: Vec::new() },
            Self::With { model, params } => {
                Choice { model, params: params.into_iter().map(|(key, value)| (key, value.to_string())).collect() }
            }
        }
    }
}

/// LiteLLM's `complexity_router_config`; what it says beside this is not read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct LitellmForm {
    tiers: Tiers,
    tier_boundaries: BoundariesForm,
    dimension_weights: std::collections::BTreeMap<String, f32>,
    default_model: Option<String>,
    keyword_tier_rules: Vec<KeywordRule>,
    session_affinity: bool,
    session_affinity_ttl_seconds: Option<u64>,
    savings_baseline_model: Option<String>,
    #[serde(flatten)]
    classifier: LitellmClassifier,
}

/// An entry of `switchboard.content_rules`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleForm {
    classes: OneOrMany<String>,
    labels: OneOrMany<String>,
}

/// What the gateway's own section says.
pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Settings {
    let node = fields.node("auto");
    let form: Form = node.and_then(|node| parse(reader, "switchboard.auto", node)).unwrap_or_default();
    let mut settings = Settings::default();
    if form.enabled != Some(false) {
        let mut whys = Vec::new();
        settings.auto.push(own(form, &mut whys));
        if let Some(node) = node {
            for why in whys {
                reader.found.error(&node.at, format!("`switchboard.auto`: {why}"), "see docs/configuration.md for its form");
            }
        }
    }
    for item in fields.list("content_rules") {
        let Some(form) = parse::<RuleForm>(reader, "switchboard.content_rules[]", item) else { continue };
        let rule = ContentRule { classes: form.classes.into_vec(), labels: form.labels.into_vec() };
        let kinds = recognize::kinds();
        for class in rule.classes.iter().filter(|class| *class != "*" && !kinds.contains(&class.as_str())) {
            let hint = format!("write one of: *, {}", kinds.join(", "));
            reader.found.error(
                &item.at,
                format!("`switchboard.content_rules[]` names the class `{class}`, which nothing recognizes"),
                hint,
            );
        }
        settings.content.push(rule);
    }
    settings
}

fn own(form: Form, whys: &mut Vec<String>) -> AutoModel {
    let mut weights = Weights::default();
    for (name, weight) in &form.weights {
        match Dimension::ALL.iter().find(|(known, _)| known == name) {
            Some((_, dimension)) => weights = weights.with(*dimension, *weight),
            None => whys.push(format!("there is no dimension `{name}`")),
        }
    }
    let mut price = |number: Option<serde_json::Number>| {
        let number = number?.to_string();
        // As written for a million tokens.
        Rate::parse_scaled(&number, -6).map_err(|error| whys.push(error.to_string())).ok()
    };
    let ceiling = Ceiling { prompt: price(form.max_prompt_usd_per_million), answer: price(form.max_completion_usd_per_million) };
    AutoModel {
        explicit: form.names.is_some(),
        names: form.names.map_or_else(|| NAMES.map(str::to_owned).to_vec(), OneOrMany::into_vec),
        tiers: tiers(form.models, whys),
        default: form.default_model,
        classifier: Classifier { boundaries: boundaries(&form.boundaries), weights },
        oracle: form.classifier.and_then(|classifier| classifier.oracle(whys)),
        reference: form.reference_model,
        words: words(form.keyword_rules, whys),
        allowed: form.allowed_models,
        excluded: form.excluded_models,
        ceiling,
        sticky: sticky(form.sticky_seconds),
        by_session: false,
        strategy: "auto",
    }
}

fn tiers(written: Tiers, whys: &mut Vec<String>) -> [Vec<Choice>; 4] {
    let mut tiers: [Vec<Choice>; 4] = Default::default();
    for (name, entries) in written {
        match Tier::from_name(&name) {
            Some(tier) => tiers[tier as usize] = entries.into_vec().into_iter().map(Entry::choice).collect(),
            None => whys.push(format!("there is no tier `{name}`: write simple, standard, complex or reasoning")),
        }
    }
    tiers
}

fn words(rules: Vec<KeywordRule>, whys: &mut Vec<String>) -> Vec<(Vec<String>, Tier)> {
    let mut words = Vec::new();
    for rule in rules {
        let keywords: Vec<String> = rule.keywords.into_iter().filter(|word| !word.trim().is_empty()).collect();
        match Tier::from_name(&rule.tier) {
            Some(tier) if !keywords.is_empty() => words.push((keywords, tier)),
            Some(_) => whys.push("a rule on keywords has none".to_owned()),
            None => whys.push(format!("there is no tier `{}`: write simple, standard, complex or reasoning", rule.tier)),
        }
    }
    words
}

fn boundaries(form: &BoundariesForm) -> Boundaries {
    let usual = Boundaries::default();
    Boundaries {
        standard: form.standard.unwrap_or(usual.standard),
        complex: form.complex.unwrap_or(usual.complex),
        reasoning: form.reasoning.unwrap_or(usual.reasoning),
    }
}

fn sticky(seconds: Option<u64>) -> Option<Duration> {
    match seconds {
        Some(0) => None,
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => AutoModel::default().sticky,
    }
}

/// What an `auto_router/…` deployment says, as written.
#[derive(Clone, Debug, Default)]
pub struct RouterParams {
    /// `complexity_router_config`.
    pub complexity: Option<Value>,
    /// `auto_router_default_model`, or that of its configuration.
    pub default_model: Option<String>,
    /// `auto_router_config`, as written or as it stands in its file.
    pub semantic: Option<Value>,
    /// `auto_router_embedding_model`.
    pub embedding_model: Option<String>,
}

impl RouterParams {
    /// Of those parameters, where the model is a router.
    pub(super) fn read(model: &str, reader: &mut Reader<'_>, fields: &Fields) -> Option<Box<Self>> {
        model.starts_with(ROUTER).then(|| {
            let complexity = fields.node("complexity_router_config").map(crate::config::yaml::Node::to_json);
            Box::new(Self {
                semantic: semantic(reader, fields),
                embedding_model: fields.text("auto_router_embedding_model"),
                complexity,
                default_model: fields.text("complexity_router_default_model").or_else(|| fields.text("auto_router_default_model")),
            })
        })
    }
}

/// The rules of a semantic router, where they stand: in the configuration, or in a file beside it.
fn semantic(reader: &mut Reader<'_>, fields: &Fields) -> Option<Value> {
    if let Some(node) = fields.node("auto_router_config") {
        return Some(node.to_json());
    }
    let (path, node) = (fields.text("auto_router_config_path")?, fields.node("auto_router_config_path")?);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(Value::String(text)),
        Err(error) => {
            reader.found.error(&node.at, format!("`auto_router_config_path`: cannot read `{path}`: {error}"), "name a JSON file");
            None
        }
    }
}

/// Takes the routers out of the deployments: a name that only chooses is no place where a model runs.
pub(super) fn take_routers(deployments: &mut Vec<Deployment>, settings: &mut Settings, found: &mut Diagnostics) -> Vec<Deployment> {
    let (routers, others) = std::mem::take(deployments).into_iter().partition(|deployment| deployment.router.is_some());
    *deployments = others;
    for deployment in &routers {
        let Deployment { router: Some(params), model_name, at, .. } = deployment else { continue };
        let mut whys = Vec::new();
        settings.auto.insert(0, router(model_name, params, &mut whys));
        for why in whys {
            report(found, at, model_name, &why);
        }
    }
    routers
}

fn report(found: &mut Diagnostics, at: &Location, name: &str, why: &str) {
    found.error(at, format!("the router `{name}`: {why}"), "see docs/litellm-compat.md for what is read");
}

fn router(name: &str, params: &RouterParams, whys: &mut Vec<String>) -> AutoModel {
    let form: LitellmForm = match params.complexity.clone().map(serde_json::from_value) {
        Some(Ok(form)) => form,
        Some(Err(error)) => {
            whys.push(format!("`complexity_router_config`: {error}"));
            LitellmForm::default()
        }
        None => LitellmForm::default(),
    };
    let mut weights = Weights::default();
    for (name, usual, dimensions) in DIMENSIONS {
        if let Some(weight) = form.dimension_weights.get(name) {
            weights = dimensions.iter().fold(weights, |weights, dimension| weights.with(*dimension, weight / usual));
        }
    }
    let semantic = params.semantic.as_ref().and_then(|written| oracle::semantic(written, params.embedding_model.as_deref(), whys));
    let strategy = if semantic.is_some() { "auto_router" } else { "complexity_router" };
    let oracle = semantic.or_else(|| form.classifier.oracle(whys));
    AutoModel {
        names: vec![name.to_owned()],
        explicit: true,
        tiers: tiers(form.tiers, whys),
        default: form.default_model.or_else(|| params.default_model.clone()),
        classifier: Classifier { boundaries: boundaries(&form.tier_boundaries), weights },
        oracle,
        reference: form.savings_baseline_model,
        words: words(form.keyword_tier_rules, whys),
        // Every request is judged by itself unless sessions are to keep to something, and then those that clients name.
        sticky: sticky(form.session_affinity_ttl_seconds).filter(|_| form.session_affinity),
        by_session: true,
        strategy,
        ..AutoModel::default()
    }
}
