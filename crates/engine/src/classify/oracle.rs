//! What is asked of a model, or an embedding, about requests.

use std::time::Duration;

use super::Tier;

/// What is asked, and how long an answer is waited for.
#[derive(Clone, Debug, PartialEq)]
pub struct Oracle {
    /// The model.
    pub model: String,
    /// How long.
    pub timeout: Duration,
    /// What it is asked.
    pub means: Means,
    /// The hardest tier that is believed when it is told locally: only harder requests are asked about. `None`: all are.
    pub above: Option<Tier>,
    /// Whether what nobody could tell goes to the default model, not where it would go by what is told locally.
    pub or_default: bool,
}

/// What a model is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Means {
    /// How hard the request is, in words; instructions of the operator's own, if there are any.
    Words(Option<String>),
    /// Which of these examples it is nearest to.
    Nearest(Vec<Route>),
}

/// Examples of requests, and where requests like them go.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Where.
    pub toward: Toward,
    /// The examples.
    pub utterances: Vec<String>,
    /// How near a request must be: the cosine.
    pub threshold: f64,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Toward {
    /// To that model.
    Model(String),
    /// To a model of that tier.
    Tier(Tier),
    /// It is like none of the examples.
    Default,
}
