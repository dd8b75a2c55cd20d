//! What must be done so that the gateway is as the files say.

use serde_json::{Map, Value};

use super::files::{Object, Wanted};
use super::kind::{KINDS, Kind, Part};
use super::secret;
use super::state::{Mark, State};

/// What may be done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// What is no longer named may be deleted.
    pub(super) prune: bool,
    /// What belongs to nobody may be taken over.
    pub(super) adopt: bool,
}

/// What is done with one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Create,
    Change,
    /// It is as it is to be, and only lacks the mark, or the mark is out of date.
    Mark,
    Delete,
    /// It was made elsewhere.
    Conflict,
    /// It is no longer named, and may not be deleted.
    Leave,
    /// It is gone, and its mark with it.
    Forget,
}

/// One change of a field: what it is and what it is to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) field: String,
    pub(super) before: Value,
    pub(super) after: Value,
}

/// What is in a part and should not be, and the other way round.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moves {
    pub(super) part: Part,
    pub(super) field: &'static str,
    pub(super) add: Vec<Value>,
    pub(super) remove: Vec<Value>,
}

/// What is done with one object, and how.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) kind: &'static Kind,
    pub(super) name: String,
    pub(super) deed: Deed,
    /// Fields to be sent that hold no secret; references still by name.
    pub(super) changes: Vec<Change>,
    /// Fields to be sent that do.
    pub(super) secrets: Map<String, Value>,
    pub(super) moves: Vec<Moves>,
    /// What the mark will say.
    pub(super) mark: Mark,
}

/// Everything that must be done, in the order in which it can be.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
}

impl Plan {
    /// How many objects that is done with.
    pub(super) fn count(&self, deed: Deed) -> usize {
        self.steps.iter().filter(|step| step.deed == deed).count()
    }

    /// Whether there is nothing to do.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.iter().all(|step| step.deed == Deed::Leave)
    }

    /// Whether something stands in the way.
    pub(super) fn conflicts(&self) -> bool {
        self.count(Deed::Conflict) > 0
    }

    /// Whether a key has to be generated.
    pub(super) fn generates(&self) -> bool {
        self.steps.iter().any(|step| step.deed == Deed::Create && step.kind.name == "key" && !step.secrets.contains_key("value"))
    }
}

/// Compares.
pub(super) fn plan(wanted: &Wanted, state: &State, rules: Rules) -> Plan {
    let mut steps: Vec<Step> = wanted.objects.iter().filter_map(|object| step(object, wanted, state, rules)).collect();
    let named = |kind: &str, name: &str| wanted.objects.iter().any(|object| object.kind.name == kind && object.name == name);
    for kind in KINDS.iter().rev() {
        let own = state.marks.iter().filter(|((of, name), mark)| of == kind.name && mark.owner == wanted.owner && !named(of, name));
        for ((_, name), mark) in own {
            let deed = match (state.row(kind, name), rules.prune) {
                (None, _) => Deed::Forget,
                (Some(_), true) => Deed::Delete,
                (Some(_), false) => Deed::Leave,
            };
            steps.push(Step {
                kind,
                name: name.clone(),
                deed,
                changes: Vec::new(),
                secrets: Map::new(),
                moves: Vec::new(),
                mark: mark.clone(),
            });
        }
    }
    Plan { steps }
}

fn step(object: &Object, wanted: &Wanted, state: &State, rules: Rules) -> Option<Step> {
    let row = state.row(object.kind, &object.name);
    let known = state.marks.get(&(object.kind.name.to_owned(), object.name.clone()));
    let own = known.filter(|mark| mark.owner == wanted.owner);
    let fields: Vec<String> = object.fields.keys().chain(object.secrets.keys()).cloned().collect();
    let mark = Mark { owner: wanted.owner.clone(), fields, digest: object.digest.clone() };
    let mut step = Step {
        kind: object.kind,
        name: object.name.clone(),
        deed: Deed::Change,
        changes: Vec::new(),
        secrets: Map::new(),
        moves: moves(object, state),
        mark,
    };
    let Some(row) = row else {
        step.deed = if known.is_some() && own.is_none() { Deed::Conflict } else { Deed::Create };
        let all = object.fields.iter().map(|(field, value)| Change { field: field.clone(), before: Value::Null, after: value.clone() });
        step.changes = all.collect();
        step.secrets = object.secrets.clone();
        return Some(step);
    };
    if known.is_some() && own.is_none() || known.is_none() && !rules.adopt {
        step.deed = Deed::Conflict;
        return Some(step);
    }
    step.changes = changes(object, own, row, state);
    if own.is_none_or(|mark| mark.digest != object.digest) {
        step.secrets = object.secrets.clone();
    }
    let same = step.changes.is_empty() && step.secrets.is_empty() && step.moves.is_empty();
    let marked = own.is_some_and(|mark| mark.fields == step.mark.fields && mark.digest == step.mark.digest);
    match (same, marked) {
        (true, true) => None,
        (true, false) => Some(Step { deed: Deed::Mark, ..step }),
        (false, _) => Some(step),
    }
}

