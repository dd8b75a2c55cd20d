//! `/ownership`: who has charge of which object, for whoever keeps a gateway by files.
//!
//! A mark changes nothing about its object. It tells `switchboard apply` what it may change and delete, and everybody else that
//! what they change will be changed back.

use serde_json::{Value, json};
use switchboard_store::Time;
use switchboard_store::object::Owned;

use super::form::Form;
use super::{Answer, Request};
use crate::refused::Refused;

/// What a request names: owner, kind and name.
fn named(form: &Form) -> Result<(String, String, String), Refused> {
    let text = |name: &str| form.owned(name).filter(|text| !text.is_empty() && text.len() <= 512);
    match (text("owner"), text("kind"), text("name")) {
        (Some(owner), Some(kind), Some(name)) => Ok((owner, kind, name)),
        _ => Err(Refused::bad("owner, kind and name must each have 1 to 512 bytes")),
    }
}

fn foreign(mark: &Owned) -> Refused {
    let message = format!("{} `{}` belongs to `{}`", mark.kind, mark.name, mark.owner);
    Refused::new(409, "conflict_error", Value::Null, message)
}

/// `GET /ownership`
pub(super) async fn list(request: &Request) -> Answer {
    let owner = request.value("owner").filter(|owner| !owner.is_empty()).map(str::to_owned);
    let read = request.read(move |desk| async move {
        Ok(match owner {
            Some(owner) => desk.named::<Owned>(&owner).await?,
            None => desk.all().await?,
        })
    });
    let marks: Vec<Owned> = read.await?;
    Ok(json!({"data": marks}))
}

/// `POST /ownership`
pub(super) async fn claim(request: &Request) -> Answer {
    let form = request.form("OwnershipRequest")?;
    let (owner, kind, name) = named(&form)?;
    let write = request.write(move |desk| async move {
        let now = Time::now();
        let known: Option<Owned> = desk.get(&Owned::id_of(&kind, &name)).await?;
        if let Some(other) = known.as_ref().filter(|known| known.owner != owner) {
            return Err(foreign(other));
        }
        let created_at = known.map_or(now, |known| known.created_at);
        let fields = form.texts("fields").unwrap_or_default();
        let mark = Owned { owner, kind, name, fields, digest: form.owned("digest"), created_at, updated_at: now };
        desk.put(&mark).await?;
        Ok(mark)
    });
    Ok(json!(write.await?))
}

/// `POST /ownership/release`
pub(super) async fn release(request: &Request) -> Answer {
    let form = request.form("OwnershipRequest")?;
    let (owner, kind, name) = named(&form)?;
    let write = request.write(move |desk| async move {
        let id = Owned::id_of(&kind, &name);
        match desk.get::<Owned>(&id).await? {
            Some(mark) if mark.owner != owner => Err(foreign(&mark)),
            Some(_) => Ok(desk.delete::<Owned>(&id).await?),
            None => Ok(false),
        }
    });
    Ok(json!({"released": write.await?}))
}
