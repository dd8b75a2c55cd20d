//! Which models a caller may use.

use crate::access::denied;
use crate::auth::Caller;
use crate::refused::Refused;

/// Refuses a model that one of the caller's lists does not have. `names` are the names it goes by: its own, and its group's.
pub fn check(caller: &Caller, names: &[&str]) -> Result<(), Refused> {
    let (Some(whose), Some(model)) = (caller.refusing(names), names.first()) else { return Ok(()) };
    // A team knows its models by the names it gave them.
    let own = caller.owned.owner(model).filter(|(team, _)| caller.team.as_deref() == Some(*team));
    Err(denied(whose, own.map_or(*model, |(_, public)| public)))
}
