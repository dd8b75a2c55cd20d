//! From a key's row to who its holder is.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use switchboard_engine::guidance::RouterOverride;
use switchboard_engine::principal::Principal;
use switchboard_engine::terms::Level;
use switchboard_store::object::{
    AccessGroup, Budget, CreditAccount, FormerKey, GroupBudget, Json, Key, Organization, Project, Role, Team, TeamMember, User,
};
use switchboard_store::{Desk, StoreError, Time};

use super::caller::{Barred, Caller, Credential};
use super::terms::Allowance;
use crate::access::{self, Layer, Stores, Whose, texts};

/// Groups of models by name, as the configuration writes them.
pub type Groups = BTreeMap<String, Vec<String>>;

/// Everything that stands around a key.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Its team.
    pub team: Option<Team>,
    /// What its user has of its own in that team.
    pub member: Option<TeamMember>,
    /// Its user.
    pub user: Option<User>,
    /// The keys it was made with.
    pub makers: Vec<Key>,
    /// Its project.
    pub project: Option<Project>,
    /// Its organization, or its team's.
    pub organization: Option<Organization>,
    /// Groups of models made by administrators.
    pub groups: Vec<AccessGroup>,
    /// Budgets of groups that any of its lists of models names.
    pub pools: Vec<GroupBudget>,
    /// Budgets that any of them names.
    pub budgets: Vec<Budget>,
    /// Prepaid credits of any of them.
    pub credits: Vec<CreditAccount>,
}

/// The key of that SHA-256, which may be one that was regenerated a while ago.
pub async fn key(desk: &Desk, hash: &str) -> Result<Option<Key>, StoreError> {
    if let Some(key) = desk.get::<Key>(hash).await? {
        return Ok(Some(key));
    }
    let Some(former) = desk.get::<FormerKey>(hash).await?.filter(|former| former.revoke_at > Time::now()) else { return Ok(None) };
    let key = desk.get::<Key>(&former.active_token).await?;
    // It ends with its grace, whatever the key does.
    Ok(key.map(|key| Key {
        expires: Some(key.expires.map_or(former.revoke_at, |expires| expires.min(former.revoke_at))),
        verifier: former.verifier,
        ..key
    }))
}

/// A key that others were made with, as it is now or as it was when it was deleted: nobody comes by money by doing away with a budget.
async fn maker(desk: &Desk, hash: &str) -> Result<Option<Key>, StoreError> {
    if let Some(key) = desk.get::<Key>(hash).await? {
        return Ok(Some(key));
    }
    let former: Option<FormerKey> = match desk.get(hash).await? {
        Some(former) => Some(former),
        None => desk.deleted(hash).await?.into_iter().next(),
    };
    let hash = former.as_ref().map_or(hash, |former| former.active_token.as_str());
    match desk.get::<Key>(hash).await? {
        Some(key) => Ok(Some(key)),
        None => Ok(desk.deleted::<Key>(hash).await?.into_iter().next()),
    }
}

