//! What is said of routing apart from any request: by a key, its team or a policy, and in the words that requests have for it too.

mod fallback;
mod overrides;
mod preferences;
mod strategy;
mod weights;

use crate::pattern;

pub use fallback::{Fallback, FallbackForm};
pub use overrides::RouterOverride;
pub(crate) use overrides::Seconds;
pub use preferences::{By, DataCollection, MaxPrice, Partition, Preferred, Provider, Sort};
pub use strategy::Strategy;
pub use weights::Weights;

/// What a key, a team or a policy says of routing. Handed along with the principal.
#[derive(Clone, Debug, Default)]
pub struct Guidance {
    /// Preferences that hold beside the request's own: `only` intersects, `ignore` unites, data policies add up.
    pub provider: Provider,
    /// The region that the caller's data must stay in.
    pub region: Option<String>,
    /// Rules that hold one beside the other: what one of them excludes, none brings back.
    pub rules: Vec<Rule>,
}

/// One set of rules for where a caller's requests may go.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Models it may use: names and patterns with `*`. None means every model.
    pub models: Option<Vec<String>>,
    /// Models it may not use.
    pub ignored_models: Vec<String>,
    /// The same of providers, as preferences.
    pub provider: Provider,
    /// The makers of whose models only endpoints that retain nothing may be used; `other` is everybody else.
    pub unretained: Vec<&'static str>,
    /// Whether endpoints that cost something may train on what they are sent.
    pub no_paid_training: bool,
    /// Whether endpoints that cost nothing may.
    pub no_free_training: bool,
}

/// The makers that rules on retention name.
pub const MAKERS: [&str; 4] = ["anthropic", "google", "openai", "xai"];

impl Rule {
    /// Whether it lets a model of those names be used.
    pub fn admits(&self, names: &[&str]) -> bool {
        let fits = |patterns: &[String]| patterns.iter().any(|pattern| names.iter().any(|name| pattern::matches(pattern, name)));
        self.models.as_deref().is_none_or(fits) && !fits(&self.ignored_models)
    }

    /// Whether a model of that maker must be used where nothing is retained.
    pub fn wants_no_retention(&self, maker: Option<&str>) -> bool {
        let named = maker.and_then(|maker| MAKERS.into_iter().find(|one| *one == maker)).unwrap_or("other");
        self.unretained.contains(&named)
    }
}
