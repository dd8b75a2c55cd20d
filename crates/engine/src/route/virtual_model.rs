//! Virtual models: a name that stands for several models, with a rule of its own to choose among them (TrueFoundry's form).

use std::sync::Arc;
use std::time::Duration;

use crate::classify::{Oracle, Tier};
use crate::route::plan::{Overrides, Sla};

/// A name that stands for several models.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualModel {
    /// The name.
    pub name: String,
    /// Other names of it.
    pub aliases: Vec<String>,
    /// How a target is chosen.
    pub rule: Rule,
    /// The models it stands for.
    pub targets: Vec<VirtualTarget>,
    /// Keeps a session with its target.
    pub sticky: Option<Sticky>,
    /// What is asked how hard a request is, for [`Rule::Complexity`]; `None`: it is told locally.
    pub classification: Option<Classification>,
}

/// What is asked how hard a request is.
#[derive(Clone, Debug, PartialEq)]
pub struct Classification {
    /// What is asked.
    pub oracle: Oracle,
    /// The tier where no answer comes; `None`: it is told locally.
    pub default_tier: Option<Tier>,
}

impl VirtualModel {
    /// The model of the hardest requests.
    pub(crate) fn hardest(&self) -> Option<&str> {
        self.targets.iter().max_by_key(|target| target.tier).map(|target| target.model.as_str())
    }
}

/// How a target is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// By chance in proportion to weight.
    Weight,
    /// The first that is well and keeps to its times.
    Priority,
    /// Those within a fifth of the fastest share the traffic.
    Latency,
    /// By how hard the request is.
    Complexity,
}

impl Rule {
    /// The name in configurations and explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Weight => "weight-based-routing",
            Self::Priority => "priority-based-routing",
            Self::Latency => "latency-based-routing",
            Self::Complexity => "complexity-based-routing",
        }
    }

    /// The rule of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Weight, Self::Priority, Self::Latency, Self::Complexity].into_iter().find(|rule| rule.as_str() == name)
    }
}

/// A model that a virtual model stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualTarget {
    /// The group.
    pub model: String,
    /// Its share, for [`Rule::Weight`].
    pub weight: f64,
    /// The lowest comes first, for [`Rule::Priority`].
    pub priority: i64,
    /// The times it must keep to, for [`Rule::Priority`].
    pub sla: Option<Sla>,
    /// The tier it serves, for [`Rule::Complexity`].
    pub tier: Option<Tier>,
    /// What is different for it.
    pub overrides: Arc<Overrides>,
    /// Metadata that a request must have to be sent there: (name, value).
    pub metadata: Vec<(String, String)>,
}

/// How a session is told, and for how long it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// After the last request.
    pub ttl: Duration,
    /// What makes a session: together.
    pub identifiers: Vec<Identifier>,
}

/// Where a part of a session's name stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// In that header.
    Header(String),
    /// In the request's metadata, under that key.
    Metadata(String),
}
