//! The models there are, in each client's form.

mod deprecations;
pub(crate) mod info;
mod page;
mod routers;

use http::{Response, request};
use serde_json::{Value, json};
use switchboard_engine::answer::AnswerBody;
use switchboard_engine::catalog::ModelCard;
use switchboard_engine::deployment::Deployment;
use switchboard_engine::error::Error;
use switchboard_engine::guidance::Fallback;
use switchboard_engine::route::Fallbacks;
use switchboard_engine::wire::problem::{self, Problem};

use crate::access::Layer;
use crate::answered::document;
use crate::app::App;
use crate::auth::Caller;
use crate::market::{CREATED, standing_for};

const CREATED_DATE: &str = "2023-02-28T18:56:42Z";

/// A model that callers can name.
struct Listed {
    name: String,
    group: String,
    provider: String,
    card: Option<ModelCard>,
    mode: Option<String>,
}

impl Listed {
    fn of(name: String, deployment: &Deployment) -> Self {
        let spec = &deployment.spec;
        Self { name, group: spec.group.clone(), provider: spec.provider.clone(), card: deployment.card.clone(), mode: None }
    }

    fn bare(name: String) -> Self {
        Self { group: name.clone(), name, provider: "openai".to_owned(), card: None, mode: None }
    }

    fn mode(&self) -> Option<&str> {
        self.mode.as_deref().or_else(|| self.card.as_ref()?.mode.as_deref())
    }
}

/// What a list holds beside the models, as LiteLLM's clients ask for it.
#[derive(Clone, Copy, Default)]
struct Wanted {
    /// The patterns as written.
    patterns: bool,
    /// The names of access groups.
    access_groups: bool,
    /// Nothing but those.
    only_access_groups: bool,
}

impl Wanted {
    fn of(query: Option<&str>, app: &App) -> Self {
        let said = |name: &str| {
            let value = query.and_then(|query| crate::query::value(query, name))?;
            Some(matches!(value.to_ascii_lowercase().as_str(), "true" | "1"))
        };
        Self {
            patterns: said("return_wildcard_routes").unwrap_or_else(|| app.config().general.lists_patterns),
            access_groups: said("include_model_access_groups").unwrap_or(false),
            only_access_groups: said("only_model_access_groups").unwrap_or(false),
        }
    }
}

/// Everything callers can name, sorted: groups, aliases, and what patterns stand for.
fn listed(app: &App, caller: &Caller, wanted: Wanted) -> Vec<Listed> {
    let mut list = Vec::new();
    if !wanted.only_access_groups {
        list = models(app, wanted.patterns);
        list.extend(of_team_by_pattern(&list, caller));
        list.retain(|listed| caller.may_use(&[&listed.name, &listed.group]));
        // A team sees its models by the names it gave them.
        list.retain(|listed| caller.sees_all() || caller.owned.owner(&listed.name).is_none());
        let of_team = caller.owned.of_team(caller.team.as_deref()).map(|(public, _)| public).filter(|public| !public.contains('*'));
        list.extend(of_team.filter_map(|public| find(app, caller, public).ok()));
        // What has such a name already keeps it: the sort is stable.
        list.extend(caller.called.iter().filter_map(|name| find(app, caller, name).ok()));
    }
    let config = app.config();
    if wanted.access_groups || wanted.only_access_groups {
        let groups = config.deployments.iter().flat_map(|deployment| &deployment.model_info.access_groups);
        // Alone they are what a list of models names; who has no list has no groups of its own.
        let named = |group: &&String| !wanted.only_access_groups || caller.groups.contains(*group);
        list.extend(groups.filter(named).map(|group| Listed::bare(group.clone())));
    }
    list.sort_by(|a, b| a.name.cmp(&b.name));
    list.dedup_by(|a, b| a.name == b.name);
    for listed in &mut list {
        let configured = config.deployments.iter().find(|deployment| deployment.model_name == listed.name);
        listed.mode = configured.and_then(|deployment| deployment.model_info.mode.clone());
    }
    list
}

