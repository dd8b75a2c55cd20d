//! Changes of a resource, operation by operation (RFC 7644, 3.5.2).

use serde_json::{Map, Value, json};

use super::{ENTERPRISE, filter, flag, refused};
use crate::refused::Refused;

type Resource = Map<String, Value>;

/// Where in a resource: an attribute, which items of it, and what of them.
struct Place {
    name: String,
    which: Option<(String, String)>,
    sub: Option<String>,
}

/// Makes every change the body asks for.
pub(super) fn apply(resource: &mut Resource, body: &Resource) -> Result<(), Refused> {
    let operations = super::attribute(body, "Operations").and_then(Value::as_array);
    let operations = operations.ok_or_else(|| refused(400, "invalidSyntax", "`Operations` must be a list"))?;
    for operation in operations {
        let operation = operation.as_object().ok_or_else(|| refused(400, "invalidSyntax", "an operation must be an object"))?;
        let verb = super::text(operation, "op").unwrap_or_default().to_ascii_lowercase();
        if !["add", "replace", "remove"].contains(&verb.as_str()) {
            return Err(refused(400, "invalidSyntax", format!("`{verb}` is no operation: add, replace or remove")));
        }
        let value = super::attribute(operation, "value").cloned().unwrap_or_default();
        match (super::text(operation, "path"), value) {
            (Some(path), value) => change(resource, &verb, &path, value)?,
            (None, _) if verb == "remove" => {
                return Err(refused(400, "noTarget", "A remove operation requires a 'path' (RFC 7644 Section 3.5.2.2)"));
            }
            (None, Value::Object(several)) => {
                for (path, value) in several.into_iter().filter(|(path, _)| may_be_changed(path)) {
                    change(resource, &verb, &path, value)?;
                }
            }
            (None, _) => {
                let message = format!("A {verb} operation without a 'path' requires an object 'value' (RFC 7644 Section 3.5.2)");
                return Err(refused(400, "noTarget", message));
            }
        }
    }
    Ok(())
}

