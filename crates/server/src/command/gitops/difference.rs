//! What must be done so that the gateway is as the files say.

use serde_json::{Map, Value};
use switchboard_store::Time;
use switchboard_store::object::DatedPrice;

use super::files::{Object, Wanted};
use super::kind::{Clears, Delete, KINDS, Kind, Part};
use super::secret;
use super::state::{DEFAULT, Mark, State};

/// What may be done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// What is no longer named may be deleted.
    pub(super) prune: bool,
    /// What belongs to nobody may be taken over.
    pub(super) adopt: bool,
    /// Prices that hold already may be changed and deleted.
    pub(super) past: bool,
}

/// What is done with one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Create,
    Change,
    /// It is as it is to be, and only lacks the mark, or the mark is out of date.
    Mark,
    Delete,
    /// Something is in the way.
    Conflict(Clash),
    /// It is no longer named, and may not be deleted.
    Leave,
    /// It is no longer named, and may not be deleted for what it has done.
    Hold,
    /// It is no longer named and stays for ever: only its mark goes.
    Release,
    /// It is gone, and its mark with it.
    Forget,
}

/// What is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clash {
    /// It was made elsewhere.
    Foreign,
    /// It is to be what it cannot become.
    Fixed,
    /// Calls may have been charged by it.
    Past,
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
    /// What is sent beside the changes of an object.
    pub(super) along: Map<String, Value>,
    /// Whether it holds for calls that were charged already.
    pub(super) begun: bool,
    /// What the mark will say.
    pub(super) mark: Mark,
}

impl Step {
    fn of(kind: &'static Kind, name: &str, deed: Deed, mark: Mark) -> Self {
        let (changes, secrets, moves, along) = (Vec::new(), Map::new(), Vec::new(), Map::new());
        Self { kind, name: name.to_owned(), deed, changes, secrets, moves, along, begun: false, mark }
    }
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
        self.steps.iter().all(|step| matches!(step.deed, Deed::Leave | Deed::Hold))
    }

    /// Whether something stands in the way.
    pub(super) fn conflicts(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.deed, Deed::Conflict(_)))
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
            let deed = match (state.row(kind, name), rules.prune, &kind.delete) {
                (None, ..) => Deed::Forget,
                (Some(_), false, _) => Deed::Leave,
                (Some(_), true, Delete::Never) => Deed::Release,
                (Some(row), true, _) if !rules.past && changes_past(kind, row, None) => Deed::Hold,
                (Some(_), true, _) => Deed::Delete,
            };
            steps.push(Step::of(kind, name, deed, mark.clone()));
        }
    }
    Plan { steps }
}

fn step(object: &Object, wanted: &Wanted, state: &State, rules: Rules) -> Option<Step> {
    let kind = object.kind;
    let row = state.row(kind, &object.name);
    let known = state.marks.get(&(kind.name.to_owned(), object.name.clone()));
    let own = known.filter(|mark| mark.owner == wanted.owner);
    let mut step = Step::of(kind, &object.name, Deed::Change, mark(object, wanted));
    step.moves = moves(object, state);
    let Some(row) = row else {
        step.deed = if known.is_some() && own.is_none() { Deed::Conflict(Clash::Foreign) } else { Deed::Create };
        let all = object.fields.iter().map(|(field, value)| Change { field: field.clone(), before: Value::Null, after: value.clone() });
        step.changes = all.collect();
        step.secrets = object.secrets.clone();
        step.begun = kind.name == "price" && dated(&object.fields).is_some_and(|price| price.effective_from <= Time::now());
        return Some(step);
    };
    if known.is_some() && own.is_none() || known.is_none() && !rules.adopt && !is_free(object, row, (wanted, state)) {
        step.deed = Deed::Conflict(Clash::Foreign);
        return Some(step);
    }
    step.changes = changes(object, own, row, state);
    if own.is_none_or(|mark| mark.digest != object.digest) {
        step.secrets = object.secrets.clone();
    }
    if step.changes.iter().any(|change| kind.fixed.0.contains(&change.field.as_str())) {
        step.deed = Deed::Conflict(Clash::Fixed);
        return Some(step);
    }
    if changes_past(kind, row, Some(&step.changes)) {
        step.begun = true;
        step.along.insert("past".to_owned(), rules.past.into());
        step.deed = if rules.past { Deed::Change } else { Deed::Conflict(Clash::Past) };
    }
    step.along.extend(object.fields.get("force").filter(|_| kind.once.contains(&"force")).map(|force| ("force".to_owned(), force.clone())));
    let same = step.changes.is_empty() && step.secrets.is_empty() && step.moves.is_empty();
    let marked = own.is_some_and(|mark| mark.fields == step.mark.fields && mark.digest == step.mark.digest);
    match (same, marked) {
        (true, true) => None,
        (true, false) => Some(Step { deed: Deed::Mark, ..step }),
        (false, _) => Some(step),
    }
}

/// What a mark is to say of an object.
fn mark(object: &Object, wanted: &Wanted) -> Mark {
    let mut fields: Vec<String> = object.fields.keys().chain(object.secrets.keys()).cloned().collect();
    if object.kind.delete == Delete::Clear {
        fields.extend(object.parts.keys().map(|part| (*part).to_owned()));
    }
    Mark { owner: wanted.owner.clone(), fields, digest: object.digest.clone() }
}

