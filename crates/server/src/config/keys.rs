//! Every configuration key, declared once.
//!
//! A row names a key, the kind of value it takes, whether it has an effect yet, and what it does. Validation, the start-up
//! notices, "did you mean" and `docs/configuration.md` all come from these rows; a key without a row is unknown.

mod general;
mod jwt;
mod litellm;
mod markdown;
mod model;
mod other;
mod params;
mod router;
mod switchboard;
mod within;

#[cfg(test)]
mod tests;

pub use markdown::render_configuration_markdown;
pub(super) use params::{REQUEST_DEFAULTS, is_ability, is_own};
pub use within::{ROUTE_GROUPS, Within};

use std::time::Duration;

use switchboard_engine::terms::Window;

use super::yaml::{Node, Value};

/// One configuration key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The name in the file.
    pub name: &'static str,
    /// What value it takes.
    pub kind: Kind,
    /// What happens when it is set.
    pub effect: Effect,
    /// What it does, as one sentence of documentation.
    pub doc: &'static str,
    /// Among the keys existing files use most.
    pub common: bool,
    /// It restricts what callers may do, so ignoring it deserves more than a notice.
    pub protects: bool,
    /// What its value is made of.
    pub within: Within,
}

/// What happens when a key is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does what its sentence says.
    Honoured,
    /// It is accepted and has no effect yet; start-up says so.
    NotYet,
    /// It names Python code, which a compiled gateway cannot load; start-up says what to use instead.
    Python,
    /// It has no meaning here and is skipped in silence.
    Ignored,
}

/// The value a key takes. Numbers and booleans may also be written as text, since environment variables are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number from 0 to 4294967295.
    Count,
    /// A whole number from 0.
    Integer,
    /// A whole number, also below 0.
    Signed,
    /// A number from 0, possibly with a fraction; kept exactly.
    Decimal,
    /// A duration in seconds, possibly with a fraction.
    Seconds,
    /// After how long a budget begins anew: a number and its unit, or a name such as `daily`.
    Period,
    /// Text (a number is taken as its text).
    Text,
    /// Text that is never printed.
    Secret,
    /// A list of text; a single text is a list of one.
    Texts,
    /// A boolean or text.
    FlagOrText,
    /// A map, or text that holds one or names a file.
    MapOrText,
    /// A list or a map.
    ListOrMap,
    /// A list.
    List,
    /// A map.
    Map,
    /// Anything.
    Any,
}

/// Where in the file a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// The file itself.
    Top,
    /// An entry of `model_list`.
    Deployment,
    /// `model_list[].litellm_params`.
    Params,
    /// `model_list[].model_info`.
    ModelInfo,
    /// `router_settings`.
    Router,
    /// `litellm_settings`.
    Litellm,
    /// `general_settings`.
    General,
    /// An entry of `credential_list`.
    Credential,
    /// An entry of `guardrails`.
    Guardrail,
    /// `guardrails[].litellm_params`.
    GuardrailParams,
    /// An entry of `mcp_servers`.
    McpServer,
    /// `switchboard`.
    Switchboard,
    /// `switchboard.tls`.
    Tls,
    /// `switchboard.limits`.
    Limits,
    /// `switchboard.timeouts`.
    Timeouts,
    /// `switchboard.upstream`.
    Upstream,
    /// `switchboard.reload`.
    Reload,
    /// `switchboard.media`.
    Media,
    /// `switchboard.queue`.
    Queue,
    /// `switchboard.alerts`.
    Alerts,
    /// `general_settings.key_management_settings`.
    KeyManagement,
    /// `general_settings.litellm_jwtauth`.
    JwtAuth,
    /// An entry of `litellm_jwtauth.issuers`.
    JwtIssuer,
}

impl Section {
    /// Every section, in the order of the documentation.
    pub const ALL: &[Section] = &[
        Section::Top,
        Section::Deployment,
        Section::Params,
        Section::ModelInfo,
        Section::Router,
        Section::Litellm,
        Section::General,
        Section::Credential,
        Section::Guardrail,
        Section::GuardrailParams,
        Section::McpServer,
        Section::Switchboard,
        Section::Tls,
        Section::Limits,
        Section::Timeouts,
        Section::Upstream,
        Section::Reload,
        Section::Media,
        Section::Queue,
        Section::Alerts,
        Section::KeyManagement,
        Section::JwtAuth,
        Section::JwtIssuer,
    ];

