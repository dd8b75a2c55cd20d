//! What is counted for Prometheus, and who is shown it.

use super::super::fields::Fields;
use crate::config::keys;
use crate::config::yaml::Node;

/// Which of LiteLLM's metrics are kept, with which labels (`prometheus_metrics_config`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsGroup {
    /// The metrics.
    pub metrics: Vec<String>,
    /// Their labels; `None`: all they have.
    pub labels: Option<Vec<String>>,
}

/// What LiteLLM's settings say of metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Whether a key is needed to see them.
    pub require_auth: bool,
    /// Whether customers are a label.
    pub customers: bool,
    /// Paths into a key's metadata that are labels.
    pub metadata_labels: Vec<String>,
    /// Tags, or patterns of tags, that are labels.
    pub tag_labels: Vec<String>,
    /// Which metrics are kept with which labels. Empty: all of them.
    pub groups: Vec<MetricsGroup>,
}

/// What the gateway's own settings say of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnMetrics {
    /// Whether anything is counted.
    pub enabled: bool,
    /// Sets of labels before the rest is counted together.
    pub max_label_sets: u32,
}

/// Sets of labels unless said: some megabytes, and a page that Prometheus takes.
const LABEL_SETS: u32 = 10_000;

impl MetricsSettings {
    pub(super) fn read(fields: &Fields) -> Self {
        let wanted = fields.flag("enable_end_user_cost_tracking_prometheus_only").unwrap_or(false);
        let refused = fields.flag("disable_end_user_cost_tracking_prometheus_only").unwrap_or(false);
        Self {
            require_auth: fields.flag("require_auth_for_metrics_endpoint").unwrap_or(true),
            customers: wanted && !refused && !fields.flag("disable_end_user_cost_tracking").unwrap_or(false),
            metadata_labels: fields.texts("custom_prometheus_metadata_labels"),
            tag_labels: fields.texts("custom_prometheus_tags"),
            groups: fields.node("prometheus_metrics_config").and_then(Node::as_list).unwrap_or_default().iter().filter_map(group).collect(),
        }
    }
}

fn group(node: &Node) -> Option<MetricsGroup> {
    let map = node.as_map()?;
    let texts = |name: &str| map.get(name).and_then(keys::texts).map(|texts| texts.into_iter().map(str::to_owned).collect());
    Some(MetricsGroup { metrics: texts("metrics")?, labels: texts("include_labels") })
}

impl OwnMetrics {
    pub(super) fn read(fields: &Fields) -> Self {
        Self {
            enabled: fields.flag("metrics").unwrap_or(true),
            max_label_sets: fields.count("metrics_max_label_sets").unwrap_or(LABEL_SETS),
        }
    }
}
