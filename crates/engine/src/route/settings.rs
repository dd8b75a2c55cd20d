//! How an operator wants deployments to be chosen.

use std::collections::HashMap;
use std::time::Duration;

use crate::guidance::Strategy;
use crate::route::order::Args;

/// How deployments are chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The strategy where nothing says otherwise.
    pub strategy: Strategy,
    /// The strategy for requests in OpenRouter's manner.
    pub openrouter: Strategy,
    /// Settings of the strategies.
    pub args: Args,
    /// Strategies of sets of models.
    pub groups: Vec<StrategyGroup>,
    /// Leave out deployments that cannot take the request: context, rate, region.
    pub pre_call_checks: bool,
    /// Leave out deployments over their requests or tokens per minute, whatever the strategy.
    pub enforce_rates: bool,
    /// Leave out fallbacks of the operator's that a caller could not ask for itself.
    pub checks_fallbacks: bool,
    /// Route by the tags of requests.
    pub tags: Option<TagRule>,
    /// What a caller or a conversation stays with.
    pub affinity: AffinitySettings,
    /// The same of single groups.
    pub group_affinity: HashMap<String, AffinitySettings>,
}

impl Settings {
    /// What calls of that group stay with.
    pub(crate) fn affinity_of(&self, group: &str) -> &AffinitySettings {
        match self.group_affinity.is_empty() {
            true => &self.affinity,
            false => self.group_affinity.get(group).unwrap_or(&self.affinity),
        }
    }

    /// Whether deployments of that group are kept to their requests and tokens a minute.
    pub fn keeps_rates(&self, group: &str) -> bool {
        let fits = |own: &&StrategyGroup| own.models.iter().any(|model| crate::pattern::matches(model, group));
        let strategy = self.groups.iter().find(fits).map_or(self.strategy, |own| own.strategy);
        self.enforce_rates || strategy.keeps_rates()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::SimpleShuffle,
            openrouter: Strategy::Switchboard,
            args: Args::default(),
            groups: Vec::new(),
            pre_call_checks: false,
            enforce_rates: false,
            checks_fallbacks: false,
            tags: None,
            affinity: AffinitySettings::default(),
            group_affinity: HashMap::new(),
        }
    }
}

/// A strategy for a set of models.
#[derive(Clone, Debug, PartialEq)]
pub struct StrategyGroup {
    /// Its name.
    pub name: String,
    /// The models; `*` stands for any text.
    pub models: Vec<String>,
    /// The strategy.
    pub strategy: Strategy,
    /// Its settings.
    pub args: Args,
}

/// How tags of requests choose deployments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRule {
    /// One tag in common is enough; else all of the request's must be the deployment's.
    pub match_any: bool,
    /// Tags that begin so are meant for routing; it is no part of them.
    pub prefix: Option<String>,
    /// Only the tags of its key count, whatever a request bears.
    pub of_keys_alone: bool,
}

impl Default for TagRule {
    fn default() -> Self {
        Self { match_any: true, prefix: None, of_keys_alone: false }
    }
}

/// What a caller or a conversation stays with. OpenRouter's own rule needs no setting: a conversation stays where its prompt is
/// cached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffinitySettings {
    /// A key stays with a deployment.
    pub by_key: bool,
    /// A session stays with a deployment.
    pub by_session: bool,
    /// A prompt marked for caching stays with a deployment.
    pub by_prompt: bool,
    /// For how long.
    pub ttl: Duration,
}

impl Default for AffinitySettings {
    fn default() -> Self {
        Self { by_key: false, by_session: false, by_prompt: false, ttl: Duration::from_secs(3600) }
    }
}
