//! `/model/deprecations`: which of the configured models end, and when.

use std::collections::BTreeMap;

use http::Response;
use serde_json::{Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::deployment::Deployment;
use switchboard_engine::wire::problem::{Kind, Problem};
use switchboard_store::Time;

use super::info::Ask;
use crate::answered::document;
use crate::app::App;
use crate::config::resolved::Deployment as Configured;

/// The parameter that says how many days before its end a model is about to end.
pub(crate) const WINDOW: &str = "warn_within_days";
/// The same where nobody says.
const USUAL: i64 = 30;
const MICROS_OF_DAY: i64 = 86_400_000_000;

/// The models with a date, by how near it is; a model with one date at several deployments once.
pub(super) fn answer(app: &App, ask: &Ask<'_>) -> Result<Response<AnswerBody>, Problem> {
    let wrong = || Problem::new(Kind::BadRequest, format!("`{WINDOW}` must be a whole number")).with_param(WINDOW);
    let within = ask.value(WINDOW).map_or(Ok(USUAL), |text| text.parse().map_err(|_| wrong()))?;
    let (fleet, config, now) = (app.gateway.fleet(), app.config(), Time::now());
    let mut ends = BTreeMap::new();
    for deployment in fleet.deployments().filter(|deployment| ask.caller.may_use(&[&deployment.spec.group])) {
        let configured = config.deployments.iter().find(|one| one.model_info.id == deployment.spec.id);
        if let Some((date, days)) = end(deployment, configured, now) {
            ends.entry((date, deployment.spec.group.clone())).or_insert((days, deployment.clone()));
        }
    }
    let told = |status: &str| {
        let fits = |days: i64| match status {
            "deprecated" => days < 0,
            "imminent" => (0..=within).contains(&days),
            _ => days > within.max(-1),
        };
        let of_status = ends.iter().filter(|(_, (days, _))| fits(*days));
        let told = of_status.map(|((date, group), (days, deployment))| {
            let spec = &deployment.spec;
            json!({
                "model_name": group, "litellm_model": format!("{}/{}", spec.provider, spec.model), "deprecation_date": date,
                "days_until_deprecation": days, "status": status, "litellm_provider": spec.provider,
            })
        });
        told.collect::<Vec<Value>>()
    };
    Ok(document(&json!({
        "deprecated": told("deprecated"), "imminent": told("imminent"), "upcoming": told("upcoming"),
        WINDOW: within, "checked_at": now.to_string(),
    })))
}

/// The day on which a model ends, and how many days are left: as its deployment says, else as the price list does.
fn end(deployment: &Deployment, configured: Option<&Configured>, now: Time) -> Option<(String, i64)> {
    let said = configured.and_then(|own| own.model_info.written.get("deprecation_date")?.as_str());
    let date = said.or_else(|| deployment.card.as_ref()?.deprecated_on.as_deref())?;
    let day = Time::parse(date)?.0.div_euclid(MICROS_OF_DAY);
    Some((date.to_owned(), day - now.0.div_euclid(MICROS_OF_DAY)))
}
