//! OpenRouter's management API, below `/api/v1`: the same keys and the same spend, in its shapes.

mod keys;
mod usage;

use serde_json::{Value, json};
use switchboard_engine::admit::NanoUsd;
use switchboard_store::desk::Order;
use switchboard_store::ledger::report::{self, By, Days, LineSort, Lines, Sum, SumSort};
use switchboard_store::object::{CreditAccount, GATEWAY};
use switchboard_store::{Money, Time};

use super::routes::{Action, get, post};
use super::{Answer, Refused, Request};
use crate::authz::Policy::{Admin, Info, Viewer};
use crate::router::Row;

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
}

use OpenRouter as Do;

/// The routes.
pub(super) const ROWS: &[Row] = &[
    get("/api/v1/key", Action::OpenRouter(Do::Key), Info, "The caller's key, in OpenRouter's form"),
    get("/api/v1/auth/key", Action::OpenRouter(Do::Key), Info, "The caller's key, in OpenRouter's form"),
    get("/api/v1/keys", Action::OpenRouter(Do::Keys), Viewer, "Keys, in OpenRouter's form"),
    post("/api/v1/keys", Action::OpenRouter(Do::KeyNew), Admin, "OpenRouterNewKey", "Make a key, in OpenRouter's form"),
    get("/api/v1/keys/{hash}", Action::OpenRouter(Do::KeyOne), Viewer, "One key, in OpenRouter's form"),
    Row {
        method: "PATCH",
        ..post("/api/v1/keys/{hash}", Action::OpenRouter(Do::KeyUpdate), Admin, "OpenRouterUpdateKey", "Change a key, in OpenRouter's form")
    },
    Row {
        method: "DELETE",
        ..post("/api/v1/keys/{hash}", Action::OpenRouter(Do::KeyDelete), Admin, "", "Delete a key, in OpenRouter's form")
    },
    get("/api/v1/credits", Action::OpenRouter(Do::Credits), Viewer, "What was bought and used, in OpenRouter's form"),
    get("/api/v1/activity", Action::OpenRouter(Do::Activity), Viewer, "What was done on each of the last thirty days"),
    get("/api/v1/generation", Action::OpenRouter(Do::Generation), Info, "One request with what it cost, in OpenRouter's form"),
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
    }
}

/// `GET /credits`: what everybody together has bought and used. Where there is an account of everybody's, it is that; else all
/// accounts together, and all that was spent.
async fn credits(request: &Request) -> Answer {
    let accounts: Vec<CreditAccount> = request.read(|desk| async move { Ok(desk.all().await?) }).await?;
    if let Some(account) = accounts.iter().find(|account| account.account_id == GATEWAY) {
        let balance = crate::credits::balance(&request.app, account).await?;
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
    let user = request.value("user_id").filter(|user| !user.is_empty()).map(str::to_owned);
    let wanted = Days {
        kind: if user.is_some() { "user" } else { "all" },
        entities: user.into_iter().collect(),
        keys: request.value("api_key_hash").map(str::to_owned).into_iter().collect(),
        from,
        until,
        ..Days::default()
    };
    let sums = report::sums(&request.store, wanted, &[By::Day, By::Group, By::Model, By::Provider], SumSort::Latest, (10_000, 0)).await?;
    let row = |sum: &Sum| {
        json!({
            "date": sum.day, "model": sum.model_group, "model_permaslug": sum.model, "endpoint_id": format!("{}/{}", sum.provider, sum.model),
            "provider_name": sum.provider, "usage": usage::dollars(sum.spend), "byok_usage_inference": 0, "requests": sum.requests,
            "prompt_tokens": sum.prompt_tokens, "completion_tokens": sum.completion_tokens, "reasoning_tokens": 0,
        })
    };
    Ok(json!({"data": sums.iter().map(row).collect::<Vec<_>>()}))
}

/// `GET /generation`
async fn generation(request: &Request) -> Answer {
    let id = request.value("id").filter(|id| !id.is_empty()).ok_or_else(|| Refused::plain(400, "id is required"))?;
    let caller = &request.caller;
    let key = caller.principal.key_hash.clone().unwrap_or_else(|| caller.principal.key.clone());
    let own = (!caller.sees_all()).then(|| (caller.user.clone(), Some(key)));
    let missing = || Refused::plain(404, &format!("Generation {id} not found"));
    for id in [id, id.strip_prefix("gen-").unwrap_or(id)] {
        let wanted = Lines { request_id: Some(id.to_owned()), own: own.clone(), ..Lines::default() };
        let lines = report::lines(&request.store, wanted, (LineSort::Started, Order::Descending), (1, 0)).await?;
        if let Some(line) = lines.first() {
            return Ok(json!({"data": usage::generation(line)}));
        }
    }
    Err(missing())
}

/// A key of the metadata of a line, or null.
fn said(metadata: &serde_json::Map<String, Value>, name: &str) -> Value {
    metadata.get(name).cloned().unwrap_or(Value::Null)
}
