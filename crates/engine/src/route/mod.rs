//! From a request to the deployments worth trying, in order.
//!
//! One engine underneath LiteLLM's router settings, OpenRouter's per-request preferences and virtual models. A request goes through
//! four steps, each of which is a file or a few:
//!
//! 1. **candidates**: a name becomes deployments ([`fleet`](Fleet), [`name`], [`virtual_model`]); what the request asks for beside
//!    its model is read where it asks for anything ([`wishes`]), what its content demands where it could matter ([`ask`]);
//! 2. **filter**: every candidate that may not serve is left out, with all the reasons ([`filter`], [`reason`], [`tags`]);
//! 3. **order**: one of the strategies of [`order`] puts the others in order, level by level, softer wishes last;
//! 4. **plan**: what stays with a deployment goes there first ([`affinity`]), and the whole is handed on as a [`Plan`].
//!
//! Where a call goes when all of them have failed, [`fallbacks`] says; what is free where any free model will do, [`free`].
//!
//! Where no candidate is left, [`availability`] says why. What other rooms know (classifiers, budgets, keys) comes in by [`hooks`].
//! A name with one deployment and a request without wishes pass all of it by.

pub mod affinity;
pub mod ask;
mod availability;
pub mod candidate;
mod fallbacks;
mod filter;
mod fleet;
mod free;
pub mod hooks;
mod models;
pub mod name;
pub mod order;
pub mod overrides;
mod own;
mod plan;
mod planner;
mod reason;
mod reserved;
mod service_tier;
pub mod settings;
mod support;
mod tags;
#[cfg(test)]
mod tests;
pub mod virtual_model;
mod virtual_order;
pub mod wishes;

pub use availability::UNKNOWN_MODEL;
pub use fleet::{Expand, Fleet, Group, Names, Whole};
pub use plan::{Exclusion, Fallbacks, Overrides, Plan, RetryRule, Sla, Target, TryPolicy};
pub use planner::Moment;
pub use reason::Reason;
pub use support::{passed_on, supported};
