//! Keys, known by their hash.

use serde_json::{Value, json};
use switchboard_engine::terms::{Level, Window};
use switchboard_store::desk::{Filter, Order, Page, Sort};
use switchboard_store::object::{Key, Renewed};
use switchboard_store::{Desk, Time};

use super::usage::{self, Usage, dollars};
use super::workspaces;
use crate::admin::form::Form;
use crate::admin::{Answer, Request, keys};
use crate::auth::rules::DEFAULT_WORKSPACE;
use crate::people;
use crate::refused::Refused;

/// Keys on a page, as OpenRouter's clients expect.
const PAGE: i64 = 100;
const NAME: &str = "name";
const BYOK: &str = "include_byok_in_limit";

fn missing() -> Refused {
    Refused::plain(404, "API key not found")
}

/// When a limit starts anew, in OpenRouter's words.
fn reset(key: &Key) -> Option<&'static str> {
    match Window::parse(key.budget_duration.as_deref()?)? {
        Window::Days(1) => Some("daily"),
        Window::Weeks(1) => Some("weekly"),
        Window::Months(1) => Some("monthly"),
        _ => None,
    }
}

/// What is the same in a key's own view and in that of those who manage it.
fn figures(key: &Key, used: Usage) -> serde_json::Map<String, Value> {
    let within = match reset(key) {
        Some("daily") => used.daily,
        Some("weekly") => used.weekly,
        Some(_) => used.monthly,
        None => used.whole,
    };
    let remaining = key.max_budget.map(|limit| dollars((limit.0.0 - within).max(0)));
    let mut row = serde_json::Map::new();
    let values = [
        ("label", json!(key.key_name)),
        ("limit", json!(key.max_budget)),
        ("limit_remaining", json!(remaining)),
        ("limit_reset", json!(reset(key))),
        (BYOK, json!(key.metadata.get(BYOK).and_then(Value::as_bool).unwrap_or(false))),
        ("usage", dollars(used.whole)),
        ("usage_daily", dollars(used.daily)),
        ("usage_weekly", dollars(used.weekly)),
        ("usage_monthly", dollars(used.monthly)),
        ("byok_usage", dollars(used.byok[0])),
        ("byok_usage_daily", dollars(used.byok[1])),
        ("byok_usage_weekly", dollars(used.byok[2])),
        ("byok_usage_monthly", dollars(used.byok[3])),
        ("creator_user_id", json!(key.user_id.as_ref().or(key.created_by.as_ref()))),
        ("expires_at", json!(key.expires)),
    ];
    row.extend(values.into_iter().map(|(name, value)| (name.to_owned(), value)));
    row
}

