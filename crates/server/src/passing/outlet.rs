//! `/{provider}/…`: a provider's own API behind the gateway's keys, as LiteLLM's pass-through routes.
//!
//! Every provider of the catalogue has such a route by its id and its other names. The path is the provider's; the gateway's key
//! stays here, and the credential is put in: that of a deployment which says `use_in_pass_through`, else the one that the provider's
//! row finds in the environment. A caller who shows the gateway's key in `x-litellm-api-key` may bring a credential of its own beside
//! it. What is asked for at a path that the gateway uses too is read for its model and for what it took, so that lists of models,
//! budgets and limits hold; of other paths only the model in the path is known.

mod draft;
mod here;
mod jobs;
mod later;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Uri};
use switchboard_engine::call::{Call, Content, Door};
use switchboard_engine::catalog::{Catalog, ModelCard, Outlet, Provider, StreamUsage};
use switchboard_engine::deployment::{Deployment, Spec, Traits};
use switchboard_engine::hops;
use switchboard_engine::passing::Passing;
use switchboard_engine::upstream::{Caps, Origin, Timeouts, Transport, UpstreamRequest};
use switchboard_engine::wire::problem::{Kind, Problem};

use super::{DOOR, headers, identified, listed, query, send};
use crate::answered::Answered;
use crate::app::{Acceptor, App};
use crate::auth::Caller;
use crate::authz::{answer, call as rules, model, store};
use crate::config::resolved::{Connection, Deployment as Configured};
use crate::config::{Config, Location};
use crate::edge::RequestBody;
use crate::fleet::{detour, split, transport};
use crate::keep::{self, Page};
use crate::refusal::{Refusal, body_refusal, shown};
use crate::refused::Refused;
use crate::{identity, path};
use draft::{Drafted, Models};
use jobs::{Shown, Site};

/// The methods that are passed on.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];
/// Existing installations wait as long.
const PATIENCE: Duration = Duration::from_secs(600);
/// The header in which a key of the gateway's leaves the others to the provider.
const OWN_KEY: &str = "x-litellm-api-key";
/// Headers in which a caller may bring a credential of its own.
const CREDENTIALS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];
/// Headers that say whose an account is; the gateway's credential is used for what its operator chose.
const ACCOUNTS: [&str; 3] = ["openai-organization", "openai-project", "x-goog-user-project"];
/// Headers that make another request of one than it was taken for.
const METHODS_IN_HEADERS: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// A request's way to a provider.
pub(crate) struct Way {
    /// The name of the route.
    name: String,
    /// The provider's path, without a slash at its beginning.
    rest: String,
}

/// Objects that OpenAI's clients keep at the provider, by how their paths begin. The gateway keeps none of them.
const OBJECTS: [&str; 11] = [
    "assistants",
    "batches",
    "containers",
    "conversations",
    "evals",
    "files",
    "fine_tuning",
    "responses",
    "threads",
    "uploads",
    "vector_stores",
];
/// Whose objects are meant, where they are not OpenAI's.
const WHOSE: &str = "custom-llm-provider";

/// The provider that a path begins with, if one does, or whose objects it names.
pub(crate) fn find(app: &App, parts: &Parts, path: &str) -> Option<Way> {
    if !METHODS.contains(&parts.method) || path::names_model(path) {
        return None;
    }
    let catalog = app.catalog.load();
    let (name, rest) = path.strip_prefix('/')?.split_once('/').unwrap_or((path.get(1..)?, ""));
    if !rest.is_empty() && catalog.outlet(name).is_some() {
        return Some(Way { name: name.to_owned(), rest: rest.to_owned() });
    }
    if let Some(way) = here::kept(name, rest, &catalog) {
        return Some(way);
    }
    let bare = if name == "v1" { rest } else { path.get(1..)? };
    let kept = bare.split('/').next().is_some_and(|first| OBJECTS.contains(&first));
    let whose = || parts.headers.get(WHOSE).and_then(|name| name.to_str().ok()).unwrap_or("openai");
    kept.then(|| Way { name: whose().to_owned(), rest: format!("v1/{bare}") }).filter(|way| catalog.outlet(&way.name).is_some())
}

