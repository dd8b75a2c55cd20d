//! The routes of the management API: path, who may use it, and what it does.

use http::StatusCode;

use crate::authz::Policy;

use super::{
    Answer, Request, audit, compliance, credits, diagnosis, experiments, grouping, hub, invitations, keys, models, openrouter, ownership,
    prices, proof, scim, several, spend, spent, teams, tools, users,
};

pub use compliance::Compliance;
pub use credits::Credits;
pub use diagnosis::Diagnosis;
pub use experiments::Experiments;
pub use grouping::Grouping;
pub use hub::Hub;
pub use invitations::Invitations;
pub use models::Models;
pub use openrouter::OpenRouter;
pub use prices::Prices;
pub use proof::Proof;
pub use scim::Scim;
pub use several::Several;
pub use spend::Spend;
pub use spent::Whose;
pub use tools::Tool;

/// A row of these routes.
pub type Row = crate::row::Row<Action>;

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Action {
    KeyGenerate,
    KeyServiceAccount,
    KeyUpdate,
    KeyBulkUpdate,
    TeamKeyBulkUpdate,
    KeyDelete,
    KeyBlock,
    KeyUnblock,
    KeyRegenerate,
    KeyInfo,
    KeyInfoOfMany,
    KeyList,
    KeyAliases,
    KeyHealth,
    UserNew,
    UserInfo,
    UserRow,
    UserUpdate,
    UserBulkUpdate,
    UserDelete,
    UserList,
    UserRoles,
    TeamNew,
    TeamUpdate,
    TeamPatch,
    TeamDelete,
    TeamBlock,
    TeamUnblock,
    TeamInfo,
    TeamOwnMembership,
    TeamList,
    TeamPaged,
    TeamMemberAdd,
    TeamMemberBulkAdd,
    TeamMemberUpdate,
    TeamMemberDelete,
    TeamMemberResetBudget,
    TeamModelAdd,
    TeamModelDelete,
    TeamPermissions,
    TeamSetPermissions,
    TeamAddPermissions,
    TeamCallbackAdd,
    TeamCallbackList,
    TeamCallbackDelete,
    TeamDisableLogging,
    AuditList,
    Audit,
    OwnershipList,
    OwnershipClaim,
    OwnershipRelease,
    Proof(Proof),
    Scim(Scim),
    Several(Several),
    Grouping(Grouping),
    Models(Models),
    Spend(Spend),
    Credits(Credits),
    Prices(Prices),
    OpenRouter(OpenRouter),
    ResetSpend(Whose),
    Tool(Tool),
    Hub(Hub),
    Invitations(Invitations),
    Diagnosis(Diagnosis),
    Compliance(Compliance),
    Experiments(Experiments),
}

pub(super) const fn post(path: &'static str, action: Action, policy: Policy, form: &'static str, summary: &'static str) -> Row {
    Row { method: "POST", path, route: action, policy, summary, form }
}

pub(super) const fn get(path: &'static str, action: Action, policy: Policy, summary: &'static str) -> Row {
    Row { method: "GET", path, route: action, policy, summary, form: "" }
}

use Policy::{Info, Keys, Managed, Viewer};

/// Every route.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    let others: [&'static [Row]; 15] = [
        proof::ROWS,
        scim::ROWS,
        several::ROWS,
        grouping::ROWS,
        models::ROWS,
        tools::ROWS,
        spend::ROWS,
        credits::ROWS,
        prices::ROWS,
        openrouter::ROWS,
        experiments::ROWS,
        hub::ROWS,
        invitations::ROWS,
        diagnosis::ROWS,
        compliance::ROWS,
    ];
    ROWS.iter().chain(others.into_iter().flatten())
}

