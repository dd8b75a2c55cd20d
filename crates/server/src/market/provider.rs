//! Providers, as OpenRouter lists them.

use serde_json::{Value, json};
use switchboard_engine::catalog::{Catalog, Provider};

use super::offer::{Endpoint, Offer};
use crate::app::App;

/// The name it is listed under.
pub(super) fn name(row: &Provider) -> &str {
    row.listed_name()
}

/// The providers that serve a model here, sorted by name.
pub(super) fn all(app: &App) -> Value {
    let (fleet, catalog) = (app.gateway.fleet(), app.catalog());
    let mut rows: Vec<&Provider> = fleet.deployments().filter_map(|deployment| catalog.provider(&deployment.spec.provider)).collect();
    rows.sort_by_key(|row| (name(row).to_lowercase(), row.id.as_str()));
    rows.dedup_by_key(|row| row.id.as_str());
    json!({"data": rows.into_iter().map(told).collect::<Vec<_>>()})
}

fn told(row: &Provider) -> Value {
    let facts = &row.company;
    json!({
        "name": name(row),
        "slug": row.slug(),
        "privacy_policy_url": facts.privacy,
        "terms_of_service_url": facts.terms,
        "status_page_url": facts.status,
        "headquarters": facts.headquarters,
        "datacenters": (!facts.datacenters.is_empty()).then_some(&facts.datacenters),
    })
}

impl Offer {
    /// The family of models it is of, in OpenRouter's words.
    pub(super) fn family<'a>(&self, catalog: &'a Catalog) -> Option<&'a str> {
        let vendor = self.top().deployment.profile.vendor.as_deref()?;
        let maker = catalog.providers().find(|row| row.authors.iter().any(|author| author == vendor))?;
        maker.family.as_deref()
    }
}

impl Endpoint {
    /// The slug of its provider and, where it has one, of the variant: its place.
    pub(super) fn tag(&self, catalog: &Catalog) -> String {
        let slug = self.provider(catalog).map_or_else(|| self.deployment.spec.provider.clone(), |row| row.slug());
        match self.deployment.facts.variant.as_deref() {
            Some(variant) => format!("{slug}/{variant}"),
            None => slug,
        }
    }

    /// The precision of its weights, where it is known.
    pub(super) fn quantization(&self) -> Option<&str> {
        self.deployment.spec.traits.quantization.as_deref()
    }

    /// Whether it is known to keep nothing of what it is sent.
    pub(super) fn keeps_nothing(&self) -> bool {
        !self.deployment.facts.retains
    }
}
