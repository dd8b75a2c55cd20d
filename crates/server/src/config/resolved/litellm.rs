//! `litellm_settings`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use switchboard_engine::repair::Repairs;
use switchboard_engine::terms::{BadCalendar, Calendar, NanoUsd, Window};

use super::costs::Costs;
use super::defaults::Defaults;
use super::deployment::{SslVerify, ssl_verify};
use super::metrics::MetricsSettings;
use super::spending::Spending;
use crate::config::fields::{Fields, Reader};
use crate::config::keys::{self, Section};
use crate::config::yaml::Node;

/// How requests are treated.
#[derive(Clone, Debug, PartialEq)]
pub struct LitellmSettings {
    /// Leave out parameters a provider does not take. `None`: the file does not say, so nothing is left out, and a caller may
    /// still ask for it.
    pub drop_params: Option<bool>,
    /// What of requests is put right.
    pub repairs: Repairs,
    /// Providers that are written in Python, by name.
    pub custom_providers: Vec<String>,
    /// Chats go to OpenAI by its responses API.
    pub chat_as_responses: bool,
    /// Longest time for one request.
    pub request_timeout: Duration,
    /// Write logs as JSON, also to a terminal.
    pub json_logs: bool,
    /// Whether and by whom providers' certificates must be signed. `None`: by the authorities of the system.
    pub ssl_verify: Option<SslVerify>,
    /// PEM file with the certificate that is shown to providers, and its key.
    pub ssl_certificate: Option<PathBuf>,
    /// Whether the usage in a stream says what the answer cost.
    pub told_cost: Option<bool>,
    /// What the whole gateway may spend.
    pub budget: ProxyBudget,
    /// What those may spend who have no budget of their own, and how spending is told.
    pub spending: Spending,
    /// Customers who are blocked, unless they are unblocked over the API.
    pub blocked: BTreeSet<String>,
    /// Whether facts about keys are kept out of lines that others may read.
    pub redacts_keys: bool,
    /// What the days, weeks and months of budgets keep to. `None`: UTC.
    pub calendar: Option<Calendar>,
    /// Whether calls go with the credentials that their team or project names.
    pub takes_stand_ins: bool,
    /// What is taken off list prices and laid on.
    pub costs: Costs,
    /// What new keys, users and teams are given.
    pub defaults: Defaults,
    /// What is told about requests, by name: every request, those that succeeded, those that failed.
    pub callbacks: Callbacks,
    /// What is shown of metrics, and to whom.
    pub metrics: MetricsSettings,
    /// The group of SCIM whose members are administrators, by name or id.
    pub scim_admins: Option<String>,
    /// Members of its groups who are unknown are made.
    pub scim_makes_users: bool,
    /// Models that everyone may see.
    pub public_models: Vec<String>,
    /// Links shown beside them, by their title.
    pub public_links: serde_json::Map<String, serde_json::Value>,
}

/// Names of callbacks, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callbacks {
    /// Told about every request.
    pub every: Vec<String>,
    /// Told about success.
    pub success: Vec<String>,
    /// Told about failure.
    pub failure: Vec<String>,
}

/// What the whole gateway may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyBudget {
    /// How much; none is no limit.
    pub limit: Option<NanoUsd>,
    /// In what time.
    pub window: Window,
}

/// The settings, and the fields the router falls back to.
pub(super) struct ReadLitellm {
    pub(super) settings: LitellmSettings,
    pub(super) fields: Fields,
}

/// What existing installations expect when nothing is said.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(6000);

impl ProxyBudget {
    fn read(fields: &Fields) -> Self {
        // As written, so that no cent is lost on the way through a float.
        let limit = fields.node("max_budget").and_then(keys::decimal).and_then(NanoUsd::parse).filter(|limit| *limit > NanoUsd::ZERO);
        let window = fields.text("budget_duration").and_then(|text| Window::parse(&text)).unwrap_or(Window::Lifetime);
        Self { limit, window }
    }
}

