//! `general_settings`, and the rule that a reachable gateway has a key.

use std::net::IpAddr;
use std::sync::Arc;

use switchboard_engine::forwarding::Forwarding;

use super::Config;
use super::alerting::Alerting;
use super::checks::{CheckRouting, HealthChecks};
use super::customers::Customers;
use super::forced::ForcedModels;
use super::forwarding;
use super::gates::Gates;
use super::jwt::JwtAuth;
use super::logs::LogSettings;
use super::manners::Manners;
use super::pass_through::{self, PassThrough};
use super::sign_in::SignIn;
use super::switchboard::Listen;
use crate::config::diagnostic::{Diagnostics, Location};
use crate::config::environment::Environment;
use crate::config::fields::Reader;
use crate::config::keys::Section;
use crate::config::secret::Secret;
use crate::config::yaml::{Node, Value};

/// Settings of the gateway as a whole.
#[derive(Clone, Debug)]
pub struct General {
    /// The administrator's key. `None`: no key is asked for.
    pub master_key: Option<Secret>,
    /// Where the key, or else the section, stands.
    pub master_key_at: Location,
    /// A key was written, and an error says why it cannot be used.
    pub(super) master_key_is_invalid: bool,
    /// Start without a master key even where other machines can reach the gateway.
    pub permit_missing_master_key: bool,
    /// Database for keys and spending.
    pub database_url: Option<Secret>,
    /// The most connections to that database.
    pub database_connections: u32,
    /// What proofs of keys are made with, beside the database.
    pub key_pepper: Option<Secret>,
    /// Who may do what, and how much, whoever asks.
    pub gates: Gates,
    /// A user's budget also counts for keys of teams.
    pub budget_of_user_on_team_keys: bool,
    /// Who the customer of a caller is.
    pub customers: Customers,
    /// Signed tokens in place of keys, if they are accepted.
    pub jwt: Option<JwtAuth>,
    /// Who may sign in to the dashboard.
    pub sign_in: SignIn,
    /// A header that holds a key, before all others.
    pub key_header: Option<String>,
    /// Whether what is asked and answered is kept.
    pub stores_prompts: bool,
    /// Who is told of what happens.
    pub alerting: Alerting,
    /// Models may come from the database.
    pub store_model_in_db: bool,
    /// Nothing says that they may not.
    pub may_store_models: bool,
    /// The addresses that may ask; none means all.
    pub addresses: Vec<String>,
    /// The most that a new key may be given, where it stood in older files.
    pub(super) most_of_keys: serde_json::Map<String, serde_json::Value>,
    /// Largest request body, if this section says.
    pub(super) max_request_bytes: Option<u64>,
    /// Checks of deployments while nobody asks.
    pub health_checks: HealthChecks,
    /// What they mean for routing, if this section says.
    pub(super) check_routing: CheckRouting,
    /// Requests are refused while limits that gateways share cannot be counted.
    pub(super) fails_closed: bool,
    /// The Redis where gateways agree.
    pub(super) coordination_redis: Option<Secret>,
    /// Further routes, passed on as they are.
    pub pass_through: Vec<Arc<PassThrough>>,
    /// Whether everybody is told how the gateway is, in detail.
    pub tells_readiness: bool,
    /// Lists of models have patterns too.
    pub lists_patterns: bool,
    /// The model of moderation requests that name none.
    pub moderation_model: Option<String>,
    /// URL at which clients reach the gateway, when it differs from where it listens.
    pub public_base_url: Option<String>,
    /// Which headers of clients are passed on.
    pub forwarding: Forwarding,
    /// What is kept of requests.
    pub logs: LogSettings,
    /// Administrators do not become members of the teams they make.
    pub keeps_makers_out: bool,
    /// Models that answer whatever was asked for.
    pub forced: ForcedModels,
    /// What is added to requests and to what is answered.
    pub manners: Manners,
    /// Providers whose keys are in the environment serve their models.
    pub infers_models: bool,
    /// Path before every route, without a slash at its end; empty for none.
    pub root_path: String,
}

