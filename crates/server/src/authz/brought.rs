//! Credentials and addresses of providers that a call brings along in its body (`api_key`, `api_base`).
//!
//! Where the operator lets it (`allow_client_side_credentials`, `configurable_clientside_auth_params`), the call goes to that place
//! alone, with that credential alone: nothing of the gateway's goes along to an address of the caller's, and no other deployment
//! stands in. Such an address is a public one, by https, unless the operator named it by a pattern: it is looked at when the name has
//! become an address, so that no name leads inside. Elsewhere an address is refused, as LiteLLM refuses it, and a key means nothing.

use std::sync::Arc;

use serde_json::{Value, json};
use switchboard_engine::call::{Call, Content};
use switchboard_engine::sign::Secret;
use switchboard_engine::wire::dialect::Flavor;

use crate::app::App;
use crate::config::resolved::Brought;
use crate::fleet::detour::{self, Place};
use crate::refused::Refused;

/// Where a request may say that it goes.
const BASES: [&str; 2] = ["api_base", "base_url"];
const KEY: &str = "api_key";

/// The call on the way it asks for, where it may ask for one.
pub(super) fn directed(mut call: Call, app: &App) -> Result<Call, Refused> {
    let Content::Json(outline) = &call.content else { return Ok(call) };
    let named = BASES.into_iter().find(|name| outline.get(name).is_some());
    // OpenRouter's clients never meant a gateway by such words.
    if named.is_none() && outline.get(KEY).is_none() || call.door.flavor == Flavor::OpenRouter {
        return Ok(call);
    }
    let text = |name: &str| {
        let value: Option<Value> = outline.read(&call.body, name).ok().flatten();
        value.and_then(|value| value.as_str().map(str::to_owned)).filter(|text| !text.is_empty())
    };
    let (config, key) = (app.config(), text(KEY));
    let base = named.and_then(text);
    let found = app.gateway.fleet().find(&call.model).and_then(|(_, group)| group.first().cloned());
    let configured = found.as_ref().and_then(|found| config.deployments.iter().find(|one| one.model_info.id == found.spec.id));
    let nothing = Brought::default();
    let own = configured.map_or(&nothing, |configured| &configured.connection.brought);
    let any = config.general.gates.takes_credentials;
    let is_named = base.as_deref().is_some_and(|base| own.names(base));
    if let Some(name) = named.filter(|_| !(any || own.base || is_named)) {
        return Err(refused(name));
    }
    let key = key.filter(|_| any || own.key);
    let (Some(found), true) = (found, key.is_some() || base.is_some()) else { return Ok(call) };
    let place = Place { key: key.map(Secret::from), base, version: None, anywhere: is_named, is_ours: false };
    let made = detour::of(&found, &place, &app.catalog(), &config);
    let detour = made.map_err(|why| Refused::new(400, "invalid_request_error", json!(named.unwrap_or(KEY)), why))?;
    Arc::make_mut(&mut call.principal).detour = Some(Arc::new(detour));
    Ok(call)
}

fn refused(name: &str) -> Refused {
    let message = format!(
        "Authentication Error, Rejected Request: {name} is not allowed in request body. Clientside passthrough requires explicit admin \
         opt-in via either `general_settings.allow_client_side_credentials = true` (proxy-wide) or `configurable_clientside_auth_params` \
         on the deployment in your proxy config.yaml. Relevant Issue: \
         https://huntr.com/bounties/4001e1a2-7b7a-4776-a3ae-e6692ec3d997"
    );
    Refused::unauthenticated("auth_error", json!("None"), message)
}
