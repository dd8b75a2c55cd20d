//! The kinds of objects that files may name, and how the management API speaks of each: data, not code.

/// A kind of object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// What people call one.
    pub(super) name: &'static str,
    /// The section of a file that lists them.
    pub(super) section: &'static str,
    /// The field that names one, in files.
    pub(super) named: &'static str,
    /// The same in the API.
    pub(super) alias: &'static str,
    /// The field of the API that identifies one.
    pub(super) id: &'static str,
    /// The field that identifies one when it is changed.
    pub(super) handle: &'static str,
    /// Where they are listed.
    pub(super) list: List,
    /// How one is made.
    pub(super) create: Call,
    /// How one is changed.
    pub(super) update: Call,
    /// How one is deleted.
    pub(super) delete: Delete,
    /// Fields that files write with the names of other objects: in the file, in the API, the kind.
    pub(super) references: &'static [(&'static str, &'static str, &'static str)],
    /// The forms of the API's requests, which know the fields there are; empty where it takes anything.
    pub(super) forms: &'static [&'static str],
    /// Fields of files that are no fields of the object.
    pub(super) apart: &'static [&'static str],
    /// Fields that only count when one is made.
    pub(super) once: &'static [&'static str],
}

/// Where objects are listed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum List {
    /// All at once: the path, and the key of the list in the answer (empty for the answer itself).
    Whole(&'static str, &'static str),
    /// By `page`: the path up to the number, and the key of the list.
    Pages(&'static str, &'static str),
    /// By `offset`: the path up to the number, and the key of the list.
    Offsets(&'static str, &'static str),
}

/// A method and a path, in which `{id}` stands for the object's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call(pub(super) &'static str, pub(super) &'static str);

/// How one is deleted: the call, and the field of its body with the id (as a list where it is marked with `*`).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delete(pub(super) Call, pub(super) &'static str);

