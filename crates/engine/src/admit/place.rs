//! A place among those in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard_wire::problem::{Kind, Problem};

use crate::error::{Error, Origin, Retry};

/// Admits calls.
#[derive(Clone, Debug)]
pub struct Admission {
    in_flight: Arc<AtomicUsize>,
    bound: usize,
}

/// The right to go ahead. Dropping it gives back what it holds.
#[derive(Debug)]
pub struct Permit {
    in_flight: Arc<AtomicUsize>,
}

impl Admission {
    /// Admits up to `bound` calls at a time.
    pub fn new(bound: usize) -> Self {
        Self { in_flight: Arc::default(), bound }
    }

    /// How many calls are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Takes a place, or says that there is none.
    pub fn admit(&self) -> Result<Permit, Error> {
        let taken = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let permit = Permit { in_flight: self.in_flight.clone() };
        if taken >= self.bound {
            let problem = Problem::new(Kind::Overloaded, "the gateway has too many requests in flight; try again soon")
                .with_code("gateway_overloaded");
            return Err(Error::new(problem, Origin::Gateway, Retry::Never));
        }
        Ok(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
