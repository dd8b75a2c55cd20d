//! A model as callers can name it, and the endpoints that serve it.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};
use switchboard_engine::catalog::{Amount, Catalog, Component, ModelCard, PicoUsd, Provider, Rate, Service};
use switchboard_engine::deployment::Deployment;
use switchboard_engine::health::{Figures, Window};
use switchboard_engine::pattern::Wildcard;
use switchboard_engine::route::Group;
use switchboard_engine::wire::Operation;

use crate::app::App;
use crate::config::Config;

/// A model that callers can name.
pub(crate) struct Offer {
    /// The name callers use.
    pub(crate) id: String,
    /// The name under which markets list it, where that leads here too.
    pub(crate) listed: Option<String>,
    /// What is written of it in the configuration.
    pub(crate) written: Map<String, Value>,
    /// Who serves it; at least one.
    pub(crate) endpoints: Vec<Endpoint>,
}

/// One place where a model is served.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// The deployment; of a model that only a pattern knows and nobody asked for yet, the pattern's.
    pub(crate) deployment: Arc<Deployment>,
    /// What the catalog knows of the model there.
    pub(crate) card: Option<ModelCard>,
    /// What it does, as price lists name it.
    pub(crate) mode: Option<String>,
    /// The model's name at the provider.
    pub(crate) model: String,
    /// Whether the deployment is the model's own, so that what was measured is of this model.
    pub(super) measured: bool,
    /// Whether what was measured is told.
    pub(super) shown: bool,
}

impl Offer {
    /// Every model there is, sorted by name: groups, aliases, and what patterns stand for.
    pub(crate) fn all(app: &App) -> Vec<Offer> {
        let (fleet, catalog, config) = (app.gateway.fleet(), app.catalog(), app.config());
        let mut offers: Vec<Offer> =
            fleet.groups().filter_map(|(name, group)| Offer::new(name.to_owned(), own(&group, &config), &config)).collect();
        for (pattern, group) in fleet.pattern_groups() {
            let Some(first) = group.first() else { continue };
            for card in catalog.models_of(&first.spec.provider) {
                let Some(name) = standing_for(pattern, first, &card) else { continue };
                let endpoints = match fleet.known(&name) {
                    Some(known) => own(&known, &config),
                    None => group.iter().map(|deployment| Endpoint::of_pattern(deployment, &card, &catalog)).collect(),
                };
                offers.extend(Offer::new(name, endpoints, &config));
            }
        }
        offers.sort_by(|a, b| a.id.cmp(&b.id));
        offers.dedup_by(|a, b| a.id == b.id);
        let taken: HashSet<String> = offers.iter().map(|offer| offer.id.clone()).collect();
        for offer in &mut offers {
            // A model of the configuration's has the name it was given.
            let is_pattern = offer.top().deployment.spec.guessed;
            offer.listed = catalog.market_name(&offer.id).filter(|name| is_pattern && !taken.contains(name));
        }
        offers
    }

    /// The model of that name, where callers can name it.
    pub(crate) fn find(app: &App, name: &str) -> Option<Offer> {
        let (fleet, config) = (app.gateway.fleet(), app.config());
        let (_, group) = fleet.find(name)?;
        Offer::new(name.to_owned(), own(&group, &config), &config)
    }

    fn new(id: String, mut endpoints: Vec<Endpoint>, config: &Config) -> Option<Offer> {
        endpoints.sort_by(|a, b| {
            (a.deployment.spec.order, a.price().is_none(), a.price()).cmp(&(b.deployment.spec.order, b.price().is_none(), b.price()))
        });
        let first = endpoints.first()?;
        let configured = config.deployments.iter().find(|configured| configured.model_info.id == first.deployment.spec.id);
        let written = configured.map(|configured| configured.model_info.written.clone()).unwrap_or_default();
        Some(Offer { id, listed: None, written, endpoints })
    }

    /// The same, without what was measured.
    pub(super) fn unmeasured(mut self) -> Self {
        self.endpoints.iter_mut().for_each(|endpoint| endpoint.shown = false);
        self
    }

    /// The endpoint that stands for the model: of those of the first order, the cheapest.
    pub(crate) fn top(&self) -> &Endpoint {
        &self.endpoints[0]
    }

    /// The names it goes by: its own, and its group's.
    pub(crate) fn names(&self) -> [&str; 2] {
        [&self.id, &self.top().deployment.spec.group]
    }

