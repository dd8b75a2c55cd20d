//! `/model/…`, `/credentials`, `/fallback`, and what else is laid over the configuration while the gateway runs.

mod block;
pub(crate) mod brought;
mod change;
mod credentials;
mod delete;
mod fallbacks;
mod given;
mod new;
mod passing;
mod rename;
pub(crate) mod rules;
pub(crate) mod settings;
mod tags;

use serde_json::{Map, Value, json};
use switchboard_store::Desk;
use switchboard_store::object::Model;
use switchboard_store::vault::Vault;

use super::routes::Row;
use super::routes::{Action, get, post};
use super::{Answer, Request};
use crate::authz::Policy::{Admin, Info, Viewer};
use crate::live::seal;
use crate::refused::Refused;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Models {
    New,
    Update,
    Patch,
    Delete,
    Block,
    Unblock,
    CredentialNew,
    CredentialList,
    CredentialByName,
    CredentialByModel,
    CredentialUpdate,
    CredentialDelete,
    CredentialMigration,
    FallbackNew,
    FallbackInfo,
    FallbackDelete,
    ConfigUpdate,
    ConfigList,
    ConfigFieldInfo,
    ConfigFieldUpdate,
    ConfigFieldDelete,
    ConfigCallbacks,
    ConfigCallbackDelete,
    RouterSettings,
    GivenUsers,
    SetGivenUsers,
    GivenTeams,
    SetGivenTeams,
    Discounts,
    SetDiscounts,
    Margins,
    SetMargins,
    Unpriced,
    SetUnpriced,
    AllowedIps,
    AddAllowedIp,
    DeleteAllowedIp,
    GroupTagNew,
    GroupTagUpdate,
    GroupTagDelete,
    PassThroughList,
    PassThroughOfTeam,
    PassThroughNew,
    PassThroughUpdate,
    PassThroughDelete,
}

use Models as Do;

const fn changed(method: &'static str, row: Row) -> Row {
    Row { method, ..row }
}

const fn admin(path: &'static str, action: Do, form: &'static str, summary: &'static str) -> Row {
    post(path, Action::Models(action), Admin, form, summary)
}

const fn shown(path: &'static str, action: Do, policy: crate::authz::Policy, summary: &'static str) -> Row {
    get(path, Action::Models(action), policy, summary)
}

