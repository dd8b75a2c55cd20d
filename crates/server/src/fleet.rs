//! From the configuration as meant to the deployments the engine serves.

pub mod credential;
pub(crate) mod detour;
mod named;
pub mod overlay;
pub mod resilience;
pub(crate) mod signers;
pub mod transport;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use switchboard_engine::catalog::{Auth, Catalog, ModelCard, Provider};
use switchboard_engine::deployment::{CachePoint, Deployment, Pattern, Shadow, Spec, Traits};
use switchboard_engine::experiment::Experiment;
use switchboard_engine::guidance::Fallback;
use switchboard_engine::health::Registry;
use switchboard_engine::pattern::Wildcard;
use switchboard_engine::route::settings::Settings;
use switchboard_engine::route::{Fleet, Names, TryPolicy};
use switchboard_engine::sign::{self, Secret, Signer};
use switchboard_engine::upstream::Origin;
use switchboard_engine::wire::Dialect;

use crate::config::Location;
use crate::config::resolved::{Config, Connection, Deployment as Configured, Fallback as Written, FallbackTarget};
use crate::fleet::credential::Ingredients;
pub use crate::fleet::named::{split, unknown};

/// What could not be made into a deployment, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Where it is configured.
    pub at: Location,
    /// The public name.
    pub model_name: String,
    /// Why, and what to do.
    pub why: String,
}

/// Builds the fleet. Deployments that cannot work are left out and told, and where a name has no other, it stays one that nothing else
/// is taken for; those that are known keep their health.
pub fn build(config: &Arc<Config>, catalog: &Arc<Catalog>, demo: Option<&str>, registry: &Registry) -> (Fleet, Vec<Unusable>) {
    let mut deployments = Vec::new();
    let mut unusable = Vec::new();
    let demo = demo.map(str::to_owned);
    for configured in &config.deployments {
        let named = reachable(configured);
        let configured = named.as_ref();
        let made = if configured.model_name.contains('*') {
            pattern(configured, config, catalog)
        } else {
            deployment(configured, config, catalog, demo.as_deref(), None)
        };
        match made {
            Ok(mut deployment) => {
                deployment.join(registry);
                deployments.push(deployment);
            }
            Err(why) => {
                deployments.push(lacking(configured, (config, catalog), None, &why).unwrap_or_else(|| nowhere(configured, &why)));
                unusable.push(Unusable { at: standing(configured), model_name: configured.model_name.clone(), why });
            }
        }
    }
    if let Some(base) = demo.as_deref().filter(|_| config.deployments.is_empty()) {
        match demo_deployment(catalog, base) {
            Ok(deployment) => deployments.push(deployment),
            Err(why) => unusable.push(Unusable { at: Location::environment(), model_name: DEMO.to_owned(), why }),
        }
    }
    let by_id: HashMap<String, Configured> = config
        .deployments
        .iter()
        .map(reachable)
        .filter(|configured| configured.model_name.contains('*'))
        .map(|configured| (configured.model_info.id.clone(), configured.into_owned()))
        .collect();
    let (config_again, catalog_again, demo_again) = (config.clone(), catalog.clone(), demo.clone());
    let registry = registry.clone();
    let expand = move |pattern: &Deployment, captured: &[&str]| {
        let configured = by_id.get(&pattern.spec.id)?;
        let made = deployment(configured, &config_again, &catalog_again, demo_again.as_deref(), Some(captured));
        let mut made = made.or_else(|why| lacking(configured, (&config_again, &catalog_again), Some(captured), &why).ok_or(why)).ok()?;
        made.join(&registry);
        Some(made)
    };
    let catalog = catalog.clone();
    let whole = move |name: &str| catalog.whole_names(name);
    (Fleet::new(deployments, names(config), Box::new(expand)).completing(Box::new(whole)), unusable)
}

