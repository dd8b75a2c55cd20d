//! Host names to addresses, with the last good answer kept for when the resolver fails.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::error::{DialError, DialFault, Phase, is_exhausted};
use super::settings::Settings;
use super::transport::Transport;

/// How many names' last good answers are kept.
const REMEMBERED_NAMES: usize = 1024;

/// When a name was last resolved, and to what.
type Answers = HashMap<Box<str>, (Instant, Vec<IpAddr>)>;

/// Resolves names and remembers their last good addresses.
pub(crate) struct Resolver {
    limit: Duration,
    stale_ttl: Duration,
    last_good: Mutex<Answers>,
}

impl Resolver {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { limit: settings.resolve_timeout, stale_ttl: settings.stale_address_ttl, last_good: Mutex::new(HashMap::new()) }
    }

    /// The addresses of a host which the transport's policy allows.
    pub(crate) async fn resolve(&self, transport: &Transport, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        let settings = transport.settings();
        let mut addresses = if let Ok(literal) = host.parse::<IpAddr>() {
            vec![literal]
        } else if let Some(fixed) = settings.hosts.get(host) {
            fixed.clone()
        } else {
            self.look_up(host, port).await?
        };
        if let Some(allowed) = &settings.address_check {
            addresses.retain(|address| allowed(*address));
            if addresses.is_empty() {
                return Err(DialError::new(Phase::Resolve, DialFault::Policy));
            }
        }
        Ok(alternate(addresses).into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<IpAddr>, DialError> {
        let failure = match timeout(self.limit, tokio::net::lookup_host((host, port))).await {
            Ok(Ok(found)) => {
                let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
                if !addresses.is_empty() {
                    self.remember(host, &addresses);
                    return Ok(addresses);
                }
                DialError::new(Phase::Resolve, DialFault::NoAddress)
            }
            Ok(Err(error)) => {
                let fault = if is_exhausted(&error) { DialFault::Exhausted } else { DialFault::NoAddress };
                DialError::new(Phase::Resolve, fault).with(error)
            }
            Err(_) => DialError::new(Phase::Resolve, DialFault::Timeout),
        };
        self.recall(host).ok_or(failure)
    }

    fn remember(&self, host: &str, addresses: &[IpAddr]) {
        let mut known = self.known();
        if known.len() >= REMEMBERED_NAMES {
            known.retain(|_, (at, _)| at.elapsed() < self.stale_ttl);
        }
        if known.len() < REMEMBERED_NAMES || known.contains_key(host) {
            known.insert(host.into(), (Instant::now(), addresses.to_vec()));
        }
    }

    fn recall(&self, host: &str) -> Option<Vec<IpAddr>> {
        let known = self.known();
        let (at, addresses) = known.get(host)?;
        (at.elapsed() < self.stale_ttl).then(|| addresses.clone())
    }

    fn known(&self) -> MutexGuard<'_, Answers> {
        self.last_good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Orders addresses so that the families take turns, the resolver's first choice first.
fn alternate(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let Some(first) = addresses.first().copied() else {
        return addresses;
    };
    let count = addresses.len();
    let (preferred, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    let mut ordered = Vec::with_capacity(count);
    while ordered.len() < count {
        ordered.extend(preferred.next());
        ordered.extend(other.next());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let ordered = alternate(parse(&["::1", "::2", "1.1.1.1", "::3"]));
        assert_eq!(ordered, parse(&["::1", "1.1.1.1", "::2", "::3"]));
    }

    #[test]
    fn a_remembered_answer_expires() {
        let mut settings = Settings::default();
        let resolver = Resolver::new(&settings);
        resolver.remember("a.example", &[IpAddr::from([192, 0, 2, 1])]);
        assert!(resolver.recall("a.example").is_some());
        assert!(resolver.recall("b.example").is_none());
        settings.stale_address_ttl = Duration::ZERO;
        let resolver = Resolver::new(&settings);
        resolver.remember("a.example", &[IpAddr::from([192, 0, 2, 1])]);
        assert!(resolver.recall("a.example").is_none());
    }
}
