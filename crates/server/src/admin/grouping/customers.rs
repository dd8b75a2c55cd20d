//! `/customer/…` and `/end_user/…`: those for whom callers ask.

use serde_json::{Value, json};
use switchboard_engine::terms::{Level, NanoUsd};
use switchboard_store::ledger::report::{self, By, Days, SumSort};
use switchboard_store::object::{Budget, Customer};
use switchboard_store::{Desk, Money, Time};

use super::terms;
use crate::admin::form::Form;
use crate::admin::{Answer, Request, rows};
use crate::app::App;
use crate::refused::Refused;

fn missing(id: &str) -> Refused {
    Refused::new(404, "not_found", json!("user_id"), format!("End User Id={id} does not exist in db"))
}

fn shown(app: &App, customer: &Customer, budget: Option<&Budget>) -> Value {
    json!({
        "user_id": customer.user_id, "blocked": customer.blocked, "alias": customer.alias,
        "spend": rows::spent(app, Level::Customer, &customer.user_id), "allowed_model_region": customer.allowed_model_region,
        "default_model": customer.default_model, "models": customer.models, "budget_id": customer.budget_id,
        "litellm_budget_table": budget.map(rows::budget), "object_permission_id": customer.object_permission_id,
        "object_permission": customer.object_permission,
    })
}

/// `POST /customer/new`
pub(super) async fn new(request: &Request) -> Answer {
    let form = request.form("NewCustomerRequest")?;
    rows::amounts(&form)?;
    let write = request.write(move |desk| async move {
        let id = form.owned("user_id").unwrap_or_default();
        if desk.get::<Customer>(&id).await?.is_some() {
            let message = format!("Customer already exists, passed user_id={id}. Please pass a new user_id.");
            return Err(Refused::new(400, "bad_request", json!("user_id"), message));
        }
        let customer = Customer { user_id: id, created_at: Some(Time::now()), ..Customer::default() };
        put(&desk, &form, customer).await
    });
    let (customer, budget) = write.await?;
    Ok(shown(&request.app, &customer, budget.as_ref()))
}

/// `POST /customer/update`
pub(super) async fn update(request: &Request) -> Answer {
    let form = rows::meant(request.form("UpdateCustomerRequest")?, &[]);
    rows::amounts(&form)?;
    let write = request.write(move |desk| async move {
        let id = form.owned("user_id").unwrap_or_default();
        let customer: Customer = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        put(&desk, &form, customer).await
    });
    let (customer, budget) = write.await?;
    Ok(shown(&request.app, &customer, budget.as_ref()))
}

async fn put(desk: &Desk, form: &Form, customer: Customer) -> Result<(Customer, Option<Budget>), Refused> {
    const OWN: [&str; 6] = ["alias", "blocked", "allowed_model_region", "default_model", "models", "object_permission"];
    let mut own = Form::default();
    for name in OWN {
        if let Some(value) = form.fields.get(name) {
            own.fields.insert(name.to_owned(), value.clone());
        }
    }
    let budget = terms::budget(desk, form, customer.budget_id.as_deref()).await?;
    let mut customer: Customer = rows::merged(&customer, &own, &[])?;
    customer.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    desk.put(&customer).await?;
    Ok((customer, budget))
}

/// `POST /customer/delete`
pub(super) async fn delete(request: &Request) -> Answer {
    let ids = request.form("DeleteCustomerRequest")?.texts("user_ids").unwrap_or_default();
    let named = ids.clone();
    let write = request.write(move |desk| async move {
        for id in &ids {
            if !desk.delete::<Customer>(id).await? {
                return Err(missing(id));
            }
        }
        Ok(ids.len())
    });
    let deleted = write.await?;
    Ok(json!({"deleted_customers": deleted, "message": format!("Successfully deleted customers with ids: {named:?}")}))
}

/// `POST /customer/block`: whoever is not known is made, so that it is blocked when it comes.
pub(super) async fn block(request: &Request) -> Answer {
    let customers = set_blocked(request, true).await?;
    let rows: Vec<Value> = customers.iter().map(|(customer, budget)| shown(&request.app, customer, budget.as_ref())).collect();
    Ok(json!({"blocked_users": rows}))
}

/// `POST /customer/unblock`
pub(super) async fn unblock(request: &Request) -> Answer {
    set_blocked(request, false).await?;
    let blocked = request.read(|desk| async move { Ok(desk.all::<Customer>().await?) }).await?;
    let ids: Vec<String> = blocked.into_iter().filter(|customer| customer.blocked).map(|customer| customer.user_id).collect();
    Ok(json!({"blocked_users": ids}))
}

async fn set_blocked(request: &Request, blocked: bool) -> Result<Vec<(Customer, Option<Budget>)>, Refused> {
    let ids = request.form("BlockUsers")?.texts("user_ids").unwrap_or_default();
    let config = request.app.config();
    let write = request.write(move |desk| async move {
        let mut done = Vec::new();
        for id in ids {
            let (known, listed) = (desk.get::<Customer>(&id).await?, config.litellm.blocked.contains(&id));
            if known.is_none() && !blocked && !listed {
                continue;
            }
            let fresh = || Customer { user_id: id.clone(), created_at: Some(Time::now()), ..Customer::default() };
            let lifted = (!blocked && listed).then_some(true);
            let customer = Customer { blocked, lifted, ..known.unwrap_or_else(fresh) };
            desk.put(&customer).await?;
            let budget: Option<Budget> = match &customer.budget_id {
                Some(id) => desk.get(id).await?,
                None => None,
            };
            done.push((customer, budget));
        }
        Ok(done)
    });
    write.await
}

/// `GET /customer/info`
pub(super) async fn info(request: &Request) -> Answer {
    let id = request.required("end_user_id")?.to_owned();
    let named = id.clone();
    let read = request.read(move |desk| async move {
        let Some(customer) = desk.get::<Customer>(&named).await? else { return Ok(None) };
        let budget: Option<Budget> = match &customer.budget_id {
            Some(id) => desk.get(id).await?,
            None => None,
        };
        Ok(Some((customer, budget)))
    });
    match read.await? {
        Some((customer, budget)) => Ok(shown(&request.app, &customer, budget.as_ref())),
        None => stranger(request, id).await,
    }
}

/// A customer whom nobody has made, and for whom something was asked.
async fn stranger(request: &Request, id: String) -> Answer {
    let ever = ("0000-01-01".to_owned(), "9999-12-31".to_owned());
    let days = Days { kind: "end_user", entities: vec![id.clone()], from: ever.0, until: ever.1, ..Days::default() };
    let sums = report::sums(&request.store, days, &[By::Entity], SumSort::Earliest, (1, 0)).await?;
    let sum = sums.first().ok_or_else(|| missing(&id))?;
    let mut row = shown(&request.app, &Customer { user_id: id, ..Customer::default() }, None);
    row["spend"] = Value::Number(Money(NanoUsd(sum.spend)).number());
    Ok(row)
}

/// `GET /customer/list`
pub(super) async fn list(request: &Request) -> Answer {
    let read = request.read(|desk| async move {
        let customers: Vec<Customer> = desk.all().await?;
        let budgets = terms::several(&desk, customers.iter().map(|customer| customer.budget_id.clone())).await?;
        Ok((customers, budgets))
    });
    let (customers, budgets) = read.await?;
    let row = |customer: &Customer| shown(&request.app, customer, terms::find(&budgets, customer.budget_id.as_ref()));
    Ok(customers.iter().map(row).collect())
}