/// The same by the name under which callers reach it: what a team calls by a pattern is a pattern, below a name that is the team's.
fn reachable(configured: &Configured) -> Cow<'_, Configured> {
    let public = configured.model_info.written.get("team_public_model_name").and_then(serde_json::Value::as_str);
    match public.filter(|public| public.contains('*') && !configured.model_name.contains('*')) {
        Some(public) => Cow::Owned(Configured { model_name: format!("{}/{public}", configured.model_name), ..configured.clone() }),
        None => Cow::Borrowed(configured),
    }
}

/// The name of the built-in model.
pub const DEMO: &str = "demo/echo";

fn names(config: &Config) -> Names {
    let router = &config.router;
    Names {
        aliases: config.aliases.iter().map(|alias| (alias.name.clone(), alias.model.clone())).collect(),
        hidden: config.aliases.iter().filter(|alias| alias.hidden).map(|alias| alias.name.clone()).collect(),
        fallbacks: fallbacks(&router.fallbacks),
        context_window_fallbacks: fallbacks(&router.context_window_fallbacks),
        content_policy_fallbacks: fallbacks(&router.content_policy_fallbacks),
        default_fallbacks: router.default_fallbacks.iter().map(Fallback::to).collect(),
        max_fallbacks: usize::try_from(router.max_fallbacks).ok(),
        virtual_models: config.switchboard.virtual_models.clone(),
        trials: config.switchboard.experiments.iter().map(|one| (one.model.clone(), arms(one))).collect(),
        settings: settings(config),
        policy: TryPolicy::default(),
    }
}

fn arms(experiment: &Experiment) -> Vec<String> {
    experiment.arms.iter().map(|arm| arm.model.clone()).collect()
}

/// How deployments are chosen: as the router says, and the gateway's own section beside it.
fn settings(config: &Config) -> Settings {
    let own = &config.switchboard;
    let mut settings = config.router.routing.clone();
    settings.openrouter = own.openrouter_strategy.unwrap_or(settings.openrouter);
    settings.checks_fallbacks = config.general.gates.checks_fallbacks;
    if let Some(rule) = &mut settings.tags {
        rule.of_keys_alone = config.general.customers.refuses_tags;
    }
    settings.args.latency_goal = settings.args.latency_goal.or(own.latency_goal);
    settings
}

fn fallbacks(written: &[Written]) -> Vec<(String, Vec<Fallback>)> {
    let params = |target: &FallbackTarget| target.params.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
    let target = |target: &FallbackTarget| Fallback { model: target.model.clone(), params: params(target) };
    written.iter().map(|fallback| (fallback.model.clone(), fallback.targets.iter().map(target).collect())).collect()
}

/// Where what keeps a deployment from being used is written, else the deployment.
fn standing(configured: &Configured) -> Location {
    configured.fault.as_ref().map_or(&configured.at, |fault| &fault.at).clone()
}

/// Whose model it is, unless something keeps it from being used at all.
fn whose<'a>(configured: &'a Configured, config: &Config, catalog: &Catalog) -> Result<(String, Cow<'a, str>), String> {
    if let Some(fault) = &configured.fault {
        return Err(fault.hint.as_ref().map_or_else(|| fault.message.clone(), |hint| format!("{}; {hint}", fault.message)));
    }
    let prefix = configured.model.split_once('/').map(|(prefix, _)| prefix);
    let said = configured.connection.provider.as_deref().or(prefix);
    if let Some(name) = said.filter(|name| config.litellm.custom_providers.iter().any(|custom| custom == name)) {
        return Err(format!("the provider `{name}` is written in Python (`custom_provider_map`), which is not loaded"));
    }
    split(catalog, configured)
}

/// A wildcard stands for deployments that are made when they are asked for; only what its name says is known now.
fn pattern(configured: &Configured, config: &Config, catalog: &Catalog) -> Result<Deployment, String> {
    let (provider, model) = whose(configured, config, catalog)?;
    let row = catalog.provider(&provider).ok_or_else(|| named::unknown(catalog, &provider))?;
    let spec = Spec {
        id: configured.model_info.id.clone(),
        group: configured.model_name.clone(),
        provider: row.id.clone(),
        model: model.into_owned(),
        traits: traits(configured)?,
        guessed: true,
        ..Spec::default()
    };
    Ok(Deployment::unreachable(spec, row))
}

