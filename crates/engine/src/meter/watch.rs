//! What a meter knows of its call.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::race::Lane;
use super::{Bill, Delivered, Expected, Meter, Record, Recorder};
use crate::admit::{Permit, Tab};
use crate::call::Call;
use crate::catalog::Component;
use crate::deployment::Deployment;
use crate::health::{Failure, Ticket};
use crate::route::affinity::Bond;
use crate::tariff::Searched;
use crate::tool_calls::ToolCalls;

/// What a meter knows.
pub(super) struct Watch {
    pub(super) record: Option<Box<Record>>,
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) received: Instant,
    /// The terms it was served under, as its provider says.
    pub(super) service: Option<String>,
    /// The terms that were asked for.
    pub(super) asked_service: Option<String>,
    pub(super) searched: Searched,
    pub(super) counted: Vec<(Component, u64)>,
    /// The bill of what is known so far, once it has been asked for.
    pub(super) billed: Option<Option<Bill>>,
    pub(super) ticket: Option<Ticket>,
    pub(super) fault: Option<(Failure, Option<u16>, bool)>,
    pub(super) lane: Option<Lane>,
    /// Whether the client had a status before there was an answer.
    pub(super) shown: Option<Arc<AtomicBool>>,
    /// When the client had the first content, of an answer that more than one provider gave.
    pub(super) begun: Option<Duration>,
    /// The attempt is made with a key of the caller's; whether that counts in budgets.
    pub(super) own: Option<bool>,
    pub(super) tools: Option<Box<ToolCalls>>,
    pub(super) bonds: Vec<Bond>,
    pub(super) delivered: Delivered,
    /// What it is taken to use where nobody tells.
    pub(super) expected: Expected,
    /// Whether the provider may bill the attempt although it failed.
    pub(super) maybe_billed: bool,
    /// What has been written down of the attempt under way, and when.
    pub(super) checkpoint: (u64, Instant),
    pub(super) tab: Option<Tab>,
    pub(super) _permit: Option<Permit>,
}

impl Meter {
    pub(super) fn watching(record: Option<Box<Record>>, received: Instant, recorder: Arc<dyn Recorder>) -> Self {
        Self(Box::new(Watch {
            record,
            recorder,
            received,
            service: None,
            asked_service: None,
            searched: Searched::default(),
            counted: Vec::new(),
            billed: None,
            ticket: None,
            fault: None,
            lane: None,
            shown: None,
            begun: None,
            own: None,
            tools: None,
            bonds: Vec::new(),
            delivered: Delivered::default(),
            expected: Expected::default(),
            maybe_billed: false,
            checkpoint: (0, received),
            tab: None,
            _permit: None,
        }))
    }

    /// Whether it watches a call.
    pub(crate) fn is_watching(&self) -> bool {
        self.0.record.is_some()
    }

    /// Gives what it watches to another meter, and watches nothing from then on.
    pub(crate) fn hand_over(&mut self) -> Self {
        let nothing = Self::watching(None, self.0.received, self.0.recorder.clone());
        std::mem::replace(self, nothing)
    }
}

/// The terms of service that the call asks for, or the operator for it.
pub(super) fn asked_service(call: &Call, target: &Deployment) -> Option<String> {
    let usual =
        || target.spec.defaults.iter().find(|(name, _)| name == "service_tier").and_then(|(_, json)| serde_json::from_str(json).ok());
    call.text("service_tier").or_else(usual).filter(|tier| tier != "auto")
}
