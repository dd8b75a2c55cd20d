//! Objects as answers show them.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use switchboard_engine::terms::{Level, ScopeId, Window};
use switchboard_store::object::{Budget, BudgetLimit, Customer, Json, Key, Object, Organization, Period, Renewed, Tag, Team, User};
use switchboard_store::{Money, Time};

use super::callback_vars;
use super::form::Form;
use crate::app::App;
use crate::refused::Refused;

/// The fields of some answers, each with what it is when nothing is known.
const SHAPES: &str = include_str!("shapes.json");

/// Fields that a request has beside `metadata` and that are kept in it.
pub(super) const IN_METADATA: [&str; 25] = [
    "model_rpm_limit",
    "model_tpm_limit",
    "model_itpm_limit",
    "model_otpm_limit",
    "mcp_rpm_limit",
    "tag_rpm_limit",
    "budget_fallbacks",
    "rpm_limit_type",
    "tpm_limit_type",
    "guardrails",
    "policies",
    "prompts",
    "tags",
    "enforced_params",
    "disable_global_guardrails",
    "enable_prompt_caching",
    "throttle_on_budget_exceeded",
    "allowed_passthrough_routes",
    "denied_passthrough_routes",
    "allowed_vector_store_indexes",
    "default_estimated_output_tokens",
    "default_estimated_output_tokens_per_model",
    "end_user_budget_id",
    "temp_budget_increase",
    "temp_budget_expiry",
];

/// The fields of an answer of that shape, nothing known yet.
pub(super) fn shape(name: &str) -> Json {
    static ALL: OnceLock<Map<String, Value>> = OnceLock::new();
    let all = ALL.get_or_init(|| serde_json::from_str(SHAPES).unwrap_or_default());
    all.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The rows that answers show, and the requests that set what is in them.
pub(crate) const ANSWERED: [(&str, &[&str]); 9] = [
    ("KeyRow", &["GenerateKeyRequest", "UpdateKeyRequest"]),
    ("GenerateKeyResponse", &["GenerateKeyRequest"]),
    ("NewUserResponse", &["NewUserRequest", "GenerateKeyRequest"]),
    ("UserRow", &["NewUserRequest", "UpdateUserRequest"]),
    ("TeamRow", &["NewTeamRequest", "UpdateTeamRequest"]),
    ("BudgetRow", &["BudgetNewRequest"]),
    ("OrganizationRow", &["NewOrganizationRequest"]),
    ("CustomerRow", &["NewCustomerRequest"]),
    ("TagRow", &["TagNewRequest"]),
];

/// Such a row of a new object.
pub(crate) fn new(name: &str) -> Json {
    let with = |mut columns: Json, more: Value| {
        columns.extend(more.as_object().cloned().unwrap_or_default());
        columns
    };
    match name {
        "KeyRow" => {
            let more = json!({"spend": 0, "total_spend": 0, "budget_reset_at": null, "org_id": null, "litellm_budget_table": null});
            let mut row = with(columns(&Key::default()), more);
            HIDDEN.iter().for_each(|column| drop(row.remove(*column)));
            row
        }
        "UserRow" => shape("LiteLLM_UserTable"),
        "TeamRow" => shape("LiteLLM_TeamTable"),
        "BudgetRow" => columns(&Budget::default()),
        "OrganizationRow" => with(columns(&Organization::default()), json!({"spend": 0, "litellm_budget_table": null, "members": []})),
        "CustomerRow" => with(columns(&Customer::default()), json!({"spend": 0, "litellm_budget_table": null})),
        "TagRow" => with(columns(&Tag::default()), json!({"spend": 0, "litellm_budget_table": null})),
        other => shape(other),
    }
}

/// Columns of keys that are shown to nobody, or only to whom they are named.
const HIDDEN: [&str; 6] = ["verifier", "account", "spend_reset", "budget_since", "makers", "token"];

/// An object's columns.
pub(super) fn columns<O: Object>(object: &O) -> Json {
    match serde_json::to_value(object) {
        Ok(Value::Object(map)) => map,
        _ => Json::new(),
    }
}

/// Fills the fields of a shape that an object has.
pub(super) fn filled(shape: &mut Json, from: &Json) {
    for (name, value) in shape.iter_mut() {
        if let Some(known) = from.get(name).filter(|known| !known.is_null()) {
            *value = known.clone();
        }
    }
}

/// What a scope has spent.
pub(super) fn spent(app: &App, level: Level, id: &str) -> Value {
    spent_in(app, level, id, Period::default())
}

/// What a scope has spent in the present time of its budget; all it ever has where its budget is for ever.
pub(super) fn spent_in(app: &App, level: Level, id: &str, period: Period<'_>) -> Value {
    let window = period.window(app.book.calendar()).unwrap_or(Window::Lifetime);
    Value::Number(Money(app.book.spent(&ScopeId::new(level, id), window)).number())
}

/// When a budget of that time begins anew.
fn resets(app: &App, period: Period<'_>) -> Value {
    let window = period.window(app.book.calendar());
    json!(window.and_then(|window| window.end(window.start(app.book.now()))).map(Time))
}

/// Says of each of several budgets when it begins anew.
fn several(app: &App, row: &mut Json) {
    for entry in row.get_mut("budget_limits").and_then(Value::as_array_mut).into_iter().flatten() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let next = resets(app, Period { duration: text("budget_duration"), since: text("budget_since").and_then(Time::parse) });
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("reset_at".to_owned(), next);
        }
    }
    without_beginnings(row);
}

