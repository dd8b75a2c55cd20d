//! How far one call has come, and where it goes next.

mod end;
mod right;

use std::sync::Arc;
use std::time::{Duration, Instant};

use switchboard_wire::dialect::Flavor;

use crate::clock;
use crate::error::{Error, Origin, Retry};
use crate::health::{ByClass, Failure, Refusal, Ticket};
use crate::own;
use crate::route::{Plan, Target};

use super::Attempts;
use super::backoff::Backoff;
use super::budget::Retrying;
use super::depth::Depth;
use super::failures::Failures;
use super::fall_back;
use super::step::{self, Class, Step};

/// The most requests to providers for one call in its own group.
const MOST: u32 = 4;
/// The same where the next target is known to be answering others.
const MOST_PROVEN: u32 = 8;
/// The most in a group that is fallen back to.
const MOST_FALLBACK: u32 = 2;
/// The most requests to one target beside the first.
const MOST_RETRIES: u32 = 2;
/// A provider that asks for a longer pause is left.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// No pause that is asked for counts as longer.
const LONGEST: Duration = Duration::from_secs(3600);

/// How far one call has come.
pub(super) struct Journey {
    groups: Vec<Arc<str>>,
    cursor: usize,
    again: Option<(usize, Duration)>,
    places: Vec<Place>,
    /// Attempts in this group, and the most there may be.
    made: u32,
    most: u32,
    /// What was asked for explicitly: repetitions in this group.
    repeats: Option<u32>,
    pub(super) depth: Depth,
    pub(super) failures: Failures,
    stopped: bool,
    /// The latest failure is a refusal that a policy wants repeated.
    insists: bool,
    over: bool,
    accept_empty: bool,
    is_fallback: bool,
    backoff: Backoff,
    retries: u32,
    fallbacks: u32,
    first: Option<Error>,
    last: Option<Error>,
    class: Class,
    refused: Option<Refusal>,
    /// When the soonest deployment of the groups that have failed may be asked again.
    soonest: Option<Instant>,
}

/// What is known of one target of the group.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    tried: u32,
    struck: bool,
    /// It cannot be asked this at all.
    unable: bool,
    soft: bool,
    /// When it wants to be asked again.
    due: Option<Instant>,
}

/// How one attempt is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Another model answers than the one asked for.
    pub(super) other_model: bool,
    /// An answer without any content is taken as it is.
    pub(super) accept_empty: bool,
    /// Another account answers than the one that was asked first.
    pub(super) estranged: bool,
    /// An answer that a content filter cut is a failure.
    pub(super) filters_fail: bool,
}

/// Where to go next.
pub(super) struct Turn {
    pub(super) at: usize,
    pub(super) pause: Duration,
    pub(super) ticket: Ticket,
    pub(super) retrying: Option<Retrying>,
}

impl Journey {
    pub(super) fn new(attempts: &Attempts<'_>, plan: &Plan) -> Self {
        let repeats = repeats(attempts, plan);
        Self {
            groups: vec![plan.group.clone()],
            cursor: 0,
            again: None,
            places: Vec::new(),
            made: 0,
            most: repeats.map_or(MOST, |repeats| repeats + 1),
            repeats,
            depth: Depth::default(),
            failures: Failures::default(),
            stopped: false,
            insists: false,
            over: false,
            accept_empty: false,
            is_fallback: false,
            backoff: Backoff::default(),
            retries: 0,
            fallbacks: 0,
            first: None,
            last: None,
            class: Class::Other,
            refused: None,
            soonest: None,
        }
    }

