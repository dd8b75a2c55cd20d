//! Which headers of clients are passed on to providers.

use http::HeaderName;
use switchboard_engine::forwarding::Forwarding;

use crate::config::fields::{Fields, Reader};
use crate::config::keys;

/// What `general_settings` says of it.
pub(super) fn of_general(fields: &Fields) -> Forwarding {
    let is_on = |name: &str| fields.flag(name).unwrap_or(false);
    Forwarding {
        every: is_on("forward_client_headers_to_llm_api"),
        organization: is_on("forward_openai_org_id"),
        credentials: is_on("forward_llm_provider_auth_headers"),
        key_header: fields.text("litellm_key_header_name").and_then(|name| HeaderName::try_from(name).ok()),
        ..Forwarding::default()
    }
}

/// The same with what `litellm_settings` adds.
pub(super) fn with_litellm(reader: &mut Reader<'_>, said: Forwarding, fields: &Fields) -> Forwarding {
    let is_on = |name: &str| fields.flag(name).unwrap_or(false);
    Forwarding {
        models: models(reader, fields),
        credentials: said.credentials || is_on("forward_llm_provider_auth_headers"),
        trace: is_on("forward_traceparent_to_llm_provider"),
        ..said
    }
}

/// `model_group_settings: {forward_client_headers_to_llm_api: [model]}`
fn models(reader: &mut Reader<'_>, fields: &Fields) -> Vec<String> {
    const MODELS: &str = "forward_client_headers_to_llm_api";
    let mut models = Vec::new();
    for entry in fields.map("model_group_settings").into_iter().flat_map(|map| &map.entries) {
        let name = format!("litellm_settings.model_group_settings.{}", entry.name);
        if entry.name != MODELS {
            reader.found.warn(&entry.at, format!("`{name}` is no setting"), format!("there is `{MODELS}`"));
        } else if let Some(named) = keys::texts(&entry.node) {
            models = named.into_iter().map(str::to_owned).collect();
        } else if !entry.node.is_absent() {
            reader.wrong_kind(&entry.node, &name, keys::Kind::Texts, &entry.name);
        }
    }
    models
}
