//! `/credits/…`: putting money into accounts, taking it out, and looking at them.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use switchboard_engine::admit::Withheld;
use switchboard_engine::terms::{Level, NanoUsd};
use switchboard_store::desk::{Filter, Order, Page, Sort};
use switchboard_store::object::{CreditAccount, CreditEntry, Key, Team, User, WITHDRAWAL};
use switchboard_store::{Desk, Money, Time};

use super::form::{self, Form};
use super::routes::Row;
use super::routes::{Action, get, post};
use super::{Answer, Request, duration, keys};
use crate::authz::Policy::{Admin, Viewer};
use crate::books::accounts;
use crate::money::credits;
use crate::refused::Refused;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Credits {
    TopUp,
    Grant,
    Refund,
    Withdraw,
    Update,
    Info,
    List,
    Entries,
}

use Credits as Do;

/// The routes.
pub(super) const ROWS: &[Row] = &[
    post("/credits/topup", Action::Credits(Do::TopUp), Admin, "CreditPutRequest", "Credits were bought"),
    post("/credits/grant", Action::Credits(Do::Grant), Admin, "CreditPutRequest", "Credits are given, perhaps for a while"),
    post("/credits/refund", Action::Credits(Do::Refund), Admin, "CreditPutRequest", "What was charged is given back as credits"),
    post("/credits/withdraw", Action::Credits(Do::Withdraw), Admin, "CreditTakeRequest", "Credits that are not used are paid back"),
    post("/credits/update", Action::Credits(Do::Update), Admin, "CreditUpdateRequest", "From which balance on it is told"),
    get("/credits/info", Action::Credits(Do::Info), Viewer, "An account with its balance and entries"),
    get("/credits/list", Action::Credits(Do::List), Viewer, "Every account with its balance"),
    get("/credits/entries", Action::Credits(Do::Entries), Viewer, "What was put into accounts and taken out by hand, page by page"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Do, request: &Request) -> Answer {
    match action {
        Do::TopUp => put(request, "topup").await,
        Do::Grant => put(request, "grant").await,
        Do::Refund => put(request, "refund").await,
        Do::Withdraw => withdraw(request).await,
        Do::Update => update(request).await,
        Do::Info => info(request).await,
        Do::List => list(request).await,
        Do::Entries => entries(request).await,
    }
}

/// A form that is filled in wholly: a field nobody knows might be what keeps money from being put in twice.
fn form(request: &Request, name: &'static str) -> Result<Form, Refused> {
    let sent = request.body.as_ref().and_then(Value::as_object).into_iter().flatten();
    match sent.map(|(field, _)| field).find(|field| !form::has(name, field)) {
        Some(field) => Err(Refused::bad(format!("there is no field `{field}`; what is put in once is known by its `reference`"))),
        None => request.form(name),
    }
}

/// The fields of requests that name whose account is meant.
const OWNERS: [(&str, Level); 4] =
    [("team_id", Level::Team), ("user_id", Level::User), ("key", Level::Key), ("organization_id", Level::Organization)];

/// Whose account a request means: one owner, or everybody's where it names none.
fn named<'a>(said: impl Fn(&str) -> Option<&'a str>) -> Result<(Level, String), Refused> {
    let mut found = OWNERS.into_iter().filter_map(|(name, level)| Some((level, said(name)?.to_owned())));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Ok((Level::Proxy, String::new())),
        (Some(_), Some(_)) => Err(Refused::bad("name one of team_id, user_id, key and organization_id, or none")),
    }
}

/// The id of that owner's account, if there is such an owner.
async fn account_of(desk: &Desk, (level, id): (Level, String)) -> Result<String, Refused> {
    let missing = |what: &str| Refused::missing(format!("{what} not found"));
    let id = match level {
        Level::Key => keys::named(desk, &id).await?.ok_or_else(|| missing("Key"))?.account().to_owned(),
        Level::Team => desk.get::<Team>(&id).await?.ok_or_else(|| missing("Team"))?.team_id,
        Level::User => desk.get::<User>(&id).await?.map_or(id, |user| user.user_id),
        _ => id,
    };
    Ok(CreditAccount::id_of(level, &id))
}

