//! What workspaces may spend in a day, a week, a month, and for ever.

use serde_json::{Value, json};
use switchboard_store::Time;
use switchboard_store::object::WorkspaceBudget;

use super::{Place, find, keep};
use crate::admin::openrouter::{form, not_found};
use crate::admin::{Answer, Request};
use crate::refused::Refused;

/// The intervals, the narrowest first.
const INTERVALS: [&str; 4] = ["daily", "weekly", "monthly", "lifetime"];

fn place_of(interval: Option<&str>) -> usize {
    INTERVALS.iter().position(|one| Some(*one) == interval).unwrap_or(INTERVALS.len() - 1)
}

/// The interval that a path names: its place, and how it is kept.
fn interval(request: &Request) -> Result<(usize, Option<String>), Refused> {
    let named = request.part(1);
    let at = INTERVALS.iter().position(|one| *one == named).ok_or_else(|| Refused::plain(400, "Invalid budget interval"))?;
    Ok((at, (named != "lifetime").then(|| named.to_owned())))
}

fn shown(place: &Place, budget: &WorkspaceBudget) -> Value {
    json!({
        "id": budget.id, "workspace_id": place.id(), "limit_usd": budget.limit_usd, "reset_interval": budget.reset_interval,
        "created_at": budget.created_at, "updated_at": budget.updated_at,
    })
}

/// `GET /workspaces/{id}/budgets`
pub(in crate::admin::openrouter) async fn budgets(request: &Request) -> Answer {
    let id = request.part(0).to_owned();
    let place = request.read(move |desk| async move { find(&desk, &id).await }).await?;
    let rows: Vec<Value> = place.workspace.budgets.iter().map(|budget| shown(&place, budget)).collect();
    Ok(json!({"data": rows, "include_byok_in_budgets": place.workspace.include_byok_in_budgets}))
}

/// `GET /workspaces/{id}/budgets/{interval}`
pub(in crate::admin::openrouter) async fn budget(request: &Request) -> Answer {
    let (id, (_, named)) = (request.part(0).to_owned(), interval(request)?);
    let place = request.read(move |desk| async move { find(&desk, &id).await }).await?;
    let budget = place.workspace.budgets.iter().find(|budget| budget.reset_interval == named).ok_or_else(not_found)?;
    Ok(json!({"data": shown(&place, budget), "include_byok_in_budgets": place.workspace.include_byok_in_budgets}))
}

/// `PUT /workspaces/{id}/budgets/{interval}`
pub(in crate::admin::openrouter) async fn set_budget(request: &Request) -> Answer {
    let (form, id, (at, named)) = (form(request, "OpenRouterBudget")?, request.part(0).to_owned(), interval(request)?);
    let limit = form.money("limit_usd").filter(|limit| limit.0.0 > 0);
    let limit = limit.ok_or_else(|| Refused::plain(400, "limit_usd must be greater than 0"))?;
    let write = request.write(move |desk| async move {
        let (mut place, now) = (find(&desk, &id).await?, Time::now());
        let own = &mut place.workspace;
        let others = own.budgets.iter().filter(|budget| budget.reset_interval != named);
        for other in others {
            let there = place_of(other.reset_interval.as_deref());
            let grows = if there < at { other.limit_usd < limit } else { other.limit_usd > limit };
            if !grows {
                let message = "Budget limits must strictly decrease as the interval narrows (lifetime > monthly > weekly > daily)";
                return Err(Refused::plain(400, message));
            }
        }
        if let Some(flag) = form.flag("include_byok_in_budgets") {
            own.include_byok_in_budgets = flag;
        }
        let known = own.budgets.iter().position(|budget| budget.reset_interval == named);
        let mut budget = known.map(|at| own.budgets.remove(at)).unwrap_or_else(|| WorkspaceBudget {
            id: crate::id::of_object(),
            reset_interval: named,
            created_at: now,
            ..WorkspaceBudget::default()
        });
        (budget.limit_usd, budget.updated_at) = (limit, now);
        own.budgets.push(budget.clone());
        own.budgets.sort_by_key(|budget| place_of(budget.reset_interval.as_deref()));
        own.updated_at = Some(now);
        keep(&desk, &mut place).await?;
        Ok((place, budget))
    });
    let (place, budget) = write.await?;
    Ok(json!({"data": shown(&place, &budget), "include_byok_in_budgets": place.workspace.include_byok_in_budgets}))
}

/// `DELETE /workspaces/{id}/budgets/{interval}`
pub(in crate::admin::openrouter) async fn remove_budget(request: &Request) -> Answer {
    let (id, (_, named)) = (request.part(0).to_owned(), interval(request)?);
    let write = request.write(move |desk| async move {
        let mut place = find(&desk, &id).await?;
        let before = place.workspace.budgets.len();
        place.workspace.budgets.retain(|budget| budget.reset_interval != named);
        if place.workspace.budgets.len() == before {
            return Err(not_found());
        }
        keep(&desk, &mut place).await
    });
    write.await?;
    Ok(json!({"deleted": true}))
}
