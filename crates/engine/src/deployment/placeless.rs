//! Deployments that have no way of their own to be called by.

use std::sync::Arc;

use switchboard_wire::dialect::Flavor;
use switchboard_wire::half::Profile;

use super::marks::marks;
use super::{Deployment, Facts, NewerCalls, Spec};
use crate::catalog::{ModelCard, Provider};

impl Deployment {
    /// A deployment that stands for a pattern and is never called itself.
    pub fn unreachable(spec: Spec, provider: &Provider) -> Self {
        Self {
            provider_name: provider.listed_name().to_owned(),
            chat: provider.chat.clone(),
            gateway: provider.gateway,
            flavor: provider.flavor,
            bytes_only: provider.bytes_only.clone(),
            facts: Facts::of(provider, None, &spec.traits),
            ..Self::bare(spec)
        }
    }

    /// A place that is no model's, of that price.
    pub fn outside(spec: Spec, card: ModelCard) -> Self {
        Self { card: Some(card), ..Self::bare(spec) }
    }

    /// A deployment of which nothing is known but what is configured.
    pub fn bare(spec: Spec) -> Self {
        Self {
            provider_name: spec.provider.clone(),
            chat: Vec::new(),
            card: None,
            profile: Profile::default(),
            ask_usage: false,
            gateway: false,
            rewritten: false,
            newer_calls: NewerCalls::default(),
            states_cost: false,
            searches: false,
            flavor: Flavor::default(),
            bytes_only: Vec::new(),
            facts: Facts::default(),
            marks: marks(&spec, None),
            health: Arc::default(),
            lacking: None,
            reaches: Vec::new(),
            served: 0,
            spec,
        }
    }

    /// The same, which nothing can be asked of for that reason: it keeps its name, so that nothing else is taken for it.
    #[must_use]
    pub fn lacking(mut self, why: String) -> Self {
        self.facts.open = false;
        Self { lacking: Some(why.into()), reaches: Vec::new(), served: 0, ..self }
    }
}