/// Reads what stands around a key.
pub async fn surroundings(desk: &Desk, key: &Key) -> Result<Surroundings, StoreError> {
    let mut around = Surroundings::default();
    if let Some(id) = &key.team_id {
        around.team = desk.get(id).await?;
    }
    if let Some(id) = &key.user_id {
        around.user = desk.get(id).await?;
        if let Some(team) = &around.team {
            around.member = desk.get(&TeamMember::id_of(&team.team_id, id)).await?;
        }
    }
    for hash in &key.makers {
        around.makers.extend(maker(desk, hash).await?);
    }
    if let Some(id) = &key.project_id {
        around.project = desk.get(id).await?;
    }
    let organization = key.organization_id.as_ref().or_else(|| around.team.as_ref()?.organization_id.as_ref());
    if let Some(id) = organization {
        around.organization = desk.get(id).await?;
    }
    let mut groups = key.access_group_ids.clone();
    groups.extend(around.team.iter().filter_map(|team| team.access_group_ids.clone()).flatten());
    around.groups = desk.several(&groups).await?;
    let listed = listed(key, &around);
    if !listed.is_empty() {
        around.pools = desk.several(&listed).await?;
    }
    let named = [
        key.budget_id.clone(),
        around.member.as_ref().and_then(|member| member.budget_id.clone()),
        around.project.as_ref().and_then(|project| project.budget_id.clone()),
        around.organization.as_ref().and_then(|organization| organization.budget_id.clone()),
    ];
    let of_makers = around.makers.iter().map(|maker| maker.budget_id.clone());
    let named = named.into_iter().chain(around.pools.iter().map(|pool| pool.budget_id.clone())).chain(of_makers);
    let named: Vec<String> = named.flatten().collect();
    if !named.is_empty() {
        around.budgets = desk.several(&named).await?;
    }
    let mut accounts = crate::books::accounts::ids(&[
        (Level::Key, Some(key.account())),
        (Level::Team, key.team_id.as_deref()),
        (Level::User, key.user_id.as_deref()),
        (Level::Organization, around.organization.as_ref().map(|organization| organization.organization_id.as_str())),
    ]);
    accounts.extend(around.makers.iter().flat_map(|maker| crate::books::accounts::ids(&[(Level::Key, Some(maker.account()))])));
    around.credits = desk.several(&accounts).await?;
    Ok(around)
}

/// What the lists name by which a key may use models. Whose list names nothing is let in by no group.
fn listed(key: &Key, around: &Surroundings) -> Vec<String> {
    let member = around.member.as_ref().and_then(|member| member.allowed_models.as_ref());
    let lists = [
        Some(&key.models),
        around.team.as_ref().map(|team| &team.models),
        member,
        around.project.as_ref().map(|project| &project.models),
        around.organization.as_ref().map(|organization| &organization.models),
    ];
    let mut named: Vec<String> = lists.into_iter().flatten().flatten().cloned().collect();
    named.sort_unstable();
    named.dedup();
    named
}

/// The caller that a key and what stands around it make.
pub fn caller(key: &Key, around: &Surroundings, groups: &Groups, allowance: Allowance) -> Caller {
    let organization = around.organization.as_ref().map(|organization| organization.organization_id.clone());
    let blocked = |team: &Team| team.blocked;
    let barred = match () {
        () if key.blocked == Some(true) => Some(Barred::Key),
        () if around.team.as_ref().is_some_and(blocked) => Some(Barred::Team),
        () if around.project.as_ref().is_some_and(|project| project.blocked) => Some(Barred::Project),
        () if around.user.as_ref().is_some_and(|user| !is_active(user)) => Some(Barred::User),
        () => None,
    };
    let layers = layers(key, around, groups);
    Caller {
        until: allowance.until,
        principal: Arc::new(Principal { scopes: allowance.scopes, counted: allowance.counted, ..principal(key, around, &layers) }),
        credential: Credential::Key,
        role: role(key, around),
        user: key.user_id.clone(),
        team: key.team_id.clone(),
        organization: key.organization_id.clone().or(organization),
        project: key.project_id.clone(),
        routes: key.allowed_routes.clone(),
        sees_spending: key.sees_spending(),
        closed: closed(key, around),
        stores: stores(key, around),
        called: called(key, around),
        layers,
        groups: named_groups(key, around, groups),
        expires: key.expires,
        barred,
        enforced_params: stamped(key, around, "enforced_params").into_iter().chain(allowance.params).collect(),
        addresses: texts(key.metadata.get("allowed_ips")),
        filters: None,
        kept_share: 0.0,
        owned: Arc::default(),
        model_config: model_config(around),
        makers: around.makers.iter().map(|maker| maker.token.clone()).collect(),
        others: Vec::new(),
    }
}

/// Whether a user has not been deactivated by whoever provisions users.
pub fn is_active(user: &User) -> bool {
    metadata(&user.metadata, "scim_active") != Some(&Value::Bool(false))
}

