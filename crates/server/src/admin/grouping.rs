//! What people and keys are gathered in: organizations, customers, budgets, tags, projects, groups of models.

pub(super) mod access_groups;
mod budgets;
mod customers;
mod model_groups;
mod organization_members;
mod organizations;
mod projects;
mod tags;
mod terms;

pub(super) use tags::release as release_tags;

use super::routes::Row;
use super::routes::{Action, get, post};
use super::{Answer, Request};
use crate::authz::Policy::{Admin, Info, Managed, Viewer};

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is the route it is named after")]
pub enum Grouping {
    OrganizationNew,
    OrganizationUpdate,
    OrganizationPatch,
    OrganizationDelete,
    OrganizationInfo,
    OrganizationInfoOfMany,
    OrganizationList,
    OrganizationMemberAdd,
    OrganizationMemberUpdate,
    OrganizationMemberDelete,
    CustomerNew,
    CustomerUpdate,
    CustomerDelete,
    CustomerBlock,
    CustomerUnblock,
    CustomerInfo,
    CustomerList,
    BudgetNew,
    BudgetUpdate,
    BudgetInfo,
    BudgetDelete,
    BudgetList,
    BudgetSettings,
    TagNew,
    TagUpdate,
    TagDelete,
    TagInfo,
    TagList,
    ProjectNew,
    ProjectUpdate,
    ProjectDelete,
    ProjectInfo,
    ProjectList,
    AccessGroupList,
    AccessGroupCreate,
    AccessGroupOne,
    AccessGroupUpdate,
    AccessGroupRemove,
    ModelGroupList,
    ModelGroupInfo,
    ModelGroupBudget,
    ModelGroupSetBudget,
    ModelGroupClearBudget,
    TeamAvailable,
}

use Grouping as Do;

const fn patch(path: &'static str, action: Do, form: &'static str, summary: &'static str) -> Row {
    Row { method: "PATCH", ..post(path, Action::Grouping(action), Managed, form, summary) }
}

const fn put(path: &'static str, action: Do, form: &'static str, summary: &'static str) -> Row {
    Row { method: "PUT", ..post(path, Action::Grouping(action), Admin, form, summary) }
}

const fn delete(path: &'static str, action: Do, form: &'static str, summary: &'static str) -> Row {
    Row { method: "DELETE", ..post(path, Action::Grouping(action), Admin, form, summary) }
}

/// By administrators.
const fn admin(path: &'static str, action: Do, form: &'static str, summary: &'static str) -> Row {
    post(path, Action::Grouping(action), Admin, form, summary)
}

const fn shown(path: &'static str, action: Do, policy: crate::authz::Policy, summary: &'static str) -> Row {
    get(path, Action::Grouping(action), policy, summary)
}