fn deployment(
    configured: &Configured,
    config: &Config,
    catalog: &Catalog,
    demo: Option<&str>,
    captured: Option<&[&str]>,
) -> Result<Deployment, String> {
    let mut named = configured.clone();
    if let Some(captured) = captured {
        named.model_name = Wildcard::of(&named.model_name).filled(captured);
        let model = Wildcard::of(&named.model);
        // Where a name has more of it than the model has places for, the name is the model's, as in LiteLLM.
        let is_name = (1..captured.len()).contains(&model.stars());
        named.model = if is_name { named.model_name.clone() } else { model.filled(captured) };
    }
    let (provider_id, model) = whose(&named, config, catalog)?;
    let provider = catalog.provider(&provider_id).ok_or_else(|| named::unknown(catalog, &provider_id))?;
    let model = captured.and_then(|_| catalog.respelled(provider, &model)).unwrap_or_else(|| model.into_owned());
    let model = named::settle(&mut named, provider, catalog, model);
    let environment = config.environment_of(configured);
    let callers = detour::how_keys_come(&named, provider, config);
    let ingredients = Ingredients { deployment: &named, provider, environment, elsewhere: &config.elsewhere, callers };
    let spec = Spec { provider: provider.id.clone(), model, guessed: captured.is_some(), ..spec(&named, config, &ingredients, demo)? };
    let values = spec.values.clone();
    let value = move |name: &str| values.get(name).cloned().or_else(|| environment.get_non_empty(name).map(str::to_owned));
    // One signer an origin: what fetches tokens keeps them for all operations.
    let made: Mutex<Vec<(Auth, Origin, Arc<Signer>)>> = Mutex::default();
    let signer = |auth: &Auth, origin: &Origin| {
        let mut made = made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((.., signer)) = made.iter().find(|(known, at, _)| known == auth && at == origin) {
            return Ok(signer.clone());
        }
        if named.brought {
            detour::is_outside(origin)?;
        }
        let signer = match ingredients.signer(auth, origin) {
            // Answers that are made up need no credential; where a team brought one, what is not made up goes out too.
            Err(_) if named.mock_response.is_some() && !named.brought => Arc::new(Signer::new(origin.clone(), sign::Auth::None)),
            made => made?,
        };
        made.push((auth.clone(), origin.clone(), signer.clone()));
        Ok(signer)
    };
    Deployment::build(spec, catalog, &value, &signer).map_err(|error| error.to_string())
}

/// Of which provider a deployment is and which model, and what the catalogue says of it.
pub(crate) fn listed(configured: &Configured, catalog: &Catalog) -> Option<(String, String, Option<ModelCard>)> {
    let mut named = configured.clone();
    let (provider, model) = split(catalog, configured).ok()?;
    let provider = catalog.provider(&provider)?;
    let model = named::settle(&mut named, provider, catalog, model.into_owned());
    let based = named.model_info.base_model.and_then(|base| catalog.base(&provider.id, &base));
    let card = based.or_else(|| catalog.model(&provider.id, &model));
    Some((provider.id.clone(), model, card))
}

/// The deployment it would be, but for what kept it from being one; none where more than its credential does, or what the
/// configuration found at fault.
fn lacking(configured: &Configured, (config, catalog): (&Config, &Catalog), captured: Option<&[&str]>, why: &str) -> Option<Deployment> {
    let mut tried = Configured { fault: None, ..configured.clone() };
    // What makes its answers up needs no credential.
    tried.mock_response.get_or_insert_default();
    let made = match captured.is_none() && tried.model_name.contains('*') {
        true => pattern(&tried, config, catalog),
        false => deployment(&tried, config, catalog, None, captured),
    };
    Some(made.ok()?.lacking(why.to_owned()))
}

