//! What one request asks for beside the model: OpenRouter's preferences, LiteLLM's fallbacks and tags.

use serde_json::value::RawValue;
use switchboard_wire::control::is_steering;
use switchboard_wire::problem::{Kind, Problem};

use crate::call::{Call, Content};
use crate::declined;
use crate::guidance::{By, Fallback, FallbackForm, Partition, Provider, RouterOverride, Sort, Strategy, Weights};
use crate::online;
use crate::plugins::compression;

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

/// The keys of a body that this reads.
fn is_wish(key: &str) -> bool {
    matches!(
        key,
        "models"
            | "provider"
            | "route"
            | "plugins"
            | "transforms"
            | declined::FIELD
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
        if let Some(key) = read(declined::FIELD).filter(|_| !declined::is_providers(call)) {
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
