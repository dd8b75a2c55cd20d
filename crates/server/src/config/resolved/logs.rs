//! What is kept of requests, and for how long.

use std::time::Duration;

use super::cron::Cron;
use crate::config::fields::{Fields, Reader};
use crate::config::keys;
use crate::duration;

/// What is kept of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Whether requests have lines in the log.
    pub requests: bool,
    /// Whether those that failed have.
    pub failures: bool,
    /// Whether what is asked and answered may be kept, where something else wants it kept.
    pub messages: bool,
    /// Whether callers may want theirs not to be kept.
    pub may_decline: bool,
    /// When lines are deleted. `None`: never.
    pub retention: Option<Retention>,
}

/// When lines of the log are deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// At what age.
    pub age: Duration,
    /// How often that is looked for.
    pub when: Occasion,
}

/// When something is done again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// After so long.
    Every(Duration),
    /// At those minutes.
    At(Cron),
}

/// How often old lines are looked for unless said.
const DAY: Duration = Duration::from_secs(86_400);

impl LogSettings {
    /// What `general_settings` says.
    pub(super) fn read(reader: &mut Reader<'_>, fields: &Fields) -> Self {
        let is_off = |name: &str| fields.flag(name).unwrap_or(false);
        Self {
            requests: !is_off("disable_spend_logs"),
            failures: !is_off("disable_error_logs"),
            messages: true,
            may_decline: true,
            retention: retention(reader, fields),
        }
    }

    /// The same with what `litellm_settings` adds.
    pub(super) fn with_litellm(self, fields: &Fields) -> Self {
        let is_on = |name: &str| fields.flag(name).unwrap_or(false);
        Self { messages: !is_on("turn_off_message_logging"), may_decline: !is_on("global_disable_no_log_param"), ..self }
    }
}

fn retention(reader: &mut Reader<'_>, fields: &Fields) -> Option<Retention> {
    let age = length(reader, fields, "maximum_spend_logs_retention_period")?;
    let every = length(reader, fields, "maximum_spend_logs_retention_interval").filter(|every| !every.is_zero());
    let name = "maximum_spend_logs_cleanup_cron";
    let at = fields.text(name).zip(fields.node(name)).and_then(|(text, node)| match Cron::parse(&text) {
        Ok(cron) => Some(cron),
        Err(why) => {
            let hint = "write minute, hour, day, month and day of the week, such as `0 4 * * *`";
            reader.found.error(&node.at, format!("`general_settings.{name}`: {why}"), hint);
            None
        }
    });
    Some(Retention { age, when: at.map_or(Occasion::Every(every.unwrap_or(DAY)), Occasion::At) })
}

/// A length as LiteLLM writes them; a bare number is days.
fn length(reader: &mut Reader<'_>, fields: &Fields, name: &str) -> Option<Duration> {
    let node = fields.node(name)?;
    let text = keys::text(node)?.trim();
    let seconds = match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => duration::seconds(&format!("{text}d")),
        false => duration::seconds(text),
    };
    let length = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    if length.is_none() {
        reader.found.error(&node.at, format!("`general_settings.{name}` is no length of time"), "write `30d`, `12h` or `90m`");
    }
    length
}
