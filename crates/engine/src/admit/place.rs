//! Admitting calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use switchboard_wire::problem::{Kind, Problem};

use super::journal::Journal;
use super::tab::Tab;
use crate::book::port::Authority;
use crate::book::share::Shares;
use crate::book::{Book, Hold, Scope};
use crate::call::Call;
use crate::error::{Error, Origin, Retry};
use crate::principal::Principal;
use crate::route::Fleet;
use crate::tariff::Tariffs;
use crate::terms::ScopeId;

/// When it is worth asking again for a place.
const AGAIN: Duration = Duration::from_secs(1);

/// Admits calls.
#[derive(Clone)]
pub struct Admission {
    in_flight: Arc<AtomicUsize>,
    bound: Arc<AtomicUsize>,
    book: Arc<Book>,
    authority: Option<Arc<dyn Authority>>,
    journal: Option<Arc<dyn Journal>>,
    tariffs: Arc<Tariffs>,
    shares: Option<Arc<dyn Shares>>,
}

/// A place among the calls in flight. Dropping it gives it back.
#[derive(Debug)]
pub struct Permit {
    in_flight: Arc<AtomicUsize>,
}

impl Admission {
    /// Admits up to `bound` calls at a time.
    pub fn new(bound: usize) -> Self {
        Self {
            in_flight: Arc::default(),
            bound: Arc::new(AtomicUsize::new(bound)),
            book: Arc::default(),
            authority: None,
            journal: None,
            tariffs: Arc::default(),
            shares: None,
        }
    }

    /// Admits up to so many at a time from now on. Calls under way stay.
    pub fn keep_to(&self, bound: usize) {
        self.bound.store(bound, Ordering::Relaxed);
    }

    /// With those scopes.
    #[must_use]
    pub fn with_book(self, book: Arc<Book>) -> Self {
        Self { book, ..self }
    }

    /// With somebody else who decides on money.
    #[must_use]
    pub fn with_authority(self, authority: Arc<dyn Authority>) -> Self {
        Self { authority: Some(authority), ..self }
    }

    /// With others who have the same limits.
    #[must_use]
    pub fn with_shares(self, shares: Arc<dyn Shares>) -> Self {
        Self { shares: Some(shares), ..self }
    }

    /// With somebody who writes down what money is spent on.
    #[must_use]
    pub fn with_journal(self, journal: Arc<dyn Journal>) -> Self {
        Self { journal: Some(journal), ..self }
    }

    /// With those prices.
    #[must_use]
    pub fn with_tariffs(self, tariffs: Arc<Tariffs>) -> Self {
        Self { tariffs, ..self }
    }

    /// What everything is charged by.
    pub fn tariffs(&self) -> &Arc<Tariffs> {
        &self.tariffs
    }

    /// Who decides on money, where that is somebody else.
    pub(super) fn authority(&self) -> Option<&Arc<dyn Authority>> {
        self.authority.as_ref()
    }

    /// Who writes down what money is spent on.
    pub(super) fn journal(&self) -> Option<&Arc<dyn Journal>> {
        self.journal.as_ref()
    }

    /// Where every scope is kept.
    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// How many calls are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Takes a place, or says that there is none.
    pub fn admit(&self) -> Result<Permit, Error> {
        let taken = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let permit = Permit { in_flight: self.in_flight.clone() };
        if taken >= self.bound.load(Ordering::Relaxed) {
            let problem = Problem::new(Kind::Overloaded, "the gateway has too many requests in flight; try again soon");
            let problem = Problem { retry_after: Some(AGAIN), ..problem.with_code("gateway_overloaded") };
            return Err(Error::new(problem, Origin::Gateway, Retry::Never));
        }
        Ok(permit)
    }

    /// A hold on nothing yet, for a call of that principal to a model of these names: as it was asked for, and what that stands for.
    pub fn hold(&self, principal: &Principal, names: [&str; 2]) -> Hold {
        let counted = principal.counted.iter().filter(|scope| covered(scope, names)).cloned().collect();
        Hold::new(self.book.clone(), (self.authority.clone(), self.shares.clone()), self.scopes(principal, names), counted)
    }

    /// The scopes whose limits a call of that principal to a model of these names must fit in, wherever it goes.
    pub(crate) fn limiting(&self, call: &Call, fleet: &Fleet) -> Vec<ScopeId> {
        let group = fleet.group_of(&call.model);
        let scopes = self.scopes(&call.principal, [&call.model, &group]);
        scopes.iter().filter(|scope| scope.has_limits()).map(|scope| scope.id.clone()).collect()
    }

    fn scopes(&self, principal: &Principal, names: [&str; 2]) -> Vec<Arc<Scope>> {
        let mut scopes: Vec<_> = principal.scopes.iter().filter(|scope| covered(scope, names)).cloned().collect();
        self.book.common(|scope| covered(scope, names), &mut scopes);
        scopes
    }

    /// The running account of a call. What is said of one model holds under whatever name it is asked for.
    pub fn tab(&self, call: &Call, fleet: &Fleet) -> Tab {
        self.tab_over(self.hold_for(call, fleet), call)
    }

    /// The account of a second attempt of a call that has an account already.
    pub(crate) fn tab_beside(&self, call: &Call, fleet: &Fleet) -> Tab {
        self.tab_over(self.hold_for(call, fleet).beside(), call)
    }

    fn hold_for(&self, call: &Call, fleet: &Fleet) -> Hold {
        let group = fleet.group_of(&call.model);
        self.hold(&call.principal, [&call.model, &group])
    }

    fn tab_over(&self, hold: Hold, call: &Call) -> Tab {
        let book = self.book.clone();
        Tab::new(hold, self.journal.clone(), self.tariffs.clone(), &call.id, Box::new(move || book.now()))
    }
}

/// Whether a scope is engaged for a model of one of these names.
fn covered(scope: &Scope, names: [&str; 2]) -> bool {
    names.into_iter().any(|name| scope.covers(name))
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Admission").field("in_flight", &self.in_flight()).field("book", &self.book).finish_non_exhaustive()
    }
}