/// Passes a request on to its provider.
pub(crate) async fn serve(
    acceptor: &Arc<Acceptor>,
    way: Way,
    (parts, body): (Parts, RequestBody),
    (from, received): (Option<IpAddr>, Instant),
) -> Result<Answered, Refusal> {
    let told = |refused: Refused| shown(refused, &DOOR);
    let caller = identified(acceptor, &format!("/{}", way.name), &parts, from).await.map_err(told)?;
    let body = body.collect().await.map_err(|error| body_refusal(&error, &DOOR))?.into_bytes();
    pass(acceptor, &way, &caller, (parts, body, received)).await
}

/// A path of a provider's that is one of the gateway's too: models that are not known here are the provider's.
pub(crate) struct Beside {
    way: Way,
    parts: Parts,
    /// Whether only requests that name no model are.
    unnamed: bool,
}

/// Where content is classified: a request there need not name a model, and means OpenAI's then.
const CLASSIFY: &str = "/moderations";

/// Whether that path is a provider's as well.
pub(crate) fn beside(acceptor: &Acceptor, asked: &Parts) -> Option<Beside> {
    let path = acceptor.root.below(asked.uri.path());
    // Every call comes by here, and of the gateway's own paths only these begin with a provider's name.
    let unnamed = path.strip_prefix("/v1").unwrap_or(path) == CLASSIFY;
    let way = match unnamed {
        true => Way { name: "openai".to_owned(), rest: format!("v1{CLASSIFY}") },
        false => path.starts_with("/openai/").then(|| find(&acceptor.app, asked, path)).flatten()?,
    };
    let (mut parts, ()) = http::Request::new(()).into_parts();
    (parts.method, parts.uri) = (asked.method.clone(), asked.uri.clone());
    Some(Beside { way, parts, unnamed })
}

impl Beside {
    /// Whether the call is for the provider alone: nobody here serves its model, and there is a credential.
    pub(crate) fn takes(&self, call: &Call, app: &App) -> bool {
        let (catalog, config) = (app.catalog(), app.config());
        let unknown = app.gateway.fleet().find(&call.model).is_none() && !crate::preset::is_named(call);
        let names = || match &call.content {
            Content::Json(outline) => outline.read::<serde_json::Value>(&call.body, "model").ok().flatten().is_some(),
            Content::Form(_) => true,
        };
        if self.unnamed && (config.general.moderation_model.is_some() || names()) {
            return false;
        }
        let reached = |outlet: &Outlet<'_>| {
            let place = Place::of((outlet, &catalog), &self.way, (&self.parts, &config), call.principal.team.as_deref()).ok()?;
            app.outlets.of((&place.configured, &place.origin), (outlet.provider, &config)).ok()
        };
        unknown && catalog.outlet(&self.way.name).and_then(|outlet| reached(&outlet)).is_some()
    }

    /// Passes it on.
    pub(crate) async fn pass(self, acceptor: &Arc<Acceptor>, caller: &Arc<Caller>, call: Call) -> Result<Answered, Refusal> {
        let path = acceptor.root.below(self.parts.uri.path());
        listed(caller, &format!("/{}", self.way.name), path).map_err(|refused| shown(refused, &call.door))?;
        let mut parts = self.parts;
        parts.headers = call.headers;
        pass(acceptor, &self.way, caller, (parts, call.body.join(), call.received)).await
    }
}

