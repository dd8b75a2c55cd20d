//! What the running gateway has.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value};

use super::files::Wanted;
use super::kind::{self, KINDS, Kind, List, Part};
use crate::command::client::{Client, ClientError};

/// The most pages that are read of one kind.
const MOST: usize = 10_000;
const PAGE: usize = 100;

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
        let matters = |kind: &&Kind| {
            let named = wanted.objects.iter().any(|object| object.kind == *kind);
            named
                || own(kind)
                || wanted.objects.iter().any(|object| {
                    object.kind.references.iter().any(|(.., to)| *to == kind.name)
                        || object.kind.parts().iter().any(|(field, _)| *field == kind.section)
                })
        };
        let kinds: Vec<&'static Kind> = KINDS.iter().filter(matters).collect();
        for kind in kinds {
            for row in listed(client, kind).await? {
                if let Some(name) = name_of(kind, &row) {
                    state.rows.insert((kind.name, name), row);
                }
            }
        }
        for object in &wanted.objects {
            for (field, part) in object.kind.parts().iter().filter(|(field, _)| object.parts.contains_key(field)) {
                if let Some(row) = state.row(object.kind, &object.name) {
                    let present = present(client, *part, row).await?;
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

/// The name of a row; rows without one are nobody's to name.
fn name_of(kind: &Kind, row: &Map<String, Value>) -> Option<String> {
    let place = if kind.name == "model" { row.get("model_info")?.get("id")? } else { row.get(kind.alias)? };
    place.as_str().map(str::to_owned).filter(|name| !name.is_empty())
}

/// The id of a row.
pub(super) fn id_of(kind: &Kind, row: &Map<String, Value>) -> Option<String> {
    if kind.name == "model" {
        return name_of(kind, row);
    }
    row.get(kind.id)?.as_str().map(str::to_owned)
}

async fn listed(client: &Client, kind: &Kind) -> Result<Vec<Map<String, Value>>, ClientError> {
    let mut rows = Vec::new();
    let mut take = |answer: &Value, key: &str| {
        let list = if key.is_empty() { answer } else { &answer[key] };
        let found: Vec<_> = list.as_array().into_iter().flatten().filter_map(Value::as_object).cloned().collect();
        let count = found.len();
        rows.extend(found);
        count
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

/// What is in a part of an object now.
async fn present(client: &Client, part: Part, row: &Map<String, Value>) -> Result<Vec<Value>, ClientError> {
    let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
    let (path, field) = match part {
        Part::TeamMembers | Part::OrganizationMembers => {
            let list = if part == Part::TeamMembers { "members_with_roles" } else { "members" };
            return Ok(row.get(list).and_then(Value::as_array).cloned().unwrap_or_default());
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
