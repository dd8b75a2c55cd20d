//! What went wrong between us and a provider, in the terms a retry decision needs.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// How far an exchange had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Turning the host name into addresses.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// Agreeing on TLS, or the proxy's CONNECT.
    Tls,
    /// Writing the request.
    Send,
    /// Waiting for the status line and headers.
    Headers,
    /// Reading the response body.
    Body,
}

/// The kind of failure, apart from when it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialFault {
    /// A deadline passed.
    Timeout,
    /// The name has no address, or the resolver failed.
    NoAddress,
    /// An address or credential was refused by our own policy.
    Policy,
    /// This process may have no more sockets; no peer has heard of it.
    Exhausted,
    /// The peer refused, reset or closed the connection.
    Closed,
    /// The certificate or the TLS agreement was not acceptable.
    Tls,
    /// The peer broke the rules of HTTP, or cut a message short.
    Protocol,
    /// The peer wants fewer requests, and said so below HTTP's statuses.
    Crowded,
    /// The body is larger than its cap, or inflates beyond its ratio.
    TooLarge,
    /// The body has a content coding we cannot undo, or one that is damaged.
    Encoding,
}

/// An exchange with a provider failed. `Display` names no header, query or credential.
pub struct DialError {
    phase: Phase,
    fault: DialFault,
    reused: bool,
    maybe_billed: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl DialError {
    /// An error without a cause of its own.
    pub(crate) fn new(phase: Phase, fault: DialFault) -> Self {
        Self { phase, fault, reused: false, maybe_billed: false, source: None }
    }

    /// Adds the cause, for the log.
    pub(crate) fn with(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says what the connection had been through.
    pub(crate) fn on(mut self, reused: bool, maybe_billed: bool) -> Self {
        self.reused = reused;
        self.maybe_billed = maybe_billed;
        self
    }

    /// How far the exchange had come.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What kind of failure it was.
    pub fn fault(&self) -> DialFault {
        self.fault
    }

    /// Whether the connection had served an earlier request.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Whether request bytes were written, so that the provider may charge for them.
    pub fn maybe_billed(&self) -> bool {
        self.maybe_billed
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            DialFault::Timeout => "timed out",
            DialFault::NoAddress => "found no address",
            DialFault::Policy => "was refused by policy",
            DialFault::Exhausted => "found no free descriptor",
            DialFault::Closed => "lost the connection",
            DialFault::Tls => "failed TLS verification or agreement",
            DialFault::Protocol => "met a broken HTTP message",
            DialFault::Crowded => "was told that there are too many requests",
            DialFault::TooLarge => "exceeded the response size cap",
            DialFault::Encoding => "met an unusable content coding",
        };
        let phase = match self.phase {
            Phase::Resolve => "resolving the provider's name",
            Phase::Connect => "connecting to the provider",
            Phase::Tls => "securing the connection to the provider",
            Phase::Send => "sending the request to the provider",
            Phase::Headers => "waiting for the provider's response",
            Phase::Body => "reading the provider's response",
        };
        write!(f, "{phase} {what}")
    }
}

impl fmt::Debug for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialError")
            .field("phase", &self.phase)
            .field("fault", &self.fault)
            .field("reused", &self.reused)
            .field("maybe_billed", &self.maybe_billed)
            .field("source", &self.source)
            .finish()
    }
}

impl StdError for DialError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Whether the system had no descriptor left, for this process or at all.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// What ended an exchange that was under way; `said`: why the peer ended its stream or connection.
pub(crate) fn fault_of(error: &hyper::Error, said: Option<h2::Reason>) -> DialFault {
    match said {
        Some(h2::Reason::ENHANCE_YOUR_CALM) => DialFault::Crowded,
        _ if is_lost(error) => DialFault::Closed,
        _ => DialFault::Protocol,
    }
}

/// Why the peer ended an HTTP/2 stream or its connection, where it did.
pub(crate) fn told(error: &hyper::Error) -> Option<h2::Reason> {
    find::<h2::Error>(error).filter(|cause| cause.is_remote())?.reason()
}

/// Whether the connection ended under an exchange, rather than the peer breaking a rule.
pub(crate) fn is_lost(error: &hyper::Error) -> bool {
    error.is_canceled()
        || error.is_closed()
        || error.is_incomplete_message()
        || error.is_body_write_aborted()
        || find::<io::Error>(error).is_some_and(|cause| {
            // These two are how bad chunks and broken TLS records show.
            !matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
        })
        || find::<h2::Error>(error).is_some_and(h2::Error::is_io)
}

/// The first cause of this type.
pub(crate) fn find<E: StdError + 'static>(error: &hyper::Error) -> Option<&E> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}
