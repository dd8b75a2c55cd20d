//! `switchboard.virtual_models`: names that stand for several models, written as TrueFoundry's manifests write them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use switchboard_engine::route::virtual_model::{Identifier, Rule, Sticky, VirtualModel, VirtualTarget};
use switchboard_engine::route::{Overrides, RetryRule, Sla};

use super::oracle::{self, StrategyForm};
use super::routing::parse;
use crate::config::diagnostic::Location;
use crate::config::fields::Reader;
use crate::config::yaml::Node;

/// A virtual model, alone or as one of a manifest's `integrations`.
#[derive(Deserialize)]
struct Form {
    name: Option<String>,
    slug: Option<String>,
    #[serde(default)]
    alias: Aliases,
    routing_config: Option<Routing>,
    #[serde(default)]
    integrations: Vec<Form>,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Aliases {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Routing {
    #[serde(rename = "type")]
    kind: String,
    sticky_routing: Option<StickyForm>,
    classification_strategy: Option<StrategyForm>,
    load_balance_targets: Vec<Target>,
}

#[derive(Deserialize)]
struct StickyForm {
    ttl_seconds: Option<u64>,
    session_identifiers: Vec<IdentifierForm>,
}

#[derive(Deserialize)]
struct IdentifierForm {
    source: Source,
    key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    Headers,
    Metadata,
}

#[derive(Deserialize)]
struct Target {
    target: String,
    weight: Option<f64>,
    priority: Option<i64>,
    sla_cutoff: Option<Cutoff>,
    tier: Option<String>,
    retry_config: Option<RetryForm>,
    fallback_status_codes: Option<Vec<Status>>,
    fallback_candidate: Option<bool>,
    #[serde(default)]
    override_params: serde_json::Map<String, serde_json::Value>,
    headers_override: Option<Headers>,
    #[serde(default)]
    metadata_match: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Cutoff {
    time_per_output_token_ms: Option<u64>,
    time_to_first_token_ms: Option<u64>,
}

#[derive(Deserialize)]
struct RetryForm {
    attempts: Option<u32>,
    delay: Option<u64>,
    on_status_codes: Option<Vec<Status>>,
}

/// A status, as a number or as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Status {
    Number(u16),
    Text(String),
}

#[derive(Deserialize)]
struct Headers {
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    remove: Vec<String>,
}

/// A target as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPlace {
    /// The virtual model whose target it is.
    pub of: String,
    /// The model that it names.
    pub model: String,
    /// Where it stands.
    pub at: Location,
}

/// All of `switchboard.virtual_models`, and where their targets stand.
pub(super) fn read_all(reader: &mut Reader<'_>, items: &[Node]) -> (Vec<VirtualModel>, Vec<TargetPlace>) {
    let (mut models, mut places) = (Vec::new(), Vec::new());
    for item in items {
        let Some(form) = parse::<Form>(reader, "switchboard.virtual_models[]", item) else { continue };
        let prefix = form.name.clone().filter(|_| form.routing_config.is_none());
        let (forms, nodes) = match form.routing_config {
            Some(_) => (vec![form], std::slice::from_ref(item)),
            None => (form.integrations, list(item, &["integrations"])),
        };
        if forms.is_empty() {
            let hint = "add `routing_config: {type: weight-based-routing, load_balance_targets: [...]}`";
            reader.found.error(&item.at, "this virtual model has no `routing_config`", hint);
        }
        for (form, node) in forms.into_iter().zip(nodes) {
            let targets = list(node, &["routing_config", "load_balance_targets"]);
            match read(form, prefix.as_deref()) {
                Ok(model) => {
                    let place = |(target, node): (&VirtualTarget, &Node)| TargetPlace {
                        of: model.name.clone(),
                        model: target.model.clone(),
                        at: node.at.clone(),
                    };
                    places.extend(model.targets.iter().zip(targets).map(place));
                    models.push(model);
                }
                Err((at, why)) => {
                    let at = at.and_then(|at| targets.get(at)).map_or(&node.at, |target| &target.at);
                    reader.found.error(at, format!("`switchboard.virtual_models[]`: {why}"), "see docs/configuration.md");
                }
            }
        }
    }
    (models, places)
}

/// The list at the end of that path; nothing where there is none.
fn list<'a>(node: &'a Node, path: &[&str]) -> &'a [Node] {
    let found = path.iter().try_fold(node, |node, name| node.as_map()?.get(name));
    found.and_then(Node::as_list).unwrap_or_default()
}

/// What is wrong, and with which of its targets, where it is one of them.
type Wrong = (Option<usize>, String);

