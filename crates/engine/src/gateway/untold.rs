//! A failure that nobody has been told of yet.

use crate::call::Door;
use crate::error::Error;
use crate::meter::Meter;

/// A call that failed, which its caller need not hear of where another call can stand for it. Dropped, it is recorded as given up.
pub struct Untold {
    /// Why.
    pub error: Error,
    /// None where the failure is recorded already.
    meter: Option<Meter>,
}

impl Untold {
    pub(super) fn new(error: Error, meter: Meter) -> Self {
        Self { error, meter: Some(meter) }
    }

    /// The failure, recorded as its caller is told of it.
    pub fn told(self, door: &Door) -> Error {
        if let Some(mut meter) = self.meter {
            meter.fail(&self.error, door);
        }
        self.error
    }

    /// Gives back what a call holds that came to nothing. Whether it did: no provider was asked, and nothing is recorded.
    pub fn give_back(&mut self) -> bool {
        self.meter.as_mut().is_some_and(Meter::give_back)
    }

    /// Records nothing of a call that came to nothing, since another one stands for it. Whether it did.
    pub fn forgotten(mut self, door: &Door) -> bool {
        let is_nothing = self.give_back();
        match self.meter.take_if(|_| is_nothing) {
            Some(meter) => meter.forget(),
            None => drop(self.told(door)),
        }
        is_nothing
    }
}

impl From<Error> for Untold {
    fn from(error: Error) -> Self {
        Self { error, meter: None }
    }
}
