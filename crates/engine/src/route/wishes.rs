//! What one request asks for beside the model: OpenRouter's preferences, LiteLLM's fallbacks and tags.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use switchboard_wire::control::is_steering;
use switchboard_wire::problem::{Kind, Problem};

use crate::call::{Call, Content};
use crate::catalog::Rate;
use crate::online;
use crate::openrouter::compression;
use crate::route::order::Strategy;
use crate::route::overrides::{FallbackForm, RouterOverride};
use crate::route::plan::Fallback;
use crate::route::weights::Weights;

/// What a request asks for. All of it may be absent, and mostly is.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Models to try, in order, `model` first.
    pub models: Vec<String>,
    /// OpenRouter's `provider`.
    pub provider: Provider,
    /// Whether the request has a `provider` or `models`: it is one of OpenRouter's.
    pub is_openrouter: bool,
    /// What to fall back to, where the client says (`fallbacks`).
    pub fallbacks: Option<Vec<Fallback>>,
    /// Whether there is to be no fallback at all.
    pub disable_fallbacks: bool,
    /// Weights of deployments (LiteLLM's `router_settings_override`).
    pub weights: Weights,
    /// How deployments are to be put in order (the same).
    pub strategy: Option<Strategy>,
    /// Whether tags choose deployments, whatever the operator says (the same).
    pub filters_by_tags: bool,
    /// Whether the provider is to search the web (OpenRouter's plugin).
    pub online: bool,
    /// Whether a prompt that is too long is to be shortened (the same).
    pub compresses: bool,
    /// The region that the caller's data must stay in (LiteLLM's `allowed_model_region`).
    pub region: Option<String>,
}

/// OpenRouter's `provider` object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Provider {
    /// Try these first, in this order.
    pub order: Option<Vec<String>>,
    /// These and no others.
    pub only: Option<Vec<String>>,
    /// None of these.
    pub ignore: Option<Vec<String>>,
    /// Whether others may be tried than the first choices.
    pub allow_fallbacks: Option<bool>,
    /// Only those that support every parameter sent.
    pub require_parameters: Option<bool>,
    /// Whether the data may be stored and trained on.
    pub data_collection: Option<DataCollection>,
    /// Only those that retain nothing.
    pub zdr: Option<bool>,
    /// Only models whose licence allows distillation.
    pub enforce_distillable_text: Option<bool>,
    /// Only weights of these precisions.
    pub quantizations: Option<Vec<String>>,
    /// Rank by one figure alone.
    pub sort: Option<Sort>,
    /// The highest prices, USD per million.
    pub max_price: Option<MaxPrice>,
    /// Tokens a second below which an endpoint is a last choice.
    pub preferred_min_throughput: Option<Preferred>,
    /// Seconds to the first token above which an endpoint is a last choice.
    pub preferred_max_latency: Option<Preferred>,
}

/// Whether data may be collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataCollection {
    /// It may.
    Allow,
    /// It may not.
    #[serde(alias = "disallow")]
    Deny,
}

/// The figure that endpoints are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The lowest price first.
    Price,
    /// The highest throughput first.
    Throughput,
    /// The shortest wait first.
    Latency,
    /// The best at calling tools first.
    Exacto,
}

/// Whether the models of a request are ranked one after the other or together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partition {
    /// All endpoints of the first model before those of the second.
    #[default]
    Model,
    /// All endpoints of all models together.
    None,
}

/// `sort`, in either of its forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "SortForm")]
pub struct Sort {
    /// The figure.
    pub by: Option<By>,
    /// Across models or not.
    pub partition: Partition,
}