/// The routes.
pub(super) const ROWS: &[Row] = &[
    // Whose model it is decides who may write it, which the body says.
    post("/model/new", Action::Models(Do::New), Info, "Deployment", "Add a deployment of a model"),
    post("/model/update", Action::Models(Do::Update), Info, "UpdateDeployment", "Change a deployment"),
    changed("PATCH", post("/model/{*model}/update", Action::Models(Do::Patch), Info, "UpdateDeployment", "Change some of a deployment")),
    post("/model/delete", Action::Models(Do::Delete), Info, "ModelInfoDelete", "Delete a deployment"),
    post("/model/block", Action::Models(Do::Block), Info, "BlockModelRequest", "Take a deployment out of service"),
    post("/model/unblock", Action::Models(Do::Unblock), Info, "BlockModelRequest", "Put a deployment back into service"),
    admin("/credentials", Do::CredentialNew, "CreateCredentialItem", "Keep values that models refer to by name"),
    shown("/credentials", Do::CredentialList, Viewer, "The credentials, values masked"),
    shown("/credentials/migrate-encryption/check", Do::CredentialMigration, Viewer, "Whether every secret is sealed as it should be"),
    shown("/credentials/by_name/{*credential}", Do::CredentialByName, Viewer, "A credential, values masked"),
    shown("/credentials/by_model/{model_id}", Do::CredentialByModel, Viewer, "The credential of a deployment, values masked"),
    changed("PATCH", admin("/credentials/{*credential}", Do::CredentialUpdate, "UpdateCredentialItem", "Change a credential")),
    changed("DELETE", admin("/credentials/{*credential}", Do::CredentialDelete, "", "Delete a credential")),
    admin("/fallback", Do::FallbackNew, "FallbackCreateRequest", "Say where calls of a model go when it fails"),
    shown("/fallback/{*fallback}", Do::FallbackInfo, Viewer, "Where calls of a model go when it fails"),
    changed("DELETE", admin("/fallback/{*fallback}", Do::FallbackDelete, "", "Forget where calls of a model go when it fails")),
    admin("/config/update", Do::ConfigUpdate, "ConfigYAML", "Change the configuration while the gateway runs"),
    shown("/config/list", Do::ConfigList, Viewer, "The keys of a section, with what they are set to"),
    shown("/config/field/info", Do::ConfigFieldInfo, Viewer, "What a key of `general_settings` is set to over the API"),
    admin("/config/field/update", Do::ConfigFieldUpdate, "ConfigFieldUpdate", "Set a key of `general_settings`"),
    admin("/config/field/delete", Do::ConfigFieldDelete, "ConfigFieldDelete", "Forget what a key was set to over the API"),
    shown("/get/config/callbacks", Do::ConfigCallbacks, Viewer, "Which callbacks are configured"),
    admin("/config/callback/delete", Do::ConfigCallbackDelete, "CallbackDelete", "Remove a callback"),
    shown("/router/settings", Do::RouterSettings, Viewer, "How deployments are chosen and tried"),
    shown("/get/internal_user_settings", Do::GivenUsers, Viewer, "What new users are given unless said"),
    changed(
        "PATCH",
        admin("/update/internal_user_settings", Do::SetGivenUsers, "DefaultInternalUserParams", "Say what new users are given"),
    ),
    shown("/get/default_team_settings", Do::GivenTeams, Viewer, "What new teams are given unless said"),
    changed("PATCH", admin("/update/default_team_settings", Do::SetGivenTeams, "DefaultTeamSSOParams", "Say what new teams are given")),
    shown("/config/cost_discount_config", Do::Discounts, Viewer, "What is taken off the prices of providers"),
    changed("PATCH", admin("/config/cost_discount_config", Do::SetDiscounts, "", "Say what is taken off the prices of providers")),
    shown("/config/cost_margin_config", Do::Margins, Viewer, "What is laid on the prices of providers"),
    changed("PATCH", admin("/config/cost_margin_config", Do::SetMargins, "", "Say what is laid on the prices of providers")),
    shown("/config/block_requests_for_models_without_pricing", Do::Unpriced, Viewer, "Whether models without a price are refused"),
    changed(
        "PATCH",
        admin(
            "/config/block_requests_for_models_without_pricing",
            Do::SetUnpriced,
            "BlockUnpricedModelsRequest",
            "Say whether models without a price are refused",
        ),
    ),
    shown("/get/allowed_ips", Do::AllowedIps, Viewer, "The addresses that may reach the gateway"),
    admin("/add/allowed_ip", Do::AddAllowedIp, "IpAddress", "Let an address reach the gateway"),
    admin("/delete/allowed_ip", Do::DeleteAllowedIp, "IpAddress", "Let an address no longer reach the gateway"),
    shown("/config/pass_through_endpoint", Do::PassThroughList, Viewer, "The routes that are passed on as they are"),
    shown("/config/pass_through_endpoint/team/{team_id}", Do::PassThroughOfTeam, Viewer, "Those of them that a team may use"),
    admin("/config/pass_through_endpoint", Do::PassThroughNew, "PassThroughGenericEndpoint", "Add a route that is passed on"),
    admin("/config/pass_through_endpoint/{endpoint_id}", Do::PassThroughUpdate, "PassThroughGenericEndpoint", "Change such a route"),
    changed("DELETE", admin("/config/pass_through_endpoint", Do::PassThroughDelete, "", "Delete such a route")),
    admin("/access_group/new", Do::GroupTagNew, "NewModelGroupRequest", "Put models into a group"),
    changed(
        "PUT",
        admin("/access_group/{access_group}/update", Do::GroupTagUpdate, "UpdateModelGroupRequest", "Change what is in a group"),
    ),
    changed("DELETE", admin("/access_group/{access_group}/delete", Do::GroupTagDelete, "", "Take every model out of a group")),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Do, request: &Request) -> Answer {
    match action {
        Do::New => new::new(request).await,
        Do::Update => change::update(request).await,
        Do::Patch => change::patch(request).await,
        Do::Delete => delete::delete(request).await,
        Do::Block => block::set(request, true).await,
        Do::Unblock => block::set(request, false).await,
        Do::CredentialNew => credentials::new(request).await,
        Do::CredentialList => credentials::list(request).await,
        Do::CredentialByName => credentials::by_name(request).await,
        Do::CredentialByModel => credentials::by_model(request).await,
        Do::CredentialUpdate => credentials::update(request).await,
        Do::CredentialDelete => credentials::delete(request).await,
        Do::CredentialMigration => credentials::migration(request).await,
        Do::FallbackNew => fallbacks::new(request).await,
        Do::FallbackInfo => fallbacks::info(request).await,
        Do::FallbackDelete => fallbacks::delete(request).await,
        Do::ConfigUpdate => settings::update(request).await,
        Do::ConfigList => settings::list(request).await,
        Do::ConfigFieldInfo => settings::field(request).await,
        Do::ConfigFieldUpdate => settings::set_field(request).await,
        Do::ConfigFieldDelete => settings::delete_field(request).await,
        Do::ConfigCallbacks => settings::callbacks(request).await,
        Do::ConfigCallbackDelete => settings::delete_callback(request).await,
        Do::RouterSettings => settings::router(request).await,
        Do::GivenUsers => given::users(request).await,
        Do::SetGivenUsers => given::set_users(request).await,
        Do::GivenTeams => given::teams(request).await,
        Do::SetGivenTeams => given::set_teams(request).await,
        Do::Discounts => given::costs(request, given::Costs::Discount).await,
        Do::SetDiscounts => given::set_costs(request, given::Costs::Discount).await,
        Do::Margins => given::costs(request, given::Costs::Margin).await,
        Do::SetMargins => given::set_costs(request, given::Costs::Margin).await,
        Do::Unpriced => given::blocks_unpriced(request),
        Do::SetUnpriced => given::block_unpriced(request).await,
        Do::AllowedIps => settings::addresses(request).await,
        Do::AddAllowedIp => settings::add_address(request).await,
        Do::DeleteAllowedIp => settings::delete_address(request).await,
        Do::GroupTagNew => tags::new(request).await,
        Do::GroupTagUpdate => tags::update(request).await,
        Do::GroupTagDelete => tags::delete(request).await,
        Do::PassThroughList => passing::list(request).await,
        Do::PassThroughOfTeam => passing::of_team(request).await,
        Do::PassThroughNew => passing::new(request).await,
        Do::PassThroughUpdate => passing::update(request).await,
        Do::PassThroughDelete => passing::delete(request).await,
    }
}

