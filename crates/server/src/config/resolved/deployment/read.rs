//! From an entry of `model_list` to a [`Deployment`].

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use switchboard_engine::catalog::{ModelCard, derive};

use super::common::Common;
use super::{Aws, Azure, Connection, Credentials, Deployment, Limits, ModelInfo, Price, Routing, SslVerify, Streaming, Vertex, Watsonx};
use crate::config::diagnostic::{Location, closest};
use crate::config::environment::Environment;
use crate::config::fields::{Fields, Reader};
use crate::config::keys::{self, Kind, REQUEST_DEFAULTS, Section};
use crate::config::laid;
use crate::config::load::ProviderKeys;
use crate::config::resolved::brought::Brought;
use crate::config::resolved::checks::Check;
use crate::config::resolved::resilience::allowed_fails_policy;
use crate::config::resolved::{limits, reserved};
use crate::config::secret::Secret;
use crate::config::yaml::{Entry, Map, Node, Value};

/// All of `model_list`.
pub(in crate::config) fn read_all(
    reader: &mut Reader<'_>,
    top: &Fields,
    (credentials, common): (&Credentials, &Common<'_>),
    has_database: bool,
) -> Vec<Deployment> {
    let mut deployments = Vec::new();
    let mut ids = HashSet::new();
    for item in top.list("model_list") {
        let fields = reader.section(Section::Deployment, Some(item));
        let (Some(name), Some(written)) = (fields.text("model_name"), fields.node("litellm_params")) else {
            if item.as_map().is_some() {
                let missing = if fields.node("model_name").is_none() { "model_name" } else { "litellm_params" };
                let hint = "write `- model_name: ...` and `litellm_params: {model: provider/model}`";
                reader.found.error(&item.at, format!("this entry of `model_list` has no `{missing}`"), hint);
            }
            continue;
        };
        let (before, mut fault) = (reader.found.count(), None);
        let params = credentials.apply(reader, written, has_database);
        for params in per_organization(&params) {
            let info = fields.node("model_info");
            if let Some(info) = info {
                reader.warn_unset_within(Section::ModelInfo.path(), info);
            }
            // What the router says of all may be a credential.
            let whole = if laid::is_brought(&item.at) { params.clone() } else { common.over(&params) };
            let Some(mut deployment) = read(reader, &name, &whole, info, &item.at) else {
                continue;
            };
            // A fault of the one keeps the others from nothing. What is laid over the file is told of it.
            if !laid::is_laid(&item.at) {
                let confined = reader.found.confine(before);
                fault = fault.or(confined);
                deployment.fault.clone_from(&fault);
            }
            beside(&fields, &mut deployment.limits);
            common.bound(&mut deployment);
            if !deployment.model_info.id.is_empty() && ids.contains(&deployment.model_info.id) {
                let message = format!("the id `{}` is used twice; this one gets another", deployment.model_info.id);
                reader.found.warn(&item.at, message, "give each deployment an id of its own");
                deployment.model_info.id.clear();
            }
            if deployment.model_info.id.is_empty() {
                let id = (0..).map(|copy| super::identity::identity(&name, &params, copy)).find(|id| !ids.contains(id));
                deployment.model_info.id = id.unwrap_or_default();
            }
            ids.insert(deployment.model_info.id.clone());
            deployments.push(deployment);
        }
    }
    deployments
}

/// One wildcard deployment for each provider whose key is set.
pub(in crate::config) fn from_environment(providers: &[ProviderKeys], environment: &Environment) -> Vec<Deployment> {
    let mut deployments = Vec::new();
    for provider in providers {
        let Some(key) = provider.variables.iter().find_map(|name| environment.get_non_empty(name)) else {
            continue;
        };
        let model = format!("{}/*", provider.provider);
        let at = Location::environment();
        let params = Node::new(Value::Text(model.clone()), at.clone());
        let id = super::identity::identity(&model, &params, 0);
        let connection = Connection { api_key: Some(Secret::new(key)), ..Connection::default() };
        deployments.push(Deployment {
            model_info: ModelInfo { id, ..ModelInfo::default() },
            model_name: model.clone(),
            ..Deployment::bare(model, connection, at)
        });
    }
    deployments
}

impl Deployment {
    /// A deployment of which nothing is said but how it is reached.
    pub(crate) fn bare(model: String, connection: Connection, at: Location) -> Self {
        Self {
            model_name: String::new(),
            model,
            connection,
            limits: Limits::default(),
            prices: BTreeMap::new(),
            price_facts: serde_json::Map::new(),
            drop_params: None,
            additional_drop_params: Vec::new(),
            allowed_openai_params: Vec::new(),
            default_params: serde_json::Map::new(),
            mock_response: None,
            mock_timeout: false,
            stream: Streaming::default(),
            silent_models: Vec::new(),
            cache_points: Vec::new(),
            router: None,
            model_info: ModelInfo::default(),
            at,
            brought: false,
            fault: None,
        }
    }
}

/// A list of organizations makes one set of parameters for each.
fn per_organization(params: &Node) -> Vec<Node> {
    let Some(map) = params.as_map() else {
        return vec![params.clone()];
    };
    let organizations = map.get("organization").and_then(Node::as_list).unwrap_or_default();
    if organizations.is_empty() {
        return vec![params.clone()];
    }
    let with = |organization: &Node| {
        let mut map = map.clone();
        map.insert(Entry { name: "organization".to_owned(), at: organization.at.clone(), node: organization.clone() });
        Node { value: Value::Map(map), ..params.clone() }
    };
    organizations.iter().map(with).collect()
}

fn read(reader: &mut Reader<'_>, name: &str, params: &Node, info: Option<&Node>, at: &Location) -> Option<Deployment> {
    let fields = reader.section(Section::Params, Some(params));
    let info_fields = reader.section(Section::ModelInfo, info);
    let Some(model) = fields.text("model").filter(|model| !model.is_empty()) else {
        if params.as_map().is_some_and(|map| map.get("model").is_none_or(|node| matches!(node.value, Value::Null))) {
            let hint = "add `model: provider/model` to `litellm_params`";
            reader.found.error(&params.at, format!("the deployment `{name}` has no `model`"), hint);
        }
        return None;
    };
    let mut prices = BTreeMap::new();
    read_prices(reader, Section::ModelInfo, &info_fields, &mut prices);
    read_prices(reader, Section::Params, &fields, &mut prices);
    if fields.flag("stream") == Some(true) {
        let message = format!("`stream` of the deployment `{name}` has no effect: an answer comes in pieces where its caller says so");
        reader.found.warn(&params.at, message, "remove it");
    }
    let mut model_info = model_info(reader, &info_fields, info);
    model_info.mode = model_info.mode.or_else(|| fields.text("mode"));
    misplaced(&fields, &mut model_info);
    model_info.base_model = model_info.base_model.or_else(|| fields.text("base_model"));
    Some(Deployment {
        model_name: name.to_owned(),
        // Neither a file nor another model is named by what a team brought.
        router: crate::config::resolved::smart::RouterParams::read(&model, reader, &fields).filter(|_| !laid::is_brought(at)),
        model,
        connection: connection(reader, params, &fields),
        limits: limits(reader, &fields, &info_fields),
        prices,
        price_facts: price_facts(&fields),
        drop_params: fields.flag("drop_params"),
        additional_drop_params: fields.texts("additional_drop_params"),
        allowed_openai_params: fields.texts("allowed_openai_params"),
        default_params: default_params(reader, &fields),
        mock_response: fields.node("mock_response").map(Node::to_json),
        mock_timeout: fields.node("mock_timeout").and_then(keys::flag).unwrap_or(false),
        stream: Streaming {
            keepalive: fields.float("keepalive_seconds"),
            keepalive_override: fields.flag("allow_client_keepalive_override").unwrap_or(false),
            merge_reasoning: fields.flag("merge_reasoning_content_in_choices").unwrap_or(false),
        },
        silent_models: if laid::is_brought(at) { Vec::new() } else { fields.texts("silent_model") },
        cache_points: fields.list("cache_control_injection_points").iter().map(Node::to_json).collect(),
        model_info,
        at: at.clone(),
        brought: laid::is_brought(at),
        fault: None,
    })
}

/// The variable that the key is to be found in, where it is not set.
fn unset_key(params: &Node) -> Option<String> {
    let node = params.as_map()?.get("api_key")?;
    node.variable.as_deref().filter(|_| node.value == Value::Unset).map(str::to_owned)
}

fn connection(reader: &mut Reader<'_>, params: &Node, fields: &Fields) -> Connection {
    for name in ["extra_body", "vertex_credentials", "vertex_ai_credentials"] {
        if let Some(node) = fields.node(name) {
            reader.warn_unset_within(&Section::Params.name_of(name), node);
        }
    }
    Connection {
        provider: fields.text("custom_llm_provider"),
        api_key: fields.secret("api_key"),
        unset_key: unset_key(params),
        api_base: api_base(reader, fields),
        api_version: fields.text("api_version"),
        organization: fields.text("organization"),
        region_name: fields.text("region_name"),
        extra_headers: headers(reader, fields),
        extra_body: fields.map("extra_body").map(Map::to_json).unwrap_or_default(),
        ssl_verify: fields.node("ssl_verify").map(ssl_verify),
        ssl_certificate: fields.text("ssl_certificate").map(Into::into),
        aws: aws(fields),
        vertex: Vertex {
            project: fields.text("vertex_project").or_else(|| fields.text("vertex_ai_project")),
            location: fields.text("vertex_location").or_else(|| fields.text("vertex_ai_location")),
            credentials: fields.node("vertex_credentials").or_else(|| fields.node("vertex_ai_credentials")).map(credentials),
        },
        azure: Azure {
            ad_token: fields.secret("azure_ad_token"),
            tenant_id: fields.text("tenant_id"),
            client_id: fields.text("client_id"),
            client_secret: fields.secret("client_secret"),
            scope: fields.text("azure_scope"),
            username: fields.text("azure_username"),
            password: fields.secret("azure_password"),
        },
        watsonx: Watsonx { region_name: fields.text("watsonx_region_name"), project_id: fields.text("project_id") },
        passes: fields.flag("use_in_pass_through").unwrap_or(false),
        brought: Brought::read(reader, fields),
    }
}

fn aws(fields: &Fields) -> Aws {
    Aws {
        region_name: fields.text("aws_region_name"),
        access_key_id: fields.secret("aws_access_key_id"),
        secret_access_key: fields.secret("aws_secret_access_key"),
        session_token: fields.secret("aws_session_token"),
        role_name: fields.text("aws_role_name"),
        session_name: fields.text("aws_session_name"),
        profile_name: fields.text("aws_profile_name"),
        web_identity_token: fields.secret("aws_web_identity_token"),
        external_id: fields.secret("aws_external_id"),
        sts_endpoint: fields.text("aws_sts_endpoint"),
        bedrock_runtime_endpoint: fields.text("aws_bedrock_runtime_endpoint"),
        model_id: fields.text("model_id"),
    }
}

/// What an entry says beside its parameters goes before what they say.
fn beside(entry: &Fields, limits: &mut Limits) {
    let Limits { rpm, tpm, itpm, otpm, .. } = limits;
    for (name, limit) in [("rpm", rpm), ("tpm", tpm), ("itpm", itpm), ("otpm", otpm)] {
        *limit = entry.integer(name).or(*limit);
    }
}

fn limits(reader: &mut Reader<'_>, fields: &Fields, info: &Fields) -> Limits {
    Limits {
        timeout_by_service_tier: tiers(reader, fields, "timeout_by_service_tier"),
        stream_timeout_by_service_tier: tiers(reader, fields, "stream_timeout_by_service_tier"),
        allowed_fails: info.count("allowed_fails"),
        allowed_fails_policy: allowed_fails_policy(reader, info),
        rpm: fields.integer("rpm").or_else(|| info.integer("rpm")),
        rpm_of_key: fields.integer("default_api_key_rpm_limit"),
        tpm_of_key: fields.integer("default_api_key_tpm_limit"),
        tpm: fields.integer("tpm").or_else(|| info.integer("tpm")),
        itpm: fields.integer("itpm").or_else(|| info.integer("itpm")),
        otpm: fields.integer("otpm").or_else(|| info.integer("otpm")),
        max_parallel_requests: fields.count("max_parallel_requests"),
        budget: limits::budget(fields.node("max_budget").and_then(keys::decimal), fields.text("budget_duration").as_deref()),
        timeout: fields.seconds("timeout"),
        stream_timeout: fields.seconds("stream_timeout"),
        max_retries: fields.count("max_retries"),
        num_retries: fields.count("num_retries"),
        cooldown_time: info.seconds("cooldown_time").or_else(|| fields.seconds("cooldown_time")),
        weight: fields.float("weight"),
        order: fields.signed("order"),
        tags: fields.texts("tags"),
        tag_regex: fields.texts("tag_regex"),
    }
}

/// `{priority: 30}`
fn tiers(reader: &mut Reader<'_>, fields: &Fields, name: &str) -> BTreeMap<String, Duration> {
    let mut tiers = BTreeMap::new();
    for entry in fields.map(name).map(|map| map.entries.as_slice()).unwrap_or_default() {
        match keys::seconds(&entry.node) {
            Some(time) => {
                tiers.insert(entry.name.clone(), time);
            }
            None if entry.node.is_absent() => {}
            None => reader.wrong_kind(&entry.node, &format!("{name}.{}", entry.name), Kind::Seconds, &entry.name),
        }
    }
    tiers
}

fn model_info(reader: &mut Reader<'_>, fields: &Fields, written: Option<&Node>) -> ModelInfo {
    ModelInfo {
        id: fields.text("id").unwrap_or_default(),
        mode: fields.text("mode"),
        base_model: fields.text("base_model"),
        access_groups: fields.texts("access_groups"),
        environments: fields.texts("supported_environments"),
        routing: Routing {
            blocked: fields.flag("blocked").unwrap_or(false),
            region: fields.text("region"),
            endpoint_tag: fields.text("endpoint_tag"),
            quantization: fields.text("quantization"),
            trains: fields.flag("trains"),
            retains: fields.flag("retains"),
            distillable: fields.flag("distillable"),
            labels: labels(fields),
            max_input_tokens: fields.integer("max_input_tokens"),
        },
        reserved: reserved::read(reader, fields),
        check: Check::read(fields),
        written: written.and_then(Node::as_map).map(Map::to_json).unwrap_or_default(),
    }
}

/// What the model can do, where it is said among the parameters.
fn misplaced(fields: &Fields, info: &mut ModelInfo) {
    for entry in fields.unknown.entries.iter().filter(|entry| keys::is_ability(&entry.name) && !entry.node.is_absent()) {
        if !info.written.contains_key(&entry.name) {
            info.written.insert(entry.name.clone(), entry.node.to_json());
        }
    }
}

/// Its labels; `local: true` is one, and so is each word of `compliance`.
fn labels(fields: &Fields) -> Vec<String> {
    let mut labels = fields.texts("labels");
    labels.extend(fields.texts("compliance"));
    if fields.flag("local") == Some(true) {
        labels.push("local".to_owned());
    }
    labels
}

fn api_base(reader: &mut Reader<'_>, fields: &Fields) -> Option<String> {
    let node = fields.node("api_base").or_else(|| fields.node("base_url"))?;
    let text = keys::text(node)?.trim().to_owned();
    if text.is_empty() {
        return None;
    }
    if !text.starts_with("https://") && !text.starts_with("http://") {
        reader.found.error(&node.at, "`api_base` is not a URL", "begin it with `https://` or `http://`");
    }
    Some(text)
}

fn headers(reader: &mut Reader<'_>, fields: &Fields) -> Vec<(String, Secret)> {
    let Some(node) = fields.node("extra_headers").or_else(|| fields.node("headers")) else {
        return Vec::new();
    };
    reader.warn_unset_within("model_list[].litellm_params.extra_headers", node);
    let mut headers = Vec::new();
    for entry in node.as_map().map(|map| map.entries.as_slice()).unwrap_or_default() {
        let value = match &entry.node.value {
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Unset => continue,
            Value::Text(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => keys::text(&entry.node).map(str::to_owned),
        };
        match value {
            Some(value) => headers.push((entry.name.clone(), Secret::new(value))),
            None => reader.wrong_kind(&entry.node, &format!("extra_headers.{}", entry.name), Kind::Text, &entry.name),
        }
    }
    headers
}

pub(in crate::config::resolved) fn ssl_verify(node: &Node) -> SslVerify {
    match (keys::flag(node), keys::text(node)) {
        (Some(false), _) => SslVerify::Off,
        (None, Some(path)) => SslVerify::File(path.to_owned()),
        (Some(true) | None, _) => SslVerify::System,
    }
}

fn credentials(node: &Node) -> Secret {
    match keys::text(node) {
        Some(text) => Secret::new(text),
        None => Secret::new(node.to_json().to_string()),
    }
}

/// Prices are taken by the shape of their names, since every field of the price map may be written.
fn read_prices(reader: &mut Reader<'_>, section: Section, fields: &Fields, prices: &mut BTreeMap<String, Price>) {
    for entry in fields.entries().iter().chain(&fields.unknown.entries) {
        if !is_price(&entry.name) || entry.node.as_map().is_some() || entry.node.as_list().is_some() {
            continue;
        }
        match keys::decimal(&entry.node).filter(|_| Kind::Decimal.accepts(&entry.node)) {
            Some(price) => {
                if section.find(&entry.name).is_none() && !is_listed(&entry.name) {
                    let message = format!("`{}` is no price that is known, and charges nothing", section.name_of(&entry.name));
                    let close = closest(&entry.name, section.keys().iter().map(|key| key.name).filter(|name| is_price(name)));
                    reader.found.warn(&entry.at, message, close.map(|close| format!("did you mean `{close}`?")).unwrap_or_default());
                }
                prices.insert(entry.name.clone(), Price(price.to_owned()));
            }
            None if entry.node.is_absent() => {}
            None => reader.wrong_kind(&entry.node, &section.name_of(&entry.name), Kind::Decimal, &entry.name),
        }
    }
}

/// What of `litellm_params` says what things cost and is no number, as price lists write it.
const PRICE_FACTS: [&str; 5] =
    ["search_context_cost_per_query", "provider_specific_entry", "tiered_pricing", "off_peak_pricing", "web_search_billing_unit"];

fn price_facts(fields: &Fields) -> serde_json::Map<String, serde_json::Value> {
    let entries = fields.entries().iter().chain(&fields.unknown.entries);
    let said = entries.filter(|entry| PRICE_FACTS.contains(&entry.name.as_str()) && !entry.node.is_absent());
    said.map(|entry| (entry.name.clone(), entry.node.to_json())).collect()
}

/// Whether price lists have one of that name.
fn is_listed(name: &str) -> bool {
    derive::set_price(&mut ModelCard::default(), name, "1")
}

fn is_price(name: &str) -> bool {
    name.contains("cost_per_") || name.contains("_token_cost")
}

/// Request parameters: the rows that are ones, and every key without a row that is not LiteLLM's own.
fn default_params(reader: &mut Reader<'_>, fields: &Fields) -> serde_json::Map<String, serde_json::Value> {
    let known = fields.entries().iter().filter(|entry| REQUEST_DEFAULTS.contains(&entry.name.as_str()));
    let entries = known.chain(
        fields
            .unknown
            .entries
            .iter()
            .filter(|entry| !is_price(&entry.name) && !PRICE_FACTS.contains(&entry.name.as_str()) && !keys::is_own(&entry.name))
            .filter(|entry| !keys::is_ability(&entry.name)),
    );
    let mut params = serde_json::Map::new();
    for entry in entries {
        reader.warn_unset_within(&Section::Params.name_of(&entry.name), &entry.node);
        if !entry.node.is_absent() {
            params.insert(entry.name.clone(), entry.node.to_json());
        }
    }
    params
}
