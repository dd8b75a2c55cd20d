//! What limits there are beside those of keys and teams, and what becomes of them in an outage.

use switchboard_engine::book::share::Without;
use switchboard_engine::terms::{Budget, NanoUsd, Window};
use switchboard_store::lease::Budgets;

use super::general::General;
use super::limit_rules;
use crate::config::fields::{Fields, Reader};
use crate::limit_rules::Rule;

/// Limits of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// What is done while Redis, where limits are shared, cannot be reached.
    pub without_redis: Without,
    /// What is spent of budgets while the database, where they are shared, cannot be reached.
    pub without_database: Budgets,
    /// Limits and budgets by rule.
    pub rules: Vec<Rule>,
}

impl LimitSettings {
    pub(super) fn read(reader: &mut Reader<'_>, own: &Fields, general: &General) -> Self {
        Self {
            without_redis: without_redis(reader, own, general.fails_closed),
            without_database: without_database(reader, own),
            rules: limit_rules::read_all(reader, own.list("limit_rules")),
        }
    }
}

fn without_database(reader: &mut Reader<'_>, own: &Fields) -> Budgets {
    const NAME: &str = "budgets_without_database";
    let Some(said) = own.text(NAME) else { return Budgets::Closed };
    match (said.as_str(), NanoUsd::parse(&said).filter(|amount| *amount > NanoUsd::ZERO)) {
        ("closed", _) => Budgets::Closed,
        ("open", _) => Budgets::Open,
        (_, Some(amount)) => Budgets::UpTo(amount),
        (other, None) => {
            if let Some(node) = own.node(NAME) {
                let message = format!("`switchboard.{NAME}` cannot be `{other}`");
                reader.found.error(&node.at, message, "write `closed`, `open` or an amount in US dollars");
            }
            Budgets::Closed
        }
    }
}

fn without_redis(reader: &mut Reader<'_>, own: &Fields, closed: bool) -> Without {
    let said = own.text("limits_without_redis");
    match said.as_deref() {
        None if closed => Without::Closed,
        None | Some("local_share") => Without::Share,
        Some("closed") => Without::Closed,
        Some("open") => Without::Open,
        Some(other) => {
            let message = format!("`switchboard.limits_without_redis` cannot be `{other}`");
            if let Some(node) = own.node("limits_without_redis") {
                reader.found.error(&node.at, message, "write `local_share`, `closed` or `open`");
            }
            Without::Share
        }
    }
}

/// A budget as the configuration writes one.
pub(super) fn budget(limit: Option<&str>, window: Option<&str>) -> Option<Budget> {
    let limit = limit.and_then(NanoUsd::parse)?;
    Some(Budget::new(limit, window.map_or(Some(Window::Lifetime), Window::parse)?))
}
