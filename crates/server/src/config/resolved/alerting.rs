//! Who is told of what happens: `general_settings.alerting` as LiteLLM has it, and how, in `switchboard.alerts`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::environment::Environment;
use crate::config::fields::{Fields, Reader};
use crate::config::keys::{self, Section};
use crate::config::secret::Secret;
use crate::config::yaml::Node;

/// Who is told, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerting {
    /// `webhook`, `slack`.
    pub sinks: Vec<String>,
    /// The kinds that are told. `None`: all there are.
    pub types: Option<Vec<String>>,
    /// Where alerts of a kind go in Slack instead of `SLACK_WEBHOOK_URL`.
    pub urls: BTreeMap<String, Vec<String>>,
    /// How often an outage of a deployment is told.
    pub outage_ttl: Duration,
}

/// How they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSettings {
    /// What webhooks are signed with. `None`: they are not.
    pub secret: Option<Secret>,
    /// Hosts that may be told although their addresses are not public.
    pub private_hosts: Vec<String>,
    /// Longest time for one try.
    pub timeout: Duration,
    /// Most tries.
    pub max_attempts: u32,
    /// Most alerts that wait.
    pub max_queued: usize,
    /// How long before a key expires that is told.
    pub key_expiry: Duration,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Alerting {
    pub(super) fn read(reader: &mut Reader<'_>, general: &Fields) -> Self {
        if let Some(node) = general.node("alerting") {
            for sink in general.texts("alerting").iter().filter(|sink| !matches!(sink.as_str(), "webhook" | "slack")) {
                let message = format!("`general_settings.alerting` names `{sink}`, and nobody is told that way");
                reader.found.warn(&node.at, message, "write `webhook` or `slack`");
            }
        }
        let args = general.map("alerting_args");
        let urls = general.map("alert_to_webhook_url").map(|map| map.entries.as_slice()).unwrap_or_default();
        let several = |node: &Node| match keys::text(node) {
            Some(url) => vec![url.to_owned()],
            None => keys::texts(node).unwrap_or_default().into_iter().map(str::to_owned).collect(),
        };
        Self {
            sinks: general.texts("alerting"),
            types: general.node("alert_types").map(|_| general.texts("alert_types")),
            urls: urls.iter().map(|entry| (entry.name.clone(), several(&entry.node))).collect(),
            outage_ttl: args.and_then(|args| args.get("outage_alert_ttl")).and_then(keys::seconds).unwrap_or(HOUR),
        }
    }
}

impl AlertSettings {
    pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>, environment: &Environment) -> Self {
        let fields = reader.section(Section::Alerts, node);
        let from_environment = || environment.get_non_empty("SWITCHBOARD_WEBHOOK_SECRET").map(Secret::new);
        Self {
            secret: fields.secret("webhook_secret").or_else(from_environment),
            private_hosts: fields.texts("private_hosts"),
            timeout: fields.milliseconds("timeout_ms").unwrap_or(Duration::from_secs(5)),
            max_attempts: fields.count("max_attempts").unwrap_or(4).clamp(1, 20),
            max_queued: fields.count("max_queued").unwrap_or(1_000) as usize,
            key_expiry: fields.count("key_expiry_hours").map_or(HOUR * 24, |hours| HOUR * hours),
        }
    }
}
