//! The kinds of objects: one row for each, with its name in the table, what tells one from another, and by what it is found.

use super::*;

/// Writes [`Object`] for each row: the type, its kind, its id, and the columns it fills.
macro_rules! kinds {
    ($($object:ident $kind:literal |$it:ident| $id:expr => { $($column:ident: $value:expr),* $(,)? })*) => {$(
        impl Object for $object {
            const KIND: &'static str = $kind;

            fn id(&self) -> String {
                let $it = self;
                $id.to_string()
            }

            #[allow(clippy::needless_update, reason = "a key fills every column")]
            fn columns(&self) -> Columns {
                let $it = self;
                Columns { $($column: $value.column(),)* ..Columns::default() }
            }
        }
    )*};
}

kinds! {
    Key "key" |it| it.token => {
        name: it.key_alias,
        user: it.user_id,
        team: it.team_id,
        organization: it.organization_id,
        project: it.project_id,
        created_by: it.created_by,
        expires: it.expires,
        created: it.created_at,
    }
    FormerKey "former_key" |it| it.token => { name: it.active_token, expires: it.revoke_at, created: it.created_at }
    User "user" |it| it.user_id => {
        name: it.user_email.as_ref().map(|email| email.to_lowercase()),
        user: it.user_id,
        organization: it.organization_id,
        created_by: it.created_by,
        created: it.created_at,
    }
    TeamMember "team_member" |it| TeamMember::id_of(&it.team_id, &it.user_id) => {
        name: it.budget_id,
        user: it.user_id,
        team: it.team_id,
        created: it.created_at,
    }
    Organization "organization" |it| it.organization_id => {
        name: it.organization_alias,
        organization: it.organization_id,
        created_by: it.created_by,
        created: it.created_at,
    }
    OrganizationMember "organization_member" |it| OrganizationMember::id_of(&it.organization_id, &it.user_id) => {
        name: it.budget_id,
        user: it.user_id,
        organization: it.organization_id,
        created: it.created_at,
    }
    Team "team" |it| it.team_id => {
        name: it.team_alias,
        team: it.team_id,
        organization: it.organization_id,
        created_by: it.created_by,
        created: it.created_at,
    }
    Budget "budget" |it| it.budget_id => { created_by: it.created_by, created: it.created_at }
    Customer "customer" |it| it.user_id => { name: it.alias, created: it.created_at }
    Project "project" |it| it.project_id => {
        name: it.project_alias,
        team: it.team_id,
        project: it.project_id,
        created_by: it.created_by,
        created: it.created_at,
    }
    Tag "tag" |it| it.name => { name: it.name, created_by: it.created_by, created: it.created_at }
    AccessGroup "access_group" |it| it.access_group_id => { name: it.access_group_name, created_by: it.created_by, created: it.created_at }
    GroupBudget "group_budget" |it| it.access_group_name => { name: it.budget_id, created_by: it.created_by, created: it.created_at }
    Model "model" |it| it.model_id => {
        name: it.model_name,
        team: it.team().map(str::to_owned),
        created_by: it.created_by,
        created: it.created_at,
    }
    Credential "credential" |it| it.credential_name => { name: it.credential_name, created_by: it.created_by, created: it.created_at }
    Setting "setting" |it| it.section => { name: it.section, created_by: it.updated_by }
    JwtKeyMapping "jwt_key_mapping" |it| it.id => { name: it.name(), created_by: it.created_by, created: it.created_at }
    Session "session" |it| it.id => { user: it.user_id, expires: it.expires_at, created: it.created_at }
    Invitation "invitation" |it| it.digest => {
        user: it.user_id,
        expires: it.expires_at,
        created_by: it.created_by,
        created: it.created_at,
    }
    Password "password" |it| it.user_id => { user: it.user_id, created: it.created_at }
    CreditAccount "credit_account" |it| it.account_id => { created: it.created_at }
    CreditEntry "credit_entry" |it| it.entry_id => {
        name: it.account_id,
        expires: it.expires_at,
        created_by: it.actor,
        created: it.created_at,
    }
    CreditExpiry "credit_expiry" |it| it.entry_id => { name: it.account_id, expires: it.expires_at, created: it.expires_at }
    DatedPrice "price" |it| it.price_id => {
        name: it.model,
        expires: it.effective_until,
        created_by: it.created_by,
        created: it.created_at,
    }
    Workspace "workspace" |it| it.id => { name: it.slug, team: it.id, created_by: it.created_by, created: it.created_at }
    Guardrail "guardrail" |it| it.id => { name: it.name, team: it.workspace_id, created_by: it.created_by, created: it.created_at }
    GuardedKey "guarded_key" |it| it.key_hash => { name: it.guardrail_id, created_by: it.assigned_by, created: it.created_at }
    GuardedMember "guarded_member" |it| it.user_id => {
        name: it.guardrail_id,
        user: it.user_id,
        created_by: it.assigned_by,
        created: it.created_at,
    }
    ProviderKey "provider_key" |it| it.id => { name: it.provider, team: it.workspace_id, created_by: it.created_by, created: it.created_at }
    AuthCode "auth_code" |it| it.digest => { user: it.user_id, team: it.team_id, expires: it.until, created: it.created_at }
    Preset "preset" |it| it.id => { name: it.slug, team: it.workspace_id, created_by: it.creator_user_id, created: it.created_at }
    PresetVersion "preset_version" |it| it.id => { name: it.preset_id, created_by: it.creator_id, created: it.created_at }
    Owned "owned" |it| Owned::id_of(&it.kind, &it.name) => { name: it.owner, created: it.created_at }
}

/// A field as a column holds it, whether or not the field may be absent.
trait Field<Column> {
    fn column(&self) -> Column;
}

impl Field<Option<String>> for String {
    fn column(&self) -> Option<String> {
        Some(self.clone())
    }
}

impl Field<Option<String>> for Option<String> {
    fn column(&self) -> Option<String> {
        self.clone()
    }
}

impl Field<Option<Time>> for Time {
    fn column(&self) -> Option<Time> {
        Some(*self)
    }
}

impl Field<Option<Time>> for Option<Time> {
    fn column(&self) -> Option<Time> {
        *self
    }
}

impl Field<Time> for Time {
    fn column(&self) -> Time {
        *self
    }
}

impl Field<Time> for Option<Time> {
    fn column(&self) -> Time {
        self.unwrap_or_default()
    }
}
