//! Who is next: the order of those who wait, without any time in it.
//!
//! Tenants take turns. The first call of each tenant stands in the first round, its second one in the second, and so on; a tenant's
//! own calls stand by priority and then as they came, and so do the calls of one round. Whoever has had a turn goes on from there, and
//! whoever comes anew begins with the round that is being served: nobody saves up turns, and nobody gets two for one.
//!
//! A call has its turn when no one before it waits for something that it needs too, so that a tenant at its own limit is in nobody
//! else's way.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::Capacity;

/// Those who wait.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiters: BTreeMap<u64, Waiter>,
    /// The rounds that tenants have been served, where that is more than the round being served.
    served: HashMap<Arc<str>, u64>,
    /// The round being served.
    round: u64,
    next: u64,
    /// Whether priorities come before turns.
    pub(super) strict: bool,
}

#[derive(Debug)]
struct Waiter {
    tenant: Arc<str>,
    priority: u8,
    needs: Vec<Capacity>,
    stand: Stand,
}

/// How one of them stands.
#[derive(Debug)]
enum Stand {
    /// It waits for its turn.
    Behind,
    /// It is trying; something may have become free since it began.
    Trying { freed: bool },
    /// It tried, and lacks this.
    Blocked { by: Capacity, ripe: bool },
}

impl Line {
    /// Somebody comes.
    pub(super) fn join(&mut self, tenant: Arc<str>, priority: u8, needs: Vec<Capacity>) -> u64 {
        self.next += 1;
        self.waiters.insert(self.next, Waiter { tenant, priority, needs, stand: Stand::Behind });
        self.next
    }

    /// It tried, and that was in its way.
    pub(super) fn block(&mut self, number: u64, by: Capacity) {
        let Some(waiter) = self.waiters.get_mut(&number) else { return };
        if !waiter.needs.contains(&by) {
            waiter.needs.push(by.clone());
        }
        let ripe = matches!(waiter.stand, Stand::Trying { freed: true });
        waiter.stand = Stand::Blocked { by, ripe };
    }

    /// It is worth another try.
    pub(super) fn ripen(&mut self, number: u64) {
        if let Some(Waiter { stand: Stand::Blocked { ripe, .. }, .. }) = self.waiters.get_mut(&number) {
            *ripe = true;
        }
    }

    /// Some of that was given back. Whether anybody needs it.
    pub(super) fn freed(&mut self, what: &dyn Fn(&Capacity) -> bool) -> bool {
        let mut any = false;
        for waiter in self.waiters.values_mut() {
            match &mut waiter.stand {
                Stand::Trying { freed } => *freed |= waiter.needs.iter().any(what),
                Stand::Blocked { by, ripe } if what(by) => (*ripe, any) = (true, true),
                Stand::Blocked { .. } | Stand::Behind => {}
            }
        }
        any
    }

    /// It leaves; `served`: with what it waited for.
    pub(super) fn leave(&mut self, number: u64, served: bool) {
        let Some(waiter) = self.waiters.remove(&number) else { return };
        if served {
            self.round = self.of(&waiter.tenant);
            self.served.insert(waiter.tenant, self.round + 1);
        }
        if self.waiters.is_empty() {
            self.served.clear();
        }
        let round = self.round;
        self.served.retain(|_, served| *served > round);
    }

    /// The round that a tenant's first call stands in.
    fn of(&self, tenant: &Arc<str>) -> u64 {
        self.served.get(tenant).copied().unwrap_or(0).max(self.round)
    }

    /// Everybody, the first first.
    fn order(&self) -> Vec<u64> {
        let mut own: Vec<(&Arc<str>, u8, u64)> = self.waiters.iter().map(|(number, one)| (&one.tenant, one.priority, *number)).collect();
        own.sort_unstable();
        let (mut order, mut before, mut round) = (Vec::with_capacity(own.len()), None, 0);
        for (tenant, priority, number) in own {
            round = if before == Some(tenant) { round + 1 } else { self.of(tenant) };
            before = Some(tenant);
            order.push(if self.strict { (u64::from(priority), round, number) } else { (round, u64::from(priority), number) });
        }
        order.sort_unstable();
        order.into_iter().map(|(.., number)| number).collect()
    }

    /// Whose turn it is now; they are trying from now on.
    pub(super) fn turns(&mut self) -> Vec<u64> {
        // What somebody tries for is nobody else's, however important.
        let trying = self.waiters.values().filter(|waiter| matches!(waiter.stand, Stand::Trying { .. }));
        let (mut ahead, mut turns): (HashSet<Capacity>, Vec<u64>) =
            (trying.flat_map(|waiter| &waiter.needs).cloned().collect(), Vec::new());
        for number in self.order() {
            let Some(waiter) = self.waiters.get_mut(&number) else { continue };
            match &waiter.stand {
                Stand::Trying { .. } => {}
                // Somebody before it waits for what it needs too.
                Stand::Behind | Stand::Blocked { .. } if waiter.needs.iter().any(|need| ahead.contains(need)) => {}
                Stand::Blocked { by, ripe: false } => drop(ahead.insert(by.clone())),
                Stand::Behind | Stand::Blocked { ripe: true, .. } => {
                    waiter.stand = Stand::Trying { freed: false };
                    ahead.extend(waiter.needs.iter().cloned());
                    turns.push(number);
                }
            }
        }
        turns
    }

    /// Whether it is trying.
    pub(super) fn is_trying(&self, number: u64) -> bool {
        self.waiters.get(&number).is_some_and(|waiter| matches!(waiter.stand, Stand::Trying { .. }))
    }

    /// Whether somebody waits who needs some of that.
    pub(super) fn contends(&self, needs: &[Capacity]) -> bool {
        self.waiters.values().any(|waiter| waiter.needs.iter().any(|need| needs.contains(need)))
    }

    /// Who of those that tried and failed lacks some of that.
    pub(super) fn fellow(&self, needs: &[Capacity]) -> Option<u64> {
        let lacks = |waiter: &Waiter| matches!(&waiter.stand, Stand::Blocked { by, .. } if needs.contains(by));
        self.waiters.iter().find(|(_, waiter)| lacks(waiter)).map(|(number, _)| *number)
    }

    /// Who goes where there is no more room: the last of the tenant that has most calls here, unless that tenant would be the
    /// newcomer's.
    pub(super) fn last_of_longest(&self, newcomer: &str) -> Option<u64> {
        let mut lengths: HashMap<&str, usize> = HashMap::new();
        self.waiters.values().for_each(|waiter| *lengths.entry(&*waiter.tenant).or_default() += 1);
        let own = lengths.get(newcomer).copied().unwrap_or(0) + 1;
        let (longest, _) = lengths.into_iter().filter(|(_, length)| *length > own).max_by_key(|(name, length)| (*length, *name))?;
        let waits = |waiter: &Waiter| *waiter.tenant == *longest && !matches!(waiter.stand, Stand::Trying { .. });
        let of_longest = self.waiters.iter().filter(|(_, waiter)| waits(waiter));
        of_longest.max_by_key(|(number, waiter)| (waiter.priority, **number)).map(|(number, _)| *number)
    }

    /// Whether it is there.
    pub(super) fn has(&self, number: u64) -> bool {
        self.waiters.contains_key(&number)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }
}
