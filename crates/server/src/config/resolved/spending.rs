//! What customers, tags and people may spend unless they have a budget of their own, and what is told of spending.

use std::collections::BTreeMap;

use http::StatusCode;
use switchboard_engine::terms::{Budget, NanoUsd, Window};

use crate::config::fields::{Fields, Reader};
use crate::config::keys;
use crate::config::yaml::{Map, Node};

/// What LiteLLM calls the amount of a budget.
const AMOUNTS: [&str; 2] = ["max_budget", "budget_limit"];

/// Budgets of those who have none, and how spending is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spending {
    /// What a customer may spend.
    pub customer: Option<NanoUsd>,
    /// The budget of customers, by its id; it goes before the amount.
    pub customer_budget_id: Option<String>,
    /// What may be spent under tags.
    pub tags: BTreeMap<String, Budget>,
    /// What somebody may spend while signed in.
    pub session: Option<NanoUsd>,
    /// The status of a call that a budget refuses.
    pub refused: StatusCode,
    /// Whether it is counted what customers spend.
    pub counts_customers: bool,
    /// Whether models whose prices nobody knows are refused.
    pub blocks_unpriced: bool,
    /// Headers whose values are tags; in lower case.
    pub tag_headers: Vec<String>,
    /// Whether lines of the log have the client's name among their tags.
    pub tags_clients: bool,
}

impl Spending {
    pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Self {
        // As written, so that no cent is lost on the way through a float.
        let money = |name: &str| fields.node(name).and_then(keys::decimal).and_then(NanoUsd::parse);
        let mut tags = BTreeMap::new();
        for entry in fields.map("tag_budget_config").into_iter().flat_map(|map| &map.entries) {
            match entry.node.as_map().and_then(budget) {
                Some(budget) => drop(tags.insert(entry.name.clone(), budget)),
                None if is_unlimited(&entry.node) => {
                    let message = format!("`litellm_settings.tag_budget_config.{}` says no amount, and bounds nothing", entry.name);
                    reader.found.warn(&entry.at, message, "write `{max_budget: 10, budget_duration: 1d}`");
                }
                None => {
                    let message = format!("`litellm_settings.tag_budget_config.{}` says no amount and period that can be read", entry.name);
                    reader.found.error(&entry.at, message, "write `{max_budget: 10, budget_duration: 1d}`");
                }
            }
        }
        Self {
            customer: money("max_end_user_budget"),
            customer_budget_id: fields.text("max_end_user_budget_id"),
            tags,
            session: money("max_ui_session_budget"),
            refused: refusing(reader, fields),
            counts_customers: !fields.flag("disable_end_user_cost_tracking").unwrap_or(false),
            blocks_unpriced: fields.flag("block_requests_for_models_without_pricing").unwrap_or(false),
            tag_headers: fields.texts("extra_spend_tag_headers").iter().map(|name| name.to_ascii_lowercase()).collect(),
            tags_clients: !fields.flag("disable_add_user_agent_to_request_tags").unwrap_or(false),
        }
    }
}

/// The status of what a budget refuses, which says no.
fn refusing(reader: &mut Reader<'_>, fields: &Fields) -> StatusCode {
    const NAME: &str = "budget_exceeded_status_code";
    let said = fields.count(NAME).and_then(|status| u16::try_from(status).ok()).and_then(|status| StatusCode::from_u16(status).ok());
    let said = said.filter(|status| status.is_client_error() || status.is_server_error());
    if let Some(node) = fields.node(NAME).filter(|_| said.is_none()) {
        let message = format!("`litellm_settings.{NAME}` is no status that refuses; 422 is answered");
        reader.found.warn(&node.at, message, "write one from 400 to 599");
    }
    said.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY)
}

/// Whether a budget is of no amount, as LiteLLM takes it.
pub(super) fn is_unlimited(node: &Node) -> bool {
    let said = |map: &Map| AMOUNTS.into_iter().any(|name| map.get(name).is_some_and(|amount| !amount.is_absent()));
    node.as_map().is_some_and(|map| !said(map))
}

/// A budget by either of LiteLLM's names for its parts.
fn budget(map: &Map) -> Option<Budget> {
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| map.get(name).and_then(keys::text));
    let window = text(["budget_duration", "time_period"]).map_or(Some(Window::Lifetime), Window::parse)?;
    Some(Budget::new(NanoUsd::parse(text(AMOUNTS)?)?, window))
}
