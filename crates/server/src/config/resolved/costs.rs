//! `litellm_settings.cost_discount_config` and `cost_margin_config`.

use std::collections::BTreeMap;

use switchboard_engine::catalog::{PicoUsd, Share};
use switchboard_engine::tariff::Markup;

use crate::config::fields::{Fields, Reader};
use crate::config::keys::{self, Kind};
use crate::config::yaml::Node;

const DISCOUNT: &str = "cost_discount_config";
const MARGIN: &str = "cost_margin_config";
/// The entry that holds for providers without one.
const GLOBAL: &str = "global";

/// What is taken off list prices and laid on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// For providers that have nothing of their own.
    pub everywhere: Markup,
    /// By provider.
    pub providers: BTreeMap<String, Markup>,
}

impl Costs {
    pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Self {
        let mut costs = Self::default();
        let mut discounts: BTreeMap<String, Share> = BTreeMap::new();
        for (name, node) in entries(fields, DISCOUNT) {
            match share(node).filter(|share| !share.exceeds_whole()) {
                Some(share) => drop(discounts.insert(name.to_owned(), share)),
                None => reader.wrong_kind(node, &format!("litellm_settings.{DISCOUNT}.{name}"), Kind::Decimal, name),
            }
        }
        let mut margins: BTreeMap<String, (Share, PicoUsd)> = BTreeMap::new();
        for (name, node) in entries(fields, MARGIN) {
            match margin(node) {
                Some(margin) => drop(margins.insert(name.to_owned(), margin)),
                None => reader.wrong_kind(node, &format!("litellm_settings.{MARGIN}.{name}"), Kind::Decimal, name),
            }
        }
        let everywhere = margins.remove(GLOBAL).unwrap_or_default();
        costs.everywhere = Markup { discount: Share::NONE, margin: everywhere.0, fixed: everywhere.1 };
        let named: Vec<String> = discounts.keys().chain(margins.keys()).cloned().collect();
        for name in named {
            let discount = discounts.get(&name).copied().unwrap_or_default();
            let (margin, fixed) = margins.get(&name).copied().unwrap_or(everywhere);
            costs.providers.insert(name, Markup { discount, margin, fixed });
        }
        costs
    }
}

fn entries<'a>(fields: &'a Fields, name: &str) -> impl Iterator<Item = (&'a str, &'a Node)> {
    let entries = fields.map(name).map(|map| map.entries.as_slice()).unwrap_or_default();
    entries.iter().map(|entry| (entry.name.as_str(), &entry.node))
}

fn share(node: &Node) -> Option<Share> {
    Share::parse(keys::decimal(node)?)
}

fn margin(node: &Node) -> Option<(Share, PicoUsd)> {
    let Some(map) = node.as_map() else { return Some((share(node)?, PicoUsd(0))) };
    let percentage = map.get("percentage").map_or(Some(Share::NONE), share)?;
    let fixed = match map.get("fixed_amount") {
        Some(node) => PicoUsd::parse(keys::decimal(node)?).filter(|amount| amount.0 >= 0)?,
        None => PicoUsd(0),
    };
    Some((percentage, fixed))
}
