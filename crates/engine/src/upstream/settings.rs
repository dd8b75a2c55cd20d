//! The knobs of dialling, with their defaults.

use std::time::Duration;

use super::transport::Transport;

/// How one [`Upstream`](super::Upstream) keeps its connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How requests that name no transport of their own are carried.
    pub transport: Transport,
    /// An idle connection is closed after this long.
    pub idle_connection_timeout: Duration,
    /// At most this many idle connections are kept per origin.
    pub max_idle_per_origin: usize,
    /// Requests above this many on one HTTP/2 connection open another.
    pub max_streams_per_connection: usize,
    /// How long the resolver may take.
    pub resolve_timeout: Duration,
    /// How long the last good addresses stand in for a failing resolver.
    pub stale_address_ttl: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            transport: Transport::default(),
            idle_connection_timeout: Duration::from_secs(75),
            max_idle_per_origin: 256,
            max_streams_per_connection: 100,
            resolve_timeout: Duration::from_secs(2),
            stale_address_ttl: Duration::from_secs(300),
        }
    }
}

/// The deadlines of one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Resolving, connecting and TLS together, over all addresses.
    pub connect: Duration,
    /// From sending the request to the response's headers.
    pub first_byte: Duration,
    /// Between two pieces of the body, not counting the time we did not ask for one.
    pub idle: Duration,
    /// From the first dial to the last byte.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), first_byte: Duration::from_secs(60), idle: Duration::from_secs(120), total: None }
    }
}

/// How much of a response is read before it counts as hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Bytes of the body, after any content coding is undone.
    pub body: u64,
    /// The same for a body that is held as a whole and whose size nobody announced: what is held until it is too much.
    pub unannounced: u64,
    /// How many bytes one compressed byte may become.
    pub ratio: u32,
}

impl Caps {
    /// For a response read as a whole: 64 MiB, or 28 MiB that come unannounced.
    pub const WHOLE: Self = Self { body: 64 << 20, unannounced: 28 << 20, ratio: 100 };
    /// For a response whose whole is pictures: 64 MiB, announced or not.
    pub const MEDIA: Self = Self { unannounced: 64 << 20, ..Self::WHOLE };
    /// For a stream: 256 MiB.
    pub const STREAM: Self = Self { body: 256 << 20, ..Self::WHOLE };
}

impl Default for Caps {
    fn default() -> Self {
        Self::WHOLE
    }
}
