//! Prices so high that their unit is taken for a mistake: dollars for a million tokens, say, where those for one are meant.

use std::cell::RefCell;
use std::collections::HashMap;
use std::iter::successors;

use switchboard_engine::catalog::derive::{listed_name, named_prices};
use switchboard_engine::catalog::price::{Component, PriceKey};
use switchboard_engine::catalog::{Catalog, Prices, Rate};
use switchboard_engine::deployment::Spec;
use switchboard_engine::route::Fleet;
use switchboard_engine::tariff::Tariffs;

use crate::config::Config;
use crate::config::resolved::Deployment;
use crate::fleet;
use crate::refused::Refused;

/// A price that is more than so many times what is known is taken for a mistake.
const ABSURD: i128 = 100;

/// What models cost, as far as that was looked for.
struct Others<'a> {
    catalog: &'a Catalog,
    seen: RefCell<HashMap<Component, Rate>>,
}

impl<'a> Others<'a> {
    fn of(catalog: &'a Catalog) -> Self {
        Self { catalog, seen: RefCell::default() }
    }

    /// What any model costs that is near, else the dearest there is. Hardly any price makes it look at all models.
    fn beside(&self, component: Component, is_near: impl Fn(&Rate) -> bool) -> Option<Rate> {
        let mut seen = self.seen.borrow_mut();
        if let Some(known) = seen.get(&component).filter(|known| is_near(known)) {
            return Some(*known);
        }
        let mut dearest: Option<Rate> = None;
        for rate in self.catalog.models().filter_map(|card| card.prices.base(component)) {
            dearest = dearest.filter(|dearest| dearest.raw() >= rate.raw()).or(Some(rate));
            if is_near(&rate) {
                break;
            }
        }
        seen.extend(dearest.map(|dearest| (component, dearest)));
        dearest
    }
}

/// What one of those prices would be a mistake for, if one would: it is far above all that is known of the model, or of any model where
/// nothing is.
fn absurd(named: &Prices, known: &[Prices], others: &Others<'_>) -> Option<String> {
    named.iter().find_map(|(key, rate)| {
        let is_near = |known: &Rate| rate.raw() <= known.raw().saturating_mul(ABSURD);
        let of_model = known.iter().filter_map(|list| held(list, key)).filter(|rate| rate.raw() > 0).max_by_key(|rate| rate.raw());
        let of_any = || Some((others.beside(key.component, is_near)?, "that any model costs"));
        let (dearest, whose) = of_model.map(|rate| (rate, "that it is known to cost")).or_else(of_any)?;
        let name = listed_name(key).unwrap_or_else(|| key.component.as_str().to_owned());
        let why = || format!("`{name}` is {}, more than a hundred times the {} {whose}", rate.to_decimal(0), dearest.to_decimal(0));
        (!is_near(&dearest)).then(why)
    })
}

/// Refuses such prices.
pub(crate) fn refuse(named: &Prices, known: &[Prices], catalog: &Catalog) -> Result<(), Refused> {
    match absurd(named, known, &Others::of(catalog)) {
        None => Ok(()),
        Some(why) => Err(Refused::bad(format!("{why}: prices are in dollars for one; send force: true if that is meant"))),
    }
}

/// What a list charges for that, be it as something else.
fn held(list: &Prices, key: &PriceKey) -> Option<Rate> {
    let prompt = u64::from(key.above) + 1;
    successors(Some(key.component), |component| component.otherwise())
        .find_map(|component| list.rate(component, &key.qualifier, key.service, prompt))
}

/// The price lists that hold at that time for such deployments.
pub(crate) fn in_force(fleet: &Fleet, tariffs: &Tariffs, at: i64, is_such: impl Fn(&Spec) -> bool) -> Vec<Prices> {
    let such = fleet.deployments().filter(|deployment| is_such(&deployment.spec));
    such.filter_map(|deployment| tariffs.of(deployment, at).prices().map(|list| Prices::clone(&list))).collect()
}

/// The prices that a configuration names for a deployment.
pub(crate) fn named(deployment: &Deployment) -> Prices {
    let facts = deployment.price_facts.iter().chain(&deployment.model_info.written);
    let prices = deployment.prices.iter().map(|(name, price)| (name.as_str(), price.as_str()));
    named_prices(facts.map(|(name, value)| (name.as_str(), value.to_string())), prices)
}

/// What is to be said of the prices of a configuration, beside those of the catalogue.
pub(crate) fn of_config(config: &Config, catalog: &Catalog) -> Vec<String> {
    let others = Others::of(catalog);
    let told = config.deployments.iter().filter_map(|deployment| {
        let named = Some(named(deployment)).filter(|named| !named.is_empty())?;
        let (.., card) = fleet::listed(deployment, catalog)?;
        let known: Vec<Prices> = card.into_iter().map(|card| card.prices).collect();
        let why = absurd(&named, &known, &others)?;
        Some(format!("of `{}`, {why}; prices are in dollars for one\n  --> {}", deployment.model_name, deployment.at))
    });
    told.collect()
}
