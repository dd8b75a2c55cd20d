//! `/scim/v2/…`: identity providers make, change and deactivate users and groups (RFC 7643, RFC 7644).
//!
//! A SCIM user is a user, a group is a team; what SCIM knows of a user and we do not is kept in `metadata.scim_metadata`. A user
//! who is not active is refused everywhere, with every key and every session; the user's keys are shown as blocked. A change by
//! `PATCH` is made to the resource as it is shown, and then written as a `PUT` would be.

mod admins;
mod filter;
mod groups;
mod patch;
mod users;

pub(super) use admins::Admins;

use http::StatusCode;
use serde_json::{Map, Value, json};
use switchboard_store::desk::{Filter, Order, Page, Sort};
use switchboard_store::object::Object;
use switchboard_store::{Desk, StoreError, Time};

use super::routes::Action;
use super::routes::Row;
use super::{Answer, Request};
use crate::authz::Policy;
use crate::refused::Refused;

/// The schema under whose name stands what an enterprise knows of a user.
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Scim {
    Base,
    Config,
    Types,
    Type,
    Schemas,
    Schema,
    Users,
    User,
    UserNew,
    UserPut,
    UserPatch,
    UserDelete,
    Groups,
    Group,
    GroupNew,
    GroupPut,
    GroupPatch,
    GroupDelete,
}

const fn row(method: &'static str, path: &'static str, action: Scim, summary: &'static str) -> Row {
    Row { method, path, route: Action::Scim(action), policy: Policy::Scim, summary, form: "" }
}

/// Their routes.
pub(super) const ROWS: &[Row] = &[
    row("GET", "/scim/v2", Scim::Base, "What is provisioned here (SCIM)"),
    row("GET", "/scim/v2/ServiceProviderConfig", Scim::Config, "What this SCIM service can do"),
    row("GET", "/scim/v2/ResourceTypes", Scim::Types, "Users and groups, as types of SCIM"),
    row("GET", "/scim/v2/ResourceTypes/{id}", Scim::Type, "One type of SCIM"),
    row("GET", "/scim/v2/Schemas", Scim::Schemas, "The attributes of users and groups in SCIM"),
    row("GET", "/scim/v2/Schemas/{id}", Scim::Schema, "The attributes of one of them"),
    row("GET", "/scim/v2/Users", Scim::Users, "Users, as SCIM shows them"),
    row("POST", "/scim/v2/Users", Scim::UserNew, "Make a user (SCIM)"),
    row("GET", "/scim/v2/Users/{user_id}", Scim::User, "One user, as SCIM shows it"),
    row("PUT", "/scim/v2/Users/{user_id}", Scim::UserPut, "Replace a user (SCIM)"),
    row("PATCH", "/scim/v2/Users/{user_id}", Scim::UserPatch, "Change a user (SCIM)"),
    row("DELETE", "/scim/v2/Users/{user_id}", Scim::UserDelete, "Delete a user, and block its keys (SCIM)"),
    row("GET", "/scim/v2/Groups", Scim::Groups, "Teams, as SCIM shows them"),
    row("POST", "/scim/v2/Groups", Scim::GroupNew, "Make a team (SCIM)"),
    row("GET", "/scim/v2/Groups/{group_id}", Scim::Group, "One team, as SCIM shows it"),
    row("PUT", "/scim/v2/Groups/{group_id}", Scim::GroupPut, "Replace a team (SCIM)"),
    row("PATCH", "/scim/v2/Groups/{group_id}", Scim::GroupPatch, "Change a team (SCIM)"),
    row("DELETE", "/scim/v2/Groups/{group_id}", Scim::GroupDelete, "Delete a team with its keys (SCIM)"),
];

/// The status of an answer where all goes well.
pub(super) fn status(action: Scim) -> StatusCode {
    match action {
        Scim::UserNew | Scim::GroupNew => StatusCode::CREATED,
        Scim::UserDelete | Scim::GroupDelete => StatusCode::NO_CONTENT,
        _ => StatusCode::OK,
    }
}

