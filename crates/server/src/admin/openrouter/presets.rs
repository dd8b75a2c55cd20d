//! Presets, kept version by version. A request's body is what makes one: its settings are kept, what is asked in it is not.

use serde_json::{Value, json};
use switchboard_engine::wire::Dialect;
use switchboard_store::object::{Preset, PresetVersion};
use switchboard_store::{Desk, Time};

use super::{cut, not_found};
use crate::admin::{Answer, Request, rows};
use crate::auth::rules::DEFAULT_WORKSPACE;
use crate::preset::Settings;
use crate::refused::Refused;

/// The longest slug.
const LONGEST: usize = 100;

/// The workspace whose presets a request sees.
fn place(request: &Request) -> String {
    request.caller.team.clone().unwrap_or_else(|| DEFAULT_WORKSPACE.to_owned())
}

async fn all(desk: &Desk, place: &str) -> Result<Vec<Preset>, Refused> {
    let mut all: Vec<Preset> = desk.all().await?;
    all.retain(|preset| preset.workspace_id.as_deref() == Some(place));
    all.sort_by_key(|preset| std::cmp::Reverse(preset.updated_at));
    Ok(all)
}

async fn find(desk: &Desk, place: &str, slug: &str) -> Result<Option<Preset>, Refused> {
    let rows: Vec<Preset> = desk.named(slug).await?;
    Ok(rows.into_iter().find(|preset| preset.workspace_id.as_deref() == Some(place)))
}

async fn versions(desk: &Desk, preset: &Preset) -> Result<Vec<PresetVersion>, Refused> {
    let mut versions: Vec<PresetVersion> = desk.named(&preset.id).await?;
    versions.sort_by_key(|version| version.version);
    Ok(versions)
}

fn shown(preset: &Preset) -> Value {
    Value::Object(rows::columns(preset))
}

fn version_shown(version: &PresetVersion) -> Value {
    Value::Object(rows::columns(version))
}

/// A preset with the version that holds.
fn whole(preset: &Preset, version: Option<&PresetVersion>) -> Value {
    let mut row = rows::columns(preset);
    row.insert("designated_version".to_owned(), version.map_or(Value::Null, version_shown));
    json!({"data": row})
}

/// `GET /presets`
pub(super) async fn list(request: &Request) -> Answer {
    let place = place(request);
    let all = request.read(move |desk| async move { all(&desk, &place).await }).await?;
    cut(request, &all, shown)
}

/// `GET /presets/{slug}`
pub(super) async fn one(request: &Request) -> Answer {
    let (place, slug) = (place(request), request.part(0).to_owned());
    let read = request.read(move |desk| async move {
        let preset = find(&desk, &place, &slug).await?.ok_or_else(not_found)?;
        let version = match &preset.designated_version_id {
            Some(id) => desk.get(id).await?,
            None => None,
        };
        Ok((preset, version))
    });
    let (preset, version) = read.await?;
    Ok(whole(&preset, version.as_ref()))
}

/// `GET /presets/{slug}/versions`
pub(super) async fn history(request: &Request) -> Answer {
    let (place, slug) = (place(request), request.part(0).to_owned());
    let read = request.read(move |desk| async move {
        let preset = find(&desk, &place, &slug).await?.ok_or_else(not_found)?;
        versions(&desk, &preset).await
    });
    cut(request, &read.await?, version_shown)
}

/// `GET /presets/{slug}/versions/{version}`
pub(super) async fn version(request: &Request) -> Answer {
    let (place, slug) = (place(request), request.part(0).to_owned());
    let number: u64 = request.part(1).parse().map_err(|_| not_found())?;
    let read = request.read(move |desk| async move {
        let preset = find(&desk, &place, &slug).await?.ok_or_else(not_found)?;
        let versions = versions(&desk, &preset).await?;
        versions.into_iter().find(|version| version.version == number).ok_or_else(not_found)
    });
    Ok(json!({"data": version_shown(&read.await?)}))
}

/// `POST /presets/{slug}/chat/completions`, `…/messages`, `…/responses`: a new version, of a new preset if need be.
pub(super) async fn keep(request: &Request, dialect: Dialect) -> Answer {
    let (place, slug) = (place(request), request.part(0).to_owned());
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if slug.is_empty() || slug.len() > LONGEST || !slug.chars().all(fits) {
        return Err(Refused::plain(400, &format!("a slug has at most {LONGEST} letters, digits, `-`, `_` and `.`")));
    }
    let Some(Value::Object(body)) = request.body.clone() else {
        return Err(Refused::plain(400, "Invalid request parameters"));
    };
    let settings = Settings::of(dialect, body);
    let user = request.caller.user.clone();
    let write = request.write(move |desk| async move {
        let now = Time::now();
        let actor = user.clone().unwrap_or_else(|| desk.actor().to_owned());
        let known = find(&desk, &place, &slug).await?;
        let mut preset = known.unwrap_or_else(|| Preset {
            id: crate::id::of_object(),
            creator_user_id: user,
            workspace_id: Some(place),
            name: slug.clone(),
            slug,
            status: "active".to_owned(),
            created_at: now,
            ..Preset::default()
        });
        let last = versions(&desk, &preset).await?.last().map_or(0, |version| version.version);
        let version = PresetVersion {
            id: crate::id::of_object(),
            preset_id: preset.id.clone(),
            creator_id: actor,
            version: last + 1,
            system_prompt: settings.system_prompt,
            config: settings.config,
            created_at: now,
            updated_at: now,
        };
        (preset.designated_version_id, preset.updated_at) = (Some(version.id.clone()), now);
        desk.put(&version).await?;
        desk.put(&preset).await?;
        Ok((preset, version))
    });
    let (preset, version) = write.await?;
    Ok(whole(&preset, Some(&version)))
}