fn shown(key: &Key, used: Usage) -> Value {
    let mut row = figures(key, used);
    let name = key.metadata.get(NAME).and_then(Value::as_str).or(key.key_alias.as_deref()).or(key.key_name.as_deref());
    let changed = key.updated_at.filter(|at| Some(*at) != key.created_at);
    let values = [
        ("hash", json!(key.token)),
        (NAME, json!(name)),
        ("disabled", json!(key.blocked == Some(true))),
        ("external_user", Value::Null),
        ("last_used_at", json!(key.last_active)),
        ("created_at", json!(key.created_at)),
        ("updated_at", json!(changed)),
        ("workspace_id", json!(key.team_id.as_deref().unwrap_or(DEFAULT_WORKSPACE))),
    ];
    row.extend(values.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Value::Object(row)
}

async fn with_usage(request: &Request, key: &Key) -> Result<Value, Refused> {
    let used = usage::of(&request.store, std::slice::from_ref(&key.token)).await?;
    Ok(shown(key, used.get(&key.token).copied().unwrap_or_default()))
}

/// `GET /key`
pub(super) async fn own(request: &Request) -> Answer {
    let caller = &request.caller;
    let hash = caller.principal.key_hash.clone().unwrap_or_default();
    let read = request.read(move |desk| async move { Ok(desk.get::<Key>(&hash).await?) });
    // The administrator's key has no row, and no limit.
    let key = read.await?.unwrap_or_else(|| Key { key_name: Some("sk-...".to_owned()), user_id: caller.user.clone(), ..Key::default() });
    let id = if key.token.is_empty() { caller.principal.key.clone() } else { key.token.clone() };
    let used = usage::of(&request.store, std::slice::from_ref(&id)).await?;
    let mut row = figures(&key, used.get(&id).copied().unwrap_or_default());
    let manages = caller.is_admin();
    row.insert("is_free_tier".to_owned(), json!(false));
    row.insert("is_management_key".to_owned(), json!(manages));
    row.insert("is_provisioning_key".to_owned(), json!(manages));
    let budgets = budgets(request, &key);
    let tightest = budgets.iter().min_by(|a, b| left(a).total_cmp(&left(b))).cloned();
    let free = json!({"limit": -1, "remaining": -1, "used": 0});
    for (name, value) in [
        ("budgets", json!(budgets)),
        ("effective_budget", json!(tightest)),
        ("allowed_data_regions", json!(["global"])),
        ("free_model_daily_requests", free),
        ("organization_id", json!(caller.organization)),
        ("workspace_id", json!(caller.team.as_deref().unwrap_or(DEFAULT_WORKSPACE))),
    ] {
        row.insert(name.to_owned(), value);
    }
    let note = "This field is deprecated and safe to ignore.";
    row.insert("rate_limit".to_owned(), json!({"requests": -1, "interval": "10s", "note": note}));
    Ok(json!({"data": row}))
}

fn left(budget: &Value) -> f64 {
    budget["remaining_usd"].as_f64().unwrap_or(f64::MAX)
}

/// Every budget that a call with the caller's key must fit in: of guardrails, of the workspace, and the key's own.
fn budgets(request: &Request, key: &Key) -> Vec<Value> {
    let mut rows = Vec::new();
    let order = [Level::Guardrail, Level::Workspace, Level::Key];
    let scopes = |level| request.caller.principal.scopes.iter().filter(move |scope| scope.id.level == level && scope.id.model.is_none());
    for scope in order.into_iter().flat_map(scopes) {
        let (guardrail, whose) = scope.id.id.split_once('/').unwrap_or((&scope.id.id, ""));
        let (name, guardrail) = match scope.id.level {
            Level::Guardrail if whose == key.account() => ("api_key", Some(guardrail)),
            Level::Guardrail => ("member", Some(guardrail)),
            Level::Workspace => ("workspace", None),
            _ => ("key_limit", None),
        };
        for budget in &scope.terms().budgets {
            let now = Time::now();
            let spent = scope.spent_in(budget.window, now.0).unwrap_or_default();
            let interval = match budget.window.plain() {
                Window::Days(1) => Some("daily"),
                Window::Weeks(1) => Some("weekly"),
                Window::Months(1) => Some("monthly"),
                _ => None,
            };
            rows.push(json!({
                "scope": name, "budget_id": null, "guardrail_id": guardrail,
                "include_byok": request.caller.principal.own_keys_count(), "limit_usd": dollars(budget.limit.0),
                "spend_usd": dollars(spent.0), "remaining_usd": dollars((budget.limit.0 - spent.0).max(0)), "reset_interval": interval,
                "resets_at": budget.window.end(budget.window.start(now.0)).map(Time),
            }));
        }
    }
    rows
}

/// `GET /keys`
pub(super) async fn list(request: &Request) -> Answer {
    let offset = request.number("offset", 0, 0, i64::from(u32::MAX)).map_err(|_| Refused::plain(400, "offset must be a number"))?;
    let disabled = request.flag("include_disabled");
    let place = request.value("workspace_id").filter(|id| !id.is_empty()).map(str::to_owned);
    let read = request.read(move |desk| async move {
        let place = match place {
            Some(name) => Some(workspaces::find(&desk, &name).await?.id().to_owned()),
            None => None,
        };
        let apart = place.as_deref() == Some(DEFAULT_WORKSPACE);
        let filter = Filter { team: place.filter(|_| !apart), ..Filter::default() };
        let (mut found, mut number, mut skip) = (Vec::new(), 1, offset);
        // What is disabled stands in no column: pages are read until one is full.
        loop {
            let page = Page { number, size: PAGE, sort: Sort::Created, order: Order::Descending };
            let (keys, _) = desk.page::<Key>(&filter, page).await?;
            let last = keys.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            let wanted = |key: &Key| (disabled || key.blocked != Some(true)) && !(apart && key.team_id.is_some());
            for key in keys.into_iter().filter(wanted) {
                if skip > 0 {
                    skip -= 1;
                } else if found.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
                    found.push(key);
                } else {
                    return Ok(found);
                }
            }
            if last {
                return Ok(found);
            }
            number += 1;
        }
    });
    let found: Vec<Key> = read.await?;
    let hashes: Vec<String> = found.iter().map(|key| key.token.clone()).collect();
    let used = usage::of(&request.store, &hashes).await?;
    let rows: Vec<Value> = found.iter().map(|key| shown(key, used.get(&key.token).copied().unwrap_or_default())).collect();
    Ok(json!({"data": rows}))
}