pub(super) async fn dispatch(action: Scim, request: &Request) -> Answer {
    match action {
        Scim::Base => Ok(list(documents("types"), None)),
        Scim::Config => Ok(documents("config").into_iter().next().unwrap_or_default()),
        Scim::Types => Ok(list(documents("types"), None)),
        Scim::Schemas => Ok(list(documents("schemas"), None)),
        Scim::Type => one(documents("types"), request.part(0)),
        Scim::Schema => one(documents("schemas"), request.part(0)),
        Scim::Users => users::list(request).await,
        Scim::User => users::get(request).await,
        Scim::UserNew => users::new(request).await,
        Scim::UserPut => users::put(request).await,
        Scim::UserPatch => users::patch(request).await,
        Scim::UserDelete => users::delete(request).await,
        Scim::Groups => groups::list(request).await,
        Scim::Group => groups::get(request).await,
        Scim::GroupNew => groups::new(request).await,
        Scim::GroupPut => groups::put(request).await,
        Scim::GroupPatch => groups::patch(request).await,
        Scim::GroupDelete => groups::delete(request).await,
    }
}

const DOCUMENTS: &str = include_str!("scim/documents.json");

/// What this service is, as documents.
fn documents(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(DOCUMENTS).unwrap_or_default();
    all[name].as_array().cloned().unwrap_or_default()
}

fn one(all: Vec<Value>, id: &str) -> Answer {
    all.into_iter().find(|one| one["id"] == id).ok_or_else(|| refused(404, "", format!("`{id}` is not known")))
}

/// A refusal in SCIM's form, with LiteLLM's beside it; `kind` is empty where SCIM has no word for it.
fn refused(status: u16, kind: &str, detail: impl Into<String>) -> Refused {
    let detail = detail.into();
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string(), "detail": detail,
        "error": Refused::said(status, &detail).body()["error"],
    });
    if !kind.is_empty() {
        body["scimType"] = kind.into();
    }
    Refused::with(status, body)
}

/// Part of a list, beginning there.
fn list(resources: Vec<Value>, of: Option<(i64, i64)>) -> Value {
    let count = i64::try_from(resources.len()).unwrap_or(i64::MAX);
    let (total, start) = of.unwrap_or((count, 1));
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total, "startIndex": start, "itemsPerPage": count, "Resources": resources,
    })
}

/// Where a list is to begin, and how long it is to be.
fn window(request: &Request) -> (i64, i64) {
    let number = |name: &str, usual: i64| request.value(name).and_then(|text| text.trim().parse().ok()).unwrap_or(usual);
    (number("startIndex", 1).max(1), number("count", 100).clamp(0, 1000))
}

/// The objects of that part, and how many there are.
async fn part<O: Object>(desk: &Desk, (start, count): (i64, i64)) -> Result<(Vec<O>, i64), StoreError> {
    let page = |number, size| Page { number, size, sort: Sort::Created, order: Order::Ascending };
    let (skip, page) = match count {
        0 => (0, page(1, 0)),
        count if (start - 1) % count == 0 => (0, page((start - 1) / count + 1, count)),
        count => (start - 1, page(1, start - 1 + count)),
    };
    let (found, total) = desk.page::<O>(&Filter::default(), page).await?;
    Ok((found.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).collect(), total))
}

/// The part of what was found otherwise.
fn cut<T>(found: Vec<T>, (start, count): (i64, i64)) -> (Vec<T>, i64) {
    let total = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let place = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    (found.into_iter().skip(place(start - 1)).take(place(count)).collect(), total)
}

/// The body of a request that makes or replaces something.
fn body(request: &Request) -> Result<Map<String, Value>, Refused> {
    let body = request.body.as_ref().and_then(Value::as_object);
    body.cloned().ok_or_else(|| refused(400, "invalidSyntax", "the body must be a JSON object"))
}

/// A value of a resource; attributes have no case.
fn attribute<'a>(resource: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = resource.get(name).or_else(|| resource.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value));
    found.filter(|value| !value.is_null())
}

/// A text of a resource; a number is one too.
fn text(resource: &Map<String, Value>, name: &str) -> Option<String> {
    let text = match attribute(resource, name)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// A flag, which some providers send as text.
fn flag(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| match value.as_str()?.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    })
}

/// The ids in a list of `{value: id}`. A group within a group is nobody.
fn ids(value: &Value) -> Vec<String> {
    let group = |item: &Value| item["type"].as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("group"));
    let one = |item: &Value| item["value"].as_str().or_else(|| item.as_str()).filter(|_| !group(item)).map(str::to_owned);
    value.as_array().into_iter().flatten().filter_map(one).collect()
}

/// `meta` of a resource.
fn meta(request: &Request, kind: &str, id: &str, created: Option<Time>, changed: Option<Time>) -> Value {
    let general = &request.app.config().general;
    let base = general.public_base_url.as_deref().map_or(general.root_path.as_str(), |base| base.trim_end_matches('/'));
    json!({"resourceType": kind, "created": created, "lastModified": changed.or(created), "location": format!("{base}/scim/v2/{kind}s/{id}")})
}