    /// Begins with another group, or with the same one anew.
    pub(super) fn enter(&mut self, attempts: &Attempts<'_>, plan: &Plan, fallback: bool) {
        if fallback {
            self.fallbacks += 1;
            self.is_fallback = true;
            self.last.iter().filter(|_| attempts.asked.tells_failures).for_each(|error| self.failures.add(error));
        }
        if self.first.is_none() {
            self.first = self.last.take();
        }
        self.repeats = repeats(attempts, plan);
        self.most = self.repeats.map_or(if fallback { MOST_FALLBACK } else { self.made + 1 }, |repeats| repeats + 1);
        self.made = if fallback { 0 } else { self.made };
        self.depth.enter(fallback);
        self.class = Class::Other;
        (self.cursor, self.again, self.stopped) = (0, None, false);
        // What was awaited is over.
        self.soonest = self.soonest.filter(|_| fallback);
        self.places.clear();
    }

    /// Comes to another group. `false`: it has been there.
    pub(super) fn sees(&mut self, group: Arc<str>) -> bool {
        let is_new = !self.groups.contains(&group);
        if is_new {
            self.groups.push(group);
        }
        is_new
    }

    pub(super) fn may_fall_back(&self) -> bool {
        !self.over
    }

    /// Retries within groups, and other groups gone to.
    pub(super) fn counts(&self) -> (u32, u32) {
        (self.retries, self.fallbacks)
    }

    /// How many retries there may be.
    pub(super) fn most_retries(&self) -> u32 {
        self.repeats.unwrap_or(self.most.saturating_sub(1))
    }

    /// The first attempt counts as made, and has failed; whether another one may follow it.
    pub(super) fn tries_again(&mut self, attempts: &Attempts<'_>, plan: &Plan) -> bool {
        self.made += 1;
        repeats(attempts, plan) != Some(0)
    }

    /// Which fallbacks are meant for the latest failure of this group.
    pub(super) fn class(&self) -> Class {
        self.class
    }

    /// Whether there is nowhere else to go.
    pub(super) fn is_alone(&self, plan: &Plan) -> bool {
        plan.targets.len() < 2 && plan.fallbacks.is_empty()
    }

    /// How the next attempt is to be made.
    pub(super) fn manner(&self, attempts: &Attempts<'_>, plan: &Plan, target: &Target) -> Manner {
        // An answer without content is one after another such, and where nobody else may be asked.
        let others = plan.exhaustive && self.cursor < plan.targets.len();
        let spent = self.repeats.is_some() && self.made >= self.most + self.depth.free();
        let last = spent && !others && (self.is_fallback || plan.fallbacks.is_empty());
        // In OpenRouter's manner an answer that was cut is one.
        let filters_fail = !plan.exhaustive
            && fall_back::meant_for((attempts.call, attempts.asked), plan, Class::ContentPolicy)
                .is_some_and(|list| list.iter().any(|fallback| !self.groups.iter().any(|group| **group == *fallback.model)));
        let accept_empty = self.accept_empty || last;
        let other_model = self.is_other_model(attempts, plan, target);
        Manner { other_model, accept_empty, estranged: self.depth.is_estranged(target), filters_fail }
    }

    /// Whether another model answers there than the one asked for.
    pub(super) fn is_other_model(&self, attempts: &Attempts<'_>, plan: &Plan, target: &Target) -> bool {
        // OpenRouter's clients are told which model was chosen for them; others, what they asked for.
        let picked = plan.picked && attempts.call.door.flavor == Flavor::OpenRouter;
        self.is_fallback || picked || plan.mixed && target.deployment.spec.group != *plan.group
    }

    /// Another target, to be asked while the one at that place has not answered; `None`: there is none, or enough are under way.
    pub(super) fn beside(&mut self, attempts: &Attempts<'_>, plan: &Plan, at: usize) -> Option<Turn> {
        if self.made >= MOST || !plan.policy.allow_fallbacks || attempts.left().is_some_and(|left| left.is_zero()) {
            return None;
        }
        // Whatever is known of a target: that the first one is slow may have a reason that is everywhere.
        let retrying = attempts.budget.take(attempts.in_flight)?;
        let now = clock::now();
        while self.cursor < plan.targets.len() {
            let next = self.cursor;
            self.cursor += 1;
            if next == at || self.is_out_of_question(plan, next) {
                continue;
            }
            match plan.targets[next].deployment.health.begin(now) {
                Ok(ticket) => {
                    self.made += 1;
                    self.depth.reach(&plan.targets[next], false);
                    return Some(Turn { at: next, pause: Duration::ZERO, ticket, retrying: Some(retrying) });
                }
                Err(refusal) => self.place(next).soft = refusal.soft,
            }
        }
        None
    }

