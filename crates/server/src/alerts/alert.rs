//! One alert, and how it is written: in LiteLLM's form for webhooks, as a text for Slack.

use serde_json::{Value, json};
use switchboard_engine::book::Scope;
use switchboard_engine::clock::Micros;
use switchboard_engine::deployment::Deployment;
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::{Budget, Level, NanoUsd, Window};
use switchboard_store::Money;
use switchboard_store::object::{CreditAccount, Key};

/// LiteLLM's kinds, as `alert_types` and `alert_to_webhook_url` name them.
pub(crate) const BUDGETS: &str = "budget_alerts";
/// The same of deployments.
pub(crate) const OUTAGES: &str = "outage_alerts";

/// Of a budget, how much of it is left in per cent when its holder is told.
const THRESHOLDS: [i64; 2] = [5, 15];

/// One alert.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alert {
    /// Of all alerts of that name, one is told.
    pub(crate) name: String,
    /// What kind it is for those who choose.
    pub(crate) kind: &'static str,
    /// What is told. It holds no secret: a key is named by its hash.
    pub(crate) payload: Value,
}

impl Alert {
    /// What is to be told of a budget, where anything is; `refused`: a call was refused because of it.
    pub(crate) fn of_budget(
        who: &Principal,
        scope: &Scope,
        budget: &Budget,
        spent: NanoUsd,
        (now, refused): (Micros, bool),
    ) -> Option<Self> {
        use switchboard_engine::terms::Mode;
        if budget.limit <= NanoUsd::ZERO {
            return None;
        }
        let left = (i128::from(budget.limit.0) - i128::from(spent.0)) * 100 / i128::from(budget.limit.0);
        let limit = budget.limit;
        let (event, step, said) = match budget.mode {
            Mode::Audit if spent >= limit => ("soft_budget_crossed", 0, format!("Soft Budget Crossed: Total Soft Budget:`{limit}`")),
            Mode::Audit => return None,
            _ if spent >= limit || refused => ("budget_crossed", 0, format!("Budget Crossed Total Budget:`{limit}`")),
            _ => {
                let step = THRESHOLDS.into_iter().find(|step| left <= i128::from(*step))?;
                ("threshold_crossed", step, format!("{step}% Threshold Crossed Total Budget:`{limit}`"))
            }
        };
        let soft = budget.mode == Mode::Audit;
        let mut payload = subject(who, scope);
        payload["spend"] = Value::Number(Money(spent).number());
        payload[if soft { "soft_budget" } else { "max_budget" }] = Value::Number(Money(limit).number());
        payload["event"] = event.into();
        payload["event_message"] = format!("{} Budget: {said}", title(scope.id.level)).into();
        payload["budget_duration"] = Some(budget.window.length()).filter(|window| *window != Window::Lifetime).map(Window::name).into();
        let name = format!("{event}:{step}:{}:{}:{}:{limit}", scope.id, budget.window.name(), budget.window.start(now));
        Some(Self { name, kind: BUDGETS, payload })
    }

    /// A balance of prepaid credits is low.
    pub(crate) fn low_balance(account: &CreditAccount, left: NanoUsd) -> Self {
        let id = &account.account_id;
        let (level, holder) = id.split_once('/').unwrap_or((id, ""));
        let level = Level::from_name(level).unwrap_or(Level::Proxy);
        let mut payload = blank();
        if let Some(field) = field(level) {
            payload[field] = holder.into();
        }
        payload["event"] = "low_balance".into();
        payload["event_group"] = group(level).into();
        payload["event_message"] = format!("Credits: the balance of `{id}` is low: {left} left").into();
        payload["balance"] = Value::Number(Money(left).number());
        let since = account.updated_at.0;
        Self { name: format!("low_balance:{id}:{since}"), kind: BUDGETS, payload }
    }

    /// A key expires soon.
    pub(crate) fn key_expiry(key: &Key) -> Option<Self> {
        let expires = key.expires?;
        let mut payload = blank();
        payload["token"] = key.token.as_str().into();
        for (field, value) in
            [("key_alias", &key.key_alias), ("user_id", &key.user_id), ("team_id", &key.team_id), ("organization_id", &key.organization_id)]
        {
            payload[field] = json!(value);
        }
        payload["event"] = "key_expiry".into();
        payload["event_group"] = "key".into();
        payload["expires"] = json!(expires);
        let called = key.key_alias.as_deref().or(key.key_name.as_deref()).unwrap_or(&key.token);
        payload["event_message"] = format!("Key Expiry: `{called}` expires at {}", payload["expires"].as_str().unwrap_or_default()).into();
        Some(Self { name: format!("key_expiry:{}:{}", key.token, expires.0), kind: BUDGETS, payload })
    }

