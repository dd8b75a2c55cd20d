//! Members of teams and organizations, as requests name them.

use serde_json::Value;
use switchboard_store::object::Member;
use switchboard_store::{Desk, StoreError};

use super::form::Form;
use crate::auth::Caller;
use crate::authz::object;
use crate::people::{Portion, find};

/// What a form says of a member's portion.
pub(super) fn portion(form: &Form) -> Portion {
    Portion {
        max_budget: form.money("max_budget_in_team"),
        budget_duration: form.owned("budget_duration"),
        allowed_models: form.texts("allowed_models"),
        budget_id: None,
        brought_in_by: None,
    }
}

/// The caller, where the user of that id or address is there already and is nobody for whom the caller answers.
pub(super) async fn bringing(desk: &Desk, caller: &Caller, id: Option<&str>, email: Option<&str>) -> Result<Option<String>, StoreError> {
    let Some(user) = find(desk, id, email).await? else { return Ok(None) };
    let known = caller.user.as_deref() == Some(&user.user_id) || object::answers_for(desk, caller, &user).await?;
    Ok((!known).then(|| caller.actor().to_owned()))
}

/// The members a request names: one, or several.
pub(super) fn named(value: Option<&Value>) -> Vec<Member> {
    let one = |value: &Value| serde_json::from_value::<Member>(without_nulls(value)).ok();
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        value => value.clone(),
    }
}
