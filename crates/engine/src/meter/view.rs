//! What can be asked of a meter while its call is under way, and with whose key its next attempt is made.

use std::sync::Arc;

use switchboard_wire::reply::{Reason, Usage};

use super::{Attempt, Meter};
use crate::catalog::PicoUsd;
use crate::deployment::Deployment;
use crate::error::Error;

impl Meter {
    /// The next attempt is made with a key of the caller's, or (none) with the gateway's; whether what it costs counts in budgets.
    pub fn bring(&mut self, own: Option<bool>) {
        self.0.own = own;
    }

    /// Why the answer ended, and what it took.
    pub fn finish(&self) -> (Option<Reason>, Option<&Usage>) {
        self.0.record.as_ref().map_or((None, None), |record| (record.finish, record.usage.as_ref()))
    }

    /// The failure that it is, where the provider says that it failed to make the answer.
    pub(crate) fn unmade(&self) -> Option<Error> {
        let record = self.0.record.as_ref().filter(|record| record.finish == Some(Reason::Error))?;
        Some(Error::unmade(record.native_finish.as_deref()))
    }

    /// Requests sent to providers so far.
    pub fn attempts(&self) -> u32 {
        self.0.record.as_ref().map_or(0, |record| record.attempts)
    }

    /// The attempts that are over.
    pub fn tried(&self) -> &[Attempt] {
        self.0.record.as_ref().map_or(&[], |record| record.tried.as_slice())
    }

    /// Where the call is being served.
    pub fn deployment(&self) -> Option<&Arc<Deployment>> {
        self.0.record.as_ref()?.deployment.as_ref()
    }

    /// The cost so far, where usage and prices are known.
    pub fn cost(&self) -> Option<PicoUsd> {
        self.bill().map(|bill| bill.charged.pico())
    }
}