/// What the caller's team calls by patterns of its own, by the team's names.
fn of_team_by_pattern(list: &[Listed], caller: &Caller) -> Vec<Listed> {
    let Some(team) = caller.team.as_deref() else { return Vec::new() };
    let of_team = |listed: &&Listed| caller.owned.of_pattern(&listed.name).is_some_and(|(owner, _)| owner == team);
    let public = |listed: &Listed| {
        let (_, name) = caller.owned.of_pattern(&listed.name)?;
        let (provider, card, mode) = (listed.provider.clone(), listed.card.clone(), listed.mode.clone());
        Some(Listed { name: name.to_owned(), group: listed.group.clone(), provider, card, mode })
    };
    list.iter().filter(of_team).filter_map(public).collect()
}

fn models(app: &App, patterns: bool) -> Vec<Listed> {
    let (fleet, catalog) = (app.gateway.fleet(), app.catalog());
    let mut list: Vec<Listed> = fleet.names().into_iter().map(|(name, deployment)| Listed::of(name.to_owned(), deployment)).collect();
    list.extend(routers::names(app).into_iter().map(Listed::bare));
    for (pattern, deployment) in fleet.patterns() {
        if patterns {
            list.push(Listed::of(pattern.as_str().to_owned(), deployment));
        }
        for card in catalog.models_of(&deployment.spec.provider) {
            if let Some(name) = standing_for(pattern, deployment, &card) {
                list.push(Listed { card: Some(card), ..Listed::of(name, deployment) });
            }
        }
    }
    list
}

/// A model for examples that anybody may read: the first for chats that the configuration names, else the first that a pattern stands
/// for. What is a team's is not told.
pub(crate) fn example(app: &App) -> Option<String> {
    let config = app.config();
    let mut list = models(app, false);
    list.retain(|listed| listed.mode().is_none_or(|mode| matches!(mode, "chat" | "responses")));
    let is_listed = |name: &str| list.iter().any(|listed| listed.name == name);
    let mut named = config.deployments.iter().filter(|deployment| {
        let said = |key: &str| deployment.model_info.written.get(key).and_then(Value::as_str);
        said("team_id").is_none() && said("mode").is_none_or(|mode| matches!(mode, "chat" | "responses"))
    });
    let named = named.find(|deployment| is_listed(&deployment.model_name)).map(|deployment| deployment.model_name.clone());
    let configured = |name: &str| config.deployments.iter().any(|deployment| deployment.model_name == name);
    named.or_else(|| list.into_iter().map(|listed| listed.name).filter(|name| !configured(name)).min())
}

fn is_anthropic(parts: &request::Parts) -> bool {
    parts.headers.contains_key("anthropic-version")
}

/// `GET /v1/models`: everything at once for OpenAI's clients, page by page for Anthropic's.
/// `customer`: the models of the customer for whom is asked.
pub(crate) fn list(app: &App, caller: &Caller, parts: &request::Parts, customer: Option<&Layer>) -> Result<Response<AnswerBody>, Problem> {
    let mut list = listed(app, caller, Wanted::of(parts.uri.query(), app));
    list.retain(|listed| customer.is_none_or(|layer| layer.has(&listed.name) || layer.has(&listed.group)));
    if is_anthropic(parts) {
        return page::anthropic(&list, parts.uri.query()).map(|page| document(&page));
    }
    let further = further_kind(parts.uri.query())?;
    let fleet = app.gateway.fleet();
    let entry = |listed: &Listed| {
        let mut value = openai(listed);
        if let Some(kind) = further {
            let fallbacks = fleet.fallbacks_of((&listed.name, &listed.group), &caller.principal);
            value["metadata"] = json!({"fallbacks": kind(fallbacks).iter().map(|fallback| &fallback.model).collect::<Vec<_>>()});
        }
        value
    };
    Ok(document(&json!({"data": list.iter().map(entry).collect::<Vec<_>>(), "object": "list"})))
}

/// One of the lists of where calls go when a group fails.
type Kind = fn(&Fallbacks) -> &[Fallback];

