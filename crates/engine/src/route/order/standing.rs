//! Sorting candidates. They are large, so what is sorted are their standings, and each candidate is moved once.

use fastrand::Rng;

use crate::route::candidate::Candidate;

/// Where a candidate stands: its rank, then its lot, then its place, one number in this order from above.
pub(super) struct Standing(u128);

impl Standing {
    /// The standing of the candidate at that place. The least rank comes first, and of equal ranks the least lot.
    pub(super) fn new(rank: i64, lot: u32, at: usize) -> Self {
        let rank = rank.cast_unsigned() ^ 1 << 63;
        Self(u128::from(rank) << 64 | u128::from(lot) << 32 | at as u128)
    }

    /// The candidate's place before sorting.
    pub(super) fn at(&self) -> usize {
        (self.0 as u32) as usize
    }
}

/// Sorts standings, the least first.
pub(super) fn sort(standings: &mut [Standing]) {
    standings.sort_unstable_by_key(|standing| standing.0);
}

/// Sorts by that rank, the least first; what ties keeps its order.
pub(super) fn by_rank(candidates: &mut [Candidate], rank: impl Fn(&Candidate) -> i64) {
    let mut standings: Vec<Standing> = candidates.iter().enumerate().map(|(at, candidate)| Standing::new(rank(candidate), 0, at)).collect();
    sort(&mut standings);
    place(candidates, &standings);
}

/// Sorts by that rank, the least first; what ties comes by chance.
pub(super) fn by_rank_or_chance(candidates: &mut [Candidate], rng: &mut Rng, rank: impl Fn(&Candidate) -> i64) {
    let standing = |(at, candidate): (usize, &Candidate)| Standing::new(rank(candidate), candidate.lot(rng), at);
    let mut standings: Vec<Standing> = candidates.iter().enumerate().map(standing).collect();
    sort(&mut standings);
    place(candidates, &standings);
}

/// Sorts by the key, the least first; what ties keeps its order.
pub(super) fn by_key(candidates: &mut [Candidate]) {
    by_rank(candidates, |candidate| rank(candidate.key));
}

/// Puts every candidate where it stands.
pub(super) fn place(candidates: &mut [Candidate], standings: &[Standing]) {
    for (to, standing) in standings.iter().enumerate() {
        // What stood there may have been moved on already, by the swaps of the places before.
        let mut from = standing.at();
        while from < to {
            from = standings[from].at();
        }
        if from != to {
            candidates.swap(to, from);
        }
    }
}

/// A number whose order is that of [`f64::total_cmp`].
pub(super) fn rank(key: f64) -> i64 {
    let bits = key.to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_in_the_order_of_the_numbers() {
        let keys = [f64::NEG_INFINITY, -2.5, -1.0e-9, -0.0, 0.0, 1.0e-9, 0.5, 7.0, f64::MAX, f64::INFINITY, f64::NAN];
        assert!(keys.is_sorted_by(|a, b| rank(*a) < rank(*b)));
    }

    #[test]
    fn standings_go_by_rank_then_lot_then_place() {
        let mut standings: Vec<Standing> = [(3, 0, 0), (-1, 7, 1), (-1, 2, 2), (i64::MIN, 9, 3), (i64::MAX, 0, 4), (3, 0, 5)]
            .map(|(rank, lot, at)| Standing::new(rank, lot, at))
            .into();
        sort(&mut standings);
        assert_eq!(standings.iter().map(Standing::at).collect::<Vec<_>>(), [3, 2, 1, 0, 5, 4]);
    }
}