/// The routes.
pub(super) const ROWS: &[Row] = &[
    admin("/organization/new", Do::OrganizationNew, "NewOrganizationRequest", "Make an organization"),
    patch("/organization/update", Do::OrganizationUpdate, "UpdateOrganizationRequest", "Change an organization"),
    patch("/v2/organization/{organization_id}", Do::OrganizationPatch, "PatchOrganizationRequest", "Change some of an organization"),
    delete("/organization/delete", Do::OrganizationDelete, "DeleteOrganizationRequest", "Delete organizations with their teams and keys"),
    shown("/organization/info", Do::OrganizationInfo, Info, "An organization with its members and teams"),
    post("/organization/info", Action::Grouping(Do::OrganizationInfoOfMany), Info, "OrganizationRequest", "Several organizations"),
    shown("/organization/list", Do::OrganizationList, Info, "Organizations"),
    post("/organization/list", Action::Grouping(Do::OrganizationList), Info, "", "Organizations, as older clients ask"),
    post(
        "/organization/member_add",
        Action::Grouping(Do::OrganizationMemberAdd),
        Managed,
        "OrganizationMemberAddRequest",
        "Put people into an organization",
    ),
    patch(
        "/organization/member_update",
        Do::OrganizationMemberUpdate,
        "OrganizationMemberUpdateRequest",
        "Change what somebody is in an organization",
    ),
    Row {
        method: "DELETE",
        ..post(
            "/organization/member_delete",
            Action::Grouping(Do::OrganizationMemberDelete),
            Managed,
            "OrganizationMemberDeleteRequest",
            "Take somebody out of an organization",
        )
    },
    admin("/customer/new", Do::CustomerNew, "NewCustomerRequest", "Make a customer"),
    admin("/customer/update", Do::CustomerUpdate, "UpdateCustomerRequest", "Change a customer"),
    admin("/customer/delete", Do::CustomerDelete, "DeleteCustomerRequest", "Delete customers"),
    admin("/customer/block", Do::CustomerBlock, "BlockUsers", "Block customers"),
    admin("/customer/unblock", Do::CustomerUnblock, "BlockUsers", "Unblock customers"),
    shown("/customer/info", Do::CustomerInfo, Viewer, "A customer"),
    shown("/customer/list", Do::CustomerList, Viewer, "Customers"),
    admin("/end_user/new", Do::CustomerNew, "NewCustomerRequest", "Make a customer"),
    admin("/end_user/update", Do::CustomerUpdate, "UpdateCustomerRequest", "Change a customer"),
    admin("/end_user/delete", Do::CustomerDelete, "DeleteCustomerRequest", "Delete customers"),
    admin("/end_user/block", Do::CustomerBlock, "BlockUsers", "Block customers"),
    admin("/end_user/unblock", Do::CustomerUnblock, "BlockUsers", "Unblock customers"),
    shown("/end_user/info", Do::CustomerInfo, Viewer, "A customer"),
    shown("/end_user/list", Do::CustomerList, Viewer, "Customers"),
    admin("/budget/new", Do::BudgetNew, "BudgetNewRequest", "Make a budget"),
    admin("/budget/update", Do::BudgetUpdate, "BudgetNewRequest", "Change a budget"),
    post("/budget/info", Action::Grouping(Do::BudgetInfo), Viewer, "BudgetRequest", "Several budgets"),
    admin("/budget/delete", Do::BudgetDelete, "BudgetDeleteRequest", "Delete a budget"),
    shown("/budget/list", Do::BudgetList, Viewer, "Budgets"),
    shown("/budget/settings", Do::BudgetSettings, Viewer, "The fields of a budget, with what they mean"),
    post("/tag/new", Action::Grouping(Do::TagNew), Managed, "TagNewRequest", "Make a tag"),
    post("/tag/update", Action::Grouping(Do::TagUpdate), Managed, "TagUpdateRequest", "Change a tag"),
    post("/tag/delete", Action::Grouping(Do::TagDelete), Managed, "TagDeleteRequest", "Delete a tag"),
    post("/tag/info", Action::Grouping(Do::TagInfo), Viewer, "TagInfoRequest", "Several tags"),
    shown("/tag/list", Do::TagList, Info, "Tags"),
    post("/project/new", Action::Grouping(Do::ProjectNew), Managed, "NewProjectRequest", "Make a project of a team"),
    post("/project/update", Action::Grouping(Do::ProjectUpdate), Managed, "UpdateProjectRequest", "Change a project"),
    delete("/project/delete", Do::ProjectDelete, "DeleteProjectRequest", "Delete projects"),
    shown("/project/info", Do::ProjectInfo, Info, "A project"),
    shown("/project/list", Do::ProjectList, Info, "Projects"),
    shown("/v1/access_group", Do::AccessGroupList, Viewer, "Groups of models"),
    admin("/v1/access_group", Do::AccessGroupCreate, "AccessGroupCreateRequest", "Make a group of models"),
    shown("/v1/access_group/{access_group_id}", Do::AccessGroupOne, Viewer, "A group of models"),
    put("/v1/access_group/{access_group_id}", Do::AccessGroupUpdate, "AccessGroupUpdateRequest", "Change a group of models"),
    delete("/v1/access_group/{access_group_id}", Do::AccessGroupRemove, "", "Delete a group of models"),
    shown("/v1/unified_access_group", Do::AccessGroupList, Viewer, "Groups of models"),
    admin("/v1/unified_access_group", Do::AccessGroupCreate, "AccessGroupCreateRequest", "Make a group of models"),
    shown("/v1/unified_access_group/{access_group_id}", Do::AccessGroupOne, Viewer, "A group of models"),
    put("/v1/unified_access_group/{access_group_id}", Do::AccessGroupUpdate, "AccessGroupUpdateRequest", "Change a group of models"),
    delete("/v1/unified_access_group/{access_group_id}", Do::AccessGroupRemove, "", "Delete a group of models"),
    shown("/access_group/list", Do::ModelGroupList, Viewer, "The groups that models say they are in"),
    shown("/access_group/{access_group}/info", Do::ModelGroupInfo, Viewer, "The models that say they are in a group"),
    shown("/access_group/{access_group}/budget", Do::ModelGroupBudget, Viewer, "What may be spent on a group's models by all together"),
    put("/access_group/{access_group}/budget", Do::ModelGroupSetBudget, "AccessGroupBudgetRequest", "Say what may be spent on them"),
    delete("/access_group/{access_group}/budget", Do::ModelGroupClearBudget, "", "Let anything be spent on them"),
    shown("/team/available", Do::TeamAvailable, Info, "Teams that anybody may join"),
];

