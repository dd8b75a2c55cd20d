//! What a configuration means, for people.

use std::fmt::Write;
use std::time::Duration;

use switchboard_engine::settings::Cooldown;

use super::resolved::{Config, Deployment, Fallback};

/// The deployments, names and settings of a configuration. Credentials are only said to be set. `elsewhere` tells where a model is,
/// where its name does not.
pub fn report(config: &Config, elsewhere: &dyn Fn(&Deployment) -> Option<String>) -> String {
    let mut out = String::new();
    deployments(config, elsewhere, &mut out);
    names(config, &mut out);
    settings(config, &mut out);
    out
}

fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "  {name}: {value}");
}

fn deployments(config: &Config, elsewhere: &dyn Fn(&Deployment) -> Option<String>, out: &mut String) {
    let _ = writeln!(out, "deployments: {}", config.deployments.len());
    for deployment in &config.deployments {
        let model = elsewhere(deployment).unwrap_or_else(|| deployment.model.clone());
        let _ = writeln!(out, "- {} -> {model}", deployment.model_name);
        for (name, value) in facts(deployment) {
            line(out, name, value);
        }
    }
}

/// What is set, in the order of reading.
fn facts(deployment: &Deployment) -> Vec<(&'static str, String)> {
    let info = &deployment.model_info;
    let drop = deployment.drop_params.map(|flag| flag.to_string());
    let prices = deployment.prices.iter().map(|(name, price)| format!("{name} = {}", price.as_str()));
    let last = [
        ("default parameters", list(deployment.default_params.keys())),
        ("drop_params", drop),
        ("prices (USD)", list(prices)),
        ("mode", info.mode.clone()),
        ("base_model", info.base_model.clone()),
        ("access_groups", list(&info.access_groups)),
        ("mock_response", deployment.mock_response.as_ref().map(|_| "set".to_owned())),
    ];
    let all = [("id", Some(info.id.clone()))].into_iter().chain(place(deployment)).chain(share(deployment)).chain(last);
    all.filter_map(|(name, value)| Some((name, value?))).collect()
}

type Fact = (&'static str, Option<String>);

fn place(deployment: &Deployment) -> [Fact; 9] {
    let connection = &deployment.connection;
    let (aws, vertex) = (&connection.aws, &connection.vertex);
    [
        ("provider", connection.provider.clone()),
        ("api_base", connection.api_base.as_deref().map(without_credentials)),
        ("api_version", connection.api_version.clone()),
        ("credentials", credentials(deployment)),
        ("organization", connection.organization.clone()),
        ("region", aws.region_name.clone().or_else(|| vertex.location.clone())),
        ("project", vertex.project.clone().or_else(|| connection.watsonx.project_id.clone())),
        ("extra_headers", list(connection.extra_headers.iter().map(|(name, _)| name))),
        ("extra_body", list(connection.extra_body.keys())),
    ]
}

fn share(deployment: &Deployment) -> [Fact; 8] {
    let limits = &deployment.limits;
    [
        ("rpm", limits.rpm.map(|count| count.to_string())),
        ("tpm", limits.tpm.map(|count| count.to_string())),
        ("timeout", limits.timeout.map(seconds)),
        ("stream_timeout", limits.stream_timeout.map(seconds)),
        ("retries", limits.max_retries.or(limits.num_retries).map(|count| count.to_string())),
        ("weight", limits.weight.map(|weight| weight.to_string())),
        ("order", limits.order.map(|order| order.to_string())),
        ("tags", list(&limits.tags)),
    ]
}

/// A URL may hold a user and password.
fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or(authority);
            let path = path.split('?').next().unwrap_or(path);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// Which kinds of credential are set.
fn credentials(deployment: &Deployment) -> Option<String> {
    let connection = &deployment.connection;
    let (aws, azure) = (&connection.aws, &connection.azure);
    let kinds = [
        ("api_key", connection.api_key.is_some()),
        ("aws keys", aws.access_key_id.is_some() && aws.secret_access_key.is_some()),
        ("aws role", aws.role_name.is_some()),
        ("aws profile", aws.profile_name.is_some()),
        ("vertex_credentials", connection.vertex.credentials.is_some()),
        ("azure_ad_token", azure.ad_token.is_some()),
        ("entra client", azure.client_id.is_some() && azure.client_secret.is_some()),
        ("entra user", azure.username.is_some() && azure.password.is_some()),
    ];
    list(kinds.into_iter().filter(|(_, set)| *set).map(|(name, _)| name)).map(|names| format!("set ({names})"))
}

fn names(config: &Config, out: &mut String) {
    if !config.aliases.is_empty() {
        let _ = writeln!(out, "aliases:");
    }
    for alias in &config.aliases {
        let hidden = if alias.hidden { " (hidden)" } else { "" };
        let _ = writeln!(out, "- {} -> {}{hidden}", alias.name, alias.model);
    }
    let router = &config.router;
    fallbacks("fallbacks", &router.fallbacks, out);
    fallbacks("context window fallbacks", &router.context_window_fallbacks, out);
    fallbacks("content policy fallbacks", &router.content_policy_fallbacks, out);
    if let Some(models) = list(&router.default_fallbacks) {
        let _ = writeln!(out, "default fallbacks: {models}");
    }
    if let Some(names) = list(&config.credentials) {
        let _ = writeln!(out, "credential list: {names}");
    }
}

fn fallbacks(title: &str, fallbacks: &[Fallback], out: &mut String) {
    if !fallbacks.is_empty() {
        let _ = writeln!(out, "{title}:");
    }
    for fallback in fallbacks {
        let _ = writeln!(
            out,
            "- {} -> {}",
            fallback.model,
            fallback.targets.iter().map(|target| target.model.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
}

fn settings(config: &Config, out: &mut String) {
    let (router, own) = (&config.router, &config.switchboard);
    let _ = writeln!(out, "settings:");
    let key = if config.general.master_key.is_some() { "set" } else { "none" };
    line(out, "master key", key);
    line(out, "routing", &router.routing_strategy);
    line(out, "retries", router.num_retries.map_or_else(|| "as the failure deserves".to_owned(), |count| count.to_string()));
    line(out, "timeout", seconds(router.timeout));
    let rest = match router.disable_cooldowns {
        true => "never".to_owned(),
        false => match router.allowed_fails {
            Some(fails) => format!("{} after {fails} failures", seconds(router.cooldown_time.unwrap_or(Cooldown::TIME))),
            None => "as its breaker decides".to_owned(),
        },
    };
    line(out, "deployments rest", rest);
    if let Some(drop) = config.litellm.drop_params {
        line(out, "drop_params", drop);
    }
    let listen: Vec<String> = own.listen.iter().map(|listen| listen.address.to_string()).collect();
    line(out, "listen", listen.join(", "));
    line(out, "tls", if own.tls.is_some() { "on" } else { "off" });
    line(out, "largest request body", format_args!("{} bytes", own.limits.max_body_bytes));
    line(out, "drain", seconds(own.timeouts.drain));
    line(out, "reload", if own.reload.enabled { "on" } else { "off" });
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Option<String> {
    let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