async fn pass(
    acceptor: &Arc<Acceptor>,
    way: &Way,
    caller: &Arc<Caller>,
    (mut parts, body, received): (Parts, Bytes, Instant),
) -> Result<Answered, Refusal> {
    let app = &acceptor.app;
    let (catalog, config) = (app.catalog(), app.config());
    let told = |refused: Refused| shown(refused, &DOOR);
    let refused = |problem: Problem| Refusal { error: problem.into(), dialect: DOOR.dialect, flavor: DOOR.flavor };
    let outlet = catalog.outlet(&way.name).ok_or_else(|| told(Refused::plain(404, "there is no such provider")))?;
    let Drafted { call, models } = draft::drafted(&outlet, way, caller, (&parts, body, received)).map_err(refused)?;
    if parts.method == Method::POST && here::is_served(&call, &way.rest, &outlet, app) {
        let door = Door { shape: DOOR.shape, ..call.door };
        return crate::ask::one(acceptor, caller, Call { door, ..call }).await;
    }
    let door = call.door;
    let told = |refused: Refused| shown(refused, &door);
    answer::own(&call, answer::in_path(&way.rest, "responses"), caller, app).await.map_err(told)?;
    store::allowed(&call, answer::in_path(&way.rest, "vector_stores"), caller).map_err(told)?;
    let kept = answer::alone(&parts.method, &way.rest);
    let call = admitted(call, (&outlet, models, kept), caller, app).await.map_err(told)?;
    let place = Place::of((&outlet, &catalog), way, (&parts, &config), caller.team.as_deref()).map_err(|problem| Refusal {
        error: problem.into(),
        dialect: door.dialect,
        flavor: door.flavor,
    })?;
    let signer = match brought(&parts.headers) {
        true => None,
        // What is done with such a credential, or in a session that is begun with one, goes past the gateway: no budget holds it, and
        // nobody counts it. Who brings a credential may use these paths with it.
        false if outlet.lends(&way.rest) => return Err(told(unmetered())),
        false => Some(
            app.outlets
                .of((&place.configured, &place.origin), (outlet.provider, &config))
                .map_err(|why| told(Refused::plain(404, &place.without_credential(why))))?,
        ),
    };
    here::aloud(&outlet, &way.rest, &mut parts.headers);
    let shown = jobs::shown(&outlet, &parts.method, &way.rest);
    shown.iter().for_each(|_| jobs::whole(&mut parts.headers));
    let (catalog, config, team) = (&*catalog, &*config, caller.team.as_deref());
    let site = Site { acceptor, outlet: &outlet, catalog, config, way, parts: &parts, call: &call, team, place: &place, signer };
    hand_on(&site, (shown, keep::page(app, caller, &call))).await
}

/// Hands a call on to its provider, which the caller may ask.
async fn hand_on(site: &Site<'_>, (shown, page): (Option<Shown>, Option<Page>)) -> Result<Answered, Refusal> {
    let Site { acceptor, outlet, catalog, way, parts, call, place, signer, .. } = site;
    // A place that somebody else chose may tell anything.
    let is_believed = signer.is_some() && !place.configured.brought;
    let shown = shown.filter(|_| is_believed);
    if let Some(Shown::Answers(id)) = &shown {
        site.settle(id).await;
    }
    let job = site.asked().await;
    let request = place.request(acceptor, (parts, call), signer.is_none());
    let target = Arc::new(target(outlet, catalog, place, &call.model));
    let passing = Passing { request, signer: signer.clone(), secrets: place.secrets(), may_return: place.may_return, job };
    let mut answered = send(acceptor, call, &target, passing).await?;
    if shown == Some(Shown::Jobs) {
        answered = site.tell(answered).await?;
    }
    let answered = match later::asked(&parts.method, &way.rest).filter(|_| is_believed) {
        Some(id) => later::watch(&acceptor.app, (&outlet.provider.id, id), answered),
        None => answered,
    };
    Ok(match page {
        Some(page) => page.watch(answered),
        None => answered,
    })
}