    /// A text that the configuration says of the model.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.written.get(key)?.as_str()
    }

    /// A whole number that the configuration says of the model.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.written.get(key)?.as_u64()
    }

    /// A list of texts that the configuration says of the model.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<&str>> {
        self.written.get(key)?.as_array()?.iter().map(Value::as_str).collect()
    }

    /// The name it is shown by: as markets list it, else the one callers use.
    pub(crate) fn shown(&self) -> &str {
        self.listed.as_deref().unwrap_or(&self.id)
    }

    /// The author of the model and its own name: from its name, else from who makes it and what it is called there.
    pub(crate) fn slug(&self) -> String {
        let top = self.top();
        match (self.id.contains('/'), top.deployment.profile.vendor.as_deref()) {
            (false, Some(author)) => {
                let bare = top.model.rsplit('/').next().unwrap_or(&top.model);
                format!("{author}/{bare}")
            }
            _ => self.shown().to_owned(),
        }
    }

    /// Who made the model.
    pub(crate) fn author(&self) -> Option<&str> {
        let named = self.id.split_once('/').map(|(author, _)| author);
        self.top().deployment.profile.vendor.as_deref().or(named)
    }

    /// The longest prompt that any endpoint takes.
    pub(crate) fn context(&self) -> Option<u64> {
        self.endpoints.iter().filter_map(Endpoint::context).max()
    }

    /// Added up over endpoints, what was seen within a day: requests answered, tokens.
    pub(crate) fn traffic(&self, now: std::time::Instant) -> (u64, u64) {
        let figures = self.endpoints.iter().filter_map(|endpoint| endpoint.figures(Window::Day, now));
        figures.fold((0, 0), |(requests, tokens), seen| (requests + seen.counts.succeeded, tokens + seen.counts.tokens))
    }
}

/// The endpoints of a group as configured.
fn own(group: &Group, config: &Config) -> Vec<Endpoint> {
    group.iter().map(|deployment| Endpoint::of(deployment, config)).collect()
}

impl Endpoint {
    fn of(deployment: &Arc<Deployment>, config: &Config) -> Self {
        let configured = config.deployments.iter().find(|configured| configured.model_info.id == deployment.spec.id);
        let mode = configured.and_then(|configured| configured.model_info.mode.clone());
        let mode = mode.or_else(|| deployment.card.as_ref()?.mode.clone()).or_else(|| served(deployment).map(str::to_owned));
        Self {
            card: deployment.card.clone(),
            mode,
            model: deployment.spec.model.clone(),
            measured: true,
            shown: true,
            deployment: deployment.clone(),
        }
    }

    fn of_pattern(deployment: &Arc<Deployment>, card: &ModelCard, catalog: &Catalog) -> Self {
        let own = if card.provider == deployment.spec.provider {
            Some(card.clone())
        } else {
            catalog.model(&deployment.spec.provider, &card.model)
        };
        let mode = own.as_ref().and_then(|card| card.mode.clone());
        Self { deployment: deployment.clone(), card: own, mode, model: card.model.clone(), measured: false, shown: true }
    }

    /// The provider's row.
    pub(crate) fn provider<'a>(&self, catalog: &'a Catalog) -> Option<&'a Provider> {
        catalog.provider(&self.deployment.spec.provider)
    }

    /// The longest prompt, in tokens.
    pub(crate) fn context(&self) -> Option<u64> {
        let card = self.card.as_ref()?;
        card.max_input_tokens.or(card.max_tokens)
    }

    /// The plain price of a component.
    pub(crate) fn rate(&self, component: Component) -> Option<Rate> {
        self.card.as_ref()?.prices.base(component)
    }

    /// What a million tokens of prompt and a million of answer cost: for ranking.
    pub(crate) fn price(&self) -> Option<PicoUsd> {
        let million = |component| Amount { component, qualifier: "", quantity: 1_000_000 };
        let prices = &self.card.as_ref()?.prices;
        prices.base(Component::Input)?;
        let output = prices.base(Component::Output).map(|_| million(Component::Output));
        let amounts: Vec<Amount<'_>> = [million(Component::Input)].into_iter().chain(output).collect();
        prices.cost(&amounts, Service::Standard, 0).ok()
    }

    /// What was seen of it in a window; `None` where it was never asked.
    pub(crate) fn figures(&self, window: Window, now: std::time::Instant) -> Option<Figures> {
        (self.measured && self.shown).then(|| self.deployment.health.figures(window, now))
    }
}

/// What a deployment of unknown purpose is taken to be for.
fn served(deployment: &Deployment) -> Option<&'static str> {
    let modes = [
        (Operation::Chat, "chat"),
        (Operation::Embeddings, "embedding"),
        (Operation::Rerank, "rerank"),
        (Operation::Moderations, "moderation"),
        (Operation::ImageGenerations, "image_generation"),
        (Operation::Speech, "audio_speech"),
        (Operation::Transcriptions, "audio_transcription"),
    ];
    modes.into_iter().find(|(operation, _)| deployment.serves(*operation)).map(|(_, mode)| mode)
}

/// The name by which callers reach a model of the catalog through a pattern; none when the pattern does not lead to it.
pub(crate) fn standing_for(pattern: &Wildcard, deployment: &Deployment, card: &ModelCard) -> Option<String> {
    let model = Wildcard::of(&deployment.spec.model);
    let captured = if model.stars() > 0 { model.captured(&card.model)? } else { vec![card.model.as_str()] };
    // A bare `*` stands for the whole name, provider included.
    let stem = if pattern.as_str() == "*" { format!("{}/", card.provider) } else { String::new() };
    (captured.len() == pattern.stars()).then(|| stem + &pattern.filled(&captured))
}