/// When several budgets were begun is for the gateway to know.
pub(super) fn without_beginnings(row: &mut Json) {
    for entry in row.get_mut("budget_limits").and_then(Value::as_array_mut).into_iter().flatten() {
        entry.as_object_mut().and_then(|entry| entry.remove("budget_since"));
    }
}

/// A key's row, without its hash.
pub(super) fn key(app: &App, key: &Key, budget: Option<&Budget>) -> Json {
    let mut row = columns(key);
    HIDDEN.iter().for_each(|column| drop(row.remove(*column)));
    let period = key.period().or(budget.map(Renewed::period));
    row.insert("spend".to_owned(), spent_in(app, Level::Key, key.account(), period));
    row.insert("total_spend".to_owned(), super::spent::total(&spent(app, Level::Key, key.account()), key.spend_reset));
    row.insert("budget_reset_at".to_owned(), resets(app, period));
    several(app, &mut row);
    used(app, &ScopeId::new(Level::Key, key.account()), (Some(&key.model_max_budget), key.budget_limits.as_deref()), &mut row);
    row.insert("model_spend".to_owned(), json!({}));
    row.insert("soft_budget_cooldown".to_owned(), json!(false));
    row.insert("org_id".to_owned(), json!(key.organization_id));
    row.insert("litellm_budget_table".to_owned(), budget.map_or(Value::Null, self::budget));
    row
}

/// How far somebody's budgets of one model and their several budgets are spent, where there are any.
fn used(app: &App, own: &ScopeId, (by_model, several): (Option<&Json>, Option<&[BudgetLimit]>), row: &mut Json) {
    let money = |id: &ScopeId, window| Value::Number(Money(app.book.spent(id, window)).number());
    if let Some(by_model) = by_model.filter(|by_model| !by_model.is_empty()) {
        let used = by_model.iter().map(|(model, said)| {
            let of = |names: [&str; 2]| names.into_iter().find_map(|name| said.get(name)).cloned().unwrap_or_default();
            let (limit, period) = (of(["budget_limit", "max_budget"]), of(["time_period", "budget_duration"]));
            let window = period.as_str().and_then(Window::parse).unwrap_or(Window::Lifetime);
            let spent = money(&own.clone().of_model(model.as_str()), window);
            (model.clone(), json!({"current_spend": spent, "budget_limit": limit, "time_period": period}))
        });
        row.insert("model_max_budget_usage".to_owned(), Value::Object(used.collect()));
    }
    if let Some(several) = several.filter(|several| !several.is_empty()) {
        let used = several.iter().map(|entry| {
            let spent = money(own, entry.period().window(app.book.calendar()).unwrap_or(Window::Lifetime));
            json!({"budget_duration": entry.budget_duration, "max_budget": entry.max_budget, "current_spend": spent})
        });
        row.insert("budget_limits_usage".to_owned(), Value::Array(used.collect()));
    }
}

/// A key's row with its hash.
pub(super) fn key_with_hash(app: &App, one: &Key, budget: Option<&Budget>) -> Json {
    let mut row = key(app, one, budget);
    row.insert("token".to_owned(), json!(one.token));
    row
}

/// A budget, as it stands in the rows of others.
pub(super) fn budget(budget: &Budget) -> Value {
    Value::Object(budget_columns(budget))
}

/// The same. What was written down of its next reset holds until then; after it, its windows say.
pub(super) fn budget_columns(budget: &Budget) -> Json {
    let mut row = columns(budget);
    row.remove("budget_since");
    row.insert("budget_reset_at".to_owned(), json!(next_reset(budget)));
    row
}

/// When a budget begins anew, in UTC.
pub(super) fn next_reset(budget: &Budget) -> Option<Time> {
    let now = Time::now();
    let is_over = budget.budget_reset_at.is_none_or(|at| at <= now);
    budget.period().end(now).filter(|_| is_over).or(budget.budget_reset_at)
}

/// A user's row.
pub(super) fn user(app: &App, user: &User) -> Json {
    let mut row = shape("LiteLLM_UserTable");
    let mut known = columns(user);
    known.insert("budget_reset_at".to_owned(), resets(app, user.period()));
    several(app, &mut known);
    known.insert("spend".to_owned(), spent_in(app, Level::User, &user.user_id, user.period()));
    filled(&mut row, &known);
    used(app, &ScopeId::new(Level::User, user.user_id.as_str()), (user.model_max_budget.as_ref(), None), &mut row);
    row
}