    /// How messages and headings name the section; empty for the file itself.
    pub fn path(self) -> &'static str {
        match self {
            Section::Top => "",
            Section::Deployment => "model_list[]",
            Section::Params => "model_list[].litellm_params",
            Section::ModelInfo => "model_list[].model_info",
            Section::Router => "router_settings",
            Section::Litellm => "litellm_settings",
            Section::General => "general_settings",
            Section::Credential => "credential_list[]",
            Section::Guardrail => "guardrails[]",
            Section::GuardrailParams => "guardrails[].litellm_params",
            Section::McpServer => "mcp_servers.<name>",
            Section::Switchboard => "switchboard",
            Section::Tls => "switchboard.tls",
            Section::Limits => "switchboard.limits",
            Section::Timeouts => "switchboard.timeouts",
            Section::Upstream => "switchboard.upstream",
            Section::Reload => "switchboard.reload",
            Section::Media => "switchboard.media",
            Section::Queue => "switchboard.queue",
            Section::Alerts => "switchboard.alerts",
            Section::KeyManagement => "general_settings.key_management_settings",
            Section::JwtAuth => "general_settings.litellm_jwtauth",
            Section::JwtIssuer => "general_settings.litellm_jwtauth.issuers[]",
        }
    }

    /// The keys of the section.
    pub fn keys(self) -> &'static [Key] {
        match self {
            Section::Top => other::TOP,
            Section::Deployment => model::DEPLOYMENT,
            Section::Params => params::PARAMS,
            Section::ModelInfo => model::MODEL_INFO,
            Section::Router => router::KEYS,
            Section::Litellm => litellm::KEYS,
            Section::General => general::KEYS,
            Section::Credential => other::CREDENTIAL,
            Section::Guardrail => other::GUARDRAIL,
            Section::GuardrailParams => other::GUARDRAIL_PARAMS,
            Section::McpServer => other::MCP_SERVER,
            Section::Switchboard => switchboard::KEYS,
            Section::Tls => switchboard::TLS,
            Section::Limits => switchboard::LIMITS,
            Section::Timeouts => switchboard::TIMEOUTS,
            Section::Upstream => switchboard::UPSTREAM,
            Section::Reload => switchboard::RELOAD,
            Section::Media => switchboard::MEDIA,
            Section::Queue => switchboard::QUEUE,
            Section::Alerts => switchboard::ALERTS,
            Section::KeyManagement => general::KEY_MANAGEMENT,
            Section::JwtAuth => jwt::KEYS,
            Section::JwtIssuer => jwt::ISSUER,
        }
    }

    /// The key of that name.
    pub fn find(self, name: &str) -> Option<&'static Key> {
        self.keys().iter().find(|key| key.name == name)
    }

    /// The full name of a key in this section.
    pub fn name_of(self, key: &str) -> String {
        match self.path() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

impl Key {
    const fn new(name: &'static str, kind: Kind, effect: Effect, doc: &'static str) -> Key {
        Key { name, kind, effect, doc, common: false, protects: false, within: Within::Any }
    }

    const fn common(self) -> Key {
        Key { common: true, ..self }
    }

    const fn protects(self) -> Key {
        Key { protects: true, ..self }
    }

    const fn of(self, within: Within) -> Key {
        Key { within, ..self }
    }
}

const fn honoured(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key::new(name, kind, Effect::Honoured, doc)
}

const fn not_yet(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key::new(name, kind, Effect::NotYet, doc)
}

const fn python(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key::new(name, kind, Effect::Python, doc)
}

const fn ignored(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key::new(name, kind, Effect::Ignored, doc)
}

impl Kind {
    /// What the value must be, as messages and the documentation say it.
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Flag => "a boolean",
            Kind::Count | Kind::Integer => "a whole number from 0",
            Kind::Signed => "a whole number",
            Kind::Decimal => "a number from 0",
            Kind::Seconds => "a number of seconds",
            Kind::Period => "a period",
            Kind::Text | Kind::Secret => "text",
            Kind::Texts => "a list of text",
            Kind::FlagOrText => "a boolean or text",
            Kind::MapOrText => "a map or text",
            Kind::ListOrMap => "a list or a map",
            Kind::List => "a list",
            Kind::Map => "a map",
            Kind::Any => "anything",
        }
    }

    /// A correct way to write the value of `key`.
    pub fn example(self, key: &str) -> String {
        match self {
            Kind::Flag => format!("write `{key}: true` or `{key}: false`"),
            Kind::Count | Kind::Integer | Kind::Signed => {
                format!("write `{key}: 60`, without a unit")
            }
            Kind::Decimal => format!("write `{key}: 0.5`"),
            Kind::Seconds => format!("write `{key}: 30`; seconds, without a unit"),
            Kind::Period => format!("write `{key}: 30d`; s, m, h, d, w and mo are known, and hourly to quarterly"),
            Kind::Text | Kind::Secret => format!("write `{key}: \"...\"`, in quotes"),
            Kind::Texts => format!("write `{key}: [\"...\", \"...\"]`"),
            Kind::FlagOrText => format!("write `{key}: true` or `{key}: \"...\"`"),
            Kind::List => format!("start each entry below `{key}:` with `- `"),
            Kind::Map | Kind::MapOrText | Kind::ListOrMap => {
                format!("put indented `name: value` lines below `{key}:`")
            }
            Kind::Any => String::new(),
        }
    }

    /// Whether the value is of this kind. Nothing at all always is: it means "not set".
    pub fn accepts(self, node: &Node) -> bool {
        if matches!(node.value, Value::Null) {
            return true;
        }
        match self {
            Kind::Flag => flag(node).is_some(),
            Kind::Count => whole(node).is_some_and(|number| u32::try_from(number).is_ok()),
            Kind::Integer => whole(node).is_some_and(|number| u64::try_from(number).is_ok()),
            Kind::Signed => whole(node).is_some_and(|number| i64::try_from(number).is_ok()),
            Kind::Decimal => decimal(node).is_some_and(|number| !number.starts_with('-')),
            Kind::Seconds => seconds(node).is_some(),
            Kind::Period => text(node).and_then(Window::parse).is_some(),
            Kind::Text | Kind::Secret => text(node).is_some(),
            Kind::Texts => texts(node).is_some(),
            Kind::FlagOrText => flag(node).is_some() || text(node).is_some(),
            Kind::MapOrText => node.as_map().is_some() || text(node).is_some(),
            Kind::ListOrMap => node.as_list().is_some() || node.as_map().is_some(),
            Kind::List => node.as_list().is_some(),
            Kind::Map => node.as_map().is_some(),
            Kind::Any => true,
        }
    }
}

