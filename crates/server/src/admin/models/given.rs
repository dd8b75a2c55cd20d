//! What newcomers are given, and what is taken off prices and laid on them: settings of the file that have routes of their own.

use serde_json::{Value, json};
use switchboard_store::object::{Organization, Team};

use super::settings::{self, Section};
use super::{Json, may_store};
use crate::admin::form::{Form, typed};
use crate::admin::{Answer, Request, rows};
use crate::refused::Refused;

/// Such a setting of `litellm_settings`.
struct Setting {
    key: &'static str,
    form: &'static str,
    /// What its fields are where nothing is said.
    usual: fn() -> Value,
    description: &'static str,
    said: &'static str,
}

const USERS: Setting = Setting {
    key: "default_internal_user_params",
    form: "DefaultInternalUserParams",
    usual: || json!({"user_role": "internal_user_viewer", "max_budget": null, "budget_duration": null, "models": null, "teams": null}),
    description: "What new users are given unless said",
    said: "Internal user settings updated successfully",
};

const TEAMS: Setting = Setting {
    key: "default_team_params",
    form: "DefaultTeamSSOParams",
    usual: || {
        json!({
            "models": [], "max_budget": null, "budget_duration": null, "tpm_limit": null, "rpm_limit": null,
            "team_member_permissions": null, "organization_id": null,
        })
    },
    description: "What new teams are given unless said",
    said: "Default team settings updated successfully",
};

impl Setting {
    /// With what is in force, and its fields.
    async fn shown(&self, request: &Request) -> Answer {
        let said = in_force(request, self.key).await?;
        let mut values = (self.usual)();
        let mut fields = Json::new();
        for (name, value) in values.as_object_mut().into_iter().flatten() {
            let kind = typed(&[self.form], name).unwrap_or_default();
            fields.insert(name.clone(), kind["anyOf"][0].clone());
            if let Some(said) = said.get(name) {
                *value = said.clone();
            }
        }
        Ok(json!({"values": values, "field_schema": {"description": self.description, "properties": fields}}))
    }

    /// Set to what a request says, the rest to what is usual.
    async fn set(&self, request: &Request, form: Form) -> Answer {
        may_store(request)?;
        rows::amounts(&form)?;
        let mut values = (self.usual)().as_object().cloned().unwrap_or_default();
        values.extend(form.fields);
        values.retain(|_, value| !value.is_null());
        let (key, told) = (self.key, values.clone());
        settings::change(request, Section::Litellm, move |present| {
            present.insert(key.to_owned(), Value::Object(values));
            Ok(())
        })
        .await?;
        Ok(json!({"message": self.said, "status": "success", "settings": told}))
    }
}

/// What is in force for a key that holds an object: the database's word, or else the file's.
async fn in_force(request: &Request, key: &str) -> Result<Json, Refused> {
    let stored = settings::set(request, Section::Litellm).await?.remove(key);
    let said = stored.or_else(|| settings::in_file(request, Section::Litellm, key));
    Ok(said.and_then(|said| said.as_object().cloned()).unwrap_or_default())
}

/// `GET /get/internal_user_settings`
pub(super) async fn users(request: &Request) -> Answer {
    USERS.shown(request).await
}

/// `PATCH /update/internal_user_settings`
pub(super) async fn set_users(request: &Request) -> Answer {
    let form = request.form(USERS.form)?;
    if settings::in_file(request, Section::Litellm, USERS.key).is_some_and(|said| !said.is_null()) {
        let message = format!("`{}` is set in the gateway's file. Edit the file to change it.", USERS.key);
        return Err(Refused::told(400, &message));
    }
    let teams = form.get("teams").and_then(Value::as_array).into_iter().flatten();
    let ids: Vec<String> = teams.filter_map(|team| team.as_str().or_else(|| team["team_id"].as_str())).map(str::to_owned).collect();
    let twice: Vec<&str> = ids.iter().enumerate().filter(|(at, id)| ids[..*at].contains(id)).map(|(_, id)| id.as_str()).collect();
    if !twice.is_empty() {
        let message = format!("Duplicate default team id(s): {}. List each default team only once.", twice.join(", "));
        return Err(Refused::told(400, &message));
    }
    let wanted = ids.clone();
    let known = request.read(move |desk| async move { Ok(desk.several::<Team>(&wanted).await?) }).await?;
    let missing: Vec<&str> = ids.iter().filter(|id| known.iter().all(|team| team.team_id != **id)).map(String::as_str).collect();
    if !missing.is_empty() {
        let why = "A team must exist before it can be set as a default team for new users.";
        return Err(Refused::told(400, &format!("Team(s) not found: {}. {why}", missing.join(", "))));
    }
    USERS.set(request, form).await
}

/// `GET /get/default_team_settings`
pub(super) async fn teams(request: &Request) -> Answer {
    TEAMS.shown(request).await
}