/// The fallbacks that a list of models is to tell, where it is to tell some, by LiteLLM's names of them.
fn further_kind(query: Option<&str>) -> Result<Option<Kind>, Problem> {
    let said = |name: &str| query.and_then(|query| crate::query::value(query, name));
    if !said("include_metadata").is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1")) {
        return Ok(None);
    }
    match said("fallback_type").as_deref().unwrap_or("general") {
        "general" => Ok(Some(|fallbacks| &fallbacks.general)),
        "context_window" => Ok(Some(|fallbacks| &fallbacks.context_window)),
        "content_policy" => Ok(Some(|fallbacks| &fallbacks.content_policy)),
        other => {
            let why = format!("`fallback_type` is one of general, context_window, content_policy, and not `{other}`");
            Err(Problem::new(problem::Kind::BadRequest, why).with_param("fallback_type"))
        }
    }
}

/// `GET /v1/models/{id}`.
pub(crate) fn one(app: &App, caller: &Caller, parts: &request::Parts, name: &str) -> Result<Response<AnswerBody>, Problem> {
    let found = find(app, caller, name)?;
    Ok(document(&if is_anthropic(parts) { anthropic(&found) } else { openai(&found) }))
}

/// `GET /v1beta/models` and `GET /v1beta/models/{id}`.
pub(crate) fn gemini(app: &App, caller: &Caller, name: Option<&str>, query: Option<&str>) -> Result<Response<AnswerBody>, Problem> {
    match name {
        Some(name) => Ok(document(&google(&find(app, caller, name)?))),
        None => page::gemini(&listed(app, caller, Wanted::default()), query).map(|page| document(&page)),
    }
}

fn find(app: &App, caller: &Caller, name: &str) -> Result<Listed, Problem> {
    let fleet = app.gateway.fleet();
    let meant = caller.meant_whole(name, |name| fleet.whole_name(name));
    let Some((group, deployments)) = fleet.find(&meant) else {
        let router = routers::names(app).into_iter().find(|router| *router == meant && caller.may_use(&[router]));
        return router.map(Listed::bare).ok_or_else(|| *Error::model_not_found(name).problem);
    };
    let first = deployments.first().ok_or_else(|| *Error::model_not_found(name).problem)?;
    let mut found = Listed::of(name.to_owned(), first);
    if !caller.may_use(&[&meant, &group]) {
        return Err(*Error::model_not_found(name).problem);
    }
    let config = app.config();
    let configured = config.deployments.iter().find(|deployment| *deployment.model_name == *group);
    found.mode = configured.and_then(|deployment| deployment.model_info.mode.clone());
    Ok(found)
}

fn openai(listed: &Listed) -> Value {
    let card = listed.card.as_ref();
    let mut value = json!({"id": listed.name, "object": "model", "created": CREATED, "owned_by": listed.provider});
    let facts = [
        ("mode", listed.mode().map(Value::from)),
        ("max_input_tokens", card.and_then(|card| card.max_input_tokens).map(Value::from)),
        ("max_output_tokens", card.and_then(|card| card.max_output_tokens).map(Value::from)),
    ];
    for (key, fact) in facts {
        if let Some(fact) = fact {
            value[key] = fact;
        }
    }
    value
}

fn anthropic(listed: &Listed) -> Value {
    let card = listed.card.as_ref();
    json!({
        "type": "model",
        "id": listed.name,
        "display_name": listed.name,
        "created_at": CREATED_DATE,
        "max_input_tokens": card.and_then(|card| card.max_input_tokens),
        "max_tokens": card.and_then(|card| card.max_output_tokens),
    })
}

fn google(listed: &Listed) -> Value {
    let card = listed.card.as_ref();
    let methods = match listed.mode() {
        Some("embedding") => json!(["embedContent", "batchEmbedContents"]),
        _ => json!(["generateContent", "streamGenerateContent", "countTokens"]),
    };
    let mut value = json!({"name": format!("models/{}", listed.name), "displayName": listed.name, "supportedGenerationMethods": methods});
    let limits = [
        ("inputTokenLimit", card.and_then(|card| card.max_input_tokens)),
        ("outputTokenLimit", card.and_then(|card| card.max_output_tokens)),
    ];
    for (key, limit) in limits {
        if let Some(limit) = limit {
            value[key] = limit.into();
        }
    }
    value
}