fn amount(form: &Form) -> Result<Money, Refused> {
    let positive = form.money("amount").filter(|amount| amount.0 > NanoUsd::ZERO);
    positive.ok_or_else(|| Refused::bad("amount must be a positive number of dollars"))
}

async fn put(request: &Request, kind: &'static str) -> Answer {
    let form = form(request, "CreditPutRequest")?;
    let (amount, now) = (amount(&form)?, Time::now());
    let expires = form.text("duration").map(|text| duration::after(now, text)).transpose()?.or(form.time("expires_at"));
    if expires.is_some_and(|at| at <= now) {
        return Err(Refused::bad("expires_at must be in the future"));
    }
    let owner = named(|name| form.text(name))?;
    let read = request.read(move |desk| async move {
        let id = account_of(&desk, owner).await?;
        Ok((desk.get::<CreditAccount>(&id).await?, id))
    });
    let (present, account_id) = read.await?;
    let spent_before = match &present {
        Some(account) => Money(credits::balance(&request.app, account).await?.spent),
        None => Money::default(),
    };
    let write = request.write(move |desk| async move {
        let reference = form.owned("reference");
        let entry_id = reference.as_ref().map_or_else(crate::id::mint, |reference| format!("{account_id}/{kind}/{reference}"));
        let entry = CreditEntry {
            entry_id,
            account_id,
            kind: kind.to_owned(),
            amount,
            expires_at: expires,
            spent_before,
            reference,
            note: form.owned("note"),
            actor: Some(desk.actor().to_owned()),
            created_at: now,
        };
        let (mut account, entry, new) = credits::put(&desk, entry).await?;
        if form.sent("low_balance") {
            account.low_balance = form.money("low_balance");
            desk.put(&account).await?;
        }
        Ok::<_, Refused>((account, entry, new))
    });
    let (account, entry, new) = write.await?;
    accounts::scope(&request.app.book, &account);
    let mut shown = row(request, &account).await?;
    shown["entry"] = json!(entry);
    shown["already_known"] = json!(!new);
    Ok(shown)
}

async fn withdraw(request: &Request) -> Answer {
    let form = form(request, "CreditTakeRequest")?;
    let (amount, owner) = (amount(&form)?, named(|name| form.text(name))?);
    let account = existing(request, owner).await?;
    match credits::withdraw(&request.app, &account, amount.0, "credits withdrawn").await {
        Ok(()) => {}
        Err(Withheld::Refused(_)) => {
            return Err(Refused::said(402, "the balance is less than that, or requests under way hold some of it"));
        }
        Err(Withheld::Journal(_)) => return Err(Refused::no_store()),
    }
    let (id, note) = (account.account_id.clone(), form.owned("note"));
    let write = request.write(move |desk| async move {
        let entry = CreditEntry {
            entry_id: crate::id::mint(),
            account_id: id,
            kind: WITHDRAWAL.to_owned(),
            amount,
            note,
            actor: Some(desk.actor().to_owned()),
            created_at: Time::now(),
            ..CreditEntry::default()
        };
        desk.put(&entry).await?;
        Ok::<_, Refused>(entry)
    });
    let entry = write.await?;
    let mut shown = row(request, &account).await?;
    shown["entry"] = json!(entry);
    Ok(shown)
}

async fn existing(request: &Request, owner: (Level, String)) -> Result<CreditAccount, Refused> {
    let read = request.read(move |desk| async move {
        let id = account_of(&desk, owner).await?;
        desk.get::<CreditAccount>(&id).await?.ok_or_else(|| Refused::missing("there are no credits of that owner"))
    });
    read.await
}

async fn update(request: &Request) -> Answer {
    let form = form(request, "CreditUpdateRequest")?;
    let owner = named(|name| form.text(name))?;
    let write = request.write(move |desk| async move {
        let id = account_of(&desk, owner).await?;
        let missing = || Refused::missing("there are no credits of that owner");
        let mut account = desk.get::<CreditAccount>(&id).await?.ok_or_else(missing)?;
        (account.low_balance, account.alerted_at) = (form.money("low_balance"), None);
        desk.put(&account).await?;
        Ok(account)
    });
    let account = write.await?;
    row(request, &account).await
}

