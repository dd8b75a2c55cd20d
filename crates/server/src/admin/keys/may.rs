//! What who may do to a key that is there, and what of it who may change.
//!
//! A key's administrators are those of the gateway, of its team and of its team's organization; its owner is the user whose it is. What
//! bounds a key is for its administrators to say: its budgets, its block and its project. The rest is for the owner who made it, where
//! it is of no team, and in a team for members whom the team lets, where the key is theirs or nobody's.

use serde_json::Value;
use switchboard_store::Desk;
use switchboard_store::object::{Budget, Json, Key, Team, User};

use super::generate::is_for_calls;
use crate::admin::form::Form;
use crate::admin::rows;
use crate::admin::teams::{differing, leads};
use crate::auth::Caller;
use crate::authz::object::{self, GROUPS, Standing};
use crate::refused::Refused;

/// Fields that administrators of the gateway set, be they columns or in the metadata.
const GATEWAYS: [&str; 10] = [
    "permissions",
    "throttle_on_budget_exceeded",
    "disable_global_guardrails",
    "end_user_budget_id",
    "default_estimated_output_tokens",
    "default_estimated_output_tokens_per_model",
    "batch_enqueued_token_limit",
    "max_batch_file_records",
    "max_batch_file_uploads_per_day",
    "max_file_downloads_per_minute",
];
/// Those of them that loosen what holds for a key: anybody who changes it may give them up.
const LOOSENING: [&str; 2] = ["throttle_on_budget_exceeded", "disable_global_guardrails"];
/// Fields that are a key's budgets.
const BUDGETS: [&str; 8] = [
    "max_budget",
    "soft_budget",
    "budget_id",
    "budget_limits",
    "budget_duration",
    "model_max_budget",
    "temp_budget_increase",
    "temp_budget_expiry",
];
/// Other fields that are for administrators of the key.
const ADMINISTRATORS: [&str; 2] = ["blocked", "project_id"];

/// What is done to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Update,
    Block,
    Unblock,
    Delete,
    Regenerate,
}

impl Deed {
    /// The route that does it.
    const fn route(self) -> &'static str {
        match self {
            Deed::Update => "/key/update",
            Deed::Block => "/key/block",
            Deed::Unblock => "/key/unblock",
            Deed::Delete => "/key/delete",
            Deed::Regenerate => "/key/regenerate",
        }
    }

    /// The refusal of whose the key is not.
    fn not_yours(self) -> Refused {
        Refused::forbidden(match self {
            Deed::Delete => "You are not authorized to delete this key".to_owned(),
            Deed::Regenerate => "You are not authorized to regenerate this key".to_owned(),
            Deed::Update | Deed::Block | Deed::Unblock => format!("You are not authorized to use {} on this key", self.route()),
        })
    }

    /// What is told of a key that is not there: to those who do not see all keys, the same as of one that is not theirs.
    pub(super) fn unseen(self, caller: &Caller, missing: Refused) -> Refused {
        if caller.sees_all() { missing } else { self.not_yours() }
    }
}

