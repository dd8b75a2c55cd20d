//! Who may do what, and how much of it, whoever asks: the parts of `general_settings` that hold for the gateway as a whole.

use std::time::Duration;

use switchboard_engine::terms::Unit;

use crate::config::fields::{Fields, Reader};

/// What holds for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// Requests at a time of a key that says nothing of its own.
    pub parallel_per_key: Option<u64>,
    /// Requests at a time of the whole gateway.
    pub parallel: Option<u64>,
    /// Whether keys without a team are an administrator's to make.
    pub keys_need_team: bool,
    /// What administrators of teams may do who administer nothing else: fields of their team, `projects`, `member_key_budgets`.
    pub team_admins: Vec<String>,
    /// Whether answers that providers keep are for everybody who knows their ids.
    pub shares_answers: bool,
    /// Which tokens the limits of tokens count.
    pub tokens: Unit,
    /// How long a key is believed that was looked up.
    pub believed_for: Option<Duration>,
    /// Whether models are served while the database cannot say whose a key is.
    pub serves_unverified: bool,
    /// What each request of a key must say.
    pub params_of_all: Vec<String>,
    /// What each request of a service account must say.
    pub params_of_services: Vec<String>,
    /// Routes.
    pub routes: Routes,
    /// Whose word on addresses is believed.
    pub proxies: Proxies,
    /// Whether fallbacks of the configuration are for those alone who may use them.
    pub checks_fallbacks: bool,
    /// Whether callers may bring credentials and addresses of providers in a request.
    pub takes_credentials: bool,
}

/// Routes, by path, by pattern or by group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// The only ones that are served; none means all.
    pub served: Vec<String>,
    /// Those that need no key.
    pub public: Vec<String>,
    /// Those for administrators alone.
    pub admins: Vec<String>,
}

/// Machines in front of the gateway, and whether they are asked who called them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Whether anybody is.
    pub are_asked: bool,
    /// Who is: addresses and networks.
    pub ranges: Vec<String>,
}

impl Gates {
    pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Self {
        let tokens = match fields.text("token_rate_limit_type").as_deref() {
            Some("input") => Unit::InputTokens,
            Some("output") => Unit::OutputTokens,
            // LiteLLM takes a word it does not know for `total`.
            _ => Unit::Tokens,
        };
        let of_services = fields.map("service_account_settings").and_then(|map| map.get("enforced_params"));
        let of_services = of_services.and_then(crate::config::keys::texts).unwrap_or_default();
        Self {
            parallel_per_key: fields.count("max_parallel_requests").map(u64::from),
            parallel: fields.count("global_max_parallel_requests").map(u64::from),
            keys_need_team: fields.flag("default_team_disabled").unwrap_or(false),
            team_admins: fields.texts("team_admin_editable_team_fields"),
            shares_answers: fields.flag("disable_responses_id_security").unwrap_or(false),
            tokens,
            believed_for: fields.seconds("user_api_key_cache_ttl"),
            serves_unverified: fields.flag("allow_requests_on_db_unavailable").unwrap_or(false),
            params_of_all: fields.texts("enforced_params"),
            params_of_services: of_services.into_iter().map(str::to_owned).collect(),
            routes: Routes {
                served: fields.texts("allowed_routes"),
                public: fields.texts("public_routes"),
                admins: fields.texts("admin_only_routes"),
            },
            proxies: Proxies::read(reader, fields),
            checks_fallbacks: fields.flag("enforce_fallback_model_access").unwrap_or(false),
            takes_credentials: fields.flag("allow_client_side_credentials").unwrap_or(false),
        }
    }
}

impl Proxies {
    fn read(reader: &mut Reader<'_>, fields: &Fields) -> Self {
        let proxies = Self { are_asked: fields.flag("use_x_forwarded_for").unwrap_or(false), ranges: fields.texts("trusted_proxy_ranges") };
        if let Some(node) = fields.node("use_x_forwarded_for").filter(|_| proxies.are_asked && proxies.ranges.is_empty()) {
            let message =
                "`general_settings.use_x_forwarded_for` has no effect without `trusted_proxy_ranges`: anybody can write that header";
            reader.found.warn(&node.at, message, "list the addresses of your proxies, such as `trusted_proxy_ranges: [\"10.0.0.0/8\"]`");
        }
        if let Some(node) = fields.node("trusted_proxy_ranges") {
            for entry in proxies.ranges.iter().filter(|entry| !super::general::is_network(entry)) {
                let message = format!("`{entry}` in `general_settings.trusted_proxy_ranges` is neither an address nor a network");
                reader.found.error(&node.at, message, "write `192.0.2.1` or `192.0.2.0/24`");
            }
        }
        proxies
    }
}