/// A form whose complaints are in OpenRouter's shape.
fn form(request: &Request, name: &'static str) -> Result<Form, Refused> {
    let form = request.form(name).map_err(|_| Refused::plain(400, "Invalid request parameters"))?;
    let negative = form.get("limit").is_some_and(|limit| limit.as_f64().is_none_or(|limit| limit < 0.0));
    if negative {
        return Err(Refused::plain(400, "limit must be a non-negative number"));
    }
    Ok(form)
}

/// What a request says of a key, written into it.
async fn said(desk: &Desk, form: &Form, key: &mut Key) -> Result<(), Refused> {
    if let Some(name) = form.text(NAME) {
        key.metadata.insert(NAME.to_owned(), json!(name));
        // Names may be the same here; an alias may not.
        let taken = desk.named::<Key>(name).await?.iter().any(|other| other.token != key.token);
        key.key_alias = (!taken).then(|| name.to_owned());
    }
    if form.sent("limit") {
        key.max_budget = form.money("limit");
    }
    if form.sent("limit_reset") {
        let before = key.clone();
        key.budget_duration = form.owned("limit_reset");
        key.begin(&before, Time::now());
    }
    if let Some(flag) = form.flag(BYOK) {
        key.metadata.insert(BYOK.to_owned(), json!(flag));
    }
    if let Some(disabled) = form.flag("disabled") {
        key.blocked = Some(disabled);
    }
    Ok(())
}

/// `POST /keys`
pub(super) async fn new(request: &Request) -> Answer {
    let form = form(request, "OpenRouterNewKey")?;
    // The form has it in UTC already: what was sent is asked.
    let sent = request.body.as_ref().and_then(|body| body["expires_at"].as_str());
    let zulu = sent.is_none_or(|text| text.ends_with('Z') || text.ends_with("+00:00"));
    if !zulu {
        return Err(Refused::plain(400, "expires_at must be in UTC"));
    }
    let app = request.app.clone();
    let write = request.write(move |desk| async move {
        let (secret, mut key, _) = keys::new_key(&desk, &app, &Form::default()).await?;
        key.user_id = form.owned("creator_user_id");
        let place = workspaces::named(&desk, form.text("workspace_id")).await?;
        key.team_id = Some(place.id().to_owned()).filter(|id| id != DEFAULT_WORKSPACE);
        key.expires = form.time("expires_at");
        said(&desk, &form, &mut key).await?;
        if key.expires.is_some_and(|at| at <= Time::now()) {
            return Err(Refused::plain(400, "expires_at must be in the future"));
        }
        desk.put(&key).await?;
        Ok((secret, key))
    });
    let (secret, key) = write.await?;
    Ok(json!({"data": shown(&key, Usage::default()), "key": secret}))
}

/// `GET /keys/{hash}`
pub(super) async fn one(request: &Request) -> Answer {
    let hash = request.part(0).to_owned();
    let key: Key = request.read(move |desk| async move { desk.get(&hash).await?.ok_or_else(missing) }).await?;
    Ok(json!({"data": with_usage(request, &key).await?}))
}

/// `PATCH /keys/{hash}`
pub(super) async fn update(request: &Request) -> Answer {
    let (form, hash) = (form(request, "OpenRouterUpdateKey")?, request.part(0).to_owned());
    let write = request.write(move |desk| async move {
        let mut key: Key = desk.get(&hash).await?.ok_or_else(missing)?;
        said(&desk, &form, &mut key).await?;
        (key.updated_at, key.updated_by) = (Some(Time::now()), Some(desk.actor().to_owned()));
        desk.put(&key).await?;
        Ok(key)
    });
    let key = write.await?;
    Ok(json!({"data": with_usage(request, &key).await?}))
}

/// `DELETE /keys/{hash}`
pub(super) async fn delete(request: &Request) -> Answer {
    let hash = request.part(0).to_owned();
    let write = request.write(move |desk| async move {
        let key: Key = desk.get(&hash).await?.ok_or_else(missing)?;
        people::remove_key(&desk, &key).await
    });
    write.await?;
    Ok(json!({"deleted": true}))
}
