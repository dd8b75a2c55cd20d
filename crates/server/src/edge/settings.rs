//! The edge's settings, as meant.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use super::{relief::Relief, reservoir::Reservoir};

/// Everything the edge can be told. `Default` holds the figures the gateway ships with and listens nowhere.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: Vec<Address>,
    /// Speak TLS on the TCP addresses. Unix sockets stay in clear.
    pub tls: Option<TlsFiles>,
    /// Worker threads, each with its own runtime and listener.
    pub workers: usize,
    /// Bind beside a running gateway of the same user (for upgrades) instead of refusing an address in use.
    pub takeover: bool,
    /// Connections served at once, over all workers; further ones are closed at once.
    pub max_connections: usize,
    /// How long a new connection may stay silent, TLS handshake included, and how long a request's head may take.
    pub header_timeout: Duration,
    /// How long a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// How long a client may leave our bytes unread before it is cut.
    pub stall_timeout: Duration,
    /// The size of a request's head, and of the write buffer.
    pub max_header_bytes: usize,
    /// Header fields in one request.
    pub max_headers: usize,
    /// Limits on request bodies.
    pub body: BodyLimits,
    /// Limits on HTTP/2 connections.
    pub http2: Http2Limits,
    /// How short memory is.
    pub relief: Relief,
    /// How long running answers may take once a shutdown began.
    pub drain_timeout: Duration,
    /// The same, after a second signal.
    pub hasty_drain_timeout: Duration,
}

/// Limits on request bodies.
#[derive(Clone, Debug)]
pub struct BodyLimits {
    /// Bytes in one body.
    pub max_bytes: u64,
    /// Bytes per second the client must send on average once `grace` is over.
    pub min_rate: u64,
    /// Time before the rate counts.
    pub grace: Duration,
    /// Time for the whole body.
    pub total: Duration,
    /// What all bodies in memory draw from.
    pub reservoir: Reservoir,
}

/// Limits on one HTTP/2 connection.
#[derive(Clone, Copy, Debug)]
pub struct Http2Limits {
    /// Streams open at once.
    pub max_streams: u32,
    /// Bytes of one decoded header list.
    pub max_header_list_bytes: u32,
    /// Streams reset by the client before they were looked at; more end the connection.
    pub max_pending_resets: usize,
    /// Streams we had to reset because of the client; more end the connection.
    pub max_error_resets: usize,
    /// Body bytes a client may have in flight on one stream.
    pub stream_window_bytes: u32,
    /// Body bytes a client may have in flight on all streams together.
    pub connection_window_bytes: u32,
    /// Answer bytes buffered per stream.
    pub send_buffer_bytes: usize,
}

/// The files TLS needs, in PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose certificates clients must show. `None`: none are asked for.
    pub clients: Option<ClientAuthorities>,
}

/// Whose certificates clients must show.
#[derive(Clone, Debug)]
pub struct ClientAuthorities {
    /// The authorities, in PEM.
    pub authorities: PathBuf,
    /// Whether a client without a certificate is let in all the same; one with a certificate of somebody else's never is.
    pub optional: bool,
}

/// A place to listen: `127.0.0.1:4000`, `[::]:4000` or `unix:/run/switchboard.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address and port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// The text is no address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address to listen on; write `127.0.0.1:4000` or `unix:/path`")]
pub struct BadAddress(String);

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            tls: None,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            takeover: false,
            max_connections: 20_000,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(60),
            max_header_bytes: 64 * 1024,
            max_headers: 100,
            body: BodyLimits::default(),
            http2: Http2Limits::default(),
            relief: Relief::default(),
            drain_timeout: Duration::from_secs(600),
            hasty_drain_timeout: Duration::from_secs(10),
        }
    }
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            max_bytes: 32 * 1024 * 1024,
            min_rate: 1024,
            grace: Duration::from_secs(10),
            total: Duration::from_secs(120),
            reservoir: Reservoir::default(),
        }
    }
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            max_streams: 100,
            max_header_list_bytes: 32 * 1024,
            max_pending_resets: 20,
            max_error_resets: 256,
            stream_window_bytes: 256 * 1024,
            connection_window_bytes: 1024 * 1024,
            send_buffer_bytes: 64 * 1024,
        }
    }
}

impl Settings {
    /// The period of the sweep that enforces the connection deadlines: a quarter of the shortest, at most a second.
    pub(super) fn tick(&self) -> Duration {
        let shortest = self.header_timeout.min(self.idle_timeout).min(self.stall_timeout);
        (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }
}

impl Address {
    /// Whether other machines reach it. Who may connect to a unix socket, its file and its folder say.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        match self {
            Self::Tcp(address) => !address.ip().is_loopback(),
            Self::Unix(_) => false,
        }
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        match text.strip_prefix("unix:") {
            Some("") => Err(BadAddress(text.to_owned())),
            Some(path) => Ok(Self::Unix(PathBuf::from(path))),
            None => text.parse().map(Self::Tcp).map_err(|_| BadAddress(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_written() {
        for text in ["127.0.0.1:4000", "[::1]:0", "unix:/run/x.sock"] {
            assert_eq!(text.parse::<Address>().expect(text).to_string(), text);
        }
        for text in ["", "unix:", "localhost", "127.0.0.1", "host:80"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