    /// Where to go next in this group; `None`: nowhere.
    pub(super) fn next(&mut self, attempts: &Attempts<'_>, plan: &Plan) -> Option<Turn> {
        if self.stopped {
            return None;
        }
        let now = clock::now();
        if let Some((at, pause)) = self.again.take()
            && let Some(turn) = self.turn(attempts, plan, (at, pause), now)
        {
            return Some(turn);
        }
        while self.cursor < plan.targets.len() {
            let at = self.cursor;
            self.cursor += 1;
            if self.is_out_of_question(plan, at) || self.is_spared(plan, at, now) {
                continue;
            }
            if let Some(turn) = self.turn(attempts, plan, (at, Duration::ZERO), now) {
                return Some(turn);
            }
        }
        self.next_resting(attempts, plan, now).or_else(|| self.next_round(attempts, plan, now))
    }

    /// Targets that were passed over for a reason of our own guessing: better they than none.
    fn next_resting(&mut self, attempts: &Attempts<'_>, plan: &Plan, now: Instant) -> Option<Turn> {
        while let Some(at) = self.places.iter().position(|place| place.soft) {
            self.places[at].soft = false;
            if self.is_out_of_question(plan, at) {
                continue;
            }
            let retrying = self.permit(attempts, plan, at, now)?;
            let ticket = plan.targets[at].deployment.health.begin_anyway(now);
            return Some(self.take(plan, (at, Duration::ZERO), ticket, retrying));
        }
        None
    }

    /// Targets that have failed this call once and are worth asking again: all of them where repetitions were asked for, else those
    /// that are known to be answering others.
    fn next_round(&mut self, attempts: &Attempts<'_>, plan: &Plan, now: Instant) -> Option<Turn> {
        let last = self.last.as_ref()?;
        if self.repeats.is_some() && !last.failure.is_repeated() && !self.insists {
            return None;
        }
        let mut order: Vec<(u32, Duration, usize)> = Vec::new();
        for (at, place) in self.places.iter().enumerate().filter(|(at, place)| place.tried > 0 && !self.depth.is_closed(&plan.targets[*at]))
        {
            let worth = match self.repeats {
                Some(_) => !place.struck,
                // What is answering others may have slipped, whatever it said.
                None => place.tried <= MOST_RETRIES && is_proven(&plan.targets[at], now) && !place.unable,
            };
            if worth {
                let due = place.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
                order.push((place.tried, due, at));
            }
        }
        if order.is_empty() {
            return None;
        }
        order.sort_unstable();
        let pause = self.backoff.next(self.least_pause(attempts, plan));
        // Who says when to come back is not asked sooner.
        let fits = |pause: Duration| pause <= LONGEST_WAIT && attempts.left().is_none_or(|left| pause <= left);
        let fitting = order.into_iter().map(|(_, due, at)| (at, pause.max(due))).filter(|(_, pause)| fits(*pause)).collect::<Vec<_>>();
        if fitting.is_empty() {
            return None;
        }
        let firm = fitting.into_iter().find_map(|turn| self.turn(attempts, plan, turn, now));
        firm.or_else(|| {
            let at = self.places.iter().position(|place| place.soft)?;
            self.places[at].soft = false;
            let retrying = self.permit(attempts, plan, at, now)?;
            let ticket = plan.targets[at].deployment.health.begin_anyway(now);
            Some(self.take(plan, (at, pause), ticket, retrying))
        })
    }

