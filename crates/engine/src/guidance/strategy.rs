//! The names of the strategies that put deployments in order.

use super::By;

/// The strategies there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// By chance in proportion to weight, or to the rates.
    #[default]
    SimpleShuffle,
    /// The fewest requests in flight.
    LeastBusy,
    /// By chance among the fastest of late.
    Latency,
    /// The fewest tokens this minute.
    Usage,
    /// The same, within limits.
    UsageV2,
    /// The cheapest.
    Cost,
    /// By chance in proportion to the inverse square of the price, those with outages last.
    InverseSquare,
    /// The least expected cost under a latency goal.
    Switchboard,
    /// The lowest price.
    SortPrice,
    /// The highest throughput.
    SortThroughput,
    /// The shortest wait.
    SortLatency,
    /// The best at calling tools.
    SortExacto,
}

impl Strategy {
    /// Every strategy that a configuration can name.
    pub const NAMED: [Strategy; 8] = [
        Self::SimpleShuffle,
        Self::LeastBusy,
        Self::Latency,
        Self::Usage,
        Self::UsageV2,
        Self::Cost,
        Self::InverseSquare,
        Self::Switchboard,
    ];

    /// The name in configurations and explanations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SimpleShuffle => "simple-shuffle",
            Self::LeastBusy => "least-busy",
            Self::Latency => "latency-based-routing",
            Self::Usage => "usage-based-routing",
            Self::UsageV2 => "usage-based-routing-v2",
            Self::Cost => "cost-based-routing",
            Self::InverseSquare => "inverse-square-price",
            Self::Switchboard => "switchboard",
            Self::SortPrice => "sort:price",
            Self::SortThroughput => "sort:throughput",
            Self::SortLatency => "sort:latency",
            Self::SortExacto => "sort:exacto",
        }
    }

    /// The strategy that a configuration names so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|strategy| strategy.as_str() == name)
    }

    /// The strategy that ranks by that figure.
    pub fn sorting(by: By) -> Self {
        match by {
            By::Price => Self::SortPrice,
            By::Throughput => Self::SortThroughput,
            By::Latency => Self::SortLatency,
            By::Exacto => Self::SortExacto,
        }
    }

    /// Whether deployments over their rates are no candidates.
    pub fn keeps_rates(self) -> bool {
        matches!(self, Self::Latency | Self::Usage | Self::UsageV2 | Self::Cost)
    }
}