/// Whether an attribute is the provider's to change.
fn may_be_changed(name: &str) -> bool {
    !["", "id", "schemas", "meta"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// What operations without a path say of a resource, the later ones laid over the earlier. None: there is no such operation.
pub(super) fn whole(body: &Resource) -> Option<Resource> {
    let operations = super::attribute(body, "Operations").and_then(Value::as_array).into_iter().flatten();
    let pathless = operations.filter_map(Value::as_object).filter(|operation| super::text(operation, "path").is_none());
    let mut said = pathless.filter_map(|operation| super::attribute(operation, "value")?.as_object().cloned()).peekable();
    said.peek()?;
    Some(said.flatten().collect())
}

fn place(path: &str) -> Result<Place, Refused> {
    let bad = || refused(400, "invalidPath", format!("`{path}` is no path"));
    // The attributes of an enterprise stand under their schema's name.
    if let Some(sub) =
        path.get(..ENTERPRISE.len()).filter(|head| head.eq_ignore_ascii_case(ENTERPRISE)).and_then(|_| path.get(ENTERPRISE.len()..))
    {
        let sub = sub.strip_prefix(':').map(str::to_owned);
        return Ok(Place { name: ENTERPRISE.to_owned(), which: None, sub });
    }
    // A schema's name may stand before the attribute.
    let bare = if path.to_ascii_lowercase().starts_with("urn:") {
        let end = path.find(['[', '"']).unwrap_or(path.len());
        let colon = path.get(..end).and_then(|head| head.rfind(':')).ok_or_else(bad)?;
        path.get(colon + 1..).ok_or_else(bad)?
    } else {
        path
    };
    let Some((name, rest)) = bare.split_once('[') else {
        let (name, sub) = bare.split_once('.').map_or((bare, None), |(name, sub)| (name, Some(sub.to_owned())));
        return if name.is_empty() { Err(bad()) } else { Ok(Place { name: name.to_owned(), which: None, sub }) };
    };
    let (inside, after) = rest.rsplit_once(']').ok_or_else(bad)?;
    let which = filter::read(inside)?.into_iter().next().ok_or_else(bad)?;
    Ok(Place { name: name.to_owned(), which: Some(which), sub: after.strip_prefix('.').map(str::to_owned) })
}

fn change(resource: &mut Resource, verb: &str, path: &str, value: Value) -> Result<(), Refused> {
    let Place { name, which, sub } = place(path)?;
    let name = resource.keys().find(|key| key.eq_ignore_ascii_case(&name)).cloned().unwrap_or(name);
    if let Some(which) = which {
        items(resource, verb, (&name, &which, sub.as_deref()), value);
        return Ok(());
    }
    if let Some(sub) = sub {
        let inner = resource.entry(name).or_insert_with(|| json!({}));
        if let Some(inner) = inner.as_object_mut() {
            let sub = inner.keys().find(|key| key.eq_ignore_ascii_case(&sub)).cloned().unwrap_or(sub);
            if verb == "remove" {
                inner.remove(&sub);
            } else {
                inner.insert(sub, value);
            }
        }
        return Ok(());
    }
    match (verb, resource.get_mut(&name)) {
        // Some providers name what is to go in the value.
        ("remove", Some(Value::Array(present))) if value.is_array() => {
            let gone = super::ids(&value);
            present.retain(|item| !item["value"].as_str().is_some_and(|id| gone.iter().any(|one| one == id)));
        }
        ("remove", _) => {
            resource.remove(&name);
        }
        ("add", Some(Value::Array(present))) => {
            let more = if let Value::Array(more) = value { more } else { vec![value] };
            for item in more {
                if !present.iter().any(|one| one["value"] == item["value"]) {
                    present.push(item);
                }
            }
        }
        ("add", Some(Value::Object(present))) if value.is_object() => {
            present.extend(value.as_object().cloned().unwrap_or_default());
        }
        (_, _) => {
            resource.insert(name, value);
        }
    }
    Ok(())
}

/// Changes those items of a list that fit.
fn items(resource: &mut Resource, verb: &str, (name, (key, wanted), sub): (&str, &(String, String), Option<&str>), value: Value) {
    let Some(present) = resource.entry(name.to_owned()).or_insert_with(|| json!([])).as_array_mut() else { return };
    let fits = |item: &Value| {
        let found = item.as_object().and_then(|item| super::attribute(item, key));
        found.is_some_and(|found| match flag(found).filter(|_| found.is_boolean()) {
            Some(found) => wanted.eq_ignore_ascii_case(if found { "true" } else { "false" }),
            None => found.as_str().is_some_and(|found| found.eq_ignore_ascii_case(wanted)),
        })
    };
    if verb == "remove" && sub.is_none() {
        present.retain(|item| !fits(item));
        return;
    }
    let mut changed = false;
    for item in present.iter_mut().filter(|item| fits(item)) {
        changed = true;
        match (sub, item.as_object_mut()) {
            (Some(sub), Some(item)) if verb == "remove" => {
                item.remove(sub);
            }
            (Some(sub), Some(item)) => {
                item.insert(sub.to_owned(), value.clone());
            }
            (None, Some(item)) => item.extend(value.as_object().cloned().unwrap_or_default()),
            (_, None) => {}
        }
    }
    if !changed && verb != "remove" {
        let mut item = match (sub, &value) {
            (Some(sub), value) => json!({sub: value}),
            (None, Value::Object(_)) => value,
            (None, _) => return,
        };
        if item[key].is_null() {
            item[key] = wanted.as_str().into();
        }
        present.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(resource: Value, operations: Value) -> Value {
        let mut resource = resource.as_object().cloned().expect("an object");
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
        apply(&mut resource, body.as_object().expect("an object")).expect("changed");
        Value::Object(resource)
    }

    #[test]
    fn operations_do_what_providers_mean_by_them() {
        let user = json!({"active": true, "name": {"givenName": "A"}, "emails": [{"type": "work", "value": "a@b.c"}]});
        for (operations, place, expected) in [
            (json!([{"op": "replace", "path": "active", "value": false}]), "/active", json!(false)),
            (json!([{"op": "Replace", "value": {"active": "False"}}]), "/active", json!("False")),
            (json!([{"op": "Replace", "value": {"name.familyName": "B"}}]), "/name", json!({"givenName": "A", "familyName": "B"})),
            (
                json!([{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:name.givenName", "value": "C"}]),
                "/name/givenName",
                json!("C"),
            ),
            (json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "x@y.z"}]), "/emails/0/value", json!("x@y.z")),
            (
                json!([{"op": "add", "path": "emails[type eq \"home\"].value", "value": "h@y.z"}]),
                "/emails/1",
                json!({"type": "home", "value": "h@y.z"}),
            ),
            (json!([{"op": "remove", "path": "name.givenName"}]), "/name", json!({})),
        ] {
            assert_eq!(after(user.clone(), operations.clone()).pointer(place), Some(&expected), "{operations}");
        }
        let group = json!({"members": [{"value": "a"}, {"value": "b"}, {"value": "c"}]});
        let members = |operations| super::super::ids(&after(group.clone(), operations)["members"]);
        assert_eq!(members(json!([{"op": "remove", "path": "members[value eq \"b\"]"}])), ["a", "c"]);
        assert_eq!(members(json!([{"op": "Remove", "path": "members", "value": [{"value": "a"}, {"value": "c"}]}])), ["b"]);
        assert_eq!(members(json!([{"op": "Add", "path": "members", "value": [{"value": "a"}, {"value": "d"}]}])), ["a", "b", "c", "d"]);
        assert_eq!(members(json!([{"op": "replace", "path": "members", "value": [{"value": "z"}]}])), ["z"]);
        assert!(members(json!([{"op": "remove", "path": "members"}])).is_empty());
    }

    #[test]
    fn what_is_no_operation_is_refused() {
        for operations in [
            json!("x"),
            json!([1]),
            json!([{"op": "move", "path": "a"}]),
            json!([{"op": "add", "value": "x"}]),
            json!([{"op": "add", "path": "members[value", "value": "x"}]),
            json!([{"op": "add", "path": "[value eq \"x\"", "value": "x"}]),
            json!([{"op": "add", "path": "members[value ne \"x\"]", "value": "x"}]),
        ] {
            let body = json!({"Operations": operations});
            assert!(apply(&mut Map::new(), body.as_object().expect("an object")).is_err(), "{body}");
        }
    }
}