/// Whether an object that nobody marked may be changed all the same: it came with another one, and nobody else's is that.
fn is_free(object: &Object, row: &Map<String, Value>, (wanted, state): (&Wanted, &State)) -> bool {
    let Some(of) = object.kind.belongs_to() else { return false };
    match state.marks.get(&(of.to_owned(), object.name.clone())) {
        Some(mark) => mark.owner == wanted.owner,
        None => object.name == DEFAULT && row.get("updated_at").is_none_or(Value::is_null),
    }
}

/// A row as the price that it is.
fn dated(row: &Map<String, Value>) -> Option<DatedPrice> {
    serde_json::from_value(Value::Object(row.clone())).ok()
}

/// Whether calls until now would have been charged otherwise with those changes, or without the object at all.
fn changes_past(kind: &Kind, row: &Map<String, Value>, changes: Option<&[Change]>) -> bool {
    if kind.name != "price" {
        return false;
    }
    let after = changes.map(|changes| {
        let changes = changes.iter().map(|change| (change.field.clone(), change.after.clone()));
        row.clone().into_iter().chain(changes).collect::<Map<_, _>>()
    });
    // What cannot be read as a price is taken for one that has begun.
    dated(row).is_none_or(|price| match after.as_ref().map(dated) {
        Some(None) => true,
        after => price.changes_past(after.flatten().as_ref(), Time::now()),
    })
}

/// The fields that are not as they are to be. What was named once and is no more is to be nothing.
fn changes(object: &Object, own: Option<&Mark>, row: &Map<String, Value>, state: &State) -> Vec<Change> {
    let kind = object.kind;
    let mut found = Vec::new();
    for (field, value) in object.fields.iter().filter(|(field, _)| !kind.once.contains(&field.as_str())) {
        let before = field_of(row, field);
        let (after, known) = state.referred(kind, field, value);
        let alike = if kind.whole.contains(&field.as_str()) { exactly } else { same };
        if !known || !alike(&after, &before) {
            found.push(Change { field: field.clone(), before, after: value.clone() });
        }
    }
    let gone = own
        .into_iter()
        .flat_map(|mark| &mark.fields)
        .filter(|field| !object.fields.contains_key(*field) && !object.secrets.contains_key(*field));
    for field in gone.filter(|field| !kind.once.contains(&field.as_str()) && !kind.apart.contains(&field.as_str())) {
        let before = field_of(row, field);
        let after = nothing(kind, &before);
        if !same(&after, &before) {
            found.push(Change { field: field.clone(), before, after });
        }
    }
    found
}

/// What a field is when nothing is said of it any more.
pub(super) fn nothing(kind: &Kind, before: &Value) -> Value {
    match (kind.clears, before) {
        (Clears::Empty | Clears::ByName, Value::Array(_)) => Value::Array(Vec::new()),
        (Clears::Empty | Clears::ByName | Clears::Null, Value::Bool(_)) => Value::Bool(false),
        _ => Value::Null,
    }
}

/// A field of a row; terms of money stand in a table of their own where the object has no columns for them.
fn field_of(row: &Map<String, Value>, field: &str) -> Value {
    let own = row.get(field).filter(|value| !value.is_null());
    let of_table = || ["litellm_budget_table", "budget"].into_iter().find_map(|table| row.get(table)?.get(field));
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

/// Whether a value is the other one, and nothing beside it.
fn exactly(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| exactly(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| exactly(value, other)))
        }
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
        let add: Vec<Value> = wanted.iter().filter(|one| !present.iter().any(|other| same(one, other))).cloned().collect();
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
            let mut member = one.as_object().cloned().unwrap_or_default();
            ["user", "user_role"].iter().for_each(|name| drop(member.remove(*name)));
            member.extend([("user_id", user), ("role", role)].map(|(name, text)| (name.to_owned(), Value::from(text))));
            Value::Object(member)
        }
        Part::WorkspaceBudgets => {
            serde_json::json!({"reset_interval": one["reset_interval"].as_str().unwrap_or("lifetime"), "limit_usd": one["limit_usd"]})
        }
        Part::GuardedKeys => {
            let text = one.as_str().unwrap_or_default();
            let kind = super::kind::of("key");
            let known = kind.and_then(|kind| state.id(kind, text));
            Value::String(known.unwrap_or_else(|| text.to_owned()))
        }
        Part::TeamPermissions | Part::GuardedMembers => one.clone(),
    }
}

/// Who a member is, whatever the role.
pub(super) fn who(member: &Value) -> &str {
    let of = |name: &str| member[name].as_str();
    member.as_str().or_else(|| of("user_id")).or_else(|| of("reset_interval")).unwrap_or_default()
}

/// A value as it may be told.
pub(super) fn told(value: &Value) -> String {
    if secret::holds(value) { secret::HIDDEN.to_owned() } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::{exactly, same};
    use serde_json::json;

    #[test]
    fn what_is_compared_whole_has_nothing_beside() {
        for (wanted, found, expected) in [
            (json!({"a": 1}), json!({"a": 1.0}), true),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!(["a", "b"]), json!(["b", "a"]), false),
            (json!(false), json!(null), false),
        ] {
            assert_eq!(exactly(&wanted, &found), expected, "{wanted} {found}");
        }
    }

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