    /// A deployment is shut out after failures; told once within so many microseconds.
    pub(crate) fn outage(deployment: &Deployment, now: Micros, every: Micros) -> Self {
        let spec = &deployment.spec;
        let mut payload = blank();
        payload["event"] = "deployment_outage".into();
        payload["event_group"] = "deployment".into();
        payload["model_id"] = spec.id.as_str().into();
        payload["model_group"] = spec.group.as_str().into();
        payload["provider"] = spec.provider.as_str().into();
        payload["event_message"] =
            format!("Outage: deployment `{}` of `{}` ({}) is shut out after failures", spec.id, spec.group, spec.provider).into();
        Self { name: format!("outage:{}:{}", spec.id, now.div_euclid(every.max(1))), kind: OUTAGES, payload }
    }

    /// The same as a text.
    pub(crate) fn text(&self) -> String {
        let said = |name: &str| self.payload[name].as_str().map(|value| format!("\n*{name}:* `{value}`")).unwrap_or_default();
        let subject: String =
            ["key_alias", "token", "user_id", "team_id", "customer_id", "organization_id"].into_iter().map(said).collect();
        let spend = self.payload["spend"].as_number().map(|spend| format!("\n*spend:* `{spend}`")).unwrap_or_default();
        format!("{}{subject}{spend}", self.payload["event_message"].as_str().unwrap_or_default())
    }
}

/// Every field of LiteLLM's event, without a value.
fn blank() -> Value {
    json!({
        "spend": null, "max_budget": null, "soft_budget": null, "token": null, "customer_id": null, "user_id": null, "team_id": null,
        "team_alias": null, "organization_id": null, "user_email": null, "key_alias": null, "projected_exceeded_date": null,
        "projected_spend": null, "event": null, "event_group": null, "event_message": null,
    })
}

/// Whose budget it is: what is known of the caller as far as the budget is about it.
fn subject(who: &Principal, scope: &Scope) -> Value {
    let mut payload = blank();
    let level = scope.id.level;
    payload["event_group"] = group(level).into();
    payload["organization_id"] = json!(who.organization);
    if !matches!(level, Level::Organization | Level::Proxy) {
        payload["team_id"] = json!(who.team);
        payload["team_alias"] = json!(who.team_alias);
    }
    if matches!(level, Level::Key | Level::User | Level::TeamMember) {
        payload["user_id"] = json!(who.user);
        payload["user_email"] = json!(who.user_email);
    }
    if level == Level::Key {
        payload["token"] = json!(who.key_hash);
        payload["key_alias"] = json!(who.key_alias);
    }
    if let Some(field) = field(level).filter(|_| level != Level::Key) {
        payload[field] = scope.id.id.as_ref().into();
    }
    if let Some(model) = &scope.id.model {
        payload["model"] = model.as_ref().into();
    }
    payload
}

/// The field that names a holder of that kind.
fn field(level: Level) -> Option<&'static str> {
    Some(match level {
        Level::Key => "token",
        Level::User => "user_id",
        Level::Team => "team_id",
        Level::Customer => "customer_id",
        Level::Organization => "organization_id",
        _ => return None,
    })
}

fn group(level: Level) -> &'static str {
    match level {
        Level::Key => "key",
        Level::Customer => "customer",
        level => level.as_str(),
    }
}

fn title(level: Level) -> &'static str {
    match level {
        Level::Key => "Key",
        Level::User => "User",
        Level::Team => "Team",
        Level::TeamMember => "Team Member",
        Level::Customer => "Customer",
        Level::Organization => "Organization",
        Level::Proxy => "Proxy",
        Level::Tag => "Tag",
        Level::Project => "Project",
        Level::Credits => "Credits",
        Level::Workspace => "Workspace",
        Level::AccessGroup => "Access Group",
        Level::Guardrail => "Guardrail",
        Level::Provider => "Provider",
        Level::Deployment => "Deployment",
        Level::Rule => "Rule",
    }
}