/// A JSON object.
type Json = Map<String, Value>;

/// What is said where models may not be stored.
pub(super) fn may_store(request: &Request) -> Result<(), Refused> {
    if request.app.config().general.may_store_models {
        return Ok(());
    }
    let message = "{'error': \"Set `'STORE_MODEL_IN_DB='True'` in your env to enable this feature.\"}";
    Err(Refused::new(500, "auth_error", json!("None"), message))
}

/// What secrets are sealed with.
pub(super) async fn vault(request: &Request) -> Result<Vault, Refused> {
    Ok(request.app.trust()?.vault().await?.clone())
}

/// A model's row, secrets masked.
fn row(model: &Model, params: &Json) -> Value {
    let shown: Json = params
        .iter()
        .map(|(name, value)| (name.clone(), if seal::is_secret(name, value) { seal::masked(value) } else { value.clone() }))
        .collect();
    let mut row = super::rows::columns(model);
    row.remove("sealed");
    row.insert("litellm_params".to_owned(), Value::Object(shown));
    Value::Object(row)
}

/// Whether the configuration's own file has a deployment of that id.
fn in_file(request: &Request, id: &str) -> bool {
    request.app.live.base().deployments.iter().any(|deployment| deployment.model_info.id == id)
}

/// Whether anything but that model is called so.
async fn is_named(desk: &Desk, request_names: &[String], name: &str, but: &str) -> Result<bool, Refused> {
    let others = desk.named::<Model>(name).await?;
    Ok(request_names.iter().any(|one| one == name) || others.iter().any(|other| other.model_id != but))
}
