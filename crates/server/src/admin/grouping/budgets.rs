//! `/budget/…`: terms that have a name.

use serde_json::{Value, json};
use switchboard_store::object::Budget;

use super::terms;
use crate::admin::{Answer, Request, rows};
use crate::refused::Refused;

fn missing(id: &str) -> Refused {
    Refused::said(404, &format!("Budget not found, passed budget_id={id}"))
}

/// `POST /budget/new`
pub(super) async fn new(request: &Request) -> Answer {
    let form = request.form("BudgetNewRequest")?;
    rows::amounts(&form)?;
    let write = request.write(move |desk| async move {
        let id = form.owned("budget_id").filter(|id| !id.is_empty());
        if let Some(id) = &id
            && desk.get::<Budget>(id).await?.is_some()
        {
            return Err(Refused::said(400, &format!("Budget id = {id} already exists. Use /budget/update to change it.")));
        }
        terms::new(&desk, &terms::given(&form), id).await
    });
    Ok(rows::budget(&write.await?))
}

/// `POST /budget/update`
pub(super) async fn update(request: &Request) -> Answer {
    let form = request.form("BudgetNewRequest")?;
    rows::amounts(&form)?;
    let Some(id) = form.owned("budget_id") else { return Err(Refused::said(400, "budget_id is required")) };
    let write = request.write(move |desk| async move {
        let budget: Budget = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        terms::changed(&desk, budget, &terms::given(&form)).await
    });
    Ok(rows::budget(&write.await?))
}

/// `POST /budget/info`
pub(super) async fn info(request: &Request) -> Answer {
    let ids = request.form("BudgetRequest")?.texts("budgets").unwrap_or_default();
    if ids.is_empty() {
        return Err(Refused::said(400, "Specify list of budget id's to query. Passed in=[]"));
    }
    let budgets: Vec<Budget> = request.read(move |desk| async move { Ok(desk.several(&ids).await?) }).await?;
    Ok(budgets.iter().map(rows::budget).collect())
}

/// `POST /budget/delete`
pub(super) async fn delete(request: &Request) -> Answer {
    let id = request.form("BudgetDeleteRequest")?.owned("id").unwrap_or_default();
    let write = request.write(move |desk| async move {
        let budget: Budget = desk.get(&id).await?.ok_or_else(|| missing(&id))?;
        desk.delete::<Budget>(&id).await?;
        Ok(budget)
    });
    Ok(rows::budget(&write.await?))
}

/// `GET /budget/list`
pub(super) async fn list(request: &Request) -> Answer {
    let budgets: Vec<Budget> = request.read(|desk| async move { Ok(desk.all().await?) }).await?;
    Ok(budgets.iter().map(rows::budget).collect())
}

/// The fields that may be set, their types, and what they mean.
const SETTINGS: [(&str, &str, &str); 7] = [
    ("max_parallel_requests", "Integer", "The most requests that may be under way at once."),
    ("tpm_limit", "Integer", "The most tokens in a minute."),
    ("rpm_limit", "Integer", "The most requests in a minute."),
    ("budget_duration", "String", "For how long the budget holds before it starts anew, such as 1h, 1d or 1mo."),
    ("max_budget", "Float", "What may be spent, in dollars: more is refused."),
    ("soft_budget", "Float", "What is spent before an alert is sent, in dollars: nothing is refused."),
    ("model_max_budget", "Object", "What may be spent on single models."),
];

/// `GET /budget/settings`
pub(super) async fn settings(request: &Request) -> Answer {
    let id = request.required("budget_id")?.to_owned();
    let read = request.read(move |desk| async move { desk.get::<Budget>(&id).await?.ok_or_else(|| missing(&id)) });
    let row = rows::columns(&read.await?);
    let field = |(name, kind, description): &(&str, &str, &str)| {
        let value = row.get(*name).cloned().unwrap_or(Value::Null);
        json!({
            "field_name": name, "field_type": kind, "field_description": description, "field_value": value,
            "stored_in_db": !value.is_null(), "field_default_value": null, "premium_field": false, "nested_fields": null,
        })
    };
    Ok(SETTINGS.iter().map(field).collect())
}
