//! A call on its way through the line: it waits for its turn, tries, and waits on where there still is no capacity.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::HeaderName;
use switchboard_wire::problem::{Kind, Problem};
use tokio::time::Instant;

use super::{Gateway, Worker};
use crate::answer::Answer;
use crate::asked::Asked;
use crate::call::Call;
use crate::error::{Error, Origin, Retry};
use crate::health::Failure;
use crate::meter::Meter;
use crate::principal::Principal;
use crate::queue::{Capacity, Place, Who};
use crate::route::Reason;
use crate::settings::Settings;
use crate::terms::{Unit, Why};

/// Says how long a call has waited for its turn.
const QUEUED: HeaderName = HeaderName::from_static("x-switchboard-queued-ms");
/// Whoever is refused without another word may come again after that.
const SOON: Duration = Duration::from_secs(1);
/// What frees at a known time is looked at this much more seldom than what may be free at any moment.
const SELDOM: u32 = 10;

/// A call that waits rather than be refused.
#[derive(Clone, Copy)]
pub(crate) struct Waiter<'a> {
    gateway: &'a Gateway,
    call: &'a Call,
    asked: &'a Asked,
    worker: &'a Worker,
    settings: &'a Settings,
    priority: u8,
}

impl<'a> Waiter<'a> {
    /// That call, if it is to wait.
    pub(crate) fn of(
        gateway: &'a Gateway,
        (call, asked): (&'a Call, &'a Asked),
        worker: &'a Worker,
        settings: &'a Settings,
    ) -> Option<Self> {
        let named = asked.priority.or(call.principal.priority);
        let priority = match settings.queue.who {
            Who::Nobody => return None,
            Who::Named => named?,
            Who::Everybody => named.unwrap_or(settings.queue.priority),
        };
        Some(Self { gateway, call, asked, worker, settings, priority })
    }

    /// Whether it must wait before it tries, since others wait for what it needs too.
    pub(crate) fn is_late(&self) -> bool {
        let queue = self.gateway.queue();
        queue.waiting() > 0 && queue.contends(&self.needs())
    }

    /// Whether waiting may help where that is in the way.
    pub(crate) fn waits_for(&self, error: &Error) -> bool {
        self.lacks(error).is_some()
    }

    /// Waits for its turn and tries until it is admitted, or has waited too long; `refused` is what came of the first try.
    pub(crate) async fn run(self, mut meter: Meter, refused: Option<Error>) -> Result<Answer, Error> {
        let (queue, needs, began) = (self.gateway.queue(), self.needs(), Instant::now());
        let until = began + self.patience();
        let tenant = (tenant(&self.call.principal), self.priority);
        let Some(place) = queue.join(tenant, needs.clone(), &self.settings.queue) else {
            let error = refused.unwrap_or_else(|| self.late(None, &needs));
            meter.fail(&error, &self.call.door);
            return Err(error);
        };
        let mut again = refused.and_then(|error| self.failed(&place, error));
        while place.turn(until, again).await {
            let (error, returned) = match self.once(&place, meter).await {
                Ok(mut answer) => {
                    answer.headers.insert(QUEUED, HeaderValue::from(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)));
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            meter = returned;
            if !place.is_kept() || !self.waits_for(&error) {
                meter.fail(&error, &self.call.door);
                return Err(error);
            }
            again = self.failed(&place, error);
        }
        let error = self.late(Some(place.number), &needs);
        meter.fail(&error, &self.call.door);
        Err(error)
    }

    /// One try.
    async fn once(&self, place: &Place<'_>, mut meter: Meter) -> Result<Answer, (Error, Meter)> {
        let mut plan = match self.gateway.plan(self.call).await {
            Ok(plan) => plan,
            Err(error) => return Err((error, meter)),
        };
        if meter.tab().is_none()
            && let Err(error) = self.gateway.admit(self.call, &mut meter)
        {
            return Err((error, meter));
        }
        let tap = self.gateway.ready(self.call, &mut plan, &mut meter);
        let attempts = self.gateway.attempts((self.call, self.asked), self.worker, self.settings).in_line(place);
        let answer = attempts.go(&plan, meter).await?;
        Ok(match tap {
            None => answer,
            Some(tap) => answer.tapped(tap),
        })
    }

    /// Notes what was in the way, and says when to look again.
    fn failed(&self, place: &Place<'_>, error: Error) -> Option<Instant> {
        let (by, after) = self.lacks(&error)?;
        place.failed(by, error);
        Some(Instant::now() + after)
    }

    /// How long it waits at most.
    fn patience(&self) -> Duration {
        let left = self.asked.patience.map(|patience| patience.saturating_sub(self.call.received.elapsed()));
        let said = [left, self.asked.timeout].into_iter().flatten();
        said.fold(self.settings.queue.longest, Duration::min)
    }

    /// What it needs of which there is only so much.
    fn needs(&self) -> Vec<Capacity> {
        let scopes = self.gateway.admission().limiting(self.call, &self.gateway.fleet());
        scopes.into_iter().map(Capacity::Scope).chain([self.model()]).collect()
    }

    fn model(&self) -> Capacity {
        Capacity::Model(self.gateway.fleet().group_of(self.call.principal.meant(&self.call.model)))
    }

    /// What there is too little of, and when to look again; `None`: it is no want of capacity, or none that will pass.
    fn lacks(&self, error: &Error) -> Option<(Capacity, Duration)> {
        let look = self.settings.queue.look;
        let told = error.problem.retry_after.unwrap_or(SOON).min(look * SELDOM);
        if let Some(refusal) = error.refusal.as_deref() {
            let Why::Limit { unit, limit, remaining, .. } = refusal.why else { return None };
            // What does not fit in a limit that is not used at all never will.
            if limit == 0 || remaining >= limit {
                return None;
            }
            let what = if refusal.is_of_target() { self.model() } else { Capacity::Scope(refusal.scope.clone()) };
            return Some((what, if unit == Unit::Parallel { look } else { told }));
        }
        // Money does not come by itself.
        let passes = |reason: &&str| *reason != Reason::Budget.as_str();
        let full = error
            .problem
            .availability
            .as_ref()
            .is_some_and(|availability| availability.code == "capacity_exhausted" && availability.excluded_by.iter().any(passes));
        (full || error.origin == Origin::Provider && error.failure == Failure::RateLimited).then(|| (self.model(), look))
    }

    /// What a call is told that has waited too long, or finds no room to wait: what it would have been told without waiting.
    fn late(&self, number: Option<u64>, needs: &[Capacity]) -> Error {
        let Some((mut error, ago)) = self.gateway.queue().told(number, needs) else {
            let problem = Problem::new(Kind::RateLimited, "too many requests are waiting; try again soon").with_code("throttling_error");
            return Error::new(Problem { retry_after: Some(SOON), ..problem }, Origin::Caller, Retry::Never);
        };
        let left = |wait: Duration| wait.saturating_sub(ago).max(SOON);
        error.problem.retry_after = Some(error.problem.retry_after.map_or(SOON, left));
        error
    }
}

/// Between whom turns are divided: teams, and keys that have none.
fn tenant(principal: &Principal) -> Arc<str> {
    match (&principal.team, &principal.key_hash) {
        (Some(team), _) => format!("team:{team}").into(),
        (None, Some(hash)) => format!("key:{hash}").into(),
        (None, None) => format!("key:{}", principal.key).into(),
    }
}