async fn info(request: &Request) -> Answer {
    let account = existing(request, named(|name| request.value(name))?).await?;
    let id = account.account_id.clone();
    let mut entries: Vec<CreditEntry> = request.read(move |desk| async move { Ok(desk.named(&id).await?) }).await?;
    entries.sort_by_key(|entry| entry.created_at);
    let mut shown = row(request, &account).await?;
    shown["entries"] = json!(entries);
    Ok(shown)
}

async fn list(request: &Request) -> Answer {
    let read = request.read(|desk| async move {
        let accounts: Vec<CreditAccount> = desk.all().await?;
        let keys = keys_of(&desk, accounts.iter().map(|account| account.account_id.as_str())).await?;
        Ok((accounts, keys))
    });
    let (accounts, keys) = read.await?;
    let mut shown = Vec::with_capacity(accounts.len());
    for account in &accounts {
        let mut row = row(request, account).await?;
        put_owner(&mut row, &account.account_id, &keys);
        shown.push(row);
    }
    Ok(json!({"data": shown}))
}

/// `GET /credits/entries`: the eldest first.
async fn entries(request: &Request) -> Answer {
    let (number, size) = (request.number("page", 1, 1, i64::from(u32::MAX))?, request.number("size", 50, 1, 100)?);
    let page = Page { number, size, sort: Sort::Created, order: Order::Ascending };
    let read = request.read(move |desk| async move {
        let (entries, total) = desk.page::<CreditEntry>(&Filter::default(), page).await?;
        let keys = keys_of(&desk, entries.iter().map(|entry| entry.account_id.as_str())).await?;
        Ok((entries, total, keys))
    });
    let (entries, total, keys) = read.await?;
    let shown = entries.iter().map(|entry| {
        let mut row = json!(entry);
        put_owner(&mut row, &entry.account_id, &keys);
        row
    });
    let pages = (total + size - 1) / size;
    Ok(json!({"entries": shown.collect::<Vec<_>>(), "total_count": total, "current_page": number, "total_pages": pages}))
}

/// The keys that have those accounts, by the account: one that was regenerated has the account of the first.
async fn keys_of(desk: &Desk, accounts: impl Iterator<Item = &str>) -> Result<HashMap<String, String>, Refused> {
    let owners = accounts.map(accounts::owner).filter(|owner| owner.level == Level::Key);
    let wanted: HashSet<String> = owners.map(|owner| owner.id.to_string()).collect();
    let ids: Vec<String> = wanted.iter().cloned().collect();
    let mut known = desk.several::<Key>(&ids).await?;
    if known.len() < wanted.len() {
        known.extend(desk.all::<Key>().await?);
    }
    let own = known.into_iter().filter(|key| wanted.contains(key.account()));
    Ok(own.map(|key| (key.account().to_owned(), key.token)).collect())
}

/// Tells whose an account is, in the words of requests.
fn put_owner(row: &mut Value, account: &str, keys: &HashMap<String, String>) {
    let owner = accounts::owner(account);
    if let Some((field, _)) = OWNERS.into_iter().find(|(_, level)| *level == owner.level) {
        let id: &str = &owner.id;
        row[field] = json!(keys.get(id).filter(|_| owner.level == Level::Key).map_or(id, String::as_str));
    }
}

async fn row(request: &Request, account: &CreditAccount) -> Result<Value, Refused> {
    let balance = credits::balance(&request.app, account).await?;
    let left = balance.granted.minus(balance.spent);
    let owner = accounts::owner(&account.account_id);
    Ok(json!({
        "account_id": account.account_id, "owner_type": owner.level.as_str(), "owner_id": &*owner.id, "total_credits": account.granted,
        "total_usage": Money(balance.spent), "balance": Money(left), "held": Money(balance.held),
        "available": Money(left.minus(balance.held)), "low_balance": account.low_balance,
        "is_low": account.low_balance.is_some_and(|low| left < low.0), "created_at": account.created_at, "updated_at": account.updated_at,
    }))
}