fn role(key: &Key, around: &Surroundings) -> Option<Role> {
    let admin = || key.user_id.as_deref() == Some(super::caller::ADMIN) && around.user.is_none();
    around.user.as_ref().map(|user| user.user_role.unwrap_or(Role::InternalUser)).or_else(|| admin().then_some(Role::ProxyAdmin))
}

fn principal(key: &Key, around: &Surroundings, layers: &[Layer]) -> Principal {
    let mut aliases = around.team.as_ref().and_then(|team| team.model_aliases.clone()).unwrap_or_default();
    aliases.extend(key.aliases.clone());
    let own = own_router(key, around);
    aliases.extend(own.into_iter().flat_map(renamed));
    let mut tags = stamped(key, around, "tags");
    tags.extend(around.team.iter().filter_map(|team| team.metadata.as_ref()).flat_map(|metadata| texts(metadata.get("tags"))));
    tags.extend(around.project.iter().flat_map(|project| texts(metadata(&project.metadata, "tags"))));
    Principal {
        key: key.key_name.clone().unwrap_or_else(|| "sk-...".to_owned()),
        key_hash: Some(key.token.clone()),
        key_alias: key.key_alias.clone(),
        user: key.user_id.clone(),
        user_email: around.user.as_ref().and_then(|user| user.user_email.clone()),
        team: key.team_id.clone(),
        team_alias: around.team.as_ref().and_then(|team| team.team_alias.clone()),
        organization: around.organization.as_ref().map(|organization| organization.organization_id.clone()),
        project: key.project_id.clone(),
        customer_budget: key.metadata.get("end_user_budget_id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned),
        allowed: layers.first().map(|layer| layer.models.clone()).unwrap_or_default(),
        also: layers.iter().skip(1).map(|layer| layer.models.clone()).collect(),
        aliases,
        tags,
        disables_fallbacks: key.metadata.get("disable_fallbacks").and_then(Value::as_bool),
        caches_prompts: key.metadata.get("enable_prompt_caching").and_then(Value::as_bool) == Some(true),
        router: own.and_then(|said| overriding(key, said)),
        kept: kept(key, around),
        metadata: (!key.metadata.is_empty()).then(|| Arc::from(Value::Object(key.metadata.clone()).to_string())),
        ..Principal::default()
    }
}

/// What a key's metadata lists under that name, and those of the keys it was made with.
fn stamped(key: &Key, around: &Surroundings, name: &str) -> Vec<String> {
    let mut all: Vec<String> = [key].into_iter().chain(&around.makers).flat_map(|key| texts(key.metadata.get(name))).collect();
    let mut seen = std::collections::HashSet::new();
    all.retain(|one| seen.insert(one.clone()));
    all
}

/// What lines of the log keep for the key, over what they keep for its team.
fn kept(key: &Key, around: &Surroundings) -> Option<Arc<str>> {
    const NAME: &str = "spend_logs_metadata";
    let of_team = around.team.as_ref().and_then(|team| metadata(&team.metadata, NAME));
    let said = [of_team, key.metadata.get(NAME)].into_iter().flatten().filter_map(Value::as_object);
    let all: Map<String, Value> = said.flatten().map(|(name, value)| (name.clone(), value.clone())).collect();
    (!all.is_empty()).then(|| Value::Object(all).to_string().into())
}

/// The settings of the router that a key has of its own, or else its team.
fn own_router<'a>(key: &'a Key, around: &'a Surroundings) -> Option<&'a Map<String, Value>> {
    let said = |settings: &'a Option<Value>| settings.as_ref()?.as_object().filter(|settings| !settings.is_empty());
    said(&key.router_settings).or_else(|| said(&around.team.as_ref()?.router_settings))
}

/// Its names for models: `{name: model}`, or `{name: {model: …, hidden: …}}`.
fn renamed(said: &Map<String, Value>) -> impl Iterator<Item = (String, String)> {
    let of = |(name, meant): (&String, &Value)| Some((name.clone(), meant.as_str().or_else(|| meant.get("model")?.as_str())?.to_owned()));
    said.get("model_group_alias").and_then(Value::as_object).into_iter().flatten().filter_map(of)
}

/// What of them holds for single calls.
fn overriding(key: &Key, said: &Map<String, Value>) -> Option<Arc<RouterOverride>> {
    let read = RouterOverride::read(said).map(Arc::new);
    read.inspect_err(
        |problem| tracing::warn!(key = key.key_name, why = %problem.message, "the key's or its team's router settings have no effect"),
    )
    .ok()
}

/// The lists of models that count for a key.
fn layers(key: &Key, around: &Surroundings, groups: &Groups) -> Vec<Layer> {
    let members = |name: &str| groups.get(name).cloned().unwrap_or_default();
    let list = |whose: Whose, models: &[String]| Layer::of(whose, &access::expanded(models, members));
    let team = around.team.as_ref().map(|team| team.models.clone()).unwrap_or_default();
    let mut own = key.models.clone();
    // What the team has is for the team's own list to say.
    let inherits = |models: &[String]| models.iter().any(|name| name == access::TEAM);
    if inherits(&own) {
        own = Vec::new();
    }
    // What a group assigned to the key or the team has, is added to lists that limit.
    let added: Vec<String> = around.groups.iter().flat_map(|group| group.access_model_names.clone()).collect();
    let with = |models: Vec<String>| if models.is_empty() { models } else { [models, added.clone()].concat() };
    let user = around.user.as_ref().filter(|_| around.team.is_none());
    let lists = [
        list(Whose::Key, &with(own)),
        list(Whose::Team, &with(team)),
        around.member.as_ref().and_then(|member| list(Whose::Member, member.allowed_models.as_deref()?)),
        user.and_then(|user| list(Whose::User, &user.models)),
        around.organization.as_ref().and_then(|organization| list(Whose::Organization, &organization.models)),
        around.project.as_ref().filter(|project| !inherits(&project.models)).and_then(|project| list(Whose::Project, &project.models)),
    ];
    lists.into_iter().flatten().collect()
}

/// The paths that the key is kept from, and its team.
fn closed(key: &Key, around: &Surroundings) -> Vec<String> {
    const NAME: &str = "denied_passthrough_routes";
    let of_team = around.team.as_ref().and_then(|team| metadata(&team.metadata, NAME));
    [texts(key.metadata.get(NAME)), texts(of_team)].concat()
}

/// The stores of vectors that the key may search, and its team.
fn stores(key: &Key, around: &Surroundings) -> Vec<Stores> {
    let of_team = around.team.as_ref().and_then(|team| team.object_permission.as_ref());
    [Stores::of("key", key.object_permission.as_ref()), Stores::of("team", of_team)].into_iter().flatten().collect()
}

/// The names that the key has for models, and its team.
fn called(key: &Key, around: &Surroundings) -> Vec<String> {
    let of_team = around.team.iter().filter_map(|team| team.model_aliases.as_ref()).flat_map(|aliases| aliases.keys());
    key.aliases.keys().chain(of_team).cloned().collect()
}

/// The credentials that its project names for models, and its team.
fn model_config(around: &Surroundings) -> Vec<Json> {
    let of_project = around.project.as_ref().map(|project| &project.metadata);
    let said = [of_project, around.team.as_ref().map(|team| &team.metadata)];
    said.into_iter().flatten().filter_map(|own| metadata(own, "model_config")?.as_object().cloned()).collect()
}

/// The groups that the key's list names, or else its team's.
fn named_groups(key: &Key, around: &Surroundings, groups: &Groups) -> Vec<String> {
    let of_team = around.team.as_ref().map(|team| &team.models).filter(|_| key.models.is_empty());
    let listed = of_team.unwrap_or(&key.models).iter();
    listed.filter(|name| groups.contains_key(*name)).cloned().collect()
}

/// What a team's or a key's metadata says under that name.
pub fn metadata<'a>(metadata: &'a Option<Json>, name: &str) -> Option<&'a Value> {
    metadata.as_ref()?.get(name)
}
