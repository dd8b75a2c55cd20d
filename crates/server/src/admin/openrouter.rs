//! OpenRouter's management API, below `/api/v1`: the same keys and the same spend, in its shapes.

mod assignments;
mod byok;
pub(crate) mod codes;
pub(super) mod content;
mod feedback;
mod guardrails;
mod keys;
mod presets;
mod usage;
mod workspaces;

use serde_json::{Value, json};
use switchboard_engine::terms::NanoUsd;
use switchboard_engine::wire::Dialect;
use switchboard_store::desk::Order;
use switchboard_store::ledger::LogLine;
use switchboard_store::ledger::report::{self, By, Days, LineSort, Lines, Sum, SumSort};
use switchboard_store::object::{CreditAccount, GATEWAY};
use switchboard_store::{Money, Time};

use super::form::Form;
use super::routes::Row;
use super::routes::{Action, get, post};
use super::{Answer, Request};
use crate::auth::rules::DEFAULT_WORKSPACE;
use crate::authz::Policy::{Admin, Info, Keys, Public, Viewer};
use crate::refused::Refused;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum OpenRouter {
    Key,
    Keys,
    KeyNew,
    KeyOne,
    KeyUpdate,
    KeyDelete,
    Credits,
    Activity,
    Generation,
    GenerationContent,
    AuthCode,
    AuthExchange,
    Guardrails,
    GuardrailNew,
    GuardrailOne,
    GuardrailUpdate,
    GuardrailDelete,
    GuardedKeys,
    GuardKeys,
    UnguardKeys,
    GuardedMembers,
    GuardMembers,
    UnguardMembers,
    ProviderKeys,
    ProviderKeyNew,
    ProviderKeyOne,
    ProviderKeyUpdate,
    ProviderKeyDelete,
    Workspaces,
    WorkspaceNew,
    WorkspaceOne,
    WorkspaceUpdate,
    WorkspaceDelete,
    WorkspaceBudgets,
    WorkspaceBudget,
    WorkspaceBudgetSet,
    WorkspaceBudgetDelete,
    WorkspaceMembers,
    WorkspaceMembersAdd,
    WorkspaceMembersRemove,
    OrganizationMembers,
    Presets,
    PresetOne,
    PresetVersions,
    PresetVersion,
    PresetOfChat,
    PresetOfMessages,
    PresetOfResponses,
    Feedback,
    Coinbase,
}

use OpenRouter as Do;

const fn seen(path: &'static str, action: Do, summary: &'static str) -> Row {
    get(path, Action::OpenRouter(action), Viewer, summary)
}

const fn made(path: &'static str, action: Do, form: &'static str, summary: &'static str) -> Row {
    post(path, Action::OpenRouter(action), Admin, form, summary)
}

const fn by(method: &'static str, row: Row) -> Row {
    Row { method, ..row }
}