/// Those of keys, users and teams, and of the audit log.
const ROWS: &[Row] = &[
    post("/key/generate", Action::KeyGenerate, Keys, "GenerateKeyRequest", "Make a key"),
    post("/key/service-account/generate", Action::KeyServiceAccount, Keys, "GenerateKeyRequest", "Make a key of a team and of no user"),
    post("/key/update", Action::KeyUpdate, Keys, "UpdateKeyRequest", "Change a key"),
    post("/key/bulk_update", Action::KeyBulkUpdate, Policy::Admin, "BulkUpdateKeyRequest", "Change several keys"),
    post("/team/key/bulk_update", Action::TeamKeyBulkUpdate, Managed, "BulkUpdateTeamKeysRequest", "Change keys of a team alike"),
    post("/key/delete", Action::KeyDelete, Keys, "KeyRequest", "Delete keys"),
    post("/key/block", Action::KeyBlock, Keys, "BlockKeyRequest", "Block a key"),
    post("/key/unblock", Action::KeyUnblock, Keys, "BlockKeyRequest", "Unblock a key"),
    post("/key/regenerate", Action::KeyRegenerate, Keys, "RegenerateKeyRequest", "Put a new key in the place of one"),
    post("/key/{key}/regenerate", Action::KeyRegenerate, Keys, "RegenerateKeyRequest", "Put a new key in the place of one"),
    post("/key/{key}/reset_spend", Action::ResetSpend(Whose::Key), Keys, "ResetSpendRequest", "Set back what a key has spent"),
    post(
        "/team/{team_id}/reset_spend",
        Action::ResetSpend(Whose::Team),
        Policy::Admin,
        "ResetSpendRequest",
        "Set back what a team has spent",
    ),
    post(
        "/user/{user_id}/reset_spend",
        Action::ResetSpend(Whose::User),
        Policy::Admin,
        "ResetSpendRequest",
        "Set back what a user has spent",
    ),
    post(
        "/team/{team_id}/member/{user_id}/reset_spend",
        Action::ResetSpend(Whose::Member),
        Managed,
        "ResetSpendRequest",
        "Set back what somebody has spent in a team",
    ),
    post(
        "/team/{team_id}/member/{user_id}/reset_budget",
        Action::TeamMemberResetBudget,
        Managed,
        "",
        "Give somebody in a team the budget that its members share",
    ),
    post("/global/spend/reset", Action::ResetSpend(Whose::Everybody), Policy::Admin, "", "Set back what every key and team has spent"),
    get("/key/info", Action::KeyInfo, Info, "One key; the caller's own unless said"),
    post("/v2/key/info", Action::KeyInfoOfMany, Info, "KeyInfoRequest", "Several keys"),
    get("/key/list", Action::KeyList, Info, "Keys, page by page"),
    get("/key/aliases", Action::KeyAliases, Info, "What keys are called"),
    post("/key/health", Action::KeyHealth, Info, "", "Whether the caller's key can be used"),
    post("/user/new", Action::UserNew, Managed, "NewUserRequest", "Make a user"),
    get("/user/info", Action::UserInfo, Info, "A user with keys and teams; the caller unless said"),
    get("/v2/user/info", Action::UserRow, Info, "A user alone"),
    post("/user/update", Action::UserUpdate, Policy::Admin, "UpdateUserRequest", "Change a user"),
    post("/user/bulk_update", Action::UserBulkUpdate, Policy::Admin, "BulkUpdateUserRequest", "Change several users"),
    post("/user/delete", Action::UserDelete, Managed, "DeleteUserRequest", "Delete users with their keys"),
    get("/user/list", Action::UserList, Viewer, "Users, page by page"),
    get("/user/available_roles", Action::UserRoles, Info, "What users may be"),
    post("/team/new", Action::TeamNew, Managed, "NewTeamRequest", "Make a team"),
    post("/team/update", Action::TeamUpdate, Managed, "UpdateTeamRequest", "Change a team"),
    Row { method: "PATCH", ..post("/team/{team_id}", Action::TeamPatch, Managed, "PatchTeamRequest", "Change a team") },
    post("/team/delete", Action::TeamDelete, Managed, "DeleteTeamRequest", "Delete teams with their keys"),
    post("/team/block", Action::TeamBlock, Policy::Admin, "BlockTeamRequest", "Block a team"),
    post("/team/unblock", Action::TeamUnblock, Policy::Admin, "BlockTeamRequest", "Unblock a team"),
    get("/team/info", Action::TeamInfo, Info, "A team with its keys and members"),
    get("/team/{team_id}/members/me", Action::TeamOwnMembership, Info, "What the caller has of its own in a team"),
    get("/team/list", Action::TeamList, Info, "Teams"),
    get("/v2/team/list", Action::TeamPaged, Info, "Teams, page by page"),
    post("/team/member_add", Action::TeamMemberAdd, Managed, "TeamMemberAddRequest", "Put somebody into a team"),
    post("/team/bulk_member_add", Action::TeamMemberBulkAdd, Managed, "BulkTeamMemberAddRequest", "Put several people into a team"),
    post("/team/member_update", Action::TeamMemberUpdate, Managed, "TeamMemberUpdateRequest", "Change what somebody has in a team"),
    post("/team/member_delete", Action::TeamMemberDelete, Managed, "TeamMemberDeleteRequest", "Take somebody out of a team"),
    post("/team/model/add", Action::TeamModelAdd, Policy::Admin, "TeamModelAddRequest", "Let a team use more models"),
    post("/team/model/delete", Action::TeamModelDelete, Policy::Admin, "TeamModelDeleteRequest", "Let a team use fewer models"),
    get("/team/permissions_list", Action::TeamPermissions, Managed, "What members may do with keys"),
    post(
        "/team/permissions_update",
        Action::TeamSetPermissions,
        Managed,
        "UpdateTeamMemberPermissionsRequest",
        "Say what members may do with keys",
    ),
    post(
        "/team/permissions_bulk_update",
        Action::TeamAddPermissions,
        Policy::Admin,
        "BulkUpdateTeamMemberPermissionsRequest",
        "Let the members of several teams do more with keys",
    ),
    post("/team/{team_id}/callback", Action::TeamCallbackAdd, Managed, "AddTeamCallback", "Note whom a team wants told of its requests"),
    get("/team/{team_id}/callback", Action::TeamCallbackList, Managed, "Whom a team wants told of its requests"),
    Row {
        method: "DELETE",
        ..post("/team/{team_id}/callback/{callback_name}", Action::TeamCallbackDelete, Managed, "", "Have somebody no longer told")
    },
    post("/team/{team_id}/disable_logging", Action::TeamDisableLogging, Policy::Admin, "", "Have nobody told of a team's requests"),
    get("/audit", Action::AuditList, Viewer, "What administrators did and were refused, page by page"),
    get("/audit/{id}", Action::Audit, Viewer, "One thing that an administrator did"),
    get("/ownership", Action::OwnershipList, Viewer, "Who has charge of which objects, by files"),
    post("/ownership", Action::OwnershipClaim, Policy::Admin, "OwnershipRequest", "Take charge of an object"),
    post("/ownership/release", Action::OwnershipRelease, Policy::Admin, "OwnershipRequest", "Give up the charge of an object"),
];