/// Every kind, in the order in which they are made; they are deleted in the other.
pub(super) const KINDS: [Kind; 12] = [
    Kind {
        name: "budget",
        section: "budgets",
        named: "name",
        alias: "budget_id",
        id: "budget_id",
        handle: "budget_id",
        list: List::Whole("/budget/list", ""),
        create: Call("POST", "/budget/new"),
        update: Call("POST", "/budget/update"),
        delete: Delete(Call("POST", "/budget/delete"), "id"),
        references: &[],
        forms: &["BudgetNewRequest"],
        apart: &[],
        once: &[],
    },
    Kind {
        name: "user",
        section: "users",
        named: "id",
        alias: "user_id",
        id: "user_id",
        handle: "user_id",
        list: List::Pages("/user/list?page_size=100&page=", "users"),
        create: Call("POST", "/user/new"),
        update: Call("POST", "/user/update"),
        delete: Delete(Call("POST", "/user/delete"), "user_ids*"),
        references: &[],
        forms: &["NewUserRequest", "UpdateUserRequestNoUserIDorEmail"],
        apart: &[],
        once: &["auto_create_key", "send_invite_email", "teams"],
    },
    Kind {
        name: "organization",
        section: "organizations",
        named: "alias",
        alias: "organization_alias",
        id: "organization_id",
        handle: "organization_id",
        list: List::Whole("/organization/list", ""),
        create: Call("POST", "/organization/new"),
        update: Call("PATCH", "/organization/update"),
        delete: Delete(Call("DELETE", "/organization/delete"), "organization_ids*"),
        references: &[("budget", "budget_id", "budget")],
        forms: &["NewOrganizationRequest", "OrganizationUpdateRequestV2"],
        apart: &["members"],
        once: &[],
    },
    Kind {
        name: "team",
        section: "teams",
        named: "alias",
        alias: "team_alias",
        id: "team_id",
        handle: "team_id",
        list: List::Pages("/v2/team/list?page_size=100&page=", "teams"),
        create: Call("POST", "/team/new"),
        update: Call("POST", "/team/update"),
        delete: Delete(Call("POST", "/team/delete"), "team_ids*"),
        references: &[("organization", "organization_id", "organization")],
        forms: &["NewTeamRequest", "UpdateTeamRequest"],
        apart: &["members"],
        once: &[],
    },
    Kind {
        name: "project",
        section: "projects",
        named: "alias",
        alias: "project_alias",
        id: "project_id",
        handle: "project_id",
        list: List::Whole("/project/list", ""),
        create: Call("POST", "/project/new"),
        update: Call("POST", "/project/update"),
        delete: Delete(Call("DELETE", "/project/delete"), "project_ids*"),
        references: &[("team", "team_id", "team"), ("budget", "budget_id", "budget")],
        forms: &["NewProjectRequest", "UpdateProjectRequest"],
        apart: &[],
        once: &[],
    },
    Kind {
        name: "customer",
        section: "customers",
        named: "id",
        alias: "user_id",
        id: "user_id",
        handle: "user_id",
        list: List::Whole("/customer/list", ""),
        create: Call("POST", "/customer/new"),
        update: Call("POST", "/customer/update"),
        delete: Delete(Call("POST", "/customer/delete"), "user_ids*"),
        references: &[("budget", "budget_id", "budget")],
        forms: &["NewCustomerRequest", "UpdateCustomerRequest"],
        apart: &[],
        once: &["spend"],
    },
    Kind {
        name: "tag",
        section: "tags",
        named: "name",
        alias: "name",
        id: "name",
        handle: "name",
        list: List::Whole("/tag/list", ""),
        create: Call("POST", "/tag/new"),
        update: Call("POST", "/tag/update"),
        delete: Delete(Call("POST", "/tag/delete"), "name"),
        references: &[("budget", "budget_id", "budget")],
        forms: &["TagNewRequest"],
        apart: &[],
        once: &[],
    },
    Kind {
        name: "credential",
        section: "credentials",
        named: "name",
        alias: "credential_name",
        id: "credential_name",
        handle: "credential_name",
        list: List::Whole("/credentials", "credentials"),
        create: Call("POST", "/credentials"),
        update: Call("PATCH", "/credentials/{id}"),
        delete: Delete(Call("DELETE", "/credentials/{id}"), ""),
        references: &[],
        forms: &[],
        apart: &[],
        once: &[],
    },
    Kind {
        name: "model",
        section: "models",
        named: "id",
        alias: "id",
        id: "id",
        handle: "id",
        list: List::Whole("/v1/model/info", "data"),
        create: Call("POST", "/model/new"),
        update: Call("POST", "/model/update"),
        delete: Delete(Call("POST", "/model/delete"), "id"),
        references: &[],
        forms: &[],
        apart: &[],
        once: &[],
    },
    Kind {
        name: "key",
        section: "keys",
        named: "alias",
        alias: "key_alias",
        id: "token",
        handle: "key",
        list: List::Pages("/key/list?return_full_object=true&include_team_keys=true&size=100&page=", "keys"),
        create: Call("POST", "/key/generate"),
        update: Call("POST", "/key/update"),
        delete: Delete(Call("POST", "/key/delete"), "keys*"),
        references: &[
            ("team", "team_id", "team"),
            ("user", "user_id", "user"),
            ("project", "project_id", "project"),
            ("organization", "organization_id", "organization"),
            ("budget", "budget_id", "budget"),
        ],
        forms: &["GenerateKeyRequest", "UpdateKeyRequest"],
        apart: &["value"],
        once: &["duration", "key_type"],
    },
    Kind {
        name: "access group",
        section: "access_groups",
        named: "name",
        alias: "access_group_name",
        id: "access_group_id",
        handle: "access_group_id",
        list: List::Whole("/v1/access_group", ""),
        create: Call("POST", "/v1/access_group"),
        update: Call("PUT", "/v1/access_group/{id}"),
        delete: Delete(Call("DELETE", "/v1/access_group/{id}"), ""),
        references: &[("models", "access_model_names", ""), ("teams", "assigned_team_ids", "team"), ("keys", "assigned_key_ids", "key")],
        forms: &["AccessGroupCreateRequest"],
        apart: &[],
        once: &[],
    },
    Kind {
        name: "guardrail",
        section: "guardrails",
        named: "name",
        alias: "name",
        id: "id",
        handle: "id",
        list: List::Offsets("/api/v1/guardrails?limit=100&offset=", "data"),
        create: Call("POST", "/api/v1/guardrails"),
        update: Call("PATCH", "/api/v1/guardrails/{id}"),
        delete: Delete(Call("DELETE", "/api/v1/guardrails/{id}"), ""),
        references: &[],
        forms: &["OpenRouterGuardrail"],
        apart: &["keys", "members"],
        once: &[],
    },
];

/// The kind of that name.
pub(super) fn of(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// How the parts of an object that have calls of their own are listed, added and removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Who is in a team.
    TeamMembers,
    /// Who is in an organization.
    OrganizationMembers,
    /// Which keys are under a guardrail.
    GuardedKeys,
    /// Which users are under a guardrail.
    GuardedMembers,
}

impl Kind {
    /// Whether a change says by their names which fields are to be nothing.
    pub(super) fn clears_by_name(&self) -> bool {
        matches!(self.name, "organization" | "user" | "customer")
    }

    /// The parts that have calls of their own, by their field in files.
    pub(super) fn parts(&self) -> &'static [(&'static str, Part)] {
        match self.name {
            "team" => &[("members", Part::TeamMembers)],
            "organization" => &[("members", Part::OrganizationMembers)],
            "guardrail" => &[("keys", Part::GuardedKeys), ("members", Part::GuardedMembers)],
            _ => &[],
        }
    }
}