/// Refuses who may not do that to that key; else what they are to it.
pub(super) async fn may(desk: &Desk, caller: &Caller, key: &Key, deed: Deed) -> Result<Standing, Refused> {
    let standing = object::of_key(desk, caller, key).await?;
    let team: Option<Team> = match &key.team_id {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    // Who administers the organization alone is shown no secret of a team's key.
    let is_shown = || team.as_ref().is_none_or(|team| leads(caller, team));
    if standing == Standing::Admin && (deed != Deed::Regenerate || is_shown()) {
        if deed == Deed::Regenerate && !may_hold(desk, caller, key).await? {
            return Err(deed.not_yours());
        }
        return Ok(standing);
    }
    let own = caller.user.is_some() && caller.user == key.user_id;
    if standing == Standing::Stranger && !own {
        return Err(deed.not_yours());
    }
    match deed {
        Deed::Block | Deed::Unblock => Err(for_administrators(deed.route())),
        Deed::Delete if own => Ok(Standing::Owner),
        Deed::Delete => Err(deed.not_yours()),
        Deed::Update if key.user_id.is_some() && !own => Err(Refused::forbidden("User can only create keys for themselves.")),
        Deed::Update | Deed::Regenerate => match &team {
            Some(team) => member_may(desk, caller, team, (deed, own)).await,
            None if key.team_id.is_some() => Err(deed.not_yours()),
            None if deed == Deed::Regenerate && own || made_for_itself(caller, key) => Ok(Standing::Owner),
            None if deed == Deed::Regenerate => Err(deed.not_yours()),
            None => Err(for_administrators(deed.route())),
        },
    }
}

/// Whether the caller may have that key in hand, with which one acts as its user.
pub(super) async fn may_hold(desk: &Desk, caller: &Caller, key: &Key) -> Result<bool, Refused> {
    let user: Option<User> = match key.user_id.as_deref().filter(|user| caller.user.as_deref() != Some(user)) {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    Ok(match user {
        Some(user) => is_for_calls(&key.allowed_routes) || object::answers_for(desk, caller, &user).await?,
        None => true,
    })
}

/// What members of a team may do is for the team to say; secrets of others' keys are not for them.
async fn member_may(desk: &Desk, caller: &Caller, team: &Team, (deed, own): (Deed, bool)) -> Result<Standing, Refused> {
    if object::of_team(desk, caller, team).await? < Standing::Member {
        return Err(deed.not_yours());
    }
    if !object::permits(team, deed.route()) {
        return Err(super::not_permitted(team, deed.route()));
    }
    match own {
        true => Ok(Standing::Owner),
        false if deed == Deed::Regenerate => Err(deed.not_yours()),
        false => Ok(Standing::Member),
    }
}

/// Whether the caller made the key, and for no other.
fn made_for_itself(caller: &Caller, key: &Key) -> bool {
    caller.user.is_some() && caller.user == key.user_id && caller.user == key.created_by
}

fn for_administrators(what: &str) -> Refused {
    Refused::forbidden(format!("Only proxy admins, team admins, or org admins can call {what}."))
}

/// Whether a form changes anything of a key.
pub(super) fn differs(present: &Key, changed: &Key, form: &Form) -> bool {
    let said = form.sent("duration") || form.get("spend").is_some();
    said || !differing(&rows::columns(present), &rows::columns(changed)).is_empty()
}

/// Refuses a change of what bounds a key by who does not administer it.
pub(super) fn bounding(caller: &Caller, standing: Standing, (present, changed): (&Key, &Key), form: &Form) -> Result<(), Refused> {
    if standing == Standing::Admin {
        return Ok(());
    }
    let (before, after) = (rows::columns(present), rows::columns(changed));
    let is_changed = |name: &str| said(&before, name) != said(&after, name);
    if BUDGETS.into_iter().any(is_changed) || form.get("soft_budget").is_some() {
        return Err(for_administrators("/key/update (max_budget/spend)"));
    }
    let lasts_longer = present.expires.is_some_and(|before| changed.expires.is_none_or(|end| end > before));
    if ADMINISTRATORS.into_iter().any(is_changed) || lasts_longer && !made_for_itself(caller, present) {
        return Err(for_administrators(Deed::Update.route()));
    }
    Ok(())
}

/// Refuses what nobody but administrators of the gateway puts into a key, and groups of models that are not the caller's to give.
pub(in crate::admin) async fn given(desk: &Desk, caller: &Caller, (present, changed): (&Key, &Key)) -> Result<(), Refused> {
    let (before, after) = (rows::columns(present), rows::columns(changed));
    let is_changed = |name: &str| said(&before, name) != said(&after, name);
    let is_given_up = |name: &str| LOOSENING.contains(&name) && said(&after, name).is_none();
    if !caller.is_admin()
        && let Some(name) = GATEWAYS.into_iter().find(|name| is_changed(name) && !is_given_up(name))
    {
        return Err(Refused::forbidden(format!("Only proxy admins can set {name} on a key.")));
    }
    if let Some(Value::String(id)) = said(&after, "end_user_budget_id").filter(|_| is_changed("end_user_budget_id"))
        && desk.get::<Budget>(&id).await?.is_none()
    {
        return Err(Refused::said(400, &format!("end_user_budget_id={id} does not match any budget.")));
    }
    groups(desk, caller, (present, changed)).await
}

/// Groups open models beside the key's list, so they are for administrators, and for members of teams that say so.
async fn groups(desk: &Desk, caller: &Caller, (present, changed): (&Key, &Key)) -> Result<(), Refused> {
    let moved = present.team_id != changed.team_id;
    let new = |group: &&String| moved || !present.access_group_ids.contains(group);
    let new: Vec<&String> = changed.access_group_ids.iter().filter(new).collect();
    if new.is_empty() || caller.is_admin() {
        return Ok(());
    }
    let team: Option<Team> = match &changed.team_id {
        Some(id) => desk.get(id).await?,
        None => None,
    };
    let Some(team) = team else {
        let message = "Key is not in a team. Access groups cannot be assigned to personal keys by non-admin callers.";
        return Err(Refused::forbidden(message));
    };
    let standing = object::of_team(desk, caller, &team).await?;
    if standing == Standing::Admin || standing == Standing::Member && object::permits(&team, GROUPS) {
        return Ok(());
    }
    let message = format!("Team members cannot assign access groups to keys for team {}, unless it lets them ('{GROUPS}').", team.team_id);
    Err(Refused::forbidden(message))
}

/// What a key's row says of a field, be it a column or in the metadata.
fn said(row: &Json, name: &str) -> Option<Value> {
    let value = row.get(name).or_else(|| row.get("metadata")?.get(name))?;
    let says_nothing = match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    (!says_nothing).then(|| value.clone())
}