/// The status of an answer where all goes well.
pub(crate) fn status(action: Action) -> StatusCode {
    match action {
        Action::Grouping(Grouping::AccessGroupCreate) => StatusCode::CREATED,
        Action::OpenRouter(action) if openrouter::creates(action) => StatusCode::CREATED,
        Action::Grouping(Grouping::AccessGroupRemove) => StatusCode::NO_CONTENT,
        Action::Scim(action) => scim::status(action),
        _ => StatusCode::OK,
    }
}

/// Does what a route does.
#[expect(clippy::too_many_lines, reason = "a table: one line for each action")]
pub(super) async fn dispatch(action: Action, request: &Request) -> Answer {
    match action {
        Action::KeyGenerate => keys::generate(request).await,
        Action::KeyServiceAccount => keys::service_account(request).await,
        Action::KeyUpdate => keys::update(request).await,
        Action::KeyBulkUpdate => keys::bulk_update(request).await,
        Action::TeamKeyBulkUpdate => keys::bulk_update_of_team(request).await,
        Action::KeyDelete => keys::delete(request).await,
        Action::KeyBlock => keys::block(request).await,
        Action::KeyUnblock => keys::unblock(request).await,
        Action::KeyRegenerate => keys::regenerate(request).await,
        Action::KeyInfo => keys::info(request).await,
        Action::KeyInfoOfMany => keys::info_of_many(request).await,
        Action::KeyList => keys::list(request).await,
        Action::KeyAliases => keys::aliases(request).await,
        Action::KeyHealth => keys::health(request).await,
        Action::UserNew => users::new(request).await,
        Action::UserInfo => users::info(request).await,
        Action::UserRow => users::own_row(request).await,
        Action::UserUpdate => users::update(request).await,
        Action::UserBulkUpdate => users::bulk_update(request).await,
        Action::UserDelete => users::delete(request).await,
        Action::UserList => users::list(request).await,
        Action::UserRoles => users::roles(request).await,
        Action::TeamNew => teams::new(request).await,
        Action::TeamUpdate => teams::update(request).await,
        Action::TeamPatch => teams::patch(request).await,
        Action::TeamDelete => teams::delete(request).await,
        Action::TeamBlock => teams::block(request).await,
        Action::TeamUnblock => teams::unblock(request).await,
        Action::TeamInfo => teams::info(request).await,
        Action::TeamOwnMembership => teams::own_membership(request).await,
        Action::TeamList => teams::list(request).await,
        Action::TeamPaged => teams::paged(request).await,
        Action::TeamMemberAdd => teams::add(request).await,
        Action::TeamMemberBulkAdd => teams::add_many(request).await,
        Action::TeamMemberUpdate => teams::change_member(request).await,
        Action::TeamMemberDelete => teams::remove_member(request).await,
        Action::TeamMemberResetBudget => teams::reset_budget(request).await,
        Action::TeamModelAdd => teams::add_models(request).await,
        Action::TeamModelDelete => teams::delete_models(request).await,
        Action::TeamPermissions => teams::permissions(request).await,
        Action::TeamSetPermissions => teams::set_permissions(request).await,
        Action::TeamAddPermissions => teams::add_permissions(request).await,
        Action::TeamCallbackAdd => teams::add_callback(request).await,
        Action::TeamCallbackList => teams::callbacks(request).await,
        Action::TeamCallbackDelete => teams::remove_callback(request).await,
        Action::TeamDisableLogging => teams::disable_logging(request).await,
        Action::AuditList => audit::list(request).await,
        Action::Audit => audit::one(request).await,
        Action::OwnershipList => ownership::list(request).await,
        Action::OwnershipClaim => ownership::claim(request).await,
        Action::OwnershipRelease => ownership::release(request).await,
        Action::Proof(action) => proof::dispatch(action, request).await,
        Action::Scim(action) => scim::dispatch(action, request).await,
        Action::Several(action) => several::dispatch(action, request).await,
        Action::Grouping(action) => grouping::dispatch(action, request).await,
        Action::Models(action) => models::dispatch(action, request).await,
        Action::Spend(action) => spend::dispatch(action, request).await,
        Action::Credits(action) => credits::dispatch(action, request).await,
        Action::Prices(action) => prices::dispatch(action, request).await,
        Action::ResetSpend(whose) => spent::reset(whose, request).await,
        Action::OpenRouter(action) => openrouter::dispatch(action, request).await,
        Action::Tool(action) => tools::dispatch(action, request).await,
        Action::Invitations(action) => invitations::dispatch(action, request).await,
        Action::Hub(action) => hub::dispatch(action, request).await,
        Action::Diagnosis(action) => diagnosis::dispatch(action, request).await,
        Action::Compliance(action) => compliance::dispatch(action, request),
        Action::Experiments(action) => experiments::dispatch(action, request).await,
    }
}

/// The variable parts of a path, in their order. One that takes several parts (`{*name}`) is the only one of its path.
pub(super) fn variables(pattern: &str, path: &str) -> Vec<String> {
    if let Some((before, after)) = pattern.split_once("{*").and_then(|(before, rest)| Some((before, rest.split_once('}')?.1))) {
        let from = path.find(before).map_or(0, |at| at + before.len());
        let whole = path.get(from..).unwrap_or_default();
        return vec![crate::query::decode(whole.strip_suffix(after).unwrap_or(whole))];
    }
    let pairs = pattern.split('/').rev().zip(path.split('/').rev());
    let mut found: Vec<String> = pairs.filter(|(part, _)| part.starts_with('{')).map(|(_, value)| crate::query::decode(value)).collect();
    found.reverse();
    found
}