/// The fields that are not as they are to be. What was named once and is no more is to be nothing.
fn changes(object: &Object, own: Option<&Mark>, row: &Map<String, Value>, state: &State) -> Vec<Change> {
    let kind = object.kind;
    let mut found = Vec::new();
    for (field, value) in object.fields.iter().filter(|(field, _)| !kind.once.contains(&field.as_str())) {
        let before = field_of(row, field);
        let (after, known) = state.referred(kind, field, value);
        if !known || !same(&after, &before) {
            found.push(Change { field: field.clone(), before, after: value.clone() });
        }
    }
    let gone = own
        .into_iter()
        .flat_map(|mark| &mark.fields)
        .filter(|field| !object.fields.contains_key(*field) && !object.secrets.contains_key(*field));
    for field in gone.filter(|field| !kind.once.contains(&field.as_str()) && !kind.apart.contains(&field.as_str())) {
        let before = field_of(row, field);
        let after = if before.is_array() { Value::Array(Vec::new()) } else { Value::Null };
        if !same(&after, &before) {
            found.push(Change { field: field.clone(), before, after });
        }
    }
    found
}

/// A field of a row; terms of money stand in a table of their own where the object has no columns for them.
fn field_of(row: &Map<String, Value>, field: &str) -> Value {
    let own = row.get(field).filter(|value| !value.is_null());
    let of_table = || row.get("litellm_budget_table")?.get(field);
    let of_metadata = || row.get("metadata")?.get(field);
    own.or_else(of_table).or_else(of_metadata).cloned().unwrap_or(Value::Null)
}

/// Whether a value is as it is to be. What an object has beside is its own business.
pub(super) fn same(wanted: &Value, found: &Value) -> bool {
    let nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    };
    match (wanted, found) {
        (a, b) if nothing(a) && nothing(b) => true,
        (Value::Null, _) => false,
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            let texts = |items: &[Value]| items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
            match (texts(a), texts(b)) {
                (Some(mut a), Some(mut b)) => {
                    a.sort();
                    b.sort();
                    a == b
                }
                _ => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            }
        }
        (Value::Object(a), Value::Object(b)) => a.iter().all(|(name, value)| same(value, b.get(name).unwrap_or(&Value::Null))),
        (a, b) => a == b,
    }
}

/// What must come into parts of an object, and go out of them.
fn moves(object: &Object, state: &State) -> Vec<Moves> {
    let parts = object.kind.parts().iter().filter_map(|(field, part)| Some((*field, *part, object.parts.get(field)?)));
    let mut found = Vec::new();
    for (field, part, wanted) in parts {
        let present = state.part(object.kind, &object.name, field);
        let wanted: Vec<Value> = wanted.iter().map(|one| member(part, one, state)).collect();
        let present: Vec<Value> = present.iter().map(|one| member(part, one, state)).collect();
        let add: Vec<Value> = wanted.iter().filter(|one| !present.contains(one)).cloned().collect();
        let remove: Vec<Value> = present.iter().filter(|one| !wanted.iter().any(|other| who(other) == who(one))).cloned().collect();
        // Whoever makes a team is in it at first.
        if !add.is_empty() || !remove.is_empty() || state.row(object.kind, &object.name).is_none() {
            found.push(Moves { part, field, add, remove });
        }
    }
    found
}

/// A member as it is compared: in a team or an organization with the role; a key by its alias, as files know it.
fn member(part: Part, one: &Value, state: &State) -> Value {
    match part {
        Part::TeamMembers | Part::OrganizationMembers => {
            let usual = if part == Part::TeamMembers { "user" } else { "internal_user" };
            let user = one.as_str().or_else(|| ["user", "user_id"].iter().find_map(|name| one[*name].as_str())).unwrap_or_default();
            let role = ["role", "user_role"].iter().find_map(|name| one[*name].as_str()).unwrap_or(usual);
            serde_json::json!({"user_id": user, "role": role})
        }
        Part::GuardedKeys => {
            let text = one.as_str().unwrap_or_default();
            let kind = super::kind::of("key");
            let known = kind.and_then(|kind| state.id(kind, text));
            Value::String(known.unwrap_or_else(|| text.to_owned()))
        }
        Part::GuardedMembers => one.clone(),
    }
}

/// Who a member is, whatever the role.
pub(super) fn who(member: &Value) -> &str {
    member.as_str().or_else(|| member["user_id"].as_str()).unwrap_or_default()
}

/// A value as it may be told.
pub(super) fn told(value: &Value) -> String {
    if secret::holds(value) { secret::HIDDEN.to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::same;
    use serde_json::json;

    #[test]
    fn values_are_the_same_when_nothing_would_change() {
        for (wanted, found, expected) in [
            (json!(10), json!(10.0), true),
            (json!(null), json!([]), true),
            (json!(false), json!(null), true),
            (json!(["a", "b"]), json!(["b", "a"]), true),
            (json!(["a"]), json!(["a", "b"]), false),
            (json!({"a": 1}), json!({"a": 1.0, "own": true}), true),
            (json!({"a": 1}), json!({"a": 2}), false),
            (json!(null), json!(5), false),
            (json!("x"), json!(null), false),
            (json!([{"max_budget": 1}]), json!([{"max_budget": 1.0, "reset_at": "x"}]), true),
        ] {
            assert_eq!(same(&wanted, &found), expected, "{wanted} {found}");
        }
    }
}
