//! What is said of health checks, in three sections of the file.

use std::time::Duration;

use crate::config::fields::Fields;

/// How often LiteLLM checks, where nobody says.
const INTERVAL: Duration = Duration::from_secs(300);
/// Checks at a time, where nobody says.
const AT_ONCE: u32 = 32;

/// Checks of deployments while nobody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthChecks {
    /// Whether there are any.
    pub background: bool,
    /// How often.
    pub interval: Duration,
    /// Checks at a time.
    pub at_once: u32,
    /// Whether it is told why one failed.
    pub details: bool,
    /// The models that are checked; all unless said.
    pub models: Vec<String>,
}

/// What checks mean for routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRouting {
    /// Whether they mean anything.
    pub enabled: bool,
    /// How long a check counts. `None`: twice the interval.
    pub staleness: Option<Duration>,
    /// Whether errors that pass by themselves say nothing.
    pub ignores_transient: bool,
}

/// The check of one deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// The model to ask for, of a pattern.
    pub model: Option<String>,
    /// The longest time.
    pub timeout: Option<Duration>,
    /// The most tokens of the answer.
    pub max_tokens: Option<u32>,
    /// The voice to ask for.
    pub voice: Option<String>,
    /// Not checked in the background.
    pub is_off: bool,
}

impl HealthChecks {
    pub(super) fn read(fields: &Fields) -> Self {
        Self {
            background: fields.flag("background_health_checks").unwrap_or(false),
            interval: fields.seconds("health_check_interval").filter(|interval| !interval.is_zero()).unwrap_or(INTERVAL),
            at_once: fields.count("health_check_concurrency").filter(|count| *count > 0).unwrap_or(AT_ONCE),
            details: fields.flag("health_check_details").unwrap_or(true),
            models: fields.texts("background_health_check_model_groups"),
        }
    }
}

impl CheckRouting {
    pub(super) fn read(fields: &Fields) -> Self {
        Self {
            enabled: fields.flag("enable_health_check_routing").unwrap_or(false),
            staleness: fields.seconds("health_check_staleness_threshold"),
            ignores_transient: fields.flag("health_check_ignore_transient_errors").unwrap_or(false),
        }
    }

    /// With what the other section that may say it says.
    pub(super) fn with(self, other: &CheckRouting) -> Self {
        Self {
            enabled: self.enabled || other.enabled,
            staleness: self.staleness.or(other.staleness),
            ignores_transient: self.ignores_transient || other.ignores_transient,
        }
    }
}

impl Check {
    pub(super) fn read(fields: &Fields) -> Self {
        Self {
            model: fields.text("health_check_model"),
            timeout: fields.seconds("health_check_timeout"),
            max_tokens: fields.count("health_check_max_tokens"),
            voice: fields.text("health_check_voice"),
            is_off: fields.flag("disable_background_health_check").unwrap_or(false),
        }
    }
}
