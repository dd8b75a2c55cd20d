//! How requests wait where there is no capacity.

use std::time::Duration;

use switchboard_engine::queue::{Settings, Who};

use super::router::RouterSettings;
use crate::config::fields::Reader;
use crate::config::keys::Section;
use crate::config::yaml::Node;

/// Shortest time between two looks at what others free.
const LEAST_LOOK: Duration = Duration::from_millis(1);
/// Longest time.
const MOST_LOOK: Duration = Duration::from_secs(1);

/// What `switchboard.queue` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Whether every request waits, or none. `None`: those that name a priority.
    pub enabled: Option<bool>,
    /// Longest wait.
    pub max_wait: Duration,
    /// Most requests that wait.
    pub max_waiting: usize,
    /// Whether priorities come before the turns of tenants.
    pub strict_priority: bool,
}

impl QueueSettings {
    pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> Self {
        let (fields, default) = (reader.section(Section::Queue, node), Settings::default());
        let most = fields.integer("max_waiting").map(|most| usize::try_from(most).unwrap_or(usize::MAX));
        Self {
            enabled: fields.flag("enabled"),
            max_wait: fields.milliseconds("max_wait_ms").unwrap_or(default.longest),
            max_waiting: most.unwrap_or(default.most),
            strict_priority: fields.flag("strict_priority").unwrap_or(false),
        }
    }

    /// The same with what the router says, as the engine wants it.
    pub(crate) fn with(&self, router: &RouterSettings) -> Settings {
        let default = Settings::default();
        let who = match (self.enabled, router.default_priority) {
            (Some(false), _) => Who::Nobody,
            (Some(true), _) | (None, Some(_)) => Who::Everybody,
            (None, None) => Who::Named,
        };
        Settings {
            who,
            longest: self.max_wait,
            most: self.max_waiting,
            priority: router.default_priority.unwrap_or(default.priority),
            strict: self.strict_priority,
            look: router.polling_interval.unwrap_or(default.look).clamp(LEAST_LOOK, MOST_LOOK),
        }
    }
}