/// Text, or the text of a number.
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) | Value::Number(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) | Value::Unset => None,
    }
}

/// A list of text, or one text.
pub(super) fn texts(node: &Node) -> Option<Vec<&str>> {
    match node.as_list() {
        Some(items) => items.iter().map(text).collect(),
        None => text(node).map(|one| vec![one]),
    }
}

/// A boolean, or a word for one.
pub(super) fn flag(node: &Node) -> Option<bool> {
    match &node.value {
        Value::Bool(flag) => Some(*flag),
        Value::Text(text) | Value::Number(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        Value::Null | Value::List(_) | Value::Map(_) | Value::Unset => None,
    }
}

/// A whole number; `60.0` counts as one.
pub(super) fn whole(node: &Node) -> Option<i128> {
    let text = text(node)?.trim();
    let bare = match text.split_once('.') {
        Some((bare, zeros)) if zeros.bytes().all(|digit| digit == b'0') => bare,
        _ => text,
    };
    bare.parse().ok()
}

/// The text of a JSON number.
pub(super) fn decimal(node: &Node) -> Option<&str> {
    let text = text(node)?.trim();
    serde_json::from_str::<serde_json::Number>(text).ok().map(|_| text)
}

/// Longest duration taken from a file: thirty years, far from what any clock arithmetic overflows at.
pub(super) const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// A duration written as a number of seconds.
pub(super) fn seconds(node: &Node) -> Option<Duration> {
    let number: f64 = decimal(node)?.parse().ok()?;
    Duration::try_from_secs_f64(number).ok().map(|duration| duration.min(LONGEST))
}