/// The call, if its caller may make it: its models are some that it may use, guardrails let it pass, and customer and tags are known.
/// `kept`: the answer that it concerns, where it names no model and needs none.
async fn admitted(
    mut call: Call,
    (outlet, models, kept): (&Outlet<'_>, Models, Option<String>),
    caller: &Caller,
    app: &App,
) -> Result<Call, Refused> {
    if models.is_known {
        models.names.iter().try_for_each(|name| model::check(caller, &[name, &format!("{}/{name}", outlet.provider.id)]))?;
    } else if let Some(id) = kept.filter(|_| !caller.layers.is_empty()) {
        answer::listed(&id, caller, app).await?;
    } else if !caller.layers.is_empty() {
        let message = "This key may use certain models alone, and this request names none";
        return Err(Refused::forbidden(message.to_owned()));
    }
    rules::enforced(&call, caller)?;
    if let Some(filters) = &caller.filters {
        call = filters.applied(call)?;
    }
    if call.model.is_empty() {
        call.model.clone_from(&outlet.provider.id);
    }
    identity::engaged(call, app).await
}

/// Whether the caller brings a credential of its own, beside the gateway's key.
fn brought(headers: &HeaderMap) -> bool {
    let own = headers.get(OWN_KEY).map(HeaderValue::as_bytes);
    let bare = |value: &[u8]| value.strip_prefix(b"Bearer ").unwrap_or(value).to_vec();
    own.is_some_and(|own| CREDENTIALS.iter().any(|name| headers.get(*name).is_some_and(|value| bare(value.as_bytes()) != bare(own))))
}

/// The refusal of a credential that would be used past the gateway.
fn unmetered() -> Refused {
    let message = "this path hands out a credential of the gateway's account, or a session that nobody here meters; bring a key of your own \
                   for the provider beside `x-litellm-api-key`, or call the model through the gateway";
    Refused::plain(403, message)
}

/// Where a request goes, and what is configured of that place.
struct Place {
    configured: Configured,
    uri: Uri,
    origin: Origin,
    /// Headers that the provider's row has.
    headers: Vec<(String, String)>,
    /// Whether it may lead back here.
    may_return: bool,
    /// How it is reached, where otherwise than all others.
    transport: Option<Transport>,
}

impl Place {
    fn of(
        (outlet, catalog): (&Outlet<'_>, &Catalog),
        way: &Way,
        (parts, config): (&Parts, &Config),
        team: Option<&str>,
    ) -> Result<Self, Problem> {
        let provider = outlet.provider;
        if path::is_ambiguous(&way.rest) {
            return Err(Problem::new(Kind::BadRequest, "the path steps aside, has parameters or is encoded twice"));
        }
        let configured = configured(provider, catalog, config, team);
        let environment = config.environment_of(&configured);
        let value = |name: &str| {
            said(&way.rest, name).or_else(|| named(&configured, name)).or_else(|| environment.get_non_empty(name).map(str::to_owned))
        };
        let own = configured.connection.api_base.clone().or_else(|| configured.connection.aws.bedrock_runtime_endpoint.clone());
        let own = own.or_else(|| provider.base_env.iter().find_map(|name| environment.get_non_empty(name).map(str::to_owned)));
        let unreachable = |why: String| Problem::new(Kind::NotFound, format!("nothing can be passed on to {}: {why}", provider.name));
        let url = outlet.url(own.as_deref(), &way.rest, &value).map_err(|error| unreachable(error.to_string()))?;
        let origin = Origin::of(&url).map_err(|error| unreachable(error.to_string()))?;
        if configured.brought {
            detour::is_outside(&origin).map_err(unreachable)?;
        }
        let mut uri: Uri = url.parse().map_err(|_| Problem::new(Kind::BadRequest, "the path cannot be passed on"))?;
        let asked = query(&[], uri.query().unwrap_or_default(), parts.uri.query().unwrap_or_default());
        let asked = here::asked_aloud(outlet, &way.rest, asked);
        if !asked.is_empty() {
            let whole = PathAndQuery::try_from(format!("{}?{asked}", uri.path()));
            let mut pieces = uri.into_parts();
            pieces.path_and_query = Some(whole.map_err(|_| Problem::new(Kind::BadRequest, "the query cannot be passed on"))?);
            uri = Uri::from_parts(pieces).map_err(|_| Problem::new(Kind::BadRequest, "the query cannot be passed on"))?;
        }
        let headers = outlet.headers(&value).map_err(|error| unreachable(error.to_string()))?;
        let may_return = hops::may_return(provider, own.is_some());
        let own = transport::of_deployment(config, &configured);
        let transport = own.map_err(|error| unreachable(error.to_string()))?;
        Ok(Self { configured, uri, origin, headers, may_return, transport })
    }

    /// Why there is no credential, with how a deployment's own is lent to such calls.
    fn without_credential(&self, why: String) -> String {
        match self.configured.connection.passes {
            true => why,
            false => format!("{why}; a deployment's own is used here where it says `use_in_pass_through: true`"),
        }
    }

    /// What is shown there and to be told nobody.
    fn secrets(&self) -> Vec<String> {
        let connection = &self.configured.connection;
        connection.api_key.iter().map(|key| key.expose().to_owned()).collect()
    }

    /// The request as the provider gets it, but for the credential.
    fn request(&self, acceptor: &Acceptor, (parts, call): (&Parts, &Call), own: bool) -> UpstreamRequest {
        let whole = self.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut request = UpstreamRequest::new(parts.method.clone(), self.origin.clone(), whole);
        let mut along = headers(&parts.headers, true);
        for name in ACCOUNTS.into_iter().filter(|_| !own).chain(METHODS_IN_HEADERS).chain(["tags"]) {
            along.remove(name);
        }
        if own {
            along.extend(CREDENTIALS.iter().filter_map(|name| Some((HeaderName::from_static(name), parts.headers.get(*name)?.clone()))));
        }
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                along.entry(name).or_insert(value);
            }
        }
        for (name, value) in &self.configured.connection.extra_headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value.expose())) {
                along.insert(name, value);
            }
        }
        request.headers = along;
        request.body = if call.body.is_empty() { Vec::new() } else { call.body.clone().into_parts() };
        request.timeouts = Timeouts { first_byte: PATIENCE, idle: PATIENCE, total: None, ..acceptor.worker.timeouts };
        request.caps = Caps::STREAM;
        request.transport = self.transport.clone();
        request
    }
}

