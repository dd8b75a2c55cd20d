//! A model's new name, wherever its old one stood in a list of models.

use switchboard_store::Desk;
use switchboard_store::object::{AccessGroup, Key, Model, Object, Organization, Project, Team, User};

use crate::config::Config;
use crate::refused::Refused;

/// An object with a list of models.
trait Lists: Object {
    fn list(&mut self) -> &mut Vec<String>;
}

macro_rules! lists {
    ($($kind:ty => $field:ident),* $(,)?) => {
        $(impl Lists for $kind {
            fn list(&mut self) -> &mut Vec<String> {
                &mut self.$field
            }
        })*
    };
}

lists! {
    Key => models,
    Team => models,
    User => models,
    Organization => models,
    Project => models,
    AccessGroup => access_model_names,
}

/// Replaces a model's name in every list, unless another deployment still has it.
pub(super) async fn everywhere(desk: &Desk, base: &Config, old: &str, new: &str, id: &str) -> Result<(), Refused> {
    let names: Vec<String> = base.deployments.iter().map(|deployment| deployment.model_name.clone()).collect();
    if super::is_named(desk, &names, old, id).await? {
        return Ok(());
    }
    each::<Key>(desk, old, new).await?;
    each::<Team>(desk, old, new).await?;
    each::<User>(desk, old, new).await?;
    each::<Organization>(desk, old, new).await?;
    each::<Project>(desk, old, new).await?;
    each::<AccessGroup>(desk, old, new).await
}

/// The same for a team's own name for its model, unless another of its models still has it.
pub(super) async fn in_team(desk: &Desk, team: &str, old: &str, new: &str, id: &str) -> Result<(), Refused> {
    let siblings: Vec<Model> = desk.of_team(team).await?;
    if siblings.iter().any(|sibling| sibling.model_id != id && sibling.public_name() == Some(old)) {
        return Ok(());
    }
    if let Some(mut team) = desk.get::<Team>(team).await?
        && replaced(&mut team.models, old, new)
    {
        desk.put(&team).await?;
    }
    for mut key in desk.of_team::<Key>(team).await? {
        if replaced(&mut key.models, old, new) {
            desk.put(&key).await?;
        }
    }
    Ok(())
}

async fn each<O: Lists>(desk: &Desk, old: &str, new: &str) -> Result<(), Refused> {
    for mut object in desk.all::<O>().await? {
        if replaced(object.list(), old, new) {
            desk.put(&object).await?;
        }
    }
    Ok(())
}

fn replaced(list: &mut Vec<String>, old: &str, new: &str) -> bool {
    if !list.iter().any(|name| name == old) {
        return false;
    }
    let has_new = list.iter().any(|name| name == new);
    match has_new {
        true => list.retain(|name| name != old),
        false => list.iter_mut().filter(|name| *name == old).for_each(|name| *name = new.to_owned()),
    }
    true
}
