//! `/prices/…`: prices that have a date, and a period reckoned again.

use std::collections::BTreeMap;

use serde_json::{Number, Value, json};
use switchboard_engine::catalog::derive::set_price;
use switchboard_engine::catalog::{ModelCard, Prices as PriceList};
use switchboard_engine::deployment::Spec;
use switchboard_store::ledger::Attempts;
use switchboard_store::object::DatedPrice;
use switchboard_store::{Money, Time};

use super::form::Form;
use super::routes::{Action, Row, get, post};
use super::{Answer, Request};
use crate::authz::Policy::{Admin, Viewer};
use crate::books::{absurd, prices};
use crate::money::{self, reprice};
use crate::refused::Refused;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Prices {
    New,
    Update,
    List,
    Delete,
    Reprice,
}

use Prices as Do;

/// The routes.
pub(super) const ROWS: &[Row] = &[
    post("/prices/new", Action::Prices(Do::New), Admin, "PriceNewRequest", "Prices of a model from a date on"),
    post("/prices/update", Action::Prices(Do::Update), Admin, "PriceUpdateRequest", "Change prices that have a date"),
    get("/prices/list", Action::Prices(Do::List), Viewer, "Prices that have a date"),
    post("/prices/delete", Action::Prices(Do::Delete), Admin, "PriceDeleteRequest", "Prices that have a date hold no more"),
    post("/spend/reprice", Action::Prices(Do::Reprice), Admin, "RepriceRequest", "Reckon a period again at the prices that hold"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Do, request: &Request) -> Answer {
    match action {
        Do::New => new(request).await,
        Do::Update => update(request).await,
        Do::List => list(request).await,
        Do::Delete => delete(request).await,
        Do::Reprice => again(request).await,
    }
}

async fn new(request: &Request) -> Answer {
    let form = request.form("PriceNewRequest")?;
    let price = said(request, &form, DatedPrice { price_id: crate::id::mint(), created_at: Time::now(), ..DatedPrice::default() })?;
    let write = request.write(move |desk| async move {
        let price = DatedPrice { created_by: Some(desk.actor().to_owned()), ..price };
        desk.put(&price).await?;
        Ok::<_, Refused>(price)
    });
    let price = write.await?;
    money::refresh(&request.app).await?;
    Ok(json!(price))
}

/// `POST /prices/update`: what is not sent stays. Of what has begun only that which is still to come is changed, unless that is meant.
async fn update(request: &Request) -> Answer {
    let form = request.form("PriceUpdateRequest")?;
    let id = form.owned("price_id").unwrap_or_default();
    let missing = || Refused::said(404, "there is no such price");
    let present: DatedPrice = request.read(move |desk| async move { desk.get(&id).await?.ok_or_else(missing) }).await?;
    let price = said(request, &form, present.clone())?;
    if form.flag("past") != Some(true) && present.changes_past(Some(&price), Time::now()) {
        let why = "the price holds already, and calls may have been charged by it: let another one follow it, or send past: true";
        return Err(Refused::said(409, why));
    }
    let write = request.write(move |desk| async move {
        match desk.get::<DatedPrice>(&present.price_id).await? {
            Some(now) if now == present => Ok::<_, Refused>(desk.put(&price).await.map(|()| price)?),
            Some(_) => Err(Refused::said(409, "the price was changed meanwhile")),
            None => Err(missing()),
        }
    });
    let price = write.await?;
    money::refresh(&request.app).await?;
    Ok(json!(price))
}

/// A price with what a form says of it.
fn said(request: &Request, form: &Form, mut price: DatedPrice) -> Result<DatedPrice, Refused> {
    price.model = form.owned("model").unwrap_or(price.model);
    price.effective_from = form.time("effective_from").unwrap_or(price.effective_from);
    if form.sent("effective_until") {
        price.effective_until = form.time("effective_until");
    }
    if form.sent("note") {
        price.note = form.owned("note");
    }
    if price.effective_until.is_some_and(|until| until <= price.effective_from) {
        return Err(Refused::said(400, "effective_until must be after effective_from"));
    }
    let known = known(request, &price)?;
    let sent = form.object("prices");
    if let Some(sent) = sent {
        let named: Option<BTreeMap<String, Number>> =
            sent.iter().map(|(name, value)| Some((name.clone(), value.as_number()?.clone()))).collect();
        price.prices = named.unwrap_or_default();
    }
    if price.prices.is_empty() {
        return Err(Refused::said(400, "prices must be numbers of dollars by name, such as input_cost_per_token"));
    }
    let named = meant(&price.prices)?;
    if sent.is_some() && form.flag("force") != Some(true) {
        absurd::refuse(&named, &known, &request.app.catalog())?;
    }
    Ok(price)
}

/// What its model costs from when the price is to hold on, as far as that is known.
fn known(request: &Request, price: &DatedPrice) -> Result<Vec<PriceList>, Refused> {
    let (app, model, at) = (&request.app, &price.model, price.effective_from.0);
    let tariffs = app.books.prices.tariffs();
    let named = model.split_once('/');
    let is_such = |spec: &Spec| spec.id == *model || named == Some((&spec.provider, &spec.model));
    let mut known = absurd::in_force(&app.gateway.fleet(), tariffs, at, is_such);
    match named {
        Some((provider, bare)) => {
            let card = prices::card(&app.catalog(), model);
            known.extend(tariffs.table().of((provider, bare, ""), card.as_ref(), at).prices().map(|list| PriceList::clone(&list)));
        }
        None if !app.gateway.fleet().deployments().any(|deployment| is_such(&deployment.spec)) => {
            return Err(Refused::said(400, "model must be provider/model, or the id of a deployment"));
        }
        None => {}
    }
    Ok(known)
}

/// Prices as they are meant; refuses names that mean nothing, and negative prices.
fn meant(named: &BTreeMap<String, Number>) -> Result<PriceList, Refused> {
    let mut card = ModelCard::default();
    for (name, usd) in named {
        let usd = usd.to_string();
        if usd.starts_with('-') || !set_price(&mut card, name, &usd) {
            return Err(Refused::said(400, &format!("`{name}: {usd}` is no price")));
        }
    }
    Ok(card.prices)
}

async fn list(request: &Request) -> Answer {
    let mut all: Vec<DatedPrice> = request.read(|desk| async move { Ok(desk.all().await?) }).await?;
    all.sort_by(|a, b| (&a.model, a.effective_from).cmp(&(&b.model, b.effective_from)));
    Ok(json!({"data": all}))
}

async fn delete(request: &Request) -> Answer {
    let form = request.form("PriceDeleteRequest")?;
    let id = form.owned("price_id").unwrap_or_default();
    let told = id.clone();
    let gone = request.write(move |desk| async move { Ok::<_, Refused>(desk.delete::<DatedPrice>(&id).await?) }).await?;
    if !gone {
        return Err(Refused::said(404, "there is no such price"));
    }
    money::refresh(&request.app).await?;
    Ok(json!({"deleted": told}))
}

async fn again(request: &Request) -> Answer {
    let form = request.form("RepriceRequest")?;
    let (from, until) = (form.time("start_date").unwrap_or_default(), form.time("end_date").unwrap_or_default());
    let wanted = Attempts { from: from.0, until: until.0, provider: form.owned("provider"), model: form.owned("model") };
    let dry = form.flag("dry_run") == Some(true);
    let changed = reprice::of_app(&request.app, &wanted, (&request.actor(), dry)).await?;
    let money = |nano: i64| Value::Number(Money(switchboard_engine::terms::NanoUsd(nano)).number());
    Ok(json!({
        "attempts": changed.attempts, "repriced": changed.reckoned, "changed": changed.changed, "spend_difference": money(changed.amount),
        "provider_difference": money(changed.owed), "dry_run": dry,
    }))
}
