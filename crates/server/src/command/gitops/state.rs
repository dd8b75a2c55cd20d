//! What the running gateway has.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value};

use super::files::{GATEWAY, Object, Wanted};
use super::kind::{self, KINDS, Kind, List, Named, Part};
use crate::auth::rules::DEFAULT_WORKSPACE;
use crate::command::client::{Client, ClientError};
use crate::query::encode;

/// The most pages that are read of one kind.
const MOST: usize = 10_000;
const PAGE: usize = 100;
/// The workspace of keys without a team, as files name it.
pub(super) const DEFAULT: &str = "default";
/// What a member has that has no terms of its own.
const PLAIN: [&str; 4] = ["user", "user_id", "role", "user_role"];

/// A mark: who made an object, and what of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    pub(super) owner: String,
    /// The fields that were named.
    pub(super) fields: Vec<String>,
    /// What tells whether the secrets changed.
    pub(super) digest: Option<String>,
}

/// What the gateway has of the kinds that matter.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Rows by kind and name.
    rows: BTreeMap<(&'static str, String), Map<String, Value>>,
    /// Marks by kind and name.
    pub(super) marks: BTreeMap<(String, String), Mark>,
    /// What is in parts of objects, by kind and name.
    parts: BTreeMap<(&'static str, String, &'static str), Vec<Value>>,
}