    /// A turn at that target, if it may be asked and there may be another attempt.
    fn turn(&mut self, attempts: &Attempts<'_>, plan: &Plan, (at, pause): (usize, Duration), now: Instant) -> Option<Turn> {
        let target = &plan.targets[at];
        if attempts.left().is_some_and(|left| left.is_zero()) {
            return None;
        }
        let retrying = self.permit(attempts, plan, at, now)?;
        let health = &target.deployment.health;
        if attempts.settings.cooldown.disabled || plan.strategy == Plan::ONLY {
            return Some(self.take(plan, (at, pause), health.begin_anyway(now), retrying));
        }
        match health.begin(now) {
            Ok(ticket) => Some(self.take(plan, (at, pause), ticket, retrying)),
            Err(refusal) => {
                self.place(at).soft = refusal.soft;
                let sooner = self.refused.is_none_or(|known| refusal.until < known.until);
                if sooner {
                    self.refused = Some(refusal);
                }
                None
            }
        }
    }

    fn take(&mut self, plan: &Plan, (at, pause): (usize, Duration), ticket: Ticket, retrying: Option<Retrying>) -> Turn {
        let free = self.is_free(plan, at);
        self.retries += u32::from(self.made > 0 && !free);
        self.depth.reach(&plan.targets[at], free);
        self.made += 1;
        Turn { at, pause, ticket, retrying }
    }

    /// The attempt came to nothing before it was sent, because its target was full: it counts as none.
    pub(super) fn unsent(&mut self) {
        self.made = self.made.saturating_sub(1);
        if self.made > 0 && !self.depth.is_new() {
            self.retries = self.retries.saturating_sub(1);
        }
    }

    /// Notes a failure and what is to follow it.
    pub(super) fn failed(&mut self, attempts: &Attempts<'_>, plan: &Plan, at: usize, error: Error) {
        let target = &plan.targets[at];
        let overrides = target.overrides.as_deref();
        let step = step::after(&error);
        let alone = self.cursor >= plan.targets.len() && plan.fallbacks.is_empty() && !self.is_fallback;
        let first_again = self.places.iter().all(|place| place.tried == 0);
        let allowed = self.allowed(attempts, plan, &error);
        let left = allowed.is_some_and(|allowed| self.made <= allowed + self.depth.free());
        self.insists = left && error.origin == Origin::Provider && matches!(error.failure, Failure::Request | Failure::ContentPolicy);
        let refuses = error.retry == Retry::Never && !self.insists;
        let place = self.place(at);
        place.tried += 1;
        place.due = error.problem.retry_after.map(|hint| clock::now() + hint.min(LONGEST));
        place.struck |= step == Step::Strike || refuses;
        // A key of the caller's own that is refused once is refused again.
        let refused = target.own.is_some() && own::is_of_key(error.failure);
        place.unable |= refused || matches!(error.failure, Failure::Unsupported | Failure::Own | Failure::TooLarge);
        let tried = place.tried;
        self.accept_empty |= error.failure == Failure::Empty;
        let rule = overrides.and_then(|overrides| overrides.retry.as_ref()).or(attempts.asked.rule.as_ref());
        let again = match (rule, self.repeats) {
            (Some(rule), _) => tried <= rule.attempts && step::repeats(rule, &error),
            (None, Some(_)) => false,
            (None, None) => match step {
                Step::Again => tried == 1 && (first_again || alone),
                Step::IfAlone => tried == 1 && alone,
                Step::Stop | Step::Others | Step::Strike => false,
            },
        };
        // What is wrong with the request for one `order` may not be wrong for a deeper one.
        let goes_on = self.insists || error.origin == Origin::Provider && self.depth.close(&plan.targets);
        let stops = step == Step::Stop && !goes_on;
        self.stopped = stops || overrides.is_some_and(|overrides| !step::goes_on(overrides, &error));
        if again {
            self.again = self.pause_for(attempts, plan, rule.map(|rule| rule.delay), &error).map(|pause| (at, pause));
            self.stopped = false;
            // What one target is allowed beside the first request does not count against the others.
            self.most += u32::from(rule.is_some());
        } else if let Some(allowed) = allowed {
            // LiteLLM counts by class: a class may be worth more repetitions, or fewer, or some where there would be none.
            self.most = allowed + 1;
            self.repeats.get_or_insert(allowed);
            let on = !stops && (0..plan.targets.len()).any(|at| !self.is_out_of_question(plan, at) && self.is_free(plan, at));
            self.stopped = self.made > allowed + self.depth.free() && !on;
        }
        self.note(error);
    }

