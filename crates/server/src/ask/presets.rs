//! The preset that a call names: the caller's workspace is looked in first, then the default one, then the configuration.

use switchboard_engine::call::Call;

use crate::app::App;
use crate::auth::Caller;
use crate::auth::rules::DEFAULT_WORKSPACE;
use crate::preset::{named, with};
use crate::refused::Refused;

/// The call with the settings of the preset it names, if it names one.
pub(super) async fn applied(call: Call, caller: &Caller, app: &App) -> Result<Call, Refused> {
    let Some((model, slug)) = named(&call) else { return Ok(call) };
    let place = caller.team.as_deref().unwrap_or(DEFAULT_WORKSPACE);
    let mut found = None;
    if let Some(store) = &app.store {
        found = app.foundation.directory.presets.find(store, place, &slug).await?;
        if found.is_none() && place != DEFAULT_WORKSPACE {
            found = app.foundation.directory.presets.find(store, DEFAULT_WORKSPACE, &slug).await?;
        }
    }
    let config = app.config();
    let found = found.as_deref().or_else(|| config.switchboard.presets.iter().find(|preset| preset.slug == slug));
    let found = found.ok_or_else(|| Refused::missing(format!("there is no preset `{slug}`")))?;
    if !found.active {
        return Err(Refused::missing(format!("the preset `{slug}` is switched off")));
    }
    with(call, model, &found.settings).map_err(|problem| match problem {
        Some(problem) => Refused::bad(problem.message),
        None => Refused::bad(format!("the preset `{slug}` names no model, and neither does the request")),
    })
}