/// The routes.
pub(super) const ROWS: &[Row] = &[
    get("/api/v1/key", Action::OpenRouter(Do::Key), Info, "The caller's key, in OpenRouter's form"),
    get("/api/v1/auth/key", Action::OpenRouter(Do::Key), Info, "The caller's key, in OpenRouter's form"),
    seen("/api/v1/keys", Do::Keys, "Keys, in OpenRouter's form"),
    made("/api/v1/keys", Do::KeyNew, "OpenRouterNewKey", "Make a key, in OpenRouter's form"),
    seen("/api/v1/keys/{hash}", Do::KeyOne, "One key, in OpenRouter's form"),
    by("PATCH", made("/api/v1/keys/{hash}", Do::KeyUpdate, "OpenRouterUpdateKey", "Change a key, in OpenRouter's form")),
    by("DELETE", made("/api/v1/keys/{hash}", Do::KeyDelete, "", "Delete a key, in OpenRouter's form")),
    seen("/api/v1/credits", Do::Credits, "What was bought and used, in OpenRouter's form"),
    seen("/api/v1/activity", Do::Activity, "What was done on each of the last thirty days"),
    get("/api/v1/generation", Action::OpenRouter(Do::Generation), Info, "One request with what it cost, in OpenRouter's form"),
    get("/api/v1/generation/content", Action::OpenRouter(Do::GenerationContent), Info, "What was asked and answered, where it is kept"),
    post("/api/v1/auth/keys/code", Action::OpenRouter(Do::AuthCode), Keys, "OpenRouterCode", "A code that an application trades for a key"),
    post("/api/v1/auth/keys", Action::OpenRouter(Do::AuthExchange), Public, "OpenRouterExchange", "Trade a code for a key"),
    seen("/api/v1/guardrails", Do::Guardrails, "Guardrails"),
    made("/api/v1/guardrails", Do::GuardrailNew, "OpenRouterGuardrail", "Make a guardrail"),
    seen("/api/v1/guardrails/{id}", Do::GuardrailOne, "One guardrail"),
    by("PATCH", made("/api/v1/guardrails/{id}", Do::GuardrailUpdate, "OpenRouterGuardrailChange", "Change a guardrail")),
    by("DELETE", made("/api/v1/guardrails/{id}", Do::GuardrailDelete, "", "Delete a guardrail with its assignments")),
    seen("/api/v1/guardrails/assignments/keys", Do::GuardedKeys, "The keys that are under guardrails"),
    seen("/api/v1/guardrails/assignments/members", Do::GuardedMembers, "The members who are under guardrails"),
    seen("/api/v1/guardrails/{id}/assignments/keys", Do::GuardedKeys, "The keys that are under a guardrail"),
    made("/api/v1/guardrails/{id}/assignments/keys", Do::GuardKeys, "OpenRouterKeyHashes", "Put keys under a guardrail"),
    made("/api/v1/guardrails/{id}/assignments/keys/remove", Do::UnguardKeys, "OpenRouterKeyHashes", "Take keys from under a guardrail"),
    seen("/api/v1/guardrails/{id}/assignments/members", Do::GuardedMembers, "The members who are under a guardrail"),
    made("/api/v1/guardrails/{id}/assignments/members", Do::GuardMembers, "OpenRouterMemberIds", "Put members under a guardrail"),
    made(
        "/api/v1/guardrails/{id}/assignments/members/remove",
        Do::UnguardMembers,
        "OpenRouterMemberIds",
        "Take members from under a guardrail",
    ),
    seen("/api/v1/byok", Do::ProviderKeys, "Keys of providers that a workspace brings along"),
    made("/api/v1/byok", Do::ProviderKeyNew, "OpenRouterProviderKey", "Bring a key of a provider along"),
    seen("/api/v1/byok/{id}", Do::ProviderKeyOne, "One key of a provider"),
    by("PATCH", made("/api/v1/byok/{id}", Do::ProviderKeyUpdate, "OpenRouterProviderKeyChange", "Change a key of a provider")),
    by("DELETE", made("/api/v1/byok/{id}", Do::ProviderKeyDelete, "", "Wipe a key of a provider")),
    seen("/api/v1/workspaces", Do::Workspaces, "Workspaces"),
    made("/api/v1/workspaces", Do::WorkspaceNew, "OpenRouterWorkspace", "Make a workspace"),
    seen("/api/v1/workspaces/{id}", Do::WorkspaceOne, "One workspace"),
    by("PATCH", made("/api/v1/workspaces/{id}", Do::WorkspaceUpdate, "OpenRouterWorkspaceChange", "Change a workspace")),
    by("DELETE", made("/api/v1/workspaces/{id}", Do::WorkspaceDelete, "", "Delete a workspace without active keys")),
    seen("/api/v1/workspaces/{id}/budgets", Do::WorkspaceBudgets, "What a workspace may spend"),
    seen("/api/v1/workspaces/{id}/budgets/{interval}", Do::WorkspaceBudget, "What a workspace may spend in a time"),
    by(
        "PUT",
        made(
            "/api/v1/workspaces/{id}/budgets/{interval}",
            Do::WorkspaceBudgetSet,
            "OpenRouterBudget",
            "Say what a workspace may spend in a time",
        ),
    ),
    by(
        "DELETE",
        made("/api/v1/workspaces/{id}/budgets/{interval}", Do::WorkspaceBudgetDelete, "", "Let a workspace spend without limit in a time"),
    ),
    seen("/api/v1/workspaces/{id}/members", Do::WorkspaceMembers, "Who is in a workspace"),
    made("/api/v1/workspaces/{id}/members/add", Do::WorkspaceMembersAdd, "OpenRouterUserIds", "Put users into a workspace"),
    made("/api/v1/workspaces/{id}/members/remove", Do::WorkspaceMembersRemove, "OpenRouterUserIds", "Take users out of a workspace"),
    seen("/api/v1/organization/members", Do::OrganizationMembers, "Every user"),
    seen("/api/v1/presets", Do::Presets, "Presets, the latest first"),
    seen("/api/v1/presets/{slug}", Do::PresetOne, "One preset, as it holds"),
    seen("/api/v1/presets/{slug}/versions", Do::PresetVersions, "The versions of a preset"),
    seen("/api/v1/presets/{slug}/versions/{version}", Do::PresetVersion, "One version of a preset"),
    made("/api/v1/presets/{slug}/chat/completions", Do::PresetOfChat, "", "Keep a request's settings as a preset"),
    made("/api/v1/presets/{slug}/messages", Do::PresetOfMessages, "", "Keep a request's settings as a preset"),
    made("/api/v1/presets/{slug}/responses", Do::PresetOfResponses, "", "Keep a request's settings as a preset"),
    made("/api/v1/generation/feedback", Do::Feedback, "OpenRouterFeedback", "Say what was wrong with an answer"),
    made("/api/v1/credits/coinbase", Do::Coinbase, "", "Gone, as it is at OpenRouter"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Do, request: &Request) -> Answer {
    match action {
        Do::Key => keys::own(request).await,
        Do::Keys => keys::list(request).await,
        Do::KeyNew => keys::new(request).await,
        Do::KeyOne => keys::one(request).await,
        Do::KeyUpdate => keys::update(request).await,
        Do::KeyDelete => keys::delete(request).await,
        Do::Credits => credits(request).await,
        Do::Activity => activity(request).await,
        Do::Generation => generation(request).await,
        Do::GenerationContent => content::of(request).await,
        Do::AuthCode => codes::code(request).await,
        Do::AuthExchange => codes::exchange(request).await,
        Do::Guardrails => guardrails::list(request).await,
        Do::GuardrailNew => guardrails::new(request).await,
        Do::GuardrailOne => guardrails::one(request).await,
        Do::GuardrailUpdate => guardrails::update(request).await,
        Do::GuardrailDelete => guardrails::delete(request).await,
        Do::GuardedKeys => assignments::keys(request).await,
        Do::GuardKeys => assignments::assign_keys(request).await,
        Do::UnguardKeys => assignments::remove_keys(request).await,
        Do::GuardedMembers => assignments::members(request).await,
        Do::GuardMembers => assignments::assign_members(request).await,
        Do::UnguardMembers => assignments::remove_members(request).await,
        Do::ProviderKeys => byok::list(request).await,
        Do::ProviderKeyNew => byok::new(request).await,
        Do::ProviderKeyOne => byok::one(request).await,
        Do::ProviderKeyUpdate => byok::update(request).await,
        Do::ProviderKeyDelete => byok::delete(request).await,
        Do::Workspaces => workspaces::list(request).await,
        Do::WorkspaceNew => workspaces::new(request).await,
        Do::WorkspaceOne => workspaces::one(request).await,
        Do::WorkspaceUpdate => workspaces::update(request).await,
        Do::WorkspaceDelete => workspaces::delete(request).await,
        Do::WorkspaceBudgets => workspaces::budgets(request).await,
        Do::WorkspaceBudget => workspaces::budget(request).await,
        Do::WorkspaceBudgetSet => workspaces::set_budget(request).await,
        Do::WorkspaceBudgetDelete => workspaces::remove_budget(request).await,
        Do::WorkspaceMembers => workspaces::members(request).await,
        Do::WorkspaceMembersAdd => workspaces::add_members(request).await,
        Do::WorkspaceMembersRemove => workspaces::remove_members(request).await,
        Do::OrganizationMembers => workspaces::organization(request).await,
        Do::Presets => presets::list(request).await,
        Do::PresetOne => presets::one(request).await,
        Do::PresetVersions => presets::history(request).await,
        Do::PresetVersion => presets::version(request).await,
        Do::PresetOfChat => presets::keep(request, Dialect::OpenAiChat).await,
        Do::PresetOfMessages => presets::keep(request, Dialect::Anthropic).await,
        Do::PresetOfResponses => presets::keep(request, Dialect::OpenAiResponses).await,
        Do::Feedback => feedback::say(request).await,
        Do::Coinbase => Err(Refused::plain(410, "The Coinbase APIs used by this endpoint have been deprecated")),
    }
}

/// Whether a route makes something.
pub(super) fn creates(action: Do) -> bool {
    matches!(action, Do::KeyNew | Do::GuardrailNew | Do::ProviderKeyNew | Do::WorkspaceNew)
}

fn not_found() -> Refused {
    Refused::plain(404, "Resource not found")
}

/// A form whose complaints are in OpenRouter's shape.
fn form(request: &Request, name: &'static str) -> Result<Form, Refused> {
    request.form(name).map_err(|_| Refused::plain(400, "Invalid request parameters"))
}

/// The part of a list that a request asks for.
fn cut<T>(request: &Request, all: &[T], shown: impl Fn(&T) -> Value) -> Answer {
    let number = |name, default, least, most| {
        request.number(name, default, least, most).map_err(|_| Refused::plain(400, "Invalid request parameters"))
    };
    let (offset, limit) = (number("offset", 0, 0, i64::from(u32::MAX))?, number("limit", 50, 1, 100)?);
    let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    let data: Vec<Value> = all.iter().skip(size(offset)).take(size(limit)).map(shown).collect();
    Ok(json!({"data": data, "total_count": all.len()}))
}

/// `GET /credits`: what everybody together has bought and used. Where there is an account of everybody's, it is that; else all
/// accounts together, and all that was spent.
async fn credits(request: &Request) -> Answer {
    let accounts: Vec<CreditAccount> = request.read(|desk| async move { Ok(desk.all().await?) }).await?;
    if let Some(account) = accounts.iter().find(|account| account.account_id == GATEWAY) {
        let balance = crate::money::credits::balance(&request.app, account).await?;
        return Ok(json!({"data": {"total_credits": account.granted, "total_usage": Money(balance.spent)}}));
    }
    let bought = accounts.iter().fold(NanoUsd::ZERO, |sum, account| sum.plus(account.granted.0));
    request.app.books.settled(std::time::Duration::from_secs(5)).await?;
    let sums = report::sums(&request.store, Days { kind: "all", ..Days::default() }, &[], SumSort::Dearest, (1, 0)).await?;
    Ok(json!({"data": {"total_credits": Money(bought), "total_usage": usage::dollars(sums.first().map_or(0, |sum| sum.spend))}}))
}

/// `GET /activity`: the last thirty days that are over.
async fn activity(request: &Request) -> Answer {
    let day = |back: i64| usage::day(Time::now().plus_seconds(-back * 86_400));
    let (mut from, mut until) = (day(30), day(1));
    if let Some(date) = request.value("date").filter(|date| !date.is_empty()) {
        let valid = date.len() == 10 && Time::parse(date).is_some() && date >= from.as_str() && date <= until.as_str();
        if !valid {
            return Err(Refused::plain(400, "Date must be within the last 30 (completed) UTC days, as YYYY-MM-DD"));
        }
        (from, until) = (date.to_owned(), date.to_owned());
    }
    let text = |name: &str| request.value(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let (user, place, split) = (text("user_id"), text("workspace_id"), request.value("group_by") == Some("workspace"));
    if request.value("group_by").is_some_and(|by| by != "workspace") {
        return Err(Refused::plain(400, "group_by must be workspace"));
    }
    let place = match place {
        Some(name) => Some(request.read(move |desk| async move { workspaces::find(&desk, &name).await }).await?.id().to_owned()),
        None => None,
    };
    // The workspace of keys without a team has no name in the sums.
    let place = place.map(|id| if id == DEFAULT_WORKSPACE { String::new() } else { id });
    let kind = match (&user, place.is_some() || split) {
        (Some(_), true) => return Err(Refused::plain(400, "user_id cannot be combined with workspaces")),
        (Some(_), false) => "user",
        (None, true) => "workspace",
        (None, false) => "all",
    };
    let entities: Vec<String> = user.into_iter().chain(place).collect();
    let wanted = Days { kind, entities, keys: text("api_key_hash").into_iter().collect(), from, until, ..Days::default() };
    let mut by = vec![By::Day, By::Group, By::Model, By::Provider];
    by.extend(split.then_some(By::Entity));
    let own = Days { kind: "byok", entities: Vec::new(), ..wanted.clone() };
    let sums = report::sums(&request.store, wanted, &by, SumSort::Latest, (10_000, 0)).await?;
    // What callers' own keys were billed is not told apart by user or workspace.
    let own = if kind == "all" { report::sums(&request.store, own, &by, SumSort::Latest, (10_000, 0)).await? } else { Vec::new() };
    let rows: Vec<Value> = sums.iter().map(|sum| activity_of(sum, &own, split)).collect();
    Ok(json!({"data": rows}))
}

fn activity_of(sum: &Sum, own: &[Sum], split: bool) -> Value {
    let same = |other: &&Sum| {
        (&other.day, &other.model_group, &other.model, &other.provider) == (&sum.day, &sum.model_group, &sum.model, &sum.provider)
    };
    let byok = own.iter().find(same).map_or(0, |own| own.spend);
    let mut row = json!({
        "date": sum.day, "model": sum.model_group, "model_permaslug": sum.model, "endpoint_id": format!("{}/{}", sum.provider, sum.model),
        "provider_name": sum.provider, "usage": usage::dollars(sum.spend), "byok_usage_inference": usage::dollars(byok),
        "requests": sum.requests, "prompt_tokens": sum.prompt_tokens, "completion_tokens": sum.completion_tokens, "reasoning_tokens": 0,
        "cached_tokens": sum.cache_read_tokens,
    });
    if split {
        row["workspace_id"] = json!(if sum.entity.is_empty() { DEFAULT_WORKSPACE } else { &sum.entity });
    }
    row
}

/// `GET /generation`
async fn generation(request: &Request) -> Answer {
    Ok(json!({"data": usage::generation(&line_of(request).await?, &request.app.catalog())}))
}

/// The request that is named by its id, if it is the caller's business.
async fn line_of(request: &Request) -> Result<LogLine, Refused> {
    let id = request.value("id").filter(|id| !id.is_empty()).ok_or_else(|| Refused::plain(400, "id is required"))?;
    line_by(request, id).await?.ok_or_else(|| Refused::plain(404, &format!("Generation {id} not found")))
}

async fn line_by(request: &Request, id: &str) -> Result<Option<LogLine>, Refused> {
    let caller = &request.caller;
    let key = caller.principal.key_hash.clone().unwrap_or_else(|| caller.principal.key.clone());
    let own = (!caller.sees_all()).then(|| (caller.user.clone(), Some(key)));
    for id in [id, id.strip_prefix("gen-").unwrap_or(id)] {
        let wanted = Lines { request_id: Some(id.to_owned()), own: own.clone(), ..Lines::default() };
        let lines = report::lines(&request.store, wanted, (LineSort::Started, Order::Descending), (1, 0)).await?;
        if let Some(line) = lines.first() {
            return Ok(Some(line.clone()));
        }
    }
    Ok(None)
}

/// A key of the metadata of a line, or null.
fn said(metadata: &serde_json::Map<String, Value>, name: &str) -> Value {
    metadata.get(name).cloned().unwrap_or(Value::Null)
}