/// Does what a route does.
pub(super) async fn dispatch(action: Do, request: &Request) -> Answer {
    match action {
        Do::OrganizationNew => organizations::new(request).await,
        Do::OrganizationUpdate => organizations::update(request).await,
        Do::OrganizationPatch => organizations::patch(request).await,
        Do::OrganizationDelete => organizations::delete(request).await,
        Do::OrganizationInfo => organizations::info(request).await,
        Do::OrganizationInfoOfMany => organizations::info_of_many(request).await,
        Do::OrganizationList => organizations::list(request).await,
        Do::OrganizationMemberAdd => organization_members::add(request).await,
        Do::OrganizationMemberUpdate => organization_members::update(request).await,
        Do::OrganizationMemberDelete => organization_members::delete(request).await,
        Do::CustomerNew => customers::new(request).await,
        Do::CustomerUpdate => customers::update(request).await,
        Do::CustomerDelete => customers::delete(request).await,
        Do::CustomerBlock => customers::block(request).await,
        Do::CustomerUnblock => customers::unblock(request).await,
        Do::CustomerInfo => customers::info(request).await,
        Do::CustomerList => customers::list(request).await,
        Do::BudgetNew => budgets::new(request).await,
        Do::BudgetUpdate => budgets::update(request).await,
        Do::BudgetInfo => budgets::info(request).await,
        Do::BudgetDelete => budgets::delete(request).await,
        Do::BudgetList => budgets::list(request).await,
        Do::BudgetSettings => budgets::settings(request).await,
        Do::TagNew => tags::new(request).await,
        Do::TagUpdate => tags::update(request).await,
        Do::TagDelete => tags::delete(request).await,
        Do::TagInfo => tags::info(request).await,
        Do::TagList => tags::list(request).await,
        Do::ProjectNew => projects::new(request).await,
        Do::ProjectUpdate => projects::update(request).await,
        Do::ProjectDelete => projects::delete(request).await,
        Do::ProjectInfo => projects::info(request).await,
        Do::ProjectList => projects::list(request).await,
        Do::AccessGroupList => access_groups::list(request).await,
        Do::AccessGroupCreate => access_groups::create(request).await,
        Do::AccessGroupOne => access_groups::one(request).await,
        Do::AccessGroupUpdate => access_groups::update(request).await,
        Do::AccessGroupRemove => access_groups::remove(request).await,
        Do::ModelGroupList => model_groups::list(request).await,
        Do::ModelGroupInfo => model_groups::info(request).await,
        Do::ModelGroupBudget => model_groups::budget(request).await,
        Do::ModelGroupSetBudget => model_groups::set_budget(request).await,
        Do::ModelGroupClearBudget => model_groups::clear_budget(request).await,
        Do::TeamAvailable => Ok(serde_json::json!([])),
    }
}
