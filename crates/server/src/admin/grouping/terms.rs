//! The budget that an object has: one of its own, or one it shares by name.

use switchboard_store::object::{Budget, Renewed};
use switchboard_store::{Desk, Time};

use crate::admin::form::Form;
use crate::admin::rows;
use crate::refused::Refused;

/// The fields of a request that belong into a budget.
pub(super) const FIELDS: [&str; 12] = [
    "max_budget",
    "soft_budget",
    "max_parallel_requests",
    "tpm_limit",
    "rpm_limit",
    "tpd_limit",
    "model_max_budget",
    "budget_duration",
    "budget_reset_at",
    "allowed_models",
    "temp_budget_increase",
    "temp_budget_expiry",
];

/// The budget an object has after a request: the one it names, else its own with the terms that were sent. `present` is the one it
/// has now. None: it has none and is to have none.
pub(super) async fn budget(desk: &Desk, form: &Form, present: Option<&str>) -> Result<Option<Budget>, Refused> {
    let (given, named) = (given(form), form.text("budget_id"));
    let id = named.or(present.filter(|_| !form.sent("budget_id")));
    let known: Option<Budget> = match id {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    match (known, named) {
        (Some(budget), _) if given.fields.is_empty() => Ok(Some(budget)),
        // Others may share a budget that is called by its name: it is changed by that name alone.
        (Some(_), Some(id)) if present != Some(id) => {
            Err(Refused::said(400, &format!("Set either budget_id or its terms, not both; change the budget {id} by /budget/update")))
        }
        (Some(budget), _) => changed(desk, budget, &given).await.map(Some),
        (None, Some(id)) => Err(Refused::said(400, &format!("Budget not found, passed budget_id={id}"))),
        (None, None) if given.fields.is_empty() => Ok(None),
        (None, None) => new(desk, &given, None).await.map(Some),
    }
}

/// The terms that were sent.
pub(super) fn given(form: &Form) -> Form {
    let mut given = Form::default();
    for (name, value) in form.fields.iter().filter(|(name, _)| FIELDS.contains(&name.as_str())) {
        given.fields.insert(name.clone(), value.clone());
    }
    given
}

/// A new budget of those terms.
pub(super) async fn new(desk: &Desk, given: &Form, id: Option<String>) -> Result<Budget, Refused> {
    let now = Time::now();
    let budget = Budget {
        budget_id: id.unwrap_or_else(crate::id::of_object),
        created_by: Some(desk.actor().to_owned()),
        created_at: Some(now),
        ..Budget::default()
    };
    changed(desk, budget, given).await
}

/// The budget with those terms.
pub(super) async fn changed(desk: &Desk, budget: Budget, given: &Form) -> Result<Budget, Refused> {
    let (now, before) = (Time::now(), budget);
    let mut budget: Budget = rows::merged(&before, given, &[])?;
    let wanted = given.time("budget_reset_at").filter(|at| Some(*at) != rows::next_reset(&before));
    budget.begin(&before, now);
    if let Some(at) = wanted {
        // Its windows are counted from there, and that is when the present one ends.
        (budget.budget_since, budget.budget_reset_at) = (Some(at), Some(at));
    }
    (budget.updated_at, budget.updated_by) = (Some(now), Some(desk.actor().to_owned()));
    desk.put(&budget).await?;
    Ok(budget)
}

/// The budgets of those ids.
pub(super) async fn several(desk: &Desk, ids: impl Iterator<Item = Option<String>>) -> Result<Vec<Budget>, Refused> {
    let ids: Vec<String> = ids.flatten().collect();
    Ok(desk.several(&ids).await?)
}

/// The one of that id.
pub(super) fn find<'a>(budgets: &'a [Budget], id: Option<&String>) -> Option<&'a Budget> {
    budgets.iter().find(|budget| Some(&budget.budget_id) == id)
}