impl General {
    pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>, environment: &Environment) -> General {
        let fields = reader.section(Section::General, node);
        // Its values were used when references were followed; here it is only checked.
        reader.section(Section::KeyManagement, fields.node("key_management_settings"));
        if let Some(node) = fields.node("coordination_redis") {
            reader.warn_unset_within("general_settings.coordination_redis", node);
        }
        let written = node.and_then(Node::as_map).and_then(|map| map.get("master_key"));
        let from = |names: [&str; 2]| names.into_iter().find_map(|name| environment.get_non_empty(name)).map(Secret::new);
        let at = node.map_or_else(Location::environment, |node| node.at.clone());
        let megabytes = fields.float("max_request_size_mb").filter(|size| *size > 0.0);
        tell_idle(reader, environment);
        let root_path = environment.get_non_empty("SERVER_ROOT_PATH").unwrap_or_default().trim_matches('/');
        General {
            master_key: fields.secret("master_key").or_else(|| from(["SWITCHBOARD_MASTER_KEY", "LITELLM_MASTER_KEY"])),
            master_key_at: fields.node("master_key").map_or(at, |node| node.at.clone()),
            master_key_is_invalid: written.is_some_and(|node| !matches!(node.value, Value::Null)) && fields.node("master_key").is_none(),
            permit_missing_master_key: fields
                .flag("dangerously_permit_weak_or_unset_master_key")
                .unwrap_or_else(|| is_on(environment, "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY")),
            database_url: fields
                .secret("database_url")
                .or_else(|| from(["SWITCHBOARD_DATABASE_URL", "DATABASE_URL"]))
                .or_else(|| database_of_parts(environment)),
            database_connections: fields.count("database_connection_pool_limit").unwrap_or(10).clamp(1, 1000),
            key_pepper: from(["SWITCHBOARD_KEY_PEPPER", "SWITCHBOARD_KEY_PEPPER"]),
            gates: Gates::read(reader, &fields),
            // Two words for one thing: that it does not count wins, as the narrower wish.
            budget_of_user_on_team_keys: fields.flag("apply_user_budget_to_team_keys").unwrap_or(false)
                && !fields.flag("skip_user_budget_on_team_key").unwrap_or(false),
            customers: Customers::read(&fields),
            stores_prompts: fields.flag("store_prompts_in_spend_logs").unwrap_or(false),
            jwt: JwtAuth::read(reader, &fields, environment),
            sign_in: SignIn::read(&fields, environment),
            alerting: Alerting::read(reader, &fields),
            key_header: fields.text("litellm_key_header_name").map(|name| name.to_ascii_lowercase()),
            store_model_in_db: fields.flag("store_model_in_db").unwrap_or_else(|| is_on(environment, "STORE_MODEL_IN_DB")),
            may_store_models: fields.flag("store_model_in_db").unwrap_or_else(|| !is_off(environment, "STORE_MODEL_IN_DB")),
            addresses: fields.texts("allowed_ips"),
            most_of_keys: fields.map("upperbound_key_generate_params").map(crate::config::yaml::Map::to_json).unwrap_or_default(),
            max_request_bytes: megabytes.map(|size| (size * 1024.0 * 1024.0) as u64),
            health_checks: HealthChecks::read(&fields),
            check_routing: CheckRouting::read(&fields),
            fails_closed: fields.flag("fail_closed_rate_limit_enforcement").unwrap_or(false),
            coordination_redis: fields.map("coordination_redis").and_then(|map| super::redis::of_map(map, environment)),
            pass_through: pass_through::read_all(reader, fields.list("pass_through_endpoints"), environment),
            tells_readiness: fields.flag("allow_public_health_readiness_details").unwrap_or(false),
            lists_patterns: fields.flag("model_list_return_wildcard_routes").unwrap_or(false),
            moderation_model: fields.text("moderation_model"),
            forwarding: forwarding::of_general(&fields),
            logs: LogSettings::read(reader, &fields),
            keeps_makers_out: fields.flag("disable_auto_add_proxy_admin_to_teams").unwrap_or(false),
            forced: ForcedModels::read(&fields),
            manners: Manners::read(reader, &fields),
            infers_models: fields.flag("infer_model_from_keys").unwrap_or(false),
            public_base_url: environment.get_non_empty("PROXY_BASE_URL").map(str::to_owned),
            root_path: if root_path.is_empty() { String::new() } else { format!("/{root_path}") },
        }
    }
}

/// Shorter peppers are no secrets.
const SHORTEST_PEPPER: usize = 16;

/// What would not be what it looks like: a list of addresses that none is on, a secret that is none.
fn check_meaning(general: &General, found: &mut Diagnostics) {
    let at = &general.master_key_at;
    for entry in general.addresses.iter().filter(|entry| !is_network(entry)) {
        let message = format!("`{entry}` in `general_settings.allowed_ips` is neither an address nor a network");
        found.error(at, message, "write `192.0.2.1` or `192.0.2.0/24`");
    }
    if general.key_pepper.as_ref().is_some_and(|pepper| pepper.expose().len() < SHORTEST_PEPPER) {
        let message = format!("SWITCHBOARD_KEY_PEPPER is shorter than {SHORTEST_PEPPER} characters");
        found.error(at, message, "make one with `openssl rand -hex 32`");
    }
}

pub(super) fn is_network(entry: &str) -> bool {
    let (address, bits) = entry.trim().split_once('/').map_or((entry.trim(), None), |(address, bits)| (address, Some(bits)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| bits.parse::<u32>().is_ok_and(|bits| bits <= most))
}

fn is_on(environment: &Environment, name: &str) -> bool {
    environment.get(name).is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "1"))
}

fn is_off(environment: &Environment, name: &str) -> bool {
    environment.get(name).is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "false" | "0"))
}