/// The calendar of budgets (`timezone`, `budget_reset_time`).
fn calendar(reader: &mut Reader<'_>, fields: &Fields) -> Option<Calendar> {
    let (zone, begins) = (fields.text("timezone"), fields.text("budget_reset_time"));
    Calendar::of(zone.as_deref(), begins.as_deref()).unwrap_or_else(|error| {
        let name = if matches!(error, BadCalendar::Zone(_)) { "timezone" } else { "budget_reset_time" };
        if let Some(node) = fields.node(name) {
            reader.found.error(
                &node.at,
                format!("`litellm_settings.{name}`: {error}"),
                "budgets would begin anew at another time than is meant",
            );
        }
        None
    })
}

/// The customers of `blocked_user_list`: a list, or a file that has one in each line.
fn blocked(reader: &mut Reader<'_>, fields: &Fields) -> BTreeSet<String> {
    const NAME: &str = "blocked_user_list";
    let Some(node) = fields.node(NAME) else { return BTreeSet::new() };
    if let Some(list) = node.as_list() {
        return list.iter().filter_map(keys::text).map(str::to_owned).collect();
    }
    let path = keys::text(node).unwrap_or_default();
    match std::fs::read_to_string(path) {
        Ok(text) => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        Err(error) => {
            let message = format!("`litellm_settings.{NAME}`: cannot read `{path}`: {error}");
            reader.found.error(&node.at, message, "write a list, or the path of a file with one customer in each line");
            BTreeSet::new()
        }
    }
}

impl ReadLitellm {
    /// Where models are that say nothing of it, by the variables that say so too.
    pub(super) fn places(&self) -> impl Iterator<Item = (&'static str, String)> {
        let named = [("VERTEXAI_PROJECT", "vertex_project"), ("VERTEXAI_LOCATION", "vertex_location")];
        named.into_iter().filter_map(|(variable, key)| Some((variable, self.fields.text(key)?)))
    }
}

impl LitellmSettings {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        node: Option<&Node>,
        most_of_keys: &serde_json::Map<String, serde_json::Value>,
    ) -> ReadLitellm {
        let fields = reader.section(Section::Litellm, node);
        if let Some(node) = fields.node("cache_params") {
            reader.warn_unset_within("litellm_settings.cache_params", node);
        }
        let settings = LitellmSettings {
            calendar: calendar(reader, &fields),
            takes_stand_ins: fields.flag("enable_model_config_credential_overrides").unwrap_or(false),
            drop_params: fields.flag("drop_params"),
            request_timeout: fields.seconds("request_timeout").unwrap_or(REQUEST_TIMEOUT),
            repairs: Repairs {
                requests: fields.flag("modify_params").unwrap_or(false),
                summaries: fields.flag("reasoning_auto_summary").unwrap_or(false),
            },
            custom_providers: custom_providers(&fields),
            chat_as_responses: fields.flag("route_all_chat_openai_to_responses").unwrap_or(false),
            json_logs: fields.flag("json_logs").unwrap_or(false),
            ssl_verify: fields.node("ssl_verify").map(ssl_verify),
            ssl_certificate: fields.text("ssl_certificate").map(PathBuf::from),
            told_cost: fields.flag("include_cost_in_streaming_usage"),
            budget: ProxyBudget::read(&fields),
            spending: Spending::read(reader, &fields),
            blocked: blocked(reader, &fields),
            redacts_keys: fields.flag("redact_user_api_key_info").unwrap_or(false),
            costs: Costs::read(reader, &fields),
            metrics: MetricsSettings::read(&fields),
            defaults: Defaults::read(&fields, most_of_keys),
            scim_admins: fields.text("scim_admin_group").filter(|group| !group.is_empty()),
            scim_makes_users: fields.flag("scim_upsert_user").unwrap_or(true),
            public_models: fields.texts("public_model_groups"),
            public_links: fields.map("public_model_groups_links").map(crate::config::yaml::Map::to_json).unwrap_or_default(),
            callbacks: Callbacks {
                every: fields.texts("callbacks"),
                success: fields.texts("success_callback"),
                failure: fields.texts("failure_callback"),
            },
        };
        ReadLitellm { settings, fields }
    }
}

fn custom_providers(fields: &Fields) -> Vec<String> {
    let name = |item: &Node| Some(keys::text(item.as_map()?.get("provider")?)?.to_owned());
    fields.list("custom_provider_map").iter().filter_map(name).collect()
}