impl State {
    /// Asks the gateway.
    pub(super) async fn read(client: &Client, wanted: &Wanted) -> Result<Self, ClientError> {
        let mut state = Self::default();
        let marks = client.json(Method::GET, "/ownership", None).await?;
        for mark in marks["data"].as_array().into_iter().flatten() {
            let text = |name: &str| mark[name].as_str().unwrap_or_default().to_owned();
            let fields = mark["fields"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            let read = Mark { owner: text("owner"), fields, digest: mark["digest"].as_str().map(str::to_owned) };
            state.marks.insert((text("kind"), text("name")), read);
        }
        let own = |kind: &Kind| state.marks.iter().any(|((name, _), mark)| name == kind.name && mark.owner == wanted.owner);
        let named = |kind: &Kind| wanted.objects.iter().any(|object| object.kind == kind);
        // What objects refer to, in their fields or by their names.
        let refers = |of: &Kind, field: &str| match of.named {
            Named::By(_, name) if name == field => named(of),
            Named::Owner => named(of) || own(of),
            _ => wanted.objects.iter().any(|object| object.kind == of && object.says(field)),
        };
        let is_part = |object: &Object, kind: &Kind| object.parts.keys().any(|field| *field == kind.section);
        let matters = |kind: &&Kind| {
            let referred = || KINDS.iter().any(|of| of.references.iter().any(|(_, field, to)| *to == kind.name && refers(of, field)));
            named(kind) || own(kind) || referred() || wanted.objects.iter().any(|object| is_part(object, kind))
        };
        let kinds: Vec<&'static Kind> = KINDS.iter().filter(matters).collect();
        for kind in kinds {
            for row in listed(client, kind).await? {
                if let Some(name) = state.name_of(kind, &row) {
                    state.rows.insert((kind.name, name), row);
                }
            }
        }
        for object in &wanted.objects {
            for (field, part) in object.kind.parts().iter().filter(|(field, _)| object.parts.contains_key(field)) {
                if let Some(row) = state.row(object.kind, &object.name) {
                    let present = present(client, *part, row, &object.parts[field]).await?;
                    state.parts.insert((object.kind.name, object.name.clone(), field), present);
                }
            }
        }
        Ok(state)
    }

    /// The object of that name.
    pub(super) fn row(&self, kind: &Kind, name: &str) -> Option<&Map<String, Value>> {
        self.rows.get(&(kind.name, name.to_owned()))
    }

    /// Notes what was made.
    pub(super) fn learn(&mut self, kind: &'static Kind, name: &str, row: Map<String, Value>) {
        self.rows.insert((kind.name, name.to_owned()), row);
    }

    /// The id of the object of that name.
    pub(super) fn id(&self, kind: &Kind, name: &str) -> Option<String> {
        id_of(kind, self.row(kind, name)?)
    }

    /// The name of a row; rows without one are nobody's to name.
    fn name_of(&self, kind: &Kind, row: &Map<String, Value>) -> Option<String> {
        let text = |field: &str| row.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
        match (kind.name, &kind.named) {
            ("model", _) => id_of(kind, row).filter(|id| !id.is_empty()),
            ("workspace", _) if text("id") == Some(DEFAULT_WORKSPACE) => Some(DEFAULT.to_owned()),
            ("workspace", _) => text("name").map(str::to_owned),
            (_, Named::By(_, field)) => text(field).map(str::to_owned),
            (_, Named::Together(fields, between)) => {
                let parts: Vec<&str> = fields.iter().filter_map(|field| text(field)).collect();
                Some(parts.join(between)).filter(|name| !name.is_empty())
            }
            (_, Named::Owner) => {
                let owner = kind.references.iter().find_map(|(written, field, to)| {
                    let id = text(field)?;
                    Some(format!("{written} {}", self.name_by_id(to, id).unwrap_or(id)))
                });
                Some(owner.unwrap_or_else(|| GATEWAY.to_owned()))
            }
        }
    }

    fn name_by_id(&self, kind: &str, id: &str) -> Option<&str> {
        let of = kind::of(kind)?;
        let own = self.rows.iter().filter(|((kind, _), _)| *kind == of.name);
        own.filter(|(_, row)| id_of(of, row).as_deref() == Some(id)).map(|((_, name), _)| name.as_str()).next()
    }

    /// The fields of an object that tell which one is meant, where no id does.
    pub(super) fn naming(&self, kind: &Kind, name: &str) -> Map<String, Value> {
        let fields: Vec<&str> = match kind.named {
            Named::By(..) => Vec::new(),
            Named::Together(fields, _) => fields.to_vec(),
            Named::Owner => kind.references.iter().map(|(_, field, _)| *field).collect(),
        };
        let row = self.row(kind, name).into_iter().flatten();
        row.filter(|(field, value)| fields.contains(&field.as_str()) && !value.is_null())
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect()
    }

    /// What is in a part of an object.
    pub(super) fn part(&self, kind: &Kind, name: &str, field: &'static str) -> &[Value] {
        self.parts.get(&(kind.name, name.to_owned(), field)).map_or(&[], Vec::as_slice)
    }

    /// The value with the names of other objects replaced by their ids; what has none yet stays a name, and is told.
    pub(super) fn referred(&self, kind: &Kind, field: &str, value: &Value) -> (Value, bool) {
        let Some(to) = kind.references.iter().find(|(_, own, _)| *own == field).and_then(|(.., to)| kind::of(to)) else {
            return (value.clone(), true);
        };
        let one = |value: &Value| match value.as_str() {
            Some(name) => match self.id(to, name) {
                Some(id) => (Value::String(id), true),
                // It may be an id already.
                None => {
                    (value.clone(), self.rows.iter().any(|((kind, _), row)| *kind == to.name && id_of(to, row).as_deref() == Some(name)))
                }
            },
            None => (value.clone(), true),
        };
        match value {
            Value::Array(items) => {
                let read: Vec<(Value, bool)> = items.iter().map(one).collect();
                let known = read.iter().all(|(_, known)| *known);
                (read.into_iter().map(|(value, _)| value).collect(), known)
            }
            value => one(value),
        }
    }
}

/// The id of a row; what has none goes by its name.
pub(super) fn id_of(kind: &Kind, row: &Map<String, Value>) -> Option<String> {
    let place = if kind.name == "model" { row.get("model_info")?.get("id")? } else { row.get(kind.id)? };
    place.as_str().map(str::to_owned)
}

async fn listed(client: &Client, kind: &Kind) -> Result<Vec<Map<String, Value>>, ClientError> {
    let mut rows = Vec::new();
    let mut take = |answer: &Value, key: &str| {
        let list = if key.is_empty() { answer } else { &answer[key] };
        let found: Vec<_> = list.as_array().into_iter().flatten().filter_map(Value::as_object).collect();
        let is_there = |row: &&&Map<String, Value>| kind.present.is_empty() || row.get(kind.present).is_some_and(|field| !field.is_null());
        rows.extend(found.iter().filter(is_there).map(|row| Map::clone(row)));
        found.len()
    };
    match &kind.list {
        List::Whole(path, key) => {
            take(&client.json(Method::GET, path, None).await?, key);
        }
        List::Pages(path, key) => {
            for page in 1..=MOST {
                let answer = client.json(Method::GET, &format!("{path}{page}"), None).await?;
                let count = take(&answer, key);
                let pages = answer["total_pages"].as_u64().and_then(|pages| usize::try_from(pages).ok()).unwrap_or(1);
                if count == 0 || page >= pages {
                    break;
                }
            }
        }
        List::Offsets(path, key) => {
            for page in 0..MOST {
                let answer = client.json(Method::GET, &format!("{path}{}", page * PAGE), None).await?;
                if take(&answer, key) < PAGE {
                    break;
                }
            }
        }
    }
    Ok(rows)
}

/// A member with the terms of its own budget, by the names that requests have for them.
fn with_terms(member: &Value) -> Value {
    let mut fields = member["litellm_budget_table"].as_object().cloned().unwrap_or_default();
    let most = fields.get("max_budget").cloned().unwrap_or_default();
    fields.extend(["max_budget_in_team", "max_budget_in_organization"].map(|name| (name.to_owned(), most.clone())));
    fields.extend(member.as_object().cloned().unwrap_or_default());
    Value::Object(fields)
}

/// What is in a part of an object now.
pub(super) async fn present(client: &Client, part: Part, row: &Map<String, Value>, wanted: &[Value]) -> Result<Vec<Value>, ClientError> {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    let id = text("id");
    let list = |name: &str| row.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (path, field) = match part {
        Part::OrganizationMembers => return Ok(list("members").iter().map(with_terms).collect()),
        Part::TeamPermissions => return Ok(list("team_member_permissions")),
        Part::TeamMembers => {
            let members = list("members_with_roles");
            let plain = |member: &Value| member.as_object().is_none_or(|fields| fields.keys().all(|field| PLAIN.contains(&field.as_str())));
            if wanted.iter().all(plain) {
                return Ok(members);
            }
            let whole = client.json(Method::GET, &format!("/team/info?team_id={}", encode(text("team_id"))), None).await?;
            let terms: Vec<Value> = whole["team_memberships"].as_array().into_iter().flatten().map(with_terms).collect();
            let joined = |member: Value| {
                let own = terms.iter().find(|terms| terms["user_id"] == member["user_id"]);
                let own = own.and_then(Value::as_object).cloned().unwrap_or_default();
                own.into_iter().chain(member.as_object().cloned().unwrap_or_default()).collect()
            };
            return Ok(members.into_iter().map(joined).map(Value::Object).collect());
        }
        Part::WorkspaceBudgets => {
            let answer = client.json(Method::GET, &format!("/api/v1/workspaces/{id}/budgets"), None).await?;
            return Ok(answer["data"].as_array().cloned().unwrap_or_default());
        }
        Part::GuardedKeys => (format!("/api/v1/guardrails/{id}/assignments/keys?limit=100&offset="), "key_hash"),
        Part::GuardedMembers => (format!("/api/v1/guardrails/{id}/assignments/members?limit=100&offset="), "user_id"),
    };
    let mut found = Vec::new();
    for page in 0..MOST {
        let answer = client.json(Method::GET, &format!("{path}{}", page * PAGE), None).await?;
        let rows = answer["data"].as_array().cloned().unwrap_or_default();
        found.extend(rows.iter().map(|row| row[field].clone()));
        if rows.len() < PAGE {
            break;
        }
    }
    Ok(found)
}