/// Without a key, only this machine may reach the gateway; a weak key is allowed, since most existing files have one.
pub(super) fn check_exposure(config: &Config, found: &mut Diagnostics) {
    let general = &config.general;
    check_meaning(general, found);
    if general.master_key_is_invalid {
        return;
    }
    let at = &general.master_key_at;
    let exposed = exposed(&config.switchboard.listen);
    match (&general.master_key, exposed) {
        (Some(key), _) if is_weak(key.expose()) => {
            let message = "the master key is easy to guess";
            found.warn(at, message, "use `sk-` and 32 random characters, for example from `openssl rand -hex 16`");
        }
        (Some(_), _) => {}
        (None, Some(listen)) if !general.permit_missing_master_key => open_to_all(at, listen, found),
        (None, Some(_)) => {
            found.warn(at, "no master key is set: anyone who reaches the gateway may use it", "set SWITCHBOARD_MASTER_KEY");
        }
        (None, None) => {
            let message = "no master key is set: anyone on this machine may use the gateway";
            found.warn(at, message, "set SWITCHBOARD_MASTER_KEY");
        }
    }
    let plain = exposed.filter(|_| config.switchboard.tls.is_none() && !config.switchboard.behind_tls_proxy);
    if let Some(listen) = plain {
        let message = format!("keys cross the network unencrypted: {} is reachable from outside, without TLS", listen.address);
        found.warn(&listen.at, message, "set `switchboard.tls`, or `switchboard.behind_tls_proxy: true` if a proxy ends TLS");
    }
}

/// What may not come of a change while the gateway serves at those addresses, which only a restart gives up: that others reach it without
/// a key, or that a file which is just being written leaves it with nothing.
pub(in crate::config) fn check_change(config: &Config, serving: &[Listen], found: &mut Diagnostics) {
    let Config { general, origin, .. } = config;
    if general.master_key.is_none()
        && !general.permit_missing_master_key
        && let Some(listen) = exposed(serving)
    {
        open_to_all(&general.master_key_at, listen, found);
    }
    let root = &origin.written.root;
    if origin.providers.is_none() && root.as_map().is_none_or(|map| map.entries.is_empty()) {
        found.error(&root.at, "the file says nothing", "to serve without a configuration, start anew without one");
    }
}

/// Where other machines reach it.
fn exposed(listen: &[Listen]) -> Option<&Listen> {
    listen.iter().find(|listen| listen.address.is_exposed())
}

fn open_to_all(at: &Location, listen: &Listen, found: &mut Diagnostics) {
    let message = format!("no master key is set, and other machines can reach {}", listen.address);
    let hint = "set SWITCHBOARD_MASTER_KEY (for example to `sk-` and `openssl rand -hex 16`), or listen on 127.0.0.1";
    found.error(at, message, hint);
}

/// Short, published in documentation, or of hardly any different characters.
fn is_weak(key: &str) -> bool {
    const PUBLISHED: [&str; 10] =
        ["1234", "12345", "123456", "12345678", "changeme", "change-me", "password", "secret", "master-key", "litellm-master-key"];
    let bare = key.strip_prefix("sk-").unwrap_or(key).to_ascii_lowercase();
    let mut letters: Vec<char> = bare.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    bare.chars().count() < 8 || letters.len() < 4 || PUBLISHED.contains(&bare.as_str())
}

/// Variables by which others set up what is set up otherwise here, or not at all.
const IDLE: [&str; 10] = [
    "IAM_TOKEN_DB_AUTH",
    "JSON_LOGS",
    "LITELLM_CONFIG_BUCKET_NAME",
    "LITELLM_CONFIG_BUCKET_OBJECT_KEY",
    "LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS",
    "LITELLM_KEY_ROTATION_ENABLED",
    "LITELLM_KEY_ROTATION_GRACE_PERIOD",
    "OPENAI_ORGANIZATION",
    "WATSONX_DEPLOYMENT_SPACE_ID",
    "WATSONX_SPACE_ID",
];

fn tell_idle(reader: &mut Reader<'_>, environment: &Environment) {
    let set: Vec<&str> = IDLE.into_iter().filter(|name| environment.get_non_empty(name).is_some()).collect();
    if !set.is_empty() {
        let message = format!("these variables are set and have no effect: {}", set.join(", "));
        reader.found.warn(&Location::environment(), message, "what there is a way for is said in the configuration file");
    }
}

/// The database whose address is said in parts.
fn database_of_parts(environment: &Environment) -> Option<Secret> {
    let part = |name: &str| environment.get_non_empty(name);
    let coded = |name: &str| part(name).map(super::redis::encoded);
    let (host, user, name) = (part("DATABASE_HOST")?, coded("DATABASE_USERNAME")?, coded("DATABASE_NAME")?);
    let password = coded("DATABASE_PASSWORD").map(|password| format!(":{password}")).unwrap_or_default();
    let schema = coded("DATABASE_SCHEMA").map(|schema| format!("?options%5Bsearch_path%5D={schema}")).unwrap_or_default();
    Some(Secret::new(format!("postgresql://{user}{password}@{host}/{name}{schema}")))
}
