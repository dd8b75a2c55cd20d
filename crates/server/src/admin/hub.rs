//! What everyone may see without a key: the models that an administrator shows, and who could serve models here.

mod page;

use serde_json::{Map, Value, json};

use super::models::settings::{self, Section};
use super::routes::Row;
use super::routes::{Action, get, post};
use super::{Answer, Request};
use crate::authz::Policy::{Admin, Public};
use crate::models::info;
use crate::refused::Refused;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Hub {
    Models,
    ModelsPaged,
    Facet,
    About,
    Providers,
    ProviderFields,
    MakePublic,
    Links,
}

use Hub as Do;

/// The routes.
pub(super) const ROWS: &[Row] = &[
    get("/public/model_hub", Action::Hub(Do::Models), Public, "The models that are shown to everyone"),
    get("/public/v1/model_hub", Action::Hub(Do::ModelsPaged), Public, "The models that are shown to everyone, page by page"),
    get("/public/v1/model_hub/{facet}", Action::Hub(Do::Facet), Public, "The providers, modes or features among them"),
    get("/public/model_hub/info", Action::Hub(Do::About), Public, "What is said beside them"),
    get("/public/providers", Action::Hub(Do::Providers), Public, "Every provider that a model can be at"),
    get("/public/providers/fields", Action::Hub(Do::ProviderFields), Public, "What a deployment at each provider is given"),
    post(
        "/model_group/make_public",
        Action::Hub(Do::MakePublic),
        Admin,
        "UpdatePublicModelGroupsRequest",
        "Say which models everyone sees",
    ),
    post("/model_hub/update_useful_links", Action::Hub(Do::Links), Admin, "UpdateUsefulLinksRequest", "Say which links stand beside them"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Do, request: &Request) -> Answer {
    match action {
        Do::Models => Ok(Value::Array(shown(request))),
        Do::ModelsPaged => page::list(request, shown(request)),
        Do::Facet => page::facet(request, shown(request)),
        Do::About => Ok(about(request)),
        Do::Providers => Ok(request.app.catalog().providers().map(|provider| provider.id.clone()).collect()),
        Do::ProviderFields => Ok(fields(request)),
        Do::MakePublic => make_public(request).await,
        Do::Links => links(request).await,
    }
}

/// The rows: models that are public, and pass-through routes that are shown as such.
fn shown(request: &Request) -> Vec<Value> {
    let config = request.app.config();
    let mut rows = info::public_groups(&request.app, &config.litellm.public_models);
    let latest = request.app.checks.latest_by_group();
    for row in &mut rows {
        let found = row["model_group"].as_str().and_then(|group| latest.get(group));
        row["health_status"] = found.map(|one| if one.error.is_none() { "healthy" } else { "unhealthy" }).into();
        row["health_response_time"] = found.map(|one| (one.took.as_secs_f64() * 100_000.0).round() / 100.0).into();
        row["health_checked_at"] = found.map(|one| switchboard_engine::sign::rfc3339(one.at)).into();
    }
    let passed_on = config.general.pass_through.iter().filter_map(|one| {
        Some(json!({
            "model_group": one.shown_as.as_ref()?,
            "providers": [],
            "mode": "passthrough",
            "is_public_model_group": true,
            "pass_through_path": one.path,
            "pass_through_methods": one.methods.iter().map(http::Method::as_str).collect::<Vec<_>>(),
        }))
    });
    rows.extend(passed_on);
    rows
}

/// `GET /public/model_hub/info`
fn about(request: &Request) -> Value {
    json!({
        "docs_title": "Switchboard",
        "custom_docs_description": null,
        "litellm_version": env!("CARGO_PKG_VERSION"),
        "useful_links": request.app.config().litellm.public_links,
    })
}

/// `GET /public/providers/fields`: the key, where one is asked for, and the address.
fn fields(request: &Request) -> Value {
    let field = |key: &str, label: &str, required: bool, kind: &str| {
        json!({
            "key": key, "label": label, "placeholder": null, "tooltip": null, "required": required, "field_type": kind,
            "options": null, "default_value": null,
        })
    };
    let catalog = request.app.catalog();
    let rows = catalog.providers().map(|provider| {
        json!({
            "provider": provider.id,
            "provider_display_name": provider.listed_name(),
            "litellm_provider": provider.id,
            "default_model_placeholder": catalog.models_of(&provider.id).next().map(|card| card.model),
            "credential_fields": [field("api_base", "API Base", false, "text"), field("api_key", "API Key", false, "password")],
        })
    });
    rows.collect()
}

/// `POST /model_group/make_public`
async fn make_public(request: &Request) -> Answer {
    let names = request.form("UpdatePublicModelGroupsRequest")?.texts("model_groups").unwrap_or_default();
    put(request, "public_model_groups", json!(names)).await?;
    Ok(json!({
        "message": "Successfully updated public model groups",
        "public_model_groups": names,
        "updated_by": request.caller.user,
    }))
}

/// `POST /model_hub/update_useful_links`
async fn links(request: &Request) -> Answer {
    let form = request.form("UpdateUsefulLinksRequest")?;
    let links: Map<String, Value> = form.object("useful_links").cloned().unwrap_or_default();
    put(request, "public_model_groups_links", Value::Object(links.clone())).await?;
    Ok(json!({"message": "Successfully updated useful links", "useful_links": links}))
}

/// Sets a key of `litellm_settings`.
async fn put(request: &Request, key: &'static str, value: Value) -> Result<(), Refused> {
    super::models::may_store(request)?;
    settings::change(request, Section::Litellm, move |values| {
        values.insert(key.to_owned(), value);
        Ok(())
    })
    .await
}