impl Provider {
    /// Whether it may leave any endpoint out.
    pub fn is_choosy(&self) -> bool {
        let lists = self.only.is_some() || self.ignore.is_some() || self.quantizations.is_some();
        let rules = self.require_parameters.is_some() || self.zdr.is_some() || self.enforce_distillable_text.is_some();
        lists || rules || self.data_collection.is_some() || self.max_price.is_some()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SortForm {
    By(By),
    Full { by: Option<By>, partition: Option<Partition> },
}

impl From<SortForm> for Sort {
    fn from(form: SortForm) -> Self {
        match form {
            SortForm::By(by) => Self { by: Some(by), partition: Partition::Model },
            SortForm::Full { by, partition } => Self { by, partition: partition.unwrap_or_default() },
        }
    }
}

/// A threshold: for the median, or for several percentiles that must all hold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "PreferredForm")]
pub struct Preferred(pub Vec<(f64, f64)>);

#[derive(Deserialize)]
#[serde(untagged)]
enum PreferredForm {
    Median(f64),
    Percentiles { p50: Option<f64>, p75: Option<f64>, p90: Option<f64>, p99: Option<f64> },
}

impl From<PreferredForm> for Preferred {
    fn from(form: PreferredForm) -> Self {
        match form {
            PreferredForm::Median(value) => Self(vec![(0.5, value)]),
            PreferredForm::Percentiles { p50, p75, p90, p99 } => {
                let all = [(0.5, p50), (0.75, p75), (0.9, p90), (0.99, p99)];
                Self(all.into_iter().filter_map(|(at, value)| Some((at, value?))).collect())
            }
        }
    }
}

/// The highest prices a caller would pay, as exact rates for one unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, Box<RawValue>>")]
pub struct MaxPrice {
    /// For a token of the prompt.
    pub prompt: Option<Rate>,
    /// For a token of the answer.
    pub completion: Option<Rate>,
    /// For an image.
    pub image: Option<Rate>,
    /// For a token of sound.
    pub audio: Option<Rate>,
    /// For a request.
    pub request: Option<Rate>,
}

impl TryFrom<BTreeMap<String, Box<RawValue>>> for MaxPrice {
    type Error = String;

    fn try_from(written: BTreeMap<String, Box<RawValue>>) -> Result<Self, String> {
        let mut prices = Self::default();
        for (name, value) in written {
            // Tokens are priced by the million; what is bought by the piece, by the piece.
            let (place, shift) = match name.as_str() {
                "prompt" => (&mut prices.prompt, -6),
                "completion" => (&mut prices.completion, -6),
                "audio" => (&mut prices.audio, -6),
                "image" => (&mut prices.image, 0),
                "request" => (&mut prices.request, 0),
                _ => continue,
            };
            let text = value.get().trim_matches('"');
            if text != "null" {
                *place = Some(Rate::parse_scaled(text, shift).map_err(|error| format!("`max_price.{name}`: {error}"))?);
            }
        }
        Ok(prices)
    }
}

/// The keys of a body that this reads.
fn is_wish(key: &str) -> bool {
    matches!(
        key,
        "models"
            | "provider"
            | "route"
            | "plugins"
            | "transforms"
            | "fallbacks"
            | "disable_fallbacks"
            | "allowed_model_region"
            | "router_settings_override"
    )
}

impl Wishes {
    /// What the request asks for; `None` where it asks for nothing beside its model.
    pub fn read(call: &Call) -> Result<Option<Box<Self>>, Problem> {
        let Content::Json(outline) = &call.content else { return Ok(None) };
        let standing = call.principal.router.as_deref().is_some_and(RouterOverride::steers);
        if !standing && !outline.entries().iter().any(|entry| is_wish(&entry.key) && is_steering(call.door.dialect, &entry.key)) {
            return Ok(None);
        }
        let read = |key: &'static str| outline.get(key).map(|_| key).filter(|key| is_steering(call.door.dialect, key));
        let mut wishes = Self::default();
        if let Some(key) = read("models") {
            wishes.models = take(call, outline, key)?.unwrap_or_default();
            wishes.is_openrouter = !wishes.models.is_empty();
        }
        if let Some(key) = read("provider") {
            // A provider's name alone is LiteLLM's or a client's own; it says nothing here.
            if let Some(object) = take::<Box<RawValue>>(call, outline, key)?.filter(|raw| raw.get().starts_with('{')) {
                wishes.provider = serde_json::from_str(object.get()).map_err(|error| wrong("provider", &error.to_string()))?;
                // An empty list limits nothing.
                for list in [&mut wishes.provider.only, &mut wishes.provider.quantizations] {
                    list.take_if(|list| list.is_empty());
                }
                wishes.is_openrouter = true;
            }
        }
        if read("route").is_some() && take::<String>(call, outline, "route")?.as_deref() == Some("sort") {
            let by = wishes.provider.sort.and_then(|sort| sort.by);
            wishes.provider.sort = Some(Sort { by, partition: Partition::None });
        }
        wishes.online = read("plugins").is_some() && online::is_wanted(call);
        wishes.compresses = compression::is_wanted(call);
        if let Some(key) = read("fallbacks") {
            let forms: Option<Vec<FallbackForm>> = take(call, outline, key)?;
            wishes.fallbacks = forms.map(|forms| FallbackForm::read_all(forms, &call.model)).transpose()?;
        }
        if read("disable_fallbacks").is_some() {
            wishes.disable_fallbacks = take(call, outline, "disable_fallbacks")?.unwrap_or(false);
        }
        wishes.disable_fallbacks = call.principal.disables_fallbacks.unwrap_or(wishes.disable_fallbacks);
        if read("allowed_model_region").is_some() {
            wishes.region = take(call, outline, "allowed_model_region")?;
        }
        if let Some(said) = RouterOverride::of(call)? {
            if let Some(forms) = said.fallbacks.clone().filter(|_| wishes.fallbacks.is_none()) {
                wishes.fallbacks = Some(FallbackForm::read_all(forms, &call.model)?);
            }
            (wishes.strategy, wishes.filters_by_tags) = (said.strategy, said.filters_by_tags);
            wishes.weights = said.weights.clone();
        }
        wishes.check()?;
        Ok(Some(Box::new(wishes)))
    }

    fn check(&self) -> Result<(), Problem> {
        let preferred = [&self.provider.preferred_max_latency, &self.provider.preferred_min_throughput];
        let thresholds = preferred.into_iter().flatten().flat_map(|preferred| &preferred.0);
        if thresholds.into_iter().any(|(_, value)| !value.is_finite() || *value < 0.0) {
            return Err(wrong("provider", "a preferred figure must be a number from 0"));
        }
        Ok(())
    }

    /// The figure to rank by, where one is asked for.
    pub fn by(&self) -> Option<By> {
        self.provider.sort.and_then(|sort| sort.by)
    }

    /// Whether the endpoints of all models are ranked together.
    pub fn is_mixed(&self) -> bool {
        self.provider.sort.is_some_and(|sort| sort.partition == Partition::None)
    }
}

fn take<T: serde::de::DeserializeOwned>(
    call: &Call,
    outline: &switchboard_wire::outline::Outline,
    key: &'static str,
) -> Result<Option<T>, Problem> {
    outline.read(&call.body, key).map_err(Problem::from)
}

fn wrong(param: &str, why: &str) -> Problem {
    Problem::new(Kind::BadRequest, format!("`{param}`: {why}")).with_param(param)
}
