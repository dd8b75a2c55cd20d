//! `/access_group/…`: the groups that models say they are in, by `model_info.access_groups`, and what may be spent on their models by
//! everybody together who may use them because they are in the group.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use switchboard_engine::terms::{Level, ScopeId};
use switchboard_store::Time;
use switchboard_store::object::{Budget, GroupBudget, Renewed};

use super::terms;
use crate::admin::form::Form;
use crate::admin::{Answer, Request, rows, spent};
use crate::refused::Refused;

/// Each group with the models in it and how many deployments say so.
fn groups(request: &Request) -> BTreeMap<String, (Vec<String>, usize)> {
    let mut groups: BTreeMap<String, (Vec<String>, usize)> = BTreeMap::new();
    for deployment in &request.app.config().deployments {
        for group in &deployment.model_info.access_groups {
            let (models, count) = groups.entry(group.clone()).or_default();
            if !models.contains(&deployment.model_name) {
                models.push(deployment.model_name.clone());
            }
            *count += 1;
        }
    }
    groups
}

/// What all together may spend on a group, and have spent.
#[derive(Default)]
struct Pool {
    row: Option<GroupBudget>,
    budget: Option<Budget>,
}

impl Pool {
    /// Its budget, as LiteLLM shows it.
    fn terms(&self) -> Value {
        let fields = ["budget_id", "max_budget", "soft_budget", "budget_duration", "budget_reset_at"];
        let shown = |budget: &Budget| {
            let row = rows::budget_columns(budget);
            fields.into_iter().map(|name| (name.to_owned(), row.get(name).cloned().unwrap_or_default())).collect()
        };
        self.budget.as_ref().map_or(Value::Null, |budget| Value::Object(shown(budget)))
    }

    fn spent(&self, request: &Request, group: &str) -> Value {
        if self.row.is_none() {
            return json!(0.0);
        }
        let period = self.budget.as_ref().map(Renewed::period).unwrap_or_default();
        rows::spent_in(&request.app, Level::AccessGroup, group, period)
    }

    fn shown(&self, request: &Request, group: &str) -> Value {
        json!({"access_group": group, "spend": self.spent(request, group), "budget": self.terms()})
    }
}

/// The budgets of all groups.
async fn pools(request: &Request) -> Result<BTreeMap<String, Pool>, Refused> {
    let read = request.read(|desk| async move {
        let rows: Vec<GroupBudget> = desk.all().await?;
        let budgets = terms::several(&desk, rows.iter().map(|row| row.budget_id.clone())).await?;
        Ok((rows, budgets))
    });
    let (rows, budgets) = read.await?;
    let scopes = rows.iter().map(|row| of(&row.access_group_name)).collect();
    spent::learn(request, scopes).await?;
    let pool = |row: GroupBudget| {
        let budget = terms::find(&budgets, row.budget_id.as_ref()).cloned();
        (row.access_group_name.clone(), Pool { row: Some(row), budget })
    };
    Ok(rows.into_iter().map(pool).collect())
}

fn of(group: &str) -> ScopeId {
    ScopeId::new(Level::AccessGroup, group)
}

fn shown(request: &Request, name: &str, (models, count): &(Vec<String>, usize), pool: &Pool) -> Value {
    json!({
        "access_group": name, "model_names": models, "deployment_count": count,
        "spend": pool.spent(request, name), "budget": pool.terms(),
    })
}

fn missing(name: &str) -> Refused {
    Refused::detail(404, json!({"error": format!("Access group '{name}' not found")}))
}

/// The group that the path names, with what may be spent on it.
async fn named(request: &Request) -> Result<((Vec<String>, usize), Pool), Refused> {
    let name = request.part(0);
    let group = groups(request).remove(name).ok_or_else(|| missing(name))?;
    let pool = pools(request).await?.remove(name).unwrap_or_default();
    Ok((group, pool))
}

/// `GET /access_group/list`
pub(super) async fn list(request: &Request) -> Answer {
    let (pools, none) = (pools(request).await?, Pool::default());
    let groups = groups(request);
    let rows: Vec<Value> = groups.iter().map(|(name, group)| shown(request, name, group, pools.get(name).unwrap_or(&none))).collect();
    Ok(json!({"access_groups": rows}))
}

/// `GET /access_group/{access_group}/info`
pub(super) async fn info(request: &Request) -> Answer {
    let (group, pool) = named(request).await?;
    Ok(shown(request, request.part(0), &group, &pool))
}

/// `GET /access_group/{access_group}/budget`
pub(super) async fn budget(request: &Request) -> Answer {
    let (_, pool) = named(request).await?;
    Ok(pool.shown(request, request.part(0)))
}

/// Refuses fields that such a budget does not have: who sends a limit of requests would believe that it holds.
fn known(request: &Request, form: &Form) -> Result<(), Refused> {
    let sent = request.body.as_ref().and_then(Value::as_object).into_iter().flatten();
    let extra = |(name, value): (&String, &Value)| {
        let known = crate::admin::form::has("AccessGroupBudgetRequest", name);
        let complaint = json!({"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted", "input": value});
        (!known).then_some(complaint)
    };
    let complaints: Vec<Value> = sent.filter_map(extra).collect();
    if !complaints.is_empty() {
        return Err(Refused::invalid(complaints));
    }
    if form.fields.values().all(Value::is_null) {
        let message = "One of max_budget, soft_budget, budget_duration or budget_id is required";
        return Err(Refused::detail(400, json!({"error": message})));
    }
    Ok(())
}

/// `PUT /access_group/{access_group}/budget`
pub(super) async fn set_budget(request: &Request) -> Answer {
    let form = request.form("AccessGroupBudgetRequest")?;
    known(request, &form)?;
    rows::amounts(&form)?;
    let form = rows::meant(form, &[]);
    named(request).await?;
    let name = request.part(0).to_owned();
    let write = request.write(move |desk| async move {
        let (now, actor) = (Some(Time::now()), Some(desk.actor().to_owned()));
        let present: Option<GroupBudget> = desk.get(&name).await?;
        let made = || GroupBudget { access_group_name: name, created_by: actor.clone(), created_at: now, ..GroupBudget::default() };
        let row = present.unwrap_or_else(made);
        let budget = terms::budget(&desk, &form, row.budget_id.as_deref()).await?;
        let budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
        let row = GroupBudget { budget_id, updated_by: actor, updated_at: now, ..row };
        desk.put(&row).await?;
        Ok(Pool { row: Some(row), budget })
    });
    let pool = write.await?;
    spent::learn(request, vec![of(request.part(0))]).await?;
    Ok(pool.shown(request, request.part(0)))
}

/// `DELETE /access_group/{access_group}/budget`
pub(super) async fn clear_budget(request: &Request) -> Answer {
    let (_, pool) = named(request).await?;
    let name = request.part(0).to_owned();
    let (told, was) = (name.clone(), pool.row.is_some());
    if was {
        let write = request.write(move |desk| async move {
            desk.delete::<GroupBudget>(&name).await?;
            Ok(())
        });
        write.await?;
    }
    let message = match was {
        true => format!("Budget for access group '{told}' deleted successfully"),
        false => format!("Access group '{told}' has no budget to delete"),
    };
    Ok(json!({"access_group": told, "budget_deleted": was, "message": message}))
}