/// What stands for a name of which nothing more can be said.
fn nowhere(configured: &Configured, why: &str) -> Deployment {
    let spec = Spec {
        id: configured.model_info.id.clone(),
        group: configured.model_name.clone(),
        model: configured.model.clone(),
        traits: traits(configured).unwrap_or_default(),
        ..Spec::default()
    };
    Deployment::bare(spec).lacking(why.to_owned())
}

/// Why that could be no deployment, whatever its credential, if it could not. One that a team brought has its own credential too.
pub(crate) fn wrong_with(configured: &Configured, config: &Config, catalog: &Catalog) -> Option<String> {
    let mut tried = reachable(configured).into_owned();
    if !tried.brought {
        // What makes its answers up needs none.
        tried.mock_response.get_or_insert_default();
    }
    let made = match tried.model_name.contains('*') {
        true => pattern(&tried, config, catalog),
        // Wherever the built-in provider may listen.
        false => deployment(&tried, config, catalog, Some("http://localhost"), None),
    };
    made.err()
}

/// Where the operator says the provider is; the endpoint of Bedrock's runtime goes before an address of any provider's.
fn own_base(connection: &Connection, provider: &Provider) -> Option<String> {
    let runtime = || connection.aws.bedrock_runtime_endpoint.clone();
    let first = if provider.chat.contains(&Dialect::Bedrock) { runtime() } else { None };
    first.or_else(|| connection.api_base.clone()).or_else(runtime)
}

fn spec(named: &Configured, config: &Config, ingredients: &Ingredients<'_>, demo: Option<&str>) -> Result<Spec, String> {
    let connection = &named.connection;
    let demo = demo.filter(|_| ingredients.provider.id == "demo").map(str::to_owned);
    let json = |map: &serde_json::Map<String, serde_json::Value>| {
        map.iter().map(|(key, value)| (key.clone(), value.to_string())).collect::<Vec<_>>()
    };
    let mut headers: Vec<(String, String)> =
        connection.extra_headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    if let Some(organization) = &connection.organization {
        headers.push(("openai-organization".to_owned(), organization.clone()));
    }
    let mut secrets: Vec<Secret> = ingredients.key().into_iter().collect();
    secrets.extend(connection.secrets().map(|secret| Secret::from(secret.expose())));
    let spec = Spec {
        id: named.model_info.id.clone(),
        group: named.model_name.clone(),
        base: demo.or_else(|| own_base(connection, ingredients.provider)),
        values: values(named),
        headers,
        defaults: json(&named.default_params),
        set: json(&connection.extra_body),
        remove: named.additional_drop_params.clone(),
        allowed: named.allowed_openai_params.clone(),
        drops: named.drop_params,
        base_model: named.model_info.base_model.clone(),
        weight: named.limits.weight,
        mock: named.mock_response.as_ref().map(made_up),
        known: [json(&named.price_facts), json(&named.model_info.written)].concat(),
        prices: named.prices.iter().map(|(name, price)| (name.clone(), price.as_str().to_owned())).collect(),
        traits: traits(named)?,
        order: named.limits.order.and_then(|order| u32::try_from(order).ok()).unwrap_or(0),
        timeout: named.limits.timeout.or(Some(config.router.timeout)),
        stream_timeout: named.limits.stream_timeout.or(config.router.stream_timeout),
        // What a client of the provider's own would repeat is not repeated where the router says how often.
        num_retries: named.limits.num_retries.or(named.limits.max_retries.filter(|_| config.router.num_retries.is_none())),
        cooldown_time: named.limits.cooldown_time,
        allowed_fails: named.limits.allowed_fails,
        allowed_fails_policy: resilience::by_class(&named.limits.allowed_fails_policy),
        unbroken: resilience::unbroken(named, config),
        timeout_by_tier: named.limits.timeout_by_service_tier.clone().into_iter().collect(),
        stream_timeout_by_tier: named.limits.stream_timeout_by_service_tier.clone().into_iter().collect(),
        newer_form: config.litellm.chat_as_responses && ingredients.provider.id == "openai",
        mock_timeout: named.mock_timeout,
        cache_points: CachePoint::read_all(&named.cache_points),
        merge_reasoning: named.stream.merge_reasoning,
        keepalive: named.stream.keepalive,
        keepalive_override: named.stream.keepalive_override,
        transport: transport::of_deployment(config, named).map_err(|error| error.to_string())?,
        secrets,
        identity: connection.identity().cloned().collect(),
        shadows: named.silent_models.iter().map(|model| Arc::new(Shadow::silent(model))).collect(),
        ..Spec::default()
    };
    // What the router says of a deployment's weight comes before what it says itself.
    let weight = config.router.weights.of(&spec).or(spec.weight);
    Ok(Spec { weight, ..spec })
}