/// A team's row.
pub(super) fn team(app: &App, team: &Team) -> Json {
    let mut row = shape("LiteLLM_TeamTable");
    let mut known = columns(team);
    known.insert("budget_reset_at".to_owned(), resets(app, team.period()));
    several(app, &mut known);
    known.insert("spend".to_owned(), spent_in(app, Level::Team, &team.team_id, team.period()));
    filled(&mut row, &known);
    used(app, &ScopeId::new(Level::Team, team.team_id.as_str()), (team.model_max_budget.as_ref(), None), &mut row);
    row
}

/// An object with those of the sent fields that are columns. Null puts a column back to what it is in a new object.
pub(super) fn merged<O: Object>(object: &O, form: &Form, but: &[&str]) -> Result<O, Refused> {
    let mut row = columns(object);
    for (name, value) in form.fields.iter().filter(|(name, _)| !but.contains(&name.as_str())) {
        if value.is_null() {
            row.remove(name);
        } else {
            row.insert(name.clone(), value.clone());
        }
    }
    serde_json::from_value(Value::Object(row)).map_err(|error| Refused::bad(format!("a field has a value it cannot have: {error}")))
}

/// A request to change an object, as it is meant. Clients send null for what they say nothing of: it puts back the fields in `by_null`
/// alone, and those whose names stand in `cleared`.
pub(super) fn meant(form: Form, by_null: &[&str]) -> Form {
    let cleared = form.texts("cleared").unwrap_or_default();
    let kept = form.fields.into_iter().filter(|(name, value)| !value.is_null() || by_null.contains(&name.as_str()));
    let mut form = Form { fields: kept.filter(|(name, _)| name != "cleared").collect() };
    cleared.iter().for_each(|name| form.put(name, Value::Null));
    form
}

/// The metadata an object has after a request: replaced where the request has one, with the fields that belong into it.
pub(super) fn metadata(form: &Form, present: Json) -> Json {
    let mut metadata = match form.fields.get("metadata") {
        Some(Value::Object(sent)) => sent.clone(),
        Some(_) => Json::new(),
        None => present,
    };
    for name in IN_METADATA {
        if let Some(value) = form.get(name) {
            metadata.insert(name.to_owned(), value.clone());
        } else if form.sent(name) {
            metadata.remove(name);
        }
    }
    callback_vars::without_secrets(&mut metadata);
    metadata
}

/// Refuses amounts of money and counts that are none.
pub(super) fn amounts(form: &Form) -> Result<(), Refused> {
    for name in ["max_budget", "soft_budget", "team_member_budget", "max_budget_in_team", "temp_budget_increase", "spend"] {
        let Some(value) = form.get(name) else { continue };
        let bad = value.as_f64().is_none_or(|amount| amount < 0.0 || !amount.is_finite()) || form.money(name).is_none();
        if bad {
            let shown = value.as_f64().map_or_else(|| value.to_string(), |amount| format!("{amount:?}"));
            return Err(Refused::said(400, &format!("{name} must be a non-negative finite number. Received: {shown}")));
        }
    }
    for name in ["tpm_limit", "rpm_limit", "tpd_limit", "max_parallel_requests"] {
        if form.get(name).is_some_and(|value| value.as_i64().is_some_and(|count| count < 0)) {
            return Err(Refused::said(400, &format!("{name} must not be negative")));
        }
    }
    let by_model = form.object("default_estimated_output_tokens_per_model").into_iter().flat_map(Json::values);
    if let Some(bad) =
        by_model.chain(form.get("default_estimated_output_tokens")).find(|count| count.as_i64().is_some_and(|count| count < 1))
    {
        let complaint = json!({"type": "greater_than", "loc": ["body", "default_estimated_output_tokens"], "msg": "Input should be greater than 0", "input": bad});
        return Err(Refused::invalid(vec![complaint]));
    }
    for entry in form.get("budget_limits").and_then(Value::as_array).into_iter().flatten() {
        if entry["max_budget"].as_f64().is_none_or(|amount| amount < 0.0) {
            return Err(Refused::said(400, "each entry of budget_limits needs a non-negative max_budget"));
        }
        window(entry["budget_duration"].as_str())?;
    }
    if form.object("model_max_budget").is_some_and(|models| models.values().any(|budget| budget.get("models").is_some())) {
        return Err(Refused::said(400, "a budget of model_max_budget is for one model, by its name; `models` is not kept to"));
    }
    window(form.text("budget_duration"))
}

fn window(text: Option<&str>) -> Result<(), Refused> {
    match text {
        Some(text) if switchboard_engine::terms::Window::parse(text).is_none() => Err(Refused::said(
            400,
            &format!("Invalid budget_duration: '{text}'. Write a number and a unit, such as 30s, 1h, 1d, 30d or 1mo"),
        )),
        Some(_) | None => Ok(()),
    }
}