/// The deployment of that provider whose credential is for this too; else nothing but its row is known. That of a team is for the
/// team's keys alone, and comes first for them.
fn configured(provider: &Provider, catalog: &Catalog, config: &Config, team: Option<&str>) -> Configured {
    let fits =
        |one: &&Configured| one.connection.passes && one.fault.is_none() && split(catalog, one).is_ok_and(|(name, _)| name == provider.id);
    let of = |team: Option<&str>| config.deployments.iter().filter(fits).find(|one| one.model_info.team() == team);
    let bare = || Configured::bare(provider.id.clone(), Connection::default(), Location::environment());
    team.and_then(|team| of(Some(team))).or_else(|| of(None)).cloned().unwrap_or_else(bare)
}

/// What the path itself says of a placeholder: `locations/here` of `location`, and of `vertex_location`. Of no other one: the rest of
/// where a credential goes is not the caller's to say, and a place is a plain word.
fn said(rest: &str, name: &str) -> Option<String> {
    if name != "location" && !name.ends_with("_location") {
        return None;
    }
    let is_plain = |value: &str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let parts: Vec<&str> = rest.split('/').collect();
    parts.windows(2).find_map(|pair| match pair {
        ["locations", value] if is_plain(value) => Some((*value).to_owned()),
        _ => None,
    })
}

/// What the deployment says of a placeholder.
fn named(configured: &Configured, name: &str) -> Option<String> {
    crate::fleet::values(configured).get(name).cloned()
}

/// The place, as budgets, limits and records see it.
fn target(outlet: &Outlet<'_>, catalog: &Catalog, place: &Place, model: &str) -> Deployment {
    let provider = outlet.provider;
    let blank = || ModelCard { provider: provider.id.clone(), model: model.to_owned(), ..ModelCard::default() };
    let card = catalog.with_tools(provider, catalog.model(&provider.id, model).unwrap_or_else(blank));
    let spec = Spec {
        id: format!("pass_through:{}", provider.id),
        group: model.to_owned(),
        provider: provider.id.clone(),
        model: model.to_owned(),
        traits: Traits { labels: place.configured.model_info.routing.labels.clone(), ..Traits::default() },
        base: Some(place.uri.to_string().split('?').next().unwrap_or_default().to_owned()),
        ..Spec::default()
    };
    let mut target = Deployment::outside(spec, card);
    target.provider_name = provider.listed_name().to_owned();
    target.ask_usage = provider.stream_usage == StreamUsage::Option;
    target.searches = provider.always_searches(model);
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_where_it_is() {
        let rest = "v1/projects/p/locations/europe-west1/publishers/google/models/m:generateContent";
        assert_eq!(said(rest, "vertex_location").as_deref(), Some("europe-west1"));
        assert_eq!(said("model/m/converse", "aws_region_name"), None);
        // Where a credential goes is not the caller's to say.
        for (rest, name) in [
            ("hosts/evil.example/v1/x", "host"),
            ("v1/hosts/evil.example", "databricks_host"),
            ("api_bases/evil.example", "api_base"),
            ("resources/evil", "resource"),
            ("regions/evil", "region"),
            ("v1/projects/p/locations/evil.example/models", "location"),
            ("v1/locations/a@evil.example:443/models", "location"),
            ("v1/locations/evil.example\\/models", "location"),
            ("v1/locations//models", "location"),
        ] {
            assert_eq!(said(rest, name), None, "{rest}");
        }
    }

    #[test]
    fn a_credential_of_ones_own_stands_beside_the_gateways_key() {
        let headers = |pairs: &[(&'static str, &str)]| {
            let value = |text: &str| HeaderValue::try_from(text).expect("a value");
            pairs.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect::<HeaderMap>()
        };
        assert!(brought(&headers(&[(OWN_KEY, "sk-a"), ("authorization", "Bearer ya29")])));
        assert!(!brought(&headers(&[(OWN_KEY, "Bearer sk-a"), ("authorization", "Bearer sk-a")])));
        assert!(!brought(&headers(&[("authorization", "Bearer sk-a"), ("x-api-key", "sk-a")])));
    }
}
