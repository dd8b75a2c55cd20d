//! Slowing down who guesses keys.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Digest;
use crate::refused::Refused;

/// So many failures within that time are nobody's mistake any more.
const FAILURES: usize = 20;
const WITHIN: Duration = Duration::from_secs(60);
/// The longest an address is kept waiting.
const LONGEST: Duration = Duration::from_secs(3600);
/// So many keys with a right checksum are looked up in a second for addresses that must wait: nobody guesses one, and many people may
/// have the address of one guesser.
const SPARED: u32 = 50;
/// The most addresses that are remembered.
const KEPT: usize = 65_536;

/// The addresses from which wrong keys came. Those whose keys are right are never looked up here.
#[derive(Debug, Default)]
pub struct Guesses {
    addresses: Mutex<HashMap<IpAddr, Address>>,
    spared: Mutex<Option<(Instant, u32)>>,
}

#[derive(Debug)]
struct Address {
    failures: usize,
    /// The wrong keys of late, each once: a client that goes on with an old one tries none.
    tried: Vec<Digest>,
    since: Instant,
    /// How long it must wait, and until when; doubled each time.
    wait: Duration,
    until: Option<Instant>,
}

impl Guesses {
    /// Refuses an address that has guessed too often.
    pub fn check(&self, from: Option<IpAddr>) -> Result<(), Refused> {
        self.check_at(from, Instant::now())
    }

    /// The same for a key whose checksum says that a gateway made it.
    pub fn check_made(&self, from: Option<IpAddr>) -> Result<(), Refused> {
        let now = Instant::now();
        self.check_at(from, now).or_else(|refused| if self.spares(now) { Ok(()) } else { Err(refused) })
    }

    /// Counts a wrong password, or the like.
    pub fn failed(&self, from: Option<IpAddr>) {
        self.failed_at(from, None, Instant::now());
    }

    /// Counts a wrong key.
    pub fn failed_with(&self, from: Option<IpAddr>, key: Digest) {
        self.failed_at(from, Some(key), Instant::now());
    }

    fn spares(&self, now: Instant) -> bool {
        let mut spared = self.spared.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = spared.filter(|(since, _)| now.duration_since(*since) < Duration::from_secs(1)).unwrap_or((now, 0));
        *spared = Some((since, count.saturating_add(1)));
        count < SPARED
    }

    fn check_at(&self, from: Option<IpAddr>, now: Instant) -> Result<(), Refused> {
        let Some(from) = from else { return Ok(()) };
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = addresses.get(&from).and_then(|address| address.until).filter(|until| now < *until) else { return Ok(()) };
        let seconds = until.duration_since(now).as_secs() + 1;
        let message = "Too many requests with wrong keys came from this address; wait before the next";
        Err(Refused::new(429, "throttling_error", Value::Null, message).after(seconds))
    }

    fn failed_at(&self, from: Option<IpAddr>, key: Option<Digest>, now: Instant) {
        let Some(from) = from else { return };
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= KEPT && !addresses.contains_key(&from) {
            addresses.retain(|_, address| address.until.is_some_and(|until| now < until) || now.duration_since(address.since) < WITHIN);
            if addresses.len() >= KEPT {
                addresses.clear();
            }
        }
        let fresh = Address { failures: 0, tried: Vec::new(), since: now, wait: Duration::ZERO, until: None };
        let address = addresses.entry(from).or_insert(fresh);
        if now.duration_since(address.since) >= WITHIN {
            // Who kept quiet for as long as the last wait again starts anew.
            if address.until.is_none_or(|until| now > until + address.wait) {
                address.wait = Duration::ZERO;
            }
            (address.failures, address.since) = (0, now);
            address.tried.clear();
        }
        if key.is_some_and(|key| address.tried.contains(&key)) {
            return;
        }
        address.tried.extend(key);
        address.failures += 1;
        if address.failures >= FAILURES {
            address.wait = (address.wait * 2).clamp(WITHIN, LONGEST);
            address.until = Some(now + address.wait);
            (address.failures, address.since) = (0, now);
            address.tried.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_wrong_keys_are_enough_and_the_wait_doubles() {
        let (guesses, start) = (Guesses::default(), Instant::now());
        let (guesser, other) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        for key in 0..19 {
            guesses.failed_at(guesser, Some([key; 32]), start);
            assert!(guesses.check_at(guesser, start).is_ok());
        }
        guesses.failed_at(guesser, Some([19; 32]), start);
        assert!(guesses.check_at(guesser, start).is_err());
        assert!(guesses.check_at(other, start).is_ok());
        let later = start + Duration::from_secs(61);
        assert!(guesses.check_at(guesser, later).is_ok());
        for key in 0..20 {
            guesses.failed_at(guesser, Some([key; 32]), later);
        }
        assert!(guesses.check_at(guesser, later + Duration::from_secs(119)).is_err());
        assert!(guesses.check_at(guesser, later + Duration::from_secs(121)).is_ok());
    }

    #[test]
    fn one_wrong_key_is_no_guess_however_often_it_comes() {
        let (guesses, start) = (Guesses::default(), Instant::now());
        let from = Some(IpAddr::from([192, 0, 2, 1]));
        for _ in 0..500 {
            guesses.failed_at(from, Some([1; 32]), start);
        }
        assert!(guesses.check_at(from, start).is_ok());
    }

    #[test]
    fn keys_that_a_gateway_made_are_looked_up_so_many_a_second() {
        let (guesses, start) = (Guesses::default(), Instant::now());
        assert!((0..SPARED).all(|_| guesses.spares(start)));
        assert!(!guesses.spares(start));
        assert!(guesses.spares(start + Duration::from_secs(1)));
    }

    #[test]
    fn slow_mistakes_are_forgiven() {
        let (guesses, start) = (Guesses::default(), Instant::now());
        let from = Some(IpAddr::from([192, 0, 2, 1]));
        for minute in 0..10 {
            for key in 0..19 {
                guesses.failed_at(from, Some([key; 32]), start + Duration::from_secs(61 * minute));
            }
        }
        assert!(guesses.check_at(from, start + Duration::from_secs(600)).is_ok());
    }
}