    /// Notes a failure of the whole group.
    pub(super) fn note(&mut self, error: Error) {
        self.over = error.origin != Origin::Provider && error.retry == Retry::Never;
        self.class = step::class(error.failure);
        // What a provider said tells more than that another cannot be asked.
        if self.last.is_none() || error.origin == Origin::Provider || self.over {
            self.last = Some(error);
        }
    }

    /// How many repetitions a policy allows for that failure.
    fn allowed(&self, attempts: &Attempts<'_>, plan: &Plan, error: &Error) -> Option<u32> {
        // Who wants nothing repeated has nothing repeated.
        if attempts.asked.retries == Some(0) {
            return None;
        }
        let named = |policy: &ByClass| policy.get(error.failure);
        let mut of_plan = ByClass::default();
        for (stem, number) in &plan.policy.retry_policy {
            of_plan.set(stem, *number);
        }
        let of_groups = match attempts.asked.group_retry_policy.is_empty() {
            true => &attempts.settings.group_retry_policy,
            false => &attempts.asked.group_retry_policy,
        };
        let of_group = of_groups.get(&*plan.group).and_then(named);
        of_group.or_else(|| named(&of_plan)).or_else(|| named(&attempts.settings.retry_policy))
    }

    /// The pause before the same target is asked again; `None`: it would be too long.
    fn pause_for(&mut self, attempts: &Attempts<'_>, plan: &Plan, fixed: Option<Duration>, error: &Error) -> Option<Duration> {
        let hint = error.problem.retry_after.unwrap_or_default();
        let pause = match fixed {
            Some(delay) => delay.max(hint),
            None => self.backoff.next(hint.max(self.least_pause(attempts, plan))),
        };
        let fits = pause <= LONGEST_WAIT && attempts.left().is_none_or(|left| pause < left);
        fits.then_some(pause)
    }

    fn least_pause(&self, attempts: &Attempts<'_>, plan: &Plan) -> Duration {
        plan.policy.retry_after.unwrap_or(attempts.settings.retry_after)
    }

    /// Whether a target cannot help, whatever its health.
    fn is_out_of_question(&self, plan: &Plan, at: usize) -> bool {
        let target = &plan.targets[at];
        let not_after_others = target.overrides.as_ref().is_some_and(|overrides| !overrides.fallback_candidate);
        let place = self.places.get(at).copied().unwrap_or_default();
        place.struck || self.depth.is_closed(target) || self.made > 0 && not_after_others
    }

    fn place(&mut self, at: usize) -> &mut Place {
        if self.places.len() <= at {
            self.places.resize(at + 1, Place::default());
        }
        &mut self.places[at]
    }
}

/// Repetitions that were asked for: by the caller, the first deployment, the group or the operator, in this order.
fn repeats(attempts: &Attempts<'_>, plan: &Plan) -> Option<u32> {
    let deployment = || plan.targets.first().and_then(|target| target.deployment.spec.num_retries);
    attempts.asked.retries.or_else(deployment).or(plan.policy.num_retries).or(attempts.settings.num_retries)
}

/// Whether a deployment is answering others right now.
fn is_proven(target: &Target, now: Instant) -> bool {
    target.deployment.health.view(now).is_proven()
}