/// The text of an answer that is made up.
fn made_up(said: &serde_json::Value) -> String {
    said.as_str().map_or_else(|| said.to_string(), str::to_owned)
}

/// What the configuration says that matters when a deployment is chosen.
fn traits(named: &Configured) -> Result<Traits, String> {
    let (connection, limits, said) = (&named.connection, &named.limits, &named.model_info.routing);
    let regions = [&said.region, &connection.region_name, &connection.aws.region_name, &connection.vertex.location];
    let pattern = |text: &String| {
        regex::Regex::new(text).map(Pattern).map_err(|error| format!("`tag_regex` holds `{text}`, which is no pattern: {error}"))
    };
    Ok(Traits {
        region: regions.into_iter().find_map(Clone::clone),
        variant: said.endpoint_tag.clone(),
        quantization: said.quantization.clone(),
        trains: said.trains,
        retains: said.retains,
        distillable: said.distillable,
        tags: limits.tags.clone(),
        tag_regex: limits.tag_regex.iter().map(pattern).collect::<Result<_, _>>()?,
        rpm: limits.rpm,
        tpm: limits.tpm,
        max_parallel: limits.max_parallel_requests,
        blocked: said.blocked,
        reserved: Some(named.model_info.reserved.clone()).filter(|reserved| !reserved.is_nobodys()).map(Box::new),
        access_groups: named.model_info.access_groups.clone(),
        labels: said.labels.clone(),
        max_input_tokens: said.max_input_tokens,
    })
}

/// The settings that URLs may name.
pub(crate) fn values(named: &Configured) -> BTreeMap<String, String> {
    let connection = &named.connection;
    let pairs = [
        ("api_version", &connection.api_version),
        ("region_name", &connection.region_name),
        ("aws_region_name", &connection.aws.region_name),
        ("vertex_project", &connection.vertex.project),
        ("vertex_location", &connection.vertex.location),
        ("vertex_ai_project", &connection.vertex.project),
        ("vertex_ai_location", &connection.vertex.location),
        ("watsonx_region_name", &connection.watsonx.region_name),
        ("project_id", &connection.watsonx.project_id),
        ("tenant_id", &connection.azure.tenant_id),
    ];
    let own = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
    let other = named.default_params.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    other.chain(own).collect()
}

/// The built-in model, for a first look and for tests.
fn demo_deployment(catalog: &Catalog, base: &str) -> Result<Deployment, String> {
    let spec = Spec {
        id: "demo".to_owned(),
        group: DEMO.to_owned(),
        provider: "demo".to_owned(),
        model: "echo".to_owned(),
        base: Some(base.to_owned()),
        ..Spec::default()
    };
    let signer = |_: &Auth, origin: &Origin| Ok(Arc::new(Signer::new(origin.clone(), switchboard_engine::sign::Auth::None)));
    Deployment::build(spec, catalog, &|_| None, &signer).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bedrocks_runtime_endpoint_goes_before_an_address() {
        let catalog = Catalog::embedded();
        let mut connection = Connection { api_base: Some("https://base".to_owned()), ..Connection::default() };
        connection.aws.bedrock_runtime_endpoint = Some("https://runtime".to_owned());
        for (provider, wanted) in [("bedrock", "https://runtime"), ("openai", "https://base")] {
            assert_eq!(own_base(&connection, catalog.provider(provider).expect("a row")).as_deref(), Some(wanted), "{provider}");
        }
    }
}