/// `PATCH /update/default_team_settings`
pub(super) async fn set_teams(request: &Request) -> Answer {
    let form = request.form(TEAMS.form)?;
    if let Some(id) = form.owned("organization_id") {
        let wanted = id.clone();
        let known = request.read(move |desk| async move { Ok(desk.get::<Organization>(&wanted).await?) }).await?;
        if known.is_none() {
            let why = "An organization must exist before it can be set as the default organization for new teams.";
            return Err(Refused::told(400, &format!("Organization not found: {id}. {why}")));
        }
    }
    TEAMS.set(request, form).await
}

const UNPRICED: &str = "block_requests_for_models_without_pricing";

/// `GET /config/block_requests_for_models_without_pricing`
pub(super) fn blocks_unpriced(request: &Request) -> Answer {
    Ok(json!({"enabled": request.app.config().litellm.spending.blocks_unpriced}))
}

/// `PATCH /config/block_requests_for_models_without_pricing`
pub(super) async fn block_unpriced(request: &Request) -> Answer {
    let enabled = request.form("BlockUnpricedModelsRequest")?.flag("enabled") == Some(true);
    may_store(request)?;
    settings::change(request, Section::Litellm, move |present| {
        present.insert(UNPRICED.to_owned(), json!(enabled));
        Ok(())
    })
    .await?;
    Ok(json!({"enabled": enabled}))
}

/// What a provider's prices are changed by.
#[derive(Clone, Copy)]
pub(super) enum Costs {
    Discount,
    Margin,
}

impl Costs {
    fn key(self) -> &'static str {
        match self {
            Self::Discount => "cost_discount_config",
            Self::Margin => "cost_margin_config",
        }
    }

    /// Why that is nothing to change a provider's prices by.
    fn wrong(self, provider: &str, value: &Value) -> Option<String> {
        let within = |value: &Value, most: f64| value.as_f64().is_some_and(|share| (0.0..=most).contains(&share));
        match (self, value) {
            (Self::Discount, value) if !value.is_number() => Some(format!("Discount for {provider} must be a number")),
            (Self::Discount, value) => {
                (!within(value, 1.0)).then(|| format!("Discount for {provider} must be between 0 and 1 (0% to 100%)"))
            }
            (Self::Margin, Value::Object(parts)) => {
                let (share, fixed) = (parts.get("percentage"), parts.get("fixed_amount"));
                if share.is_none() && fixed.is_none() {
                    return Some(format!("Margin config for {provider} cannot be empty. Must include 'percentage' and/or 'fixed_amount'"));
                }
                let share = share.filter(|share| !within(share, 10.0));
                let fixed = fixed.filter(|fixed| fixed.as_f64().is_none_or(|fixed| fixed < 0.0));
                let of_share = share.map(|_| format!("Margin percentage for {provider} must be between 0 and 10 (0% to 1000%)"));
                of_share.or_else(|| fixed.map(|_| format!("Fixed margin amount for {provider} must be non-negative")))
            }
            (Self::Margin, value) if value.is_number() => {
                (!within(value, 10.0)).then(|| format!("Margin percentage for {provider} must be between 0 and 10 (0% to 1000%)"))
            }
            (Self::Margin, _) => {
                Some(format!("Margin for {provider} must be a number (percentage) or dict with 'percentage' and/or 'fixed_amount'"))
            }
        }
    }
}

/// `GET /config/cost_discount_config`, `GET /config/cost_margin_config`
pub(super) async fn costs(request: &Request, what: Costs) -> Answer {
    Ok(json!({"values": in_force(request, what.key()).await?}))
}

/// `PATCH /config/cost_discount_config`, `PATCH /config/cost_margin_config`
pub(super) async fn set_costs(request: &Request, what: Costs) -> Answer {
    may_store(request)?;
    let complaint = || {
        Refused::invalid(vec![json!({"type": "dict_type", "loc": ["body"], "msg": "Input should be a valid dictionary", "input": null})])
    };
    let values = request.body.as_ref().and_then(Value::as_object).cloned().ok_or_else(complaint)?;
    let catalog = request.app.catalog();
    let everywhere = |name: &str| matches!(what, Costs::Margin) && name == "global";
    let unknown: Vec<&str> =
        values.keys().map(String::as_str).filter(|name| !everywhere(name) && catalog.provider(name).is_none()).collect();
    if !unknown.is_empty() {
        let or_global = if matches!(what, Costs::Margin) { " or 'global'" } else { "" };
        return Err(Refused::told(
            400,
            &format!("Invalid provider(s): {}. Must be providers of the catalogue{or_global}.", unknown.join(", ")),
        ));
    }
    if let Some(why) = values.iter().find_map(|(provider, value)| what.wrong(provider, value)) {
        return Err(Refused::detail(400, json!(why)));
    }
    let (key, told) = (what.key(), values.clone());
    settings::change(request, Section::Litellm, move |present| {
        present.insert(key.to_owned(), Value::Object(values));
        Ok(())
    })
    .await?;
    let name = if matches!(what, Costs::Margin) { "margin" } else { "discount" };
    Ok(json!({"message": format!("Cost {name} configuration updated successfully"), "status": "success", "values": told}))
}
