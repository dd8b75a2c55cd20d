//! From a request to the deployments worth trying, in order.
//!
//! One engine underneath LiteLLM's router settings, OpenRouter's per-request preferences and virtual models: a request becomes
//! candidates, candidates are filtered (each exclusion keeps its reasons), ordered, and handed on as a [`Plan`].

mod fleet;
mod plan;
mod reason;

pub use fleet::{Expand, Fleet, Group, Names};
pub use plan::{Exclusion, Fallback, Fallbacks, Overrides, Plan, RetryRule, Sla, Target, TryPolicy};
pub use reason::Reason;