fn read(form: Form, prefix: Option<&str>) -> Result<VirtualModel, Wrong> {
    let whole = |why: String| (None, why);
    let routing = form.routing_config.ok_or_else(|| whole("there is no `routing_config`".to_owned()))?;
    let rule = Rule::from_name(&routing.kind).ok_or_else(|| whole(format!("`{}` is no kind of routing", routing.kind)))?;
    let full = match (prefix, &form.name) {
        (Some(prefix), Some(name)) => Some(format!("{prefix}/{name}")),
        (None, Some(name)) => Some(name.clone()),
        (_, None) => None,
    };
    let name = form.slug.clone().or_else(|| full.clone()).ok_or_else(|| whole("it has neither a `name` nor a `slug`".to_owned()))?;
    let mut aliases = match form.alias {
        Aliases::None => Vec::new(),
        Aliases::One(alias) => vec![alias],
        Aliases::Many(aliases) => aliases,
    };
    aliases.extend(full.filter(|full| *full != name));
    let targets = routing.load_balance_targets.into_iter().enumerate();
    let targets = targets.map(|(at, form)| target(form).map_err(|why| (Some(at), why))).collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        return Err(whole(format!("`{name}` has no `load_balance_targets`")));
    }
    let classification = routing.classification_strategy.map(StrategyForm::classification).transpose().map_err(whole)?.flatten();
    Ok(VirtualModel { name, aliases, rule, targets, sticky: routing.sticky_routing.map(sticky), classification })
}

fn target(form: Target) -> Result<VirtualTarget, String> {
    let name = &form.target;
    let mut overrides = Overrides { fallback_candidate: form.fallback_candidate.unwrap_or(true), ..Overrides::default() };
    overrides.params = form.override_params.iter().map(|(key, value)| (key.clone(), value.to_string())).collect();
    if let Some(headers) = &form.headers_override {
        overrides.set_headers = set(&headers.set).map_err(|why| format!("`{name}`: {why}"))?;
        let removed = headers.remove.iter().map(|name| HeaderName::try_from(name).map_err(|_| format!("`{name}` is no header name")));
        overrides.remove_headers = removed.collect::<Result<_, _>>()?;
    }
    overrides.fallback_statuses = form.fallback_status_codes.map(statuses).transpose()?;
    if let Some(retry) = form.retry_config {
        overrides.retry = Some(RetryRule {
            attempts: retry.attempts.unwrap_or(0),
            delay: Duration::from_millis(retry.delay.unwrap_or(100)),
            statuses: retry.on_status_codes.map(statuses).transpose()?.unwrap_or_default(),
        });
    }
    let mut whys = Vec::new();
    let tier = form.tier.as_deref().and_then(|name| oracle::tier(name, &mut whys));
    if let Some(why) = whys.pop() {
        return Err(format!("`{name}`: {why}"));
    }
    let weight = form.weight.unwrap_or(1.0);
    if !weight.is_finite() || weight < 0.0 {
        return Err(format!("the weight of `{name}` is no number from 0"));
    }
    Ok(VirtualTarget {
        weight,
        priority: form.priority.unwrap_or(0),
        sla: form.sla_cutoff.map(|cutoff| Sla {
            time_per_output_token: cutoff.time_per_output_token_ms.map(Duration::from_millis),
            time_to_first_token: cutoff.time_to_first_token_ms.map(Duration::from_millis),
        }),
        tier,
        overrides: Arc::new(overrides),
        metadata: form.metadata_match.into_iter().collect(),
        model: form.target,
    })
}

fn set(headers: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let header = HeaderName::try_from(name).map_err(|_| format!("`{name}` is no header name"))?;
        let value = HeaderValue::try_from(value).map_err(|_| format!("the value of header `{name}` cannot be sent"))?;
        map.insert(header, value);
    }
    Ok(map)
}

fn statuses(list: Vec<Status>) -> Result<Vec<u16>, String> {
    let read = |status| match status {
        Status::Number(number) => Ok(number),
        Status::Text(text) => text.trim().parse().map_err(|_| format!("`{text}` is no status code")),
    };
    list.into_iter().map(read).collect()
}

fn sticky(form: StickyForm) -> Sticky {
    let identifiers = form.session_identifiers.into_iter().map(|identifier| match identifier.source {
        Source::Headers => Identifier::Header(identifier.key.to_ascii_lowercase()),
        Source::Metadata => Identifier::Metadata(identifier.key),
    });
    Sticky { ttl: Duration::from_secs(form.ttl_seconds.unwrap_or(600)), identifiers: identifiers.collect() }
}
