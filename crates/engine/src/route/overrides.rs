//! What a request itself says instead of the router's settings.

use std::borrow::Cow;

use serde_json::{Map, Value};
use switchboard_wire::control::is_steering;
use switchboard_wire::problem::Problem;

use crate::call::{Call, Content};
use crate::guidance::{FallbackForm, RouterOverride};

/// The field of a request.
const NAME: &str = "router_settings_override";

impl RouterOverride {
    /// What holds for that call: what its key or team says, else what it says itself.
    pub(crate) fn of(call: &Call) -> Result<Option<Cow<'_, Self>>, Problem> {
        if let Some(standing) = &call.principal.router {
            return Ok(Some(Cow::Borrowed(standing)));
        }
        let Content::Json(outline) = &call.content else { return Ok(None) };
        if outline.get(NAME).is_none() || !is_steering(call.door.dialect, NAME) {
            return Ok(None);
        }
        let said: Option<Map<String, Value>> = outline.read(&call.body, NAME)?;
        said.map(|said| Self::read(&said).map(Cow::Owned)).transpose()
    }
}

/// Where a request names models to fall back to.
const FALLBACKS: [&str; 3] = ["fallbacks", "context_window_fallbacks", "content_policy_fallbacks"];

/// The models that a request itself names to fall back to, for whichever failure. What cannot be read is told by planning.
pub fn named_fallbacks(call: &Call) -> Vec<String> {
    let Content::Json(outline) = &call.content else { return Vec::new() };
    let is_said = |name: &str| outline.get(name).is_some() && is_steering(call.door.dialect, name);
    let mut forms: Vec<FallbackForm> = Vec::new();
    for name in FALLBACKS.into_iter().filter(|name| is_said(name)) {
        let read: Option<Vec<FallbackForm>> = outline.read(&call.body, name).ok().flatten();
        forms.extend(read.into_iter().flatten());
    }
    if is_said(NAME) {
        let said: Option<Map<String, Value>> = outline.read(&call.body, NAME).ok().flatten();
        let read = said.and_then(|said| RouterOverride::read(&said).ok()).unwrap_or_default();
        let lists = [read.fallbacks, read.context_window_fallbacks, read.content_policy_fallbacks];
        forms.extend(lists.into_iter().flatten().flatten());
    }
    let read = forms.into_iter().filter_map(|form| form.read(&call.model).ok());
    read.flatten().map(|fallback| fallback.model).collect()
}
