//! Two attempts of one call side by side: whichever answers first goes on, and takes over what the other one leaves.
//!
//! Each has a meter of its own, so that each is held for, charged and told of like any other attempt. One call has one record: the
//! meter that loses leaves what it knows, and the one that wins adds it to its own.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Meter, Record, Recorder};
use crate::admit::{Permit, Tab};
use crate::route::affinity::Bond;
use crate::terms::NanoUsd;

const UNDECIDED: u8 = 0;
const FIRST: u8 = 1;
const SECOND: u8 = 2;

/// Two attempts of one call side by side.
pub(crate) struct Race {
    /// Whose answer it is.
    winner: AtomicU8,
    left: Mutex<Vec<Left>>,
    seed: Record,
    received: Instant,
    recorder: Arc<dyn Recorder>,
}

/// What a meter that lost leaves.
struct Left {
    record: Box<Record>,
    bonds: Vec<Bond>,
    /// What was held for the call as such is held as long as the call lasts.
    _held: (Option<Tab>, Option<Permit>),
}

/// A meter's part in a race.
pub(super) struct Lane {
    race: Arc<Race>,
    number: u8,
}

impl Race {
    /// Begins with the attempt which that meter is about to watch.
    pub(crate) fn of(meter: &mut Meter) -> Option<Arc<Self>> {
        meter.join_others();
        let watch = &mut meter.0;
        let seed = watch.record.as_deref()?.clone();
        let seed = Record { tried: Vec::new(), attempts: 0, charged: NanoUsd::ZERO, estimated: false, overhead: None, ..seed };
        let (received, recorder) = (watch.received, watch.recorder.clone());
        let race = Arc::new(Self { winner: AtomicU8::new(UNDECIDED), left: Mutex::default(), seed, received, recorder });
        watch.lane = Some(Lane { race: race.clone(), number: FIRST });
        Some(race)
    }

    /// The meter of the second attempt.
    pub(crate) fn second(self: &Arc<Self>, tab: Tab) -> Meter {
        let mut meter = Meter::new(self.seed.clone(), self.received, self.recorder.clone());
        meter.0.tab = Some(tab);
        meter.0.lane = Some(Lane { race: self.clone(), number: SECOND });
        meter
    }

    /// The second one answers. The first one's meter must be dropped before the other goes on.
    pub(crate) fn second_wins(&self) {
        self.winner.store(SECOND, Ordering::Relaxed);
    }

    /// The first one answers.
    pub(crate) fn first_wins(&self) {
        self.winner.store(FIRST, Ordering::Relaxed);
    }
}

impl Lane {
    pub(super) fn is_hedge(&self) -> bool {
        self.number == SECOND
    }

    pub(super) fn has_lost(&self) -> bool {
        ![UNDECIDED, self.number].contains(&self.race.winner.load(Ordering::Relaxed))
    }

    /// Whether what it knows is for the other one to tell. While nothing is decided the first one speaks for the call.
    pub(super) fn leaves(&self) -> bool {
        self.has_lost() || self.is_hedge() && self.race.winner.load(Ordering::Relaxed) == UNDECIDED
    }

    pub(super) fn leave(&self, record: Box<Record>, held: (Option<Tab>, Option<Permit>), bonds: Vec<Bond>) {
        let left = Left { record, bonds, _held: held };
        self.race.left.lock().unwrap_or_else(PoisonError::into_inner).push(left);
    }
}

impl Meter {
    /// Takes over what another attempt of the call has left, if there was one.
    pub(crate) fn join_others(&mut self) {
        let Some(lane) = &mut self.0.lane else { return };
        let left = std::mem::take(&mut *lane.race.left.lock().unwrap_or_else(PoisonError::into_inner));
        for Left { mut record, bonds, .. } in left {
            self.0.bonds.extend(bonds);
            if let Some(own) = &mut self.0.record {
                record.tried.append(&mut own.tried);
                own.tried = record.tried;
                own.attempts += record.attempts;
                own.charged = own.charged.plus(record.charged);
                own.estimated |= record.estimated;
                own.overhead = record.overhead.or(own.overhead);
            }
        }
    }
}
