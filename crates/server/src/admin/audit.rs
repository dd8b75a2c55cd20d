//! `/audit`: what administrators did, and what they were refused.

use serde_json::{Value, json};
use switchboard_store::Time;
use switchboard_store::audit::{Filter, Order, SortBy};
use switchboard_store::chain::Record;

use super::{Answer, Request};
use crate::refused::Refused;

/// Kinds of objects and the tables they have in LiteLLM, by which its clients know them.
const TABLES: [(&str, &str); 12] = [
    ("key", "LiteLLM_VerificationToken"),
    ("team", "LiteLLM_TeamTable"),
    ("user", "LiteLLM_UserTable"),
    ("organization", "LiteLLM_OrganizationTable"),
    ("budget", "LiteLLM_BudgetTable"),
    ("customer", "LiteLLM_EndUserTable"),
    ("tag", "LiteLLM_TagTable"),
    ("project", "LiteLLM_ProjectTable"),
    ("credential", "LiteLLM_CredentialsTable"),
    ("model", "LiteLLM_ProxyModelTable"),
    ("team_member", "LiteLLM_TeamMembership"),
    ("organization_member", "LiteLLM_OrganizationMembership"),
];

/// `GET /audit`
pub(super) async fn list(request: &Request) -> Answer {
    let page = request.number("page", 1, 1, 1_000_000)?;
    let size = request.number("page_size", 10, 1, 100)?;
    let given = |name: &str| request.value(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let key = given("object_key_hash");
    let filter = Filter {
        actor: given("changed_by"),
        actor_key: given("changed_by_api_key"),
        action: given("action"),
        kind: given("table_name").map(|table| kind_of(&table)).or_else(|| key.as_ref().map(|_| "key".to_owned())),
        object: given("object_id").or(key),
        team: given("object_team_id"),
        from: time(request, "start_date")?,
        until: time(request, "end_date")?,
        search: given("search"),
    };
    let sort = match request.value("sort_by").unwrap_or("updated_at") {
        "updated_at" => SortBy::At,
        "changed_by" => SortBy::Actor,
        "action" => SortBy::Action,
        "table_name" => SortBy::Kind,
        "object_id" => SortBy::Object,
        other => {
            return Err(Refused::bad(format!("`sort_by` may be updated_at, changed_by, action, table_name or object_id, not `{other}`")));
        }
    };
    let order = if request.value("sort_order") == Some("asc") { Order::Ascending } else { Order::Descending };
    let audit = request.app.trust()?.audit().await?;
    let skip = u32::try_from((page - 1).saturating_mul(size)).unwrap_or(u32::MAX);
    let found = audit.list(filter, (sort, order), skip, u32::try_from(size).unwrap_or(100)).await?;
    let pages = found.total.div_ceil(u64::try_from(size).unwrap_or(1));
    let rows: Vec<Value> = found.records.iter().map(shown).collect();
    Ok(json!({"audit_logs": rows, "total": found.total, "page": page, "page_size": size, "total_pages": pages}))
}

/// `GET /audit/{id}`
pub(super) async fn one(request: &Request) -> Answer {
    let audit = request.app.trust()?.audit().await?;
    let found = audit.find(request.part(0).to_owned()).await?;
    let missing = || Refused::detail(404, json!({"error": format!("Audit log with ID {} not found", request.part(0))}));
    found.as_ref().map(shown).ok_or_else(missing)
}

fn time(request: &Request, name: &str) -> Result<Option<i64>, Refused> {
    let Some(text) = request.value(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let wrong = || Refused::bad(format!("`{name}` is no time; write `2026-01-31` or `2026-01-31T12:00:00Z`"));
    Time::parse(text).map(|time| Some(time.0)).ok_or_else(wrong)
}

fn kind_of(table: &str) -> String {
    TABLES.iter().find(|(_, known)| *known == table).map_or(table, |(kind, _)| kind).to_owned()
}

/// A row as LiteLLM shows one, with what it does not have beside.
fn shown(record: &Record) -> Value {
    let table = TABLES.iter().find(|(kind, _)| *kind == record.kind).map_or(record.kind.as_str(), |(_, table)| table);
    let object = |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    json!({
        "id": record.id,
        "updated_at": Time(record.at),
        "changed_by": record.actor,
        "changed_by_api_key": record.actor_key,
        "action": record.action,
        "table_name": table,
        "object_id": record.object,
        "before_value": object(&record.before),
        "updated_values": object(&record.after),
        "outcome": record.outcome,
        "source": record.source,
        "request_id": record.request_id,
        "sequence": record.seq,
    })
}
